//! The rules of one policy as regions, and which of them may be about a source.

use super::destinations::Classes;
use super::maker::{Maker, Of};
use super::region::Region;
use super::sources::Sources;
use crate::policy::Policy;
use crate::raw::Effect;
use core::net::IpAddr;
use rustc_hash::{FxHashMap, FxHashSet};

/// A rule; its number is its place in the order in which rules win.
#[derive(Debug)]
pub(super) struct Ranked<'p> {
    pub(super) name: &'p str,
    pub(super) effect: Effect,
    /// Without those that a better rule has too: there the rule never decides.
    pub(super) regions: Vec<Region<'p>>,
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
    /// Regions of rules that name processes, by class.
    of_class: Vec<Vec<Place>>,
    /// Regions of all other rules about identities, by one of their labels.
    of_anybody: FxHashMap<Option<(&'p str, &'p str)>, Vec<Place>>,
    of_nobody: Vec<Place>,
}

/// A rule's number and the number of its region.
type Place = (usize, usize);

/// What regions are made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Atlas<'a> {
    pub(super) sources: &'a Sources,
    pub(super) hosts: &'a Classes<String>,
    pub(super) addresses: &'a Classes<IpAddr>,
}

impl<'p> Side<'p> {
    /// The rules of the policy before.
    pub(super) fn before(policy: &'p Policy, atlas: Atlas<'_>) -> Self {
        let entries = (atlas.hosts.of_entry().before, atlas.addresses.of_entry().before);
        Self::new(policy, atlas, |both| both.before, entries)
    }

    /// The rules of the policy after.
    pub(super) fn after(policy: &'p Policy, atlas: Atlas<'_>) -> Self {
        let entries = (atlas.hosts.of_entry().after, atlas.addresses.of_entry().after);
        Self::new(policy, atlas, |both| both.after, entries)
    }

    fn new(policy: &'p Policy, atlas: Atlas<'_>, of: Of, entries: (&Vec<Vec<u32>>, &Vec<Vec<u32>>)) -> Self {
        let model = policy.model();
        let mut maker = Maker::new(model, atlas.sources, of, entries);
        let mut rules: Vec<Ranked<'p>> = Vec::new();
        let mut met: FxHashSet<Region<'p>> = FxHashSet::default();
        for rule in policy.index().by_rank.iter().filter_map(|place| model.rules.get(*place)) {
            let mut regions = maker.regions(rule);
            regions.retain(|region| met.insert(region.clone()));
            rules.push(Ranked { name: &rule.name, effect: rule.effect, regions });
        }
        let mut side = Self {
            rules: Vec::new(),
            of_class: vec![Vec::new(); atlas.sources.classes.len()],
            of_anybody: FxHashMap::default(),
            of_nobody: Vec::new(),
        };
        for (number, rule) in rules.iter().enumerate() {
            rule.regions.iter().enumerate().for_each(|(at, region)| side.file((number, at), region));
        }
        Self { rules, ..side }
    }

    fn file(&mut self, place: Place, region: &Region<'p>) {
        if region.who.nobody {
            self.of_nobody.push(place);
        }
        match region.who.recognised.listed() {
            None => self.of_anybody.entry(region.labels.first().copied()).or_default().push(place),
            Some(classes) => {
                for class in classes {
                    let filed = usize::try_from(*class).ok().and_then(|at| self.of_class.get_mut(at));
                    filed.into_iter().for_each(|filed| filed.push(place));
                }
            }
        }
    }

    fn region(&self, (rule, at): Place) -> Option<&Region<'p>> {
        self.rules.get(rule).and_then(|rule| rule.regions.get(at))
    }

    /// Regions of this many first rules that a connection of `target` may be in, though it has nothing
    /// that it need not have. Without a speaker those of rules that are about every identity.
    pub(super) fn in_the_way<'s>(
        &'s self,
        rules: usize,
        speaker: Option<Speaker>,
        target: &'s Region<'p>,
    ) -> impl Iterator<Item = &'s Region<'p>> {
        let (nobody, class) = match speaker {
            Some(Speaker::Nobody) => (true, &[][..]),
            Some(Speaker::Class(class)) => (false, self.of(class)),
            None => (false, &[][..]),
        };
        let keys = target.labels.iter().map(|label| Some(*label)).chain([None]);
        let anybody = keys.filter(move |_| !nobody).filter_map(|label| self.of_anybody.get(&label)).flatten();
        let of_nobody = self.of_nobody.iter().filter(move |_| nobody);
        let places = class.iter().chain(anybody).chain(of_nobody).filter(move |(rule, _)| *rule < rules);
        places.filter_map(|place| self.region(*place)).filter(|region| region.may_hold_back(target))
    }

    fn of(&self, class: u32) -> &[Place] {
        usize::try_from(class).ok().and_then(|at| self.of_class.get(at)).map_or(&[], Vec::as_slice)
    }

    /// How many regions name the class.
    pub(super) fn load(&self, class: u32) -> usize {
        self.of(class).len()
    }

    /// Regions that may share a connection with this one, by the number of their rule.
    pub(super) fn near<'s>(&'s self, region: &'s Region<'p>) -> Vec<(usize, &'s Region<'p>)> {
        let Some(classes) = region.who.recognised.listed() else {
            let all = self.rules.iter().enumerate();
            return all
                .flat_map(|(number, rule)| rule.regions.iter().map(move |region| (number, region)))
                .collect();
        };
        let mut places: Vec<Place> = classes.iter().flat_map(|class| self.of(*class)).copied().collect();
        if !classes.is_empty() {
            places.extend(self.of_anybody.values().flatten());
        }
        if region.who.nobody {
            places.extend(&self.of_nobody);
        }
        places.sort_unstable();
        places.dedup();
        places.into_iter().filter_map(|place| Some((place.0, self.region(place)?))).collect()
    }
}
