//! The rules of one policy as regions, and which of them may be about a source.

use super::both::Both;
use super::destinations::Classes;
use super::region::{Asked, Region, Who};
use super::set::Set;
use super::sources::{Recognition, Sources};
use crate::model::{Model, Rule, Selector, Source};
use crate::pattern::PortRange;
use crate::policy::Policy;
use crate::raw::Effect;
use core::net::IpAddr;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A rule; its number is its place in the order in which rules win.
#[derive(Debug)]
pub(super) struct Ranked<'p> {
    pub(super) name: &'p str,
    pub(super) effect: Effect,
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

/// The first or the second of both.
type Of = for<'x> fn(Both<&'x Recognition>) -> &'x Recognition;

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
        let classes = classes_of_processes(model, atlas.sources, of);
        let mut maker = Maker { model, classes, entries, sets: FxHashMap::default() };
        let by_rank = policy.index().by_rank.iter().filter_map(|place| model.rules.get(*place));
        let rules: Vec<Ranked<'p>> = by_rank
            .map(|rule| Ranked { name: &rule.name, effect: rule.effect, regions: maker.regions(rule) })
            .collect();
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

/// The classes that each process of the policy is recognised in.
fn classes_of_processes(model: &Model, sources: &Sources, of: Of) -> Vec<Vec<u32>> {
    let mut classes = vec![Vec::new(); model.processes.len()];
    for (number, class) in (0..).zip(&sources.classes) {
        let Recognition::As(processes) = of(class.recognised.as_ref()) else { continue };
        for process in processes {
            let of_process = usize::try_from(*process).ok().and_then(|at| classes.get_mut(at));
            of_process.into_iter().for_each(|of_process: &mut Vec<u32>| of_process.push(number));
        }
    }
    classes
}

/// Makes regions of rules.
struct Maker<'p, 'a> {
    model: &'p Model,
    classes: Vec<Vec<u32>>,
    entries: (&'a Vec<Vec<u32>>, &'a Vec<Vec<u32>>),
    /// Hosts and addresses of lists of entries: rules mostly name the same ones.
    sets: FxHashMap<Vec<usize>, [Set; 2]>,
}

impl<'p> Maker<'p, '_> {
    fn regions(&mut self, rule: &'p Rule) -> Vec<Region<'p>> {
        let asked: Rc<Asked> = asked(rule).into();
        let mut whole = Region { who: self.who(&rule.from), asked, ..Region::everything() };
        if let Source::Process(from) = &rule.from {
            whole.labels = from.labels.iter().collect();
        }
        let mut regions = Vec::new();
        for (label, entries) in self.ends(&rule.to) {
            let mut region = whole.clone();
            if let Some(label) = label {
                let only = Region { labels: Rc::new([label]), ..Region::everything() };
                let Some(with_label) = whole.meet(&only) else { continue };
                region = with_label;
            }
            let Some(entries) = entries else {
                regions.push(region);
                continue;
            };
            // An entry is met by its hosts, whatever the address, and by its addresses, whatever the host.
            let [hosts, addresses] = self.sets(entries);
            regions.push(Region { hosts, ..region.clone() });
            regions.push(Region { addresses, ..region });
        }
        regions.retain(|region| region.hosts.overlaps(&Set::All) && region.addresses.overlaps(&Set::All));
        regions.sort_unstable();
        regions
    }

    fn who(&self, from: &Source) -> Who {
        let selector = match from {
            Source::Anyone => return Who { nobody: true, recognised: Set::All },
            Source::Unidentified => return Who { nobody: true, recognised: Set::of(Vec::new()) },
            Source::Process(selector) => selector,
        };
        if selector.names.is_empty() {
            return Who { nobody: false, recognised: Set::All };
        }
        let named = selector.names.iter().filter_map(|name| self.classes.get(*name));
        Who { nobody: false, recognised: Set::of(named.flatten().copied().collect()) }
    }

    /// The entries that the rule is about, and where `same` compares them with the source, those of
    /// each value with that label. No entries means anywhere.
    #[allow(clippy::type_complexity, reason = "a label or none, entries or anywhere")]
    fn ends(&self, to: &'p Selector) -> Vec<(Option<(&'p str, &'p str)>, Option<Vec<usize>>)> {
        if to.is_any() {
            return vec![(None, None)];
        }
        let meant = self.model.destinations.iter().enumerate().filter(|(place, entry)| {
            (to.names.is_empty() || to.names.binary_search(place).is_ok())
                && to.labels.iter().all(|(name, value)| entry.labels.get(name) == Some(value))
        });
        let Some(name) = to.same.as_deref() else {
            return vec![(None, Some(meant.map(|(place, _)| place).collect()))];
        };
        let mut by_value: BTreeMap<&'p str, Vec<usize>> = BTreeMap::new();
        for (place, entry) in meant {
            let value = entry.labels.get(name);
            value.into_iter().for_each(|value| by_value.entry(value).or_default().push(place));
        }
        by_value.into_iter().map(|(value, entries)| (Some((name, value)), Some(entries))).collect()
    }

    /// The hosts and the addresses of these entries.
    fn sets(&mut self, entries: Vec<usize>) -> [Set; 2] {
        if let Some(sets) = self.sets.get(&entries) {
            return sets.clone();
        }
        let union = |classes: &Vec<Vec<u32>>| {
            Set::of(entries.iter().filter_map(|entry| classes.get(*entry)).flatten().copied().collect())
        };
        let sets = [union(self.entries.0), union(self.entries.1)];
        self.sets.entry(entries).or_insert(sets).clone()
    }
}

fn asked(rule: &Rule) -> Asked {
    let mut paths = rule.paths.clone();
    paths.sort_unstable();
    paths.dedup();
    let unclear = rule.effect == Effect::Deny && !paths.is_empty();
    Asked { ports: joined(&rule.ports), methods: rule.methods.clone(), paths, unclear }
}

/// The ranges ascending, those that touch made one.
fn joined(ranges: &[PortRange]) -> Vec<(u16, u16)> {
    let mut ranges: Vec<_> = ranges.iter().map(|range| (range.first(), range.last())).collect();
    ranges.sort_unstable();
    let mut joined: Vec<(u16, u16)> = Vec::new();
    for (first, last) in ranges {
        match joined.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => joined.push((first, last)),
        }
    }
    joined
}
