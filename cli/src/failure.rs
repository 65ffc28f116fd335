//! Why a verb could not do its work: what, where, and what to do next.

use crate::escape::{escape, escape_message};
use core::fmt;
use serde::Serialize;
use std::path::Path;

/// Problems that are printed in text. A tree without read permission would otherwise fill a screen
/// per directory; JSON carries all of them.
const MAX_PRINTED: usize = 20;

/// One or more problems on account of which nothing was done.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    #[serde(rename = "errors")]
    problems: Vec<Problem>,
}

/// One problem. Its texts may quote what a stranger wrote: they are escaped when shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// A file, an option, or a field of a file.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    what: String,
    /// Absent where `what` names the remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Problem {
    /// A problem whose text may already say what to do.
    pub(crate) fn new(what: impl fmt::Display) -> Self {
        Self { place: None, what: what.to_string(), next: None }
    }

    /// The option, field or other place it was found at.
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(place.to_string());
        self
    }

    /// The file it was found in.
    pub(crate) fn in_file(self, file: &Path) -> Self {
        self.at(file.display())
    }

    /// What to do about it.
    pub(crate) fn next(mut self, next: impl fmt::Display) -> Self {
        self.next = Some(next.to_string());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(out, "{}: ", escape(place))?;
        }
        write!(out, "{}", escape_message(&self.what))?;
        self.next.as_ref().map_or(Ok(()), |next| write!(out, ": {}", escape_message(next)))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        Self { problems }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.problems.iter().take(MAX_PRINTED) {
            writeln!(out, "procgate: error: {problem}")?;
        }
        match self.problems.len().saturating_sub(MAX_PRINTED) {
            0 => Ok(()),
            more => writeln!(out, "procgate: error: and {more} more: `--output json` lists all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_where_what_next() {
        let problem = Problem::new("is a directory").in_file(Path::new("keys")).next("name a file");
        assert_eq!(
            Failure::from(problem).to_string(),
            "procgate: error: keys: is a directory: name a file\n"
        );
    }

    #[test]
    fn a_name_cannot_forge_a_second_line() {
        let problem = Problem::new("missing").in_file(Path::new("a\nprocgate: all is well"));
        assert_eq!(Failure::from(problem).to_string().lines().count(), 1);
    }

    #[test]
    fn a_flood_of_problems_is_cut_and_counted() {
        let failure = Failure::from(vec![Problem::new("unreadable"); 25]);
        let text = failure.to_string();
        assert_eq!(text.lines().count(), 21);
        assert!(text.ends_with("and 5 more: `--output json` lists all\n"), "{text}");
    }
}
