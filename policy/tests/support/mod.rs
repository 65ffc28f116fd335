//! Identities for tests: minted and verified as real ones are.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]
#![allow(dead_code, reason = "not every test needs all of it")]

use procgate_identity::{
    Binding, Claims, Digest, KeyId, Labels, Lifetime, Serial, SigningKey, Subject, TOKEN_LIFE_SECONDS,
    TrustedKeys, UnixNanos, UnverifiedToken, VerifiedIdentity,
};
use procgate_policy::Policy;

pub(crate) const NOW: UnixNanos = UnixNanos(1_800_000_000_000_000_000);
const PRIVATE: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"2026-11","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// The public half, with a scope.
pub(crate) const TRUST: &str = r#"{"domain":"shop.example","keys":[{"jwk":{"kty":"OKP","crv":"Ed25519","kid":"2026-11","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},"scope":"spiffe://shop.example/ns/"}]}"#;

/// A policy with this mode and these further fields.
pub(crate) fn policy(mode: &str, rest: &str) -> Policy {
    Policy::from_json(text(mode, rest).as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// A policy as it is written.
pub(crate) fn text(mode: &str, rest: &str) -> String {
    format!(r#"{{"version":1,"mode":"{mode}","trust":{TRUST},{rest}}}"#)
}

/// The digest that stands for this text.
pub(crate) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// Claims of the checkout process.
pub(crate) fn claims() -> Claims {
    Claims {
        subject: "spiffe://shop.example/ns/shop/sa/checkout/container/checkout".parse().unwrap(),
        lifetime: Lifetime::starting(NOW, TOKEN_LIFE_SECONDS),
        serial: Serial(NOW.0),
        exe: digest("checkout"),
        code: None,
        stray: None,
        script: None,
        name: "/usr/bin/checkout".into(),
        labels: Labels::default(),
        source: "10.0.0.1:40000".parse().unwrap(),
        destination: "10.4.0.1:8080".parse().unwrap(),
    }
}

/// A subject in the shop.
pub(crate) fn subject(namespace: &str, account: &str, container: &str) -> Subject {
    Subject::in_pod(&"shop.example".parse().unwrap(), namespace, account, container).unwrap()
}

/// The identity that these claims become when they are signed and verified.
pub(crate) fn identity(keys: &TrustedKeys, claims: &Claims) -> VerifiedIdentity {
    let key = SigningKey::from_jwk(PRIVATE.as_bytes()).unwrap();
    assert_eq!(key.id(), &KeyId::new("2026-11").unwrap());
    let token = key.sign_token(claims).unwrap();
    let token = UnverifiedToken::parse(token.as_bytes()).unwrap();
    // The key is no ES256 one.
    token.verify_with(|_| false, keys, NOW, Binding::Unbound).unwrap()
}
