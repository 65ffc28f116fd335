//! What was changed in the text of a policy, by name.

use super::both::Both;
use crate::model::{Key, Model, NamedDestination, Process, Rule, Selector, Source};
use crate::policy::Policy;
use core::fmt::{Display, Write as _};
use std::collections::{BTreeMap, BTreeSet};

/// A kind of thing in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// `mode`
    Mode,
    /// `forward`
    Forward,
    /// `trust.domain`
    TrustDomain,
    /// One of `trust.keys`, by its `kid`.
    Key,
    /// A process.
    Process,
    /// A destination.
    Destination,
    /// A rule.
    Rule,
}

impl Part {
    /// Its word, for example `trust domain`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Forward => "forward",
            Self::TrustDomain => "trust domain",
            Self::Key => "key",
            Self::Process => "process",
            Self::Destination => "destination",
            Self::Rule => "rule",
        }
    }
}

/// One thing that was added, removed or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentChange {
    /// What kind of thing.
    pub part: Part,
    /// Its name, where there are several of the kind.
    pub name: Option<String>,
    /// What happened to it, in words.
    pub what: String,
}

/// Everything, in the order of a document.
pub(super) fn changes(policies: Both<&Policy>) -> Vec<DocumentChange> {
    let models = policies.map(Policy::model);
    let mut found = Vec::new();
    single(&mut found, Part::Mode, models.map(|model| model.mode.code()));
    single(&mut found, Part::Forward, models.map(|model| model.forward));
    single(&mut found, Part::TrustDomain, models.map(Model::trust_domain));
    named(&mut found, Part::Key, models.map(keys));
    named(&mut found, Part::Process, models.map(processes));
    named(&mut found, Part::Destination, models.map(destinations));
    named(&mut found, Part::Rule, models.map(rules));
    found
}

fn single(found: &mut Vec<DocumentChange>, part: Part, values: Both<impl PartialEq + Display>) {
    if values.before != values.after {
        let what = format!("{} → {}", values.before, values.after);
        found.push(DocumentChange { part, name: None, what });
    }
}

/// The fields of a thing, each with its entries.
type Fields = Vec<(&'static str, BTreeSet<String>)>;
/// Things by name.
type Things<'p> = BTreeMap<&'p str, Fields>;

fn named(found: &mut Vec<DocumentChange>, part: Part, things: Both<Things<'_>>) {
    let names: BTreeSet<&str> = things.before.keys().chain(things.after.keys()).copied().collect();
    for name in names {
        let what = match (things.before.get(name), things.after.get(name)) {
            (Some(_), None) => "removed".into(),
            (None, Some(_)) => "added".into(),
            (Some(before), Some(after)) if before != after => fields_changed(before, after),
            _ => continue,
        };
        found.push(DocumentChange { part, name: Some(name.into()), what });
    }
}

/// For example `exe +sha256:… -sha256:…`.
fn fields_changed(before: &Fields, after: &Fields) -> String {
    let mut what = String::new();
    for ((field, before), (_, after)) in before.iter().zip(after).filter(|(before, after)| before != after) {
        let comma = if what.is_empty() { "" } else { "; " };
        // Writing to a String does not fail.
        let _ = write!(what, "{comma}{field}");
        for (sign, one, other) in [('+', after, before), ('-', before, after)] {
            one.difference(other).for_each(|entry| what.extend([" ", sign.encode_utf8(&mut [0; 4]), entry]));
        }
    }
    what
}

fn keys(model: &Model) -> Things<'_> {
    let fields = |Key { key, scope }: &Key| {
        let jwk = key.jwk();
        let public = [Some(jwk.x), jwk.y].into_iter().flatten().collect::<Vec<_>>().join(",");
        vec![entries("public key", [public]), entries("scope", [scope])]
    };
    model.keys.iter().map(|key| (key.key.id().as_str(), fields(key))).collect()
}

fn processes(model: &Model) -> Things<'_> {
    let fields = |process: &Process| {
        vec![
            entries("container", &process.container),
            entries("namespace", &process.namespace),
            entries("serviceAccount", &process.service_account),
            entries("exe", &process.exe),
            entries("code", &process.code),
            entries("script", &process.script),
            entries("path", &process.path),
        ]
    };
    model.processes.iter().map(|process| (process.name.as_str(), fields(process))).collect()
}

fn destinations(model: &Model) -> Things<'_> {
    let fields = |entry: &NamedDestination| {
        vec![
            entries("hosts", &entry.hosts),
            entries("cidrs", &entry.cidrs),
            entries("labels", entry.labels.iter().map(label)),
        ]
    };
    model.destinations.iter().map(|entry| (entry.name.as_str(), fields(entry))).collect()
}

fn rules(model: &Model) -> Things<'_> {
    model.rules.iter().map(|rule| (rule.name.as_str(), rule_fields(model, rule))).collect()
}

fn rule_fields(model: &Model, rule: &Rule) -> Fields {
    let processes = |place: &usize| model.processes.get(*place).map(|process| process.name.as_str());
    let destinations = |place: &usize| model.destinations.get(*place).map(|entry| entry.name.as_str());
    let nothing = Selector::default();
    let (unidentified, from) = match &rule.from {
        Source::Anyone => (None, &nothing),
        Source::Unidentified => (Some(true), &nothing),
        Source::Process(selector) => (None, selector),
    };
    vec![
        entries("effect", [rule.effect.code()]),
        entries("from.unidentified", unidentified),
        entries("from.process", from.names.iter().filter_map(processes)),
        entries("from.labels", from.labels.iter().map(label)),
        entries("from.same", &from.same),
        entries("to.destination", rule.to.names.iter().filter_map(destinations)),
        entries("to.labels", rule.to.labels.iter().map(label)),
        entries("to.same", &rule.to.same),
        entries("to.ports", &rule.ports),
        entries("to.methods", &rule.methods),
        entries("to.paths", &rule.paths),
        entries("description", &rule.description),
    ]
}

fn entries(
    field: &'static str,
    values: impl IntoIterator<Item = impl Display>,
) -> (&'static str, BTreeSet<String>) {
    (field, values.into_iter().map(|value| value.to_string()).collect())
}

fn label((name, value): (&str, &str)) -> String {
    format!("{name}={value}")
}
