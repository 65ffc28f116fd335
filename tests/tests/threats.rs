//! docs/threats.md says what is held, and by which test. Here it is held to that.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails loudly")]

use procgate_policy::Reason;
use procgate_tests::tools::project;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Below that a reason says nothing.
const WORDS: usize = 8;

/// A row of the page's tables.
struct Row {
    attack: String,
    outcome: String,
    state: String,
}

/// A test that the page names, and where it says that it is.
struct Named<'a> {
    test: &'a str,
    file: &'a str,
}

fn rows(page: &str) -> Vec<Row> {
    let cells = |line: &str| {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    let body = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| attack |"));
    body.map(|line| {
        let Ok([attack, outcome, state]) = <[String; 3]>::try_from(cells(line)) else {
            panic!("not three cells: {line}")
        };
        Row { attack, outcome, state }
    })
    .collect()
}

/// The links in a cell: `[test](../file)`.
fn named(cell: &str) -> Vec<Named<'_>> {
    let links = cell.split('[').skip(1).map(|link| {
        let (test, rest) = link.split_once("](../").unwrap_or_else(|| panic!("not a link to a file: {link}"));
        Named { test, file: rest.split(')').next().unwrap() }
    });
    links.collect()
}

/// Whether a file has this test: a function that is marked as one and not ignored, or a trial of this name.
fn has(text: &str, test: &str) -> bool {
    let function = format!("fn {test}(");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_marked = |at: usize| {
        let above = lines[..at].iter().rev();
        let above: Vec<_> =
            above.take_while(|line| line.starts_with("#[") || line.starts_with("//")).collect();
        above.contains(&&"#[test]") && !above.iter().any(|line| line.starts_with("#[ignore"))
    };
    let of_a_suite = [format!("\"{test}\","), format!("\"{test}{{")];
    lines.iter().enumerate().any(|(at, line)| line.starts_with(&function) && is_marked(at))
        || of_a_suite.iter().any(|name| text.contains(name))
}

fn page() -> String {
    fs::read_to_string(project().join("docs/threats.md")).unwrap()
}

#[test]
fn every_row_is_held_by_tests_that_are_there_or_told_with_its_reason() {
    let rows = rows(&page());
    let mut files = BTreeMap::new();
    for Row { attack, outcome, state } in &rows {
        assert!(!attack.is_empty() && !outcome.is_empty(), "an empty cell: {attack} {outcome}");
        if let Some(tests) = state.strip_prefix("held: ") {
            let named = named(tests);
            assert!(!named.is_empty(), "{attack}: held by nothing");
            for Named { test, file } in named {
                let text = files.entry(file.to_owned()).or_insert_with(|| read(&project().join(file)));
                assert!(has(text, test), "{attack}: {file} has no test {test}");
            }
        } else if let Some(reason) = state.strip_prefix("told: ") {
            assert!(reason.split_whitespace().count() >= WORDS, "{attack}: why, and what to do?");
        } else {
            panic!("{attack}: neither held nor told: {state}");
        }
    }
    let held = rows.iter().filter(|row| row.state.starts_with("held: ")).count();
    assert!(held >= 30 && rows.len() > held, "{held} of {} rows are held", rows.len());
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// What the proxy may answer is what somebody has tried.
#[test]
fn every_reason_for_a_denial_is_the_outcome_of_some_attack() {
    let outcomes: String = rows(&page()).into_iter().map(|row| row.outcome).collect();
    // What is no attack, and what is never sent on purpose.
    let others = ["allowed", "no-matching-rule", "denied-by-rule", "internal"];
    for reason in Reason::ALL.map(Reason::code) {
        let wanted = format!("`{reason}`");
        assert!(others.contains(&reason) || outcomes.contains(&wanted), "no row ends in {reason}");
    }
}

#[test]
fn a_test_that_is_not_one_is_noticed() {
    let text = "#[test]\nfn one() {}\nfn two() {}\n#[test]\n#[cfg(unix)]\n/// Why.\nfn three() {}\nfour();\n\"five\",\n\
                #[test]\n#[ignore = \"slow\"]\nfn six() {}\n#[ignore]\n#[test]\nfn seven() {}";
    for test in ["one", "two", "three", "four", "five", "six", "seven"] {
        assert_eq!(has(text, test), ["one", "three", "five"].contains(&test), "{test}");
    }
}
