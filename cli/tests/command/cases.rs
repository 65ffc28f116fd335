//! `procgate policy test`.

use crate::place::{Place, Ran};
use crate::policy::shop;
use quick_xml::events::Event;
use serde_json::{Value, json};

const CASES: &str = r#"version: 1
cases:
  - name: checkout charges cards
    from: {process: checkout}
    to: {host: payments.shop.svc.cluster.local, address: "10.4.0.9:8080", method: POST, path: /charge/1}
    expect: allow
    rule: checkout-pays
  - name: "nobody gets there # TODO \u001b[2J"
    from: {unidentified: true}
    to: {address: "10.4.0.9:8080"}
    expect: deny
    reason: no-identity
"#;

fn test(place: &Place, cases: &str, more: &[&str]) -> Ran {
    place.write("cases.yaml", cases.as_bytes());
    place.run(&[&["policy", "test", "--policy", "policy.yaml", "cases.yaml"][..], more].concat())
}

#[test]
fn a_policy_that_decides_as_expected_passes() {
    let place = shop("enforce");
    let ran = test(&place, CASES, &[]);
    let wanted = "TAP version 13\n1..2\nok 1 - checkout charges cards\n\
                  ok 2 - nobody gets there \\# TODO \\u{1b}[2J\n# 2 as expected, 0 not\n";
    assert_eq!((ran.code, ran.out.as_str()), (0, wanted), "{ran:?}");
}

#[test]
fn a_case_that_is_not_as_expected_tells_what_and_why() {
    let place = shop("enforce");
    let cases = CASES.replace("method: POST", "method: GET");
    let ran = test(&place, &cases, &[]);
    assert_eq!(ran.code, 1);
    for line in [
        "not ok 1 - checkout charges cards\n# expected decision allow, not deny\n# expected rule checkout-pays, not none\n",
        "#       fails    to.methods: the method is not POST\n",
        "#         - \"GET\"\n",
        "# 1 as expected, 1 not\n",
    ] {
        assert!(ran.out.contains(line), "{line}: {}", ran.out);
    }
    let json = test(&place, &cases, &["--output", "json"]).json();
    assert_eq!((&json["passed"], &json["failed"]), (&json!(1), &json!(1)));
    assert_eq!(json["cases"][0]["explanation"]["compared"]["rule"], "checkout-pays");
    let wrong = CASES.replace("reason: no-identity", "reason: expired");
    assert!(test(&place, &wrong, &[]).out.contains("# expected reason expired, not no-identity\n"));
}

/// The elements of XML that is well formed, each with its attributes.
fn elements(xml: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut reader = quick_xml::Reader::from_str(xml);
    reader.config_mut().enable_all_checks(true);
    let (mut found, mut open) = (Vec::new(), 0_i32);
    loop {
        let event = reader.read_event().unwrap();
        let (Event::Start(start) | Event::Empty(start)) = &event else {
            open -= i32::from(matches!(event, Event::End(_)));
            if event == Event::Eof {
                assert_eq!(open, 0, "{xml}");
                return found;
            }
            continue;
        };
        open += i32::from(matches!(event, Event::Start(_)));
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.unwrap();
            let value = attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0).unwrap();
            (attribute.key.0.to_owned(), value.into_owned())
        });
        found.push((start.name().0.to_owned(), attributes.collect()));
    }
}

#[test]
fn cases_are_junit_xml_in_which_nothing_that_a_stranger_wrote_is_markup() {
    let place = shop("enforce");
    let evil = r#"<b a='1'>]]>&\u001b[2J\uffff\u202e\""#;
    let cases = CASES.replace("method: POST", "method: GET").replace("nobody gets there", evil);
    let ran = test(&place, &cases, &["--output", "junit"]);
    let found = elements(&ran.out);
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        (ran.code, &names[..]),
        (1, &["testsuites", "testsuite", "testcase", "failure", "testcase"][..])
    );
    let attribute = |element: usize, name: &str| {
        let mut attributes = found[element].1.iter();
        attributes
            .find(|(known, _)| known == name)
            .unwrap_or_else(|| panic!("{name}: {}", ran.out))
            .1
            .as_str()
    };
    for (element, name, value) in [
        (0, "tests", "2"),
        (0, "failures", "1"),
        (1, "failures", "1"),
        (2, "name", "checkout charges cards"),
        (2, "classname", "cases.yaml"),
        (3, "message", "expected decision allow, not deny; rule checkout-pays, not none"),
        (4, "name", r#"<b a='1'>]]>&\u{1b}[2J\u{ffff}\u{202e}" # TODO \u{1b}[2J"#),
    ] {
        assert_eq!(attribute(element, name), value, "{}", ran.out);
    }
    assert!(ran.out.contains("fails    to.methods: the method is not POST"), "{}", ran.out);
    place.run(&["policy", "test", "--schema", "--output", "junit"]).refused();
    place.run(&["policy", "lint", "policy.yaml", "--output", "junit"]).refused();
}

#[test]
fn the_published_schema_and_the_reader_accept_the_same_cases() {
    let place = shop("enforce");
    let schema = place.run(&["policy", "test", "--schema"]).json();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    let whole = json!({"version": 1, "cases": [{
        "name": "all", "expect": "deny", "reason": "no-matching-rule", "rule": "r",
        "from": {"process": "checkout", "exe": format!("sha256:{}", "0".repeat(64)), "path": "/x",
                 "container": "c", "namespace": "n", "serviceAccount": "s", "labels": {"a": "b"}},
        "to": {"host": "h", "address": "10.0.0.1:1", "method": "GET", "path": "/"}}]});
    let with = |pointer: &str, value: Option<Value>| {
        let mut document = whole.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => drop(parent.insert(name.into(), value)),
            None => drop(parent.remove(name)),
        }
        document
    };
    let mut seen = [0, 0];
    for pointer in [
        "/version",
        "/cases",
        "/more",
        "/cases/0/name",
        "/cases/0/from",
        "/cases/0/to",
        "/cases/0/expect",
        "/cases/0/rule",
        "/cases/0/more",
        "/cases/0/from/exe",
        "/cases/0/from/labels",
        "/cases/0/from/more",
        "/cases/0/to/host",
    ] {
        for value in [
            None,
            Some(json!(1)),
            Some(json!(2)),
            Some(json!([])),
            Some(json!({})),
            Some(json!("deny")),
            Some(json!("x")),
        ] {
            let document = with(pointer, value);
            let read = test(&place, &document.to_string(), &[]).code != 2;
            // Somebody must connect, which the schema does not say.
            let nobody = document["cases"][0]["from"] == json!({});
            assert_eq!(read, schema.is_valid(&document) && !nobody, "{document}");
            seen[usize::from(read)] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
}

#[test]
fn a_case_that_makes_no_sense_is_refused_with_its_place() {
    let place = shop("enforce");
    let none = test(&place, "version: 1\ncases: []\n", &[]);
    assert!(none.refused().starts_with("cases.yaml: cases: there is none"), "{none:?}");
    for (from, to) in [
        ("process: checkout", "process: nobody"),
        ("{process: checkout}", "{labels: {a: b}}"),
        ("unidentified: true", "unidentified: true, process: checkout"),
        ("10.4.0.9:8080\", method", "10.4.0.9\", method"),
        ("reason: no-identity", "reason: because"),
        ("version: 1", "version: 2"),
        ("expect: allow", "expect: maybe"),
    ] {
        assert!(CASES.contains(from), "{from}");
        let ran = test(&place, &CASES.replace(from, to), &[]);
        assert!(ran.refused().starts_with("cases.yaml: "), "{ran:?}");
    }
}
