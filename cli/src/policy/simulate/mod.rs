//! `procgate policy simulate`: what a candidate policy would have decided otherwise.

mod flips;

use super::cut::AllBounds;
use super::document;
use super::replay::{Again, Replay};
use crate::failure::{Failure, Problem};
use crate::records::{LogArgs, Tally};
use crate::report::{Outcome, Report};
use clap::ValueEnum;
use core::fmt;
use core::ops::ControlFlow;
use flips::{Flip, Flips};
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLE: &str = "\
Examples:
  procgate policy simulate candidate.yaml access.log
  procgate policy simulate candidate.yaml logs/*.gz --fail-on newly-denied
  kubectl logs deploy/checkout -c istio-proxy | procgate policy simulate candidate.yaml - --output json

Every recorded decision is judged again under the candidate, whatever the mode of either. Decisions about \
identities that did not verify stay as they are: a record does not tell whether they would verify now. Where \
one of the candidate's keys may sign for a subject, the identity counts as verified.

The exit code is 1 if something flipped that --fail-on names, 2 if a file cannot be read, or if under --fail-on no \
record was read or none could be judged.";

/// Judge recorded decisions again under another policy, and show which would change, how often, for whom.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The candidate, YAML or JSON.
    #[arg(value_name = "CANDIDATE")]
    policy: PathBuf,
    #[command(flatten)]
    logs: LogArgs,
    /// The change that makes the exit code 1; may be given twice.
    #[arg(long, value_enum, value_name = "CHANGE")]
    fail_on: Vec<Change>,
}

/// How a decision changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Change {
    NewlyDenied,
    NewlyAllowed,
}

impl Change {
    const fn words(self) -> &'static str {
        match self {
            Self::NewlyDenied => "newly denied",
            Self::NewlyAllowed => "newly allowed",
        }
    }
}

/// What came of all records.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Simulated {
    /// Decided as before.
    unchanged: u64,
    /// Of those, allowed or denied by another rule or for another reason.
    otherwise_reasoned: u64,
    newly_denied: u64,
    newly_allowed: u64,
    /// Decisions about identities that did not verify, which stay.
    stay: u64,
    /// Decisions about hosts, methods or paths that the record has not whole, on which the candidate's verdict depends.
    uncertain: u64,
    flips: Vec<Flip>,
    /// Flips of more kinds than are told apart.
    untold: u64,
    log: Tally,
    #[serde(skip)]
    fail_on: Vec<Change>,
    #[serde(skip)]
    warnings: Vec<String>,
}

/// Judges all records again.
pub(crate) fn run(args: Args) -> Result<Simulated, Failure> {
    let document = document::load(&args.policy)?;
    let bounds = AllBounds::of(&document.raw);
    let mut replay = Replay::under(&document.policy, &bounds);
    let mut found = Simulated { fail_on: args.fail_on, ..Simulated::default() };
    let mut flips = Flips::default();
    let tally = args.logs.read(|entry| {
        let count = match replay.judge(&entry.record, entry.alike)? {
            Again::Stays => &mut found.stay,
            Again::Uncertain => &mut found.uncertain,
            Again::Judged(finding) => {
                let same_reason = finding.reason == entry.record.reason;
                match flips.add(&entry, &finding) {
                    Some(Change::NewlyDenied) => &mut found.newly_denied,
                    Some(Change::NewlyAllowed) => &mut found.newly_allowed,
                    None => {
                        if !same_reason || finding.rule != entry.record.rule.as_deref() {
                            found.otherwise_reasoned = found.otherwise_reasoned.saturating_add(1);
                        }
                        &mut found.unchanged
                    }
                }
            }
        };
        *count = count.saturating_add(1);
        Ok(ControlFlow::Continue(()))
    })?;
    (found.flips, found.untold) = flips.sorted();
    if !found.fail_on.is_empty() && (tally.records() == 0 || found.told_nothing()) {
        return Err(nothing_to_fail_on(&tally));
    }
    found.warnings = tally.warnings();
    found.log = tally;
    Ok(found)
}

/// Of no decision nothing can be said, and a check that then passes checks nothing.
fn nothing_to_fail_on(tally: &Tally) -> Failure {
    let (what, next) = if tally.records() == 0 {
        ("no record was read", "give logs with the filter's records, or leave it out")
    } else {
        (
            "no record has the whole host, method or path on which the verdict depends",
            "give logs with records of other connections too, or leave it out",
        )
    };
    let problem = Problem::new(format!("{what}, so nothing can have flipped")).at("--fail-on").next(next);
    let unread = tally.warnings().into_iter().map(|what| Problem::new(what).at("the log"));
    core::iter::once(problem).chain(unread).collect::<Vec<_>>().into()
}

impl Simulated {
    /// Whether there was something to judge, and nothing of it could be.
    const fn told_nothing(&self) -> bool {
        self.uncertain > 0 && self.unchanged == 0 && self.newly_denied == 0 && self.newly_allowed == 0
    }
}

impl Report for Simulated {
    fn outcome(&self) -> Outcome {
        let flipped = |change: &Change| match change {
            Change::NewlyDenied => self.newly_denied > 0,
            Change::NewlyAllowed => self.newly_allowed > 0,
        };
        if self.fail_on.iter().any(flipped) { Outcome::Findings } else { Outcome::Fine }
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// Flips that are printed in text: what counts most, and JSON has all.
const MAX_PRINTED: usize = 50;

impl fmt::Display for Simulated {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for flip in self.flips.iter().take(MAX_PRINTED) {
            writeln!(out, "{flip}")?;
        }
        let unprinted = self.flips.len().saturating_sub(MAX_PRINTED);
        if unprinted > 0 {
            writeln!(out, "and {unprinted} more kinds of flips: `--output json` lists all")?;
        }
        if self.untold > 0 {
            writeln!(out, "and {} flips of still other kinds", self.untold)?;
        }
        let Self { unchanged, otherwise_reasoned, newly_denied, newly_allowed, .. } = self;
        writeln!(
            out,
            "{} records: {newly_denied} newly denied, {newly_allowed} newly allowed, {unchanged} as before \
             ({otherwise_reasoned} by another rule or for another reason)",
            self.log.records()
        )?;
        if self.stay > 0 {
            writeln!(out, "{} stay as they are: their identity did not verify", self.stay)?;
        }
        if self.uncertain > 0 {
            writeln!(
                out,
                "{} cannot be told: it depends on the rest of a host, method or path that the record cuts",
                self.uncertain
            )?;
        }
        Ok(())
    }
}
