//! Records that are like an earlier one but for time, id and path. Nearly all of a log are: one for each request
//! of a process to a place. Such a record is not parsed: a copy of the earlier one gets its time, id and path.

use core::hash::BuildHasher as _;
use core::sync::atomic::{AtomicU64, Ordering};
use hashbrown::{DefaultHashBuilder, HashTable};
use procgate_identity::UnixNanos;
use procgate_policy::Record;
use std::borrow::Cow;

/// Records that are kept: flows of a large pod, with some addresses each. When there are more, all are
/// forgotten, so that those that recur now are kept soon.
const MAX_KEPT: usize = 16_384;
/// Bytes of what recurs: a usual record has some 500. Of longer ones the memory would be too much.
const MAX_RECURRING: usize = 2_048;
/// Bytes of the whole text: time, id and path are kept too, with the record.
const MAX_TEXT: usize = 2 * MAX_RECURRING;

/// A record's text as it was found in a log.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'t> {
    /// An object.
    Object(&'t str),
    /// An object as a JSON text, with its quotes.
    Quoted(&'t str),
}

/// What stands around time, id and path.
#[derive(Debug)]
struct Spelling {
    before_time: &'static str,
    before_id: &'static str,
    after_id: &'static str,
    /// The path is always last.
    before_path: &'static str,
    end: &'static str,
}

const OBJECT: Spelling = Spelling {
    before_time: r#"{"v":1,"time":""#,
    before_id: r#"","id":""#,
    after_id: r#"","#,
    before_path: r#","path":""#,
    end: r#""}"#,
};
const QUOTED: Spelling = Spelling {
    before_time: r#""{\"v\":1,\"time\":\""#,
    before_id: r#"\",\"id\":\""#,
    after_id: r#"\","#,
    before_path: r#",\"path\":\""#,
    end: r#"\"}""#,
};
/// Bytes of a time.
const TIME: usize = 30;

/// The parts of a record's text. Nothing in time, id and path is escaped, so with others in their place the text is
/// a record again: what recurs was parsed once between texts like these, and whoever parses it once more is in the
/// same state at its end.
#[derive(Clone, Copy, Debug)]
struct Parts<'t> {
    time: UnixNanos,
    id: &'t str,
    /// From the quote behind the id to the quote before the path, with both, or to the end where there is none.
    recurring: &'t str,
    path: Option<&'t str>,
}

impl<'t> Parts<'t> {
    fn of(found: Found<'t>) -> Option<Self> {
        let (text, spelling) = match found {
            Found::Object(text) => (text, &OBJECT),
            Found::Quoted(text) => (text, &QUOTED),
        };
        let (time, rest) = text.strip_prefix(spelling.before_time)?.split_at_checked(TIME)?;
        let rest = rest.strip_prefix(spelling.before_id)?;
        let (id, rest) = rest.split_at_checked(memchr::memchr2(b'"', b'\\', rest.as_bytes())?)?;
        let (recurring, path) = match before_path(rest, spelling) {
            Some((recurring, path)) => (recurring, Some(path)),
            None => (rest, None),
        };
        let plain = recurring.starts_with(spelling.after_id) && is_plain(id) && path.is_none_or(is_plain);
        let short = text.len() <= MAX_TEXT && recurring.len() <= MAX_RECURRING;
        let time = Record::read_time(time).filter(|_| plain && short)?;
        Some(Self { time, id, recurring, path })
    }
}

/// Divides a text that ends with a path of which nothing is escaped.
fn before_path<'t>(text: &'t str, spelling: &Spelling) -> Option<(&'t str, &'t str)> {
    let text = text.strip_suffix(spelling.end)?;
    let quote = memchr::memrchr(b'"', text.as_bytes())?;
    let (recurring, path) = text.split_at_checked(quote.checked_add(1)?)?;
    recurring.ends_with(spelling.before_path).then_some((recurring, path))
}

/// The time in which some records are kept, from one forgetting of all to the next. No two readings of logs have
/// one in common, so that what is known of the records of one is never taken for that of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Round(u64);

impl Round {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Which records of a log are alike: but for time, id and path they say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alike {
    round: Round,
    place: usize,
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

/// Whether a text stands in JSON as it is.
fn is_plain(text: &str) -> bool {
    !text.bytes().fold(false, |found, byte| found | (byte < b' ') | (byte == b'"') | (byte == b'\\'))
}

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
    fn what_is_known_of_one_reading_s_records_is_not_known_of_another_s() {
        let [one, other] = [(); 2].map(|()| keep(&mut Recurring::default(), TEXT));
        let mut memo = Memo::default();
        memo.set(one, "one");
        assert_eq!((memo.get(one), memo.get(other)), (Some(&"one"), None));
        memo.set(other, "other");
        assert_eq!((memo.get(one), memo.get(other)), (None, Some(&"other")));
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
        assert_eq!((recurring.kept.len(), recurring.places.len(), memo.list.len()), (1, 1, 1));
    }
}
