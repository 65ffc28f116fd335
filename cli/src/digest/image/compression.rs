//! Layers as they are packed: gzip, Zstandard or not at all. Told by their first bytes: what a manifest calls
//! them is not always so.

use core::cell::RefCell;
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::io::{self, BufRead as _, BufReader, Read};
use std::rc::Rc;

/// What is compressed comes in reads of at least this.
const BLOCK: usize = 128 * 1024;

/// The unpacked layer.
pub(super) fn unpacked<'a>(packed: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut packed = BufReader::with_capacity(BLOCK, packed);
    let start = packed.fill_buf()?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(MultiGzDecoder::new(packed))
    } else if is_zstd(start) {
        Box::new(Frames { packed: Shared(Rc::new(RefCell::new(packed))), frame: None })
    } else {
        Box::new(packed)
    })
}

/// A frame, or one of those that only carry notes (RFC 8878 section 3.1).
fn is_zstd(start: &[u8]) -> bool {
    let skippable = |start: &[u8]| {
        start.first().is_some_and(|byte| byte & 0xf0 == 0x50) && start.get(1..4) == Some(&[0x2a, 0x4d, 0x18])
    };
    start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || skippable(start)
}

/// Frames of Zstandard one behind the other: layers that can be fetched in pieces have one for each file.
struct Frames<R: Read> {
    packed: Shared<R>,
    frame: Option<StreamingDecoder<Shared<R>, FrameDecoder>>,
}

/// What is packed, in the hands of the frame that is being unpacked and still there after it.
struct Shared<R: Read>(Rc<RefCell<BufReader<R>>>);

impl<R: Read> Read for Shared<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                self.frame = None;
            }
            if self.packed.0.borrow_mut().fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.frame = self.next_frame()?;
        }
    }
}

impl<R: Read> Frames<R> {
    /// Nothing of a frame that only carries notes.
    fn next_frame(&mut self) -> io::Result<Option<StreamingDecoder<Shared<R>, FrameDecoder>>> {
        match StreamingDecoder::new(Shared(Rc::clone(&self.packed.0))) {
            Ok(frame) => Ok(Some(frame)),
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => {
                let skipped = self.packed.by_ref().take(u64::from(length));
                io::copy(&mut { skipped }, &mut io::sink()).map(|_| None)
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }
}
