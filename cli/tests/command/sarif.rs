//! `procgate policy lint --output sarif`, held against the official schema.

use crate::place::{Place, Ran};
use crate::policy::shop;
use serde_json::Value;

const SCHEMA: &str = include_str!("../data/sarif-2.1.0.schema.json");

/// The log, valid.
fn log(ran: &Ran) -> Value {
    let log = ran.json();
    let schema = jsonschema::draft7::new(&serde_json::from_str(SCHEMA).unwrap()).unwrap();
    let errors: Vec<_> = schema.iter_errors(&log).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{log}");
    log["runs"][0].clone()
}

fn lint(place: &Place, files: &[&str]) -> Ran {
    place.run(&[&["policy", "lint", "--output", "sarif"], files].concat())
}

/// The result of this kind.
fn result<'a>(run: &'a Value, id: &str) -> &'a Value {
    let results = run["results"].as_array().unwrap();
    results.iter().find(|result| result["ruleId"] == id).unwrap_or_else(|| panic!("{id}: {run}"))
}

#[test]
fn the_schema_notices_what_is_no_sarif() {
    let schema = jsonschema::draft7::new(&serde_json::from_str(SCHEMA).unwrap()).unwrap();
    let ran = lint(&shop("enforce"), &["policy.yaml"]);
    for (pointer, value) in [("/version", "2.0.0"), ("/runs/0/results/0/level", "bad"), ("/runs/0/tool", "x")]
    {
        let mut log = ran.json();
        *log.pointer_mut(pointer).unwrap() = value.into();
        assert!(!schema.is_valid(&log), "{pointer}");
    }
}

#[test]
fn each_finding_points_into_its_file_and_names_a_kind_that_is_described() {
    let place = shop("enforce");
    let text = place.read("policy.yaml");
    place.write("a b/ü.yaml", format!("{text}  - {{name: open, allow: {{}}}}\n").as_bytes());
    let run = log(&lint(&place, &["policy.yaml", "a b/ü.yaml"]));
    let open = result(&run, "any-to-any");
    let location = &open["locations"][0];
    assert_eq!(location["physicalLocation"]["artifactLocation"]["uri"], "a%20b/%C3%BC.yaml");
    assert_eq!(location["physicalLocation"]["region"]["startLine"], text.lines().count() + 1);
    assert_eq!(location["logicalLocations"][0]["fullyQualifiedName"], "rules[5].allow");
    assert_eq!(open["level"], "error");
    let described = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        assert!(described.iter().any(|kind| kind["id"] == result["ruleId"]), "{result}");
    }
}

#[test]
fn a_suppressed_finding_is_there_with_its_reason_and_counts_for_nothing() {
    let place = shop("enforce");
    let lint_section =
        "lint:\n  suppress:\n    - {finding: any-to-any, at: 'rules[open]', reason: a <b>lab</b>}\n";
    let text = place.read("policy.yaml") + "  - {name: open, allow: {}}\n" + lint_section;
    place.write("open.yaml", text.as_bytes());
    let ran = lint(&place, &["open.yaml", "--fail-on", "danger"]);
    assert!(ran.code == 0 && !ran.out.contains(['<', '>']), "{ran:?}");
    let run = log(&ran);
    let suppression = &result(&run, "any-to-any")["suppressions"][0];
    assert_eq!(
        (&suppression["kind"], &suppression["justification"]),
        (&"inSource".into(), &"a <b>lab</b>".into())
    );
    let ran = place.run(&["policy", "lint", "open.yaml"]);
    assert!(ran.out.contains(" suppressed\n") && !ran.out.contains("any-to-any"), "{ran:?}");
}

#[test]
fn what_a_stranger_wrote_into_a_policy_becomes_neither_link_nor_markup_nor_terminal_sequence() {
    let place = Place::new();
    let hostile = "[click](http://evil.example) {0} <script> \u{1b}[2J \u{202e}gpj.exe & \\";
    let policy = serde_json::json!({"version": 1, "mode": hostile, hostile: 1});
    place.write("x\u{202e}<b>.json", policy.to_string().as_bytes());
    let ran = lint(&place, &["x\u{202e}<b>.json"]);
    assert!(!ran.out.contains(['<', '>', '&', '\u{1b}', '\u{202e}']), "{ran:?}");
    let run = log(&ran);
    let results = run["results"].as_array().unwrap();
    assert!(results.len() >= 3, "{run}");
    for result in results {
        let message = result["message"]["text"].as_str().unwrap();
        assert!(!message.replace("\\[", "").contains('['), "{message}");
        assert!(!message.replace("{{", "").contains('{'), "{message}");
        assert_eq!(
            result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            "x%E2%80%AE%3Cb%3E.json"
        );
    }
    let ran = place.run(&["policy", "lint", "x\u{202e}<b>.json"]);
    assert!(!ran.out.contains(['\u{1b}', '\u{202e}']), "{ran:?}");
}
