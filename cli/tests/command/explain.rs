//! `procgate policy explain`: decisions from logs, and what to add to a policy.

use crate::place::{Place, Ran};
use crate::policy::shop;
use procgate_identity::Digest;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

const PAYMENTS: &str = "payments.shop.svc.cluster.local";

fn explain(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&["policy", "explain", "--policy", "policy.yaml", "--output", "json"][..], more].concat())
}

/// Where to add what.
fn edit(ran: &Ran) -> Vec<[String; 2]> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let add = ran.json()["edit"]["add"].as_array().unwrap_or_else(|| panic!("{ran:?}")).clone();
    add.iter().map(|add| [text(&add["at"]), text(&add["value"])]).collect()
}

/// The record of a request of the process checkout.
pub(crate) fn record(id: &str, reason: &str, method: &str) -> String {
    let decision = if reason == "allowed" { "allow" } else { "deny" };
    let exe = Digest::of(b"checkout").to_string();
    let record = json!({
        "v": 1, "time": "2026-11-24T02:28:54.021002000Z", "id": id, "mode": "enforce", "decision": decision,
        "reason": reason, "direction": "outbound", "carrier": "header", "exe": exe, "name": "/app/checkout",
        "sub": "spiffe://shop.example/ns/shop/sa/checkout/container/checkout",
        "destination": {"host": PAYMENTS, "ip": "10.4.0.9", "port": 8080}, "method": method, "path": "/charge/1",
    });
    record.to_string()
}

#[test]
fn a_decision_is_found_in_a_log_by_its_id() {
    let place = shop("enforce");
    let log = format!(
        "noise\n{}\n{}\n",
        record("a-1", "allowed", "POST"),
        record("b-2", "no-matching-rule", "GET")
    );
    place.write("access.log", log.as_bytes());
    let denied = explain(&place, &["--id", "b-2", "access.log"]);
    assert_eq!((denied.code, denied.json()["reason"].as_str()), (1, Some("no-matching-rule")), "{denied:?}");
    assert_eq!(denied.json()["compared"]["failed"][0]["field"], "to.methods");
    let allowed = explain(&place, &["--id", "a-1", "access.log"]);
    assert_eq!((allowed.code, allowed.json()["rule"].as_str()), (0, Some("checkout-pays")));
    assert!(explain(&place, &["--id", "c-3", "access.log"]).code == 2);
}

#[test]
fn what_of_a_log_was_not_understood_is_said_whether_the_decision_is_found_or_not() {
    let place = shop("enforce");
    let newer = record("b-2", "no-matching-rule", "GET").replace("\"v\":1", "\"v\":2");
    let lines = [newer, record("a-1", "allowed", "POST"), "half".into()].join("\n");
    place.write("access.log", lines.as_bytes());
    let line = ["policy", "explain", "--policy", "policy.yaml", "access.log", "--id"];
    let ran = |more: &[&str]| place.run(&[&line[..], more].concat());
    let missing = ran(&["b-2"]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("error: --id: no record has the id b-2"), "{missing:?}");
    assert!(missing.err.contains("error: the log: 1 records of another version, passed over"), "{missing:?}");
    let found = ran(&["a-1"]);
    assert!(found.code == 0 && found.err.contains("warning: 1 records of another version"), "{found:?}");
    assert!(!found.err.contains("another format"), "it need not look further: {found:?}");
    let strict = ran(&["a-1", "--strict"]);
    assert!(strict.code == 2 && strict.err.contains("--strict: 1 lines of another format"), "{strict:?}");
}

