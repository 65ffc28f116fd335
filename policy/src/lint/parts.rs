//! The parts into which rules are taken, and what matches all of one.

use super::reach::Reach;
use super::resolved::Resolved;
use crate::model::Source;
use crate::pattern::{Cidr, HostPattern, PortRange};
use std::collections::BTreeSet;

/// A part of whom a rule is about.
#[derive(Clone, Copy)]
pub(super) enum Who {
    Nobody,
    Process(Option<usize>),
}

/// A part of where a rule leads.
#[derive(Clone, Copy)]
pub(super) enum Where<'a> {
    Anywhere,
    Host(usize, &'a HostPattern),
    Range(usize, Cidr),
}

/// Whether a rule from `wide` is about a part of whom one from `narrow` is about.
pub(super) fn covers_source(wide: &Source, narrow: &Source, part: Who) -> bool {
    match (wide, part) {
        (Source::Anyone, _) | (Source::Unidentified, Who::Nobody) => true,
        (Source::Unidentified, Who::Process(_)) | (Source::Process(_), Who::Nobody) => false,
        (Source::Process(wide), Who::Process(name)) => {
            let named =
                wide.names.is_empty() || name.is_some_and(|name| wide.names.binary_search(&name).is_ok());
            let (labels, same) = match narrow {
                Source::Process(narrow) => (Some(&narrow.labels), narrow.same.as_ref()),
                Source::Anyone | Source::Unidentified => (None, None),
            };
            let label = |name| labels.and_then(|labels| labels.get(name));
            named
                && wide.labels.iter().all(|(name, value)| label(name) == Some(value))
                && (wide.same.is_none() || wide.same.as_ref() == same)
        }
    }
}

/// Whether a rule leads to all of a part.
pub(super) fn covers_destination(reach: &Reach<'_>, wide: &Resolved<'_>, part: Where<'_>) -> bool {
    let place = match part {
        Where::Anywhere => return false,
        Where::Host(place, _) | Where::Range(place, _) => place,
    };
    if wide.to.binary_search(&place).is_ok() {
        return true;
    }
    // Where `same` decides, it must decide on the same entry.
    wide.rule.to.same.is_none()
        && wide.to.iter().filter_map(|place| reach.entry(*place)).any(|entry| match part {
            Where::Anywhere => false,
            Where::Host(_, host) => entry.hosts.iter().any(|wide| covers_host(wide, host)),
            Where::Range(_, range) => entry.cidrs.iter().any(|wide| wide.covers(&range)),
        })
}

/// Whether every host of one pattern is one of the other.
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

/// The ports of `narrow` in blocks, none of which a range of the others cuts in two.
pub(super) fn blocks(narrow: &[PortRange], wide: &[&Resolved<'_>]) -> Vec<(u16, u16)> {
    let ranges = || wide.iter().flat_map(|wide| &wide.rule.ports).chain(narrow);
    // Where a block may begin.
    let mut starts: BTreeSet<u16> = ranges().map(PortRange::first).collect();
    starts.extend(ranges().filter_map(|range| range.last().checked_add(1)));
    let mut blocks = BTreeSet::new();
    for range in narrow {
        let mut first = range.first();
        let inner = starts.range(range.first()..=range.last()).skip(1);
        for next in inner {
            blocks.insert((first, next.saturating_sub(1)));
            first = *next;
        }
        blocks.insert((first, range.last()));
    }
    blocks.into_iter().collect()
}

/// Whether the ranges together hold every address of `whole`.
pub(super) fn adds_up(ranges: &[Cidr], whole: Cidr) -> bool {
    if ranges.iter().any(|range| range.covers(&whole)) {
        return true;
    }
    let inside: Vec<Cidr> = ranges.iter().copied().filter(|range| whole.covers(range)).collect();
    let halves = whole.halves().filter(|_| !inside.is_empty());
    halves.is_some_and(|halves| halves.into_iter().all(|half| adds_up(&inside, half)))
}
