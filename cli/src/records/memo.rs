//! Which records are alike, and what was worked out about them.

use core::sync::atomic::{AtomicU64, Ordering};

/// The time in which some records are kept, from one forgetting of all to the next. No two readings of logs have
/// one in common, so that what is known of the records of one is never taken for that of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Round(u64);

impl Round {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Which records of a log are alike: but for time, id and path they say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alike {
    pub(super) round: Round,
    pub(super) place: usize,
}

/// What was worked out about a record, for those that are alike.
#[derive(Debug)]
pub(crate) struct Memo<T> {
    /// None as long as nothing is known.
    round: Option<Round>,
    list: Vec<Option<T>>,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { round: None, list: Vec::new() }
    }
}

impl<T> Memo<T> {
    /// What is known of these.
    pub(crate) fn get(&self, alike: Option<Alike>) -> Option<&T> {
        let alike = alike.filter(|alike| Some(alike.round) == self.round)?;
        self.list.get(alike.place)?.as_ref()
    }

    /// Keeps what is known of these, as long as such records are kept.
    pub(crate) fn set(&mut self, alike: Option<Alike>, known: T) {
        let Some(Alike { round, place }) = alike else { return };
        if self.round != Some(round) {
            (self.round, self.list) = (Some(round), Vec::new());
        }
        if place >= self.list.len() {
            self.list.resize_with(place.saturating_add(1), || None);
        }
        if let Some(entry) = self.list.get_mut(place) {
            *entry = Some(known);
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_one_round_s_records_is_not_known_of_another_s() {
        let [one, other] = [7, 0].map(|place| Some(Alike { round: Round::new(), place }));
        let mut memo = Memo::default();
        memo.set(one, "one");
        assert_eq!((memo.get(one), memo.get(other)), (Some(&"one"), None));
        memo.set(other, "other");
        assert_eq!((memo.get(one), memo.get(other)), (None, Some(&"other")));
        assert_eq!(memo.list.len(), 1);
    }
}
