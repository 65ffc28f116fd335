//! Why a policy decides about one connection as it does: every rule, and of each rule which
//! conditions do not hold.
//!
//! This walks all rules and shares nothing with the index but the verdict it is given: for people
//! who ask about one connection, not for the proxy. The verdict is the judge's, about the part of the policy
//! that concerns the connection: to make all of it ready to judge would take longer than everything else.

use crate::checked::CheckedPolicy;
use crate::connection::{Destination, Http, Presented};
use crate::index::specificity;
use crate::judge::{Finding, judge};
use crate::mistake::Mistakes;
use crate::model::{Model, NamedDestination, Rule, Selector, Source};
use crate::pattern::{Host, RequestPath};
use crate::policy::Policy;
use crate::raw::{Effect, Mode};
use crate::reason::Reason;
use core::fmt;
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

/// A condition of a rule that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed<'p> {
    /// It is about processes, and no identity was presented.
    NoIdentity,
    /// It is about connections without identity, and one was presented.
    HasIdentity,
    /// It names these processes, and not this one.
    Process(Vec<&'p str>),
    /// The process must have this label.
    ProcessLabel(&'p str, &'p str),
    /// The process must have some value for this label.
    ProcessLabelMissing(&'p str),
    /// It names these destinations; with none, it wants one that the policy has an entry for.
    Destination(Vec<&'p str>),
    /// The destination must have this label.
    DestinationLabel(&'p str, &'p str),
    /// Process and destination must have the same value for this label.
    Same(&'p str),
    /// The port is none of these.
    Port(String),
    /// It is about HTTP, and this is something else.
    NotHttp,
    /// The method is none of these.
    Method(&'p [String]),
    /// The path is none of these.
    Path(String),
    /// The path could be understood in two ways, so no allow is satisfied by it.
    UnclearPath,
}

impl Failed<'_> {
    /// Where the condition stands in the rule, for example `to.ports`.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::NoIdentity | Self::HasIdentity => "from",
            Self::Process(_) => "from.process",
            Self::ProcessLabel(..) => "from.labels",
            Self::ProcessLabelMissing(_) => "from.same",
            Self::Destination(_) => "to.destination",
            Self::DestinationLabel(..) => "to.labels",
            Self::Same(_) => "to.same",
            Self::NotHttp => "to",
            Self::Port(_) => "to.ports",
            Self::Method(_) => "to.methods",
            Self::Path(_) | Self::UnclearPath => "to.paths",
        }
    }
}

impl fmt::Display for Failed<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIdentity => out.write_str("it is about processes, and this connection shows no identity"),
            Self::HasIdentity => out.write_str("it is about connections without identity"),
            Self::Process(names) => write!(out, "the process is not {}", names.join(" or ")),
            Self::ProcessLabel(name, value) => write!(out, "the process lacks the label {name}={value}"),
            Self::ProcessLabelMissing(name) => write!(out, "the process has no label {name}"),
            Self::Destination(names) if names.is_empty() => {
                out.write_str("the destination is none of the policy's")
            }
            Self::Destination(names) => write!(out, "the destination is not {}", names.join(" or ")),
            Self::DestinationLabel(name, value) => {
                write!(out, "the destination lacks the label {name}={value}")
            }
            Self::Same(name) => write!(out, "process and destination differ in the label {name}"),
            Self::Port(ports) => write!(out, "the port is not in {ports}"),
            Self::NotHttp => out.write_str("it is about HTTP requests only"),
            Self::Method(methods) => write!(out, "the method is not {}", methods.join(" or ")),
            Self::Path(paths) => write!(out, "the path is not {paths}"),
            Self::UnclearPath => out.write_str(
                "the path has dot segments, hidden slashes or stray bytes, which no allow accepts",
            ),
        }
    }
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

/// As [`explain`], of a policy that is ready to judge, for claims that are taken for verified.
pub(crate) fn explain_claims<'p>(
    policy: &'p Policy,
    finding: Finding<'_>,
    claims: Option<&Claims>,
    destination: &Destination<'_>,
) -> Explanation<'p> {
    Explanation::new(policy.model(), finding, recognised(policy, claims).as_deref(), claims, destination)
}

/// The processes that somebody with these claims is, none for nobody; nothing where it is denied for what it is.
fn recognised<'p>(policy: &'p Policy, claims: Option<&Claims>) -> Option<Vec<&'p str>> {
    let Some(claims) = claims else { return Some(Vec::new()) };
    let numbers = policy.index().processes.identify(claims).ok()?;
    let places = numbers.into_iter().filter_map(|number| usize::try_from(number).ok());
    let processes = places.filter_map(|place| policy.model().processes.get(place));
    Some(processes.map(|process| process.name.as_str()).collect())
}

