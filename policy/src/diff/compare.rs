//! Everything that two policies decide differently.

use super::both::Both;
use super::destinations;
use super::end::End;
use super::findings::Findings;
use super::pairs::Pairs;
use super::region::Region;
use super::set::Set;
use super::side::{Atlas, Side, Speaker};
use super::sources::{Recognition, Sources};
use super::witness::{Point, Values, find};
use super::{Change, Entangled, Outcome};
use crate::fresh::fresh;
use crate::model::Rule;
use crate::pattern::{PathPattern, Segment};
use crate::policy::Policy;
use crate::reason::Reason;
use rustc_hash::FxHashSet;

/// Every change, and the pairs of outcomes of which it could not be found out.
pub(super) type Compared<'p> = (Vec<Change<'p>>, Vec<Both<Outcome<'p>>>);

/// Sorts what connections may have into classes, and looks for every difference.
pub(super) fn compare<'p>(policies: Both<&'p Policy>) -> Result<Compared<'p>, Entangled> {
    let (hosts, addresses) = (destinations::hosts(policies), destinations::addresses(policies));
    let sources = Sources::of(policies)?;
    let atlas = Atlas { sources: &sources, hosts: &hosts, addresses: &addresses };
    let sides = Side::of(policies, atlas);
    let (method, segment) = (fresh_method(policies), fresh_segment(policies));
    let values = Values { addresses: &addresses, method: &method, segment: &segment };
    let known = sources.classes.partition_point(|class| class.recognised_by_both());
    let known = u32::try_from(known).unwrap_or(u32::MAX);
    let mut findings = Findings::none(policies, atlas);
    Pairs::new(&mut findings, sides.as_ref(), values, known).run();
    let mut strangers = Strangers { findings, sides: sides.as_ref(), values };
    for (number, class) in (0..).zip(&sources.classes).skip_while(|(number, _)| *number < known) {
        strangers.of_class(number, class.recognised.as_ref());
    }
    Ok(strangers.findings.finish())
}

fn rules(policies: Both<&Policy>) -> impl Iterator<Item = &Rule> {
    policies.before.model().rules().iter().chain(policies.after.model().rules())
}

/// A method that neither policy mentions.
fn fresh_method(policies: Both<&Policy>) -> String {
    let methods: FxHashSet<&str> =
        rules(policies).flat_map(|rule| &rule.methods).map(String::as_str).collect();
    let common = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH"];
    let method = common.into_iter().find(|method| !methods.contains(method)).map(String::from);
    method.unwrap_or_else(|| fresh("ANY", |method| methods.contains(method)))
}

/// A segment that no path pattern has.
fn fresh_segment(policies: Both<&Policy>) -> String {
    let segments = rules(policies).flat_map(|rule| &rule.paths).flat_map(PathPattern::segments);
    let words: FxHashSet<&str> = segments
        .filter_map(|segment| match segment {
            Segment::Exact(text) => Some(text.as_str()),
            Segment::One => None,
        })
        .collect();
    fresh("any", |word| words.contains(word))
}

/// Looks for differences for those whom not both policies recognise.
struct Strangers<'a, 's, 'p> {
    findings: Findings<'a, 'p>,
    sides: Both<&'s Side<'p>>,
    values: Values<'s>,
}

impl<'p> Strangers<'_, '_, 'p> {
    /// Of this class.
    fn of_class(&mut self, class: u32, recognised: Both<&Recognition>) {
        let refused = |reason: &Reason| Outcome { reason: *reason, rule: None };
        match (recognised.before, recognised.after) {
            (Recognition::As(_), Recognition::Not(reason)) => {
                let after = refused(reason);
                self.of_side(self.sides.before, class, |before| Both { before, after });
            }
            (Recognition::Not(reason), Recognition::As(_)) => {
                let before = refused(reason);
                self.of_side(self.sides.after, class, |after| Both { before, after });
            }
            (Recognition::Not(before), Recognition::Not(after)) => {
                let outcomes = Both { before: refused(before), after: refused(after) };
                let anywhere = Ok(Some(Point::default()));
                self.findings.note(outcomes, &Region::everything(), Speaker::Class(class), anywhere);
            }
            (Recognition::As(_), Recognition::As(_)) => {}
        }
    }

    /// What the rules of one side decide for a class, where the other side refuses it as a whole.
    fn of_side(&mut self, side: &Side<'p>, class: u32, outcomes: impl Fn(Outcome<'p>) -> Both<Outcome<'p>>) {
        let mut only = Region::everything();
        only.who.nobody = false;
        only.who.recognised = Set::of(vec![class]);
        let speaker = Speaker::Class(class);
        let near = side.near(side.rules.len(), &only).map(|(_, owned)| side.end(owned));
        for end in near.chain([End::none(side)]) {
            let outcomes = outcomes(end.outcome(false));
            if end.region.who.recognised.contains(class) && self.findings.is_news(outcomes) {
                let others =
                    end.in_the_way(Some(speaker), end.region).map(|(_, owned)| &owned.region).collect();
                let found = find(end.region, others, self.values);
                self.findings.note(outcomes, end.region, speaker, found);
            }
        }
    }
}