#[test]
fn what_a_log_would_leave_unheard_is_refused_beside_it_and_an_id_wants_a_log() {
    let place = shop("enforce");
    place.write("access.log", record("a-1", "allowed", "POST").as_bytes());
    let line = ["policy", "explain", "--policy", "policy.yaml"];
    for option in ["--src=10.0.0.1:1", "--at=0", "--host=h", "--subject=spiffe://a/ns/b/sa/c/container/d"] {
        place.run(&[&line[..], &["access.log", option]].concat()).refused();
    }
    let ran = place.run(&[&line[..], &["access.log", "--namespace=n"]].concat());
    assert!(ran.refused().contains("cannot be used with"), "{ran:?}");
    let ran = place.run(&[&line[..], &["--id", "a-1"]].concat());
    assert!(
        ran.refused().starts_with("--id: a decision is looked for in no log: name the access log"),
        "{ran:?}"
    );
}

#[test]
fn how_to_read_a_log_is_said_in_vain_where_none_is_named() {
    let place = shop("enforce");
    let line =
        ["policy", "explain", "--policy", "policy.yaml", "--unidentified", "--address", "192.0.2.7:5432"];
    assert_eq!(place.run(&line).code, 1);
    for (option, name) in [("--strict", "--strict"), ("--pod=checkout-7f", "--pod")] {
        for line in [&line[..], &["policy", "lint", "policy.yaml"]] {
            let ran = place.run(&[line, &[option]].concat());
            assert!(
                ran.refused().starts_with(&format!("{name}: says how to read logs, and there are none: "))
            );
        }
    }
}

#[test]
fn a_line_of_a_log_may_be_piped_in_and_another_policy_s_decision_shows() {
    let place = shop("enforce");
    let line = record("a-1", "denied-by-rule", "POST");
    let ran = place.run_with_input(&["policy", "explain", "--policy", "policy.yaml", "-"], line.as_bytes());
    assert!(ran.out.starts_with("allowed\n"), "{ran:?}");
    assert!(ran.err.contains("the record says denied-by-rule: another policy decided then"), "{ran:?}");
    assert_eq!(place.run(&["policy", "explain", "--policy", "policy.yaml", "-"]).code, 2);
}

#[test]
fn a_rule_that_lacks_one_entry_gets_it() {
    let place = shop("enforce");
    let at =
        ["--process", "checkout", "--host", PAYMENTS, "--address", "10.4.0.9:8080", "--path", "/charge/1"];
    let ran = explain(&place, &[&at[..], &["--method", "PUT"]].concat());
    assert_eq!(edit(&ran), [["rules[0].allow.to.methods", "\"PUT\""].map(String::from)]);
    assert_eq!(broad(&ran), ["the rule checkout-pays is about more than one path"]);
    let text = place.read("policy.yaml");
    place.write("policy.yaml", text.replace("methods: [POST]", "methods: [POST, PUT]").as_bytes());
    assert_eq!(explain(&place, &[&at[..], &["--method", "PUT"]].concat()).code, 0);
}

