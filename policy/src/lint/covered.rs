//! Rules that others leave nothing for.

use super::cover::{MAX_SPLIT, covering};
use super::items::{items, listed};
use super::reach::Reach;
use super::resolved::Resolved;
use super::{Findings, LintId};
use crate::index::specificity;
use crate::model::{Model, Rule, Selector, Source};
use crate::raw::{Effect, RawPolicy, RawRule};
use rustc_hash::{FxHashMap, FxHashSet};

/// Looks for them. All rules that are called shadowed or redundant can be taken out at once: what each of
/// them is covered by stays.
pub(super) fn rules(raw: &RawPolicy, model: &Model, reach: &Reach<'_>, found: &mut Findings) {
    let mut ranked: Vec<_> = model.rules.iter().enumerate().collect();
    ranked.sort_by_cached_key(|(place, rule)| (specificity(rule), *place));
    let ranked: Vec<_> = ranked.into_iter().map(|(place, rule)| Resolved::new(place, rule, reach)).collect();
    let mut rules = Rules {
        model,
        reach,
        ranked: &ranked,
        all: Candidates::new(&ranked, |_| true),
        denies: Candidates::new(&ranked, |rule| rule.effect == Effect::Deny),
        idle: FxHashSet::default(),
    };
    // The losers first: of two equal rules the one that decides stays.
    for (rank, this) in ranked.iter().enumerate().rev() {
        rules.without_effect(rank, this, found);
    }
    // The most specific ones first: of a rule within a wider one it is the wider that stays.
    for this in &ranked {
        rules.without_difference(this, found);
    }
    for this in &ranked {
        if let Some(raw) = raw.rules.get(this.place) {
            rules.contradicted(this, raw, found);
        }
    }
}

struct Rules<'a, 'm> {
    model: &'m Model,
    reach: &'a Reach<'m>,
    /// The rules from the one that wins over all others on.
    ranked: &'a [Resolved<'m>],
    all: Candidates<'m>,
    denies: Candidates<'m>,
    /// The places of the rules that may be taken out.
    idle: FxHashSet<usize>,
}

impl<'a, 'm> Rules<'a, 'm> {
    /// Rules of which denies take all, or that never decide since better ones do.
    fn without_effect(&mut self, rank: usize, this: &Resolved<'_>, found: &mut Findings) {
        let better = |candidates: &Candidates<'_>| self.others(candidates, this, |other| other < rank);
        let denies = if this.rule.effect == Effect::Allow { better(&self.denies) } else { Vec::new() };
        if let Some(by) = self.covering(this, &denies) {
            let problem = format!("allows nothing: {}", self.told(&by, "denies all of it", "deny all of it"));
            let fix = "take one of the two out, or make the deny narrower";
            found.add_for_rule(this.place, LintId::Shadowed, path(this), problem, fix);
        } else if let Some(by) = self.covering(this, &better(&self.all)) {
            let told = self.told(&by, "matches all of it and wins", "match all of it and win");
            let problem = format!("never decides: {told}");
            found.add_for_rule(this.place, LintId::Redundant, path(this), problem, "take it out");
        } else {
            return;
        }
        self.idle.insert(this.place);
    }

    /// Rules that decide what less specific ones would decide the same way.
    fn without_difference(&mut self, this: &Resolved<'_>, found: &mut Findings) {
        if self.idle.contains(&this.place) {
            return;
        }
        let others = self.others(&self.all, this, |_| true);
        let Some(by) = self.covering(this, &others) else { return };
        let told = self.told(&by, "decides all of it the same way", "decide all of it the same way");
        let problem = format!("changes no verdict: {told}");
        let fix = "take it out, unless its name is wanted in the records; or make the wider rule narrower";
        found.add_for_rule(this.place, LintId::Redundant, path(this), problem, fix);
        self.idle.insert(this.place);
    }

    /// What an allow names one by one although denies take all of it.
    fn contradicted(&self, this: &Resolved<'_>, raw: &RawRule, found: &mut Findings) {
        let is_standing_allow = this.rule.effect == Effect::Allow && !self.idle.contains(&this.place);
        if !is_standing_allow || self.others(&self.denies, this, |_| true).is_empty() {
            return;
        }
        for (field, narrowed) in items(self.model, this.rule, raw) {
            let narrowed = Resolved::new(this.place, &narrowed, self.reach);
            let denies = self.others(&self.denies, &narrowed, |_| true);
            let Some(by) = self.covering(&narrowed, &denies) else { continue };
            let problem = format!("has no effect: {}", self.told(&by, "denies all of it", "deny all of it"));
            let fix = "take it out here, or make the deny narrower";
            let path = format!("{}.{field}", path(this));
            found.add_for_rule(this.place, LintId::Contradictory, path, problem, fix);
        }
    }

