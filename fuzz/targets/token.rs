//! Any bytes as a token: whatever verifies was signed by the key, and no other bytes are as good.
#![no_main]

use libfuzzer_sys::fuzz_target;
use procgate_fuzz::{key, verify};

fuzz_target!(|token: &[u8]| {
    let Ok(identity) = verify(token) else { return };
    let again = key().sign_token(identity.claims()).unwrap();
    assert_eq!(verify(again.as_bytes()).unwrap().claims(), identity.claims());
    let mut changed = token.to_vec();
    let sum = token.iter().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let place = sum % token.len();
    changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
    assert!(verify(&changed).is_err(), "character {place} may be another one");
});
