//! Any list of protocol names, as a ClientHello has it: each with its length ahead (RFC 7301 section 3.1).
#![no_main]

use libfuzzer_sys::fuzz_target;
use procgate_identity::{MAX_TOKEN_BYTES, RefusalReason, carrier::alpn};

const PREFIX: &[u8] = b"procgate/";

fuzz_target!(|list: &[u8]| {
    let names = names(list);
    let parts: Vec<&[u8]> = names.iter().filter_map(|name| name.strip_prefix(PREFIX)).collect();
    match alpn::decode(names.iter().copied()) {
        Ok(None) => assert!(parts.is_empty(), "parts of a token are taken for none"),
        Ok(Some(token)) => {
            // The names as they were, and whatever else is offered with them.
            let numbered = parts.iter().enumerate();
            let text =
                numbered.map(|(index, part)| part.strip_prefix(format!("{index}/").as_bytes()).unwrap());
            assert_eq!(text.collect::<Vec<_>>().concat(), token);
            if token.len() <= MAX_TOKEN_BYTES
                && let Ok(text) = std::str::from_utf8(&token)
            {
                let encoded = alpn::encode(text);
                assert!(encoded.iter().all(|name| name.len() <= 255));
                assert_eq!(alpn::decode(encoded.iter().map(Vec::as_slice)), Ok(Some(token)));
            }
        }
        Err(refusal) => {
            let ours = [
                RefusalReason::AmbiguousIdentity,
                RefusalReason::IdentityTooLarge,
                RefusalReason::MalformedIdentity,
            ];
            assert!(!parts.is_empty() && ours.contains(&refusal.reason), "{refusal}");
        }
    }
});

fn names(mut list: &[u8]) -> Vec<&[u8]> {
    let mut names = Vec::new();
    while let Some((length, rest)) = list.split_first() {
        let (name, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        names.push(name);
        list = rest;
    }
    names
}
