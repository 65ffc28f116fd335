//! `procgate policy`.

use crate::logs::PAYMENTS;
use crate::place::{Place, Ran};
use procgate_identity::Digest;

const SCOPE: &str = "spiffe://shop.example/ns/shop/sa/checkout/container/";
const RULES: &str = r#"
  - name: checkout-pays
    allow: {from: {process: checkout}, to: {destination: payments, ports: [8080], methods: [POST], paths: [/charge/**]}}
  - name: same-segment
    allow: {from: {same: segment}, to: {same: segment}}
  - name: inner-pci
    allow: {from: {labels: {tier: ops}}, to: {destination: [inner, ledger], labels: {segment: pci}}}
  - name: ops-metrics
    allow: {from: {labels: {tier: ops}}, to: {destination: inner, ports: [9100]}}
  - name: no-admin
    deny: {to: {ports: ["15000-15020"]}}
"#;

/// A folder with the key `one` and `policy.yaml`, whose process `checkout` is `b"checkout"`.
pub(crate) fn shop(mode: &str) -> Place {
    let place = Place::new();
    let made = place.run(&["keygen", "--kid", "one", "--output", "json"]).json();
    let x = made["entry"]["jwk"]["x"].as_str().unwrap();
    let exe = Digest::of(b"checkout");
    let policy = format!(
        "version: 1\nmode: {mode}\ntrust:\n  domain: shop.example\n  keys:\n    \
         - jwk: {{kty: OKP, crv: Ed25519, kid: one, x: \"{x}\"}}\n      scope: {SCOPE}\n\
         processes:\n  - {{name: checkout, container: checkout, exe: [\"{exe}\"], path: /app/checkout}}\n\
         destinations:\n  - {{name: payments, hosts: [{PAYMENTS}], labels: {{segment: pci}}}}\n  \
         - {{name: inner, hosts: ['*.shop.svc.cluster.local']}}\n  \
         - {{name: ledger, hosts: [ledger.shop.svc.cluster.local], labels: {{segment: pci}}}}\nrules:{RULES}"
    );
    place.write("policy.yaml", policy.as_bytes());
    place.write("checkout", b"checkout");
    place.write("shell", b"shell");
    place
}

fn explain(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&["policy", "explain", "--policy", "policy.yaml", "--output", "json"][..], more].concat())
}

/// The exit code, the reason and the rule.
fn found(ran: &Ran) -> (i32, String, Option<String>) {
    let json = ran.json();
    let text = |name: &str| json[name].as_str().map(String::from);
    (ran.code, text("reason").unwrap(), text("rule"))
}

/// The conditions that fail.
fn failed(ran: &Ran) -> Vec<String> {
    let failed = ran.json()["compared"]["failed"].as_array().unwrap().clone();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    failed.iter().map(|failed| format!("{}: {}", text(&failed["field"]), text(&failed["what"]))).collect()
}

const CHARGE: [&str; 8] =
    ["--host", PAYMENTS, "--address", "10.4.0.9:8080", "--method", "POST", "--path", "/charge/1"];
const AS_CHECKOUT: [&str; 6] =
    ["--namespace", "shop", "--service-account", "checkout", "--container", "checkout"];

#[test]
fn what_a_rule_allows_is_explained_by_that_rule() {
    let place = shop("enforce");
    for who in [&["--process", "checkout"][..], &[&["--exe", "checkout"][..], &AS_CHECKOUT].concat()] {
        let ran = explain(&place, &[who, &CHARGE].concat());
        assert_eq!(found(&ran), (0, "allowed".into(), Some("checkout-pays".into())), "{ran:?}");
    }
    let line = ["policy", "explain", "--policy", "policy.yaml", "--process", "checkout"];
    let ran = place.run(&[&line[..], &CHARGE].concat());
    assert!(ran.out.starts_with("allowed\n") && ran.out.contains("rule       checkout-pays\n"), "{ran:?}");
}

#[test]
fn the_nearest_rule_is_shown_with_the_conditions_that_fail() {
    let place = shop("enforce");
    let near =
        ["--process", "checkout", "--host", PAYMENTS, "--address", "10.4.0.9:9090", "--path", "/charge/1"];
    let ran = explain(&place, &near);
    assert_eq!(found(&ran), (1, "no-matching-rule".into(), None));
    assert_eq!(ran.json()["compared"]["rule"], "checkout-pays");
    assert_eq!(failed(&ran), ["to.ports: the port is not in 8080", "to.methods: the method is not POST"]);
}

#[test]
fn any_rule_can_be_held_against_the_connection() {
    let place = shop("enforce");
    let against = |rule: &str, more: &[&str]| {
        let common = ["--process", "checkout", "--host", PAYMENTS, "--address", "10.4.0.9:9090"];
        failed(&explain(&place, &[&common[..], &["--rule", rule], more].concat()))
    };
    let same = "to.same: process and destination differ in the label segment";
    assert_eq!(against("same-segment", &[]), ["from.same: the process has no label segment", same]);
    assert!(against("same-segment", &["--label", "segment=pci"]).is_empty());
    assert_eq!(against("no-admin", &[]), ["to.ports: the port is not in 15000-15020"]);
    let elsewhere = "to.destination: the destination is not inner or ledger";
    assert_eq!(against("inner-pci", &[]), ["from.labels: the process lacks the label tier=ops", elsewhere]);
    assert_eq!(against("inner-pci", &["--label", "tier=ops"]), [elsewhere]);
    explain(&place, &["--process", "checkout", "--host", "x", "--rule", "none"]);
}

#[test]
fn each_kind_of_stranger_is_told_apart() {
    let place = shop("enforce");
    let reason = |who: &[&str]| found(&explain(&place, &[who, &CHARGE].concat())).1;
    assert_eq!(reason(&["--unidentified"]), "no-identity");
    assert_eq!(reason(&[&["--exe", "shell"][..], &AS_CHECKOUT].concat()), "unknown-process");
    let changed = ["--exe", "shell", "--name", "/app/checkout"];
    assert_eq!(reason(&[&changed[..], &AS_CHECKOUT].concat()), "code-changed");
    assert_eq!(reason(&["--process", "checkout", "--container", "sidecar"]), "wrong-container");
    assert_eq!(reason(&["--process", "checkout", "--namespace", "other"]), "outside-key-scope");
    let domain = ["--process", "checkout", "--trust-domain", "evil.example"];
    assert_eq!(reason(&domain), "outside-key-scope");
    let admin = ["--process", "checkout", "--host", PAYMENTS, "--address", "10.4.0.9:15000"];
    assert_eq!(found(&explain(&place, &admin)), (1, "denied-by-rule".into(), Some("no-admin".into())));
}

#[test]
fn a_captured_token_is_judged_as_the_filter_would() {
    let place = shop("enforce");
    let line =
        ["token", "mint", "--key", "one.private.jwk", "--exe", "checkout", "--trust-domain", "shop.example"];
    let connection = ["--src", "10.1.2.3:40000", "--dst", "10.4.0.9:8080"];
    let minted = place.run(&[&line[..], &AS_CHECKOUT, &connection].concat());
    let token = minted.out.trim_end();
    let reason =
        |more: &[&str]| found(&explain(&place, &[&["--token", token][..], &CHARGE, more].concat())).1;
    assert_eq!(reason(&[]), "allowed");
    assert_eq!(reason(&["--src", "10.1.2.3:40000"]), "allowed");
    assert_eq!(reason(&["--src", "10.1.2.3:40001"]), "wrong-source");
    assert_eq!(reason(&["--at", "2020-01-01T00:00:00Z"]), "not-yet-valid");
    let ran = place.run(&["token", "inspect", token, "--policy", "policy.yaml"]);
    assert!(ran.code == 0 && ran.out.starts_with("verified: "), "{ran:?}");
}

#[test]
fn audit_mode_is_said_and_is_no_leave() {
    let place = shop("audit");
    let line = ["policy", "explain", "--policy", "policy.yaml", "--unidentified", "--host", "x"];
    let ran = place.run(&line);
    assert_eq!(ran.code, 1);
    assert!(ran.out.starts_with("denied: no-identity (mode audit: it proceeds all the same)\n"), "{ran:?}");
}

#[test]
fn what_the_question_leaves_open_is_pointed_out() {
    let place = shop("enforce");
    let ran = place.run(&[
        "policy",
        "explain",
        "--policy",
        "policy.yaml",
        "--process",
        "checkout",
        "--host",
        PAYMENTS,
    ]);
    assert!(ran.err.contains("add --address") && ran.err.contains("add --method and --path"), "{ran:?}");
    assert!(
        explain(&place, &[&["--process", "checkout"][..], &CHARGE].concat()).json()["warnings"].is_null()
    );
}

#[test]
fn a_question_that_names_what_is_not_there_is_refused() {
    let place = shop("enforce");
    let ask =
        |more: &[&str]| place.run(&[&["policy", "explain", "--policy", "policy.yaml"][..], more].concat());
    for more in [
        &["--host", "x"][..],
        &["--process", "nobody", "--host", "x"],
        &["--process", "checkout", "--host", "x", "--rule", "none"],
        &["--exe", "checkout", "--host", "x"],
        &["--exe", "missing", "--host", "x"],
        &["--unidentified", "--process", "checkout", "--host", "x"],
        &["--process", "checkout", "--address", "payments:8080"],
        &["--process", "checkout", "--host", "x", "--src", "10.0.0.1:1"],
    ] {
        ask(more).refused();
    }
}

#[test]
fn every_mistake_is_a_finding_with_its_place_and_remedy() {
    let place = shop("enforce");
    let text = place.read("policy.yaml");
    let wrong = text.replace("mode: enforce", "mode: maybe").replace("process: checkout", "process: chekout");
    place.write("wrong.yaml", wrong.as_bytes());
    let ran = place.run(&["policy", "lint", "wrong.yaml"]);
    assert!(ran.code == 1 && ran.out.contains("wrong.yaml:2:1: mistake: mode: "), "{ran:?}");
    let ran = place.run(&["policy", "explain", "--policy", "wrong.yaml", "--unidentified", "--host", "x"]);
    assert!(ran.refused().starts_with("wrong.yaml:2:1: mode: "), "{ran:?}");
    let both = place.run(&["policy", "diff", "policy.yaml", "wrong.yaml"]);
    assert_eq!((both.code, both.err), (2, ran.err), "every verb tells it so");
}

#[test]
fn a_template_that_nobody_has_filled_in_is_told_as_one() {
    let place = shop("enforce");
    for (head, line) in [("mode: {{ .Values.mode }}", 2), ("{{- if .Values.procgate }}\nmode: enforce", 2)] {
        let text = place.read("policy.yaml").replace("mode: enforce", head);
        place.write("template.yaml", text.as_bytes());
        let ran = place.run(&["policy", "diff", "policy.yaml", "template.yaml"]);
        let told = format!("template.yaml:{line}: a template that nobody has filled in");
        assert!(ran.refused().starts_with(&told), "{ran:?}");
    }
    let text = place.read("policy.yaml").replace("mode: enforce", "mode: enforce # {{ no template }}\n}");
    place.write("comment.yaml", text.as_bytes());
    assert!(!place.run(&["policy", "diff", "policy.yaml", "comment.yaml"]).refused().contains("template"));
}

#[test]
fn a_policy_that_says_what_it_means_has_no_finding() {
    let place = shop("enforce");
    let ran = place.run(&["policy", "lint", "policy.yaml", "--fail-on", "warning"]);
    let out = ran.out.replace(" too: ", "\t").replace(" are below ", "\t");
    let shown: Vec<_> = out.lines().map(|line| line.split('\t').next().unwrap()).collect();
    // What a label says of a part of the cluster is worth a note, and no more.
    assert_eq!(
        shown,
        [
            "policy.yaml:12:27: note: destinations[1].hosts[0]: all services of a namespace",
            "policy.yaml:11:30: note: destinations[0].hosts[0]: is in inner (destinations[1])",
            "policy.yaml:13:28: note: destinations[2].hosts[0]: is in inner (destinations[1])",
            "policy.yaml: 3 findings",
        ],
        "{ran:?}"
    );
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

#[test]
fn a_finding_has_a_name_a_level_a_place_and_a_fix() {
    let place = shop("enforce");
    let text = place.read("policy.yaml");
    place.write("open.yaml", format!("{text}  - {{name: open, allow: {{}}}}\n").as_bytes());
    let ran = place.run(&["policy", "lint", "policy.yaml", "open.yaml", "--output", "json"]);
    let files = ran.json()["files"].clone();
    assert_eq!((ran.code, files[0]["findings"].as_array().unwrap().len()), (1, 3));
    let named = |id: &str| {
        let findings = files[1]["findings"].as_array().unwrap();
        findings.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("{files}")).clone()
    };
    let open = named("any-to-any");
    assert_eq!((open["severity"].as_str(), open["path"].as_str()), (Some("danger"), Some("rules[5].allow")));
    let last = place.read("open.yaml").lines().count();
    assert_eq!((open["line"].as_u64(), open["column"].as_u64()), (u64::try_from(last).ok(), Some(18)));
    assert!(open["problem"].is_string() && open["fix"].is_string());
}

#[test]
fn a_finding_below_the_level_asked_for_leaves_the_exit_code_alone() {
    let place = shop("enforce");
    let text = place.read("policy.yaml").replace("kid: one", "kid: 2024-01-01");
    place.write("old.yaml", text.as_bytes());
    let code = |more: &[&str]| place.run(&[&["policy", "lint", "old.yaml"][..], more].concat()).code;
    assert_eq!((code(&[]), code(&["--fail-on", "danger"])), (1, 0));
    assert_eq!(code(&["--at", "2024-02-01T00:00:00Z"]), 0);
}

#[test]
fn a_policy_behind_the_logs_is_taken_for_a_log_and_that_is_said() {
    let place = shop("enforce");
    let ran = place.run(&["policy", "lint", "--logs", "access.log", "policy.yaml"]);
    assert!(ran.refused().starts_with("--logs: takes all names behind it"), "{ran:?}");
    assert!(place.run(&["policy", "lint"]).refused().contains("<FILE>"));
}

#[test]
fn a_domain_that_strangers_share_is_pointed_out() {
    let place = shop("enforce");
    let policy = place
        .read("policy.yaml")
        .replace("'*.shop.svc.cluster.local'", "'*.com', '*.shop.example', '*.amazonaws.com'");
    place.write("policy.yaml", policy.as_bytes());
    let ran = place.run(&["policy", "lint", "policy.yaml"]);
    assert_eq!((ran.code, ran.out.matches("[wide-host]").count()), (1, 2), "{ran:?}");
    assert!(ran.out.contains("destinations[1].hosts[0]: strangers may have names below com: "), "{ran:?}");
}

#[test]
fn what_is_no_policy_is_a_finding_and_never_a_crash() {
    let place = Place::new();
    let deep = "[".repeat(100_000);
    let anchors = format!("a: &a [x,x]\n{}", "b: [*a,*a]\n".repeat(1000));
    for (name, bytes) in [
        ("empty.yaml", &b""[..]),
        ("empty.json", b"{"),
        ("latin.yaml", b"version: \xe9"),
        ("twice.json", br#"{"version":1,"version":1,"mode":"enforce"}"#),
        ("twice.yaml", b"version: 1\nversion: 1\n"),
        ("deep.json", deep.as_bytes()),
        ("deep.yaml", deep.as_bytes()),
        ("anchors.yaml", anchors.as_bytes()),
        ("terminal.yaml", b"\"\\e[2J\": 1"),
    ] {
        place.write(name, bytes);
        let ran = place.run(&["policy", "lint", name]);
        assert!(ran.code == 1 && ran.out.starts_with(name) && ran.out.contains(": mistake: "), "{ran:?}");
        assert!(!ran.out.contains('\u{1b}'), "{ran:?}");
        for machinery in ["struct ", "Err(", "::", "panicked"] {
            assert!(!ran.out.contains(machinery), "{ran:?}");
        }
    }
    place.write("junk", &vec![b'x'; 1_000_000]);
    assert_eq!(place.run(&["policy", "lint", "junk"]).code, 1);
}

#[test]
fn a_policy_that_cannot_be_read_exits_with_2() {
    let place = Place::new();
    for (name, what) in [("missing", "no such file"), (".", "is a directory")] {
        assert!(place.run(&["policy", "lint", name]).refused().contains(what));
    }
    place.write_with_mode("closed", b"version: 1", 0);
    assert!(place.run_as_a_stranger(&["policy", "lint", "closed"]).refused().contains("permission denied"));
}

#[test]
fn a_policy_may_be_piped_in() {
    let place = shop("enforce");
    let ran = place.run_with_input(&["policy", "lint", "-"], place.read("policy.yaml").as_bytes());
    assert!(ran.out.starts_with("-:12:"), "{ran:?}");
}

#[test]
fn logs_tell_which_rules_decided_nothing() {
    let place = shop("enforce");
    let record = r#"{"v":1,"time":"2026-11-23T14:45:57.000000001Z","id":"7f","mode":"enforce","decision":"allow","reason":"allowed","direction":"outbound","process":"checkout","rule":"checkout-pays"}"#;
    let line = serde_json::json!({"procgate": record}).to_string();
    place.write("access.log", format!("{line}\nnot a record\n").as_bytes());
    let line = ["policy", "lint", "policy.yaml", "--logs", "access.log"];
    let ran = place.run(&line);
    let idle: Vec<_> = ran.out.lines().filter(|line| line.ends_with("[not-hit]")).collect();
    assert!(idle.len() == 4 && !ran.out.contains("rules[0].allow: decided none"), "{ran:?}");
    assert!(ran.err.contains("access.log:2"), "{ran:?}");
    place.run(&[&line[..], &["--strict"]].concat()).refused();
    place.run(&["policy", "lint", "policy.yaml", "--logs", "missing.log"]).refused();
}
