//! Which destinations a selector means, looked up without walking all of them for each rule.

use crate::model::{Model, NamedDestination, Rule, Selector};
use rustc_hash::FxHashMap;

/// The destinations, and those that have a label.
pub(super) struct Reach<'m> {
    model: &'m Model,
    by_label: FxHashMap<(&'m str, &'m str), Vec<usize>>,
    by_name: FxHashMap<&'m str, Vec<usize>>,
}

impl<'m> Reach<'m> {
    pub(super) fn new(model: &'m Model) -> Self {
        let mut reach = Self { model, by_label: FxHashMap::default(), by_name: FxHashMap::default() };
        for (place, entry) in model.destinations.iter().enumerate() {
            for (name, value) in entry.labels.iter() {
                reach.by_label.entry((name, value)).or_default().push(place);
                reach.by_name.entry(name).or_default().push(place);
            }
        }
        reach
    }

    /// The places of the destinations that a selector means, ascending: named, with its labels, and with
    /// the label that `same` compares. None where it asks for nothing: that is everywhere, listed or not.
    pub(super) fn places(&self, selector: &Selector) -> Vec<usize> {
        let label = selector.labels.iter().next();
        let candidates: &[usize] = if !selector.names.is_empty() {
            &selector.names
        } else if let Some(label) = label {
            self.by_label.get(&label).map_or(&[], Vec::as_slice)
        } else {
            let compared = selector.same.as_deref().and_then(|name| self.by_name.get(name));
            compared.map_or(&[], Vec::as_slice)
        };
        let fits = |place: &usize| self.entry(*place).is_some_and(|entry| is_meant(selector, entry));
        candidates.iter().copied().filter(fits).collect()
    }

    /// The destinations of a rule.
    pub(super) fn entries(&self, rule: &Rule) -> impl Iterator<Item = (usize, &'m NamedDestination)> {
        let places = self.places(&rule.to);
        places.into_iter().filter_map(|place| self.entry(place).map(|entry| (place, entry)))
    }

    /// The destination at a place.
    pub(super) fn entry(&self, place: usize) -> Option<&'m NamedDestination> {
        self.model.destinations.get(place)
    }
}

fn is_meant(selector: &Selector, entry: &NamedDestination) -> bool {
    selector.labels.iter().all(|(name, value)| entry.labels.get(name) == Some(value))
        && selector.same.as_ref().is_none_or(|name| entry.labels.get(name).is_some())
}
