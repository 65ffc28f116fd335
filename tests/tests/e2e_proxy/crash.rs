//! What a crash of the plugin does: fail, never open.

use procgate_tests::envoy::{Envoy, Setup};
use procgate_tests::proxy::{Proxy, policy};
use procgate_tests::tokens::{Key, SCOPE};
use procgate_tests::tools;
use procgate_tests::until::until;
use procgate_tests::upstream::Upstream;
use procgate_tests::wire::{self, Connection, get};

const CRASH: &str = "x-procgate-crash: now\r\n";

fn proxy() -> Proxy {
    Proxy::start_with(|setup| {
        setup.wasm = tools::wasm_that_crashes();
        setup.workers = 1;
    })
}

#[test]
fn a_crash_fails_its_request_and_the_next_ones_are_judged_again() {
    let proxy = proxy();
    let crashed = proxy.approved_with("/charge/crash", CRASH);
    assert_eq!(crashed.status, 503);
    until("the plugin to be back", || {
        let unidentified = proxy.unidentified("/charge/nobody");
        assert_ne!(unidentified.status, 200, "it failed open");
        (unidentified.status == 403).then_some(())
    });
    assert_eq!(proxy.approved("/charge/approved").status, 200);
    assert_eq!(proxy.upstream.requests(), 1);
}

#[test]
fn crash_after_crash_nothing_passes() {
    let proxy = proxy();
    for _ in 0..20 {
        let mut connection = Connection::open(proxy.envoy.address());
        assert_ne!(connection.ask(get("/charge/crash", CRASH)).status, 200);
        assert_ne!(proxy.unidentified("/charge/nobody").status, 200);
    }
    assert_eq!(proxy.upstream.requests(), 0);
    until("the plugin to be back", || (proxy.approved("/charge/approved").status == 200).then_some(()));
}

/// A file that is cut, and one that is no module of this plugin: Envoy comes up, and refuses.
#[test]
fn a_module_that_cannot_be_loaded_lets_nothing_through() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(tools::wasm()).unwrap();
    for (name, bytes) in
        [("cut", &whole[..whole.len() / 2]), ("empty", b"\0asm\x01\0\0\0"), ("none", b"none")]
    {
        let (upstream, module) = (Upstream::start(), folder.path().join(name));
        std::fs::write(&module, bytes).unwrap();
        let key = Key::new("2026-11");
        let mut setup = Setup::new(policy(&[key.trusted_for(SCOPE)]), upstream.address());
        setup.wasm = module;
        let envoy = Envoy::start_with_any(setup);
        let answer = wire::fetch(envoy.address(), "/charge/1");
        assert!((500..504).contains(&answer.status), "{name}: {}", answer.status);
        assert_eq!(upstream.requests(), 0, "{name}");
    }
}

#[test]
fn an_open_connection_keeps_its_identity_through_a_crash() {
    let proxy = proxy();
    let (mut open, line) = proxy.connect();
    assert_eq!(open.ask(get("/charge/1", &line)).status, 200);
    assert_eq!(proxy.approved_with("/charge/crash", CRASH).status, 503);
    until("the plugin to be back", || {
        let answer = open.ask(get("/charge/2", ""));
        assert_ne!(answer.status, 403, "{answer:?}");
        (answer.status == 200).then_some(())
    });
}
