//! What to add so that a denied connection is allowed: with it, the oracle allows that connection, and
//! `diff` finds nothing newly allowed but by what was added; and nothing but connections of this kind where
//! the edit is not called broad.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test may"
)]

use procgate_identity::Digest;
use procgate_policy::diff::{ChangeKind, diff};
use procgate_policy::edit::{Edit, NoEdit, allow};
use procgate_policy::{
    CheckedPolicy, Destination, Effect, Policy, RawDestination, RawFrom, RawPolicy, RawPort, RawProcess,
    RawRule, RawSelector, RawTo, clear_path, host_name,
};
use procgate_tests::generated::{Dice, IDENTITIES, connection, identities, key, policy, trust};
use procgate_tests::oracle::{self, Speaker};
use std::collections::BTreeMap;

const POLICIES: u64 = 250;
const CONNECTIONS: usize = 12;

fn check(before: &RawPolicy, edit: &Edit, speaker: Speaker<'_>, destination: &Destination<'_>) {
    let edited = edit.applied_to(before);
    assert_eq!(oracle::judge(&edited, speaker, destination).reason, "allowed");
    let written = serde_json::to_vec(&edited).unwrap();
    assert_eq!(RawPolicy::from_json(&written).unwrap(), edited, "what is added can be written");
    assert!(!edit.steps.is_empty());
    if edit.steps.iter().any(|step| step.at.starts_with("processes")) {
        // Of another process, all that rules allow it is new; the edit says so.
        assert!(!edit.broad.is_empty());
        return;
    }
    let policies = [before, &edited].map(|raw| Policy::new(raw).unwrap());
    let difference = diff(&policies[0], &policies[1]).unwrap();
    assert_eq!(difference.undecided, []);
    let last = edit.steps.last().unwrap();
    let rule = last.of().unwrap_or_else(|| &edited.rules.last().unwrap().name);
    assert!(difference.changes.iter().any(|change| change.kind() == ChangeKind::NewlyAllowed));
    for change in &difference.changes {
        assert_ne!(change.kind(), ChangeKind::NewlyDenied, "{change:?}");
        let allowed_by = (change.kind() == ChangeKind::NewlyAllowed).then_some(change.after.rule).flatten();
        assert!(allowed_by.is_none_or(|name| name == rule), "{change:?}");
    }
    if edit.broad.is_empty() {
        let rule = edited.rules.iter().find(|other| other.name == *rule).unwrap();
        let others = denying_its_kind(&edited, rule, destination);
        assert_eq!(oracle::judge(&others, speaker, destination).reason, "denied-by-rule");
        let others = Policy::new(&others).unwrap();
        for change in diff(&policies[0], &others).unwrap().changes {
            assert_ne!(change.kind(), ChangeKind::NewlyAllowed, "not called broad: {change:?}");
        }
    }
}

/// The policy with a rule that denies the process of this rule whatever is of the connection's kind: to its host or
/// its address, with its port, method and path. What is newly allowed and not broad is all among that.
fn denying_its_kind(edited: &RawPolicy, rule: &RawRule, destination: &Destination<'_>) -> RawPolicy {
    let (Some(RawFrom::Selected(from)), Some(http)) = (&rule.from, destination.http) else {
        panic!("{rule:?} is broad");
    };
    assert_eq!(from.names.len(), 1);
    let host = destination.host.and_then(host_name);
    let address = destination.address.unwrap();
    let entry = RawDestination {
        name: "its-destination".into(),
        hosts: host.into_iter().map(Into::into).collect(),
        cidrs: vec![address.ip().to_canonical().to_string()],
        labels: Vec::new(),
    };
    let selector = |name: &str| RawSelector { names: vec![name.into()], ..RawSelector::default() };
    let deny = RawRule {
        name: "its-kind".into(),
        effect: Effect::Deny,
        from: Some(RawFrom::Selected(selector(&from.names[0]))),
        to: Some(RawTo {
            selector: selector(&entry.name),
            ports: vec![RawPort::One(address.port())],
            methods: vec![http.method.into()],
            paths: vec![http.path.split(['?', '#']).next().unwrap().into()],
        }),
        description: None,
    };
    let mut others = edited.clone();
    others.destinations.push(entry);
    others.rules.push(deny);
    others
}

