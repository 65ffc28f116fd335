//! Any bytes that a connection begins with, in any pieces: what is read of them does not depend on the pieces, and
//! is what the parts say by themselves.
#![no_main]

use libfuzzer_sys::fuzz_target;
use procgate_fuzz::stream::split;
use procgate_identity::MAX_TOKEN_BYTES;
use procgate_identity::carrier::opening::{Opening, Reader, Unreadable};
use procgate_identity::carrier::proxy_v2::{MAX_PREFACE, decode};

fuzz_target!(|input: &[u8]| {
    let (lengths, stream) = split(input);
    let whole = read(stream, []);
    assert_eq!(read(stream, lengths.iter().copied()), whole, "it matters how the bytes arrive");
    assert_eq!(read(stream, std::iter::repeat_n(1, stream.len())), whole, "one byte at a time");
    let Ok((_, Opening { preface, preface_token, alpn_token, .. })) = whole else { return };
    assert!(preface <= MAX_PREFACE);
    assert!(alpn_token.is_none_or(|token| !token.is_empty()));
    let Some(token) = preface_token else { return };
    assert!(token.len() <= MAX_TOKEN_BYTES);
    let addresses = if stream[13] == 0x11 { 12 } else { 36 };
    assert_eq!(decode(&stream[16 + addresses..preface]), Ok(Some(&*token)));
});

/// Whether the opening was complete, and what it was.
fn read(stream: &[u8], lengths: impl IntoIterator<Item = u8>) -> Result<(bool, Opening), Unreadable> {
    let mut reader = Reader::default();
    let mut rest = stream;
    for length in lengths {
        let (piece, later) = rest.split_at(usize::from(length).min(rest.len()));
        if reader.read(piece)? {
            return Ok((true, reader.finish()?));
        }
        rest = later;
    }
    let complete = reader.read(rest)?;
    Ok((complete, reader.finish()?))
}
