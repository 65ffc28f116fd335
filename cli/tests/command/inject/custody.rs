//! Who can read the key.

use super::{injected_with, named, one, pod, refused, run, uninjected, value};
use crate::place::Place;
use serde_json::json;

#[test]
fn root_s_custody_changes_the_least_and_says_what() {
    let security = |context: &str, of_pod: &str| {
        pod(&format!("{{securityContext: {{{of_pod}}}, containers: [{{name: app, command: [a]{context}}}]}}"))
    };
    for (context, of_pod, expected, said) in [
        ("", "runAsUser: 1000, runAsGroup: 1000", json!({"runAsUser": 0}), "runAsUser is 0"),
        (
            ", securityContext: null",
            "runAsUser: 1000, runAsGroup: 1000",
            json!({"runAsUser": 0}),
            "runAsUser is 0",
        ),
        (
            ", securityContext: {runAsUser: 1000, runAsGroup: 1000, capabilities: {drop: [ALL]}, readOnlyRootFilesystem: true}",
            "runAsNonRoot: true",
            json!({"runAsUser": 0, "runAsGroup": 1000, "runAsNonRoot": false, "readOnlyRootFilesystem": true,
                   "capabilities": {"drop": ["ALL"], "add": ["SETUID", "SETGID"]}}),
            "runAsUser is 0, runAsNonRoot is false, SETUID added, SETGID added",
        ),
        (
            ", securityContext: {runAsUser: 1000, runAsGroup: 1000, runAsNonRoot: true, capabilities: {drop: [ALL], add: [CAP_SETUID, CHOWN]}}",
            "",
            json!({"runAsUser": 0, "runAsGroup": 1000, "runAsNonRoot": false,
                   "capabilities": {"drop": ["ALL"], "add": ["CAP_SETUID", "CHOWN", "SETGID"]}}),
            "SETGID added",
        ),
        // As YAML 1.1 and runtimes read it.
        (
            ", securityContext: {runAsUser: 1000, runAsGroup: 1000, runAsNonRoot: true, capabilities: {drop: [all], add: [cap_setuid]}}",
            "",
            json!({"runAsUser": 0, "runAsGroup": 1000, "runAsNonRoot": false,
                   "capabilities": {"drop": ["all"], "add": ["cap_setuid", "SETGID"]}}),
            "SETGID added",
        ),
    ] {
        let text = security(context, of_pod);
        let ran = injected_with(&text, &["--custody", "root"]);
        let document = value(&ran.out);
        let app = &document["spec"]["containers"][0];
        assert_eq!(app["securityContext"], expected);
        assert!(ran.err.contains(said) && !ran.err.contains("can read its key"), "{}", ran.err);
        assert_eq!(named(&app["env"], "PROCGATE_USER")["value"], "1000:1000");
        assert_eq!(named(&app["env"], "PROCGATE_STRICT")["value"], "true");
        let volume = named(&document["spec"]["volumes"], "procgate-key-app");
        assert_eq!(volume["projected"]["sources"][0]["secret"]["items"][0]["mode"], 0o400);
        assert_eq!(run(&Place::new(), "inject", &ran.out, &["--custody", "root"]).out, ran.out);
        assert_eq!(value(&uninjected(&ran.out)), value(&text));
    }
    for (of_pod, user, what) in [
        ("", None, "nothing says the user"),
        ("runAsUser: 1000", None, "nothing says the group"),
        ("runAsUser: 0", None, "root is the user"),
        ("fsGroup: 7", Some("app=1000:7"), "fsGroup is the group"),
    ] {
        let user = user.map_or(vec![], |user| vec!["--user", user]);
        let line = refused(&security("", of_pod), &[&["--custody", "root"], &user[..]].concat());
        assert!(line.contains(what), "{line}");
    }
    let ran = injected_with(&security("", "fsGroup: 7"), &["--custody", "root", "--user", "app=1000:1000"]);
    assert!(ran.err.contains("fsGroup and supplementalGroups do not hold"), "{}", ran.err);
}

#[test]
fn a_key_that_the_program_can_read_is_told_with_the_remedy() {
    for (user, mode, said) in [
        ("", 0o444, "the shim runs as its user"),
        ("runAsUser: 1000", 0o444, "the shim runs as its user"),
        ("runAsUser: 1000, fsGroup: 7", 0o400, "the shim runs as its user"),
        ("runAsUser: 0", 0o400, "both run as root"),
    ] {
        let ran = injected_with(
            &pod(&format!("{{securityContext: {{{user}}}, containers: [{{name: app, command: [a]}}]}}")),
            &[],
        );
        let volume = named(&value(&ran.out)["spec"]["volumes"], "procgate-key-app").clone();
        assert_eq!(volume["projected"]["sources"][0]["secret"]["items"][0]["mode"], mode, "{user}");
        assert!(ran.err.contains(said) && ran.err.contains("--custody root"), "{}", ran.err);
        assert!(ran.err.contains("note: standard input: document 1, line 3 (Pod checkout, container app): security context as it was"), "{}", ran.err);
    }
}

#[test]
fn a_manifest_does_not_undo_root_s_custody_by_its_own_variables() {
    let root = ["--custody", "root", "--user", "app=1000:1000"];
    for name in ["PROCGATE_KEY", "PROCGATE_USER", "PROCGATE_STRICT"] {
        let text = one(&format!("command: [a], env: [{{name: {name}, value: x}}]"));
        let line = refused(&text, &root);
        assert!(
            line.contains(&format!("line 3: --custody root: container app says {name} itself")),
            "{line}"
        );
    }
    let ran = injected_with(&one("command: [a], env: [{name: PROCGATE_CARRIER, value: alpn}]"), &root);
    assert!(ran.err.contains("says PROCGATE_CARRIER itself"), "{}", ran.err);
    let ran = injected_with(&one("command: [a], env: [{name: PROCGATE_KEY, value: x}]"), &[]);
    assert!(ran.err.contains("says PROCGATE_KEY itself"), "{}", ran.err);
}

#[test]
fn numbers_and_truth_are_read_as_kubernetes_reads_them() {
    let text = |context: &str| one(&format!("command: [a], securityContext: {{{context}}}"));
    let root = ["--custody", "root", "--user", "app=1000:1000"];
    for name in ["runAsUser", "runAsGroup"] {
        let line = refused(&text(&format!("{name}: 01750")), &root);
        assert!(line.contains(&format!("{name} is 01750")), "{line}");
    }
    let fs_group = pod("{securityContext: {fsGroup: 01750}, containers: [{name: app, command: [a]}]}");
    assert!(refused(&fs_group, &[]).contains("fsGroup is 01750"));
    let ran = injected_with(&text("runAsNonRoot: Yes"), &root);
    assert_eq!(value(&ran.out)["spec"]["containers"][0]["securityContext"]["runAsNonRoot"], json!(false));
    assert_eq!(uninjected(&ran.out), text("runAsNonRoot: true"));
}
