//! The index made from the checked policy.

use super::cells::Cells;
use super::plan::Plan;
use super::rank::{Rank, ranked};
use super::sides::{Condition, Label, Side, Who};
use super::symbols::Symbols;
use super::{DestinationIndex, Index, Known, ProcessIndex};
use crate::model::{Model, Rule, Selector, Source};
use crate::raw::Effect;
use procgate_identity::Labels;
use rustc_hash::FxHashMap;

impl Index {
    /// Files every rule under its two ends.
    #[inline(never)]
    pub(crate) fn new(model: &Model) -> Self {
        let mut draft = Draft::default();
        let by_rank = ranked(&model.rules);
        for (place, rule) in by_rank.iter().filter_map(|at| model.rules.get(*at)).enumerate() {
            draft.add(rule, Rank::new(place));
        }
        let labels: Vec<Vec<Label>> = model
            .destinations
            .iter()
            .map(|destination| draft.symbols.labels_to_compare(&destination.labels))
            .collect();
        let to = draft.to.finish();
        let destination_atoms =
            (0..).zip(labels).map(|(number, labels)| Known::new(&to, number, labels)).collect();
        Self {
            processes: ProcessIndex::new(&model.processes),
            destinations: DestinationIndex::new(&model.destinations),
            by_rank,
            symbols: draft.symbols,
            from: draft.from.finish(),
            to,
            destination_atoms,
            cells: draft.cells,
            best_from: draft.best_from,
        }
    }
}

impl Symbols {
    /// The labels as numbers. Values get numbers even where no rule states them, so that `same` can
    /// compare them.
    fn labels_to_compare(&mut self, labels: &Labels) -> Vec<Label> {
        if self.is_empty() {
            return Vec::new();
        }
        labels
            .iter()
            .filter_map(|(name, value)| {
                let name = self.get(name);
                (name != Self::UNKNOWN).then(|| (name, self.add(value)))
            })
            .collect()
    }
}

/// An index whose rules are still being filed.
#[derive(Default)]
struct Draft {
    symbols: Symbols,
    from: DraftSide,
    to: DraftSide,
    cells: Cells,
    best_from: FxHashMap<u32, Rank>,
}

impl Draft {
    #[inline(never)]
    fn add(&mut self, rule: &Rule, rank: Rank) {
        let plan = Plan::of(rule);
        let from = match &rule.from {
            Source::Anyone => vec![self.from.number(Condition::only(Who::Anyone))],
            Source::Unidentified => vec![self.from.number(Condition::only(Who::Unidentified))],
            Source::Process(selector) => self.from.numbers(&mut self.symbols, selector, plan),
        };
        let to = if rule.to.is_any() {
            vec![self.to.number(Condition::only(Who::Anyone))]
        } else {
            self.to.numbers(&mut self.symbols, &rule.to, plan)
        };
        if rule.effect == Effect::Allow {
            for from in &from {
                let best = self.best_from.entry(*from).or_insert(Rank::NONE);
                *best = rank.min(*best);
            }
        }
        let pairs: Vec<(u32, u32)> = from.iter().flat_map(|from| to.iter().map(|to| (*from, *to))).collect();
        self.cells.add(&pairs, rule, rank, plan.leaves);
    }
}

/// A side whose conditions are still being numbered.
#[derive(Default)]
struct DraftSide {
    numbers: FxHashMap<Condition, u32>,
    conditions: Vec<Condition>,
    set_numbers: FxHashMap<Vec<u32>, u32>,
    sets: Vec<Vec<u32>>,
}

impl DraftSide {
    /// The conditions that a selector stands for: one for each name, or one for all.
    fn numbers(&mut self, symbols: &mut Symbols, selector: &Selector, plan: Plan) -> Vec<u32> {
        // In the order of their names, so that equal conditions are found equal.
        let labels: Vec<Label> =
            selector.labels.iter().map(|(name, value)| (symbols.add(name), symbols.add(value))).collect();
        let same = selector.same.as_ref().map(|name| symbols.add(name));
        let names: Vec<u32> = selector.names.iter().filter_map(|name| u32::try_from(*name).ok()).collect();
        let whos = match names.as_slice() {
            [] => vec![Who::Any],
            [..] if plan.pairs => names.into_iter().map(Who::One).collect(),
            [one] => vec![Who::One(*one)],
            [..] => vec![Who::Set(self.set(names))],
        };
        whos.into_iter().map(|who| self.number(Condition { who, labels: labels.clone(), same })).collect()
    }

    fn number(&mut self, condition: Condition) -> u32 {
        if let Some(number) = self.numbers.get(&condition) {
            return *number;
        }
        let number = u32::try_from(self.conditions.len()).unwrap_or(u32::MAX);
        self.numbers.insert(condition.clone(), number);
        self.conditions.push(condition);
        number
    }

    fn set(&mut self, names: Vec<u32>) -> u32 {
        if let Some(number) = self.set_numbers.get(&names) {
            return *number;
        }
        let number = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        self.sets.push(names.clone());
        self.set_numbers.insert(names, number);
        number
    }

    fn finish(self) -> Side {
        Side::new(self.conditions, &self.sets)
    }
}
