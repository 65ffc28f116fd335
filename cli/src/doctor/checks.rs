//! What was looked at, and what came of it.

use crate::escape::{escape, escape_message};
use core::fmt;
use serde::Serialize;

/// Places that a line of text names; JSON has all. A mesh's sidecar has hundreds of listeners, and what is
/// wrong with one is mostly wrong with all.
const MAX_PRINTED_PLACES: usize = 3;

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Works, and not as well as it could.
    Warning,
    /// Lets somebody through, or lets nobody through.
    Error,
}

impl Level {
    const fn code(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was looked at, wherever it was found to be so.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    id: &'static str,
    level: Level,
    #[serde(rename = "where")]
    places: Vec<String>,
    what: String,
    /// What to do about it; nothing where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// All that was looked at, in this order.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Checks(Vec<Check>);

/// What is looked at of one kind in one place.
#[derive(Debug)]
pub(super) struct Spot<'c> {
    checks: &'c mut Checks,
    id: &'static str,
    place: String,
}

impl Spot<'_> {
    /// All is well.
    pub(super) fn ok(&mut self, what: impl fmt::Display) {
        self.checks.ok(self.id, &self.place, what);
    }

    /// It could be better.
    pub(super) fn warn(&mut self, what: impl fmt::Display, next: impl fmt::Display) {
        self.checks.warn(self.id, &self.place, what, next);
    }

    /// It is so bad for the first of these that holds, with what to do about it; if none does, all is well.
    pub(super) fn first<N: fmt::Display, const M: usize>(
        &mut self,
        level: Level,
        faults: [(bool, &str, N); M],
        well: &str,
    ) {
        match faults.into_iter().find(|(holds, ..)| *holds) {
            Some((_, what, next)) => {
                self.checks.add(level, self.id, &self.place, &what, Some(next.to_string()));
            }
            None => self.ok(well),
        }
    }

    /// It is wrong.
    pub(super) fn error(&mut self, what: impl fmt::Display, next: impl fmt::Display) {
        self.checks.error(self.id, &self.place, what, next);
    }
}

impl Checks {
    /// Where one kind of thing is looked at.
    pub(super) fn at(&mut self, id: &'static str, place: impl fmt::Display) -> Spot<'_> {
        Spot { checks: self, id, place: place.to_string() }
    }

    /// All is well there.
    pub(super) fn ok(&mut self, id: &'static str, place: impl fmt::Display, what: impl fmt::Display) {
        self.add(Level::Ok, id, &place, &what, None);
    }

    /// It could be better there.
    pub(super) fn warn(
        &mut self,
        id: &'static str,
        place: impl fmt::Display,
        what: impl fmt::Display,
        next: impl fmt::Display,
    ) {
        self.add(Level::Warning, id, &place, &what, Some(next.to_string()));
    }

    /// It is wrong there.
    pub(super) fn error(
        &mut self,
        id: &'static str,
        place: impl fmt::Display,
        what: impl fmt::Display,
        next: impl fmt::Display,
    ) {
        self.add(Level::Error, id, &place, &what, Some(next.to_string()));
    }

    /// Adds a place to what was found so elsewhere already, or a check.
    fn add(
        &mut self,
        level: Level,
        id: &'static str,
        place: &dyn fmt::Display,
        what: &dyn fmt::Display,
        next: Option<String>,
    ) {
        let (place, what) = (place.to_string(), what.to_string());
        let same = |check: &&mut Check| check.id == id && check.level == level && check.what == what;
        match self.0.iter_mut().find(same) {
            Some(check) if check.places.contains(&place) => {}
            Some(check) => check.places.push(place),
            None => self.0.push(Check { id, level, places: vec![place], what, next }),
        }
    }

    /// How many there are of a level.
    pub(super) fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|check| check.level == level).count()
    }
}

impl fmt::Display for Checks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|check| writeln!(out, "{check}"))
    }
}

impl fmt::Display for Check {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<_> =
            self.places.iter().take(MAX_PRINTED_PLACES).map(|place| escape(place).to_string()).collect();
        write!(out, "{:<7}  {}", self.level.code(), named.join("; "))?;
        match self.places.len().saturating_sub(MAX_PRINTED_PLACES) {
            0 => {}
            more => write!(out, "; and {more} more")?,
        }
        write!(out, ": {}", escape_message(&self.what))?;
        if let Some(next) = &self.next {
            write!(out, ": {}", escape_message(next))?;
        }
        write!(out, " [{}]", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_in_many_places_is_one_line() {
        let mut checks = Checks::default();
        for number in 0..5 {
            checks.error("order", format!("listener {number}"), "in the wrong order", "turn it around");
            checks.error("order", format!("listener {number}"), "in the wrong order", "turn it around");
        }
        assert_eq!(
            checks.to_string(),
            "error    listener 0; listener 1; listener 2; and 2 more: in the wrong order: turn it around [order]\n"
        );
    }

    #[test]
    fn a_name_in_a_configuration_cannot_forge_a_line() {
        let mut checks = Checks::default();
        checks.ok("x", "listener a\nok       all: well", "fine");
        assert_eq!(checks.to_string().lines().count(), 1);
    }
}
