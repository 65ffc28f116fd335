//! What may not be written over: what is read, and logs altogether.

use super::lines::{Line, Lines};
use super::recognise::Recogniser;
use super::{LogArgs, once};
use crate::failure::Problem;
use std::fs;
use std::path::Path;

/// Lines of a file in which a record is looked for. What a proxy prints before its first connection is less.
const LINES_LOOKED_AT: usize = 1_000;

impl LogArgs {
    /// Whether this file may be written, which the option names. Where somebody forgot the file, the option takes the
    /// first of the logs for it: so no log is written over, read or not.
    pub(crate) fn spare(&self, written: &Path, option: &str) -> Result<(), Problem> {
        let what = if self.logs.iter().any(|read| is_same(read, written)) {
            "is one of the files to read"
        } else if is_log(written) {
            "is a log"
        } else {
            return Ok(());
        };
        let next = format!("name another file to write behind {option}, before the files to read");
        Err(Problem::new(what).in_file(written).next(next))
    }
}

/// Whether two names are one file's.
fn is_same(one: &Path, other: &Path) -> bool {
    let file = |path| fs::metadata(path).map(|file| once::id(&file));
    file(one).ok().zip(file(other).ok()).is_some_and(|(one, other)| one == other)
}

/// Whether there is a record in a file, near its start.
fn is_log(path: &Path) -> bool {
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let (Ok(mut lines), mut recogniser) = (Lines::open(path), Recogniser::default()) else { return false };
    (0..LINES_LOOKED_AT)
        .map_while(|_| match lines.next() {
            Ok(Line::Text(line)) => Some(recogniser.record(line).is_ok_and(|found| found.is_some())),
            Ok(Line::TooLong) => Some(false),
            Ok(Line::End) | Err(_) => None,
        })
        .any(|is_record| is_record)
}
