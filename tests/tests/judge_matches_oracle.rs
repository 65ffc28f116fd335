//! The judge and the oracle agree on generated policies and connections: verdict, reason, the rule
//! that is named, the nearest rule, and the process.
//!
//! The run is the same every time; a failure prints the case's number, the policy and the connection.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test may"
)]

use procgate_identity::{Refusal, RefusalReason};
use procgate_policy::explain::explain;
use procgate_policy::lint::{Circumstances, LintFinding, LintId, lint};
use procgate_policy::{
    CheckedPolicy, Destination, Effect, Finding, Mode, Policy, Presented, RawPolicy, Reason, Verdict, judge,
};
use procgate_tests::generated::{Dice, IDENTITIES, connection, identities, key, policy, trust};
use procgate_tests::oracle::{self, Expected, Speaker};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const POLICIES: u64 = 6_000;
const CONNECTIONS: u64 = 20;

fn as_expected(finding: &Finding<'_>) -> Expected {
    let owned = |name: Option<&str>| name.map(String::from);
    Expected {
        reason: finding.reason.code(),
        rule: owned(finding.rule),
        nearest: owned(finding.nearest),
        process: owned(finding.process),
    }
}

/// What is left of the connection when everything that the policy does not need is left out.
fn needed<'a>(policy: &Policy, destination: &Destination<'a>) -> Destination<'a> {
    let needs = policy.needs();
    Destination {
        host: destination.host.filter(|_| needs.host),
        address: destination.address.filter(|_| needs.address),
        http: destination.http.filter(|_| needs.method || needs.path),
    }
}

/// An explanation must tell the same story: the deciding rule fails no condition, a denial for want
/// of a rule means that every allow fails one.
fn check_explanation(
    policy: &CheckedPolicy,
    presented: Presented<'_>,
    destination: &Destination<'_>,
    expected: &Expected,
) -> Result<(), String> {
    let explained = explain(policy, presented, destination).map_err(|mistakes| mistakes.to_string())?;
    // Its nearest rule is another than the judge's: the one that fails the fewest conditions.
    let same = explained.reason.code() == expected.reason
        && explained.rule == expected.rule.as_deref()
        && explained.process == expected.process.as_deref();
    if !same {
        return Err(format!("{explained:?}"));
    }
    let matching =
        |name: &str| explained.rules.iter().any(|rule| rule.name == name && rule.failed.is_empty());
    let consistent = match (&expected.rule, explained.nearest) {
        (Some(rule), None) => matching(rule),
        (None, Some(nearest)) => {
            !matching(nearest) && explained.rules.iter().all(|rule| !rule.failed.is_empty())
        }
        (None, None) => {
            explained.rules.iter().all(|rule| rule.effect == Effect::Deny && !rule.failed.is_empty())
        }
        (Some(_), Some(_)) => false,
    };
    if consistent { Ok(()) } else { Err(format!("{explained:#?}")) }
}

#[test]
fn the_judge_says_what_the_oracle_says() {
    let key = key();
    let trust = trust();
    let identities = identities(&mut Dice(0), &key);
    let refusals = RefusalReason::ALL.map(|reason| Refusal::new(reason, "seen"));
    let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut named: [u64; 2] = [0; 2];
    for case in 1..=POLICIES {
        let dice = &mut Dice(case);
        let raw = policy(dice, &trust);
        let policy = Policy::new(&raw).unwrap_or_else(|mistakes| panic!("case {case}: {mistakes}"));
        for _ in 0..CONNECTIONS {
            let identity = &identities[dice.below(IDENTITIES as u64) as usize];
            let refusal = &refusals[dice.below(refusals.len() as u64) as usize];
            let (presented, speaker) = match dice.below(100) {
                0..4 => (Presented::Refused(refusal), Speaker::Rejected(refusal.reason.code())),
                4 => (Presented::PeerMismatch("seen"), Speaker::Rejected("peer-mismatch")),
                5 => (Presented::Fault("seen"), Speaker::Rejected("internal")),
                6..20 => (Presented::Absent, Speaker::Nobody),
                _ => (Presented::Verified(identity), Speaker::Known(identity.claims())),
            };
            let destination = connection(dice);
            let judgement = judge(&policy, presented, &destination);
            let found = as_expected(&judgement.finding);
            let expected = oracle::judge(&raw, speaker, &destination);
            let policy_text = || serde_json::to_string_pretty(&raw).unwrap();
            assert_eq!(found, expected, "case {case}\n{}\n{speaker:?}\n{destination:?}", policy_text());
            let proceeds = matches!(judgement.verdict, Verdict::Proceed(_));
            assert_eq!(proceeds, expected.reason == "allowed" || raw.mode == Mode::Audit, "case {case}");
            let less = judge(&policy, presented, &needed(&policy, &destination));
            assert_eq!(
                as_expected(&less.finding),
                expected,
                "case {case}, with only what is needed\n{}",
                policy_text()
            );
            if case % 4 == 0 {
                let checked = CheckedPolicy::new(raw.clone()).unwrap();
                check_explanation(&checked, presented, &destination, &expected).unwrap_or_else(|what| {
                    panic!("case {case}: {what}\n{}\n{speaker:?}\n{destination:?}", policy_text())
                });
            }
            *outcomes.entry(expected.reason).or_default() += 1;
            named[0] += u64::from(expected.rule.is_some());
            named[1] += u64::from(expected.nearest.is_some());
        }
    }
    println!("{outcomes:#?}\nrule named {}, nearest named {}", named[0], named[1]);
    assert_eq!(outcomes.values().sum::<u64>(), POLICIES * CONNECTIONS);
    for reason in Reason::ALL {
        let least = if matches!(reason, Reason::Identity(reason) if reason != RefusalReason::NoIdentity) {
            100
        } else {
            1_000
        };
        let count = outcomes.get(reason.code()).copied().unwrap_or_default();
        assert!(count >= least, "{reason} occurred {count} times, at least {least} are wanted");
    }
    assert!(named.iter().all(|count| *count > 10_000), "{named:?}");
}

