//! Rules, one by one and two by two.

use super::cover::{covers, entries};
use super::{Findings, LintId};
use crate::index::specificity;
use crate::model::{Model, Rule, Source};
use crate::raw::Effect;
use rustc_hash::FxHashMap;

/// What a rule says by itself.
pub(super) fn single(model: &Model, found: &mut Findings) {
    for (place, rule) in model.rules.iter().enumerate() {
        let path = format!("rules[{place}].{}", rule.effect.code());
        if rule.effect == Effect::Allow {
            permits(place, rule, &path, found);
        }
        if !rule.to.is_any() && entries(model, &rule.to).is_empty() {
            found.add_for_rule(
                place,
                LintId::NeverMatches,
                format!("{path}.to"),
                "no destination has what is asked for here",
                "add the labels to a destination, or take the rule out",
            );
        }
        for (index, method) in rule.methods.iter().enumerate() {
            let upper = method.to_ascii_uppercase();
            if *method != upper && METHODS.contains(&upper.as_str()) {
                found.add_for_rule(
                    place,
                    LintId::MethodCase,
                    format!("{path}.to.methods[{index}]"),
                    format!("{method} is not {upper}: methods are compared letter by letter"),
                    format!("write {upper}"),
                );
            }
        }
    }
}

/// The methods of RFC 9110 section 9.3 and RFC 5789.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

fn permits(place: usize, rule: &Rule, path: &str, found: &mut Findings) {
    if rule.from == Source::Unidentified {
        found.add_for_rule(
            place,
            LintId::Unidentified,
            format!("{path}.from.unidentified"),
            "lets connections through that carry no identity",
            "give these programs an identity and take the rule out; until then limit it to their destinations",
        );
    }
    let anybody = matches!(&rule.from, Source::Process(selector) if selector.is_any());
    let asks_nothing = rule.ports.is_empty() && rule.methods.is_empty() && rule.paths.is_empty();
    if anybody && rule.to.is_any() && asks_nothing {
        found.add_for_rule(
            place,
            LintId::AnyToAny,
            path.into(),
            "lets every recognised process reach everything",
            "name who in from, and what in to",
        );
    }
}

/// Rules that another one leaves nothing for.
pub(super) fn covered(model: &Model, found: &mut Findings) {
    let ranked: Vec<_> =
        model.rules.iter().enumerate().map(|(place, rule)| (specificity(rule), place, rule)).collect();
    let by_name = Candidates::new(model);
    for (rank, place, rule) in &ranked {
        let path = format!("rules[{place}].{}", rule.effect.code());
        let others = by_name.of(rule).filter_map(|other| ranked.get(other));
        let mut best: Option<(LintId, usize)> = None;
        for (other_rank, other_place, other) in others {
            let id = match (other.effect, rule.effect) {
                (Effect::Deny, Effect::Allow) => LintId::Shadowed,
                (Effect::Allow, Effect::Deny) => continue,
                (Effect::Allow, Effect::Allow) | (Effect::Deny, Effect::Deny) => LintId::Redundant,
            };
            let wins = (other_rank, other_place) < (rank, place);
            if wins && best.is_none_or(|best| (id, *other_place) < best) && covers(model, other, rule) {
                best = Some((id, *other_place));
            }
        }
        let Some((id, by)) = best else { continue };
        let name = model.rules.get(by).map(|rule| rule.name.as_str()).unwrap_or_default();
        let (problem, fix) = if id == LintId::Shadowed {
            (
                format!("allows nothing: {name} (rules[{by}]) denies all of it"),
                "take one of the two out, or make the deny narrower",
            )
        } else {
            (format!("never decides: {name} (rules[{by}]) matches all of it and wins"), "take it out")
        };
        found.add_for_rule(*place, id, path, problem, fix);
    }
}

/// Rules by the processes they name. A rule that covers another names each of its processes, or
/// none at all: so only those need comparing.
struct Candidates {
    by_process: FxHashMap<usize, Vec<usize>>,
    of_any: Vec<usize>,
}

impl Candidates {
    fn new(model: &Model) -> Self {
        let mut by_process: FxHashMap<usize, Vec<usize>> = FxHashMap::default();
        let mut of_any = Vec::new();
        for (place, rule) in model.rules.iter().enumerate() {
            match &rule.from {
                Source::Process(selector) if !selector.names.is_empty() => {
                    for name in &selector.names {
                        by_process.entry(*name).or_default().push(place);
                    }
                }
                Source::Anyone | Source::Unidentified | Source::Process(_) => of_any.push(place),
            }
        }
        Self { by_process, of_any }
    }

    fn of(&self, rule: &Rule) -> impl Iterator<Item = usize> {
        let first = match &rule.from {
            Source::Process(selector) => selector.names.first(),
            Source::Anyone | Source::Unidentified => None,
        };
        let named = first.and_then(|name| self.by_process.get(name));
        named.into_iter().flatten().chain(&self.of_any).copied()
    }
}
