//! Pairs of rules of which one decides before and the other one after.

use super::both::Both;
use super::changed::changed;
use super::end::End;
use super::findings::Findings;
use super::index::Place;
use super::region::Region;
use super::side::{Side, Speaker};
use super::witness::{Values, find};

/// Looks for differences for nobody, and for those whom both policies recognise.
#[derive(Debug)]
pub(super) struct Pairs<'f, 'a, 's, 'p> {
    findings: &'f mut Findings<'a, 'p>,
    sides: Both<&'s Side<'p>>,
    values: Values<'s>,
    /// Classes that both policies recognise, those first that few rules name.
    order: Vec<u32>,
    /// Of each region of the policy that is gone through, the one of the other policy that stood in the
    /// way of it last. Where rules overlap widely, and the best one decides, it stands there for nearly
    /// all others too.
    better: Vec<Option<Place>>,
}

impl<'f, 'a, 's, 'p> Pairs<'f, 'a, 's, 'p> {
    /// The first `known` classes are those that both policies recognise.
    pub(super) fn new(
        findings: &'f mut Findings<'a, 'p>,
        sides: Both<&'s Side<'p>>,
        values: Values<'s>,
        known: u32,
    ) -> Self {
        let mut order: Vec<u32> = (0..known).collect();
        order.sort_by_key(|class| sides.before.load(*class).saturating_add(sides.after.load(*class)));
        Self { findings, sides, values, order, better: Vec::new() }
    }

    /// Goes through every pair with a rule that changed.
    pub(super) fn run(mut self) {
        let Both { before, after } = self.sides;
        let changed = changed(self.sides, self.known());
        let is = |changed: &[bool], number: usize| changed.get(number).copied().unwrap_or_default();
        self.better = vec![None; after.len()];
        let all = vec![true; after.rules.len()];
        for end in before.ends().filter(|end| is(&changed.before, end.number)) {
            self.with_each(end, after, &all, |other| Both { before: end, after: other });
        }
        self.better = vec![None; before.len()];
        let mut left: Vec<bool> = changed.before.iter().map(|changed| !changed).collect();
        left.truncate(left.iter().rposition(|left| *left).map_or(0, |last| last.saturating_add(1)));
        for end in after.ends().filter(|end| is(&changed.after, end.number)) {
            self.with_each(end, before, &left, |other| Both { before: other, after: end });
        }
    }

    fn known(&self) -> u32 {
        u32::try_from(self.order.len()).unwrap_or(u32::MAX)
    }

    /// The end with every wanted rule of the other policy that it may share a connection with, and with
    /// none of them.
    fn with_each(
        &mut self,
        end: End<'s, 'p>,
        side: &'s Side<'p>,
        wanted: &[bool],
        pair: impl Fn(End<'s, 'p>) -> Both<End<'s, 'p>>,
    ) {
        // Where a rule matches all that the end does, no worse one decides there, nor none.
        let none = End::none(side);
        let last = all_in_the_way(none, end.region).and_then(|place| side.at(place)).map(|last| last.rule);
        let rules = last.map_or(wanted.len(), |last| wanted.len().min(last.saturating_add(1)));
        for (place, other) in side.near(rules, end.region) {
            if wanted.get(other.rule) == Some(&true) && !self.is_better_met(end, place, &other.region) {
                let target = end.region.meet(&other.region);
                let better = target.as_ref().and_then(|target| all_in_the_way(end, target));
                match (target, better) {
                    (Some(target), None) => self.between(pair(side.end(other)), &target),
                    (_, better) => self.keep_better(place, better),
                }
            }
        }
        if last.is_none() {
            self.between(pair(none), end.region);
        }
    }

    /// Whether what stood in the way of the other region last does it here too.
    fn is_better_met(&self, end: End<'s, 'p>, place: Place, other: &Region<'p>) -> bool {
        let better = usize::try_from(place).ok().and_then(|at| *self.better.get(at)?);
        let better = better.and_then(|better| end.side.at(better));
        better.is_some_and(|better| better.rule < end.number && better.region.includes(end.region, other))
    }

    fn keep_better(&mut self, place: Place, better: Option<Place>) {
        let kept = usize::try_from(place).ok().and_then(|at| self.better.get_mut(at));
        kept.into_iter().for_each(|kept| *kept = better.or(*kept));
    }

    /// Looks for somebody and for nobody of whom one end decides before and the other one after, among
    /// the connections that both match.
    fn between(&mut self, ends: Both<End<'s, 'p>>, target: &Region<'p>) {
        let is_news = |nobody| self.findings.is_news(ends.map(|end| end.outcome(nobody)));
        let (for_somebody, for_nobody) = (is_news(false), target.who.nobody && is_news(true));
        if for_nobody {
            self.try_speaker(ends, target, Speaker::Nobody);
        }
        if for_somebody {
            self.try_everybody(ends, target);
        }
    }

    /// Tries one speaker after the other, until there is such a connection of one.
    fn try_everybody(&mut self, ends: Both<End<'s, 'p>>, target: &Region<'p>) {
        let listed = target.who.recognised.listed();
        // What every identity meets is in the way of each of them.
        if listed.is_none() && matches!(find(target, in_the_way(ends, None, target), self.values), Ok(None)) {
            return;
        }
        let known = self.known();
        let order = core::mem::take(&mut self.order);
        let mut classes = listed.unwrap_or(&order).iter().filter(|class| **class < known);
        classes.any(|class| self.try_speaker(ends, target, Speaker::Class(*class)));
        self.order = order;
    }

    /// Whether there is such a connection of this speaker.
    fn try_speaker(&mut self, ends: Both<End<'s, 'p>>, target: &Region<'p>, speaker: Speaker) -> bool {
        let outcomes = ends.map(|end| end.outcome(speaker == Speaker::Nobody));
        let found = find(target, in_the_way(ends, Some(speaker), target), self.values);
        self.findings.note(outcomes, target, speaker, found)
    }
}

/// What better rules than these match of the target.
fn in_the_way<'s, 'p>(
    ends: Both<End<'s, 'p>>,
    speaker: Option<Speaker>,
    target: &Region<'p>,
) -> Vec<&'s Region<'p>> {
    let of = |end: End<'s, 'p>| end.in_the_way(speaker, target).map(|(_, owned)| &owned.region);
    of(ends.before).chain(of(ends.after)).collect()
}

/// A region of a better rule that all of the target is in, if there is one.
fn all_in_the_way<'p>(end: End<'_, 'p>, target: &Region<'p>) -> Option<Place> {
    let class = target.who.recognised.listed().and_then(<[u32]>::first);
    let nobody = target.who.nobody.then_some(Speaker::Nobody);
    let somebody = || class.map(|class| Speaker::Class(*class));
    let mut better = end.in_the_way(nobody.or_else(somebody), target);
    better.find(|(_, owned)| owned.region.includes(target, target)).map(|(place, _)| place)
}
