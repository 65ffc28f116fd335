//! Whoever gets around the sender's proxy.

use crate::stage::{SENDER, Stage, curl};
use procgate_identity::{Lifetime, TOKEN_LIFE_SECONDS, UnixNanos};
use procgate_policy::Direction;
use procgate_tests::process::run;
use procgate_tests::tokens::now;
use procgate_tests::wire::Connection;

/// The header line of the token, as curl takes it.
fn line(token: &str) -> String {
    format!("x-process-identity: {token}")
}

#[test]
fn a_rogue_with_the_proxy_s_certificate_and_no_token_is_refused() {
    let stage = Stage::start();
    let answer = stage.straight(SENDER, "/charge/1", &[]);
    assert_eq!((answer.status, answer.reason().as_deref()), (403, Some("no-identity")));
    assert_eq!(stage.receiver.upstream.requests(), 0);
}

#[test]
fn a_rogue_without_a_certificate_does_not_get_a_connection() {
    let stage = Stage::start();
    let token = stage.token();
    let finished = run(curl().args(["-H", &line(&token), &stage.url("/charge/1")]));
    assert!(!finished.status.success(), "{finished}");
    assert_eq!(stage.receiver.upstream.requests(), 0);
}

#[test]
fn another_workload_with_a_stolen_token_is_a_peer_mismatch() {
    let stage = Stage::start();
    let token = stage.token();
    for principal in [
        "spiffe://shop.example/ns/shop/sa/cart",
        "spiffe://shop.example/ns/shop/sa/checkout2",
        "spiffe://shop.example/ns/shop",
        "spiffe://shop.example/ns/shop/sa/checkout/container/checkout",
    ] {
        let answer = stage.straight(principal, "/charge/1", &[line(&token)]);
        assert_eq!((answer.status, answer.reason().as_deref()), (403, Some("peer-mismatch")), "{principal}");
    }
    let record = stage.receiver.envoy.record("the refusal", |record| record.direction == Direction::Inbound);
    let detail = record.detail.as_deref().unwrap();
    assert!(detail.contains(SENDER) && detail.contains("peer's certificate"), "{detail}");
    assert_eq!(stage.receiver.upstream.requests(), 0);
    // The token itself was good.
    assert_eq!(stage.straight(SENDER, "/charge/1", &[line(&token)]).status, 200);
}

#[test]
fn a_token_that_is_over_is_expired_also_where_it_was_good_before() {
    let stage = Stage::start();
    let connection = Connection::open(stage.sender.address());
    let mut claims = stage.claims(&connection);
    let minted = UnixNanos(now().0 - (TOKEN_LIFE_SECONDS - 2) * 1_000_000_000);
    claims.lifetime = Lifetime::starting(minted, TOKEN_LIFE_SECONDS);
    let token = stage.receiver.key.mint(&claims);
    assert_eq!(stage.straight(SENDER, "/charge/1", &[line(&token)]).status, 200);
    let expired = || {
        let answer = stage.straight(SENDER, "/charge/1", &[line(&token)]);
        (answer.reason().as_deref() == Some("expired")).then_some(())
    };
    procgate_tests::until::until("the token's end", expired);
}

#[test]
fn two_tokens_on_one_request_are_ambiguous() {
    let stage = Stage::start();
    let tokens = [line(&stage.token()), line(&stage.token())];
    let answer = stage.straight(SENDER, "/charge/1", &tokens);
    assert_eq!((answer.status, answer.reason().as_deref()), (403, Some("ambiguous-identity")));
}

#[test]
fn a_forged_token_is_refused_by_name() {
    let stage = Stage::start();
    let token = stage.token();
    let (signed, _) = token.rsplit_once('.').unwrap();
    for (token, reason) in [
        (format!("{signed}.{}", "A".repeat(86)), "bad-signature"),
        ("a.b.c".into(), "malformed-identity"),
        ("a".repeat(9_000), "identity-too-large"),
    ] {
        let answer = stage.straight(SENDER, "/charge/1", &[line(&token)]);
        assert_eq!(answer.reason().as_deref(), Some(reason));
    }
}