/// The places of the rules that lint calls needless, and of those of them that never decide.
fn idle(found: &[LintFinding]) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let place = |finding: &LintFinding| {
        let path = finding.path.strip_prefix("rules[").unwrap();
        path.split(']').next().unwrap().parse::<usize>().unwrap()
    };
    let needless = found.iter().filter(|found| matches!(found.id, LintId::Shadowed | LintId::Redundant));
    let silent = needless.clone().filter(|found| !found.problem.starts_with("changes no verdict"));
    (needless.map(place).collect(), silent.map(place).collect())
}

/// The policy without everything that lint says has no effect in a list.
fn without_contradictions(raw: &RawPolicy, found: &[LintFinding]) -> RawPolicy {
    let mut value = serde_json::to_value(raw).unwrap();
    let contradictory = found.iter().filter(|found| found.id == LintId::Contradictory);
    let mut pointers: Vec<(String, usize)> = contradictory
        .map(|found| {
            let pointer = format!("/{}", found.path.replace(['.', '['], "/").replace(']', ""));
            let (list, index) = pointer.rsplit_once('/').unwrap();
            (list.to_string(), index.parse().unwrap())
        })
        .collect();
    pointers.sort();
    for (list, index) in pointers.iter().rev() {
        let Some(Value::Array(items)) = value.pointer_mut(list) else { panic!("{list}") };
        items.remove(*index);
    }
    RawPolicy::from_json(value.to_string().as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

#[test]
fn what_lint_calls_needless_can_be_taken_out_without_changing_a_verdict() {
    let key = key();
    let trust = trust();
    let identities = identities(&mut Dice(0), &key);
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for case in 1..=POLICIES / 3 {
        let dice = &mut Dice(case);
        let raw = policy(dice, &trust);
        let model = Policy::new(&raw).unwrap();
        let found = lint(&raw, model.model(), Circumstances::default());
        let (needless, silent) = idle(&found);
        for finding in &found {
            *counted.entry(finding.id.code()).or_default() += 1;
        }
        let kept = raw.rules.iter().enumerate().filter(|(place, _)| !needless.contains(place));
        let less = RawPolicy { rules: kept.map(|(_, rule)| rule.clone()).collect(), ..raw.clone() };
        let plainer = without_contradictions(&raw, &found);
        for _ in 0..CONNECTIONS {
            let identity = &identities[dice.below(IDENTITIES as u64) as usize];
            let speaker = if dice.chance(15) { Speaker::Nobody } else { Speaker::Known(identity.claims()) };
            let destination = connection(dice);
            let expected = oracle::judge(&raw, speaker, &destination);
            let text = || {
                format!(
                    "case {case}: {speaker:?} {destination:?}\n{found:#?}\n{}",
                    serde_json::to_string_pretty(&raw).unwrap()
                )
            };
            for other in [&less, &plainer] {
                assert_eq!(oracle::judge(other, speaker, &destination).reason, expected.reason, "{}", text());
            }
            let decides = raw.rules.iter().position(|rule| Some(&rule.name) == expected.rule.as_ref());
            assert!(decides.is_none_or(|place| !silent.contains(&place)), "{}", text());
        }
    }
    println!("{counted:#?}");
    for id in [LintId::Shadowed, LintId::Redundant, LintId::Contradictory] {
        assert!(counted.get(id.code()).is_some_and(|count| *count > 100), "{counted:?}");
    }
}
