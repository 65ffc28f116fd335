//! The token inside wasm32, where the filter checks it; run in Node by `make test-wasm`.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use procgate_identity::*;
use wasm_bindgen_test::wasm_bindgen_test;
use zeroize::Zeroizing;

const NOW: UnixNanos = UnixNanos(1_800_000_000_000_000_000);

fn claims() -> Claims {
    Claims {
        subject: "spiffe://shop.example/ns/shop/sa/checkout/container/app".parse().unwrap(),
        lifetime: Lifetime::starting(NOW, TOKEN_LIFE_SECONDS),
        serial: Serial(u64::MAX),
        exe: Digest::of(b"app"),
        code: None,
        stray: None,
        script: None,
        name: "/app".into(),
        labels: Labels::from_pairs([("segment", "pci")]).unwrap(),
        source: "[fd00::9]:40000".parse().unwrap(),
        destination: "10.0.0.1:80".parse().unwrap(),
    }
}

fn verify(token: &str, now: UnixNanos) -> Result<VerifiedIdentity, Refusal> {
    let mut keys = TrustedKeys::new("shop.example".parse().unwrap());
    keys.add(key().public().unwrap(), "spiffe://shop.example/ns/".parse().unwrap()).unwrap();
    UnverifiedToken::parse(token.as_bytes())?.verify_with(|_| false, &keys, now, Binding::Unbound)
}

fn key() -> SigningKey {
    SigningKey::from_seed(KeyId::new("k").unwrap(), &Zeroizing::new([7; 32]))
}

#[wasm_bindgen_test]
fn a_token_is_signed_and_verified_with_64_bit_claims_on_32_bits() {
    let token = key().sign_token(&claims()).unwrap();
    assert_eq!(verify(&token, NOW).unwrap().claims(), &claims());
}

#[wasm_bindgen_test]
fn a_changed_token_and_a_late_one_are_refused() {
    let token = key().sign_token(&claims()).unwrap();
    let changed = token.replacen('.', ".A", 1);
    assert_eq!(verify(&changed, NOW).unwrap_err().reason, RefusalReason::BadSignature);
    let late = UnixNanos(NOW.0.saturating_mul(2));
    assert_eq!(verify(&token, late).unwrap_err().reason, RefusalReason::Expired);
}
