//! Records of decisions, read from logs line by line: from access logs as the filter's proxy writes
//! them, or bare, a record a line. Memory does not grow with the log.
//!
//! Logs are what they are: cut off, rotated, mixed with lines of other programs. Whatever is no record
//! is counted and its place noted, and reading goes on; [`Tally`] tells it in the end.

mod dates;
mod lines;
mod memo;
mod once;
mod parts;
mod recognise;
mod recurring;
mod spared;
mod speakers;
mod tally;

pub(crate) use dates::Present;
pub(crate) use memo::{Alike, Memo};
pub(crate) use once::Once;
pub(crate) use speakers::{Runs, Speaker, Speakers};
pub(crate) use tally::Tally;

use crate::failure::{Failure, Problem};
use crate::progress::Progress;
use core::ops::ControlFlow;
use dates::is_disorder;
use lines::{Line, Lines};
use procgate_identity::UnixNanos;
use procgate_policy::Record;
use recognise::{Recognised, Recogniser};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use tally::{Kind, Place};

/// Lines between two looks at how long it has taken: a look costs as much as a tenth of a record.
const LINES_PER_LOOK: u64 = 4_096;

/// Which logs to read.
#[derive(Debug, clap::Args)]
pub(crate) struct LogArgs {
    /// Access logs or bare records, gzipped or not; '-' is standard input.
    #[arg(value_name = "LOG", required = true)]
    logs: Vec<PathBuf>,
    #[command(flatten)]
    how: HowArgs,
}

/// How to read them: for verbs that have an option of their own for the logs' names.
#[derive(Debug, clap::Args)]
pub(crate) struct HowArgs {
    /// The pod that all these logs are of [default: each file is a pod's, rotated files one together].
    #[arg(long, value_name = "NAME")]
    pod: Option<String>,
    /// Fail (exit code 2) if a line could not be understood, instead of counting it.
    #[arg(long)]
    strict: bool,
}

/// A record and where it stands.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) record: Cow<'a, Record<'a>>,
    /// Which others it is like.
    pub(crate) alike: Option<Alike>,
    /// Whose log it is: as it was given, or else the name of the file.
    pub(crate) pod: &'a str,
    /// Whether no right clock can have dated it. That was noted; who goes by times leaves it out.
    pub(crate) misdated: bool,
}

impl LogArgs {
    /// The files.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.logs
    }

    /// What was read of these files in another way than [`read`], if all of it was understood or need not be.
    pub(crate) fn judge(&self, tally: Tally) -> Result<Tally, Failure> {
        self.how.judge(tally)
    }

    /// As [`read`].
    pub(crate) fn read(
        &self,
        each: impl FnMut(Entry<'_>) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<Tally, Failure> {
        read(&self.logs, &self.how, each)
    }
}

