//! Every pair of rules of which one decides before and the other one after.

use super::both::Both;
use super::changed::changed;
use super::destinations::{self, Classes};
use super::region::Region;
use super::side::{Atlas, Ranked, Side, Speaker};
use super::sources::{Recognition, Sources};
use super::witness::{Point, TooManySteps, Values, find};
use super::{Change, Connection, Entangled, MAX_CHANGES, Outcome};
use crate::fresh::fresh;
use crate::policy::Policy;
use crate::raw::Effect;
use crate::reason::Reason;
use core::net::{IpAddr, SocketAddr};
use procgate_identity::{Claims, Labels, RefusalReason};
use rustc_hash::{FxHashMap, FxHashSet};

/// Both policies, made comparable.
pub(super) struct Comparison<'p> {
    policies: Both<&'p Policy>,
    sources: Sources,
    hosts: Classes<String>,
    addresses: Classes<IpAddr>,
    method: String,
    segment: String,
    found: FxHashMap<Both<Outcome<'p>>, Connection>,
    undecided: FxHashSet<Both<Outcome<'p>>>,
}

/// A rule of a policy or, without a region, what is decided where none matches.
#[derive(Clone, Copy)]
struct End<'s, 'p> {
    side: &'s Side<'p>,
    number: usize,
    region: Option<&'s Region<'p>>,
}

impl<'s, 'p> End<'s, 'p> {
    /// Where no rule matches.
    const fn none(side: &'s Side<'p>) -> Self {
        Self { side, number: side.rules.len(), region: None }
    }

    fn outcome(&self, nobody: bool) -> Outcome<'p> {
        let rule = self.region.and_then(|_| self.side.rules.get(self.number));
        let reason = match (rule.map(|rule| rule.effect), nobody) {
            (Some(Effect::Allow), _) => Reason::Allowed,
            (_, true) => RefusalReason::NoIdentity.into(),
            (Some(Effect::Deny), false) => Reason::DeniedByRule,
            (None, false) => Reason::NoMatchingRule,
        };
        Outcome { reason, rule: rule.map(|rule| rule.name) }
    }
}

impl<'p> Comparison<'p> {
    /// Sorts what connections may have into classes.
    pub(super) fn new(policies: Both<&'p Policy>) -> Result<Self, Entangled> {
        let rules = || policies.before.model().rules().iter().chain(policies.after.model().rules());
        let methods: FxHashSet<&str> = rules().flat_map(|rule| &rule.methods).map(String::as_str).collect();
        let common = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH"];
        let method = common.into_iter().find(|method| !methods.contains(method)).map(String::from);
        Ok(Self {
            sources: Sources::of(policies)?,
            hosts: destinations::hosts(policies),
            addresses: destinations::addresses(policies),
            method: method.unwrap_or_else(|| fresh("ANY", |method| methods.contains(method))),
            segment: String::new(),
            found: FxHashMap::default(),
            undecided: FxHashSet::default(),
            policies,
        })
    }

