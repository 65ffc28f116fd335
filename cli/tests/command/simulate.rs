//! `procgate policy simulate`, and the reading of logs.

use crate::logs::{NOON, access_log, gzipped, later, record, unidentified, unmatched};
use crate::place::{Place, Ran};
use crate::policy::shop;
use procgate_identity::{Digest, UnixNanos};
use procgate_policy::{Mode, Reason, Record};
use serde_json::Value;

fn simulate(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&["policy", "simulate", "policy.yaml", "--output", "json"][..], more].concat())
}

/// What comes of these records under the shop's policy.
fn of(records: &[Record<'static>]) -> Value {
    of_policy(&shop("enforce"), records)
}

fn of_policy(place: &Place, records: &[Record<'static>]) -> Value {
    place.write("access.log", access_log(records).as_bytes());
    let ran = simulate(place, &["access.log"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}

fn counts(json: &Value) -> [u64; 5] {
    ["unchanged", "newly_denied", "newly_allowed", "stay", "uncertain"]
        .map(|name| json[name].as_u64().unwrap())
}

#[test]
fn what_the_candidate_decides_alike_is_no_flip() {
    let json = of(&[record(), Record { path: Some("/refund".into()), ..unmatched() }, unidentified()]);
    assert_eq!(counts(&json), [3, 0, 0, 0, 0]);
    assert_eq!(json["otherwise_reasoned"], 0);
    assert_eq!(json["flips"], serde_json::json!([]));
}

#[test]
fn a_flip_says_how_often_for_whom_and_by_which_rules() {
    let refund = Record { path: Some("/refund".into()), rule: Some("old".into()), ..record() };
    let json = of(&[refund.clone(), later(refund, 60), unmatched()]);
    assert_eq!(counts(&json), [0, 2, 1, 0, 0]);
    let flip = &json["flips"][0];
    let expected = [
        ("change", "newly-denied"),
        ("process", "checkout"),
        ("method", "POST"),
        ("first", "2025-11-23T14:00:00Z"),
        ("last", "2025-11-23T14:01:00Z"),
    ];
    expected.iter().for_each(|(name, value)| assert_eq!(flip[name], *value, "{flip}"));
    assert_eq!((&flip["count"], &flip["pods"], &flip["port"]), (&2.into(), &1.into(), &8080.into()));
    assert_eq!(
        (&flip["before"]["rule"], &flip["after"]["reason"]),
        (&"old".into(), &"no-matching-rule".into())
    );
    assert_eq!((&flip["example"]["id"], &flip["example"]["path"]), (&"7f-0".into(), &"/refund".into()));
    assert_eq!(json["flips"][1]["after"]["rule"], "checkout-pays");
}

#[test]
fn the_exit_code_is_1_for_the_change_that_was_asked_about() {
    let place = shop("enforce");
    let code = |records: &[Record<'static>], more: &[&str]| {
        place.write("access.log", access_log(records).as_bytes());
        simulate(&place, &[&["access.log"], more].concat()).code
    };
    let denied = [Record { path: Some("/refund".into()), ..record() }];
    let (on_denied, on_allowed) = (["--fail-on", "newly-denied"], ["--fail-on", "newly-allowed"]);
    assert_eq!([code(&denied, &[]), code(&denied, &on_denied), code(&denied, &on_allowed)], [0, 1, 0]);
    let allowed = [unmatched()];
    assert_eq!([code(&allowed, &[]), code(&allowed, &on_denied), code(&allowed, &on_allowed)], [0, 0, 1]);
    assert_eq!(code(&denied, &[on_allowed, on_denied].concat()), 1);
    assert_eq!(code(&[record()], &[on_allowed, on_denied].concat()), 0);
}

#[test]
fn where_no_record_was_read_nothing_is_passed_as_unchanged() {
    let place = shop("enforce");
    place.write("empty.log", b"");
    place.write("foreign.log", b"GET / 200\n");
    for log in ["empty.log", "foreign.log", "policy.yaml"] {
        assert_eq!(simulate(&place, &[log]).code, 0, "{log}: nothing was asked about");
        let ran = place.run(&["policy", "simulate", "--fail-on", "newly-denied", "policy.yaml", log]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
        assert!(ran.err.contains("error: --fail-on: no record was read, so nothing can have flipped: "));
        assert!(ran.err.contains("the log: 1 logs without any record: ") || log != "empty.log", "{ran:?}");
    }
    place.write("good.log", access_log(&[record()]).as_bytes());
    assert_eq!(simulate(&place, &["empty.log", "good.log", "--fail-on", "newly-denied"]).code, 0);
}

#[test]
fn an_identity_that_did_not_verify_stays_refused() {
    let refused = |code: &str| Record { reason: Reason::from_code(code).unwrap(), ..unidentified() };
    let json =
        of(&["expired", "bad-signature", "unknown-key", "replayed", "peer-mismatch", "internal"]
            .map(refused));
    assert_eq!(counts(&json), [0, 0, 0, 6, 0]);
}

#[test]
fn who_shows_nothing_is_let_in_by_the_rule_for_them_alone() {
    let place = shop("enforce");
    assert_eq!(counts(&of_policy(&place, &[unidentified()])), [1, 0, 0, 0, 0]);
    let open = "  - name: open\n    allow: {from: {unidentified: true}, to: {destination: payments}}\n";
    place.write("policy.yaml", (place.read("policy.yaml") + open).as_bytes());
    let json = of_policy(&place, &[unidentified()]);
    assert_eq!(counts(&json), [0, 0, 1, 0, 0]);
    assert_eq!(json["flips"][0]["process"], Value::Null);
}

#[test]
fn labels_script_and_place_of_the_record_count() {
    let pci = vec![("segment".into(), "pci".into())];
    let refund = Record { path: Some("/refund".into()), ..unmatched() };
    let json = of(&[Record { labels: pci, ..refund.clone() }, refund]);
    assert_eq!(counts(&json), [1, 0, 1, 0, 0]);
    assert_eq!(json["flips"][0]["after"]["rule"], "same-segment");

    let place = shop("enforce");
    let script = Digest::of(b"script");
    let pinned = place.read("policy.yaml").replace("path: /app/checkout", &format!("script: ['{script}']"));
    place.write("policy.yaml", pinned.as_bytes());
    let json = of_policy(&place, &[record(), Record { script: Some(script), ..record() }]);
    assert_eq!(
        (counts(&json), &json["flips"][0]["after"]["reason"]),
        ([1, 1, 0, 0, 0], &"code-changed".into())
    );

    let moved =
        Record { subject: Some("spiffe://shop.example/ns/shop/sa/checkout/container/x".into()), ..record() };
    let foreign =
        Record { subject: Some("spiffe://shop.example/ns/other/sa/x/container/x".into()), ..record() };
    let json = of(&[moved, foreign]);
    let reasons: Vec<_> =
        json["flips"].as_array().unwrap().iter().map(|flip| &flip["after"]["reason"]).collect();
    assert!(
        reasons.contains(&&"wrong-container".into()) && reasons.contains(&&"outside-key-scope".into()),
        "{json}"
    );
}

#[test]
fn what_the_record_has_not_whole_is_not_guessed_about() {
    let cut = Record { path: Some(format!("/charge/{}…", "x".repeat(500)).into()), ..record() };
    assert_eq!(counts(&of(&[cut])), [0, 0, 0, 0, 1]);
    let host = Record { host: Some(format!("{}…", "x.".repeat(120)).into()), ..record() };
    let sni = Record { host: None, sni: host.host.clone(), method: None, path: None, ..record() };
    let method = Record { method: Some(format!("{}…", "X".repeat(250)).into()), ..record() };
    assert_eq!(counts(&of(&[host, sni, method])), [0, 0, 0, 0, 3]);
}

/// The shop with other rules than its own.
fn with_rules(rules: &str) -> Place {
    let place = shop("enforce");
    let policy = place.read("policy.yaml");
    let (before, _) = policy.split_once("\nrules:\n").unwrap();
    place.write("policy.yaml", format!("{before}\nrules:\n{rules}").as_bytes());
    place
}

#[test]
fn what_is_cut_is_judged_where_no_rest_of_it_makes_a_difference() {
    let path = || Record { path: Some(format!("/charge/{}…", "x".repeat(500)).into()), ..record() };
    let host = || Record { host: Some(format!("{}…", "x.".repeat(120)).into()), ..record() };
    let method = || Record { method: Some(format!("{}…", "X".repeat(250)).into()), ..record() };
    let query = || Record { path: Some(format!("/charge/1?q={}…", "x".repeat(500)).into()), ..record() };
    let (same, denied, unsure) = ([1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 1]);
    let pays = "  - {name: pays, allow: {from: {process: checkout}, to: {destination: payments, paths: [/charge/*]}}}\n";
    let anywhere = "  - {name: any, allow: {from: {process: checkout}}}\n";
    for (rules, record, expected) in [
        (format!("  - {{name: nobody, deny: {{}}}}\n{pays}"), path(), denied),
        (pays.into(), query(), same),
        (pays.into(), path(), unsure),
        (anywhere.into(), host(), same),
        (format!("{anywhere}  - {{name: no, deny: {{to: {{paths: [/charge/secret]}}}}}}\n"), path(), unsure),
        (format!("{anywhere}  - {{name: no, deny: {{to: {{methods: [PUT]}}}}}}\n"), method(), unsure),
        (format!("{anywhere}  - {{name: no, deny: {{to: {{destination: payments}}}}}}\n"), host(), unsure),
        // A path that readers understand differently meets no allow, and this one may go on as such.
        ("  - {name: any, allow: {to: {paths: ['/**']}}}\n".into(), path(), unsure),
        ("  - {name: other, allow: {to: {ports: [1], methods: [POST]}}}\n".into(), method(), denied),
        ("  - {name: other, allow: {to: {ports: [1], destination: payments}}}\n".into(), host(), denied),
    ] {
        let json = of_policy(&with_rules(&rules), &[record]);
        assert_eq!(counts(&json), expected, "{rules}: {json}");
    }
}

#[test]
fn where_nothing_can_be_told_a_check_does_not_pass() {
    let place = shop("enforce");
    let cut = Record { path: Some(format!("/charge/{}…", "x".repeat(500)).into()), ..record() };
    let refused = Record { reason: Reason::from_code("expired").unwrap(), ..unidentified() };
    place.write("cut.log", access_log(&[cut, refused]).as_bytes());
    assert_eq!(simulate(&place, &["cut.log"]).code, 0, "nothing was asked about");
    let ran = place.run(&["policy", "simulate", "--fail-on", "newly-denied", "policy.yaml", "cut.log"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
    assert!(ran.err.contains("error: --fail-on: no record has the whole host, method or path"), "{ran:?}");
    place.write("good.log", access_log(&[record()]).as_bytes());
    assert_eq!(simulate(&place, &["cut.log", "good.log", "--fail-on", "newly-denied"]).code, 0);
}

#[test]
fn logs_are_read_gzipped_from_several_files_and_from_a_pipe() {
    let place = shop("enforce");
    let log = access_log(&[record(), record()]);
    place.write("a.log", log.as_bytes());
    place.write("b.log.gz", &gzipped(log.as_bytes()));
    let line = ["policy", "simulate", "policy.yaml", "--output", "json", "a.log", "b.log.gz", "-"];
    let json = place.run_with_input(&line, &gzipped(log.as_bytes())).json();
    assert_eq!(json["log"]["records"], 6);
    let bare = record().to_json();
    let json = place
        .run_with_input(&line[..5].iter().copied().chain(["-"]).collect::<Vec<_>>(), bare.as_bytes())
        .json();
    assert_eq!((&json["log"]["records"], &json["log"]["noted"]), (&1.into(), &serde_json::json!([])));
}

#[test]
fn whatever_is_no_record_is_counted_with_its_first_places_and_the_rest_is_read() {
    let place = shop("enforce");
    let good = access_log(&[record()]);
    let mut log = good.clone().into_bytes();
    for line in ["GET / 200", "GET / 200", "GET / 200", "GET / 200", "GET / 200", "GET / 200"] {
        log.extend(format!("{line}\n").as_bytes());
    }
    log.extend(b"{\"a\":\0}\n\xff\n");
    log.extend(vec![b'x'; 1_000_000]);
    log.extend(b"\n{\"start_time\":\"x\"}\n");
    log.extend(record().to_json().replace("\"v\":1", "\"v\":9").as_bytes());
    log.extend(b"\n");
    log.extend(
        access_log(&[Record { time: UnixNanos((NOON - 7_200) * 1_000_000_000), ..record() }]).as_bytes(),
    );
    log.extend(good.split_at(good.len() / 2).0.as_bytes());
    place.write("mixed.log", &log);
    let gz = gzipped(access_log(&vec![record(); 5_000]).as_bytes());
    place.write("cut.gz", gz.split_at(gz.len() - 9).0);
    place.write("empty.log", b"");
    let ran = simulate(&place, &["mixed.log", "cut.gz", "empty.log"]);
    assert_eq!(ran.code, 0);
    let log = &ran.json()["log"];
    assert_eq!((&log["records"], &log["without_record"]), (&5_002.into(), &1.into()));
    let noted = |kind: &str| {
        let noted = log["noted"].as_array().unwrap().iter().find(|noted| noted["kind"] == kind);
        let noted = noted.unwrap_or_else(|| panic!("{kind}: {log}"));
        (noted["count"].as_u64().unwrap(), noted["places"].as_array().unwrap().clone())
    };
    let places =
        |lines: &[u64]| lines.iter().map(|line| format!("mixed.log:{line}").into()).collect::<Vec<Value>>();
    assert_eq!(noted("foreign"), (6, places(&[2, 3, 4, 5, 6])));
    assert_eq!(noted("binary"), (2, places(&[8, 9])));
    assert_eq!(noted("too-long"), (1, places(&[10])));
    assert_eq!(noted("version"), (1, places(&[12])));
    assert_eq!(noted("clock-back"), (1, places(&[13])));
    assert_eq!(noted("broken"), (1, places(&[14])));
    assert_eq!(noted("cut-off").0, 1);
    assert_eq!(noted("empty"), (1, vec!["empty.log".into()]));

    let ran = place.run(&["policy", "simulate", "policy.yaml", "mixed.log"]);
    assert!(ran.err.contains("warning: 6 lines of another format, passed over: mixed.log:2, "), "{ran:?}");
    let strict = place.run(&["policy", "simulate", "policy.yaml", "mixed.log", "--strict"]);
    assert_eq!((strict.code, strict.out.as_str()), (2, ""));
    assert!(strict.err.contains("--strict: 6 lines of another format"), "{strict:?}");
    place.write("good.log", good.as_bytes());
    assert_eq!(place.run(&["policy", "simulate", "policy.yaml", "good.log", "--strict"]).code, 0);
}

#[test]
fn a_log_that_cannot_be_opened_is_refused() {
    let place = shop("enforce");
    for log in ["missing.log", "."] {
        place.run(&["policy", "simulate", "policy.yaml", log]).refused();
    }
    place.run(&["policy", "simulate", "missing.yaml", "-"]).refused();
}

#[test]
fn what_a_peer_chose_reaches_the_terminal_escaped() {
    let place = shop("enforce");
    let evil = "\u{1b}[2J\u{202e}<b>\n";
    let record = Record {
        host: Some(evil.into()),
        path: Some(evil.into()),
        mode: Mode::Enforce,
        id: evil.into(),
        ..record()
    };
    place.write("access.log", access_log(&[record]).as_bytes());
    for form in ["text", "json"] {
        let ran = place.run(&["policy", "simulate", "policy.yaml", "access.log", "--output", form]);
        assert!(!ran.out.contains(['\u{1b}', '\u{202e}']) && ran.out.contains("<b>"), "{ran:?}");
        assert!(form == "json" || ran.out.lines().count() == 2, "{ran:?}");
    }
}
