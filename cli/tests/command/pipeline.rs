//! What docs/pipeline.md shows is run: every command of both pipelines, in a repository of its own.

use crate::explain::record;
use crate::image::{Part, elf, layer, layout, tar};
use crate::place::Place;
use crate::policy::shop;
use procgate_identity::Digest;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../../docs/pipeline.md");

/// The YAML blocks of the page: the cases, GitHub's file, GitLab's file.
fn blocks() -> [&'static str; 3] {
    let blocks: Vec<&str> =
        PAGE.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    blocks.try_into().unwrap()
}

/// A repository with a policy on its main branch, and a change of it that allows GET too.
fn repository() -> Place {
    let place = shop("enforce");
    for line in [
        "init -q",
        "add policy.yaml",
        "-c user.name=t -c user.email=t@t.example commit -qm Policy",
        "update-ref refs/remotes/origin/main HEAD",
    ] {
        let git = Command::new("git").args(line.split(' ')).current_dir(place.path("")).status();
        assert!(git.expect("git is needed to try the pipelines").success(), "{line}");
    }
    let text = place.read("policy.yaml");
    place.write("policy.yaml", text.replace("methods: [POST]", "methods: [POST, GET]").as_bytes());
    place.write("cases.yaml", blocks()[0].as_bytes());
    place.write("access.log", (record("a-1", "allowed", "POST") + "\n").as_bytes());
    place
}

/// The exit code of one step, as the runners' shells are set.
fn run(place: &Place, script: &str) -> i32 {
    let bin = Path::new(env!("CARGO_BIN_EXE_procgate")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-e", "-o", "pipefail", "-c", script]).current_dir(place.path("")).env("PATH", path);
    for name in ["GITHUB_BASE_REF", "GITHUB_STEP_SUMMARY", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"] {
        shell.env_remove(name);
    }
    shell.status().unwrap().code().unwrap()
}

fn texts(values: &Value, of: fn(&Value) -> &Value) -> Vec<String> {
    let values = values.as_array().unwrap().iter().map(of);
    values.filter_map(|value| value.as_str().map(String::from)).collect()
}

#[test]
fn each_step_of_the_pipelines_passes_for_a_sound_change() {
    let github: Value = serde_saphyr::from_str(blocks()[1]).unwrap();
    let gitlab: Value = serde_saphyr::from_str(blocks()[2]).unwrap();
    let steps = texts(&github["jobs"]["policy"]["steps"], |step| &step["run"]);
    let script = texts(&gitlab["policy"]["script"], |line| line);
    assert_eq!((steps.len(), script.len()), (4, 5));
    for (steps, whole) in [(&steps, false), (&script, true)] {
        let place = repository();
        let steps = if whole { vec![steps.join("\n")] } else { steps.clone() };
        for step in steps {
            assert_eq!(run(&place, &step), 0, "{step}");
        }
        assert!(place.read("diff.txt").contains("newly allowed\n  now allowed by checkout-pays\n"));
    }
}

#[test]
fn a_change_that_breaks_a_case_stops_at_the_test() {
    let github: Value = serde_saphyr::from_str(blocks()[1]).unwrap();
    let steps = texts(&github["jobs"]["policy"]["steps"], |step| &step["run"]);
    let place = repository();
    let text = place.read("policy.yaml").replace("methods: [POST, GET]", "methods: [GET]");
    place.write("policy.yaml", text.as_bytes());
    let codes: Vec<i32> = steps.iter().map(|step| run(&place, step)).collect();
    assert_eq!(codes, [0, 1, 0, 1]);
}

#[test]
fn the_digests_of_a_new_build_become_a_patch_after_which_both_builds_pass() {
    let place = repository();
    let propose = PAGE.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let app = elf("the new build");
    layout(&place, &[layer(&[Part::Folder("app"), Part::File("app/checkout", &app, 0o755)])]);
    tar(&place, &["-cf", "app.tar", "-C", "image", "."]);
    assert_eq!(run(&place, &format!("git checkout -q policy.yaml\n{propose}")), 0);
    let patch = place.read("policy.patch");
    let changed = |sign| patch.lines().filter(|line| line.starts_with(sign)).count();
    // The line, and the file's name.
    assert_eq!((changed("+"), changed("-")), (2, 2), "{patch}");
    assert_eq!(run(&place, "git checkout -q policy.yaml && git apply policy.patch"), 0);
    for exe in [Digest::of(&app), Digest::of(b"checkout")] {
        let who = format!(
            "from: {{exe: \"{exe}\", namespace: shop, serviceAccount: checkout, container: checkout}}"
        );
        let cases = blocks()[0].replacen("from: {process: checkout}", &who, 1);
        place.write("cases.yaml", cases.as_bytes());
        assert_eq!(run(&place, "procgate policy test --policy policy.yaml cases.yaml"), 0, "{exe}");
    }
}