    /// The other rules of these that may cover this one, best first: those of its effect, and denies.
    fn others(
        &self,
        candidates: &Candidates<'_>,
        this: &Resolved<'_>,
        counts: impl Fn(usize) -> bool,
    ) -> Vec<&'a Resolved<'m>> {
        let ranks = candidates.of(self.model, this.rule).into_iter().filter(|rank| counts(*rank));
        ranks
            .filter_map(|rank| self.ranked.get(rank))
            .filter(|other| other.place != this.place && !self.idle.contains(&other.place))
            .filter(|other| other.rule.effect == this.rule.effect || other.rule.effect == Effect::Deny)
            .collect()
    }

    /// One rule that covers all by itself is a better answer than several that do together.
    fn covering(&self, this: &Resolved<'_>, others: &[&Resolved<'_>]) -> Option<Vec<usize>> {
        let together = covering(self.model, self.reach, this, others)?;
        let alone = together
            .iter()
            .filter_map(|place| others.iter().find(|other| other.place == *place))
            .find(|other| covering(self.model, self.reach, this, &[other]).is_some());
        Some(alone.map_or_else(|| together.iter().copied().collect(), |other| vec![other.place]))
    }

    /// `no-admin (rules[1]) denies all of it`, `a (rules[1]) and b (rules[2]) together deny all of it`.
    fn told(&self, by: &[usize], one: &str, several: &str) -> String {
        let name = |place: &usize| {
            self.model.rules.get(*place).map(|rule| format!("{} (rules[{place}])", rule.name))
        };
        let what = if by.len() == 1 { one } else { several };
        format!("{} {what}", enumerated(&by.iter().filter_map(name).collect::<Vec<_>>()))
    }
}

fn path(this: &Resolved<'_>) -> String {
    format!("rules[{}].{}", this.place, this.rule.effect.code())
}

/// `a`, `a and b together`, `a, b, c, d and 3 more together`.
pub(super) fn enumerated(things: &[String]) -> String {
    let together = if things.len() > 1 { " together" } else { "" };
    format!("{}{together}", listed(things))
}

/// Rules by one thing that they ask of the source, as their ranks. A rule that covers another asks for nothing
/// that the other does not ask for: so only those need comparing that ask for one of the same things, or for
/// nothing.
#[derive(Default)]
struct Candidates<'m> {
    by_process: FxHashMap<usize, Vec<usize>>,
    by_label: FxHashMap<(&'m str, &'m str), Vec<usize>>,
    by_same: FxHashMap<&'m str, Vec<usize>>,
    of_any: Vec<usize>,
}

impl<'m> Candidates<'m> {
    fn new(ranked: &[Resolved<'m>], counts: impl Fn(&Rule) -> bool) -> Self {
        let mut candidates = Self::default();
        for (rank, this) in ranked.iter().enumerate().filter(|(_, this)| counts(this.rule)) {
            match &this.rule.from {
                Source::Process(selector) => candidates.add(rank, selector),
                Source::Anyone | Source::Unidentified => candidates.of_any.push(rank),
            }
        }
        candidates
    }

    fn add(&mut self, rank: usize, selector: &'m Selector) {
        for name in &selector.names {
            self.by_process.entry(*name).or_default().push(rank);
        }
        if !selector.names.is_empty() {
            return;
        }
        let list = match (selector.labels.iter().next(), &selector.same) {
            (Some(label), _) => self.by_label.entry(label).or_default(),
            (None, Some(same)) => self.by_same.entry(same).or_default(),
            (None, None) => &mut self.of_any,
        };
        list.push(rank);
    }

    /// Ascending.
    fn of(&self, model: &Model, rule: &Rule) -> Vec<usize> {
        let mut ranks = self.of_any.clone();
        // Few enough to be taken apart by process.
        let is_split = model.processes.len() <= MAX_SPLIT;
        match &rule.from {
            Source::Process(selector) => {
                let names = selector.names.iter().filter_map(|name| self.by_process.get(name));
                let labels = selector.labels.iter().filter_map(|label| self.by_label.get(&label));
                let same = selector.same.as_deref().and_then(|same| self.by_same.get(same));
                ranks.extend(names.chain(labels).chain(same).flatten());
                if selector.names.is_empty() && is_split {
                    ranks.extend(self.by_process.values().flatten());
                }
            }
            Source::Anyone if is_split => ranks.extend(self.by_process.values().flatten()),
            Source::Anyone | Source::Unidentified => {}
        }
        ranks.sort_unstable();
        ranks.dedup();
        ranks
    }
}
