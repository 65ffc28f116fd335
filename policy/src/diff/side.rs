//! The rules of one policy as regions, and which of them may be about the same connections.

use super::both::Both;
use super::destinations::Classes;
use super::end::End;
use super::index::{Index, Place, Query};
use super::maker::Maker;
use super::region::Region;
use super::sources::Sources;
use crate::policy::Policy;
use crate::raw::Effect;
use core::net::IpAddr;
use rustc_hash::FxHashSet;

/// A rule; its number is its place in the order in which rules win.
#[derive(Debug)]
pub(super) struct Ranked<'p> {
    pub(super) name: &'p str,
    pub(super) effect: Effect,
}

/// A region of a rule.
#[derive(Debug)]
pub(super) struct Owned<'p> {
    /// The rule's number.
    pub(super) rule: usize,
    pub(super) region: Region<'p>,
}

/// Who speaks: nobody that is known, or an identity of this class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    Nobody,
    Class(u32),
}

/// The rules of a policy.
#[derive(Debug)]
pub(super) struct Side<'p> {
    pub(super) rules: Vec<Ranked<'p>>,
    /// Rule by rule, without those that a better rule has too: there the rule never decides.
    regions: Vec<Owned<'p>>,
    index: Index<'p>,
    /// How many regions name each class.
    loads: Vec<usize>,
    /// For where no rule matches.
    pub(super) everything: Region<'p>,
}

/// What regions are made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Atlas<'a> {
    pub(super) sources: &'a Sources,
    pub(super) hosts: &'a Classes<String>,
    pub(super) addresses: &'a Classes<IpAddr>,
}

impl<'p> Side<'p> {
    /// The rules of both policies.
    pub(super) fn of(policies: Both<&'p Policy>, atlas: Atlas<'_>) -> Both<Self> {
        let before = Maker::new(policies.before, atlas, |both| both.before, |both| both.before);
        let after = Maker::new(policies.after, atlas, |both| both.after, |both| both.after);
        let (before, after) = (ranked(policies.before, before), ranked(policies.after, after));
        let asked_about: Vec<&Region<'p>> =
            before.1.iter().chain(&after.1).map(|owned| &owned.region).collect();
        let index = |regions: &[Owned<'p>]| {
            Index::new((0..).zip(regions.iter().map(|owned| &owned.region)).collect(), &asked_about)
        };
        let indices = Both { before: index(&before.1), after: index(&after.1) };
        let classes = atlas.sources.classes.len();
        let side = |(rules, regions): (_, Vec<_>), index| {
            let loads = loads(&regions, classes);
            Self { rules, regions, index, loads, everything: Region::everything() }
        };
        Both { before: side(before, indices.before), after: side(after, indices.after) }
    }

    /// Each rule in each of its regions.
    pub(super) fn ends(&self) -> impl Iterator<Item = End<'_, 'p>> {
        self.regions.iter().map(|owned| self.end(owned))
    }

    /// A rule in one of its regions.
    pub(super) const fn end<'s>(&'s self, owned: &'s Owned<'p>) -> End<'s, 'p> {
        End { side: self, number: owned.rule, region: &owned.region }
    }

    /// The region at this place.
    pub(super) fn at(&self, place: Place) -> Option<&Owned<'p>> {
        self.regions.get(usize::try_from(place).ok()?)
    }

    /// How many regions there are.
    pub(super) const fn len(&self) -> usize {
        self.regions.len()
    }

    /// The regions of the rule with this number.
    pub(super) fn regions_of(&self, rule: usize) -> impl Iterator<Item = &Region<'p>> {
        let first = self.regions.partition_point(|owned| owned.rule < rule);
        let regions = self.regions.get(first..).unwrap_or_default().iter();
        regions.take_while(move |owned| owned.rule == rule).map(|owned| &owned.region)
    }

    /// How many regions name the class.
    pub(super) fn load(&self, class: u32) -> usize {
        usize::try_from(class).ok().and_then(|at| self.loads.get(at)).copied().unwrap_or_default()
    }

    /// Regions of this many first rules that a connection of `target` may be in, though it has nothing
    /// that it need not have. Without a speaker those of rules that are about every identity.
    pub(super) fn in_the_way(
        &self,
        rules: usize,
        speaker: Option<Speaker>,
        target: &Region<'p>,
    ) -> impl Iterator<Item = (Place, &Owned<'p>)> {
        let about = move |region: &Region<'p>| match speaker {
            Some(Speaker::Nobody) => region.who.nobody,
            Some(Speaker::Class(class)) => region.who.recognised.contains(class),
            None => region.who.recognised.listed().is_none(),
        };
        self.found(Query::HoldingBack { target, speaker }, rules)
            .filter(move |(_, owned)| about(&owned.region) && owned.region.may_hold_back(target))
    }

    /// Regions of this many first rules that may share a connection with this one, and a few others.
    pub(super) fn near(
        &self,
        rules: usize,
        region: &Region<'p>,
    ) -> impl Iterator<Item = (Place, &Owned<'p>)> {
        self.found(Query::Meeting(region), rules)
    }

    fn found(
        &self,
        query: Query<'_, 'p>,
        rules: usize,
    ) -> impl Iterator<Item = (Place, &Owned<'p>)> + use<'_, 'p> {
        let below = self.regions.partition_point(|owned| owned.rule < rules);
        let found = self.index.find(query, Place::try_from(below).unwrap_or(Place::MAX));
        found.into_iter().filter_map(|place| Some((place, self.at(place)?)))
    }
}

/// The rules in the order in which they win, and their regions.
fn ranked<'p>(policy: &'p Policy, mut maker: Maker<'p, '_>) -> (Vec<Ranked<'p>>, Vec<Owned<'p>>) {
    let (mut rules, mut regions) = (Vec::new(), Vec::new());
    let mut met: FxHashSet<Region<'p>> = FxHashSet::default();
    for rule in policy.index().by_rank.iter().filter_map(|place| policy.model().rules.get(*place)) {
        let new = maker.regions(rule).into_iter().filter(|region| met.insert(region.clone()));
        regions.extend(new.map(|region| Owned { rule: rules.len(), region }));
        rules.push(Ranked { name: &rule.name, effect: rule.effect });
    }
    (rules, regions)
}

/// How many regions name each of so many classes.
fn loads(regions: &[Owned<'_>], classes: usize) -> Vec<usize> {
    let mut loads = vec![0_usize; classes];
    for Owned { region, .. } in regions {
        for class in region.who.recognised.listed().unwrap_or_default() {
            let load = usize::try_from(*class).ok().and_then(|at| loads.get_mut(at));
            load.into_iter().for_each(|load| *load = load.saturating_add(1));
        }
    }
    loads
}
