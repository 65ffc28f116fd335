//! The part of a policy that concerns a workload says of its connections what the whole says.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test may"
)]

use procgate_policy::RawPolicy;
use procgate_tests::generated::{Dice, IDENTITIES, connection, identities, key, policy, trust};
use procgate_tests::oracle::{self, Speaker};

const POLICIES: u64 = 1_000;
const CONNECTIONS: usize = 30;

fn size(policy: &RawPolicy) -> usize {
    policy.processes.len() + policy.destinations.len() + policy.rules.len()
}

#[test]
fn of_a_workload_s_connections_its_part_says_what_the_whole_says() {
    let identities = identities(&mut Dice(0), &key());
    let [mut allowed, mut denied, mut smaller] = [0; 3];
    for case in 1..=POLICIES {
        let dice = &mut Dice(case);
        let whole = policy(dice, &trust());
        for _ in 0..CONNECTIONS {
            let identity = &identities[dice.below(IDENTITIES as u64) as usize];
            let subject = &identity.claims().subject;
            let (Some(namespace), Some(account)) = (subject.namespace(), subject.service_account()) else {
                continue;
            };
            let part = whole.of_workload(namespace, account);
            smaller += usize::from(size(&part) < size(&whole));
            let speaker = if dice.chance(15) { Speaker::Nobody } else { Speaker::Known(identity.claims()) };
            let destination = connection(dice);
            let [expected, got] = [&whole, &part].map(|policy| oracle::judge(policy, speaker, &destination));
            let verdict = |outcome: &oracle::Expected| (outcome.reason == "allowed", outcome.rule.clone());
            assert_eq!(verdict(&got), verdict(&expected), "case {case}: {whole:#?}\n{part:#?}");
            if expected.reason == "allowed" { allowed += 1 } else { denied += 1 }
        }
    }
    assert!(allowed > 1_000 && denied > 1_000 && smaller > 1_000, "{allowed} {denied} {smaller}");
}