impl Model {
    /// The destinations of the policy that a connection goes to, with their places.
    pub(crate) fn entries(&self, destination: &Destination<'_>) -> Vec<(usize, &NamedDestination)> {
        self.destinations.iter().enumerate().filter(|(_, entry)| goes_to(entry, destination)).collect()
    }
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

fn goes_to(entry: &NamedDestination, destination: &Destination<'_>) -> bool {
    let host = destination.host.map(Host::parse);
    let by_host = host.is_some_and(|host| entry.hosts.iter().any(|pattern| pattern.matches(&host)));
    let by_address =
        destination.address.is_some_and(|address| entry.cidrs.iter().any(|cidr| cidr.contains(address.ip())));
    by_host || by_address
}

/// The connection that rules are held against.
struct Case<'p, 'c> {
    model: &'p Model,
    claims: Option<&'c Claims>,
    processes: Vec<usize>,
    entries: Vec<(usize, &'p NamedDestination)>,
    destination: &'c Destination<'c>,
}

impl<'p> Case<'p, '_> {
    fn failed(&self, rule: &'p Rule) -> Vec<Failed<'p>> {
        let mut failed = self.failed_of_source(&rule.from);
        failed.extend(self.failed_of_destination(&rule.to));
        let port = self.destination.address.map(|address| address.port());
        let port_fits = |port| rule.ports.iter().any(|range| range.contains(port));
        if !rule.ports.is_empty() && !port.is_some_and(port_fits) {
            failed.push(Failed::Port(joined(&rule.ports)));
        }
        if rule.methods.is_empty() && rule.paths.is_empty() {
            return failed;
        }
        let Some(Http { method, path }) = self.destination.http else {
            failed.push(Failed::NotHttp);
            return failed;
        };
        if !rule.methods.is_empty() && !rule.methods.iter().any(|wanted| wanted == method) {
            failed.push(Failed::Method(&rule.methods));
        }
        if !rule.paths.is_empty() {
            match (RequestPath::parse(path), rule.effect) {
                (RequestPath::Unclear, Effect::Deny) => {}
                (RequestPath::Unclear, Effect::Allow) => failed.push(Failed::UnclearPath),
                (path, _) if rule.paths.iter().any(|wanted| wanted.matches(&path)) => {}
                (RequestPath::Clear(_), _) => failed.push(Failed::Path(joined(&rule.paths))),
            }
        }
        failed
    }

    fn failed_of_source(&self, from: &'p Source) -> Vec<Failed<'p>> {
        let mut failed = Vec::new();
        match (from, self.claims) {
            (Source::Anyone, _) | (Source::Unidentified, None) => {}
            (Source::Unidentified, Some(_)) => failed.push(Failed::HasIdentity),
            (Source::Process(_), None) => failed.push(Failed::NoIdentity),
            (Source::Process(selector), Some(claims)) => {
                let is_named = self.processes.iter().any(|process| selector.names.contains(process));
                if !selector.names.is_empty() && !is_named {
                    let named = selector.names.iter().filter_map(|name| self.model.processes.get(*name));
                    failed.push(Failed::Process(named.map(|process| process.name.as_str()).collect()));
                }
                let lacking =
                    selector.labels.iter().filter(|(name, value)| claims.labels.get(name) != Some(value));
                failed.extend(lacking.map(|(name, value)| Failed::ProcessLabel(name, value)));
                let compared = selector.same.as_deref().filter(|name| claims.labels.get(name).is_none());
                failed.extend(compared.map(Failed::ProcessLabelMissing));
            }
        }
        failed
    }

    /// All conditions must hold for one destination; of several, the one that fails fewest counts.
    fn failed_of_destination(&self, to: &'p Selector) -> Vec<Failed<'p>> {
        if to.is_any() {
            return Vec::new();
        }
        let of_each = self.entries.iter().map(|(place, entry)| self.failed_of_entry(to, *place, entry));
        of_each.min_by_key(Vec::len).unwrap_or_else(|| vec![Failed::Destination(self.destination_names(to))])
    }

    fn failed_of_entry(&self, to: &'p Selector, place: usize, entry: &NamedDestination) -> Vec<Failed<'p>> {
        let mut failed = Vec::new();
        if !to.names.is_empty() && !to.names.contains(&place) {
            failed.push(Failed::Destination(self.destination_names(to)));
        }
        let lacking = to.labels.iter().filter(|(name, value)| entry.labels.get(name) != Some(value));
        failed.extend(lacking.map(|(name, value)| Failed::DestinationLabel(name, value)));
        if let Some(name) = &to.same {
            let here = self.claims.and_then(|claims| claims.labels.get(name));
            if here.is_none() || here != entry.labels.get(name) {
                failed.push(Failed::Same(name));
            }
        }
        failed
    }

    fn destination_names(&self, to: &Selector) -> Vec<&'p str> {
        let named = to.names.iter().filter_map(|name| self.model.destinations.get(*name));
        named.map(|entry| entry.name.as_str()).collect()
    }
}

fn joined(items: &[impl fmt::Display]) -> String {
    let mut text = String::new();
    for item in items {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&item.to_string());
    }
    text
}
