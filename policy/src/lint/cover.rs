//! Whether one rule matches everything that another matches.
//!
//! "Yes" is certain; "no" may be wrong where only several rules together cover one, or where two
//! process entries are the same in fact.

use crate::model::{Model, NamedDestination, Rule, Selector, Source};
use crate::pattern::{HostPattern, PortRange};

/// Whether every connection that `narrow` matches is matched by `wide`.
pub(super) fn covers(model: &Model, wide: &Rule, narrow: &Rule) -> bool {
    covers_source(&wide.from, &narrow.from)
        && covers_ports(&wide.ports, &narrow.ports)
        && covers_list(&wide.methods, &narrow.methods, |wide, narrow| wide == narrow)
        && covers_list(&wide.paths, &narrow.paths, |wide, narrow| wide.covers(narrow))
        && covers_destinations(model, &wide.to, &narrow.to)
}

fn covers_source(wide: &Source, narrow: &Source) -> bool {
    match (wide, narrow) {
        (Source::Anyone, _) | (Source::Unidentified, Source::Unidentified) => true,
        (Source::Process(wide), Source::Process(narrow)) => {
            covers_names(&wide.names, &narrow.names)
                && covers_labels(wide, narrow)
                && (wide.same.is_none() || wide.same == narrow.same)
        }
        (Source::Unidentified | Source::Process(_), _) => false,
    }
}

/// Names are ascending.
fn covers_names(wide: &[usize], narrow: &[usize]) -> bool {
    wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(|name| wide.binary_search(name).is_ok()))
}

fn covers_labels(wide: &Selector, narrow: &Selector) -> bool {
    wide.labels.iter().all(|(name, value)| narrow.labels.get(name) == Some(value))
}

/// An empty list means any.
fn covers_list<T>(wide: &[T], narrow: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    wide.is_empty()
        || (!narrow.is_empty() && narrow.iter().all(|narrow| wide.iter().any(|wide| covers(wide, narrow))))
}

/// Whether the ranges of `narrow` lie within those of `wide` taken together.
fn covers_ports(wide: &[PortRange], narrow: &[PortRange]) -> bool {
    if wide.is_empty() || narrow.is_empty() {
        return wide.is_empty();
    }
    let mut ranges: Vec<(u32, u32)> =
        wide.iter().map(|range| (u32::from(range.first()), u32::from(range.last()))).collect();
    ranges.sort_unstable();
    let mut joined: Vec<(u32, u32)> = Vec::new();
    for (first, last) in ranges {
        match joined.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    narrow.iter().all(|range| {
        joined
            .iter()
            .any(|(first, last)| *first <= u32::from(range.first()) && u32::from(range.last()) <= *last)
    })
}

fn covers_destinations(model: &Model, wide: &Selector, narrow: &Selector) -> bool {
    if wide.is_any() {
        return true;
    }
    if narrow.is_any() || (wide.same.is_some() && wide.same != narrow.same) {
        return false;
    }
    let meant = entries(model, wide);
    // Where `same` decides, it must decide on the same entry.
    let only_itself = wide.same.is_some();
    entries(model, narrow).iter().all(|(place, entry)| {
        meant.iter().any(|(other, wide)| other == place || (!only_itself && covers_entry(wide, entry)))
    })
}

/// Whether everything that goes to one destination goes to the other too.
fn covers_entry(wide: &NamedDestination, narrow: &NamedDestination) -> bool {
    narrow.hosts.iter().all(|narrow| wide.hosts.iter().any(|wide| covers_host(wide, narrow)))
        && narrow.cidrs.iter().all(|narrow| wide.cidrs.iter().any(|wide| wide.covers(narrow)))
}

fn covers_host(wide: &HostPattern, narrow: &HostPattern) -> bool {
    let below = |name: &str, rest: &str| name.strip_suffix(rest).is_some_and(|name| name.ends_with('.'));
    match (wide, narrow) {
        (HostPattern::Any, _) => true,
        (HostPattern::Exact(wide), HostPattern::Exact(narrow)) => wide == narrow,
        (HostPattern::Below(wide), HostPattern::Below(narrow)) => wide == narrow || below(narrow, wide),
        (HostPattern::Below(wide), HostPattern::Exact(narrow)) => {
            below(narrow, wide) && narrow.parse::<core::net::IpAddr>().is_err()
        }
        (HostPattern::Exact(_) | HostPattern::Below(_), _) => false,
    }
}

/// The destinations that a selector means, with their places: named, with its labels, and with the
/// label that `same` compares.
pub(super) fn entries<'m>(model: &'m Model, selector: &Selector) -> Vec<(usize, &'m NamedDestination)> {
    let fits = |(_, entry): &(usize, &NamedDestination)| {
        selector.labels.iter().all(|(name, value)| entry.labels.get(name) == Some(value))
            && selector.same.as_ref().is_none_or(|name| entry.labels.get(name).is_some())
    };
    if selector.names.is_empty() {
        model.destinations.iter().enumerate().filter(fits).collect()
    } else {
        let named = |place: &usize| model.destinations.get(*place).map(|entry| (*place, entry));
        selector.names.iter().filter_map(named).filter(fits).collect()
    }
}
