//! What is sure of a connection whose host, method or path a record has only the beginning of.
//!
//! Two policies bound the candidate: under the strictest every deny holds that may hold and every allow that must,
//! under the loosest it is the other way round. Where both say the same, so does the candidate, however the text
//! goes on. Both are asked about the text as it is cut, which is no host, no method and no clear path: it meets `*`
//! of hosts and, of paths, every deny.

use procgate_policy::{
    Destination, Effect, Needs, Policy, RawDestination, RawFrom, RawPolicy, RawRule, RawTo,
};
use std::cell::OnceCell;

/// What a text ends with that the record has not whole.
const CUT: char = '…';

/// Which texts are cut, of those that a policy looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    host: bool,
    method: bool,
    path: bool,
}

/// Ways in which something can be cut, nothing included.
pub(super) const CUTS: usize = 8;

impl Cut {
    /// What is cut; nothing where the policy does not look at it.
    pub(super) fn of(destination: &Destination<'_>, policy: &Policy) -> Option<Self> {
        let is_cut = |text: &str| text.ends_with(CUT);
        let host = destination.host.is_some_and(is_cut);
        let method = destination.http.is_some_and(|http| is_cut(http.method));
        // Of a query nothing counts.
        let path = destination.http.is_some_and(|http| is_cut(http.path) && !http.path.contains(['?', '#']));
        if !(host || method || path) {
            return None;
        }
        let Needs { host: hosts, method: methods, path: paths, .. } = policy.needs();
        let cut = Self { host: host && hosts, method: method && methods, path: path && paths };
        (cut.host || cut.method || cut.path).then_some(cut)
    }

    /// Another number for each, less than [`CUTS`].
    pub(super) fn number(self) -> usize {
        usize::from(self.host) | usize::from(self.method) << 1 | usize::from(self.path) << 2
    }
}

/// The policies that bound a candidate.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) strictest: Policy,
    pub(super) loosest: Policy,
}

/// Those of each [`Cut`], made when they are asked for.
#[derive(Debug)]
pub(super) struct AllBounds<'p> {
    raw: &'p RawPolicy,
    each: [OnceCell<Option<Bounds>>; CUTS],
}

impl<'p> AllBounds<'p> {
    pub(super) fn of(raw: &'p RawPolicy) -> Self {
        Self { raw, each: Default::default() }
    }

    /// The bounds; none where they make no policy.
    pub(super) fn get(&self, cut: Cut) -> Option<&Bounds> {
        let make = || {
            let bound = |widened| Policy::new(&bound(self.raw, cut, widened)).ok();
            Some(Bounds { strictest: bound(Effect::Deny)?, loosest: bound(Effect::Allow)? })
        };
        self.each.get(cut.number())?.get_or_init(make).as_ref()
    }
}

/// The policy whose rules of this effect hold wherever they may hold, and its others only where they must.
fn bound(raw: &RawPolicy, cut: Cut, widened: Effect) -> RawPolicy {
    let mut bound = raw.clone();
    // An allow of paths holds for no cut one anyway.
    let may_hold_only = |rule: &RawRule| {
        cut.path && rule.effect == Effect::Deny && rule.to.as_ref().is_some_and(|to| !to.paths.is_empty())
    };
    bound.rules.retain(|rule| rule.effect == widened || !may_hold_only(rule));
    for rule in bound.rules.iter_mut().filter(|rule| rule.effect == widened) {
        widen(rule, cut, &raw.destinations);
    }
    bound
}

/// Takes from a rule the conditions that the cut text decides about.
fn widen(rule: &mut RawRule, cut: Cut, destinations: &[RawDestination]) {
    let Some(to) = &mut rule.to else { return };
    if cut.method {
        to.methods.clear();
    }
    if cut.path {
        to.paths.clear();
    }
    if cut.host && destinations.iter().any(|entry| by_host(to, entry)) {
        to.selector = Default::default();
        if let Some(RawFrom::Selected(from)) = &mut rule.from {
            // It stands on both sides or on none.
            from.same = None;
        }
    }
}

/// Whether a rule may be about this entry for the host alone.
fn by_host(to: &RawTo, entry: &RawDestination) -> bool {
    let is_named = to.selector.names.is_empty() || to.selector.names.contains(&entry.name);
    let is_labelled = to.selector.labels.iter().all(|label| entry.labels.contains(label));
    is_named && is_labelled && !entry.hosts.is_empty() && !entry.hosts.iter().any(|host| host == "*")
}