    /// Looks for every difference.
    pub(super) fn run(mut self) -> (Vec<Change<'p>>, Vec<Both<Outcome<'p>>>) {
        let sources = core::mem::take(&mut self.sources);
        let atlas = Atlas { sources: &sources, hosts: &self.hosts, addresses: &self.addresses };
        let before = Side::before(self.policies.before, atlas);
        let after = Side::after(self.policies.after, atlas);
        let sides = Both { before: &before, after: &after };
        let words = |side: &Side<'_>| -> FxHashSet<String> {
            let regions = side.rules.iter().flat_map(|rule| &rule.regions);
            regions.flat_map(|region| region.asked.paths.words()).map(String::from).collect()
        };
        let (words, more) = (words(&before), words(&after));
        self.segment = fresh("any", |word| words.contains(word) || more.contains(word));
        let known = sources.classes.partition_point(|class| class.recognised_by_both());
        let known = u32::try_from(known).unwrap_or(u32::MAX);
        self.between_rules(&sources, sides, known);
        for (number, class) in (0..).zip(&sources.classes).skip_while(|(number, _)| *number < known) {
            self.of_class(&sources, sides, number, class.recognised.as_ref());
        }
        self.finish()
    }

    /// Differences for nobody, and for those whom both policies recognise.
    fn between_rules(&mut self, sources: &Sources, sides: Both<&Side<'p>>, known: u32) {
        let changed = changed(sides, known);
        let mut order: Vec<u32> = (0..known).collect();
        let load = |class: &u32| sides.before.load(*class).saturating_add(sides.after.load(*class));
        order.sort_by_key(load);
        let is = |changed: &[bool], number: usize| changed.get(number).copied().unwrap_or_default();
        for (number, region) in regions(&sides.before.rules).filter(|(at, _)| is(&changed.before, *at)) {
            let before = End { side: sides.before, number, region: Some(region) };
            for (number, region) in sides.after.near(region) {
                let after = End { side: sides.after, number, region: Some(region) };
                self.between(sources, &order, Both { before, after });
            }
            self.between(sources, &order, Both { before, after: End::none(sides.after) });
        }
        for (number, region) in regions(&sides.after.rules).filter(|(at, _)| is(&changed.after, *at)) {
            let after = End { side: sides.after, number, region: Some(region) };
            for (number, region) in sides.before.near(region) {
                if !is(&changed.before, number) {
                    let before = End { side: sides.before, number, region: Some(region) };
                    self.between(sources, &order, Both { before, after });
                }
            }
            self.between(sources, &order, Both { before: End::none(sides.before), after });
        }
    }

    /// Looks for somebody and for nobody of whom one end decides before and the other one after.
    fn between(&mut self, sources: &Sources, order: &[u32], ends: Both<End<'_, 'p>>) {
        let everything = Region::everything();
        let [before, after] = [ends.before.region, ends.after.region].map(|end| end.unwrap_or(&everything));
        let nobody = before.who.nobody && after.who.nobody;
        let wanted = |comparison: &Self, nobody| {
            let outcomes = ends.map(|end| end.outcome(nobody));
            comparison.is_news(outcomes)
        };
        let (for_somebody, for_nobody) = (wanted(self, false), nobody && wanted(self, true));
        if !for_somebody && !for_nobody {
            return;
        }
        let Some(target) = before.meet(after) else { return };
        if for_nobody {
            self.try_speaker(sources, ends, &target, Speaker::Nobody);
        }
        if !for_somebody {
            return;
        }
        if target.who.recognised.listed().is_none() {
            // What every identity meets is in the way of each of them.
            let values = self.values();
            if matches!(find(&target, in_the_way(ends, None, &target), values), Ok(None)) {
                return;
            }
        }
        let known = u32::try_from(order.len()).unwrap_or(u32::MAX);
        let classes = target.who.recognised.listed().unwrap_or(order);
        for class in classes.iter().filter(|class| **class < known) {
            if self.try_speaker(sources, ends, &target, Speaker::Class(*class)) {
                return;
            }
        }
    }

    fn is_news(&self, outcomes: Both<Outcome<'p>>) -> bool {
        outcomes.before != outcomes.after && !self.found.contains_key(&outcomes)
    }

    /// Whether there is such a connection of this speaker.
    fn try_speaker(
        &mut self,
        sources: &Sources,
        ends: Both<End<'_, 'p>>,
        target: &Region<'p>,
        speaker: Speaker,
    ) -> bool {
        let outcomes = ends.map(|end| end.outcome(speaker == Speaker::Nobody));
        let found = find(target, in_the_way(ends, Some(speaker), target), self.values());
        self.note(sources, outcomes, target, speaker, found)
    }

    /// Differences for a class that not both policies recognise.
    fn of_class(
        &mut self,
        sources: &Sources,
        sides: Both<&Side<'p>>,
        class: u32,
        recognised: Both<&Recognition>,
    ) {
        let refused = |reason: &Reason| Outcome { reason: *reason, rule: None };
        match (recognised.before, recognised.after) {
            (Recognition::As(_), Recognition::Not(reason)) => {
                let after = refused(reason);
                self.of_side(sources, sides.before, class, |before| Both { before, after });
            }
            (Recognition::Not(reason), Recognition::As(_)) => {
                let before = refused(reason);
                self.of_side(sources, sides.after, class, |after| Both { before, after });
            }
            (Recognition::Not(before), Recognition::Not(after)) => {
                let outcomes = Both { before: refused(before), after: refused(after) };
                let anywhere = Ok(Some(Point::default()));
                self.note(sources, outcomes, &Region::everything(), Speaker::Class(class), anywhere);
            }
            (Recognition::As(_), Recognition::As(_)) => {}
        }
    }

    /// What the rules of one side decide for a class, where the other side refuses it as a whole.
    fn of_side(
        &mut self,
        sources: &Sources,
        side: &Side<'p>,
        class: u32,
        outcomes: impl Fn(Outcome<'p>) -> Both<Outcome<'p>>,
    ) {
        let speaker = Speaker::Class(class);
        let mut only = Region::everything();
        only.who.nobody = false;
        only.who.recognised = super::set::Set::of(vec![class]);
        let mut ends: Vec<End<'_, 'p>> = side
            .near(&only)
            .into_iter()
            .map(|(number, region)| End { side, number, region: Some(region) })
            .collect();
        ends.push(End::none(side));
        for end in ends {
            let outcomes = outcomes(end.outcome(false));
            if self.is_news(outcomes) {
                let target = end.region.unwrap_or(&only);
                let others = side.in_the_way(end.number, Some(speaker), target).collect();
                let found = find(target, others, self.values());
                self.note(sources, outcomes, target, speaker, found);
            }
        }
    }

    const fn values(&self) -> Values<'_> {
        let Self { addresses, method, segment, .. } = self;
        Values { addresses, method: method.as_str(), segment: segment.as_str() }
    }

    /// Keeps what was found, once for each pair of outcomes.
    fn note(
        &mut self,
        sources: &Sources,
        outcomes: Both<Outcome<'p>>,
        target: &Region<'p>,
        speaker: Speaker,
        found: Result<Option<Point>, TooManySteps>,
    ) -> bool {
        let point = match found {
            Ok(None) => return false,
            Err(TooManySteps) => {
                self.undecided.insert(outcomes);
                return false;
            }
            Ok(Some(point)) => point,
        };
        let connection = self.connection(sources, target, speaker, &point);
        // The policies themselves have the last word.
        let judged = connection
            .filter(|connection| outcomes == self.policies.map(|policy| connection.judged_by(policy)));
        match judged {
            Some(connection) if self.found.len() < MAX_CHANGES => {
                self.found.entry(outcomes).or_insert(connection);
            }
            _ => {
                self.undecided.insert(outcomes);
            }
        }
        true
    }

    fn connection(
        &self,
        sources: &Sources,
        target: &Region<'p>,
        speaker: Speaker,
        point: &Point,
    ) -> Option<Connection> {
        let claims = match speaker {
            Speaker::Nobody => None,
            Speaker::Class(class) => {
                let class = sources.classes.get(usize::try_from(class).ok()?)?;
                let labels = Labels::from_pairs(target.labels.iter().copied()).ok()?;
                Some(Box::new(Claims { labels, ..class.claims.clone() }))
            }
        };
        let address = self.addresses.sample(point.address);
        let port = point.port.unwrap_or_default();
        Some(Connection {
            claims,
            host: self.hosts.sample(point.host),
            address: address.map(|address| SocketAddr::new(address, port)),
            http: point.method.clone().zip(point.path.clone()),
        })
    }

    fn finish(self) -> (Vec<Change<'p>>, Vec<Both<Outcome<'p>>>) {
        let Self { found, mut undecided, .. } = self;
        undecided.retain(|outcomes| !found.contains_key(outcomes));
        let mut changes: Vec<Change<'p>> = found
            .into_iter()
            .map(|(Both { before, after }, example)| Change { before, after, example })
            .collect();
        changes.sort_by_key(|change| (change.kind(), change.after, change.before));
        let mut undecided: Vec<_> = undecided.into_iter().collect();
        undecided.sort_unstable_by_key(|outcomes| (outcomes.after, outcomes.before));
        (changes, undecided)
    }
}

fn regions<'s, 'p>(rules: &'s [Ranked<'p>]) -> impl Iterator<Item = (usize, &'s Region<'p>)> {
    rules
        .iter()
        .enumerate()
        .flat_map(|(number, rule)| rule.regions.iter().map(move |region| (number, region)))
}

/// What better rules than these match of the target.
fn in_the_way<'s, 'p>(
    ends: Both<End<'s, 'p>>,
    speaker: Option<Speaker>,
    target: &'s Region<'p>,
) -> Vec<&'s Region<'p>> {
    let of = |end: End<'s, 'p>| end.side.in_the_way(end.number, speaker, target);
    of(ends.before).chain(of(ends.after)).collect()
}
