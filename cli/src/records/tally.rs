//! What the reading of logs came to: how much was read, and what was no record.

use crate::escape::path_text;
use crate::failure::{Failure, Problem};
use serde::Serialize;
use std::path::Path;

/// Places that are told of each kind: enough to go and look.
const MAX_PLACES: usize = 5;

/// Why a line gives no record, or a doubtful one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Foreign,
    Wrapped,
    Binary,
    TooLong,
    Broken,
    Version,
    Damaged,
    ClockBack,
    Ahead,
    Ancient,
    CutOff,
    Empty,
    Again,
}

impl Kind {
    /// What was found, to be read behind a number.
    const fn what(self) -> &'static str {
        match self {
            Self::Foreign => "lines of another format, passed over",
            Self::Wrapped => {
                "lines of Docker's own log files, passed over (give what `docker logs` or `kubectl logs` prints)"
            }
            Self::Binary => "lines that are no text, passed over",
            Self::TooLong => "lines or records that are too long for one, passed over",
            Self::Broken => "lines of broken JSON, for example half a line, passed over",
            Self::Version => "records of another version, passed over",
            Self::Damaged => "records that no filter wrote so, passed over",
            Self::ClockBack => "records more than an hour older than one above them: did a clock go back?",
            Self::Ahead => {
                "records dated more than an hour ahead, from which nothing is learnt: is a clock wrong, there or here?"
            }
            Self::Ancient => {
                "records dated before there were any, from which nothing is learnt: was a clock not set yet?"
            }
            Self::CutOff => "logs cut off or damaged, read up to there",
            Self::Empty => "logs without any record",
            Self::Again => "files given more than once, read once",
        }
    }
}

/// Where something stands. Line 0 is the file as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) line: u64,
}

/// How much was read, and what was no record.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Tally {
    files: Vec<String>,
    lines: u64,
    records: u64,
    /// Lines of JSON without a record: of a listener without the filter, for example.
    without_record: u64,
    noted: Vec<Noted>,
}

/// One kind of what was noted.
#[derive(Clone, Debug, Serialize)]
struct Noted {
    kind: Kind,
    count: u64,
    /// The first few, as `file:line`.
    places: Vec<String>,
    /// What exactly was wrong with the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<String>,
}

impl Tally {
    /// Records that were read.
    pub(crate) const fn records(&self) -> u64 {
        self.records
    }

    /// Lines that were read.
    pub(super) const fn lines(&self) -> u64 {
        self.lines
    }

    /// What was noted, a line for each kind.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.noted.iter().map(Noted::told).collect()
    }

    /// Notes something misdated in this line of the file that was begun last, of no log.
    pub(crate) fn note_misdated(&mut self, kind: Kind, line: u64) {
        let file = self.files.len().saturating_sub(1);
        self.note(kind, Place { file, line }, None);
    }

    /// Notes that a file was given before.
    pub(crate) fn note_again(&mut self, path: &Path) {
        let file = self.file(path);
        self.note(Kind::Again, Place { file, line: 0 }, None);
    }

    /// Begins a file, and gives the number to name it by.
    pub(crate) fn file(&mut self, path: &Path) -> usize {
        self.files.push(path_text(path));
        self.files.len().saturating_sub(1)
    }

    pub(super) fn record(&mut self) {
        self.lines = self.lines.saturating_add(1);
        self.records = self.records.saturating_add(1);
    }

    pub(super) fn without_record(&mut self) {
        self.lines = self.lines.saturating_add(1);
        self.without_record = self.without_record.saturating_add(1);
    }

    pub(super) fn note(&mut self, kind: Kind, place: Place, first: Option<String>) {
        if !matches!(
            kind,
            Kind::ClockBack | Kind::Ahead | Kind::Ancient | Kind::CutOff | Kind::Empty | Kind::Again
        ) {
            self.lines = self.lines.saturating_add(1);
        }
        let noted = match self.noted.iter_mut().find(|noted| noted.kind == kind) {
            Some(noted) => noted,
            None => self.noted.push_mut(Noted { kind, count: 0, places: Vec::new(), first }),
        };
        noted.count = noted.count.saturating_add(1);
        if noted.places.len() < MAX_PLACES {
            let file = self.files.get(place.file).map_or("", String::as_str);
            noted.places.push(if place.line == 0 { file.into() } else { format!("{file}:{}", place.line) });
        }
    }

    /// Itself, if nothing was noted.
    pub(super) fn strictly(self) -> Result<Self, Failure> {
        if self.noted.is_empty() {
            return Ok(self);
        }
        let problem = |noted: &Noted| Problem::new(noted.told()).at("--strict");
        Err(self.noted.iter().map(problem).collect::<Vec<_>>().into())
    }
}

impl Noted {
    fn told(&self) -> String {
        let more =
            if self.count > u64::try_from(self.places.len()).unwrap_or(u64::MAX) { " …" } else { "" };
        let first = self.first.as_ref().map(|first| format!(" ({first})")).unwrap_or_default();
        let places = self.places.join(", ");
        crate::escape::escape_message(&format!("{} {}: {places}{more}{first}", self.count, self.kind.what()))
            .to_string()
    }
}