/// Gives every record of the logs to `each`, in their order, until that breaks off.
///
/// # Errors
/// A log that cannot be opened, what `each` fails with, and under `--strict` all that was noted.
pub(crate) fn read(
    logs: &[PathBuf],
    how: &HowArgs,
    mut each: impl FnMut(Entry<'_>) -> Result<ControlFlow<()>, Failure>,
) -> Result<Tally, Failure> {
    let mut reading = Reading {
        tally: Tally::default(),
        progress: Progress::of("records"),
        present: Present::now(),
        recogniser: Recogniser::default(),
    };
    let mut once = Once::default();
    for path in logs {
        if once.again(path) {
            reading.tally.note_again(path);
            continue;
        }
        let pod = how.pod.clone().unwrap_or_else(|| pod_of(path));
        if reading.file(path, &pod, &mut each)?.is_break() {
            break;
        }
    }
    reading.progress.finish(reading.tally.records());
    how.judge(reading.tally)
}

impl HowArgs {
    /// Where there is no log to read, saying how would go unheard.
    pub(crate) fn without_logs(&self) -> Result<(), Problem> {
        let given = [(self.pod.is_some(), "--pod"), (self.strict, "--strict")];
        given.into_iter().find(|(given, _)| *given).map_or(Ok(()), |(_, option)| {
            let problem = Problem::new("says how to read logs, and there are none").at(option);
            Err(problem.next("name the logs, or leave it out"))
        })
    }

    /// Whether all has to be understood.
    pub(crate) const fn is_strict(&self) -> bool {
        self.strict
    }

    /// What was read, if all of it was understood or need not be.
    fn judge(&self, tally: Tally) -> Result<Tally, Failure> {
        if self.strict { tally.strictly() } else { Ok(tally) }
    }
}

/// What is carried from line to line.
struct Reading {
    tally: Tally,
    progress: Progress,
    present: Present,
    recogniser: Recogniser,
}

impl Reading {
    fn file(
        &mut self,
        path: &Path,
        pod: &str,
        each: &mut impl FnMut(Entry<'_>) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<ControlFlow<()>, Failure> {
        let mut lines = Lines::open(path)?;
        let before = self.tally.records();
        let mut newest = UnixNanos(0);
        let file = self.tally.file(path);
        loop {
            if self.tally.lines().is_multiple_of(LINES_PER_LOOK) {
                self.progress.show(self.tally.records());
            }
            let number = lines.number();
            let place = Place { file, line: number };
            let line = match lines.next() {
                Ok(Line::Text(line)) => line,
                Ok(Line::TooLong) => {
                    self.tally.note(Kind::TooLong, place, None);
                    continue;
                }
                Ok(Line::End) => break,
                Err(error) => {
                    self.tally.note(Kind::CutOff, place, Some(error.to_string()));
                    break;
                }
            };
            let Recognised { record, alike } = match self.recogniser.record(line) {
                Ok(Some(found)) => found,
                Ok(None) => {
                    self.tally.without_record();
                    continue;
                }
                Err((kind, what)) => {
                    self.tally.note(kind, place, what);
                    continue;
                }
            };
            self.tally.record();
            let wrong = self.present.misdated(record.time, record.time);
            let back = is_disorder(record.time, newest).then_some(Kind::ClockBack);
            if let Some(kind) = wrong.or(back) {
                self.tally.note(kind, place, None);
            }
            if wrong.is_none() {
                newest = newest.max(record.time);
            }
            if each(Entry { record, alike, pod, misdated: wrong.is_some() })?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if self.tally.records() == before {
            self.tally.note(Kind::Empty, Place { file, line: 0 }, None);
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The digits that rotation puts behind a dash are a date. Fewer are a pod's own, as of a StatefulSet: `web-0`.
const DATE_DIGITS: usize = 8;

/// The file's name as it was given, without what rotation put behind it: `.gz`, `.1`, `-20261123`.
fn pod_of(path: &Path) -> String {
    let name = path.to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let bare = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let digits = name.len().saturating_sub(bare.len());
    let numbered = bare.strip_suffix('.').filter(|_| digits > 0);
    let dated = bare.strip_suffix('-').filter(|_| digits >= DATE_DIGITS);
    numbered.or(dated).filter(|bare| !bare.is_empty()).unwrap_or(name).into()
}

/// The problem of a log that cannot be opened or decoded from the start.
fn unusable(path: &Path, error: &std::io::Error) -> Problem {
    crate::files::unreadable(path, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_are_one_pod_s() {
        for (path, pod) in [
            ("logs/checkout-7f/access.log", "logs/checkout-7f/access.log"),
            ("access.log.1", "access.log"),
            ("access.log.12.gz", "access.log"),
            ("access.log-20261123.gz", "access.log"),
            ("checkout-7f.gz", "checkout-7f"),
            ("web-0", "web-0"),
            ("web-12.gz", "web-12"),
            ("web-1.3", "web-1"),
            ("web-1-2026112314", "web-1"),
            ("access.", "access."),
            ("7", "7"),
            ("-", "-"),
        ] {
            assert_eq!(pod_of(Path::new(path)), pod, "{path}");
        }
    }
}
