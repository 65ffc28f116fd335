//! The host that an HTTP/2 connection's first request is for (RFC 9113 section 8.3.1), out of its compressed header
//! block (RFC 7541). Nothing is remembered for later blocks: the server gets the bytes as they are.

const FRAME_HEADER: usize = 9;
const HEADERS: u8 = 1;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;
/// The pseudo-header's name, and its place in the static table (RFC 7541 appendix A).
const NAME: &[u8] = b":authority";
const INDEX: usize = 1;

/// What is known by the frames that have arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Authority {
    /// The first request is not there yet.
    Ahead,
    /// It names this, or nothing that can be read.
    Known(Option<String>),
}

/// Looks for it in the frames behind the preface.
pub(super) fn find(mut frames: &[u8]) -> Authority {
    loop {
        let Some((&[high, middle, low, kind, flags, ..], rest)) = frames.split_first_chunk::<FRAME_HEADER>()
        else {
            return Authority::Ahead;
        };
        let length = usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap_or(usize::MAX);
        let Some((payload, later)) = rest.split_at_checked(length) else { return Authority::Ahead };
        if kind == HEADERS {
            // Pseudo-headers come first: further parts of the block do not have it.
            return Authority::Known(fragment(payload, flags).and_then(in_block));
        }
        frames = later;
    }
}

/// The part of the header block in a HEADERS frame (RFC 9113 section 6.2).
fn fragment(mut payload: &[u8], flags: u8) -> Option<&[u8]> {
    if flags & PADDED != 0 {
        let (padding, rest) = payload.split_first()?;
        payload = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
    }
    if flags & PRIORITY != 0 {
        payload = payload.split_first_chunk::<5>()?.1;
    }
    Some(payload)
}

fn in_block(mut block: &[u8]) -> Option<String> {
    loop {
        let (first, _) = block.split_first()?;
        // RFC 7541 section 6: a whole field of a table, a literal to be remembered, a table's size, a literal.
        let (prefix, literal) = match first {
            0x80.. => (7, false),
            0x40.. => (6, true),
            0x20.. => (5, false),
            _ => (4, true),
        };
        let index = integer(&mut block, prefix)?;
        if !literal {
            continue;
        }
        let is_authority = match index {
            0 => string(&mut block)?.as_deref() == Some(NAME),
            index => index == INDEX,
        };
        let value = string(&mut block)?;
        if is_authority {
            return String::from_utf8(value?).ok();
        }
    }
}

/// An integer with a prefix of so many bits (RFC 7541 section 5.1). No length or index here is larger than 28 bits.
fn integer(bytes: &mut &[u8], prefix: u32) -> Option<usize> {
    let mask = 0xff_u8.checked_shr(8u32.checked_sub(prefix)?)?;
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    let mut value = usize::from(first & mask);
    if first & mask < mask {
        return Some(value);
    }
    for shift in [0u32, 7, 14, 21] {
        let (next, rest) = bytes.split_first()?;
        *bytes = rest;
        value = value.checked_add(usize::from(next & 0x7f).checked_shl(shift)?)?;
        if next & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A string (RFC 7541 section 5.2); nothing inside where it has characters that no host has.
fn string(bytes: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    let compressed = bytes.first()? & 0x80 != 0;
    let length = integer(bytes, 7)?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(if compressed { decompress(text) } else { Some(text.to_vec()) })
}

/// The codes of the characters that a host can have (RFC 7541 appendix B): their length, the first code, and the
/// characters with it and the following ones.
const CODES: [(u32, u32, &[u8]); 5] = [
    (5, 0x0, b"012aceiost"),
    (6, 0x14, b" %-./3456789=A_bdfghlmnpru"),
    (7, 0x5c, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, 0xf8, b"&*,;XZ"),
    (13, 0x1ff8, b"\0$@[]~"),
];

fn decompress(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let (mut code, mut length) = (0u32, 0u32);
    let bits = bytes.iter().flat_map(|byte| [7u32, 6, 5, 4, 3, 2, 1, 0].map(|place| byte >> place & 1));
    for bit in bits {
        (code, length) = (code << 1 | u32::from(bit), length.saturating_add(1));
        if let Some(character) = character(code, length) {
            text.push(character);
            (code, length) = (0, 0);
        } else if length > 13 {
            return None;
        }
    }
    // What is left is the beginning of no character: less than a byte of ones.
    let is_padding = length < 8 && code.checked_add(1) == 1u32.checked_shl(length);
    is_padding.then_some(text)
}

fn character(code: u32, length: u32) -> Option<u8> {
    let (_, first, characters) = CODES.iter().find(|(of, ..)| *of == length)?;
    characters.get(usize::try_from(code.checked_sub(*first)?).ok()?).copied()
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test fails loudly")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 7541 appendix C.3.1 and C.4.1: the same request, plain and compressed.
    const PLAIN: &[u8] = b"\x82\x86\x84\x41\x0fwww.example.com";
    const COMPRESSED: &[u8] = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn the_requests_of_the_specification_are_for_their_host() {
        for block in [PLAIN, COMPRESSED] {
            assert_eq!(in_block(block).as_deref(), Some("www.example.com"));
            let padded = [&[2][..], &[0; 5], block, &[0, 0]].concat();
            for (flags, payload) in [(4, block), (0x2c, &padded)] {
                let stream = [frame(4, 0, &[0; 6]), frame(8, 0, &[0; 4]), frame(1, flags, payload)].concat();
                assert_eq!(find(&stream), Authority::Known(Some("www.example.com".into())));
                assert!((0..stream.len()).all(|length| find(&stream[..length]) == Authority::Ahead));
            }
        }
    }

    #[test]
    fn a_name_that_is_spelled_out_and_other_fields_are_no_trouble() {
        // A table size, a field of 200 bytes that is remembered, then the name itself.
        let long = [&[0x3f, 0xe1, 0x1f, 0x40, 1, b'a', 0x7f, 73][..], &[b'x'; 200]].concat();
        let block = [&long[..], b"\x10\x0a:authority\x04a:80"].concat();
        assert_eq!(in_block(&block).as_deref(), Some("a:80"));
        assert_eq!(in_block(&long), None);
        assert_eq!(in_block(b"\x41\x01\xff"), None);
        // A character that no host has at the end, and an end that is no padding.
        assert_eq!(in_block(b"\x41\x82\x1f\xe0"), None);
        assert_eq!(in_block(b"\x41\x81\x18"), None);
        assert_eq!(in_block(b"\x41\x81\x1f").as_deref(), Some("a"));
        let in_padding = [&[6][..], b"\x82\x41\x04a:80"].concat();
        assert_eq!(find(&frame(1, 0xc, &in_padding)), Authority::Known(None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes: Vec<u8>) {
            let _ = (find(&bytes), in_block(&bytes), decompress(&bytes));
        }
    }
}
