//! The demo as somebody runs it: all is as promised, and nothing of it goes on running.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails loudly")]

use procgate_tests::process::run;
use procgate_tests::skip::is_root_for;
use procgate_tests::tools;
use procgate_tests::until::until;
use std::fs;
use std::process::Command;

const DEMO: &str = env!("CARGO_BIN_EXE_demo");
/// Whatever it starts has this in its environment.
const MARK: &str = "PROCGATE_DEMO_OF_TEST";

/// Runs it to its end; gives how many of its lines were skipped.
fn kept(command: &mut Command, mark: &str) -> u32 {
    // So that who may not install it has not to look for it.
    command.env(MARK, mark).env("PROCGATE_ENVOY", tools::envoy());
    let finished = run(command);
    let words: Vec<_> = finished.stdout.lines().last().unwrap_or_default().split_whitespace().collect();
    let [kept, "as", "promised,", "0", "not,", skipped, "skipped,", "in", ..] = words[..] else {
        panic!("{finished}")
    };
    assert!(finished.status.success() && kept != "0", "{finished}");
    // What was killed is there for a moment still.
    until("nothing of it to run", || left(mark).is_empty().then_some(()));
    skipped.parse().unwrap()
}

/// Processes that have this mark, by their command lines.
fn left(mark: &str) -> Vec<String> {
    let wanted = format!("{MARK}={mark}");
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let has_it =
        |environment: Vec<u8>| environment.split(|byte| *byte == 0).any(|one| one == wanted.as_bytes());
    let left = processes.filter(|process| fs::read(process.join("environ")).is_ok_and(has_it));
    left.map(|process| fs::read_to_string(process.join("cmdline")).unwrap_or_default()).collect()
}

#[test]
fn the_demo_is_as_promised_and_leaves_nothing_running() {
    let skipped = kept(&mut Command::new(DEMO), "own");
    assert!(skipped == 0 || !is_root_for("the demo's pod of network namespaces"), "{skipped} skipped");
}

/// Another user than root, who is let into root's home, where the programs may be.
#[test]
fn whoever_is_not_root_sees_all_of_the_demo_but_what_takes_root() {
    if !is_root_for("becoming another user") {
        return;
    }
    let mut nobody = Command::new("setpriv");
    nobody.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", "+dac_read_search"]);
    let skipped = kept(nobody.args(["--ambient-caps", "+dac_read_search", "--", DEMO]), "nobody");
    assert!(skipped >= 1, "the pod of network namespaces takes root");
}
