//! Any bytes as a token's header (the first line) and payload, rightly signed: a shim that was taken over.
#![no_main]

use libfuzzer_sys::fuzz_target;
use procgate_fuzz::{KID, cut, key, sign, verify};
use procgate_identity::{
    AUDIENCE, MAX_LABELS, MAX_LIFE_SECONDS, MAX_NAME, MAX_TOKEN_BYTES, MintError, canonical,
};

/// How much longer a token can get when its claims are written anew: an address of IPv6 has several spellings.
const SPELLING: usize = 64;

fuzz_target!(|input: &[u8]| {
    let (header, payload) = cut(input, b'\n');
    let token = sign(header, payload);
    let identity = match verify(token.as_bytes()) {
        Ok(identity) => identity,
        Err(refusal) => {
            let printable = |letter: char| letter == ' ' || letter.is_ascii_graphic();
            assert!(refusal.detail.chars().all(printable), "{:?}", refusal.detail);
            return;
        }
    };
    let claims = identity.claims();
    assert_eq!(identity.key_id(), KID);
    assert!(token.len() <= MAX_TOKEN_BYTES && claims.name.len() <= MAX_NAME);
    assert!(claims.labels.len() <= MAX_LABELS);
    assert!(claims.stray.as_ref().is_none_or(|stray| stray.path.len() <= MAX_NAME));
    let life = claims.lifetime.expires_at.0 - claims.lifetime.issued_at.0;
    assert!((1..=MAX_LIFE_SECONDS).contains(&life));
    assert_eq!(canonical(claims.source), claims.source);
    assert!(serde_json::from_slice::<serde_json::Value>(payload).unwrap()["aud"] == AUDIENCE);
    match key().sign_token(claims) {
        Ok(again) => assert_eq!(verify(again.as_bytes()).unwrap().claims(), claims),
        Err(MintError::TooLarge(_)) => assert!(token.len() + SPELLING > MAX_TOKEN_BYTES),
        Err(error) => panic!("{error}"),
    }
});
