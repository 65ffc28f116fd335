//! The parts of a policy that concern one workload, or one speaker.

use super::{
    RawDestination, RawFrom, RawKey, RawLint, RawPolicy, RawProcess, RawRule, RawSelector, RawTrust,
};
use procgate_identity::{Claims, Labels, Subject};
use std::collections::BTreeSet;

impl RawPolicy {
    /// What decides about the connections of a service account's pods: the same verdict for every identity of theirs,
    /// and for nobody's. Keys that can sign for no such identity, processes of other accounts, rules about those alone and
    /// destinations that no rule is left for are not in it, nor what lint need not say.
    #[must_use]
    pub fn of_workload(&self, namespace: &str, service_account: &str) -> Self {
        let concerned = |process: &&RawProcess| {
            fits(&process.namespace, Some(namespace)) && fits(&process.service_account, Some(service_account))
        };
        let processes: Vec<_> = self.processes.iter().filter(concerned).cloned().collect();
        let names = names(processes.iter());
        let rules = self.rules.iter().filter_map(|rule| of_processes(rule, &names)).collect();
        let keys = self.trust.keys_for(&format!("ns/{namespace}/sa/{service_account}/container/"));
        let trust = RawTrust { domain: self.trust.domain.clone(), keys: keys.cloned().collect() };
        self.part(trust, processes, rules, &[])
    }

    /// What decides about a speaker with these claims, or about nobody: the same finding for it as for the whole, now
    /// and when more is added. These destinations are in it even where no rule is about them.
    pub(crate) fn of_speaker(&self, claims: Option<&Claims>, destinations: &[&str]) -> Self {
        // Its executable may be known elsewhere, and its path with another executable.
        let resembles = |process: &&RawProcess| {
            claims.is_some_and(|claims| {
                process.exe.contains(&claims.exe) || process.path.as_ref() == Some(&claims.name)
            })
        };
        let processes: Vec<_> = self.processes.iter().filter(resembles).cloned().collect();
        let here = |process: &&RawProcess| claims.is_some_and(|claims| is_at(process, &claims.subject));
        let names = names(processes.iter().filter(here));
        let labels = claims.map(|claims| &claims.labels);
        let concerned = |rule: &&RawRule| has_labels(rule, labels);
        let rules =
            self.rules.iter().filter(concerned).filter_map(|rule| of_processes(rule, &names)).collect();
        self.part(self.trust.clone(), processes, rules, destinations)
    }

    /// These, and the destinations that the rules are about.
    fn part(
        &self,
        trust: RawTrust,
        processes: Vec<RawProcess>,
        rules: Vec<RawRule>,
        destinations: &[&str],
    ) -> Self {
        let selectors = rules.iter().filter_map(|rule| rule.to.as_ref()).map(|to| &to.selector);
        let reached = selectors.flat_map(|to| to.names.iter().map(String::as_str));
        let reached: BTreeSet<&str> = reached.chain(destinations.iter().copied()).collect();
        // Rules may select by labels.
        let concerned = |destination: &&RawDestination| {
            !destination.labels.is_empty() || reached.contains(destination.name.as_str())
        };
        let destinations = self.destinations.iter().filter(concerned).cloned().collect();
        let lint = RawLint::default();
        Self { mode: self.mode, forward: self.forward, trust, processes, destinations, rules, lint }
    }
}

impl RawTrust {
    /// The keys that may sign for an identity of the trust domain that begins so: `ns/shop/`, for example.
    pub fn keys_for<'a>(&'a self, subjects: &str) -> impl Iterator<Item = &'a RawKey> + use<'a> {
        let domain = self.domain.strip_prefix("spiffe://").unwrap_or(&self.domain);
        let subjects = format!("spiffe://{domain}/{subjects}");
        let within = move |scope: &str| {
            scope.starts_with(&subjects) || (scope.ends_with('/') && subjects.starts_with(scope))
        };
        self.keys.iter().filter(move |key| within(&key.scope))
    }
}

/// Whether a process that must run in this container, namespace or account may be in that one.
fn fits(required: &Option<String>, actual: Option<&str>) -> bool {
    required.is_none() || required.as_deref() == actual
}

fn is_at(process: &RawProcess, subject: &Subject) -> bool {
    fits(&process.container, Some(subject.container()))
        && fits(&process.namespace, subject.namespace())
        && fits(&process.service_account, subject.service_account())
}

fn names<'a>(processes: impl Iterator<Item = &'a RawProcess>) -> BTreeSet<&'a str> {
    processes.map(|process| process.name.as_str()).collect()
}

/// The processes that the rule selects, where it selects any.
fn source(rule: &RawRule) -> Option<&RawSelector> {
    match &rule.from {
        Some(RawFrom::Selected(from)) => Some(from),
        Some(RawFrom::Unidentified) | None => None,
    }
}

/// Whether somebody with these labels, or nobody, has those that the rule wants.
fn has_labels(rule: &RawRule, labels: Option<&Labels>) -> bool {
    let has = |(name, value): &(String, String)| labels.is_some_and(|labels| labels.get(name) == Some(value));
    source(rule).is_none_or(|from| from.labels.iter().all(has))
}

/// The rule as far as it is about these processes; nothing where it is about others alone.
fn of_processes(rule: &RawRule, names: &BTreeSet<&str>) -> Option<RawRule> {
    let is_one = |name: &String| names.contains(name.as_str());
    let named = source(rule).map(|from| &from.names).filter(|named| !named.is_empty());
    if named.is_some_and(|named| !named.iter().any(is_one)) {
        return None;
    }
    let mut rule = rule.clone();
    if let Some(RawFrom::Selected(from)) = &mut rule.from {
        from.names.retain(is_one);
    }
    Some(rule)
}
