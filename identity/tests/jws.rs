//! Tokens put together by hand: the JSON Web Signature cases of Wycheproof and the tricks of the trade.
//!
//! No registry package ships `json_web_signature_test.json`, and none of its 401 cases is signed with
//! Ed25519. Its cases for one key (18 to 32, ES256, and 14 to 17 of the group before) are written out
//! here by their numbers with our key.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails loudly"
)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use procgate_identity::{Binding, PublicKey, RefusalReason, TrustedKeys, UnixNanos, UnverifiedToken};

const SEED: [u8; 32] = [7; 32];
const HEADER: &str = r#"{"alg":"EdDSA","kid":"k"}"#;
const NOW: UnixNanos = UnixNanos(1_800_000_000_000_000_000);

fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text.as_bytes())
}

fn sign(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&SEED).sign(text.as_bytes()).to_bytes())
}

/// A well-signed token of this header and payload.
fn token(header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature = sign(&signed);
    format!("{signed}.{signature}")
}

fn payload() -> String {
    format!(
        r#"{{"iss":"spiffe://shop.example","sub":"spiffe://shop.example/host/h/container/c","aud":"procgate","iat":1800000000,"exp":1800000150,"jti":"00000000000000ff","exe":"sha256:{}","name":"/app","src":"10.0.0.1:1","dst":"10.0.0.2:2"}}"#,
        "ab".repeat(32)
    )
}

fn outcome(token: &str) -> Result<(), RefusalReason> {
    let public = SigningKey::from_bytes(&SEED).verifying_key();
    let key = PublicKey::ed25519("k", &URL_SAFE_NO_PAD.encode(public.as_bytes())).unwrap();
    let mut keys = TrustedKeys::new("shop.example".parse().unwrap());
    keys.add(key, "spiffe://shop.example/".parse().unwrap()).unwrap();
    let parsed = UnverifiedToken::parse(token.as_bytes()).map_err(|refusal| refusal.reason)?;
    parsed.verify(&keys, NOW, Binding::Unbound).map(drop).map_err(|refusal| refusal.reason)
}