/// What the edit allows beside the connection.
fn broad(ran: &Ran) -> Vec<String> {
    let broad = ran.json()["edit"]["broad"].as_array().cloned().unwrap_or_default();
    broad.iter().map(|what| what.as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_entry_that_a_rule_gains_for_a_wide_destination_or_without_another_list_is_broad() {
    let place = shop("enforce");
    let text = place.read("policy.yaml");
    let (head, _) = text.split_once("destinations:").unwrap();
    let of = |destination: &str, to: &str, question: &[&str]| {
        let policy = format!(
            "{head}destinations:\n  - {{name: d, {destination}}}\nrules:\n  \
             - {{name: out, allow: {{from: {{process: checkout}}, to: {{destination: d, {to}}}}}}}\n"
        );
        place.write("policy.yaml", policy.as_bytes());
        let ran = explain(&place, &[&["--process", "checkout"], question].concat());
        assert!(edit(&ran)[0][0].starts_with("rules[0].allow.to."), "{ran:?}");
        broad(&ran)
    };
    let (methods, paths) = (
        "the rule out is about any method, and what is not HTTP",
        "the rule out is about any path, and what is not HTTP",
    );
    let wide = "the destination d is more than this host or address";
    let ssh = ["--address", "6.6.6.6:22"];
    assert_eq!(of("cidrs: [0.0.0.0/0]", "ports: [443]", &ssh), [methods, paths, wide]);
    assert_eq!(of("cidrs: [6.6.6.6]", "ports: [443]", &ssh), [methods, paths]);
    let post = ["--host", "x.example", "--address", "10.4.0.9:80", "--method", "POST", "--path", "/a"];
    assert_eq!(of("hosts: [x.example]", "ports: [80], methods: [GET], paths: [/a]", &post), [""; 0]);
    let several = of("hosts: ['*']", "ports: [80, 81], methods: [GET], paths: [/a]", &post);
    assert_eq!(several, ["the rule out is about more than one port", wide]);
    assert_eq!(
        of("hosts: [x.example]", "methods: [GET], paths: [/**]", &post),
        ["the rule out is about any port", "the rule out is about more than one path"]
    );
}

#[test]
fn what_no_rule_is_near_gets_a_rule_of_its_own_and_a_broad_one_is_said_to_be() {
    let place = shop("enforce");
    let ran = explain(&place, &["--process", "checkout", "--address", "192.0.2.7:5432"]);
    let add = edit(&ran);
    assert_eq!(add[0], ["destinations", r#"{"name":"192.0.2.7","cidrs":["192.0.2.7"]}"#].map(String::from));
    assert!(add[1][1].starts_with(r#"{"name":"checkout-to-192.0.2.7","allow":"#), "{add:?}");
    let rules = format!("  - {}\n", add[1][1]);
    let text = place.read("policy.yaml").replace("rules:\n", &format!("  - {}\nrules:\n", add[0][1]));
    place.write("policy.yaml", (text + &rules).as_bytes());
    assert_eq!(explain(&place, &["--process", "checkout", "--address", "192.0.2.7:5432"]).code, 0);
    let ran = explain(&place, &["--unidentified", "--address", "192.0.2.8:5432"]);
    assert!(ran.json()["edit"]["broad"][0].as_str().unwrap().contains("no identity"), "{ran:?}");
}

#[test]
fn a_changed_digest_is_listed_and_a_deny_is_left_to_its_author() {
    let place = shop("enforce");
    let who =
        ["--exe", "shell", "--name", "/app/checkout", "--namespace", "shop", "--service-account", "checkout"];
    let at = ["--container", "checkout", "--host", PAYMENTS, "--address", "10.4.0.9:8080"];
    let ran = explain(&place, &[&who[..], &at, &["--method", "POST", "--path", "/charge/1"]].concat());
    assert_eq!(edit(&ran), [["processes[0].exe".into(), format!("\"{}\"", Digest::of(b"shell"))]]);
    let admin = ["--process", "checkout", "--host", PAYMENTS, "--address", "10.4.0.9:15000"];
    let none = explain(&place, &admin).json()["edit"]["none"].as_str().unwrap().to_owned();
    assert!(none.contains("no-admin denies it on purpose"), "{none}");
}

#[test]
fn a_new_process_is_pinned_to_what_the_connection_tells_of_and_what_it_leaves_open_is_broad() {
    let place = shop("enforce");
    let [code, script] = ["code", "script"].map(|what| Digest::of(what.as_bytes()).to_string());
    let other = Digest::of(b"other").to_string();
    let who = ["--exe", "shell", "--name", "/bin/till", "--namespace", "shop", "--service-account"];
    let question = [&who[..], &["checkout", "--container", "checkout"], &REFUND[2..]].concat();
    let (pin_code, pin_script) = (["--code", &code], ["--script", &script]);
    let ran = explain(&place, &question);
    let open = ["any code", "any script"]
        .map(|what| format!("the process checkout-till is about {what}: the connection tells of none"));
    assert_eq!(broad(&ran).get(1..), Some(&open[..]), "{ran:?}");
    let ran = explain(&place, &[&question[..], &pin_script].concat());
    assert!(edit(&ran)[0][1].contains(&format!("\"script\":[\"{script}\"]")), "{ran:?}");
    assert_eq!(broad(&ran).len(), 2, "{ran:?}");

    let pinned = [&question[..], &pin_code, &pin_script].concat();
    let ran = explain(&place, &pinned);
    assert_eq!(broad(&ran), ["whatever rules allow any process holds for it too"]);
    applied(&place, "policy.yaml", &pinned);
    for others in [
        &[][..],
        &pin_code,
        &pin_script,
        &["--code", &code, "--script", &other],
        &["--code", &other, "--script", &script],
    ] {
        assert_eq!(explain(&place, &[&question[..], others].concat()).code, 1, "{others:?}");
    }
}

/// Has git apply the patch that `explain` gives for this question, asks again, and gives the policy's text.
fn applied(place: &Place, policy: &str, question: &[&str]) -> String {
    let line = ["policy", "explain", "--policy", policy];
    let ran = place.run(&[&line[..], question, &["--patch"]].concat());
    assert_eq!(ran.code, 1, "{ran:?}");
    place.write("edit.patch", ran.out.as_bytes());
    let git = Command::new("git").args(["apply", "edit.patch"]).current_dir(place.path("")).output().unwrap();
    assert!(git.status.success(), "{git:?}\n{}", ran.out);
    let again = place.run(&[&line[..], question].concat());
    assert_eq!(again.code, 0, "{again:?}\n{}", place.read(policy));
    place.read(policy)
}

const REFUND: [&str; 10] = [
    "--process",
    "checkout",
    "--host",
    PAYMENTS,
    "--address",
    "10.4.0.9:8080",
    "--method",
    "POST",
    "--path",
    "/refund",
];
const ELSEWHERE: [&str; 4] = ["--process", "checkout", "--address", "192.0.2.7:5432"];

#[test]
fn a_patch_applies_and_leaves_all_else_to_the_letter() {
    let place = shop("enforce");
    let before = place.read("policy.yaml").replace("\nrules:", "\n# Ann's\nrules: # the till");
    for (name, before) in [
        ("policy.yaml", before.clone()),
        ("./of shop/policy.yaml", before.replace('\n', "\r\n")),
        ("no-end.yaml", before.trim_end().to_owned()),
    ] {
        place.write(name, before.as_bytes());
        let after = applied(&place, name, &REFUND);
        assert_eq!(
            after,
            before.replace("paths: [/charge/**]", "paths: [/charge/**, \"/refund\"]"),
            "{name}"
        );
        let added = applied(&place, name, &ELSEWHERE).len();
        assert!(added > after.len(), "{name}");
    }
    let lines = place.read("policy.yaml");
    let ends = ["destinations:", "# Ann's", "  - name: no-admin", "  - name: checkout-to-192.0.2.7"];
    assert!(ends.iter().all(|line| lines.lines().any(|other| other == *line)), "{lines}");
}

#[test]
fn a_patch_begins_lists_that_are_not_there_and_takes_json() {
    let place = shop("enforce");
    let text = place.read("policy.yaml");
    let (head, _) = text.split_once("destinations:").unwrap();
    for rules in ["", "rules: []\n", "destinations: [ ] # none yet\nrules: [\n]\n"] {
        place.write("bare.yaml", format!("{head}{rules}").as_bytes());
        let after = applied(&place, "bare.yaml", &ELSEWHERE);
        assert!(after.starts_with(head), "{after}");
    }
    let json = place.run(&[
        "policy",
        "learn",
        "--merge",
        "policy.yaml",
        "--output",
        "json",
        "--combine",
        "/dev/null",
    ]);
    let json = serde_json::to_string_pretty(&json.json()["policy"]).unwrap();
    place.write("policy.json", json.as_bytes());
    let after = applied(&place, "policy.json", &REFUND);
    let lines = |text: &str| text.lines().count();
    assert_eq!(lines(&after), lines(&json) + 1, "{after}");
}

#[test]
fn what_is_broad_about_a_patch_is_said_beside_it_and_where_there_is_none_why() {
    let place = shop("enforce");
    let line = ["policy", "explain", "--policy", "policy.yaml", "--patch"];
    let ran = place.run(&[&line[..], &["--unidentified", "--address", "192.0.2.8:5432"]].concat());
    assert!(ran.out.starts_with("--- a/policy.yaml\n+++ b/policy.yaml\n@@ "), "{ran:?}");
    assert!(ran.err.contains("whoever shows no identity"), "{ran:?}");
    let admin = ["--process", "checkout", "--host", PAYMENTS, "--address", "10.4.0.9:15000"];
    let ran = place.run(&[&line[..], &admin].concat());
    assert!(ran.refused().starts_with("--patch: there is none: the rule no-admin denies it"), "{ran:?}");
    let other = ["--process", "checkout", "--namespace", "other", "--host", PAYMENTS];
    assert!(
        place
            .run(&[&line[..], &other].concat())
            .refused()
            .starts_with("--patch: there is none: the identity")
    );
    let allowed =
        ["--host", PAYMENTS, "--address", "10.4.0.9:8080", "--method", "POST", "--path", "/charge/1"];
    let ran = place.run(&[&line[..], &["--process", "checkout"], &allowed].concat());
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    assert!(ran.err.contains("the policy allows it"), "{ran:?}");
}

#[test]
fn a_text_that_cannot_be_patched_is_refused_with_its_file() {
    let place = shop("enforce");
    let text = place.read("policy.yaml");
    for (name, text) in [
        ("shared.yaml", {
            let shared = text.replace("paths: [/charge/**]", "paths: &paths [/charge/**]");
            shared.replace("ports: [9100]", "ports: [9100], paths: *paths")
        }),
        ("a\\b.yaml", text.clone()),
    ] {
        place.write(name, text.as_bytes());
        let ran = place.run(&[&["policy", "explain", "--patch", "--policy", name][..], &REFUND].concat());
        assert!(ran.refused().starts_with(&name.replace('\\', "\\\\")), "{ran:?}");
    }
}

#[test]
fn what_is_told_to_be_added_can_be_pasted_whatever_a_peer_asked_for() {
    let place = shop("enforce");
    let who =
        ["--exe", "shell", "--name", "/app/\u{202e}x\u{9b}", "--namespace", "shop", "--service-account"];
    let question = [&who[..], &["checkout", "--container", "checkout"], &REFUND[2..]].concat();
    let ran = place.run(&[&["policy", "explain", "--policy", "policy.yaml"][..], &question].concat());
    assert!(ran.out.contains(r#""path":"/app/\u202ex\u009b"}"#), "{ran:?}");
    applied(&place, "policy.yaml", &question);
}

/// The bar is 50 ms of a release build on a quiet machine (docs/learning.md). This build is not optimised and the
/// machine does other things, so it is twenty times that: whoever makes it quadratic is noticed.
#[test]
fn an_answer_under_a_policy_of_a_thousand_rules_comes_at_once() {
    let place = shop("enforce");
    let rule = |number: usize| {
        format!(
            "  - {{name: r{number}, allow: {{from: {{process: checkout}}, to: {{destination: payments, paths: [/r{number}/*]}}}}}}\n"
        )
    };
    let rules: String = (0..1_000).map(rule).collect();
    let policy = place.read("policy.yaml").replace("rules:\n", &format!("rules:\n{rules}"));
    assert!(policy.contains("r999"));
    place.write("policy.yaml", policy.as_bytes());
    place.write("access.log", (record("a-1", "no-matching-rule", "PUT") + "\n").as_bytes());
    let line = ["policy", "explain", "--policy", "policy.yaml", "--id", "a-1", "access.log"];
    let times = (0..5).map(|_| {
        let began = Instant::now();
        assert_eq!(place.run(&line).code, 1);
        began.elapsed()
    });
    let best = times.min().unwrap();
    assert!(best < Duration::from_millis(1_000), "{best:?}");
}
