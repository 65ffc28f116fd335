//! How often something was seen, when, and in how many pods.
//!
//! Taking two of these together is associative and commutative, and takes a bounded amount of memory:
//! so logs may be summarised piece by piece, anywhere, and the pieces put together in any order.

use super::pods::{Pod, Pods, make_room};
use procgate_identity::UnixNanos;

/// Hours of the last day of the logs, of which it is told how settled the picture was.
pub(super) const DAY: u64 = 24;
/// Hours that are counted one by one, back from the last one: that day, and the one before it, in which something was
/// new for whoever looked a day earlier.
const HOURS: u64 = 2 * DAY;
/// Hours that are kept from the first one on: when something was rare no longer, by the usual bar of so many records.
const FIRST_HOURS: usize = 3;
pub(super) const NANOS_PER_HOUR: u64 = 3_600_000_000_000;

/// The hour of a time, since 1970.
pub(super) const fn hour(time: UnixNanos) -> u64 {
    time.0.saturating_div(NANOS_PER_HOUR)
}

/// What was seen of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Evidence {
    pub(super) count: u64,
    pub(super) first: UnixNanos,
    pub(super) last: UnixNanos,
    pods: Pods,
    hours: Hours,
}

/// Nothing yet.
impl Default for Evidence {
    fn default() -> Self {
        let (first, last) = (UnixNanos(0), UnixNanos(0));
        Self { count: 0, first, last, pods: Pods::default(), hours: Hours::default() }
    }
}

