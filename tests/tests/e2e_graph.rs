//! The page of `procgate graph`, used in Chromium as a person does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails loudly"
)]

use procgate_identity::Digest;
use procgate_tests::process::run;
use procgate_tests::tokens::{DOMAIN, Key, SCOPE};
use procgate_tests::tools;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// 2026-11-23T14:00:00Z and 86 further minutes are in the logs.
const MINUTES: usize = 87;
/// What somebody might choose as a name to get into the page.
const HOSTILE: [&str; 4] = [
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "\u{202e}gpj.exe\u{1b}[2J",
    "<!--<script>",
];

fn record(number: usize, process: &str, host: &str, outcome: &str) -> Value {
    let time =
        format!("2026-11-23T{:02}:{:02}:00.000000000Z", 14 + number % MINUTES / 60, number % MINUTES % 60);
    let mut record = json!({
        "v": 1, "time": time, "id": format!("0123456789ab-{number}"), "mode": "enforce", "decision": "allow",
        "reason": "allowed", "direction": "outbound", "carrier": "header",
        "sub": format!("spiffe://{DOMAIN}/ns/shop/sa/{process}/container/{process}"), "process": process,
        "exe": Digest::of(process.as_bytes()).to_string(), "name": format!("/app/{process}"),
        "rule": "checkout-pays", "method": "POST", "path": format!("/charge/{number}"),
        "destination": {"host": host, "ip": "10.4.0.9", "port": 8080},
    });
    let fields = record.as_object_mut().unwrap();
    if outcome != "allowed" {
        fields.insert("decision".into(), "deny".into());
        fields.insert("reason".into(), "no-matching-rule".into());
        fields.remove("rule");
        fields.insert("nearest".into(), "checkout-pays".into());
    }
    if outcome == "audit" {
        fields.insert("mode".into(), "audit".into());
    }
    if outcome == "unidentified" {
        fields.insert("reason".into(), "no-identity".into());
        for name in ["sub", "process", "exe", "name", "carrier", "nearest"] {
            fields.remove(name);
        }
    }
    record
}

fn log(records: impl Iterator<Item = Value>) -> String {
    records.map(|record| record.to_string() + "\n").collect()
}

/// Every outcome, and names that somebody chose.
fn small() -> String {
    let honest = (0..60).map(|number| {
        let process = ["checkout", "cart", "mailer"][number % 3];
        let host = ["payments.shop.svc", "db.shop.svc", "mail.example", "cache.shop.svc"][number % 4];
        let outcome =
            ["allowed", "allowed", "allowed", "denied", "allowed", "audit", "unidentified"][number % 7];
        record(number, process, host, outcome)
    });
    let hostile = HOSTILE.iter().enumerate().map(|(number, name)| {
        let mut record = record(number, "cart", name, "audit");
        record["name"] = json!(name);
        record["process"] = Value::Null;
        record["detail"] = json!(name);
        record
    });
    log(honest.chain(hostile))
}

/// 2,000 destinations of a dozen processes, two flows to each.
fn large() -> String {
    log((0..4_000).map(|number| {
        let process = format!("service-{}", (number % 2_000 + number / 2_000 * 5) % 12);
        let outcome = if number % 50 == 0 { "denied" } else { "allowed" };
        record(number, &process, &format!("svc-{}.shop.svc", number % 2_000), outcome)
    }))
}

fn draw(folder: &Path, name: &str, log: &str) -> PathBuf {
    let (log_file, page) = (folder.join(format!("{name}.log")), folder.join(format!("{name}.html")));
    fs::write(&log_file, log).unwrap();
    let mut command = Command::new(tools::cli());
    command
        .arg("graph")
        .arg("--policy")
        .arg(folder.join("policy.json"))
        .arg("--out")
        .arg(&page)
        .arg(log_file);
    let finished = run(&mut command);
    assert!(finished.status.success(), "{finished}");
    page
}

/// Draws a log and has a test in the browser look at the page. Nothing where a program is missing.
fn look(test: &str, name: &str, log: &str) {
    let programs = ["node", "puppeteer", "chromium"].map(tools::client);
    let [Some(node), Some(puppeteer), Some(chromium)] = programs else { return };
    let folder = tempfile::tempdir().unwrap();
    let policy = json!({
        "version": 1, "mode": "enforce", "trust": {"domain": DOMAIN, "keys": [Key::new("one").trusted_for(SCOPE)]},
        "processes": [{"name": "checkout", "exe": [Digest::of(b"checkout").to_string()]}],
        "destinations": [{"name": "payments", "hosts": ["payments.shop.svc"]}],
        "rules": [{"name": "checkout-pays", "allow": {
            "from": {"process": "checkout"}, "to": {"destination": "payments"},
        }}],
    });
    fs::write(folder.path().join("policy.json"), policy.to_string()).unwrap();
    let page = draw(folder.path(), name, log);
    // Where somebody wants to see it: PROCGATE_PICTURES=/tmp cargo test …
    let pictures = std::env::var_os("PROCGATE_PICTURES").map_or_else(|| folder.path().into(), PathBuf::from);
    let script = tools::project().join("tests/browser").join(test);
    let finished = run(Command::new(node).arg(script).arg(puppeteer).arg(chromium).arg(page).arg(pictures));
    assert!(finished.status.success(), "{finished}");
    eprintln!("{}", finished.stdout);
}

#[test]
fn a_person_finds_the_way_through_the_page_with_mouse_and_keyboard() {
    look("use.mjs", "small", &small());
}

#[test]
fn a_page_of_2_000_nodes_can_be_moved_and_filtered() {
    look("large.mjs", "large", &large());
}
