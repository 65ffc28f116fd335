//! YAML is read as the same policy as JSON, and its own ways to deceive are refused.
#![cfg(feature = "yaml")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, reason = "a test may")]

mod support;

use procgate_policy::{Policy, RawPolicy};
use std::fmt::Write as _;
use support::{TRUST, digest};

fn mistakes(yaml: &str) -> String {
    let mistakes = Policy::from_yaml(yaml.as_bytes()).unwrap_err();
    assert_eq!(mistakes.as_slice().len(), mistakes.to_string().lines().count(), "{mistakes}");
    mistakes.to_string()
}

/// A policy as people write it.
fn by_hand() -> String {
    let digest = digest("checkout");
    format!(
        r#"
version: 1
mode: enforce                     # or audit; no default
trust:
  domain: shop.example
  keys:
    - jwk: {{kty: OKP, crv: Ed25519, kid: 2026-11, x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}
      scope: spiffe://shop.example/ns/
processes:
  - name: checkout
    container: checkout
    exe: &exe [{digest}]
  - name: again
    exe: *exe
destinations:
  - name: payments
    hosts: [payments.shop.svc.cluster.local, "*.pay.example"]
    cidrs: [10.4.0.0/16]
    labels: {{segment: pci, "on": "yes"}}
rules:
  - name: checkout-pays
    allow: {{from: {{process: checkout}}, to: {{destination: payments, ports: [8080, 15000-15020], methods: [POST], paths: [/charge/**]}}}}
  - name: no-admin
    deny: {{to: {{ports: ["15000-15020"]}}}}
"#
    )
}

#[test]
fn what_is_written_by_hand_is_the_same_policy_as_its_json() {
    let raw = RawPolicy::from_yaml(by_hand().as_bytes()).unwrap();
    let json = serde_json::to_vec(&raw).unwrap();
    assert_eq!(RawPolicy::from_json(&json).unwrap(), raw);
    assert_eq!(RawPolicy::from_yaml(&json).unwrap(), raw, "JSON is YAML");
    Policy::from_yaml(by_hand().as_bytes()).unwrap();
    let json = format!(r#"{{"version":1,"mode":"audit","trust":{TRUST}}}"#);
    assert_eq!(RawPolicy::from_yaml(json.as_bytes()), RawPolicy::from_json(json.as_bytes()));
}

#[test]
fn a_slip_of_yaml_is_told_with_its_remedy() {
    for (from, to, told) in [
        (
            "kid: 2026-11",
            "kid: 2026",
            "trust.keys[0].jwk.kid: a number where text belongs: put it into double quotes",
        ),
        ("segment: pci", "segment: 1", "destinations[0].labels.segment: a number where text belongs: put it"),
        (
            "segment: pci",
            "segment: true",
            "destinations[0].labels.segment: true or false where text belongs: put it",
        ),
        ("segment: pci", "segment:", "destinations[0].labels.segment: nothing where text belongs"),
        ("[8080, 15000-15020]", "[\"8080\"]", "rules[0].allow.to.ports[0]: a port in quotes"),
        ("\"*.pay.example\"", "*.pay.example", "not YAML that can be a policy"),
        ("mode: enforce", "mode: enforce\nmode: audit", "mode: written twice"),
        ("mode: enforce", "<<: {mode: enforce}", "not YAML that can be a policy"),
        ("mode: enforce", "mode: !secret enforce", ""),
        ("version: 1", "version: 1\n---\nversion: 1", "not YAML that can be a policy"),
        ("container: checkout", "\tcontainer: checkout", "not YAML that can be a policy"),
    ] {
        let text = by_hand();
        assert!(text.contains(from), "{from}");
        let edited = text.replacen(from, to, 1);
        if told.is_empty() {
            let _ = Policy::from_yaml(edited.as_bytes());
        } else {
            let mistakes = mistakes(&edited);
            assert!(
                mistakes.starts_with(told) || mistakes.contains(&format!("policy: {told}")),
                "{to}: {mistakes}"
            );
        }
    }
}

#[test]
fn what_grows_without_bound_is_refused_with_one_line() {
    let mut laughs = String::from("a0: &a0 [x]\n");
    for level in 1..30 {
        let _ = writeln!(laughs, "a{level}: &a{level} [*a{0}, *a{0}, *a{0}, *a{0}]", level - 1);
    }
    let deep = "- ".repeat(10_000);
    let flow = "[".repeat(100_000);
    let keys = "? ".repeat(10_000);
    let many: String = (0..2_000).map(|index| format!("a{index}: &a{index} x\n")).collect();
    for document in
        [laughs, deep, flow, keys, many, "- &a [*a]".into(), "%".repeat(1_000_000), "\u{0}".into()]
    {
        let line = mistakes(&document);
        assert!(line.starts_with("policy: ") && line.len() < 500, "{line}");
    }
}