/// What is added to evidence: one connection, or what was seen elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen<'a> {
    Once(UnixNanos, &'a Pod),
    Before(&'a Evidence),
}

impl Evidence {
    /// Evidence as a summary tells it.
    pub(super) fn told(
        count: u64,
        (first, last): (UnixNanos, UnixNanos),
        pods: impl IntoIterator<Item = Pod>,
        many: bool,
        hours: impl IntoIterator<Item = (u64, u64)>,
    ) -> Self {
        let mut evidence = Self { count, first, last, ..Self::default() };
        pods.into_iter().for_each(|pod| evidence.pods.add(&pod));
        evidence.pods.many |= many;
        hours.into_iter().for_each(|(hour, count)| evidence.hours.add(hour, count));
        evidence
    }

    pub(super) fn add(&mut self, seen: Seen<'_>) {
        let (count, first, last) = match seen {
            Seen::Once(time, _) => (1, time, time),
            Seen::Before(other) => (other.count, other.first, other.last),
        };
        if count == 0 {
            return;
        }
        self.first = if self.count == 0 { first } else { self.first.min(first) };
        self.last = self.last.max(last);
        self.count = self.count.saturating_add(count);
        match seen {
            Seen::Once(time, pod) => {
                self.pods.add(pod);
                self.hours.add(hour(time), 1);
            }
            Seen::Before(other) => {
                other.pods.kept.iter().for_each(|pod| self.pods.add(pod));
                self.pods.many |= other.pods.many;
                other.hours.0.iter().for_each(|(hour, count)| self.hours.add(*hour, *count));
            }
        }
    }

    /// In how many pods; where it is an estimate, that is said.
    pub(super) fn pods(&self) -> (u64, bool) {
        (self.pods.number(), self.pods.many)
    }

    pub(super) fn pod_names(&self) -> impl Iterator<Item = &str> {
        self.pods.kept.iter().map(|pod| pod.name.as_ref())
    }

    pub(super) fn hours(&self) -> impl Iterator<Item = (u64, u64)> {
        self.hours.0.iter().copied()
    }

    /// How often since this hour, which is not more than [`HOURS`] back.
    pub(super) fn since(&self, hour: u64) -> u64 {
        let counts = self.hours.0.iter().filter(|(at, _)| *at >= hour).map(|(_, count)| *count);
        counts.fold(0, u64::saturating_add)
    }

    /// How often before this hour. Of one that is more than [`HOURS`] back it is known only whether at all; then what
    /// came between counts, too.
    pub(super) fn count_before(&self, before: u64) -> u64 {
        let any = self.count > 0 && hour(self.first) < before;
        if any { self.count.saturating_sub(self.since(before)).max(1) } else { 0 }
    }

    /// The hour in which it had been seen so many times, or as often as it was at all. What was between the first hours
    /// and the last [`HOURS`] counts as soon as it may have been. A single record, whose clock may have been wrong, makes
    /// nothing known of old.
    pub(super) fn known_since(&self, times: u64) -> u64 {
        let kept = self.hours().fold(0, |sum: u64, (_, count)| sum.saturating_add(count));
        let mut seen = 0_u64;
        let known = self.hours().zip(1..).find(|((_, count), number)| {
            let between = if *number == FIRST_HOURS { self.count.saturating_sub(kept) } else { 0 };
            seen = seen.saturating_add(*count).saturating_add(between);
            seen >= times
        });
        known.map_or(hour(self.last), |((hour, _), _)| hour)
    }

    /// What it was when this hour began, if it was anything: in how many pods is not known, so as many as now.
    pub(super) fn before(&self, before: u64) -> Option<Self> {
        let count = Some(self.count_before(before)).filter(|count| *count > 0)?;
        let last = UnixNanos(before.saturating_mul(NANOS_PER_HOUR).saturating_sub(1)).min(self.last);
        let hours = self.hours().filter(|(at, _)| *at < before).collect();
        Some(Self { count, last, hours: Hours(hours), ..self.clone() })
    }
}

/// How often in each of the first hours and of the last ones, in order. Parts of logs, put together, keep the same ones:
/// what is none of the first hours of a part is none of the whole, either.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Hours(Vec<(u64, u64)>);

impl Hours {
    fn add(&mut self, hour: u64, count: u64) {
        match self.0.last_mut() {
            Some((last, sum)) if *last == hour => *sum = sum.saturating_add(count),
            _ => self.add_anywhere(hour, count),
        }
    }

    fn add_anywhere(&mut self, hour: u64, count: u64) {
        match self.0.binary_search_by_key(&hour, |(hour, _)| *hour) {
            Ok(place) => {
                if let Some((_, sum)) = self.0.get_mut(place) {
                    *sum = sum.saturating_add(count);
                }
            }
            Err(place) => {
                make_room(&mut self.0);
                self.0.insert(place, (hour, count));
            }
        }
        let newest = self.0.last().map_or(0, |(hour, _)| *hour);
        let mut number = 0_usize;
        self.0.retain(|(hour, _)| {
            number = number.saturating_add(1);
            number <= FIRST_HOURS || hour.saturating_add(HOURS) >= newest
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: u64, pod: &str) -> Evidence {
        let mut evidence = Evidence::default();
        evidence.add(Seen::Once(UnixNanos(hour.saturating_mul(NANOS_PER_HOUR)), &Pod::new(pod)));
        evidence
    }

    #[test]
    fn pods_are_counted_exactly_while_they_are_few_and_estimated_beyond() {
        let mut evidence = Evidence::default();
        for number in 0..64 {
            evidence.add(Seen::Before(&at(1, &format!("pod-{number}"))));
            evidence.add(Seen::Before(&at(1, "pod-0")));
        }
        assert_eq!(evidence.pods(), (64, false));
        for number in 0..5_000 {
            evidence.add(Seen::Before(&at(1, &format!("pod-{number}"))));
        }
        let (number, many) = evidence.pods();
        assert!(many && (3_800..6_200).contains(&number), "{number}");
    }

    #[test]
    fn only_three_first_hours_and_those_of_the_last_two_days_are_kept() {
        let mut evidence = at(100, "p");
        for hour in [154, 110, 101, 103, 102, 100] {
            evidence.add(Seen::Before(&at(hour, "p")));
        }
        assert_eq!(evidence.hours().collect::<Vec<_>>(), [(100, 2), (101, 1), (102, 1), (110, 1), (154, 1)]);
        assert_eq!((evidence.count, evidence.since(110), evidence.since(111)), (7, 2, 1));
    }

    #[test]
    fn a_record_far_back_makes_nothing_known_of_old_that_came_steadily_later() {
        let mut evidence = at(20, "p");
        (450..500).for_each(|hour| evidence.add(Seen::Before(&at(hour, "p"))));
        assert_eq!([1, 2, 3].map(|times| evidence.known_since(times)), [20, 450, 451]);
    }

    #[test]
    fn known_is_what_was_seen_often_enough_by_then() {
        let mut evidence = at(100, "p");
        [200, 202, 203].iter().for_each(|hour| evidence.add(Seen::Before(&at(*hour, "p"))));
        assert_eq!([1, 2, 3, 4, 5].map(|times| evidence.known_since(times)), [100, 200, 202, 203, 203]);
    }

    #[test]
    fn what_was_before_an_hour_is_known_by_what_came_since() {
        let mut evidence = at(100, "p");
        for hour in [101, 150, 150, 154] {
            evidence.add(Seen::Before(&at(hour, "p")));
        }
        assert_eq!([100, 101, 150, 151, 200].map(|hour| evidence.count_before(hour)), [0, 1, 2, 4, 5]);
        let before = evidence.before(151).unwrap();
        assert_eq!((before.count, before.first, hour(before.last)), (4, evidence.first, 150));
        assert_eq!(before.before(150).map(|before| before.count), Some(2));
        assert_eq!(evidence.before(100), None);
    }
}
