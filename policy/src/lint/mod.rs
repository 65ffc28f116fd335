//! What is probably wrong with a policy that is right by the letter.
//!
//! Nothing here guesses: each finding follows from the policy's own words, or from the decisions in the
//! logs that are given. What cannot be known from them (which labels identities carry, which hosts are
//! the same machine) is left alone.

mod cover;
mod covered;
mod id;
mod items;
mod keys;
mod overlap;
mod parts;
mod places;
mod plaintext;
mod reach;
mod realm;
mod resolved;
mod rules;
mod seen;
mod suppress;
mod things;
mod wide;

pub use id::{LintId, Severity};
pub use realm::Realm;
pub use seen::Seen;

use crate::model::Model;
use crate::raw::{Mode, RawPolicy};
use core::fmt;
use procgate_identity::UnixSeconds;
use reach::Reach;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintFinding {
    /// Which kind.
    pub id: LintId,
    /// The field, for example `rules[3].allow`.
    pub path: String,
    /// What is the matter.
    pub problem: String,
    /// What to do.
    pub fix: String,
    /// Why the policy itself says that it is fine so.
    pub suppressed: Option<String>,
}

impl fmt::Display for LintFinding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, path, problem, fix, .. } = self;
        write!(out, "{path}: {}: {}: {problem}: {fix}", id.severity().code(), id.code())
    }
}

/// What lint may look at besides the policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'a> {
    /// The present: without it nothing is said about the age of keys.
    pub now: Option<UnixSeconds>,
    /// What was decided under this policy: without it nothing is said about use.
    pub seen: Option<&'a Seen>,
    /// Whether strangers may have names below a domain: without it nothing is said about such domains. Who knows
    /// the public suffixes knows ten thousand, and another set each month.
    pub is_shared: Option<fn(&str) -> bool>,
}

/// Looks through a policy, `model` being what `raw` was checked to mean: rules first, then processes,
/// destinations and keys, each in the order of the document, and suppressions at last.
#[must_use]
pub fn lint(raw: &RawPolicy, model: &Model, circumstances: Circumstances<'_>) -> Vec<LintFinding> {
    let mut found = Findings::default();
    if model.mode == Mode::Audit {
        found.add(
            LintId::AuditMode,
            "mode".into(),
            "every connection proceeds, whatever the rules say",
            "write mode: enforce when the log shows nothing unexpected",
        );
    }
    let mut of_rules = Findings::default();
    let reach = &Reach::new(model);
    rules::rules(raw, model, reach, &mut of_rules);
    wide::rules(raw, model, reach, &mut of_rules);
    plaintext::rules(model, reach, &mut of_rules);
    covered::rules(raw, model, reach, &mut of_rules);
    if let Some(seen) = circumstances.seen {
        seen.rules(model, &mut of_rules);
    }
    found.append_by_rule(of_rules);
    things::processes(model, &mut found);
    if let Some(seen) = circumstances.seen {
        seen.digests(model, &mut found);
    }
    things::destinations(model, reach, &mut found);
    places::destinations(model, circumstances.is_shared, &mut found);
    overlap::destinations(model, &mut found);
    keys::keys(model, circumstances.now, &mut found);
    suppress::apply(raw, circumstances.seen, found.list)
}

/// Findings, and of those about a rule its place.
#[derive(Default)]
struct Findings {
    list: Vec<LintFinding>,
    rules: Vec<usize>,
}

impl Findings {
    fn add(&mut self, id: LintId, path: String, problem: impl Into<String>, fix: impl Into<String>) {
        let (problem, fix) = (problem.into(), fix.into());
        self.list.push(LintFinding { id, path, problem, fix, suppressed: None });
    }

    fn add_for_rule(
        &mut self,
        rule: usize,
        id: LintId,
        path: String,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.rules.push(rule);
        self.add(id, path, problem, fix);
    }

    /// Takes findings about rules over, in the order of the rules.
    fn append_by_rule(&mut self, others: Self) {
        let mut placed: Vec<_> = others.rules.into_iter().zip(others.list).collect();
        placed.sort_by_key(|(rule, _)| *rule);
        self.list.extend(placed.into_iter().map(|(_, finding)| finding));
    }
}
