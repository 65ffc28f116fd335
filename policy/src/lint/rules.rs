//! Rules, each by itself.

use super::items::{listed, written};
use super::reach::Reach;
use super::wide::{leads_everywhere, limits, whom};
use super::{Findings, LintId};
use crate::model::{Model, Rule, Source};
use crate::raw::{Effect, RawPolicy};

/// What a rule says by itself.
pub(super) fn rules(raw: &RawPolicy, model: &Model, reach: &Reach<'_>, found: &mut Findings) {
    for (place, (rule, raw)) in model.rules.iter().zip(&raw.rules).enumerate() {
        let path = format!("rules[{place}].{}", rule.effect.code());
        if rule.effect == Effect::Allow {
            permits(place, rule, &path, found);
            by_service(model, reach, place, rule, found);
        }
        if !rule.to.is_any() && reach.places(&rule.to).is_empty() {
            found.add_for_rule(
                place,
                LintId::NeverMatches,
                format!("{path}.to"),
                "no destination has what is asked for here",
                "add the labels to a destination, or take the rule out",
            );
        }
        for method in &rule.methods {
            let upper = method.to_ascii_uppercase();
            if *method != upper && METHODS.contains(&upper.as_str()) {
                let index = written(raw.to.as_ref().map_or(&[], |to| &to.methods), Some(method), 0);
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
}

/// "Any to any" for a service: nothing but ports, methods or paths limits the rule.
fn by_service(model: &Model, reach: &Reach<'_>, place: usize, rule: &Rule, found: &mut Findings) {
    let limits = limits(rule);
    let Some(how) = leads_everywhere(reach, rule).filter(|_| !limits.is_empty()) else { return };
    let path = format!("rules[{place}].allow");
    let limits = listed(&limits);
    match whom(model, &rule.from) {
        Some(whom) => {
            let problem = format!(
                "lets every recognised process reach every destination, limited by {limits} only{whom}{how}"
            );
            let fix = "name who in from, and what in to";
            found.add_for_rule(place, LintId::AnyToAnyService, path, problem, fix);
        }
        // A finding of its own.
        None if rule.from == Source::Unidentified => {}
        None => {
            let problem =
                format!("lets whom it is about reach every destination, limited by {limits} only{how}");
            let fix = "name the destinations in to";
            found.add_for_rule(place, LintId::AnyDestinationService, path, problem, fix);
        }
    }
}
