//! A token is good for one connection.

use procgate_tests::proxy::Proxy;
use procgate_tests::until::until;
use procgate_tests::wire::{Connection, get};

#[test]
fn a_token_is_replayed_in_vain_at_a_worker_that_has_not_seen_it() {
    let proxy = Proxy::start_with(|setup| {
        // Each connection goes to the least busy worker. By default it goes by the hash of both ends,
        // which brings a replay to the same worker every time.
        let balanced = "OUTBOUND\n    connection_balance_config: {exact_balance: {}}\n";
        setup.amendments.push(("OUTBOUND\n", balanced.into()));
    });
    let address = proxy.envoy.address();
    let on_one = Connection::open(address);
    await_connections(&proxy, 1);
    let (owners_worker, (source, line)) = worker_of(&proxy, || {
        let (mut owner, line) = proxy.connect();
        assert_eq!(owner.ask(get("/charge/1", &line)).status, 200);
        (owner.source(), line)
    });
    await_connections(&proxy, 1);
    let _on_the_owners = Connection::open(address);
    await_connections(&proxy, 2);
    drop(on_one);
    await_connections(&proxy, 1);

    let (replaying_worker, ()) = worker_of(&proxy, || {
        let answer = Connection::open_from(source, address).ask(get("/charge/2", &line));
        assert_eq!(answer.reason().as_deref(), Some("replayed"));
    });
    assert_ne!(owners_worker, replaying_worker, "the test has to reach both");
}

/// Which worker served the connection that is made in the meantime.
fn worker_of<T>(proxy: &Proxy, connect: impl FnOnce() -> T) -> (usize, T) {
    let served = |worker: usize| proxy.envoy.listener_stat(&format!("worker_{worker}.downstream_cx_total"));
    let before = [0, 1].map(served);
    let made = connect();
    let worker = [0, 1].into_iter().position(|worker| served(worker) > before[worker]);
    (worker.expect("one of the two served it"), made)
}

fn await_connections(proxy: &Proxy, open: u64) {
    let active = || proxy.envoy.listener_stat("downstream_cx_active");
    until("connections to open and close", || (active() == open).then_some(()));
}

#[test]
fn a_token_from_before_a_restart_is_refused_and_a_new_one_is_not() {
    let mut proxy = Proxy::start();
    let (mut owner, line) = proxy.connect();
    assert_eq!(owner.ask(get("/charge/1", &line)).status, 200);
    let source = owner.source();
    drop(owner);
    proxy.envoy.restart();

    let replay = Connection::open_from(source, proxy.envoy.address()).ask(get("/charge/2", &line));
    assert_eq!(replay.reason().as_deref(), Some("replayed"));
    let (mut again, line) = proxy.connect_from(source);
    assert_eq!(again.ask(get("/charge/3", &line)).status, 200);
}

#[test]
fn an_older_token_of_the_same_source_is_refused_also_where_it_was_never_used() {
    let proxy = Proxy::start();
    let (first, unused) = proxy.connect();
    let source = first.source();
    drop(first);
    let (mut second, line) = proxy.connect_from(source);
    assert_eq!(second.ask(get("/charge/1", &line)).status, 200);
    drop(second);
    let late = Connection::open_from(source, proxy.envoy.address()).ask(get("/charge/2", &unused));
    assert_eq!(late.reason().as_deref(), Some("replayed"));
}

#[test]
fn a_spoofed_forwarded_address_changes_nothing() {
    let proxy = Proxy::start();
    let (mut owner, line) = proxy.connect();
    let spoof = format!("x-forwarded-for: 10.9.9.9\r\n{line}");
    assert_eq!(owner.ask(get("/charge/1", &spoof)).status, 200);

    let victim = owner.source();
    let mut thief = Connection::open(proxy.envoy.address());
    for spoof in [victim.to_string(), victim.ip().to_string()] {
        let answer = thief.ask(get("/charge/2", &format!("x-forwarded-for: {spoof}\r\n{line}")));
        assert_ne!(answer.status, 200, "{spoof}");
    }
}
