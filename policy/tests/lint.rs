//! Lint: for each kind a policy that has it, at its place, and one that only looks like it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may")]

mod support;

use procgate_identity::{UnixNanos, UnixSeconds};
use procgate_policy::Policy;
use procgate_policy::lint::{LintFinding, LintId, Severity, lint};
use std::collections::BTreeSet;
use support::{TRUST, digest, policy};

const NOW: UnixSeconds = UnixNanos(1_800_000_000_000_000_000).seconds();

/// Findings of a policy with two processes, two labelled destinations and these rules.
fn rules(rules: &str) -> Vec<LintFinding> {
    let (a, b) = (digest("a"), digest("b"));
    let policy = policy(
        "enforce",
        &format!(
            r#""processes":[{{"name":"a","exe":["{a}"]}},{{"name":"b","exe":["{b}"]}}],
               "destinations":[
                 {{"name":"p","hosts":["x.p.ex"],"cidrs":["10.1.0.0/16"],"labels":{{"seg":"pci"}}}},
                 {{"name":"wide","hosts":["*.p.ex"],"cidrs":["10.0.0.0/8"],"labels":{{"seg":"web"}}}}],
               "rules":[{rules},{{"name":"use-all","allow":{{"from":{{"process":["a","b"]}},"to":{{"destination":["p","wide"],"ports":[9]}}}}}}]"#
        ),
    );
    lint(policy.model(), Some(NOW))
}

fn kinds(found: &[LintFinding]) -> Vec<(LintId, &str)> {
    found.iter().map(|finding| (finding.id, finding.path.as_str())).collect()
}

