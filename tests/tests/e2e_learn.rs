//! A policy's first life with a real Envoy: audit, learn, enforce.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails loudly"
)]

use procgate_tests::envoy::{Envoy, Setup};
use procgate_tests::pod::{Confinement, Pod, folder, policy};
use procgate_tests::process::succeed;
use procgate_tests::program::Program;
use procgate_tests::stage::curl_arguments;
use procgate_tests::tools;
use procgate_tests::until::until;
use procgate_tests::wire;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const PATHS: [&str; 4] = ["/charge/1", "/charge/2", "/charge/17/void", "/health"];

fn procgate(line: &[&str], files: &[&Path]) -> Output {
    Command::new(tools::cli()).args(line).args(files).output().unwrap()
}

/// Asks for these paths by this program under the shim, and gives the status of each.
fn ask(pod: &Pod, program: &Program, envoy: &Envoy, paths: &[&str]) -> Vec<String> {
    let mut command = pod.shim(program, Confinement::best(), &[envoy.address()]);
    command.arg(&program.path).args(curl_arguments(envoy.address(), paths));
    let printed = succeed(&mut command).stdout;
    printed.lines().filter(|line| line.len() == 3 && line.parse::<u16>().is_ok()).map(Into::into).collect()
}

#[test]
fn what_audit_saw_is_learnt_and_then_enforced() {
    let Some(curl) = tools::client("curl") else {
        assert!(std::env::var_os("CI").is_none(), "curl is missing");
        return;
    };
    let folder = folder();
    let [checkout, stranger] = ["checkout", "stranger"].map(|name| Program::like(&curl, folder.path(), name));
    let pod = Pod::start(folder, &[&checkout]);
    let trust = policy("audit", &[&pod.key], &[])["trust"].clone();
    let begun = pod.folder().join("policy.yaml");
    fs::write(&begun, format!("# before anything was seen\nversion: 1\nmode: audit\ntrust: {trust}\n"))
        .unwrap();
    let mut auditing = Envoy::start(Setup::new(
        json!({"version": 1, "mode": "audit", "trust": trust}),
        pod.upstream.address(),
    ));

    assert_eq!(ask(&pod, &checkout, &auditing, &PATHS), ["200"; 4]);
    assert_eq!(ask(&pod, &stranger, &auditing, &["/charge/3"]), ["200"]);
    assert_eq!(wire::fetch(auditing.address(), "/charge/4").status, 200);
    until("six records", || (auditing.records().len() >= 6).then_some(()));

    let learnt = learn(&begun, &auditing.access_log_file());
    let names =
        |list: &Value| list.as_array().unwrap().iter().map(|item| item["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&learnt["processes"]), ["checkout"], "{learnt}");
    assert_eq!(learnt["review"][0]["name"], stranger.path.to_str().unwrap());
    assert_eq!(learnt["unverified"]["no-identity"]["count"], 1);
    let paths = &learnt["policy"]["rules"][0]["allow"]["to"]["paths"];
    assert_eq!(*paths, json!(["/charge/*", "/charge/*/void", "/health"]));

    let mut enforced = learnt["policy"].clone();
    enforced["mode"] = "enforce".into();
    let file = pod.folder().join("enforced.json");
    fs::write(&file, enforced.to_string()).unwrap();
    let lint = procgate(&["policy", "lint"], &[&file]);
    assert!(lint.status.success(), "{}", String::from_utf8_lossy(&lint.stdout));
    let simulated = procgate(
        &["policy", "simulate", "--output", "json", "--fail-on", "newly-denied"],
        &[&file, &auditing.access_log_file()],
    );
    let simulated: Value = serde_json::from_slice(&simulated.stdout).unwrap();
    assert_eq!((&simulated["newly_allowed"], &simulated["newly_denied"]), (&4.into(), &0.into()));

    // At the same place, for ports are learnt too.
    auditing.write_policy(&enforced);
    until("the policy in force", || {
        (wire::fetch(auditing.address(), "/charge/1").status == 403).then_some(())
    });
    assert_eq!(ask(&pod, &checkout, &auditing, &PATHS), ["200"; 4]);
    assert_eq!(ask(&pod, &checkout, &auditing, &["/refund/1"]), ["403"]);
    assert_eq!(ask(&pod, &stranger, &auditing, &["/charge/1"]), ["403"]);
}

fn learn(policy: &Path, log: &Path) -> Value {
    let ran = procgate(&["policy", "learn", "--output", "json", "--merge"], &[policy, log]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// The most memory that a running process has had, in kilobytes.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn memory_goes_by_flows_and_not_by_records() {
    const FLOWS: usize = 5_000;
    let line = |flow: usize| {
        let record = json!({
            "v": 1, "time": "2026-11-23T14:45:57.000000001Z", "id": "7f", "mode": "audit", "decision": "deny",
            "reason": "no-matching-rule", "direction": "outbound", "carrier": "header",
            "sub": format!("spiffe://shop.example/ns/shop/sa/s/container/c{}", flow % 50),
            "exe": format!("sha256:{:064x}", flow % 50), "name": format!("/app/{}", flow % 50),
            "destination": {"host": format!("h{}.shop.svc.cluster.local", flow / 50), "ip": "10.4.0.9", "port": 8080},
            "method": "POST", "path": format!("/charge/{flow}"),
        });
        format!("{}\n", json!({"start_time": "2026-11-23T14:45:57Z", "procgate": record.to_string()}))
    };
    let block: String = (0..FLOWS).map(line).collect();
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary.ndjson");
    let mut learning = Command::new(tools::cli())
        .args(["policy", "learn", "-", "--partial"])
        .arg(&summary)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut log = learning.stdin.take().unwrap();
    let mut feed = |blocks: usize| {
        (0..blocks).for_each(|_| log.write_all(block.as_bytes()).unwrap());
        peak(learning.id())
    };
    let few = feed(10);
    let many = feed(190);
    drop(log);
    assert!(learning.wait().unwrap().success());
    assert!(
        many < 100_000 && many < few + 10_000,
        "{few} kB after 50,000 records, {many} kB after 1,000,000"
    );
    // And a line that tells of which hours there are records.
    assert_eq!(fs::read_to_string(summary).unwrap().lines().count(), FLOWS + 1);
}
