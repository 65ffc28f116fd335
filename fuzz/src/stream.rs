//! Running the shim's injector over a stream that arrives in pieces.

use crate::inject::Injector;

/// The token that is injected.
pub const TOKEN: &str = "head.payload.signature";

/// What comes out for a whole stream.
pub fn whole(stream: &[u8]) -> Vec<u8> {
    pieces(stream, [])
}

/// What comes out for a stream that arrives in pieces of these lengths, and then the rest.
pub fn pieces(stream: &[u8], lengths: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let mut injector = Injector::new(TOKEN.into());
    let (mut out, mut rest) = (Vec::new(), stream);
    for length in lengths {
        let (piece, later) = rest.split_at(usize::from(length).min(rest.len()));
        injector.push(piece, &mut out);
        rest = later;
    }
    injector.push(rest, &mut out);
    injector.release(&mut out);
    out
}

/// An input's stream and the lengths of its pieces: one byte says how many there are, then they follow.
pub fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let Some((count, rest)) = input.split_first() else { return (b"", b"") };
    rest.split_at(usize::from(*count % 16).min(rest.len()))
}
