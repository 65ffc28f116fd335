//! The dates of records, and which no right clock can have given.

use super::tally::Kind;
use crate::clock;
use procgate_identity::UnixNanos;

const NANOS_PER_HOUR: u64 = 3_600 * 1_000_000_000;
/// How far a record may lie before one that stands above it. An access log has a line when a request
/// or connection *ends*, and its record has the time of the decision, so some disorder is the rule.
const DISORDER_NANOS: u64 = NANOS_PER_HOUR;
/// How far a record may be dated ahead of the clock here: clocks differ, and by an hour where a time zone is wrong.
const AHEAD_NANOS: u64 = NANOS_PER_HOUR;
/// 2025-01-01T00:00:00Z, when nothing made records yet. Clocks that were never set begin in 1970, in 2000 or with the
/// year in which their system was built.
const BEGIN: UnixNanos = UnixNanos(1_735_689_600 * 1_000_000_000);

/// The present, by the clock as it was at first: what tells the dates that are wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Present(UnixNanos);

impl Present {
    pub(crate) fn now() -> Self {
        Self(clock::now())
    }

    /// What is wrong with something that began and ended then, if one sees it at once.
    pub(crate) const fn misdated(self, first: UnixNanos, last: UnixNanos) -> Option<Kind> {
        if last.0 > self.0.0.saturating_add(AHEAD_NANOS) {
            Some(Kind::Ahead)
        } else if first.0 < BEGIN.0 {
            Some(Kind::Ancient)
        } else {
            None
        }
    }
}

/// Whether a record lies farther before another one, above it in its file, than is the rule.
pub(super) const fn is_disorder(time: UnixNanos, above: UnixNanos) -> bool {
    time.0 < above.0.saturating_sub(DISORDER_NANOS)
}
