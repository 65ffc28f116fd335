//! Who gets through, and what is recorded of it.

use crate::stage::{Stage, is_served};
use procgate_identity::{Carrier, Digest, Lifetime, UnixSeconds};
use procgate_policy::{Direction, Reason};
use procgate_tests::until::until;
use serde_json::json;
use std::io::{Read, Write};

#[test]
fn an_approved_process_talks_to_a_server_that_speaks_first() {
    let stage = Stage::start();
    let (mut stream, _) = stage.greeted();
    let source = stream.local_addr().unwrap();
    stream.write_all(b"EHLO checkout\r\n").unwrap();
    let mut echo = [0; 15];
    stream.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"EHLO checkout\r\n");
    drop(stream);
    let record = stage.record_of(source);
    assert_eq!((record.reason, record.carrier), (Reason::Allowed, Some(Carrier::ProxyV2)));
    assert_eq!(
        (record.process.as_deref(), record.rule.as_deref()),
        (Some("checkout"), Some("checkout-mails"))
    );
    assert_eq!((record.address, record.method), (Some(stage.envoy.address()), None));
}

#[test]
fn whoever_brings_no_token_is_refused_and_nothing_connects_upstream() {
    let stage = Stage::start();
    assert_eq!(stage.refusal(|_| b"EHLO neighbour\r\n".to_vec()), "no-identity");
    assert_eq!(stage.refusal(|_| Vec::new()), "no-identity");
}

#[test]
fn another_process_and_another_code_list_are_refused_by_name() {
    let stage = Stage::start();
    let shell = Digest::of(b"sh");
    let minted = |stream: &_| {
        let claims = procgate_identity::Claims { exe: shell, ..stage.claims(stream) };
        stage.preface_with(stream, &stage.key.mint(&claims))
    };
    assert_eq!(stage.refusal(minted), "unknown-process");
}

#[test]
fn a_token_of_another_connection_is_refused_also_where_its_preface_claims_that_source() {
    let stage = Stage::start();
    let victim = stage.connect();
    let claims = stage.claims(&victim);
    let token = stage.key.mint(&claims);
    assert_eq!(stage.refusal(|thief| stage.preface_with(thief, &token)), "wrong-source");
    assert_eq!(stage.refusal(|_| stage.preface_with(&victim, &token)), "wrong-source");
}

#[test]
fn a_token_is_accepted_once() {
    let stage = Stage::start();
    let (stream, preface) = stage.greeted();
    let source = stream.local_addr().unwrap();
    drop(stream);
    let mut again = stage.connect_from(source);
    again.write_all(&preface).unwrap();
    assert!(!is_served(&mut again));
    drop(again);
    let log = || stage.envoy.records().iter().map(|record| record.reason.code()).collect::<Vec<_>>();
    until("both records", || (log() == ["allowed", "replayed"]).then_some(()));
}

#[test]
fn audit_lets_everything_through_and_records_what_enforcing_would_do() {
    let stage = Stage::start_with(|setup| setup.policy = setup.policy.replace("enforce", "audit"));
    assert!(stage.reaches(|_| b"hello".to_vec()));
    let record = stage.envoy.record("the record", |_| true);
    assert_eq!(record.reason.code(), "no-identity");
}

#[test]
fn a_new_policy_holds_for_the_next_connection() {
    let mut stage = Stage::start();
    assert!(stage.reaches(|stream| stage.preface(stream)));
    let mut policy = stage.policy();
    policy["rules"][0]["allow"]["to"] = json!({"destination": "loopback", "ports": [1]});
    stage.envoy.write_policy(&policy);
    until("the new policy", || (!stage.reaches(|stream| stage.preface(stream))).then_some(()));
    assert_eq!(stage.refusal(|stream| stage.preface(stream)), "no-matching-rule");
}

#[test]
fn decisions_are_counted_by_reason_and_carrier() {
    let stage = Stage::start();
    assert!(stage.reaches(|stream| stage.preface(stream)));
    assert_eq!(stage.refusal(|_| b"x".to_vec()), "no-identity");
    let count = |labels: &[(&str, &str)]| stage.envoy.metric("procgate_decisions_total", labels);
    until("two decisions", || (count(&[]) == 2).then_some(()));
    assert_eq!(count(&[("decision", "allow"), ("carrier", "proxy-v2"), ("direction", "outbound")]), 1);
    assert_eq!(count(&[("reason", "no-identity"), ("carrier", "none")]), 1);
}

/// What comes in brings its tokens with its requests: the network filter has nothing to decide by, and says so.
#[test]
fn at_an_inbound_listener_the_network_filter_refuses_even_the_approved_process_and_names_the_mistake() {
    for kind in ["tcp", "tls-alpn"] {
        let inbound = ("traffic_direction: OUTBOUND", "traffic_direction: INBOUND".into());
        let stage = Stage::start_with(|setup| {
            setup.kind = kind;
            setup.amendments.push(inbound);
        });
        assert_eq!(stage.refusal(|stream| stage.preface(stream)), "internal", "{kind}");
        let record = stage.envoy.record("the refusal", |_| true);
        assert_eq!(record.direction, Direction::Inbound, "{kind}");
        let detail = record.detail.unwrap();
        assert!(detail.contains("attach the HTTP filter there"), "{kind}: {detail}");
        let labels = [("reason", "internal"), ("direction", "inbound")];
        assert_eq!(stage.envoy.metric("procgate_decisions_total", &labels), 1, "{kind}");
    }
}

#[test]
fn an_expired_token_is_refused() {
    let stage = Stage::start();
    let expired = |stream: &_| {
        let mut claims = stage.claims(stream);
        claims.lifetime = Lifetime { issued_at: UnixSeconds(1_000), expires_at: UnixSeconds(1_150) };
        stage.preface_with(stream, &stage.key.mint(&claims))
    };
    assert_eq!(stage.refusal(expired), "expired");
}
