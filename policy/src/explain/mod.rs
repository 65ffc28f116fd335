//! Why a policy decides about one connection as it does: every rule, and of each rule which
//! conditions do not hold.
//!
//! This walks all rules and shares nothing with the index but the verdict it is given: for people
//! who ask about one connection, not for the proxy. The verdict is the judge's, about the part of the policy
//! that concerns the connection: to make all of it ready to judge would take longer than everything else.

mod case;
mod failed;

pub use failed::Failed;

use crate::checked::CheckedPolicy;
use crate::connection::{Destination, Presented};
use crate::index::specificity;
use crate::judge::{Finding, judge};
use crate::mistake::Mistakes;
use crate::model::{Model, Rule};
use crate::policy::Policy;
use crate::raw::{Effect, Mode};
use crate::reason::Reason;
use case::Case;
use procgate_identity::Claims;

/// What a policy says about one connection, rule by rule.
#[derive(Clone, Debug)]
pub struct Explanation<'p> {
    /// Audit or enforce.
    pub mode: Mode,
    /// Allowed, or why not.
    pub reason: Reason,
    /// What was seen, for people: escaped and bounded.
    pub detail: Option<String>,
    /// The process of the policy that speaks, or that it would be if its code had not changed.
    pub process: Option<&'p str>,
    /// The rule that allows or denies it.
    pub rule: Option<&'p str>,
    /// The destinations of the policy that the connection goes to.
    pub destinations: Vec<&'p str>,
    /// Every rule in the order of the document; none where the identity was denied before any rule.
    pub rules: Vec<ExplainedRule<'p>>,
    /// Where nothing allows the connection: the allow rule that fails the fewest conditions.
    pub nearest: Option<&'p str>,
}

/// A rule, held against one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedRule<'p> {
    /// Its name.
    pub name: &'p str,
    /// What it does.
    pub effect: Effect,
    /// The conditions that do not hold; a rule with none matches.
    pub failed: Vec<Failed<'p>>,
}

/// Judges one connection and holds it against every rule.
///
/// # Errors
/// The part of the policy that concerns the connection cannot be made ready to judge, though the whole was checked.
pub fn explain<'p>(
    policy: &'p CheckedPolicy,
    presented: Presented<'_>,
    destination: &Destination<'_>,
) -> Result<Explanation<'p>, Mistakes> {
    let (claims, reaches_rules) = match presented {
        Presented::Verified(identity) => (Some(identity.claims()), true),
        Presented::Absent => (None, true),
        Presented::Refused(_) | Presented::PeerMismatch(_) | Presented::Fault(_) => (None, false),
    };
    let model = policy.model();
    let part = Policy::of_part(&policy.part(claims, destination))?;
    let finding = judge(&part, presented, destination).finding;
    let processes = recognised(&part, claims).filter(|_| reaches_rules);
    Ok(Explanation::new(model, finding, processes.as_deref(), claims, destination))
}

/// As [`explain`], of what a part of the policy found, for claims that are taken for verified. The part may have more than
/// the policy.
pub(crate) fn explain_claims<'p>(
    policy: &'p CheckedPolicy,
    (part, finding): (&Policy, Finding<'_>),
    claims: Option<&Claims>,
    destination: &Destination<'_>,
) -> Explanation<'p> {
    Explanation::new(policy.model(), finding, recognised(part, claims).as_deref(), claims, destination)
}

/// The processes that somebody with these claims is, none for nobody; nothing where it is denied for what it is.
fn recognised<'p>(policy: &'p Policy, claims: Option<&Claims>) -> Option<Vec<&'p str>> {
    let Some(claims) = claims else { return Some(Vec::new()) };
    let numbers = policy.index().processes.identify(claims).ok()?;
    let places = numbers.into_iter().filter_map(|number| usize::try_from(number).ok());
    let processes = places.filter_map(|place| policy.model().processes.get(place));
    Some(processes.map(|process| process.name.as_str()).collect())
}

impl<'p> Explanation<'p> {
    /// Holds every rule against a connection of these processes; no rule, where it was denied before any.
    fn new(
        model: &'p Model,
        finding: Finding<'_>,
        processes: Option<&[&str]>,
        claims: Option<&Claims>,
        destination: &Destination<'_>,
    ) -> Self {
        let entries = model.entries(destination);
        // What was found may have been found in a part of the model.
        let own = |name: &str| model.rules.iter().map(|rule| rule.name.as_str()).find(|rule| *rule == name);
        let mut names = model.processes.iter().map(|process| process.name.as_str());
        let mut explanation = Self {
            mode: finding.mode,
            reason: finding.reason,
            detail: finding.detail,
            process: finding.process.and_then(|name| names.find(|process| *process == name)),
            rule: finding.rule.and_then(own),
            destinations: entries.iter().map(|(_, entry)| entry.name.as_str()).collect(),
            rules: Vec::new(),
            nearest: None,
        };
        let Some(named) = processes else { return explanation };
        let processes = model.processes.iter().enumerate();
        let processes = processes.filter(|(_, process)| named.contains(&process.name.as_str()));
        let processes = processes.map(|(place, _)| place).collect();
        let case = Case { model, claims, processes, entries, destination };
        explanation.rules = model
            .rules
            .iter()
            .map(|rule| ExplainedRule { name: &rule.name, effect: rule.effect, failed: case.failed(rule) })
            .collect();
        if explanation.rule.is_none() {
            explanation.nearest = nearest(&model.rules, &explanation.rules);
        }
        explanation
    }
}

/// The allow rule that fails the fewest conditions; of several, the most specific.
fn nearest<'p>(rules: &'p [Rule], explained: &[ExplainedRule<'p>]) -> Option<&'p str> {
    let allow = rules.iter().zip(explained).filter(|(rule, _)| rule.effect == Effect::Allow);
    let fewest = allow.clone().map(|(_, explained)| explained.failed.len()).min()?;
    let near = allow.filter(|(_, explained)| explained.failed.len() == fewest);
    near.min_by_key(|(rule, _)| specificity(rule)).map(|(rule, _)| rule.name.as_str())
}