#[test]
fn what_is_proposed_allows_the_connection_and_is_all_that_allows_anything_new() {
    let identities = identities(&mut Dice(0), &key());
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    for case in 1..=POLICIES {
        let dice = &mut Dice(case);
        let raw = policy(dice, &trust());
        let checked = CheckedPolicy::new(raw.clone()).unwrap();
        for _ in 0..CONNECTIONS {
            let identity = &identities[dice.below(IDENTITIES as u64) as usize];
            let claims = (!dice.chance(15)).then(|| identity.claims());
            let speaker = claims.map_or(Speaker::Nobody, Speaker::Known);
            let destination = connection(dice);
            let expected = oracle::judge(&raw, speaker, &destination);
            let proposed = allow(&checked, claims, &destination);
            let outcome = match &proposed {
                Ok(edit) => {
                    check(&raw, edit, speaker, &destination);
                    let narrow = if edit.broad.is_empty() { "narrow" } else { "broad" };
                    format!("{} {narrow}, {} steps", expected.reason, edit.steps.len())
                }
                Err(NoEdit::Allowed) => {
                    assert_eq!(expected.reason, "allowed");
                    "allowed".into()
                }
                Err(none) => {
                    assert_ne!(expected.reason, "allowed", "{none}");
                    assert_ne!(
                        *none,
                        NoEdit::NotPossible,
                        "these policies have room, and all names are possible"
                    );
                    format!("{} none: {none:?}", expected.reason)
                        .chars()
                        .take_while(|letter| *letter != '(')
                        .collect()
                }
            };
            assert_eq!(proposed.is_err_and(|none| none == NoEdit::Allowed), expected.reason == "allowed");
            *outcomes.entry(outcome).or_default() += 1;
        }
    }
    println!("{outcomes:#?}");
    for outcome in [
        "allowed",
        "no-matching-rule narrow, 1 steps",
        "no-matching-rule broad, 1 steps",
        "no-matching-rule broad, 2 steps",
        "no-identity broad, 1 steps",
        "code-changed broad, 1 steps",
        "unknown-process broad, 2 steps",
        "wrong-container broad, 2 steps",
        "denied-by-rule none: DeniedByRule",
        "no-matching-rule none: UnclearPath",
    ] {
        assert!(outcomes.get(outcome).is_some_and(|count| *count >= 5), "{outcome}: {outcomes:#?}");
    }
}

/// A list of a rule that has this, has more, has something else, or says nothing.
fn list<T: Clone>(dice: &mut Dice, this: &T, others: &[T]) -> Vec<T> {
    let other = others[dice.below(others.len() as u64) as usize].clone();
    match dice.below(8) {
        0..4 => vec![this.clone()],
        4 => vec![this.clone(), other],
        5 | 6 => vec![other],
        _ => Vec::new(),
    }
}

/// A rule that lacks little of what a connection of this executable needs, about few or many, and all that it names.
fn near(dice: &mut Dice, raw: &mut RawPolicy, exe: Digest, destination: &Destination<'_>) {
    let (address, http) = (destination.address.unwrap(), destination.http.unwrap());
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let ip = address.ip().to_canonical().to_string();
    let (hosts, cidrs) = match dice.below(4) {
        0 => (owned(&["a.ex", "c.ex"]), vec![ip]),
        1 => (Vec::new(), owned(&["0.0.0.0/0", "::/0"])),
        _ => (Vec::new(), vec![ip]),
    };
    let path = http.path.split(['?', '#']).next().unwrap().to_owned();
    let process = |name: &str, exe| RawProcess { name: name.into(), exe: vec![exe], ..RawProcess::default() };
    let from = owned(if dice.chance(80) { &["p"] } else { &["p", "q"] });
    raw.processes = vec![process("p", exe), process("q", Digest::of(b"q"))];
    raw.destinations = vec![RawDestination { name: "d".into(), hosts, cidrs, labels: Vec::new() }];
    raw.rules = vec![RawRule {
        name: "near".into(),
        effect: Effect::Allow,
        from: Some(RawFrom::Selected(RawSelector { names: from, ..RawSelector::default() })),
        to: Some(RawTo {
            selector: RawSelector { names: owned(&["d"]), ..RawSelector::default() },
            ports: list(
                dice,
                &RawPort::One(address.port()),
                &[RawPort::One(7), RawPort::Range("1-6".into())],
            ),
            methods: list(dice, &http.method.to_owned(), &owned(&["HEAD"])),
            paths: list(dice, &path, &owned(&["/x", "/**", "/*", "/a/**"])),
        }),
        description: None,
    }];
}

#[test]
fn an_entry_that_a_rule_gains_allows_nothing_but_this_kind_or_is_called_broad() {
    let identities = identities(&mut Dice(0), &key());
    let [mut narrow, mut broad] = [0, 0];
    for case in 1..=POLICIES * 10 {
        let dice = &mut Dice(case);
        let (mut raw, destination) = (policy(dice, &trust()), connection(dice));
        let clear = destination.http.and_then(|http| clear_path(http.path));
        if destination.address.is_none() || clear.is_none() {
            continue;
        }
        let claims = identities[dice.below(IDENTITIES as u64) as usize].claims();
        near(dice, &mut raw, claims.exe, &destination);
        // A path may be deeper than a pattern can be.
        let Ok(checked) = CheckedPolicy::new(raw.clone()) else { continue };
        let Ok(edit) = allow(&checked, Some(claims), &destination) else { continue };
        if edit.steps.iter().all(|step| step.at.starts_with("rules[0].allow.to.")) {
            check(&raw, &edit, Speaker::Known(claims), &destination);
            *(if edit.broad.is_empty() { &mut narrow } else { &mut broad }) += 1;
        }
    }
    println!("{narrow} narrow, {broad} broad");
    assert!(narrow >= 20 && broad >= 100, "{narrow} narrow, {broad} broad");
}
