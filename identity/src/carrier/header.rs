//! The token in the `x-process-identity` field of a connection's first request.

use crate::refusal::{Refusal, RefusalReason};
use crate::token::MAX_TOKEN_BYTES;

/// The field's name, lower-case as HTTP/2 wants it.
pub const NAME: &str = "x-process-identity";

/// HPACK: a literal field, never indexed, with a new name (RFC 7541 section 6.2.3).
const NEVER_INDEXED_NEW_NAME: u8 = 0x10;
/// HPACK: the largest value of a 7-bit prefix, above which the length goes on in further bytes.
const PREFIX_7_BITS: usize = 0x7f;

/// The field line for an HTTP/1.1 head (RFC 9112 section 5), with its CRLF.
#[must_use]
pub fn http1_line(token: &str) -> Vec<u8> {
    [NAME, ": ", token, "\r\n"].concat().into_bytes()
}

/// The field for the end of an HTTP/2 header block (RFC 7541): it enters no dynamic table, so both
/// ends' tables stay in step for the requests that follow.
#[must_use]
pub fn hpack_field(token: &str) -> Vec<u8> {
    let mut field = vec![NEVER_INDEXED_NEW_NAME];
    for text in [NAME, token] {
        push_length(&mut field, text.len());
        field.extend_from_slice(text.as_bytes());
    }
    field
}

/// RFC 7541 section 5.1: an integer with a 7-bit prefix; the eighth bit says "not Huffman coded".
fn push_length(field: &mut Vec<u8>, length: usize) {
    let byte = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
    let Some(mut rest) = length.checked_sub(PREFIX_7_BITS) else {
        return field.push(byte(length));
    };
    field.push(byte(PREFIX_7_BITS));
    while rest > PREFIX_7_BITS {
        field.push(byte(rest & PREFIX_7_BITS | 0x80));
        rest >>= 7;
    }
    field.push(byte(rest));
}

/// The token among the values of the field: nothing where the request does not have the field.
///
/// # Errors
/// `ambiguous-identity` for several values, be they separate fields or one joined with commas
/// (RFC 9110 section 5.3 makes the two equal); `identity-too-large`; `malformed-identity` for bytes
/// that no token has, surrounding white space included.
pub fn decode<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<&'a [u8]>, Refusal> {
    let mut values = values.into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() || value.contains(&b',') {
        let detail = "the request has several x-process-identity values: a connection has one identity";
        return Err(Refusal::new(RefusalReason::AmbiguousIdentity, detail));
    }
    if value.len() > MAX_TOKEN_BYTES {
        let detail = format!("{} bytes, at most {MAX_TOKEN_BYTES} are read", value.len());
        return Err(Refusal::new(RefusalReason::IdentityTooLarge, detail));
    }
    // Without a way out in between, the compiler looks at sixteen bytes at once.
    let is_plain = value.iter().fold(true, |plain, byte| {
        plain & (byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'_' | b'.'))
    });
    if value.is_empty() || !is_plain {
        return Err(Refusal::malformed("x-process-identity has characters that no token has"));
    }
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(values: &[&[u8]]) -> RefusalReason {
        decode(values.iter().copied()).unwrap_err().reason
    }

    #[test]
    fn one_value_is_the_token_and_none_is_none() {
        assert_eq!(decode([b"a.b.c".as_slice()]), Ok(Some(b"a.b.c".as_slice())));
        assert_eq!(decode([]), Ok(None));
    }

    #[test]
    fn two_values_are_ambiguous_however_they_are_written() {
        assert_eq!(reason(&[b"a.b.c", b"a.b.c"]), RefusalReason::AmbiguousIdentity);
        assert_eq!(reason(&[b"a.b.c,a.b.c"]), RefusalReason::AmbiguousIdentity);
        assert_eq!(reason(&[b"", b"a.b.c"]), RefusalReason::AmbiguousIdentity);
    }

    #[test]
    fn bytes_that_no_token_has_are_malformed() {
        for value in [&b""[..], b" a.b.c", b"a.b.c ", b"a.b.c\0", b"a.b\r\nx: y", b"a.\xff.c", b"a.b=.c"] {
            assert_eq!(reason(&[value]), RefusalReason::MalformedIdentity, "{value:?}");
        }
    }

    #[test]
    fn a_value_over_the_bound_is_too_large() {
        assert!(decode([[b'a'; MAX_TOKEN_BYTES].as_slice()]).is_ok());
        assert_eq!(reason(&[&[b'a'; MAX_TOKEN_BYTES + 1]]), RefusalReason::IdentityTooLarge);
        assert_eq!(reason(&[&vec![0xff; 65_536]]), RefusalReason::IdentityTooLarge);
    }

    #[test]
    fn hpack_lengths_follow_rfc_7541() {
        let length = |value: usize| {
            let mut field = Vec::new();
            push_length(&mut field, value);
            field
        };
        assert_eq!(length(126), [126]);
        assert_eq!(length(127), [127, 0]);
        assert_eq!(length(254), [127, 127]);
        assert_eq!(length(255), [127, 128, 1]);
        assert_eq!(length(1_337), [127, 186, 9]);
        let field = hpack_field("t");
        assert_eq!(field, [&[0x10, 18][..], NAME.as_bytes(), &[1, b't']].concat());
    }
}
