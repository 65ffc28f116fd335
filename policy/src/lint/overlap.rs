//! Destinations that share hosts or addresses: a rule for the one is a rule for a part of the other.

use super::{Findings, LintId};
use crate::model::{Model, NamedDestination};
use crate::pattern::{Cidr, HostPattern};
use rustc_hash::{FxHashMap, FxHashSet};

/// Looks for them: each pair once, at the narrower one.
pub(super) fn destinations(model: &Model, found: &mut Findings) {
    let parts = Parts::new(model);
    let mut told: FxHashSet<(usize, usize)> = FxHashSet::default();
    for (place, entry) in model.destinations.iter().enumerate() {
        let path = format!("destinations[{place}]");
        for (index, host) in entry.hosts.iter().enumerate() {
            for other in parts.having_host(host) {
                if other != place && told.insert((place.min(other), place.max(other))) {
                    pair(format!("{path}.hosts[{index}]"), entry, other, model, found);
                }
            }
        }
        for (index, range) in entry.cidrs.iter().enumerate() {
            for other in parts.having_range(range) {
                if other != place && told.insert((place.min(other), place.max(other))) {
                    pair(format!("{path}.cidrs[{index}]"), entry, other, model, found);
                }
            }
        }
    }
}

fn pair(path: String, entry: &NamedDestination, other: usize, model: &Model, found: &mut Findings) {
    let Some(wide) = model.destinations.get(other) else { return };
    let shared = format!("is in {} (destinations[{other}]) too", wide.name);
    let differing = entry.labels.iter().find_map(|(label, value)| {
        let there = wide.labels.get(label).filter(|there| *there != value)?;
        Some(format!("{label} is {value} here and {there} there"))
    });
    match differing {
        Some(differing) => found.add(
            LintId::OverlapLabels,
            path,
            format!("{shared}, and {differing}: rules about either value lead here"),
            "make one of the two narrower, or give both the same value",
        ),
        None => found.add(
            LintId::Overlap,
            path,
            format!("{shared}: rules about {} lead here as well", wide.name),
            "fine where that is meant; else make one of the two narrower",
        ),
    }
}

/// What the destinations consist of, by the places of those that have it. Looked up by whatever holds all of
/// a thing, so that nothing is compared with everything.
#[derive(Default)]
struct Parts<'m> {
    exact: FxHashMap<&'m str, Vec<usize>>,
    below: FxHashMap<&'m str, Vec<usize>>,
    ranges: FxHashMap<Cidr, Vec<usize>>,
}

impl<'m> Parts<'m> {
    /// What is everywhere stays out: everything lies in it, and it is a finding of its own.
    fn new(model: &'m Model) -> Self {
        let mut parts = Self::default();
        for (place, entry) in model.destinations.iter().enumerate() {
            for host in &entry.hosts {
                match host {
                    HostPattern::Any => {}
                    HostPattern::Exact(name) => parts.exact.entry(name).or_default().push(place),
                    HostPattern::Below(name) => parts.below.entry(name).or_default().push(place),
                }
            }
            for range in entry.cidrs.iter().filter(|range| !range.is_everything()) {
                parts.ranges.entry(*range).or_default().push(place);
            }
        }
        parts
    }

    /// The destinations that have all of these hosts.
    fn having_host(&self, host: &HostPattern) -> Vec<usize> {
        let (name, same) = match host {
            HostPattern::Any => return Vec::new(),
            HostPattern::Exact(name) => (name, self.exact.get(name.as_str())),
            HostPattern::Below(name) => (name, self.below.get(name.as_str())),
        };
        let is_name = name.parse::<core::net::IpAddr>().is_err();
        let domains = name.match_indices('.').filter_map(|(dot, _)| name.get(dot.checked_add(1)?..));
        let above = domains.filter(|_| is_name).filter_map(|domain| self.below.get(domain));
        same.into_iter().chain(above).flatten().copied().collect()
    }

    /// The destinations that have all of these addresses.
    fn having_range(&self, range: &Cidr) -> Vec<usize> {
        let lengths = 1..=range.length();
        lengths.filter_map(|length| self.ranges.get(&range.shortened(length))).flatten().copied().collect()
    }
}
