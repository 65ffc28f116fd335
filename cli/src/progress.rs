//! How far long work has come, for people who wait at a terminal.

use core::time::Duration;
use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::Instant;

/// Between two changes of what is shown: as often as somebody can read it.
const BETWEEN: Duration = Duration::from_millis(200);

/// A line on standard error that is written over and over, where that is a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    /// What is counted.
    what: &'static str,
    began: Instant,
    shown: Option<Instant>,
    terminal: bool,
}

impl Progress {
    /// Begins to count these.
    pub(crate) fn of(what: &'static str) -> Self {
        Self { what, began: Instant::now(), shown: None, terminal: stderr().is_terminal() }
    }

    /// Shows how many are done, if it is time to.
    pub(crate) fn show(&mut self, done: u64) {
        if !self.terminal {
            return;
        }
        let since = self.shown.unwrap_or(self.began).elapsed();
        if since >= BETWEEN {
            self.shown = Some(Instant::now());
            self.write(done, "\r");
        }
    }

    /// Leaves the sum, where there was something to wait for.
    pub(crate) fn finish(&self, done: u64) {
        if self.shown.is_some() {
            self.write(done, "\n");
        }
    }

    fn write(&self, done: u64, end: &str) {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let rate = done.saturating_mul(1_000).checked_div(millis).unwrap_or_default();
        let tenths = millis / 100;
        // Where nobody watches any more, nothing is lost.
        let _ = write!(
            stderr().lock(),
            "\r\u{1b}[K{done} {} in {}.{} s, {rate} a second{end}",
            self.what,
            tenths / 10,
            tenths % 10,
        );
    }
}
