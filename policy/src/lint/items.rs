//! The things that a rule lists: it narrowed to each of them, where they were written, and how to name several.

use crate::model::{Model, Rule, Source};
use crate::raw::{RawFrom, RawRule, RawTo};

/// The rule with one thing only in place of a list, and the field of that thing; nothing for a list of one,
/// which is the whole rule.
pub(super) fn items(model: &Model, rule: &Rule, raw: &RawRule) -> Vec<(String, Rule)> {
    let mut items = Items { rule, found: Vec::new() };
    if let (Source::Process(selector), Some(RawFrom::Selected(raw))) = (&rule.from, &raw.from) {
        items.each("from.process", &selector.names, |index, place, rule| {
            if let Source::Process(selector) = &mut rule.from {
                selector.names = vec![*place];
            }
            written(&raw.names, model.processes.get(*place).map(|process| &process.name), index)
        });
    }
    if let Some(raw) = &raw.to {
        items.destinations(model, raw);
        items.requests(raw);
    }
    items.found
}

struct Items<'a> {
    rule: &'a Rule,
    found: Vec<(String, Rule)>,
}

impl Items<'_> {
    fn destinations(&mut self, model: &Model, raw: &RawTo) {
        self.each("to.destination", &self.rule.to.names, |index, place, rule| {
            rule.to.names = vec![*place];
            written(&raw.selector.names, model.destinations.get(*place).map(|entry| &entry.name), index)
        });
    }

    fn requests(&mut self, raw: &RawTo) {
        self.each("to.ports", &self.rule.ports, |index, range, rule| {
            rule.ports = vec![*range];
            index
        });
        self.each("to.methods", &self.rule.methods, |index, method, rule| {
            rule.methods = vec![method.clone()];
            written(&raw.methods, Some(method), index)
        });
        self.each("to.paths", &self.rule.paths, |index, path, rule| {
            rule.paths = vec![path.clone()];
            index
        });
    }

    /// `narrow` changes the rule and says where the thing stands in the document.
    fn each<T>(&mut self, field: &str, list: &[T], narrow: impl Fn(usize, &T, &mut Rule) -> usize) {
        for (index, thing) in list.iter().enumerate().filter(|_| list.len() > 1) {
            let mut narrowed = self.rule.clone();
            let index = narrow(index, thing, &mut narrowed);
            self.found.push((format!("{field}[{index}]"), narrowed));
        }
    }
}

/// Where a name stands in the list as it was written: the model has its lists sorted.
pub(super) fn written(list: &[String], name: Option<&String>, otherwise: usize) -> usize {
    list.iter().position(|other| Some(other) == name).unwrap_or(otherwise)
}

/// Things that a finding lists before it only counts them.
const MAX_LISTED: usize = 4;

/// `a`, `a and b`, `a, b, c, d and 3 more`.
pub(super) fn listed(things: &[String]) -> String {
    let shown = things.get(..MAX_LISTED).unwrap_or(things);
    let more = things.len().saturating_sub(shown.len());
    match shown.split_last() {
        None => String::new(),
        Some(_) if more > 0 => format!("{} and {more} more", shown.join(", ")),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}
