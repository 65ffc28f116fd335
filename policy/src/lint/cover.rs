//! Whether some rules together match everything that another matches.
//!
//! What the rule matches is taken apart into cells (one source, one host or range, one block of ports, one
//! method, one path) until each of the other rules either matches all of a cell or is not counted. "Yes" is
//! certain. "No" may be wrong where two process entries are the same in fact, where paths add up, or where
//! the cells are too many.

use super::parts::{Where, Who, blocks, covers_destination, covers_source};
use super::reach::Reach;
use super::resolved::Resolved;
use crate::model::{Model, Source};
use crate::pattern::{Cidr, PathPattern, PortRange};
use std::collections::BTreeSet;

/// Comparisons of a rule with a cell for one question. A rule is compared with some thousand others where
/// many name no process, and seldom with more than a few after that.
const MAX_COMPARISONS: usize = 200_000;
/// Processes up to which a rule about all of them is taken apart by process.
pub(super) const MAX_SPLIT: usize = 64;

/// The places of the rules that together match everything that `narrow` does; nothing where they do not,
/// or where `narrow` itself matches nothing.
pub(super) fn covering(
    model: &Model,
    reach: &Reach<'_>,
    narrow: &Resolved<'_>,
    wide: &[&Resolved<'_>],
) -> Option<BTreeSet<usize>> {
    if !narrow.rule.to.is_any() && narrow.to.is_empty() {
        return None;
    }
    let mut walk = Walk { model, reach, narrow, left: MAX_COMPARISONS, used: BTreeSet::new() };
    walk.sources(wide).then_some(walk.used)
}

struct Walk<'a, 'm> {
    model: &'a Model,
    reach: &'a Reach<'m>,
    narrow: &'a Resolved<'a>,
    left: usize,
    /// The rules that were found to match a cell.
    used: BTreeSet<usize>,
}

impl Walk<'_, '_> {
    /// Those of the rules that match all of a part.
    fn keep<'w>(
        &mut self,
        wide: &[&'w Resolved<'w>],
        covers: impl Fn(&Resolved<'_>) -> bool,
    ) -> Vec<&'w Resolved<'w>> {
        let left = self.left.checked_sub(wide.len());
        self.left = left.unwrap_or_default();
        if left.is_none() {
            return Vec::new();
        }
        wide.iter().copied().filter(|wide| covers(wide)).collect()
    }

    fn sources(&mut self, wide: &[&Resolved<'_>]) -> bool {
        let from = &self.narrow.rule.from;
        self.whom(wide).into_iter().all(|part| {
            let wide = self.keep(wide, |wide| covers_source(&wide.rule.from, from, part));
            !wide.is_empty() && self.destinations(&wide)
        })
    }

    /// A rule about all processes is taken apart only where that can help.
    fn whom(&self, wide: &[&Resolved<'_>]) -> Vec<Who> {
        let names =
            |source: &Source| matches!(source, Source::Process(selector) if !selector.names.is_empty());
        let all = || match self.model.processes.len() {
            count @ 1..=MAX_SPLIT if wide.iter().any(|wide| names(&wide.rule.from)) => {
                (0..count).map(|place| Who::Process(Some(place))).collect()
            }
            _ => vec![Who::Process(None)],
        };
        match &self.narrow.rule.from {
            Source::Unidentified => vec![Who::Nobody],
            Source::Anyone => core::iter::once(Who::Nobody).chain(all()).collect(),
            Source::Process(selector) if selector.names.is_empty() => all(),
            Source::Process(selector) => {
                selector.names.iter().map(|place| Who::Process(Some(*place))).collect()
            }
        }
    }

    fn destinations(&mut self, wide: &[&Resolved<'_>]) -> bool {
        let narrow = self.narrow;
        if narrow.rule.to.is_any() {
            return self.destination(wide, Where::Anywhere);
        }
        let mut inside: Vec<Cidr> = wide.iter().flat_map(|wide| self.ranges(wide)).collect();
        inside.sort_unstable();
        inside.dedup();
        narrow.to.iter().all(|place| {
            let Some(entry) = narrow.own.or_else(|| self.reach.entry(*place)) else { return false };
            entry.hosts.iter().all(|host| self.destination(wide, Where::Host(*place, host)))
                && entry.cidrs.iter().all(|cidr| self.range(wide, *place, *cidr, &inside))
        })
    }

    fn ranges<'a>(&'a self, wide: &'a Resolved<'_>) -> impl Iterator<Item = Cidr> {
        wide.to.iter().filter_map(|place| self.reach.entry(*place)).flat_map(|entry| &entry.cidrs).copied()
    }

    /// Halves the range until no other one lies strictly inside.
    fn range(&mut self, wide: &[&Resolved<'_>], place: usize, range: Cidr, inside: &[Cidr]) -> bool {
        let inside: Vec<Cidr> =
            inside.iter().copied().filter(|other| *other != range && range.covers(other)).collect();
        self.left = self.left.saturating_sub(inside.len());
        if self.destination(wide, Where::Range(place, range)) {
            return true;
        }
        let halves = range.halves().filter(|_| !inside.is_empty() && self.left > 0);
        halves.is_some_and(|halves| halves.into_iter().all(|half| self.range(wide, place, half, &inside)))
    }

    fn destination(&mut self, wide: &[&Resolved<'_>], part: Where<'_>) -> bool {
        let same = self.narrow.rule.to.same.as_ref();
        let reach = self.reach;
        let wide = self.keep(wide, |wide| {
            wide.rule.to.is_any()
                || ((wide.rule.to.same.is_none() || wide.rule.to.same.as_ref() == same)
                    && covers_destination(reach, wide, part))
        });
        !wide.is_empty() && self.ports(&wide)
    }

    fn ports(&mut self, wide: &[&Resolved<'_>]) -> bool {
        let narrow = &self.narrow.rule.ports;
        if narrow.is_empty() {
            let wide = self.keep(wide, |wide| wide.rule.ports.is_empty());
            return self.methods(&wide);
        }
        blocks(narrow, wide).into_iter().all(|(first, last)| {
            let within = |range: &PortRange| range.first() <= first && last <= range.last();
            let wide =
                self.keep(wide, |wide| wide.rule.ports.is_empty() || wide.rule.ports.iter().any(within));
            self.methods(&wide)
        })
    }

    fn methods(&mut self, wide: &[&Resolved<'_>]) -> bool {
        let narrow = &self.narrow.rule.methods;
        if narrow.is_empty() {
            let wide = self.keep(wide, |wide| wide.rule.methods.is_empty());
            return self.paths(&wide);
        }
        narrow.iter().all(|method| {
            let wide =
                self.keep(wide, |wide| wide.rule.methods.is_empty() || wide.rule.methods.contains(method));
            self.paths(&wide)
        })
    }

    fn paths(&mut self, wide: &[&Resolved<'_>]) -> bool {
        let narrow = &self.narrow.rule.paths;
        if narrow.is_empty() {
            let wide = self.keep(wide, |wide| wide.rule.paths.is_empty());
            return self.note(&wide);
        }
        narrow.iter().all(|path| {
            let covers = |wide: &PathPattern| wide.covers(path);
            let wide =
                self.keep(wide, |wide| wide.rule.paths.is_empty() || wide.rule.paths.iter().any(covers));
            self.note(&wide)
        })
    }

    /// Of several rules that match a cell, the first is the one to name.
    fn note(&mut self, wide: &[&Resolved<'_>]) -> bool {
        let first = wide.first();
        self.used.extend(first.map(|wide| wide.place));
        first.is_some()
    }
}
