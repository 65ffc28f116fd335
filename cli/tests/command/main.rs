//! The `procgate` command as somebody runs it: what it prints, leaves behind and exits with.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails loudly"
)]

mod cases;
mod diff;
mod digest;
mod doctor;
mod explain;
mod graph;
mod image;
mod inject;
mod istio;
mod keygen;
mod learn;
mod learn_doubts;
mod learn_duckdb;
mod learn_parts;
mod learn_text;
mod learn_time;
mod logs;
mod pin;
mod pipeline;
mod place;
mod policy;
mod progress;
mod sarif;
mod shells;
mod simulate;
#[allow(dead_code, unreachable_pub, reason = "it is a module of the package procgate-tests too")]
#[path = "../../../tests/src/skip.rs"]
mod skip;
mod token;

use place::Place;

#[test]
fn help_and_version_are_answers_and_exit_with_0() {
    let place = Place::new();
    for line in [&["--help"][..], &["--version"], &["keygen", "--help"], &["token", "inspect", "-h"]] {
        let ran = place.run(line);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{line:?}");
        assert!(!ran.out.is_empty());
    }
}

#[test]
fn a_mistake_on_the_line_exits_with_2_and_one_line() {
    let place = Place::new();
    for line in [
        &["kegen"][..],
        &["digest", "x", "--output", "sarif"],
        &["keygen"],
        &["keygen", "--kid", "two words"],
        &["keygen", "--kid", "a", "--scope", "shop.example"],
        &["digest"],
        &["digest", "--tree", ".", "file"],
        &["digest", "--pid", "0"],
        &["digest", "--pid", "many"],
        &["token", "inspect", "x", "--key", "k"],
        &["token", "inspect", "x", "--src", "10.0.0.1:1"],
        &["token", "inspect", "x", "--at", "noon"],
        &["--output", "yaml", "digest", "x"],
    ] {
        place.run(line).refused();
    }
}

#[test]
fn errors_are_json_where_json_was_asked_for() {
    let place = Place::new();
    for line in [&["--output", "json", "digest", "missing"][..], &["digest", "--output=json", "--pid", "x"]] {
        let ran = place.run(line);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        let error: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
        assert!(error["errors"][0]["what"].is_string(), "{error}");
    }
}

#[test]
fn what_a_stranger_wrote_reaches_the_terminal_escaped() {
    let place = Place::new();
    for name in ["\u{1b}[2Jx", "x\rprocgate: all is well", "\u{202e}gpj.exe"] {
        for line in [
            &["digest", name][..],
            &["keygen", "--kid", name],
            &["token", "mint", name],
            &[name],
            &["digest", name, "--output", "json"],
        ] {
            let ran = place.run(line);
            let obeyed = |c: char| c == '\r' || c == '\u{1b}' || c == '\u{202e}';
            assert!(ran.code == 2 && !ran.err.contains(obeyed), "{line:?}: {:?}", ran.err);
        }
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let place = Place::new();
    place.write("file", b"x");
    let files = vec!["file"; 3_000];
    let line = [&["digest"][..], &files].concat();
    assert_eq!(place.run_into_closed_pipe(&line).code, 0);
}
