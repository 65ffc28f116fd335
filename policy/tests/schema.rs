//! The published schema and the reader accept the same documents, and what only the meaning refuses
//! is refused there, by name.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may"
)]

mod support;

use procgate_policy::{Mistake, Policy, RawPolicy, SCHEMA};
use serde_json::{Value, json};
use support::{TRUST, digest};

/// A policy in which everything occurs.
fn whole() -> Value {
    let exe = digest("exe").to_string();
    json!({
        "version": 1,
        "mode": "enforce",
        "trust": serde_json::from_str::<Value>(TRUST).unwrap(),
        "processes": [
            {"name": "checkout", "container": "checkout", "namespace": "shop", "serviceAccount": "checkout",
             "exe": [exe], "code": [exe], "script": [exe], "path": "/usr/bin/checkout"},
            {"name": "report", "exe": [exe]},
            {"name": "spare", "exe": [exe]}],
        "destinations": [
            {"name": "payments", "hosts": ["payments.shop", "*.pay.example", "*"], "cidrs": ["10.4.0.0/16", "fd00::/8"],
             "labels": {"segment": "pci"}}],
        "rules": [
            {"name": "full", "description": "why", "allow": {
                "from": {"process": ["checkout", "report"], "labels": {"tier": "web"}, "same": "segment"},
                "to": {"destination": "payments", "labels": {"segment": "pci"}, "same": "segment",
                       "ports": [8080, "1-65535"], "methods": ["GET"], "paths": ["/a/*/b/**"]}}},
            {"name": "bare", "deny": {}},
            {"name": "open", "allow": {"from": {"unidentified": true}, "to": {"destination": ["payments"]}}}],
        "lint": {"suppress": [
            {"finding": "unidentified", "at": "rules[open]", "reason": "until the shim is rolled out"},
            {"finding": "overlap"}]}
    })
}

/// The whole policy with `value` at the place of this JSON pointer; `None` takes it out.
fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut policy = whole();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = policy.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    match (parent, value) {
        (Value::Object(object), Some(value)) => drop(object.insert(name.into(), value)),
        (Value::Object(object), None) => drop(object.remove(name)),
        (Value::Array(items), Some(value)) => items[name.parse::<usize>().unwrap()] = value,
        (place, value) => panic!("{pointer} {place} {value:?}"),
    }
    policy
}

/// Values put in every place: most are wrong in most places, and both must say so.
fn probes() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(2),
        json!(-1),
        json!(1.0),
        json!(1.5),
        json!(65_535),
        json!(65_536),
        json!(1e300),
        json!(""),
        json!("x"),
        json!("audit"),
        json!("*"),
        json!("/"),
        json!("/x"),
        json!("1-2"),
        json!("1-"),
        json!("111111-2"),
        json!("é"),
        json!("a b"),
        json!("-a"),
        json!("a".repeat(32)),
        json!("a".repeat(33)),
        json!("a".repeat(64)),
        json!("é".repeat(64)),
        json!("a".repeat(65)),
        json!("a".repeat(128)),
        json!("a".repeat(129)),
        json!("é".repeat(256)),
        json!("a".repeat(257)),
        json!("😀".repeat(1_024)),
        json!("a".repeat(1_025)),
        json!(digest("x").to_string()),
        json!(digest("x").to_string().to_uppercase()),
        json!([]),
        json!(["x"]),
        json!([null]),
        json!([1, "x"]),
        json!({}),
        json!({"x": "y"}),
        json!({"x": 1}),
        json!({"unidentified": true}),
        json!({"unidentified": false}),
        json!({"unidentified": true, "process": "x"}),
        json!({"process": "x"}),
    ]
}

