//! Appending a field to the first header block of an HTTP/2 connection (RFC 9113).
//!
//! The frame that ends the block loses its END_HEADERS flag, and one CONTINUATION frame with the
//! field and the flag follows it. So no length, padding or priority is touched, a block that is
//! already split stays as it is, and no frame can exceed the server's limit.

use procgate_identity::carrier::header;

/// What a client of HTTP/2 with prior knowledge sends first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const FRAME_HEADER: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 0x04;

/// The way through the frames before the end of the first header block.
#[derive(Debug)]
pub(super) struct Frames {
    /// The part of a frame's header that has arrived.
    header: Vec<u8>,
    /// Bytes of the current frame's payload that are still to come.
    payload: usize,
    block: Block,
}

/// Where the first header block is, by the four bytes of its stream's number.
#[derive(Clone, Copy, Debug)]
enum Block {
    Ahead,
    Open([u8; 4]),
    EndsWithPayload([u8; 4]),
}

impl Frames {
    pub(super) const fn new() -> Self {
        Self { header: Vec::new(), payload: 0, block: Block::Ahead }
    }

    /// Passes bytes on, and the token at its place. True when the rest can be copied blindly.
    pub(super) fn pass(&mut self, mut bytes: &[u8], token: &str, out: &mut Vec<u8>) -> bool {
        loop {
            let (payload, rest) = bytes.split_at(self.payload.min(bytes.len()));
            out.extend_from_slice(payload);
            self.payload = self.payload.saturating_sub(payload.len());
            bytes = rest;
            if self.payload > 0 {
                return false;
            }
            if let Block::EndsWithPayload(stream) = self.block {
                push_continuation(out, stream, &header::hpack_field(token));
                out.extend_from_slice(bytes);
                return true;
            }
            let wanted = FRAME_HEADER.saturating_sub(self.header.len());
            let (part, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.header.extend_from_slice(part);
            bytes = rest;
            let Ok(frame) = <[u8; FRAME_HEADER]>::try_from(self.header.as_slice()) else { return false };
            self.header.clear();
            if !self.start(frame, out) {
                out.extend_from_slice(bytes);
                return true;
            }
        }
    }

    /// Gives back what is held of a frame's header when no more is to come.
    pub(super) fn release(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header);
    }

    /// Passes a frame's header on. False where the frame has no place there: then nothing is added,
    /// and the server will say what it thinks of the connection.
    fn start(&mut self, frame: [u8; FRAME_HEADER], out: &mut Vec<u8>) -> bool {
        let [high, middle, low, kind, flags, stream @ ..] = frame;
        self.payload = usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap_or(usize::MAX);
        let in_block = match self.block {
            Block::Ahead => kind == HEADERS,
            Block::Open(open) if kind == CONTINUATION && open == stream => true,
            Block::Open(_) | Block::EndsWithPayload(_) => {
                out.extend_from_slice(&frame);
                return false;
            }
        };
        if in_block && flags & END_HEADERS != 0 {
            self.block = Block::EndsWithPayload(stream);
            out.extend_from_slice(&[high, middle, low, kind, flags & !END_HEADERS]);
            out.extend_from_slice(&stream);
            return true;
        }
        if in_block {
            self.block = Block::Open(stream);
        }
        out.extend_from_slice(&frame);
        true
    }
}

fn push_continuation(out: &mut Vec<u8>, stream: [u8; 4], field: &[u8]) {
    let length = u32::try_from(field.len()).unwrap_or_default().to_be_bytes();
    out.extend(length.into_iter().skip(1));
    out.extend_from_slice(&[CONTINUATION, END_HEADERS]);
    out.extend_from_slice(&stream);
    out.extend_from_slice(field);
}
