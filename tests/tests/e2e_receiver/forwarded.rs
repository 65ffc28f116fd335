//! What the sender's proxy lets through comes with its token, and the receiver's proxy judges it again.

use crate::stage::Stage;
use procgate_policy::Direction;
use procgate_tests::tokens::{Key, SCOPE, SUBJECT};
use procgate_tests::until::until;
use procgate_tests::wire::{Answer, Connection, Http2, get, token_line};
use serde_json::json;

/// A request of the approved process to its own proxy.
fn approved(stage: &Stage, path: &str) -> Answer {
    let mut connection = Connection::open(stage.sender.address());
    let line = token_line(&stage.receiver.key.mint(&stage.claims(&connection)));
    connection.ask(get(path, &line))
}

#[test]
fn an_approved_process_is_judged_at_both_ends_and_its_token_ends_at_the_second() {
    let stage = Stage::start();
    let answer = approved(&stage, "/charge/1");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.json()["headers"].get("x-process-identity").is_none());
    for (envoy, direction) in
        [(&stage.sender, Direction::Outbound), (&stage.receiver.envoy, Direction::Inbound)]
    {
        let record = envoy.record("the record", |record| record.direction == direction);
        assert_eq!((record.reason.code(), record.subject.as_deref()), ("allowed", Some(SUBJECT)));
    }
    let labels = [("direction", "inbound"), ("decision", "allow"), ("carrier", "header")];
    until("the count", || {
        (stage.receiver.envoy.metric("procgate_decisions_total", &labels) == 1).then_some(())
    });
}

#[test]
fn every_request_of_a_connection_takes_the_token_along() {
    let stage = Stage::start();
    let mut connection = Connection::open(stage.sender.address());
    let line = token_line(&stage.receiver.key.mint(&stage.claims(&connection)));
    assert_eq!(connection.ask(get("/charge/1", &line)).status, 200);
    assert_eq!(connection.ask(get("/charge/1", "")).status, 200);
    assert_eq!(connection.ask(get("/charge/2", "")).status, 200);
    assert_eq!(connection.ask(get("/refund/2", "")).status, 403);
    assert_eq!(stage.receiver.upstream.requests(), 3);

    let mut http2 = Http2::open(stage.sender.address());
    let token = stage.receiver.key.mint(&procgate_tests::tokens::claims(
        procgate_tests::proxy::exe(),
        None,
        http2.source(),
        stage.sender.address(),
    ));
    assert_eq!(http2.get("/charge/3", &[("x-process-identity", &token)]).status, 200);
    assert_eq!(http2.get("/charge/4", &[]).status, 200);
}

#[test]
fn without_forward_the_token_ends_at_the_sender_s_proxy_and_the_receiver_refuses() {
    let mut stage = Stage::start();
    let policy = stage.receiver.policy();
    stage.sender.write_policy(&policy);
    until("the request without its token", || {
        (approved(&stage, "/charge/1").reason().as_deref() == Some("no-identity")).then_some(())
    });
}

#[test]
fn the_receiver_s_own_rules_decide_there() {
    let mut stage = Stage::start();
    let mut policy = stage.receiver.policy();
    policy["rules"] = json!([{"name": "only-refunds", "allow": {
        "from": {"process": "checkout"}, "to": {"paths": ["/refund/**"]},
    }}]);
    stage.receiver.envoy.write_policy(&policy);
    until("the receiver's refusal", || {
        (approved(&stage, "/charge/1").reason().as_deref() == Some("no-matching-rule")).then_some(())
    });
    let record = stage.receiver.envoy.record("the refusal", |record| record.direction == Direction::Inbound);
    assert_eq!(record.process.as_deref(), Some("checkout"));
}

#[test]
fn a_key_that_the_receiver_does_not_trust_vouches_for_nobody_there() {
    let mut stage = Stage::start();
    let mut policy = stage.receiver.policy();
    policy["trust"]["keys"] = json!([Key::new("another").trusted_for(SCOPE)]);
    stage.receiver.envoy.write_policy(&policy);
    until("the receiver's refusal", || {
        (approved(&stage, "/charge/1").reason().as_deref() == Some("unknown-key")).then_some(())
    });
}
