//! Many connections at a time, and many one after the other.

use crate::stage::{Size, Stage};
use procgate_tests::process::resident_kilobytes;
use procgate_tests::way::Way;
use procgate_tests::wire;
use rustix::process::{Resource, getrlimit};

const MANY: u64 = 10_000;
/// What a shim may have in use that has nothing to do yet.
const IDLE_KILOBYTES: i64 = 8_192;

/// As many as there may be descriptors for; with the header, the shim has two for each connection.
fn many(way: Way) -> u64 {
    let descriptors = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX).saturating_sub(500);
    let bearable = if way.is_preface() { descriptors } else { descriptors / 2 };
    if bearable < MANY {
        assert!(std::env::var_os("CI").is_none() || bearable * 10 >= MANY * 9, "raise RLIMIT_NOFILE");
        eprintln!("{way}: {bearable} connections, for want of descriptors");
    }
    MANY.min(bearable)
}

#[test]
fn ten_thousand_connections_are_there_at_a_time_and_each_is_served() {
    for way in Size::asked_for().ways.iter().copied() {
        let (stage, many) = (Stage::start(way), many(way));
        let mut crowd = stage.crowd(way);
        let before = resident_kilobytes(crowd.shim());
        assert!(before < IDLE_KILOBYTES, "{way}: {before} kB while idle");
        let opened = crowd.does(&format!("open {many}"));
        assert_eq!(opened.count("200"), many, "{way}: {opened}");
        assert!(stage.pod.envoy.listener_stat("downstream_cx_active") >= many);
        let asked = crowd.does("ask");
        assert_eq!(asked.count("200"), many, "{way}: {asked}");
        let stranger = wire::fetch(stage.pod.envoy.address(), "/charge/stranger");
        assert_eq!(stranger.status, 403, "{way}");
        assert_eq!((stage.decisions("allow"), stage.decisions("deny")), (2 * many, 1), "{way}");
        let grown = resident_kilobytes(crowd.shim()) - before;
        eprintln!("{way}: {many} open, {opened}; the shim has grown by {grown} kB");
        // Nothing of a connection is left in the shim once it is made.
        assert!(!way.is_preface() || grown < 2_048, "{way}: {grown} kB");
        crowd.ends();
    }
}

#[test]
fn connections_that_come_and_go_fast_all_get_through() {
    let Size { rate, seconds, .. } = Size::asked_for();
    for way in Way::ALL {
        let stage = Stage::start(way);
        let mut crowd = stage.crowd(way);
        let report = crowd.does(&format!("rate {rate} {seconds}"));
        eprintln!("{way}: {rate} a second for {seconds} s: {report}");
        assert_eq!(report.count("200"), u64::from(rate * seconds), "{way}: {report}\n{}", stage.refusals());
        assert_eq!(report.total(), u64::from(rate * seconds), "{way}: {report}");
        // What nobody would take for a hang on a machine that does other things too.
        assert!(report.milliseconds("p99") < 1_000.0, "{way}: {report}");
        assert_eq!(stage.decisions("deny"), 0, "{way}");
        crowd.ends();
    }
}
