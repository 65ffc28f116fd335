//! Who gets through.

use crate::stage::{MODES, Stage};
use procgate_identity::Carrier;
use procgate_policy::Reason;
use procgate_tests::tools;

#[test]
fn an_approved_program_is_allowed_and_its_bytes_arrive_as_they_are() {
    let Some(stage) = Stage::start() else { return };
    for (number, mode) in MODES.into_iter().enumerate() {
        let finished = stage.fetch(mode, &stage.checkout.path, &["/a", "/b"]);
        assert!(finished.status.success(), "{mode}: {finished}");
        assert_eq!(finished.stdout.matches("\n200\n").count(), 2, "{mode}: {finished}");
        assert!(!finished.stdout.contains("x-process-identity"), "{mode}: {finished}");
        assert!(finished.stderr.contains(&format!("carrier proxy-v2, mode {mode}")), "{finished}");
        let record = stage.record(number);
        assert_eq!((record.reason, record.carrier), (Reason::Allowed, Some(Carrier::ProxyV2)), "{mode}");
        assert_eq!(record.process.as_deref(), Some("checkout"), "{mode}");
        assert_eq!(record.address, Some(stage.envoy.address()), "{mode}");
    }
}

#[test]
fn another_program_under_the_same_shim_is_refused_and_reaches_nothing() {
    let Some(stage) = Stage::start() else { return };
    let curl = tools::client("curl").unwrap();
    for (number, mode) in MODES.into_iter().enumerate() {
        let finished = stage.fetch(mode, &curl, &["/a"]);
        assert!(finished.stdout.ends_with("\n403\n"), "{mode}: {finished}");
        assert_eq!(stage.record(number).reason, Reason::UnknownProcess, "{mode}");
    }
    assert_eq!(stage.upstream.requests(), 0);
}
