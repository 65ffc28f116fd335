//! Many rules.

use procgate_identity::Digest;
use procgate_tests::proxy::Proxy;
use procgate_tests::until::until;
use procgate_tests::wire::HOST;
use serde_json::{Value, json};

const RULES: usize = 10_000;

#[test]
fn ten_thousand_rules_are_taken_and_judged_right() {
    let mut proxy = Proxy::start();
    let mut policy = proxy.policy();
    grow(&mut policy);
    proxy.envoy.write_policy(&policy);
    // Only the large policy allows it.
    until("the large policy", || (proxy.approved("/last/1").status == 200).then_some(()));
    assert_eq!(proxy.approved("/charge/1").status, 200);
    assert_eq!(proxy.approved("/first/1").reason().as_deref(), Some("no-matching-rule"));
    assert_eq!(proxy.unidentified("/last/1").reason().as_deref(), Some("no-identity"));
    assert_eq!(proxy.envoy.rejected_policies(), 0);
}

/// Adds rules for other processes, and at the end one for the approved process.
fn grow(policy: &mut Value) {
    let processes = policy["processes"].as_array_mut().unwrap();
    processes.extend((0..RULES / 10).map(
        |index| json!({"name": format!("p{index}"), "exe": [Digest::of(&index.to_le_bytes()).to_string()]}),
    ));
    let destinations = policy["destinations"].as_array_mut().unwrap();
    destinations.extend(
        (0..RULES / 10)
            .map(|index| json!({"name": format!("d{index}"), "hosts": [format!("d{index}.{HOST}")]})),
    );
    let rules = policy["rules"].as_array_mut().unwrap();
    rules.extend((1..RULES - 1).map(|index| {
        let (from, to) = (format!("p{}", index % (RULES / 10)), format!("d{}", index / 10));
        let to = json!({"destination": to, "ports": [1 + index % 65_535], "paths": ["/first/**"]});
        json!({"name": format!("r{index}"), "allow": {"from": {"process": from}, "to": to}})
    }));
    rules.push(json!({"name": "last", "allow": {
        "from": {"process": "checkout"}, "to": {"destination": "payments", "paths": ["/last/*"]},
    }}));
    assert_eq!(rules.len(), RULES);
}
