//! `procgate policy learn`: flows of which the policy decides about a part only.

use crate::learn::{bare, json_of, learn};
use crate::logs::{PAYMENTS, access_log, later, unmatched};
use crate::place::Place;
use procgate_identity::Digest;
use procgate_policy::Record;
use serde_json::Value;

const HOUR: u64 = 3_600;

/// A policy in which one rule is about what the approved process may do.
fn with(effect: &str, destination: &str, asked: &str) -> Place {
    let place = bare();
    let exe = Digest::of(b"checkout");
    let rules = format!(
        "processes:\n  - {{name: checkout, container: checkout, exe: [\"{exe}\"], path: /app/checkout}}\n\
         destinations:\n  - {{name: there, {destination}}}\n\
         rules:\n  - {{name: r, {effect}: {{from: {{process: checkout}}, to: {{destination: there{asked}}}}}}}\n"
    );
    place.write("policy.yaml", (place.read("policy.yaml") + &rules).as_bytes());
    place
}

fn with_paths(effect: &str, paths: &str) -> Place {
    with(effect, &format!("hosts: [{PAYMENTS}]"), &format!(", paths: [{paths}]"))
}

/// For each of these, one an hour.
fn hourly(of: impl IntoIterator<Item = Record<'static>>) -> Vec<Record<'static>> {
    of.into_iter().zip(0..).map(|(record, hour)| later(record, hour * HOUR)).collect()
}

fn pages() -> Vec<Record<'static>> {
    let page = |number: usize| format!("/pages/{}", 1 + number % 9);
    hourly((0..18).map(|number| Record { path: Some(page(number).into()), ..unmatched() }))
}

/// How many rules are proposed, why what is set aside, how much of the logs is said to be covered, and how much is.
fn learnt(place: &Place, records: &[Record<'static>]) -> (usize, Vec<(String, u64)>, u64, u64) {
    let json = json_of(place, records, &[]);
    learn(place, records, &["--out", "learnt.yaml"]);
    let replayed = place.run(&["policy", "simulate", "learnt.yaml", "access.log", "--output", "json"]).json();
    let number = |value: &Value| value.as_u64().unwrap();
    let aside = json["aside"].as_array().unwrap().iter();
    let aside = aside.map(|aside| (aside["why"].as_str().unwrap().into(), number(&aside["count"])));
    let covered = number(&json["settled"]["last_day"]["covered"]);
    (json["rules"].as_array().unwrap().len(), aside.collect(), covered, number(&replayed["newly_allowed"]))
}

#[test]
fn ids_are_covered_only_by_a_rule_for_every_id() {
    for (paths, rules) in
        [("/pages/1", 1), ("'/pages/*/**'", 0), ("/pages/1, '/pages/*'", 0), ("'/**'", 0), ("'/*/1'", 1)]
    {
        assert_eq!(learnt(&with_paths("allow", paths), &pages()), (rules, vec![], 18, 18), "{paths}");
    }
}

#[test]
fn what_lies_deep_is_covered_only_by_a_rule_for_all_that_lies_there() {
    let above = "/s".repeat(16);
    let deep = |tail: usize| format!("{above}/{}/y", ["x", "z"][tail % 2]);
    let deep = hourly((0..6).map(|tail| Record { path: Some(deep(tail).into()), ..unmatched() }));
    for (tail, rules) in [("/1/1", 1), ("/x/**", 1), ("/*/y", 1), ("/**", 0)] {
        let place = with_paths("allow", &format!("'{above}{tail}'"));
        assert_eq!(learnt(&place, &deep), (rules, vec![], 6, 6), "{tail}");
    }
}

#[test]
fn a_rule_that_denies_one_id_takes_no_other_and_makes_no_claim_for_all() {
    for (paths, denied) in [("/pages/1", 2), ("/pages/5", 2), ("'/*/5', /pages/6, /other/7", 4)] {
        let (rules, aside, covered, allowed) = learnt(&with_paths("deny", paths), &pages());
        let expected = (1, vec![("denied-in-part".into(), 18)], 0, 18 - denied);
        assert_eq!((rules, aside, covered, allowed), expected, "{paths}");
    }
    let all = learnt(&with_paths("deny", "'/pages/**'"), &pages());
    assert_eq!(all, (0, vec![("denied-by-rule".into(), 18)], 0, 0));
    let place = with_paths("deny", "/pages/5");
    let text = learn(&place, &pages(), &[]).out;
    assert!(text.contains("# not covered: /app/checkout in "), "{text}");
}

/// To one host that has these addresses in turn.
fn at(addresses: &[&str]) -> Vec<Record<'static>> {
    let to = |address: &&str| Record {
        host: Some("pay.vendor.example".into()),
        address: Some(format!("{address}:8080").parse().unwrap()),
        ..unmatched()
    };
    hourly(addresses.iter().cycle().take(3 * addresses.len()).map(to))
}

#[test]
fn a_host_is_covered_only_by_a_range_of_all_addresses_that_it_had() {
    for (cidr, addresses, rules) in [
        ("10.4.0.0/24", &["10.4.0.9", "10.5.0.9"][..], 1),
        ("10.5.0.0/24", &["10.4.0.9", "10.5.0.9"], 1),
        ("10.5.0.0/24", &["10.5.0.9", "10.4.0.9", "10.6.0.9"], 1),
        ("10.4.0.0/24", &["10.4.0.9", "[fd00::1]"], 1),
        ("10.4.0.0/15", &["10.4.0.9", "10.5.0.9"], 0),
    ] {
        let records = at(addresses);
        let all = u64::try_from(records.len()).unwrap();
        let place = with("allow", &format!("cidrs: [{cidr}]"), "");
        assert_eq!(learnt(&place, &records), (rules, vec![], all, all), "{cidr} {addresses:?}");
        assert_eq!(rules_by_summaries(&place, &records), rules, "{cidr} {addresses:?}");
    }
}

#[test]
fn a_range_that_is_denied_takes_no_host_that_had_addresses_beyond() {
    let denied = |cidr: &str, addresses: &[&str]| {
        learnt(&with("deny", &format!("cidrs: [{cidr}]"), ""), &at(addresses))
    };
    let two = ["10.4.0.9", "10.5.0.9"];
    assert_eq!(denied("10.4.0.0/24", &two), (1, vec![("denied-in-part".into(), 6)], 0, 3));
    assert_eq!(denied("10.4.0.0/15", &two), (0, vec![("denied-by-rule".into(), 6)], 0, 0));
    assert_eq!(denied("10.6.0.0/24", &two), (1, vec![], 6, 6));
}

/// How many rules are proposed of a summary of each record, put together in one and read again.
fn rules_by_summaries(place: &Place, records: &[Record<'static>]) -> usize {
    let names: Vec<String> = (0..records.len()).map(|number| format!("{number}.ndjson")).collect();
    for (record, name) in records.iter().zip(&names) {
        place.write("one.log", access_log([record]).as_bytes());
        assert_eq!(place.run(&["policy", "learn", "--partial", name, "one.log"]).code, 0);
    }
    let names = names.iter().map(String::as_str);
    let together: Vec<&str> =
        ["policy", "learn", "--partial", "all", "--combine"].into_iter().chain(names).collect();
    assert_eq!(place.run(&together).code, 0);
    let line = ["policy", "learn", "--merge", "policy.yaml", "--output", "json", "--combine", "all"];
    place.run(&line).json()["rules"].as_array().unwrap().len()
}
