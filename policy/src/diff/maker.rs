//! The regions of rules.

use super::asked::Asked;
use super::both::Both;
use super::region::{Region, Who};
use super::set::Set;
use super::side::Atlas;
use super::sources::{Recognition, Sources};
use crate::model::{Model, Rule, Selector, Source};
use crate::policy::Policy;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The first or the second of both.
type Recognised = for<'x> fn(Both<&'x Recognition>) -> &'x Recognition;
/// The same of what goes to the entries.
type Entries = for<'x> fn(Both<&'x Vec<Vec<u32>>>) -> &'x Vec<Vec<u32>>;

/// Makes regions of the rules of one policy.
#[derive(Debug)]
pub(super) struct Maker<'p, 'a> {
    model: &'p Model,
    classes: Vec<Vec<u32>>,
    /// Classes of hosts, and of addresses, by entry.
    hosts: &'a [Vec<u32>],
    addresses: &'a [Vec<u32>],
    /// Hosts and addresses of lists of entries: rules mostly name the same ones.
    sets: FxHashMap<Vec<usize>, [Set; 2]>,
    /// What rules ask for: mostly the same too, and then it is compared sooner.
    asked: FxHashSet<Rc<Asked>>,
}

impl<'p, 'a> Maker<'p, 'a> {
    /// Of the policy that `recognition` and `entries` take from both.
    pub(super) fn new(
        policy: &'p Policy,
        atlas: Atlas<'a>,
        recognition: Recognised,
        entries: Entries,
    ) -> Self {
        let model = policy.model();
        Self {
            model,
            classes: classes_of_processes(model, atlas.sources, recognition),
            hosts: entries(atlas.hosts.of_entry()),
            addresses: entries(atlas.addresses.of_entry()),
            sets: FxHashMap::default(),
            asked: FxHashSet::default(),
        }
    }

    /// The connections that the rule matches, ascending.
    pub(super) fn regions(&mut self, rule: &'p Rule) -> Vec<Region<'p>> {
        let mut regions = Vec::new();
        for asked in Asked::of(rule) {
            let asked = self.asked.get(&asked).cloned().unwrap_or_else(|| asked.into());
            self.asked.insert(Rc::clone(&asked));
            regions.extend(self.regions_asking(rule, asked));
        }
        regions.sort_unstable();
        regions
    }

    fn regions_asking(&mut self, rule: &'p Rule, asked: Rc<Asked>) -> Vec<Region<'p>> {
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
        let union = |classes: &[Vec<u32>]| {
            Set::of(entries.iter().filter_map(|entry| classes.get(*entry)).flatten().copied().collect())
        };
        let sets = [union(self.hosts), union(self.addresses)];
        self.sets.entry(entries).or_insert(sets).clone()
    }
}

/// The classes that each process of the policy is recognised in.
fn classes_of_processes(model: &Model, sources: &Sources, of: Recognised) -> Vec<Vec<u32>> {
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
