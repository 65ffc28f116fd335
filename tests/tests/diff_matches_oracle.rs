//! What `diff` says of two policies is what the oracle says of connections: each that fares otherwise
//! is covered by a change, and each change's example fares as the change says.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test may"
)]

use procgate_policy::diff::{ChangeKind, Connection, Outcome, diff};
use procgate_policy::{Destination, Policy, RawPolicy, Reason};
use procgate_tests::generated::{
    Dice, IDENTITIES, connection, crowd, destination, identities, key, policy, process, rule, trust,
};
use procgate_tests::oracle::{self, Speaker};
use std::collections::{BTreeMap, BTreeSet};

const POLICIES: u64 = 600;
const CONNECTIONS: usize = 300;

/// What somebody does to a policy: one to four changes of a thing, or another policy altogether.
fn edited(dice: &mut Dice, before: &RawPolicy) -> RawPolicy {
    if dice.chance(20) {
        return policy(dice, &trust());
    }
    let mut after = before.clone();
    for edit in 0..=dice.below(4) {
        let names = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>();
        let processes = names(after.processes.iter().map(|process| &process.name).collect());
        let destinations = names(after.destinations.iter().map(|destination| &destination.name).collect());
        let place = |dice: &mut Dice, count: usize| dice.below(count.max(1) as u64) as usize;
        match dice.below(8) {
            0 => after.rules.insert(
                place(dice, after.rules.len() + 1),
                rule(dice, format!("new{edit}"), &processes, &destinations),
            ),
            1 if !after.rules.is_empty() => drop(after.rules.remove(place(dice, after.rules.len()))),
            2 | 3 if !after.rules.is_empty() => {
                let at = place(dice, after.rules.len());
                let name = after.rules[at].name.clone();
                after.rules[at] = rule(dice, name, &processes, &destinations);
            }
            4 if after.rules.len() > 1 => {
                let at = place(dice, after.rules.len() - 1);
                after.rules.swap(at, at + 1);
            }
            5 | 6 => {
                let at = place(dice, after.processes.len());
                let name = after.processes[at].name.clone();
                after.processes[at] = process(dice, name);
            }
            _ => {
                let at = place(dice, after.destinations.len());
                let name = after.destinations[at].name.clone();
                after.destinations[at] = destination(dice, name);
            }
        }
    }
    after
}

/// A reason's code and a rule.
type Told = (String, Option<String>);

fn told(outcome: &Outcome<'_>) -> Told {
    (outcome.reason.code().into(), outcome.rule.map(String::from))
}

fn oracle(policy: &RawPolicy, speaker: Speaker<'_>, destination: &Destination<'_>) -> Told {
    let expected = oracle::judge(policy, speaker, destination);
    (expected.reason.into(), expected.rule)
}

fn of_example(policy: &RawPolicy, example: &Connection) -> Told {
    let speaker = example.claims.as_deref().map_or(Speaker::Nobody, Speaker::Known);
    oracle(policy, speaker, &example.destination())
}

#[test]
fn every_difference_is_covered_and_every_change_is_one() {
    let identities = identities(&mut Dice(0), &key());
    let mut kinds: BTreeMap<ChangeKind, u64> = BTreeMap::new();
    let mut reasons: BTreeSet<String> = BTreeSet::new();
    let (mut differing, mut seen) = (0_u64, 0_u64);
    for case in 1..=POLICIES {
        let dice = &mut Dice(case);
        let before = if case % 3 == 0 { crowd(dice, &trust()) } else { policy(dice, &trust()) };
        let after = edited(dice, &before);
        let policies = [&before, &after].map(|raw| Policy::new(raw).unwrap_or_else(|what| panic!("{what}")));
        let difference = diff(&policies[0], &policies[1]).unwrap();
        assert_eq!(difference.undecided, [], "case {case}");
        let text = |raw: &RawPolicy| serde_json::to_string(raw).unwrap();
        let context = || format!("case {case}\n{}\n{}", text(&before), text(&after));
        let mut changes: BTreeSet<(Told, Told)> = BTreeSet::new();
        for change in &difference.changes {
            let of = |raw| of_example(raw, &change.example);
            assert_eq!(of(&before), told(&change.before), "{change:#?}\n{}", context());
            assert_eq!(of(&after), told(&change.after), "{change:#?}\n{}", context());
            assert!(
                changes.insert((told(&change.before), told(&change.after))),
                "{change:#?}\n{}",
                context()
            );
            *kinds.entry(change.kind()).or_default() += 1;
            reasons.extend([change.before.reason.code().into(), change.after.reason.code().into()]);
        }
        let mut met: BTreeSet<(Told, Told)> = BTreeSet::new();
        for _ in 0..CONNECTIONS {
            let identity = &identities[dice.below(IDENTITIES as u64) as usize];
            let speaker = if dice.chance(15) { Speaker::Nobody } else { Speaker::Known(identity.claims()) };
            let destination = connection(dice);
            let of = |raw| oracle(raw, speaker, &destination);
            let pair = (of(&before), of(&after));
            if pair.0 != pair.1 {
                differing += 1;
                assert!(changes.contains(&pair), "{pair:?}\n{speaker:?}\n{destination:?}\n{}", context());
                met.insert(pair);
            }
        }
        seen += met.len() as u64;
    }
    println!("{kinds:?}, {differing} connections differed in {seen} ways");
    assert_eq!(kinds.len(), 3);
    assert!(kinds.values().all(|count| *count > 300), "{kinds:?}");
    assert!(differing > 5_000 && seen > 1_000, "{differing} {seen}");
    for reason in [
        Reason::Allowed,
        Reason::UnknownProcess,
        Reason::WrongContainer,
        Reason::CodeChanged,
        Reason::DeniedByRule,
        Reason::NoMatchingRule,
    ] {
        assert!(reasons.contains(reason.code()), "{reason} never occurred");
    }
}
