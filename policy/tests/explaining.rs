//! Explaining: each condition that does not hold is named, and only those.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may")]

mod support;

use procgate_identity::{Claims, Labels};
use procgate_policy::edit::{Step, allow};
use procgate_policy::explain::{Explanation, Failed, explain};
use procgate_policy::{CheckedPolicy, Destination, Http, Presented, RawPolicy, Reason};
use support::{claims, digest, identity, text};

fn shop(rules: &str) -> CheckedPolicy {
    let (checkout, other) = (digest("checkout"), digest("other"));
    let text = text(
        "enforce",
        &format!(
            r#""processes":[{{"name":"checkout","exe":["{checkout}"]}},{{"name":"other","exe":["{other}"]}}],
               "destinations":[{{"name":"payments","hosts":["pay.ex"],"labels":{{"seg":"pci"}}}},
                               {{"name":"web","hosts":["*.web.ex"],"labels":{{"seg":"web"}}}},
                               {{"name":"far","cidrs":["192.0.2.0/24"]}}],
               "rules":[{rules}]"#
        ),
    );
    CheckedPolicy::new(RawPolicy::from_json(text.as_bytes()).unwrap()).unwrap()
}

fn request() -> Destination<'static> {
    Destination {
        host: Some("pay.ex"),
        address: Some("10.0.0.1:80".parse().unwrap()),
        http: Some(Http { method: "GET", path: "/a/b" }),
    }
}

/// What a single allow rule fails, as people read it.
fn failed(rule: &str, destination: &Destination<'_>) -> Vec<String> {
    let policy = shop(&format!(r#"{{"name":"r","allow":{rule}}}"#));
    let labels = Labels::from_pairs([("seg", "pci")]).unwrap();
    let identity = identity(policy.model().trusted_keys(), &Claims { labels, ..claims() });
    let explained = explain(&policy, Presented::Verified(&identity), destination).unwrap();
    let failed = &explained.rules[0].failed;
    assert_eq!(explained.reason == Reason::Allowed, failed.is_empty(), "{explained:?}");
    failed.iter().map(ToString::to_string).collect()
}

#[test]
fn each_condition_that_does_not_hold_is_named_and_no_other() {
    for (rule, told) in [
        (
            r#"{"from":{"process":"checkout","labels":{"seg":"pci"},"same":"seg"},"to":{"destination":"payments","same":"seg","ports":[80],"methods":["GET"],"paths":["/a/*"]}}"#,
            &[][..],
        ),
        (r#"{"from":{"unidentified":true}}"#, &["it is about connections without identity"]),
        (r#"{"from":{"process":"other"}}"#, &["the process is not other"]),
        (r#"{"from":{"labels":{"tier":"web"}}}"#, &["the process lacks the label tier=web"]),
        (r#"{"to":{"destination":"far"}}"#, &["the destination is not far"]),
        (r#"{"to":{"labels":{"seg":"x"}}}"#, &["the destination lacks the label seg=x"]),
        (
            r#"{"from":{"same":"tier"},"to":{"same":"tier"}}"#,
            &["the process has no label tier", "process and destination differ in the label tier"],
        ),
        (r#"{"to":{"ports":[81,"90-99"]}}"#, &["the port is not in 81, 90-99"]),
        (r#"{"to":{"methods":["POST","PUT"]}}"#, &["the method is not POST or PUT"]),
        (r#"{"to":{"paths":["/b/**","/"]}}"#, &["the path is not /b/**, /"]),
        (
            r#"{"to":{"destination":["far","web"],"labels":{"seg":"web"},"ports":[1]}}"#,
            &[
                "the destination is not web or far",
                "the destination lacks the label seg=web",
                "the port is not in 1",
            ],
        ),
    ] {
        assert_eq!(failed(rule, &request()), told, "{rule}");
    }
    let unclear = Destination { http: Some(Http { method: "GET", path: "/a/../b" }), ..request() };
    assert!(failed(r#"{"to":{"paths":["/**"]}}"#, &unclear)[0].contains("dot segments"));
    let plain = Destination { http: None, ..request() };
    assert_eq!(
        failed(r#"{"to":{"paths":["/**"],"methods":["GET"]}}"#, &plain),
        ["it is about HTTP requests only"]
    );
    let nowhere = Destination { host: Some("x"), ..request() };
    assert_eq!(
        failed(r#"{"to":{"labels":{"seg":"pci"}}}"#, &nowhere),
        ["the destination is none of the policy's"]
    );
}

#[test]
fn the_nearest_rule_is_the_one_that_fails_fewest_conditions() {
    let policy = shop(
        r#"{"name":"two-off","allow":{"from":{"process":"checkout"},"to":{"destination":"far","ports":[1]}}},
           {"name":"one-off","allow":{"from":{"process":"other"}}},
           {"name":"deny-one-off","deny":{"to":{"ports":[1]}}}"#,
    );
    let identity = identity(policy.model().trusted_keys(), &claims());
    let Explanation { reason, destinations, rules, nearest, .. } =
        explain(&policy, Presented::Verified(&identity), &request()).unwrap();
    assert_eq!(reason, Reason::NoMatchingRule);
    assert_eq!((nearest, destinations), (Some("one-off"), vec!["payments"]));
    assert_eq!(rules.iter().map(|rule| rule.failed.len()).collect::<Vec<_>>(), [2, 1, 1]);
    assert!(
        explain(&policy, Presented::Absent, &request())
            .unwrap()
            .rules
            .iter()
            .any(|rule| rule.failed == [Failed::NoIdentity])
    );
    assert_eq!(explain(&policy, Presented::Fault("x"), &request()).unwrap().rules, []);
}

#[test]
fn an_edit_is_about_the_destination_that_the_policy_has_and_that_no_rule_of_the_speaker_reaches() {
    let policy =
        shop(r#"{"name":"other-goes-far","allow":{"from":{"process":"other"},"to":{"destination":"far"}}}"#);
    let far = Destination { host: None, address: Some("192.0.2.7:80".parse().unwrap()), http: None };
    let edit = allow(&policy, Some(&claims()), &far).unwrap();
    let [Step { at, add, .. }] = edit.steps.as_slice() else { panic!("{edit:?}") };
    assert_eq!(at, "rules");
    assert!(add.contains(r#""to":{"destination":"far","ports":[80]}"#), "{add}");
}

#[test]
fn an_edit_adds_to_no_other_rule_than_the_one_that_is_compared() {
    let policy = shop(
        r#"{"name":"other-pays","allow":{"from":{"process":"other"},
              "to":{"destination":"payments","ports":[80],"methods":["POST"],"paths":["/charge"]}}},
           {"name":"everybody-reads","allow":{"to":{"methods":["GET"]}}}"#,
    );
    let identity = identity(policy.model().trusted_keys(), &claims());
    let charge = Destination { http: Some(Http { method: "POST", path: "/charge" }), ..request() };
    let explained = explain(&policy, Presented::Verified(&identity), &charge).unwrap();
    assert_eq!(explained.nearest, Some("other-pays"));
    let edit = allow(&policy, Some(&claims()), &charge).unwrap();
    assert!(edit.broad.is_empty(), "{edit:?}");
    assert_eq!(edit.steps.iter().map(|step| step.at.as_str()).collect::<Vec<_>>(), ["rules"]);
}
