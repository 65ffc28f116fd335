//! What to add so that a denied connection is allowed: with it, the oracle allows that connection, and
//! `diff` finds nothing newly allowed but by what was added.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test may"
)]

use procgate_policy::diff::{ChangeKind, diff};
use procgate_policy::edit::{Edit, NoEdit, allow};
use procgate_policy::{CheckedPolicy, Destination, Policy, RawPolicy};
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
