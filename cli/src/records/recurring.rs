//! Records that are like an earlier one but for time, id and path. Nearly all of a log are: one for each request
//! of a process to a place. Such a record is not parsed: a copy of the earlier one gets its time, id and path.

use super::memo::{Alike, Round};
use super::parts::{Found, Parts};
use core::hash::BuildHasher as _;
use hashbrown::{DefaultHashBuilder, HashTable};
use procgate_policy::Record;
use std::borrow::Cow;

/// Records that are kept: flows of a large pod, with some addresses each. When there are more, all are
/// forgotten, so that those that recur now are kept soon.
const MAX_KEPT: usize = 16_384;

/// The records that were seen, each as the last one like it was.
#[derive(Debug)]
pub(super) struct Recurring {
    kept: Vec<(Box<str>, Record<'static>)>,
    round: Round,
    /// The hash of what recurs in each, and its place in the list.
    places: HashTable<(u64, usize)>,
    /// Seeded: what is hashed was chosen by others.
    hashes: DefaultHashBuilder,
}

impl Default for Recurring {
    fn default() -> Self {
        let (kept, places, hashes) = Default::default();
        Self { kept, round: Round::new(), places, hashes }
    }
}

impl Recurring {
    /// The record that this text is, if one like it was seen; [`Self::last`] has it then.
    pub(super) fn find(&mut self, found: Found<'_>) -> Option<Alike> {
        let parts = Parts::of(found)?;
        let hash = self.hashes.hash_one(parts.recurring);
        let same = |(_, place): &(u64, usize)| {
            self.kept.get(*place).is_some_and(|(known, _)| **known == *parts.recurring)
        };
        let place = self.places.find(hash, same)?.1;
        let (_, record) = self.kept.get_mut(place)?;
        record.time = parts.time;
        write_over(&mut record.id, parts.id);
        if let (Some(path), Some(known)) = (parts.path, &mut record.path) {
            write_over(known, path);
        }
        Some(Alike { round: self.round, place })
    }

    /// The record that was found last of these.
    pub(super) fn last(&self, alike: Alike) -> Option<&Record<'_>> {
        self.kept.get(alike.place).map(|(_, record)| record)
    }

    /// Keeps what this text was parsed to, unless one like it is kept: not every text is looked for before it is
    /// parsed.
    pub(super) fn keep(&mut self, found: Found<'_>, record: &Record<'_>) -> Option<Alike> {
        if let Some(alike) = self.find(found) {
            return Some(alike);
        }
        let parts = Parts::of(found)?;
        if self.kept.len() >= MAX_KEPT {
            self.kept.clear();
            self.places.clear();
            self.round = Round::new();
        }
        let (hash, place) = (self.hashes.hash_one(parts.recurring), self.kept.len());
        self.places.insert_unique(hash, (hash, place), |(hash, _)| *hash);
        self.kept.push((parts.recurring.into(), record.clone().into_owned()));
        Some(Alike { round: self.round, place })
    }
}

fn write_over(known: &mut Cow<'static, str>, text: &str) {
    let known = known.to_mut();
    known.clear();
    known.push_str(text);
}

#[cfg(test)]
mod tests {
    use super::super::memo::Memo;
    use super::*;

    const TEXT: &str = r#"{"v":1,"time":"2026-11-23T14:45:57.000000001Z","id":"7f","mode":"audit","decision":"deny","reason":"no-identity","direction":"outbound","path":"/a"}"#;

    fn keep(recurring: &mut Recurring, text: &str) -> Option<Alike> {
        recurring.keep(Found::Object(text), &Record::parse(text).unwrap())
    }

    #[test]
    fn another_time_id_and_path_are_taken_over() {
        let mut recurring = Recurring::default();
        assert_eq!(recurring.find(Found::Object(TEXT)), None);
        keep(&mut recurring, TEXT);
        let other = TEXT.replace("57.000000001", "58.000000002").replace("7f", "80-x").replace("/a", "");
        let alike = recurring.find(Found::Object(&other)).unwrap();
        assert_eq!(recurring.last(alike), Some(&Record::parse(&other).unwrap()));
    }

    #[test]
    fn what_is_escaped_or_long_is_not_kept() {
        let long =
            TEXT.replace("no-identity\"", &format!("no-identity\",\"detail\":\"{}\"", "x".repeat(2_000)));
        let escaped = TEXT.replace("7f", r#"\",\\"#);
        let [long_id, long_path] = ["7f", "/a"].map(|short| TEXT.replace(short, &"x".repeat(4_000)));
        for text in [&long, &long_id, &long_path, &escaped, &TEXT.replace("7f", r#"7\u00e9f"#)] {
            let mut recurring = Recurring::default();
            assert_eq!(keep(&mut recurring, text), None, "{text}");
            assert_eq!(recurring.find(Found::Object(text)), None, "{text}");
        }
    }

    #[test]
    fn one_like_a_long_one_is_kept_and_the_long_one_is_not_written_over_it() {
        let mut recurring = Recurring::default();
        keep(&mut recurring, TEXT);
        for short in ["7f", "/a"] {
            assert_eq!(recurring.find(Found::Object(&TEXT.replace(short, &"x".repeat(4_000)))), None);
        }
        assert!(recurring.find(Found::Object(TEXT)).is_some());
    }

    #[test]
    fn records_that_are_alike_are_kept_once() {
        let mut recurring = Recurring::default();
        let first = keep(&mut recurring, TEXT);
        let other = TEXT.replace("7f", "80");
        assert_eq!(keep(&mut recurring, &other), first);
        assert_eq!((recurring.kept.len(), recurring.places.len()), (1, 1));
        assert_eq!(first.and_then(|alike| recurring.last(alike)), Some(&Record::parse(&other).unwrap()));
    }

    #[test]
    fn no_two_readings_have_records_that_are_alike() {
        let [one, other] = [(); 2].map(|()| keep(&mut Recurring::default(), TEXT));
        assert!(one.is_some() && one != other);
    }

    #[test]
    fn when_there_are_too_many_all_are_forgotten() {
        let (mut recurring, mut memo) = (Recurring::default(), Memo::default());
        let mut alike = None;
        for number in 0..=MAX_KEPT {
            let before = alike;
            alike = keep(
                &mut recurring,
                &TEXT.replace("outbound\"", &format!("outbound\",\"method\":\"{number}\"")),
            );
            memo.set(alike, number);
            assert_eq!(memo.get(alike), Some(&number));
            assert_eq!(
                memo.get(before).copied(),
                number.checked_sub(1).filter(|before| before.saturating_add(1) != MAX_KEPT)
            );
        }
        assert_eq!((recurring.kept.len(), recurring.places.len()), (1, 1));
    }
}
