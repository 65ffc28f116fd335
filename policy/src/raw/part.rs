//! The parts of a policy that concern one workload, or one connection.

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
        let concerned = |rule: &&RawRule| is_about(processes_of(rule), &names);
        let mut rules: Vec<_> = self.rules.iter().filter(concerned).cloned().collect();
        rules.iter_mut().for_each(|rule| keep_processes(rule, &names));
        let keys = self.trust.keys_for(&format!("ns/{namespace}/sa/{service_account}/container/"));
        let trust = RawTrust { domain: self.trust.domain.clone(), keys: keys.cloned().collect() };
        let reached = rules.iter().flat_map(destinations_of);
        let mut reached: BTreeSet<&str> = reached.map(String::as_str).collect();
        // Rules may select by labels.
        let labelled = self.destinations.iter().filter(|destination| !destination.labels.is_empty());
        reached.extend(labelled.map(|destination| destination.name.as_str()));
        let destinations = self.destinations_named(&reached);
        let lint = RawLint::default();
        Self { mode: self.mode, forward: self.forward, trust, processes, destinations, rules, lint }
    }

    /// What decides about connections of somebody with these claims, or of nobody, to these destinations of the policy: the
    /// same reason, process and rule, now and when something is added.
    pub(crate) fn of_connection(&self, claims: Option<&Claims>, destinations: &BTreeSet<&str>) -> Self {
        let processes = claims.map_or_else(Vec::new, |claims| self.processes_like(claims));
        let here = |process: &&&RawProcess| claims.is_some_and(|claims| is_at(process, &claims.subject));
        let names = names(processes.iter().filter(here).copied());
        let labels = claims.map(|claims| &claims.labels);
        let concerned = |rule: &&RawRule| {
            has_labels(rule, labels)
                && is_about(processes_of(rule), &names)
                && is_about(destinations_of(rule), destinations)
        };
        let mut rules: Vec<_> = self.rules.iter().filter(concerned).cloned().collect();
        for rule in &mut rules {
            keep_processes(rule, &names);
            keep_destinations(rule, destinations);
        }
        Self {
            mode: self.mode,
            forward: self.forward,
            trust: self.trust.clone(),
            processes: processes.into_iter().cloned().collect(),
            destinations: self.destinations_named(destinations),
            rules,
            lint: RawLint::default(),
        }
    }

    /// The processes that decide what somebody with these claims is: those of its place with its executable or its path,
    /// and of those with its executable elsewhere one, which tells that it is known.
    fn processes_like(&self, claims: &Claims) -> Vec<&RawProcess> {
        let is_like = |process: &RawProcess| {
            process.exe.contains(&claims.exe) || process.path.as_ref() == Some(&claims.name)
        };
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            self.processes.iter().partition(|process| is_at(process, &claims.subject));
        let elsewhere = elsewhere.into_iter().find(|process| process.exe.contains(&claims.exe));
        here.into_iter().filter(|process| is_like(process)).chain(elsewhere).collect()
    }

    fn destinations_named(&self, names: &BTreeSet<&str>) -> Vec<RawDestination> {
        let named = |destination: &&RawDestination| names.contains(destination.name.as_str());
        self.destinations.iter().filter(named).cloned().collect()
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

/// What the rule says of processes, where it says anything.
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

fn processes_of(rule: &RawRule) -> &[String] {
    source(rule).map_or(&[], |from| &from.names)
}

fn destinations_of(rule: &RawRule) -> &[String] {
    rule.to.as_ref().map_or(&[], |to| &to.selector.names)
}

/// Whether a rule that lists these is about one of those: one that lists nothing is about any.
fn is_about(listed: &[String], names: &BTreeSet<&str>) -> bool {
    listed.is_empty() || listed.iter().any(|name| names.contains(name.as_str()))
}

fn keep_processes(rule: &mut RawRule, names: &BTreeSet<&str>) {
    if let Some(RawFrom::Selected(from)) = &mut rule.from {
        from.names.retain(|name| names.contains(name.as_str()));
    }
}

fn keep_destinations(rule: &mut RawRule, names: &BTreeSet<&str>) {
    if let Some(to) = &mut rule.to {
        to.selector.names.retain(|name| names.contains(name.as_str()));
    }
}
