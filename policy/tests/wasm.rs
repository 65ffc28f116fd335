//! The judge inside wasm32, where the filter runs it; run in Node by `make test-wasm`.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may")]

mod support;

use procgate_identity::UnixNanos;
use procgate_policy::{
    Destination, Direction, Event, Http, Policy, Presented, Reason, Record, Verdict, judge,
};
use support::{TRUST, claims, digest, identity, policy};
use wasm_bindgen_test::wasm_bindgen_test;

fn shop() -> Policy {
    let checkout = digest("checkout");
    policy(
        "enforce",
        &format!(
            r#""processes":[{{"name":"checkout","container":"checkout","exe":["{checkout}"]}}],
            "destinations":[{{"name":"payments","hosts":["*.pay.example"],"cidrs":["fd00::/8","10.0.0.0/8"]}}],
            "rules":[{{"name":"pays","allow":{{"from":{{"process":"checkout"}},"to":{{"destination":"payments",
                "ports":["8000-65535"],"methods":["POST"],"paths":["/charge/**"]}}}}}}]"#
        ),
    )
}

fn charge(host: &'static str, path: &'static str) -> Destination<'static> {
    let http = Some(Http { method: "POST", path });
    Destination { host: Some(host), address: Some("[fd00::1]:8080".parse().unwrap()), http }
}

#[wasm_bindgen_test]
fn an_allowed_request_proceeds_and_others_do_not() {
    let (shop, destination) = (shop(), charge("a.pay.example", "/charge/1"));
    let known = identity(shop.trusted_keys(), &claims());
    let allowed = judge(&shop, Presented::Verified(&known), &destination);
    assert!(matches!(allowed.verdict, Verdict::Proceed(_)));
    assert_eq!(allowed.finding.rule, Some("pays"));

    let forbidden = judge(&shop, Presented::Verified(&known), &charge("a.pay.example", "/refund"));
    assert_eq!(forbidden.finding.reason, Reason::NoMatchingRule);
    let nobody = judge(&shop, Presented::Absent, &destination);
    assert_eq!(nobody.finding.reason.code(), "no-identity");
}

#[wasm_bindgen_test]
fn what_is_said_to_lint_is_accepted_and_not_read() {
    policy("enforce", r#""lint":{"suppress":"whatever it is"}"#);
}

#[wasm_bindgen_test]
fn a_record_keeps_64_bit_times_on_32_bits() {
    let (shop, destination) = (shop(), charge("a.pay.example", "/charge/1"));
    let judgement = judge(&shop, Presented::Absent, &destination);
    let time = UnixNanos(u64::MAX);
    let direction = Direction::Outbound;
    let event = Event { time, id: "1", direction, carrier: None, identity: None, destination, sni: None };
    let record = Record::of(&judgement.finding, &event);
    assert_eq!(Record::parse(&record.to_json()).unwrap(), record);
}

#[wasm_bindgen_test]
fn ten_thousand_rules_fit_into_32_bits_of_address() {
    let rules: Vec<_> = (0..10_000_u32)
        .map(|index| {
            let to = format!(r#"{{"ports":[{}],"paths":["/{index}/**"]}}"#, index % 60_000 + 1);
            format!(r#"{{"name":"r{index}","allow":{{"to":{to}}}}}"#)
        })
        .collect();
    let exe = digest("checkout");
    let processes = format!(r#"[{{"name":"checkout","exe":["{exe}"]}}]"#);
    let text = format!(
        r#"{{"version":1,"mode":"enforce","trust":{TRUST},"processes":{processes},"rules":[{}]}}"#,
        rules.join(",")
    );
    let policy = Policy::from_json(text.as_bytes()).unwrap();
    let known = identity(policy.trusted_keys(), &claims());
    let judgement = judge(&policy, Presented::Verified(&known), &charge("any", "/8079/x"));
    assert_eq!((judgement.finding.reason, judgement.finding.rule), (Reason::Allowed, Some("r8079")));
}
