//! One connection, held against rules.

use super::Failed;
use crate::connection::{Destination, Http};
use crate::model::{Model, NamedDestination, Rule, Selector, Source};
use crate::pattern::{Host, RequestPath};
use crate::raw::Effect;
use core::fmt;
use procgate_identity::Claims;

impl Model {
    /// The destinations of the policy that a connection goes to, with their places.
    pub(crate) fn entries(&self, destination: &Destination<'_>) -> Vec<(usize, &NamedDestination)> {
        let host = destination.host.map(Host::parse);
        let address = destination.address.map(|address| address.ip());
        let goes_to = |entry: &NamedDestination| {
            let by_host =
                host.as_ref().is_some_and(|host| entry.hosts.iter().any(|pattern| pattern.matches(host)));
            by_host || address.is_some_and(|address| entry.cidrs.iter().any(|cidr| cidr.contains(address)))
        };
        self.destinations.iter().enumerate().filter(|(_, entry)| goes_to(entry)).collect()
    }
}

/// The connection that rules are held against.
pub(super) struct Case<'p, 'c> {
    pub(super) model: &'p Model,
    pub(super) claims: Option<&'c Claims>,
    /// Places of the processes that the speaker is.
    pub(super) processes: Vec<usize>,
    /// The destinations that it goes to, with their places.
    pub(super) entries: Vec<(usize, &'p NamedDestination)>,
    pub(super) destination: &'c Destination<'c>,
}

impl<'p> Case<'p, '_> {
    /// The conditions of this rule that do not hold.
    pub(super) fn failed(&self, rule: &'p Rule) -> Vec<Failed<'p>> {
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
