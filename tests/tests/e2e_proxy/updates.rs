//! A new policy while Envoy runs.

use procgate_tests::envoy::{Envoy, Setup};
use procgate_tests::proxy::{Proxy, policy};
use procgate_tests::tokens::{Key, SCOPE};
use procgate_tests::until::until;
use procgate_tests::upstream::Upstream;
use procgate_tests::wire::{self, Connection, get, token_line};
use serde_json::json;

#[test]
fn a_new_policy_applies_to_open_connections_at_once() {
    let mut proxy = Proxy::start();
    let (mut open, line) = proxy.connect();
    assert_eq!(open.ask(get("/charge/1", &line)).status, 200);

    let mut policy = proxy.policy();
    policy["rules"][0]["allow"]["to"]["paths"] = json!(["/refund/**"]);
    proxy.envoy.write_policy(&policy);
    await_reason(&mut open, "/charge/1", "no-matching-rule");
    assert_eq!(open.ask(get("/refund/1", "")).status, 200);
}

#[test]
fn a_policy_with_a_mistake_is_rejected_and_the_one_before_goes_on_serving() {
    let mut proxy = Proxy::start();
    let (mut open, line) = proxy.connect();
    assert_eq!(open.ask(get("/charge/0", &line)).status, 200);
    let mut unknown_field = proxy.policy();
    unknown_field["rules"][0]["allow"]["to"]["port"] = json!([80]);
    let mut no_mode = proxy.policy();
    no_mode.as_object_mut().unwrap().remove("mode");
    let deep = format!("{{\"rules\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let bad = [unknown_field.to_string(), no_mode.to_string(), "{".into(), "{\u{0}}".into(), deep];
    for (count, policy) in (1..).zip(bad) {
        proxy.envoy.write_policy(policy);
        until("Envoy to reject it", || (proxy.envoy.rejected_policies() == count).then_some(()));
        assert_eq!(open.ask(get("/charge/1", "")).status, 200);
        assert_eq!(proxy.approved("/charge/2").status, 200);
        assert_eq!(proxy.unidentified("/charge/3").reason().as_deref(), Some("no-identity"));
    }
    assert!(proxy.envoy.log().contains("rules[0].allow.to.port"), "{}", proxy.envoy.log());

    let mut good = proxy.policy();
    good["rules"] = json!([]);
    proxy.envoy.write_policy(&good);
    await_reason(&mut open, "/charge/4", "no-matching-rule");
}

#[test]
fn a_policy_with_a_mistake_at_the_start_lets_nothing_through_until_it_is_mended() {
    let (upstream, key) = (Upstream::start(), Key::new("2026-11"));
    let mut envoy = Envoy::start_with_any(Setup::new("{}", upstream.address()));
    assert_eq!(wire::fetch(envoy.address(), "/charge/1").status, 500);
    assert!(envoy.log().contains("trust"), "{}", envoy.log());
    assert_eq!(upstream.requests(), 0);

    envoy.write_policy(policy(&[key.trusted_for(SCOPE)]));
    until("the good policy", || {
        (wire::fetch(envoy.address(), "/charge/2").reason().as_deref() == Some("no-identity")).then_some(())
    });
}

#[test]
fn taking_a_key_out_of_the_policy_ends_the_connections_that_it_vouched_for() {
    let mut proxy = Proxy::start();
    let (mut open, line) = proxy.connect();
    assert_eq!(open.ask(get("/charge/1", &line)).status, 200);

    let next = Key::new("2026-12");
    proxy.envoy.write_policy(policy(&[next.trusted_for(SCOPE)]));
    await_reason(&mut open, "/charge/2", "unknown-key");
    let mut renewed = Connection::open(proxy.envoy.address());
    let token = next.mint(&proxy.claims(&renewed));
    assert_eq!(renewed.ask(get("/charge/3", &token_line(&token))).status, 200);
}

#[test]
fn a_key_is_rotated_without_a_refusal() {
    let mut proxy = Proxy::start();
    let (mut open, line) = proxy.connect();
    assert_eq!(open.ask(get("/charge/1", &line)).status, 200);

    let next = Key::new("2026-12");
    proxy.envoy.write_policy(policy(&[proxy.key.trusted_for(SCOPE), next.trusted_for(SCOPE)]));
    until("the new key to be trusted", || {
        assert_eq!(open.ask(get("/charge/2", "")).status, 200);
        assert_eq!(proxy.approved("/charge/3").status, 200);
        let mut renewed = Connection::open(proxy.envoy.address());
        let token = next.mint(&proxy.claims(&renewed));
        (renewed.ask(get("/charge/4", &token_line(&token))).status == 200).then_some(())
    });
}

/// Asks on this connection until the answer has this reason. In the meantime the old policy answers.
fn await_reason(connection: &mut Connection, path: &str, reason: &str) {
    until("the new policy", || {
        let answer = connection.ask(get(path, ""));
        assert!(matches!(answer.status, 200 | 403), "{answer:?}");
        (answer.reason().as_deref() == Some(reason)).then_some(())
    });
}
