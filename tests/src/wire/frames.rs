//! HTTP/2 as frames (RFC 9113 section 4), for what no library would write.

use super::{Connection, HOST};

/// What a client begins with: the preface, and no settings of its own.
pub const BEGINNING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// The most that a frame may have by default.
pub const LARGEST: usize = 16_384;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A request without a body on this stream: the frames of its header block, HEADERS, then CONTINUATION.
#[must_use]
pub fn request<'a>(stream: u8, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut parts = parts.into_iter().peekable();
    let (mut frames, mut kind, mut flags) = (Vec::new(), HEADERS, END_STREAM);
    while let Some(part) = parts.next() {
        let last = if parts.peek().is_none() { END_HEADERS } else { 0 };
        let length = u32::try_from(part.len()).unwrap().to_be_bytes();
        frames.extend([&length[1..], &[kind, flags | last, 0, 0, 0, stream], part].concat());
        (kind, flags) = (CONTINUATION, 0);
    }
    frames
}

/// GET, http, path and authority as HPACK writes them without a table (RFC 7541 section 6.2.2).
#[must_use]
pub fn block(path: &str) -> Vec<u8> {
    let literal =
        |name: u8, value: &str| [&[name, u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
    [vec![0x82, 0x86], literal(0x04, path), literal(0x01, HOST)].concat()
}

/// The body of the answer to the only request; nothing where the stream or the connection ends without one.
pub fn answer(connection: &mut Connection) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let head = connection.bytes(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let payload = connection.bytes(usize::try_from(length).unwrap())?;
        match (head[3], head[4] & END_STREAM) {
            (RST_STREAM | GOAWAY, _) => return None,
            (DATA, 0) => body.extend(payload),
            (DATA, _) => return Some([body, payload].concat()),
            _ => {}
        }
    }
}
