//! Findings that the policy itself says are fine, each with a reason.

use super::{Findings, LintFinding, LintId, Seen};
use crate::raw::{RawPolicy, RawSuppression};

/// Marks what is suppressed, and adds what is wrong with suppressions: one without a reason silences
/// nothing, and one that is about nothing was for something that is over; whether it is, of what logs show, only
/// logs tell.
pub(super) fn apply(
    raw: &RawPolicy,
    seen: Option<&Seen>,
    mut findings: Vec<LintFinding>,
) -> Vec<LintFinding> {
    let has_logs = seen.is_some_and(|seen| seen.records() > 0);
    let is_of_logs = |code: &str| [LintId::NotHit, LintId::StaleDigest].iter().any(|id| id.code() == code);
    let mut found = Findings::default();
    for (index, suppression) in raw.lint.suppress.iter().enumerate() {
        let path = format!("lint.suppress[{index}]");
        let reason = suppression.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
        let at = suppression.at.as_deref().map(|at| with_index(raw, at));
        let mut used = false;
        for finding in findings.iter_mut().filter(|finding| is_about(suppression, at.as_deref(), finding)) {
            used = true;
            if finding.suppressed.is_none() {
                finding.suppressed = reason.map(Into::into);
            }
        }
        if !used && (has_logs || !is_of_logs(&suppression.finding)) {
            let place = suppression.at.as_deref().map_or_else(String::new, |at| format!(" at {at}"));
            let problem = format!("no {} is found{place}", suppression.finding);
            let fix = "take it out, or correct finding and at";
            found.add(LintId::UnusedSuppression, path.clone(), problem, fix);
        }
        if reason.is_none() {
            let fix = "add reason: why this is fine here";
            found.add(LintId::NoReason, path, "gives no reason, so it silences nothing", fix);
        }
    }
    findings.append(&mut found.list);
    findings
}

fn is_about(suppression: &RawSuppression, at: Option<&str>, finding: &LintFinding) -> bool {
    let below = |at: &str| {
        let rest = finding.path.strip_prefix(at);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    finding.id.code() == suppression.finding && at.is_none_or(below)
}

/// The field path with an index where a name stands in its first brackets: `rules[checkout-pays]` stays right
/// when another rule is put in front.
fn with_index(raw: &RawPolicy, at: &str) -> String {
    let parts = at.split_once('[').and_then(|(list, rest)| Some((list, rest.split_once(']')?)));
    let Some((list, (name, rest))) = parts else { return at.into() };
    let index = match list {
        "rules" => raw.rules.iter().position(|rule| rule.name == name),
        "processes" => raw.processes.iter().position(|process| process.name == name),
        "destinations" => raw.destinations.iter().position(|destination| destination.name == name),
        "trust.keys" => raw.trust.keys.iter().position(|key| key.jwk.kid == name),
        _ => None,
    };
    index.map_or_else(|| at.into(), |index| format!("{list}[{index}]{rest}"))
}
