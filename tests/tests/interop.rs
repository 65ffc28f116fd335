//! Tokens interchanged with other people's libraries, in both directions.
//!
//! `scripts/install-interop` says where it put them: `PROCGATE_PYJWT` is a Python that has PyJWT,
//! `PROCGATE_JOSE` a folder with node's jose in it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails loudly")]

use procgate_identity::*;
use procgate_tests::skip::skip;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

const NOW: UnixNanos = UnixNanos(1_800_000_000_000_000_000);

/// A key of each algorithm.
fn keys() -> [SigningKey; 2] {
    let (id, random) = (|| KeyId::new("2026-11").unwrap(), Zeroizing::new([42; 32]));
    [SigningKey::from_seed(id(), &random), SigningKey::es256(id(), &random).unwrap()]
}

fn claims() -> Claims {
    Claims {
        subject: "spiffe://shop.example/ns/shop/sa/checkout/container/app".parse().unwrap(),
        lifetime: Lifetime::starting(NOW, TOKEN_LIFE_SECONDS),
        serial: Serial(NOW.0),
        exe: Digest::of(b"app"),
        code: Some(Digest::of(b"code")),
        stray: None,
        script: Some(Digest::of(b"script")),
        name: "/app/ser\u{e4}ver \"1\"".into(),
        labels: Labels::from_pairs([("segment", "pci"), ("tier", "web")]).unwrap(),
        source: "10.0.0.9:40000".parse().unwrap(),
        destination: "[fd00::1]:443".parse().unwrap(),
    }
}

fn payload() -> Value {
    json!({
        "iss": "spiffe://shop.example",
        "sub": "spiffe://shop.example/ns/shop/sa/checkout/container/app",
        "aud": "procgate",
        "iat": 1_800_000_000,
        "exp": 1_800_000_150,
        "jti": "18fae27693b40000",
        "exe": Digest::of(b"app").to_string(),
        "code": Digest::of(b"code").to_string(),
        "script": Digest::of(b"script").to_string(),
        "name": "/app/ser\u{e4}ver \"1\"",
        "labels": {"segment": "pci", "tier": "web"},
        "src": "10.0.0.9:40000",
        "dst": "[fd00::1]:443",
    })
}

/// Asks another library, run as a process that reads and writes one JSON object.
fn ask(peer: &mut Command, request: &Value) -> Value {
    let mut child = peer.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the peer starts");
    child.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{peer:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn interchange(mut peer: impl FnMut() -> Command) {
    for key in keys() {
        interchange_with(&key, &mut peer);
    }
}

fn interchange_with(key: &SigningKey, peer: &mut impl FnMut() -> Command) {
    let public: Value = serde_json::from_str(&key.public().unwrap().to_jwk()).unwrap();
    let private: Value = serde_json::from_str(&key.to_private_jwk().unwrap()).unwrap();
    let (alg, now) = (key.algorithm().name(), NOW.seconds().0);

    let ours = key.sign_token(&claims()).unwrap();
    let read = ask(&mut peer(), &json!({"alg": alg, "jwk": public, "token": ours, "now": now}));
    assert_eq!(read["claims"], payload());
    assert_eq!(read["header"], json!({"alg": alg, "kid": "2026-11", "typ": "JWT"}));

    let theirs = ask(&mut peer(), &json!({"alg": alg, "jwk": private, "claims": payload()}));
    let token = theirs["token"].as_str().unwrap();
    let mut keys = TrustedKeys::new("shop.example".parse().unwrap());
    keys.add(key.public().unwrap(), "spiffe://shop.example/ns/shop/".parse().unwrap()).unwrap();
    let identity = UnverifiedToken::parse(token.as_bytes()).unwrap().verify(&keys, NOW, Binding::Unbound);
    assert_eq!(identity.unwrap().claims(), &claims());
}

/// The place of an installed peer; without it the test says how to get it, and in CI fails.
fn place(variable: &str) -> Option<String> {
    let place = std::env::var(variable).ok();
    if place.is_none() {
        skip(&format!("{variable} is not set: see scripts/install-interop"));
    }
    place
}

#[test]
fn pyjwt_reads_our_tokens_and_we_read_those_of_pyjwt() {
    let Some(python) = place("PROCGATE_PYJWT") else { return };
    interchange(|| {
        let mut command = Command::new(&python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/interop/peer.py"));
        command
    });
}

#[test]
fn jose_reads_our_tokens_and_we_read_those_of_jose() {
    let Some(folder) = place("PROCGATE_JOSE") else { return };
    interchange(|| {
        let mut command = Command::new("node");
        command.arg(format!("{folder}/peer.mjs"));
        command
    });
}
