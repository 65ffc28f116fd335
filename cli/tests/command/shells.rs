//! `procgate completions` and `procgate man`: made of the definitions that the command line is read with.

use crate::place::Place;
use std::fs;
use std::process::Command;
use std::time::Instant;

/// The verbs that a help page lists.
fn verbs(place: &Place, line: &[&str]) -> Vec<String> {
    let help = place.run(&[line, &["--help"]].concat()).out;
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = listed.lines().take_while(|line| line.starts_with("  "));
    // A long description goes on below, further in.
    let first = lines.filter(|line| !line.starts_with("   "));
    first.filter_map(|line| line.split_whitespace().next().map(String::from)).collect()
}

/// What bash offers behind these words.
fn completed(place: &Place, words: &[&str]) -> Vec<String> {
    place.write("procgate.bash", place.run(&["completions", "bash"]).out.as_bytes());
    let (last, before) = words.split_last().unwrap();
    let script = format!(
        "source ./procgate.bash; COMP_WORDS=(procgate {words}); COMP_CWORD={count}; \
         _procgate procgate '{last}' '{previous}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        count = words.len(),
        previous = before.last().unwrap_or(&"procgate"),
    );
    let bash = Command::new("bash").args(["--norc", "-c", &script]).current_dir(place.path("")).output();
    let out = bash.unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{out:?}");
    String::from_utf8(out.stdout).unwrap().lines().map(String::from).collect()
}

#[test]
fn bash_completes_verbs_options_and_values() {
    let place = Place::new();
    assert_eq!(completed(&place, &["keyg"]), ["keygen"]);
    assert_eq!(completed(&place, &["policy", "li"]), ["lint"]);
    assert_eq!(completed(&place, &["policy", "lint", "--fail"]), ["--fail-on"]);
    let levels = completed(&place, &["policy", "lint", "--fail-on", ""]);
    assert_eq!(levels, ["note", "warning", "danger", "mistake"]);
}

#[test]
fn each_shell_is_told_every_verb() {
    let place = Place::new();
    let verbs = verbs(&place, &[]);
    assert!(verbs.len() >= 5, "{verbs:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&["completions", shell]).out;
        for verb in &verbs {
            assert!(script.contains(verb.as_str()), "{shell}: {verb}");
        }
    }
    place.run(&["completions", "tcl"]).refused();
}

#[test]
fn each_verb_has_a_page_with_its_options_and_its_example() {
    let place = Place::new();
    fs::create_dir(place.path("man")).unwrap();
    let written = place.run(&["man", "--out", "man"]);
    assert_eq!(written.code, 0, "{written:?}");
    let mut pages = 1;
    for verb in verbs(&place, &[]) {
        let mut lines = vec![vec![verb.as_str()]];
        let below = verbs(&place, &[&verb]);
        lines.extend(below.iter().map(|below| vec![verb.as_str(), below.as_str()]));
        for line in lines {
            pages += 1;
            let page = place.read(format!("man/procgate-{}.1", line.join("-"))).replace("\\-", "-");
            let help = place.run(&[&line[..], &["--help"]].concat()).out;
            let options = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
            for option in options.map(|word| word.trim_end_matches(|letter: char| !letter.is_alphanumeric()))
            {
                assert!(page.contains(option), "{line:?}: {option}");
            }
        }
    }
    assert_eq!(fs::read_dir(place.path("man")).unwrap().count(), pages);
    assert!(place.read("man/procgate-digest.1").contains("procgate digest \\-\\-tree"));
    for (page, names) in [
        ("simulate", "<\\fICANDIDATE\\fR> <\\fILOG\\fR>..."),
        ("lint", "[\\fIFILE\\fR]..."),
        ("explain", "[\\fILOG\\fR]..."),
    ] {
        let page = place.read(format!("man/procgate-policy-{page}.1"));
        assert!(page.matches(names).count() >= 1, "{names}: {page}");
    }
}

#[test]
fn a_page_that_cannot_be_written_is_named() {
    let place = Place::new();
    place.run(&["man", "--out", "missing"]).refused();
    place.run(&["man"]).refused();
}

#[test]
fn whoever_is_interrupted_leaves_whole_files_and_nothing_else() {
    let place = Place::new();
    fs::create_dir(place.path("whole")).unwrap();
    let began = Instant::now();
    place.run(&["man", "--out", "whole"]);
    let whole = began.elapsed();
    let mut cut_short = 0;
    for part in 0..60 {
        fs::create_dir(place.path("man")).unwrap();
        let interrupted = place.interrupt(&["man", "--out", "man"], whole * part / 60);
        let names: Vec<_> = fs::read_dir(place.path("man"))
            .unwrap()
            .map(|page| page.unwrap().file_name().into_string().unwrap())
            .collect();
        for name in &names {
            assert_eq!(place.read(format!("man/{name}")), place.read(format!("whole/{name}")), "{name}");
        }
        cut_short += usize::from(interrupted && !names.is_empty());
        fs::remove_dir_all(place.path("man")).unwrap();
    }
    assert!(cut_short > 0, "none of the runs was interrupted between two files");
}
