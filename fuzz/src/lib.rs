//! What the targets share: a key, a time, and the claims of one process. All of it is fixed, so that an input
//! means the same at any time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use procgate_identity::{
    Binding, Claims, Digest, KeyId, Labels, Lifetime, Refusal, Serial, SigningKey, Stray, TOKEN_LIFE_SECONDS,
    TrustedKeys, UnixNanos, UnverifiedToken, VerifiedIdentity,
};
use std::sync::LazyLock;
use zeroize::Zeroizing;

pub mod hello;
pub mod stream;
// Of the shim and of the tests' harness these files alone, and those that `tls` names: the rest of both takes minutes
// to build.
#[path = "../../shim/src/inject/mod.rs"]
pub mod inject;
#[path = "../../tests/src/oracle.rs"]
pub mod oracle;
pub mod tls;

/// The time of every check.
pub const NOW: UnixNanos = UnixNanos(1_800_000_000_000_000_000);
/// The name of the one key.
pub const KID: &str = "2026-11";
const SEED: [u8; 32] = [7; 32];

/// What [`key`] may sign for.
pub const SCOPE: &str = "spiffe://shop.example/ns/shop/sa/checkout/container/";

static TRUSTED: LazyLock<TrustedKeys> = LazyLock::new(|| {
    let mut trusted = TrustedKeys::new("shop.example".parse().unwrap());
    trusted.add(key().public().unwrap(), SCOPE.parse().unwrap()).unwrap();
    trusted.add(p256().public().unwrap(), SCOPE.parse().unwrap()).unwrap();
    trusted
});

/// The key that the targets trust.
pub fn key() -> SigningKey {
    SigningKey::from_seed(KeyId::new(KID).unwrap(), &Zeroizing::new(SEED))
}

/// The same on P-256.
pub fn p256() -> SigningKey {
    SigningKey::es256(KeyId::new("2026-11-p256").unwrap(), &Zeroizing::new(SEED)).unwrap()
}

/// Claims with everything in them.
pub fn claims() -> Claims {
    Claims {
        subject: format!("{SCOPE}checkout").parse().unwrap(),
        lifetime: Lifetime::starting(NOW, TOKEN_LIFE_SECONDS),
        serial: Serial(NOW.0),
        exe: Digest::of(b"checkout"),
        code: Some(Digest::of(b"code")),
        stray: Some(Stray { path: "/tmp/\"x\"\u{7}.so".into(), digest: Some(Digest::of(b"x")) }),
        script: Some(Digest::of(b"script")),
        name: "/usr/bin/ch\u{e9}ckout".into(),
        labels: Labels::from_pairs([("segment", "pci"), ("tier", "\"web\"\n")]).unwrap(),
        source: "10.0.0.9:40000".parse().unwrap(),
        destination: "[fd00::1]:443".parse().unwrap(),
    }
}

/// Verifies a token as of [`NOW`].
pub fn verify(token: &[u8]) -> Result<VerifiedIdentity, Refusal> {
    UnverifiedToken::parse(token)?.verify(&TRUSTED, NOW, Binding::Unbound)
}

/// Signs whatever these bytes are, with the key that is trusted.
pub fn sign(header: &[u8], payload: &[u8]) -> String {
    static KEY: LazyLock<ed25519_dalek::SigningKey> =
        LazyLock::new(|| ed25519_dalek::SigningKey::from_bytes(&SEED));
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(KEY.sign(text.as_bytes()).to_bytes());
    format!("{text}.{signature}")
}

/// The part of an input up to the first of these bytes, and the part behind it.
pub fn cut(input: &[u8], at: u8) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == at) {
        Some(place) => (&input[..place], &input[place + 1..]),
        None => (input, b""),
    }
}