#[test]
fn each_kind_of_rule_is_found_at_its_place_and_its_likeness_is_not() {
    for (given, expected) in [
        (r#"{"name":"r","allow":{}}"#, Some((LintId::AnyToAny, "rules[0].allow"))),
        (r#"{"name":"r","allow":{"to":{"ports":[1]}}}"#, None),
        (r#"{"name":"r","allow":{"from":{"process":"a"}}}"#, None),
        (r#"{"name":"r","deny":{"to":{"ports":[1]}}}"#, None),
        (
            r#"{"name":"r","allow":{"from":{"unidentified":true},"to":{"ports":[1]}}}"#,
            Some((LintId::Unidentified, "rules[0].allow.from.unidentified")),
        ),
        (r#"{"name":"r","deny":{"from":{"unidentified":true}}}"#, None),
        (
            r#"{"name":"r","allow":{"from":{"process":"a"},"to":{"destination":"p","labels":{"seg":"web"}}}}"#,
            Some((LintId::NeverMatches, "rules[0].allow.to")),
        ),
        (
            r#"{"name":"r","allow":{"from":{"process":"a"},"to":{"destination":"p","labels":{"seg":"pci"}}}}"#,
            None,
        ),
        (
            r#"{"name":"r","allow":{"from":{"same":"tier"},"to":{"same":"tier"}}}"#,
            Some((LintId::NeverMatches, "rules[0].allow.to")),
        ),
        (r#"{"name":"r","allow":{"from":{"same":"seg"},"to":{"same":"seg"}}}"#, None),
        (
            r#"{"name":"r","allow":{"from":{"process":"a"},"to":{"methods":["GET","post"]}}}"#,
            Some((LintId::MethodCase, "rules[0].allow.to.methods[1]")),
        ),
        (r#"{"name":"r","allow":{"from":{"process":"a"},"to":{"methods":["GET","purge"]}}}"#, None),
    ] {
        assert_eq!(kinds(&rules(given)), expected.into_iter().collect::<Vec<_>>(), "{given}");
    }
}

/// Pairs of rules: what is found of the second, given the first.
#[test]
fn a_rule_that_another_leaves_nothing_is_found_and_one_that_keeps_something_is_not() {
    for (first, second, expected) in [
        (
            r#""deny":{"to":{"ports":["1-100"]}}"#,
            r#""allow":{"from":{"process":"a"},"to":{"ports":[80,"90-100"]}}"#,
            Some(LintId::Shadowed),
        ),
        (
            r#""deny":{"to":{"ports":["1-50","51-100"]}}"#,
            r#""allow":{"from":{"process":"a"},"to":{"ports":["40-60"]}}"#,
            Some(LintId::Shadowed),
        ),
        (
            r#""deny":{"to":{"ports":["1-100"]}}"#,
            r#""allow":{"from":{"process":"a"},"to":{"ports":[80,101]}}"#,
            None,
        ),
        (
            r#""deny":{"to":{"ports":["1-100"]}}"#,
            r#""allow":{"from":{"process":"a"},"to":{"methods":["GET"]}}"#,
            None,
        ),
        (
            r#""deny":{"from":{"process":["a","b"]},"to":{"paths":["/a/**"]}}"#,
            r#""allow":{"from":{"process":"b"},"to":{"paths":["/a/*","/a"]}}"#,
            Some(LintId::Shadowed),
        ),
        (
            r#""deny":{"from":{"process":"a"},"to":{"paths":["/a/**"]}}"#,
            r#""allow":{"from":{"process":"b"},"to":{"paths":["/a/*"]}}"#,
            None,
        ),
        (
            r#""deny":{"from":{"process":"a"},"to":{"paths":["/a/*"]}}"#,
            r#""allow":{"from":{"process":"a"},"to":{"paths":["/a/**"]}}"#,
            None,
        ),
        (
            r#""deny":{"from":{"process":"a"},"to":{"methods":["GET"]}}"#,
            r#""allow":{"from":{"process":"a"},"to":{"methods":["GET","PUT"]}}"#,
            None,
        ),
        (
            r#""deny":{"from":{"process":"a"},"to":{"destination":"wide"}}"#,
            r#""allow":{"from":{"process":"a"},"to":{"destination":"p"}}"#,
            Some(LintId::Shadowed),
        ),
        (
            r#""deny":{"from":{"process":"a"},"to":{"destination":"p"}}"#,
            r#""allow":{"from":{"process":"a"},"to":{"destination":"wide"}}"#,
            None,
        ),
        (
            r#""deny":{"from":{"process":"a"},"to":{"labels":{"seg":"pci"}}}"#,
            r#""allow":{"from":{"process":"a"},"to":{"destination":"p"}}"#,
            Some(LintId::Shadowed),
        ),
        (
            r#""deny":{"from":{"process":"a"},"to":{"destination":"p"}}"#,
            r#""allow":{"from":{"process":"a"}}"#,
            None,
        ),
        (
            r#""deny":{"from":{"labels":{"t":"x"}}}"#,
            r#""allow":{"from":{"process":"a","labels":{"t":"x"}}}"#,
            Some(LintId::Shadowed),
        ),
        (r#""deny":{"from":{"labels":{"t":"x"}}}"#, r#""allow":{"from":{"process":"a"}}"#, None),
        (
            r#""deny":{"from":{"same":"seg"},"to":{"same":"seg"}}"#,
            r#""allow":{"from":{"process":"a","same":"seg"},"to":{"same":"seg"}}"#,
            Some(LintId::Shadowed),
        ),
        (
            r#""deny":{"from":{"same":"seg"},"to":{"same":"seg"}}"#,
            r#""allow":{"from":{"process":"a"},"to":{"destination":"p"}}"#,
            None,
        ),
        (r#""deny":{}"#, r#""deny":{"from":{"unidentified":true}}"#, None),
        (r#""deny":{"to":{"ports":[1]}}"#, r#""deny":{"to":{"ports":[1]}}"#, Some(LintId::Redundant)),
        (
            r#""allow":{"from":{"process":"a"},"to":{"ports":[1,2]}}"#,
            r#""allow":{"from":{"process":"a"},"to":{"ports":[2,1]}}"#,
            Some(LintId::Redundant),
        ),
        (
            r#""allow":{"from":{"process":"a"}}"#,
            r#""allow":{"from":{"process":"a"},"to":{"ports":[1]}}"#,
            None,
        ),
        (
            r#""allow":{"from":{"process":"a"},"to":{"ports":[1]}}"#,
            r#""deny":{"from":{"process":"a"},"to":{"ports":[1]}}"#,
            None,
        ),
    ] {
        let found = rules(&format!(r#"{{"name":"first",{first}}},{{"name":"second",{second}}}"#));
        let second = found.iter().find(|finding| finding.path.starts_with("rules[1]"));
        assert_eq!(second.map(|finding| finding.id), expected, "{first}\n{second:?}");
        if let Some(finding) = second {
            assert!(finding.problem.contains("first (rules[0])"), "{finding}");
        }
    }
}

#[test]
fn things_that_no_rule_is_about_are_found() {
    let things = |rules: &str| {
        let (a, b) = (digest("a"), digest("b"));
        let policy = policy(
            "enforce",
            &format!(
                r#""processes":[{{"name":"a","exe":["{a}"]}},{{"name":"b","exe":["{b}"]}}],
                   "destinations":[{{"name":"p","hosts":["p"],"labels":{{"seg":"pci"}}}},{{"name":"q","hosts":["q"]}}],
                   "rules":[{rules}]"#
            ),
        );
        let found = lint(policy.model(), None);
        found.iter().map(|finding| format!("{} {}", finding.id.code(), finding.path)).collect::<Vec<_>>()
    };
    let one = things(r#"{"name":"r","allow":{"from":{"process":"a"},"to":{"destination":"p"}}}"#);
    assert_eq!(one, ["unused-process processes[1]", "unused-destination destinations[1]"]);
    let by_label =
        things(r#"{"name":"r","allow":{"from":{"labels":{"t":"x"}},"to":{"labels":{"seg":"pci"}}}}"#);
    assert_eq!(by_label, ["unused-destination destinations[1]"]);
    let nobody = things(r#"{"name":"r","deny":{"to":{"ports":[1]}}}"#);
    assert_eq!(nobody.len(), 4, "{nobody:?}");
}

#[test]
fn things_that_are_everywhere_or_twice_are_found() {
    let (a, b) = (digest("a"), digest("b"));
    let policy = policy(
        "enforce",
        &format!(
            r#""processes":[
                {{"name":"one","exe":["{a}","{b}","{a}"]}},
                {{"name":"two","exe":["{b}"]}},
                {{"name":"placed","exe":["{b}"],"container":"c"}},
                {{"name":"pinned","exe":["{b}"],"code":["{b}"]}}],
               "destinations":[{{"name":"p","hosts":["p","*","*.ex"],"cidrs":["10.0.0.0/8","0.0.0.0/0","::/0"]}}],
               "rules":[{{"name":"r","allow":{{"from":{{"labels":{{"t":"x"}}}},"to":{{"destination":"p"}}}}}}]"#
        ),
    );
    assert_eq!(
        kinds(&lint(policy.model(), None)),
        [
            (LintId::RepeatedDigest, "processes[0].exe[2]"),
            (LintId::SameProcess, "processes[1]"),
            (LintId::AnyHost, "destinations[0].hosts[1]"),
            (LintId::AnyAddress, "destinations[0].cidrs[1]"),
            (LintId::AnyAddress, "destinations[0].cidrs[2]"),
        ]
    );
}

#[test]
fn keys_that_are_wide_old_or_left_over_are_found() {
    let keys = |keys: &[(&str, &str)]| {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let keys = keys.iter().map(|(kid, scope)| {
            format!(r#"{{"jwk":{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}},"scope":"spiffe://ex/{scope}"}}"#)
        });
        let keys = keys.collect::<Vec<_>>().join(",");
        let text = format!(r#"{{"version":1,"mode":"audit","trust":{{"domain":"ex","keys":[{keys}]}}}}"#);
        Policy::from_json(text.as_bytes()).unwrap()
    };
    let fine = keys(&[("2026-11", "ns/a/"), ("2026-12-31", "ns/b/"), ("first", "ns/c/")]);
    assert_eq!(lint(fine.model(), Some(NOW)), []);
    // NOW is 2027-01-15.
    let old = keys(&[("2026-01", ""), ("2025-12-31", "ns/a/"), ("next", "ns/a/")]);
    let (wide, old_1, old_2, same) = (
        (LintId::WideScope, "trust.keys[0].scope"),
        (LintId::OldKey, "trust.keys[0].jwk.kid"),
        (LintId::OldKey, "trust.keys[1].jwk.kid"),
        (LintId::SameScope, "trust.keys[2].scope"),
    );
    assert_eq!(kinds(&lint(old.model(), Some(NOW))), [wide, old_1, old_2, same]);
    assert_eq!(kinds(&lint(old.model(), None)), [wide, same]);
}

#[test]
fn every_kind_has_a_code_of_its_own_and_dangers_are_called_so() {
    let codes: BTreeSet<_> = LintId::ALL.iter().map(|id| id.code()).collect();
    assert_eq!(codes.len(), LintId::ALL.len());
    assert_eq!(LintId::AnyToAny.severity(), Severity::Danger);
    let found = rules(r#"{"name":"r","allow":{}}"#);
    assert!(found[0].to_string().starts_with("rules[0].allow: danger: any-to-any: "), "{}", found[0]);
    assert!(TRUST.contains("/ns/"), "the other tests' key is limited");
}
