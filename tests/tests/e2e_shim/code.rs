//! The code list: what is on it may come late, and nothing else may come at all.

use crate::interpreter::Interpreter;
use procgate_policy::Reason;

#[test]
fn code_that_is_loaded_late_stays_covered() {
    let Some(python) = Interpreter::start() else { return };
    let (url, listed) = (python.url("/charge/late"), python.listed.to_str().unwrap());
    let steps = [
        ["mapped", "_sqlite3"],
        ["get", &url],
        ["import", "sqlite3"],
        ["mapped", "_sqlite3"],
        ["get", &url],
        ["import", "ssl"],
        ["resolve", "localhost"],
        ["get", &url],
        ["open", listed],
        ["mapped", listed],
        ["get", &url],
    ];
    let expected =
        ["False", "200", "imported", "True", "200", "imported", "resolved", "200", "opened", "True", "200"];
    assert_eq!(python.does(&steps.concat()), expected);
}

#[test]
fn a_library_from_elsewhere_ends_the_coverage_when_it_is_opened() {
    let Some(python) = Interpreter::start() else { return };
    let (url, unlisted) = (python.url("/charge/opened"), python.unlisted.to_str().unwrap());
    let steps = ["get", &url, "open", unlisted, "get", &url];
    assert_eq!(python.does(&steps), ["200", "opened", "403"]);
    let denied = python.pod.envoy.record("the denial", |record| record.reason == Reason::CodeChanged);
    assert_eq!(denied.stray.map(|(path, _)| path.into_owned()).as_deref(), Some(unlisted));
}

#[test]
fn a_library_that_is_rewritten_in_place_ends_the_coverage() {
    let Some(python) = Interpreter::start() else { return };
    let (url, listed) = (python.url("/charge/rewritten"), python.listed.to_str().unwrap());
    let steps = ["open", listed, "get", &url, "rewrite", listed, "get", &url];
    assert_eq!(python.does(&steps), ["opened", "200", "rewritten", "403"]);
    let denied = python.pod.envoy.record("the denial", |record| record.reason == Reason::CodeChanged);
    assert_eq!(denied.stray.map(|(path, _)| path.into_owned()).as_deref(), Some(listed));
}

#[test]
fn a_preloaded_library_from_elsewhere_is_never_covered() {
    let Some(python) = Interpreter::start() else { return };
    let url = python.url("/charge/preloaded");
    for (library, status) in [(&python.listed, "200"), (&python.unlisted, "403")] {
        let mut command = python.command(&["get", &url]);
        let finished = procgate_tests::process::succeed(command.env("LD_PRELOAD", library));
        assert_eq!(finished.stdout.trim_end(), status, "{}", library.display());
    }
}
