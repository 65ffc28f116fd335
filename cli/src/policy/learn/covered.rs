//! The hours of which there are records. Time that no log covers is no evidence: that nothing was seen in it says nothing.

use super::evidence::{NANOS_PER_HOUR, Seen, hour};
use procgate_identity::UnixNanos;
use std::collections::BTreeSet;

/// Hours since 1970. No more than have passed since there are records: what is misdated is left out before.
#[derive(Clone, Debug, Default)]
pub(super) struct Covered {
    hours: BTreeSet<u64>,
    /// The one that was added last: mostly it is the next one, too.
    latest: Option<u64>,
}

impl Covered {
    pub(super) fn add(&mut self, seen: Seen<'_>) {
        match seen {
            Seen::Once(time, _) => {
                let at = hour(time);
                if self.latest != Some(at) {
                    self.latest = Some(at);
                    self.hours.insert(at);
                }
            }
            Seen::Before(evidence) => {
                self.hours.extend([hour(evidence.first), hour(evidence.last)]);
                self.hours.extend(evidence.hours().map(|(hour, _)| hour));
            }
        }
    }

    /// Adds all hours from the first time to the last.
    pub(super) fn stretch(&mut self, first: UnixNanos, last: UnixNanos) {
        self.hours.extend(hour(first)..=hour(last));
    }

    /// The beginnings of the first and of the last hour of each stretch without a gap.
    pub(super) fn stretches(&self) -> impl Iterator<Item = (UnixNanos, UnixNanos)> {
        let begins = |hour: &&u64| hour.checked_sub(1).is_none_or(|before| !self.hours.contains(&before));
        let ends = |hour: &&u64| !self.hours.contains(&hour.saturating_add(1));
        let time = |hour: &u64| UnixNanos(hour.saturating_mul(NANOS_PER_HOUR));
        let (first, last) = (self.hours.iter().filter(begins), self.hours.iter().filter(ends));
        first.map(time).zip(last.map(time)).collect::<Vec<_>>().into_iter()
    }

    pub(super) fn before(&self, hour: u64) -> Self {
        Self { hours: self.hours.range(..hour).copied().collect(), latest: None }
    }

    /// How many hours.
    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.hours.len()).unwrap_or(u64::MAX)
    }

    /// How many after this hour.
    pub(super) fn count_after(&self, hour: u64) -> u64 {
        u64::try_from(self.hours.range(hour.saturating_add(1)..).count()).unwrap_or(u64::MAX)
    }

    /// Where the last so many begin, if there are more: right after the hour that comes before them.
    pub(super) fn last_but(&self, hours: u64) -> Option<u64> {
        let before = self.hours.iter().rev().nth(usize::try_from(hours).unwrap_or(usize::MAX))?;
        Some(before.saturating_add(1))
    }

    /// The last hour.
    pub(super) fn last(&self) -> Option<u64> {
        self.hours.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_told_by_their_ends_and_taken_in_again() {
        let mut covered = Covered::default();
        for (first, last) in [(5, 7), (0, 1), (8, 8), (20, 20)] {
            covered.stretch(UnixNanos(first * NANOS_PER_HOUR + 1), UnixNanos(last * NANOS_PER_HOUR + 2));
        }
        let told: Vec<_> = covered.stretches().collect();
        let hours = told.iter().map(|(first, last)| (hour(*first), hour(*last)));
        assert_eq!(hours.collect::<Vec<_>>(), [(0, 1), (5, 8), (20, 20)]);
        let mut again = Covered::default();
        told.iter().for_each(|(first, last)| again.stretch(*first, *last));
        assert_eq!(again.hours, covered.hours);
        assert_eq!((covered.count(), covered.count_after(7), covered.last()), (7, 2, Some(20)));
        assert_eq!([0, 1, 6, 7].map(|hours| covered.last_but(hours)), [Some(21), Some(9), Some(1), None]);
    }
}