/// Every place of a value, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(name, value)| {
            found.push(format!("{at}/{name}"));
            places(value, &format!("{at}/{name}"), found);
        }),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, value)| {
            found.push(format!("{at}/{index}"));
            places(value, &format!("{at}/{index}"), found);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A key on P-256 (RFC 7515 appendix A.3.1), with these members instead of its own or beside them.
fn p256(members: Value) -> Value {
    let mut jwk = json!({
        "kty": "EC",
        "crv": "P-256",
        "kid": "p256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    for (name, value) in members.as_object().unwrap() {
        jwk[name] = value.clone();
    }
    jwk
}

/// Bad and good shapes beyond what the probes make.
fn table() -> Vec<(Value, bool)> {
    let many = |count: usize, item: Value| Value::Array(vec![item; count]);
    let labels = |count: usize| (0..count).map(|index| (index.to_string(), json!("v"))).collect::<Value>();
    let jwk = "/trust/keys/0/jwk";
    vec![
        (whole(), true),
        (json!({"version": 1, "mode": "audit", "trust": whole()["trust"]}), true),
        (with("/processes", Some(json!([]))), true),
        (with("/forward", Some(json!(true))), true),
        (with("/forward", Some(json!(false))), true),
        (with("/forward", Some(json!("yes"))), false),
        (with("/lint", Some(json!({}))), true),
        (with("/lint/suppress", Some(json!([]))), true),
        (with("/lint/suppress/1/finding", None), false),
        (with("/lint/suppress/1/until", Some(json!("2027"))), false),
        (with("/lint/suppress", Some(many(1_024, json!({"finding": "overlap"})))), true),
        (with("/lint/suppress", Some(many(1_025, json!({"finding": "overlap"})))), false),
        (with("/x-note", Some(json!("y"))), false),
        (with("/defs", Some(json!({}))), false),
        (with(&format!("{jwk}/d"), Some(json!("x"))), false),
        (with(&format!("{jwk}/alg"), Some(json!("EdDSA"))), true),
        (with(&format!("{jwk}/alg"), Some(json!("ES256"))), false),
        (with(jwk, Some(p256(json!({})))), true),
        (with(jwk, Some(p256(json!({"alg": "ES256", "use": "sig"})))), true),
        (with(jwk, Some(p256(json!({"alg": "EdDSA"})))), false),
        (with(jwk, Some(p256(json!({"crv": "P-384"})))), false),
        (with(jwk, Some(p256(json!({"y": 1})))), false),
        (with(jwk, Some(p256(json!({"kty": "OKP"})))), false),
        (with(jwk, Some(p256(json!({"kty": "OKP", "crv": "Ed25519"})))), false),
        (with(&format!("{jwk}/y"), Some(json!("x"))), false),
        (with(&format!("{jwk}/kty"), Some(json!("EC"))), false),
        (with(&format!("{jwk}/use"), Some(json!("sig"))), true),
        (with(&format!("{jwk}/use"), Some(json!("enc"))), false),
        (with(&format!("{jwk}/x5c"), Some(json!([]))), false),
        (with("/rules/0/deny", Some(json!({}))), false),
        (with("/rules/1/deny", None), false),
        (with("/destinations/0/hosts", None), true),
        (with("/destinations/0/hosts", Some(many(4_096, json!("x")))), true),
        (with("/destinations/0/hosts", Some(many(4_097, json!("x")))), false),
        (with("/destinations/0/cidrs", Some(many(16_385, json!("x")))), false),
        (with("/processes/0/exe", Some(many(257, json!(digest("x").to_string())))), false),
        (with("/rules/0/allow/from/process", Some(many(1_024, json!("x")))), true),
        (with("/rules/0/allow/from/process", Some(many(1_025, json!("x")))), false),
        (with("/rules/0/allow/to/ports", Some(many(257, json!(1)))), false),
        (with("/rules/0/allow/to/methods", Some(many(65, json!("GET")))), false),
        (with("/rules/0/allow/to/paths", Some(many(1_025, json!("/")))), false),
        (with("/rules/0/allow/from/labels", Some(labels(16))), true),
        (with("/rules/0/allow/from/labels", Some(labels(17))), false),
        (with("/rules/0/allow/from/labels", Some(json!({"": "v"}))), false),
        (with("/rules/0/allow/from/labels", Some(json!({"a".repeat(65): "v"}))), false),
        (with("/rules/0/allow/from/unidentified", Some(json!(true))), false),
        (with("/rules/0/allow/from", Some(json!({"unidentified": true}))), true),
        (with("/trust/keys", Some(many(8_193, whole()["trust"]["keys"][0].clone()))), false),
    ]
}

#[test]
fn the_schema_and_the_reader_accept_the_same_documents() {
    let schema = jsonschema::draft202012::new(&serde_json::from_str(SCHEMA).unwrap()).unwrap();
    let check = |document: &Value, expected: Option<bool>| {
        let reader = RawPolicy::from_json(document.to_string().as_bytes());
        assert_eq!(schema.is_valid(document), reader.is_ok(), "{document}\n{reader:?}");
        if let Some(expected) = expected {
            assert_eq!(reader.is_ok(), expected, "{document}\n{reader:?}");
        }
        usize::from(reader.is_ok())
    };
    for (document, expected) in table() {
        check(&document, Some(expected));
    }
    let mut all = Vec::new();
    places(&whole(), "", &mut all);
    let (mut accepted, mut seen) = (0, 0);
    for place in &all {
        accepted += check(&with_nothing(place), None);
        for probe in probes() {
            accepted += check(&with(place, Some(probe)), None);
            seen += 1;
        }
    }
    assert!(seen > 2_000 && accepted > 100 && accepted < seen / 2, "{accepted} of {seen}");
}

/// The whole policy without this field or, of a list, with nothing in its place.
fn with_nothing(place: &str) -> Value {
    let item = place.rsplit('/').next().is_some_and(|name| name.parse::<usize>().is_ok());
    with(place, item.then_some(Value::Null))
}

#[test]
fn what_the_meaning_refuses_is_named_with_its_place_and_a_remedy() {
    let schema = jsonschema::draft202012::new(&serde_json::from_str(SCHEMA).unwrap()).unwrap();
    let key = whole()["trust"]["keys"][0].clone();
    for (pointer, value, path, remedy) in [
        ("/trust/domain", json!("Shop.example"), "trust.domain", "lower-case"),
        (
            "/trust/keys/0/scope",
            json!("spiffe://other.example/ns/"),
            "trust.keys[0].scope",
            "begin it with spiffe://shop.example/",
        ),
        ("/trust/keys/0/scope", json!("shop"), "trust.keys[0].scope", "write spiffe://"),
        ("/trust/keys/0/jwk/x", json!("short"), "trust.keys[0].jwk.x", "43 characters"),
        ("/trust/keys/0/jwk/x", json!("A".repeat(43)), "trust.keys[0].jwk.x", "procgate keygen"),
        ("/trust/keys/0/jwk", p256(json!({"y": "short"})), "trust.keys[0].jwk.x", "43 characters"),
        ("/trust/keys/0/jwk", p256(json!({"y": "A".repeat(43)})), "trust.keys[0].jwk.x", "procgate keygen"),
        ("/trust/keys/0/jwk/kid", json!("a b"), "trust.keys[0].jwk.kid", "printable"),
        ("/trust/keys", json!([key, key]), "trust.keys[1].jwk.kid", "own kid"),
        ("/processes/2/name", json!("checkout"), "processes[2].name", "own name"),
        ("/processes/0/container", json!("check*"), "processes[0].container", "no patterns"),
        ("/processes/0/namespace", json!(".."), "processes[0].namespace", "letters"),
        ("/destinations/0/hosts/0", json!("a.*.b"), "destinations[0].hosts[0]", "*.pay.example"),
        ("/destinations/0/hosts/0", json!("b\u{fc}cher.example"), "destinations[0].hosts[0]", "xn--"),
        ("/destinations/0/hosts/0", json!("a:80"), "destinations[0].hosts[0]", "write a here"),
        ("/destinations/0/cidrs/0", json!("10.4.1.0/16"), "destinations[0].cidrs[0]", "10.4.0.0/16"),
        ("/destinations/0/labels", json!({"é".repeat(40): "v"}), "destinations[0].labels", "shorten"),
        ("/rules/1/name", json!("full"), "rules[1].name", "own name"),
        (
            "/rules/0/allow/from/process",
            json!("nobody"),
            "rules[0].allow.from.process",
            "add it to processes",
        ),
        (
            "/rules/0/allow/from/process/1",
            json!("nobody"),
            "rules[0].allow.from.process[1]",
            "add it to processes",
        ),
        (
            "/rules/0/allow/to/destination",
            json!("nowhere"),
            "rules[0].allow.to.destination",
            "add it to destinations",
        ),
        ("/rules/0/allow/to/same", json!("tier"), "rules[0].allow.to.same", "both sides"),
        ("/rules/0/allow/from", json!({"process": "report"}), "rules[0].allow.from.same", "both sides"),
        ("/rules/0/allow/to", json!({"ports": [1]}), "rules[0].allow.to.same", "both sides"),
        ("/rules/0/allow/to/ports/1", json!("90-80"), "rules[0].allow.to.ports[1]", "80-90"),
        ("/rules/0/allow/to/ports/1", json!("0-80"), "rules[0].allow.to.ports[1]", "1 to 65535"),
        ("/rules/0/allow/to/ports/1", json!("1-65536"), "rules[0].allow.to.ports[1]", "1 to 65535"),
        ("/rules/0/allow/to/paths/0", json!("/a/../b"), "rules[0].allow.to.paths[0]", "dot segments"),
        ("/rules/0/allow/to/paths/0", json!("/a*"), "rules[0].allow.to.paths[0]", "one whole segment"),
        ("/rules/0/allow/to/paths/0", json!("/a?b"), "rules[0].allow.to.paths[0]", "up to ?"),
    ] {
        let document = with(pointer, Some(value));
        assert!(schema.is_valid(&document), "{document}");
        let mistakes = Policy::from_json(document.to_string().as_bytes()).unwrap_err();
        let [Mistake { path: at, remedy: told, .. }] = mistakes.as_slice() else { panic!("{mistakes}") };
        assert_eq!(at, path, "{mistakes}");
        assert!(told.contains(remedy), "{mistakes}");
    }
}

#[test]
fn the_whole_policy_is_accepted_and_written_back_as_it_was() {
    let document = whole();
    let raw = RawPolicy::from_json(document.to_string().as_bytes()).unwrap();
    Policy::new(&raw).unwrap();
    let written = serde_json::to_value(&raw).unwrap();
    let mut expected = document;
    // A list of one name is written as the name.
    *expected.pointer_mut("/rules/2/allow/to/destination").unwrap() = json!("payments");
    assert_eq!(written, expected);
}
