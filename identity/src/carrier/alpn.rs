//! The token as protocol names in a TLS ClientHello (RFC 7301): `procgate/<index>/<part>`, after
//! the real protocols, each name at most 255 bytes.

use crate::refusal::{Refusal, RefusalReason};
use crate::token::MAX_TOKEN_BYTES;

const PREFIX: &str = "procgate/";
/// Bytes of one part: a name has at most 255, of which prefix, a two-digit index and a slash take 12.
const PART: usize = 240;
/// Names of one token at the most.
const MAX_PARTS: usize = MAX_TOKEN_BYTES.div_ceil(PART);

/// The names for a token, to be put after the real protocols.
#[must_use]
pub fn encode(token: &str) -> Vec<Vec<u8>> {
    let parts = token.as_bytes().chunks(PART).enumerate();
    parts.map(|(index, part)| [format!("{PREFIX}{index}/").as_bytes(), part].concat()).collect()
}

/// The token in the names of a ClientHello: nothing where none is ours.
///
/// # Errors
/// `ambiguous-identity` for parts that are missing, repeated or out of order, `malformed-identity` for one
/// with nothing in it, `identity-too-large`.
pub fn decode<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<Vec<u8>>, Refusal> {
    let mut token = Vec::new();
    let ours = names.into_iter().filter_map(|name| name.strip_prefix(PREFIX.as_bytes()));
    for (index, name) in ours.enumerate() {
        if index >= MAX_PARTS {
            let detail = format!("more than {MAX_PARTS} parts");
            return Err(Refusal::new(RefusalReason::IdentityTooLarge, detail));
        }
        let Some(part) = name.strip_prefix(format!("{index}/").as_bytes()) else {
            let detail = "the parts of the token are not numbered 0, 1, 2 … in this order";
            return Err(Refusal::new(RefusalReason::AmbiguousIdentity, detail));
        };
        if part.is_empty() {
            return Err(Refusal::malformed("a part of the token is empty"));
        }
        token.extend_from_slice(part);
    }
    Ok((!token.is_empty()).then_some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_any_length_comes_back_from_names_of_at_most_255_bytes() {
        for length in [1, PART, PART + 1, 900, MAX_TOKEN_BYTES] {
            let token = "t".repeat(length);
            let names = encode(&token);
            assert!(names.iter().all(|name| name.len() <= 255));
            let offered = [b"h2".to_vec(), b"http/1.1".to_vec()].into_iter().chain(names);
            let offered: Vec<_> = offered.collect();
            let decoded = decode(offered.iter().map(Vec::as_slice));
            assert_eq!(decoded, Ok(Some(token.into_bytes())), "{length}");
        }
        assert_eq!(decode([b"h2".as_slice()]), Ok(None));
    }

    #[test]
    fn a_part_with_nothing_in_it_is_malformed_and_not_taken_for_none() {
        for names in [&[b"procgate/0/".as_slice()][..], &[b"procgate/0/a", b"procgate/1/"]] {
            let refusal = decode(names.iter().copied()).unwrap_err();
            assert_eq!(refusal.reason, RefusalReason::MalformedIdentity);
        }
    }

    #[test]
    fn parts_missing_repeated_or_out_of_order_are_ambiguous() {
        let names = encode(&"t".repeat(3 * PART));
        for picked in [&[1, 2][..], &[0, 2], &[0, 0, 1, 2], &[1, 0, 2]] {
            let refusal = decode(picked.iter().map(|index| names[*index].as_slice())).unwrap_err();
            assert_eq!(refusal.reason, RefusalReason::AmbiguousIdentity, "{picked:?}");
        }
    }
}
