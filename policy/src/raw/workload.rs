//! The part of a policy that concerns one workload.

use super::{RawDestination, RawFrom, RawLint, RawPolicy, RawProcess, RawRule, RawTrust};
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
        let mut trust = self.trust.clone();
        let subjects = format!("ns/{namespace}/sa/{service_account}/container/");
        trust.keys.retain(|key| self.trust.may_sign(&key.scope, &subjects));
        let lint = RawLint::default();
        Self { mode: self.mode, forward: self.forward, trust, processes, destinations, rules, lint }
    }
}

impl RawTrust {
    /// Whether a key of this scope may sign for an identity of the trust domain that begins so: `ns/shop/`, for example.
    #[must_use]
    pub fn may_sign(&self, scope: &str, subjects: &str) -> bool {
        let domain = self.domain.strip_prefix("spiffe://").unwrap_or(&self.domain);
        let subjects = format!("spiffe://{domain}/{subjects}");
        scope.starts_with(&subjects) || (scope.ends_with('/') && subjects.starts_with(scope))
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
