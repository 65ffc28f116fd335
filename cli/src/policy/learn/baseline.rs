//! Whether a label explains the flows: whoever has one value of it reaches what others with that value
//! reach, and nothing else. Then one rule can say what many would.

use super::flows::Flows;
use super::names::Names;
use super::proposal::Proposal;
use procgate_policy::{Effect, RawFrom, RawRule, RawSelector, RawTo};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Rules that a label has to explain, before it is more than an accident.
const MIN_RULES: usize = 4;

/// A label that explains all that is proposed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Baseline {
    label: String,
    values: BTreeSet<String>,
    /// Rules that a single one would replace.
    rules: usize,
    /// The value for each destination, by its name.
    destinations: BTreeMap<String, String>,
}

/// All labels that explain the proposed rules.
pub(super) fn find(flows: &Flows, names: &[Option<String>], proposal: &Proposal) -> Vec<Baseline> {
    let labels = labels(flows, names);
    let edges: Option<Vec<(&str, &str)>> =
        proposal.rules.iter().map(|proposed| ends(&proposed.item)).collect();
    let Some(edges) = edges.filter(|edges| edges.len() >= MIN_RULES) else { return Vec::new() };
    let all: BTreeSet<&str> = labels.values().flat_map(|labels| labels.keys().copied()).collect();
    all.into_iter().filter_map(|label| explains(label, &edges, &labels)).collect()
}

fn explains(
    label: &str,
    edges: &[(&str, &str)],
    labels: &BTreeMap<&str, BTreeMap<&str, &str>>,
) -> Option<Baseline> {
    let mut destinations: BTreeMap<String, String> = BTreeMap::new();
    for (process, destination) in edges {
        let value = labels.get(process)?.get(label)?;
        let known = destinations.entry((*destination).into()).or_insert_with(|| (*value).into());
        if known != value {
            return None;
        }
    }
    let values: BTreeSet<String> = destinations.values().cloned().collect();
    (values.len() > 1).then(|| Baseline { label: label.into(), values, rules: edges.len(), destinations })
}

/// The labels of each process that all its speakers have with one value.
fn labels<'f>(
    flows: &'f Flows,
    names: &'f [Option<String>],
) -> BTreeMap<&'f str, BTreeMap<&'f str, &'f str>> {
    let mut found: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for (name, speaker) in names.iter().zip(flows.speakers.list()) {
        let Some(name) = name else { continue };
        let theirs = speaker.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let theirs: BTreeMap<&str, &str> = theirs.collect();
        match found.get_mut(name.as_str()) {
            None => {
                found.insert(name, theirs);
            }
            Some(common) => common.retain(|label, value| theirs.get(label) == Some(value)),
        }
    }
    found
}

/// The process and the destination that a proposed rule is about.
pub(super) fn ends(rule: &RawRule) -> Option<(&str, &str)> {
    let Some(RawFrom::Selected(from)) = &rule.from else { return None };
    Some((from.names.first()?, rule.to.as_ref()?.selector.names.first()?))
}

/// Puts the baseline in the place of the rules that it covers: those whose destination is new, since the
/// labels of the policy's own are people's.
pub(super) fn apply(baseline: &Baseline, proposal: &mut Proposal) {
    let label = &baseline.label;
    for destination in &mut proposal.destinations {
        if let Some(value) = baseline.destinations.get(&destination.name) {
            destination.labels.push((label.clone(), value.clone()));
        }
    }
    let new: BTreeSet<&str> =
        proposal.destinations.iter().map(|destination| destination.name.as_str()).collect();
    let covered = |rule: &RawRule| ends(rule).is_some_and(|(_, destination)| new.contains(destination));
    let (covered, mut kept): (Vec<_>, Vec<_>) =
        core::mem::take(&mut proposal.rules).into_iter().partition(|proposed| covered(&proposed.item));
    let mut evidence = super::evidence::Evidence::default();
    covered.iter().for_each(|proposed| evidence.add(super::evidence::Seen::Before(&proposed.evidence)));
    let same = RawSelector { same: Some(label.clone()), ..RawSelector::default() };
    let mut names = Names::taken(proposal.base.rules.iter().map(|rule| rule.name.as_str()));
    let item = RawRule {
        name: names.take(&format!("same-{label}"), &[]),
        effect: Effect::Allow,
        from: Some(RawFrom::Selected(same.clone())),
        to: Some(RawTo { selector: same, ..RawTo::default() }),
        description: None,
    };
    let beyond = vec![format!(
        "every process to every destination of its {label}, instead of {} rules",
        covered.len()
    )];
    kept.push(super::proposal::Proposed { item, evidence, beyond });
    proposal.rules = kept;
}

impl Baseline {
    pub(super) fn label(&self) -> &str {
        &self.label
    }
}

impl core::fmt::Display for Baseline {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { label, values, rules, .. } = self;
        write!(
            out,
            "the label {label} explains all {rules} rules, with {} values and none across: `--baseline {label}` \
             proposes one rule instead",
            values.len()
        )
    }
}
