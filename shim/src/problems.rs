//! What went wrong while running: a line for each distinct problem, not for each time it happens.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Distinct problems that are told apart; all further ones count as one.
const MAX_DISTINCT: usize = 256;

/// How often each problem has happened.
#[derive(Debug, Default)]
pub(crate) struct Problems(Mutex<BTreeMap<String, u64>>);

impl Problems {
    /// Notes a problem; says it at the first time and then at each further power of ten.
    pub(crate) fn note(&self, problem: &str) {
        let mut counts = self.counts();
        let known = counts.len() < MAX_DISTINCT || counts.contains_key(problem);
        let problem = if known { problem } else { "other problems" };
        let count = counts.entry(problem.to_owned()).or_default();
        *count = count.saturating_add(1);
        let count = *count;
        drop(counts);
        if count == 1 {
            say(problem);
        } else if is_power_of_ten(count) {
            say(&format!("{problem} ({count} times)"));
        }
    }

    /// Says how often each problem has happened, at the end.
    pub(crate) fn summarise(&self) {
        for (problem, count) in self.counts().iter().filter(|(_, count)| !is_power_of_ten(**count)) {
            say(&format!("{problem} ({count} times in all)"));
        }
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line for people, on stderr. One that cannot be written is lost: a shim that ended over its log, as
/// `eprintln!` would, would take the program's connections with it.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "procgate-shim: {line}");
}

fn is_power_of_ten(count: u64) -> bool {
    count.checked_ilog10().and_then(|digits| 10u64.checked_pow(digits)) == Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_said_at_one_ten_hundred() {
        let said: Vec<_> = (1..=1_000).filter(|count| is_power_of_ten(*count)).collect();
        assert_eq!(said, [1, 10, 100, 1_000]);
    }

    #[test]
    fn the_number_of_distinct_problems_is_bounded() {
        let problems = Problems::default();
        for number in 0..MAX_DISTINCT + 10 {
            problems.note(&format!("problem {number}"));
        }
        assert_eq!(problems.counts().len(), MAX_DISTINCT + 1);
    }
}
