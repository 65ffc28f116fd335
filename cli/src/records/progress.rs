//! How far reading has come, for people who wait at a terminal.

use super::Tally;
use core::time::Duration;
use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::Instant;

/// Between two looks at the clock: a look costs as much as a tenth of a record.
const LINES_PER_LOOK: u64 = 4_096;
/// Between two changes of what is shown: as often as somebody can read it.
const BETWEEN: Duration = Duration::from_millis(200);

/// A line on standard error that is written over and over, where that is a terminal.
pub(super) struct Progress {
    began: Instant,
    shown: Option<Instant>,
    terminal: bool,
}

impl Progress {
    pub(super) fn start() -> Self {
        Self { began: Instant::now(), shown: None, terminal: stderr().is_terminal() }
    }

    /// Shows how much has been read, if it is time to.
    pub(super) fn show(&mut self, tally: &Tally) {
        if !self.terminal || !tally.lines().is_multiple_of(LINES_PER_LOOK) {
            return;
        }
        let since = self.shown.unwrap_or(self.began).elapsed();
        if since >= BETWEEN {
            self.shown = Some(Instant::now());
            self.write(tally, "\r");
        }
    }

    /// Leaves the sum, where there was something to wait for.
    pub(super) fn finish(&self, tally: &Tally) {
        if self.shown.is_some() {
            self.write(tally, "\n");
        }
    }

    fn write(&self, tally: &Tally, end: &str) {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let rate = tally.records().saturating_mul(1_000).checked_div(millis).unwrap_or_default();
        let tenths = millis / 100;
        // Where nobody watches any more, nothing is lost.
        let _ = write!(
            stderr().lock(),
            "\r\u{1b}[K{} records in {}.{} s, {rate} a second{end}",
            tally.records(),
            tenths / 10,
            tenths % 10,
        );
    }
}
