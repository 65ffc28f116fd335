//! `procgate policy learn`: what becomes of the policy's own text, however it is written.

use crate::learn::{bare, often};
use crate::logs::{access_log, unmatched};
use crate::place::{Place, Ran};
use procgate_policy::Record;

/// Learns from something new that a process does which is in the policy, and has it put into this text.
fn learnt(name: &str, text: &str) -> (Place, Ran) {
    let place = bare();
    place.write(name, text.as_bytes());
    let records = often(Record { path: Some("/refund".into()), ..unmatched() });
    place.write("access.log", access_log(&records).as_bytes());
    let ran = place.run(&["policy", "learn", "--merge", name, "--out", name, "access.log"]);
    (place, ran)
}

/// What the text becomes, of which each line has to stay as it is and in its order, but for a comma at its end.
fn grown(name: &str, text: &str) -> String {
    let (place, ran) = learnt(name, text);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    let after = place.read(name);
    let mut lines = after.split('\n').map(|line| line.trim_end_matches([',', '\r']));
    for line in text.split('\n').map(|line| line.trim_end_matches([',', '\r'])) {
        assert!(lines.any(|other| other == line), "{line}\n{after}");
    }
    let simulated = place.run(&["policy", "simulate", name, "access.log", "--output", "json"]).json();
    assert_eq!(simulated["newly_allowed"], 3, "{simulated}");
    after
}

/// The bare policy with these lines behind it.
fn with(lines: &str) -> String {
    bare().read("policy.yaml") + lines
}

/// The same as JSON, this far in.
fn json(indent: &str) -> String {
    let place = bare();
    let json = place
        .run(&["policy", "learn", "--merge", "policy.yaml", "--output", "json", "--combine", "/dev/null"])
        .json();
    let text = serde_json::to_string_pretty(&json["policy"]).unwrap();
    let deeper = |line: &str| {
        let bare = line.trim_start_matches(' ');
        indent.repeat((line.len() - bare.len()) / 2) + bare + "\n"
    };
    text.lines().map(deeper).collect()
}

#[test]
fn a_json_policy_stays_as_it_is_indented() {
    for indent in ["  ", "    ", "\t"] {
        let text = json(indent);
        let after = grown("policy.json", &text);
        assert!(after.contains(&format!("\n{indent}{indent}{{\"name\":\"checkout-to-payments\"")), "{after}");
        // What is added now goes behind what was added then.
        assert_eq!(grown("policy.json", &after), after);
    }
    let (place, ran) = learnt("policy.json", &json("").replace('\n', ""));
    assert_eq!((ran.code, place.read("policy.json").matches('\n').count()), (0, 0), "{ran:?}");
}

#[test]
fn lines_end_as_the_policy_s_own_do() {
    let after = grown("policy.yaml", &with("").replace('\n', "\r\n"));
    assert_eq!(after.matches('\n').count(), after.matches("\r\n").count(), "{after:?}");
    assert!(after.contains("\r\nrules:\r\n"), "{after:?}");
}

#[test]
fn directives_and_lists_in_brackets_are_no_hindrance() {
    grown("policy.yaml", &format!("%YAML 1.2\n---\n{}", with("")));
    let after = grown(
        "policy.yaml",
        &with("rules: [\n  # none\n  {name: none, deny: {to: {ports: [1]}}},  # yet\n]\n"),
    );
    assert!(after.contains("  {name: none, deny: {to: {ports: [1]}}},  # yet\n  {\"name\""), "{after}");
}

#[test]
fn what_anchors_stand_for_is_not_changed_behind_their_back_and_that_is_said() {
    let text = with("rules: &all []\nprocesses: *all\n");
    let (place, ran) = learnt("policy.yaml", &text);
    assert!(ran.refused().contains("without anchors"), "{ran:?}");
    assert_eq!(place.read("policy.yaml"), text);
}

#[test]
fn who_makes_the_policy_too_large_is_named() {
    let place = bare();
    let label = "x".repeat(60);
    let at = |index| Record {
        host: Some(format!("{label}.{label}.{label}.{index}.example").into()),
        ..unmatched()
    };
    let hosts = (0..14_000).map(at);
    place.write("access.log", access_log(&hosts.collect::<Vec<_>>()).as_bytes());
    let ran = place.run(&["policy", "learn", "--merge", "policy.yaml", "access.log"]);
    let expected = "policy.yaml: would be too large with 14000 rules more, 14000 of them for checkout: ";
    assert!(ran.refused().starts_with(expected), "{ran:?}");
}
