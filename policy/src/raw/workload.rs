//! The part of a policy that concerns one workload.

use super::{RawDestination, RawFrom, RawKey, RawLint, RawPolicy, RawProcess, RawRule, RawTrust};
use std::collections::BTreeSet;

impl RawPolicy {
    /// What decides about the connections of a service account's pods: the same verdict for every identity of theirs,
    /// and for nobody's. Keys that can sign for no such identity, processes of other accounts, rules about those alone and
    /// destinations that no rule is left for are not in it, nor what lint need not say.
    #[must_use]
    pub fn of_workload(&self, namespace: &str, service_account: &str) -> Self {
        let runs =
            |required: &Option<String>, actual: &str| required.as_deref().is_none_or(|name| name == actual);
        let concerned = |process: &&RawProcess| {
            runs(&process.namespace, namespace) && runs(&process.service_account, service_account)
        };
        let processes: Vec<_> = self.processes.iter().filter(concerned).cloned().collect();
        let names: BTreeSet<&str> = processes.iter().map(|process| process.name.as_str()).collect();
        let rules: Vec<_> = self.rules.iter().filter_map(|rule| of_processes(rule, &names)).collect();
        let selectors = rules.iter().filter_map(|rule| rule.to.as_ref()).map(|to| &to.selector);
        let reached: BTreeSet<&str> = selectors.flat_map(|to| to.names.iter().map(String::as_str)).collect();
        // Rules may select by labels.
        let concerned = |destination: &&RawDestination| {
            !destination.labels.is_empty() || reached.contains(destination.name.as_str())
        };
        let destinations = self.destinations.iter().filter(concerned).cloned().collect();
        let keys = self.trust.keys_for(&format!("ns/{namespace}/sa/{service_account}/container/"));
        let trust = RawTrust { domain: self.trust.domain.clone(), keys: keys.cloned().collect() };
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

/// The rule as far as it is about these processes; nothing where it is about others alone.
fn of_processes(rule: &RawRule, names: &BTreeSet<&str>) -> Option<RawRule> {
    let mut rule = match &rule.from {
        Some(RawFrom::Selected(from)) if !from.names.is_empty() => {
            from.names.iter().any(|name| names.contains(name.as_str())).then(|| rule.clone())?
        }
        _ => return Some(rule.clone()),
    };
    if let Some(RawFrom::Selected(from)) = &mut rule.from {
        from.names.retain(|name| names.contains(name.as_str()));
    }
    Some(rule)
}
