//! The lines of a log, gzipped or not, within a bound.

use super::unusable;
use crate::failure::Problem;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

/// Bytes of a line that is looked at. A record has 64 KiB at most and twice that where it stands as text
/// in a line, with room for the other fields of an access log. Longer ones are passed over.
const MAX_LINE_BYTES: u64 = 256 * 1024;
/// Bytes that are read at once.
const BLOCK: usize = 256 * 1024;
/// What a gzip file begins with (RFC 1952 section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What comes next in a log.
#[derive(Debug)]
pub(super) enum Line<'a> {
    Text(&'a [u8]),
    TooLong,
    End,
}

/// A log that is read line by line.
pub(super) struct Lines {
    source: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    /// Opens a log; `-` is standard input. That it is gzipped shows in its first bytes.
    pub(super) fn open(path: &Path) -> Result<Self, Problem> {
        let source: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            let file = File::open(path).map_err(|error| unusable(path, &error))?;
            if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
                return Err(unusable(path, &io::ErrorKind::IsADirectory.into()));
            }
            Box::new(file)
        };
        Self::of(source).map_err(|error| unusable(path, &error))
    }

    fn of(source: Box<dyn Read>) -> io::Result<Self> {
        let mut source = BufReader::with_capacity(BLOCK, source);
        let mut head = Vec::new();
        // One read of a pipe may bring a single byte.
        source.by_ref().take(2).read_to_end(&mut head)?;
        let gzipped = head == GZIP;
        let whole = Cursor::new(head).chain(source);
        let source: Box<dyn BufRead> = if gzipped {
            Box::new(BufReader::with_capacity(BLOCK, MultiGzDecoder::new(whole)))
        } else {
            Box::new(whole)
        };
        Ok(Self { source, line: Vec::new(), number: 1 })
    }

    /// The number of the line that comes next, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The next line, without its end.
    pub(super) fn next(&mut self) -> io::Result<Line<'_>> {
        self.line.clear();
        let mut bounded = self.source.by_ref().take(MAX_LINE_BYTES);
        let read = bounded.read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(Line::End);
        }
        self.number = self.number.saturating_add(1);
        match self.line.strip_suffix(b"\n") {
            Some(line) => Ok(Line::Text(line)),
            None if u64::try_from(read).unwrap_or(u64::MAX) < MAX_LINE_BYTES => Ok(Line::Text(&self.line)),
            None => {
                self.source.skip_until(b'\n')?;
                Ok(Line::TooLong)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn all(bytes: &[u8]) -> (Vec<String>, Option<io::ErrorKind>) {
        let mut lines = Lines::of(Box::new(Cursor::new(bytes.to_vec()))).unwrap();
        let mut found = Vec::new();
        loop {
            match lines.next() {
                Ok(Line::Text(line)) => found.push(String::from_utf8_lossy(line).into_owned()),
                Ok(Line::TooLong) => found.push("too long".into()),
                Ok(Line::End) => return (found, None),
                Err(error) => return (found, Some(error.kind())),
            }
        }
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn lines_are_the_same_gzipped_in_one_piece_or_in_several() {
        let expected = (vec!["one".to_owned(), String::new(), "two".into()], None);
        assert_eq!(all(b"one\n\ntwo"), expected);
        assert_eq!(all(&gzipped(b"one\n\ntwo")), expected);
        assert_eq!(all(&[gzipped(b"one\n"), gzipped(b"\ntwo")].concat()), expected);
        assert_eq!(all(b""), (vec![], None));
        assert_eq!(all(b"x"), (vec!["x".into()], None));
    }

    #[test]
    fn a_long_line_is_passed_over_and_not_held() {
        let long = [&vec![b'x'; 1_000_000][..], b"\nnext\n"].concat();
        assert_eq!(all(&long), (vec!["too long".into(), "next".into()], None));
        let most = usize::try_from(MAX_LINE_BYTES).unwrap() - 1;
        assert_eq!(all(&[&vec![b'x'; most][..], b"\n"].concat()).0, ["x".repeat(most)]);
    }

    #[test]
    fn what_stands_before_the_cut_in_a_gzip_is_read() {
        let text: String = (0..100_000).map(|index| format!("line {index}\n")).collect();
        let whole = gzipped(text.as_bytes());
        let (lines, error) = all(&whole[..whole.len() / 2]);
        assert!(lines.len() > 1_000 && lines[0] == "line 0", "{}", lines.len());
        assert_eq!(error, Some(io::ErrorKind::UnexpectedEof));
    }
}