#[test]
fn wycheproof_s_json_web_signature_cases_have_the_stated_result() {
    use RefusalReason::{BadSignature, MalformedIdentity, UnknownKey, UnsupportedAlgorithm};
    let valid = token(HEADER, &payload());
    let mut parts = valid.split('.');
    let [h, p, s] = [(); 3].map(|()| parts.next().unwrap());
    let json = format!(r#"{{"payload":"{p}","signatures":[{{"protected":"{h}","signature":"{s}"}}]}}"#);
    let other = encode(&payload().replace("/app", "/bad"));
    let renamed = encode(&HEADER.replace(r#""k""#, r#""x""#));
    let none = encode(r#"{"alg":"none","kid":"k"}"#);
    let hmac = encode(r#"{"alg":"HS256","kid":"k"}"#);
    let jwk = r#"{"alg":"EdDSA","kid":"k","jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}"#;
    let cases = [
        (18, valid.clone(), Ok(())),
        (19, format!("{h}.{p}.{}", sign("other")), Err(BadSignature)),
        (20, format!("{h}.{p}."), Err(MalformedIdentity)),
        (21, format!("{h}.{p}"), Err(MalformedIdentity)),
        (22, format!("{h}.{other}.{s}"), Err(BadSignature)),
        (23, format!("{h}..{s}"), Err(BadSignature)),
        (24, format!("{h}.{s}"), Err(MalformedIdentity)),
        (25, format!("{renamed}.{p}.{s}"), Err(UnknownKey)),
        (26, format!(".{p}.{s}"), Err(MalformedIdentity)),
        (27, format!("{p}.{s}"), Err(MalformedIdentity)),
        (28, format!(".{p}."), Err(MalformedIdentity)),
        (29, p.to_owned(), Err(MalformedIdentity)),
        (30, String::new(), Err(MalformedIdentity)),
        (31, format!("{hmac}.{p}.{}", encode("0123456789abcdef0123456789abcdef")), Err(UnsupportedAlgorithm)),
        (32, token(jwk, &payload()), Err(MalformedIdentity)),
        (14, format!("{valid}."), Err(MalformedIdentity)),
        (15, format!("{valid}.foo"), Err(MalformedIdentity)),
        (16, format!("{none}.{p}."), Err(UnsupportedAlgorithm)),
        (17, json, Err(MalformedIdentity)),
    ];
    for (number, token, result) in cases {
        assert_eq!(outcome(&token), result, "case {number}: {token}");
    }
}

#[test]
fn a_header_that_asks_for_more_than_alg_kid_typ_is_refused() {
    assert_eq!(outcome(&token(r#"{"alg":"EdDSA","kid":"k","typ":"JWT"}"#, &payload())), Ok(()));
    for extra in [
        r#""crit":["b64"]"#,
        r#""b64":false"#,
        r#""jku":"https://evil.example""#,
        r#""x5c":[]"#,
        r#""x5u":"https://evil.example""#,
        r#""typ":"at+jwt""#,
        r#""alg":"EdDSA""#,
        r#""kid":"k""#,
    ] {
        let header = format!(r#"{{"alg":"EdDSA","kid":"k",{extra}}}"#);
        assert_eq!(outcome(&token(&header, &payload())), Err(RefusalReason::MalformedIdentity), "{extra}");
    }
}

#[test]
fn no_spelling_of_another_algorithm_is_taken_for_ours() {
    for alg in ["none", "None", "nOnE", "NONE", "", "HS256", "RS256", "ES256", "Ed448", "eddsa", "EDDSA"] {
        let header = format!(r#"{{"alg":"{alg}","kid":"k"}}"#);
        assert_eq!(outcome(&token(&header, &payload())), Err(RefusalReason::UnsupportedAlgorithm), "{alg}");
    }
}

#[test]
fn the_audience_is_exactly_procgate() {
    for audience in [r#""Procgate""#, r#""other""#, r#""""#] {
        let changed = payload().replace(r#""procgate""#, audience);
        assert_eq!(outcome(&token(HEADER, &changed)), Err(RefusalReason::WrongAudience), "{audience}");
    }
    let list = payload().replace(r#""procgate""#, r#"["procgate","other"]"#);
    assert_eq!(outcome(&token(HEADER, &list)), Err(RefusalReason::MalformedIdentity));
}

#[test]
fn claims_out_of_form_are_malformed_although_well_signed() {
    let cases = [
        (r#""jti":"00000000000000ff""#, r#""jti":"ff""#),
        (r#""jti":"00000000000000ff""#, r#""jti":255"#),
        (r#""iat":1800000000"#, r#""iat":1800000000.5"#),
        (r#""iat":1800000000"#, r#""iat":-1"#),
        (r#""iat":1800000000"#, r#""iat":1800000000,"iat":1800000000"#),
        (r#""src":"10.0.0.1:1""#, r#""src":"10.0.0.1""#),
        (r#""src":"10.0.0.1:1""#, r#""src":"[::ffff:10.0.0.1]:1""#),
        (r#""iss":"spiffe://shop.example""#, r#""iss":"spiffe://other.example""#),
        ("sha256:ab", "sha256:AB"),
        (r#""name":"/app""#, r#""name":"/app","labels":{"a":"1","a":"2"}"#),
        (r#""name":"/app""#, r#""name":"/app","labels":{"":"1"}"#),
        (r#""name":"/app""#, r#""name":"/app","stray":{"path":"/x","digest":"md5"}"#),
        (r#""name":"/app","#, ""),
        (r#""exe""#, r#""exec""#),
    ];
    for (from, to) in cases {
        let changed = payload().replace(from, to);
        assert_ne!(changed, payload(), "{from} is not in the payload");
        assert_eq!(outcome(&token(HEADER, &changed)), Err(RefusalReason::MalformedIdentity), "{to}");
    }
    let array = r#"["spiffe://shop.example","spiffe://shop.example/host/h/container/c","procgate",1800000000,1800000150]"#;
    assert_eq!(outcome(&token(HEADER, array)), Err(RefusalReason::MalformedIdentity));
    assert_eq!(outcome(&token(r#"["EdDSA","k","JWT"]"#, &payload())), Err(RefusalReason::MalformedIdentity));
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    assert_eq!(outcome(&token(HEADER, &deep)), Err(RefusalReason::MalformedIdentity));
}

#[test]
fn a_claim_of_a_newer_shim_is_ignored() {
    let newer = payload().replace(r#""name""#, r#""later":{"a":[1]},"name""#);
    assert_eq!(outcome(&token(HEADER, &newer)), Ok(()));
}
