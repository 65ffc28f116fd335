//! Any frames behind HTTP/2's preface: exactly the first header block gets the field at its end, and no other
//! byte changes but the flag that ends a block.
#![no_main]

use libfuzzer_sys::fuzz_target;
use procgate_fuzz::stream::{TOKEN, pieces, split, whole};
use procgate_identity::carrier::header;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

fuzz_target!(|input: &[u8]| {
    let (lengths, frames) = split(input);
    let stream = [PREFACE, frames].concat();
    let out = whole(&stream);
    assert_eq!(pieces(&stream, lengths.iter().copied()), out, "it matters how the stream arrives");
    assert_eq!(out, [PREFACE, &expected(frames)].concat());
});

/// The same, by walking over the frames of a stream that is there as a whole.
fn expected(frames: &[u8]) -> Vec<u8> {
    let mut at = 0;
    let mut open = None;
    while let Some(head) = frames.get(at..at + 9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (kind, flags, stream) = (head[3], head[4], &head[5..9]);
        let end = at + 9 + length;
        let belongs = match open {
            None => kind == HEADERS,
            Some(open) if kind == CONTINUATION && open == stream => true,
            Some(_) => return frames.to_vec(),
        };
        if belongs && flags & END_HEADERS != 0 {
            let mut out = frames.to_vec();
            out[at + 4] &= !END_HEADERS;
            if end <= out.len() {
                out.splice(end..end, continuation(stream));
            }
            return out;
        }
        if belongs {
            open = Some(stream);
        }
        at = end;
    }
    frames.to_vec()
}

fn continuation(stream: &[u8]) -> Vec<u8> {
    let field = header::hpack_field(TOKEN);
    let length = u32::try_from(field.len()).unwrap().to_be_bytes();
    [&length[1..], &[CONTINUATION, END_HEADERS], stream, &field].concat()
}
