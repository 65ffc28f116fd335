//! Lint: for each kind a policy that has it, at its place, and one that only looks like it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may")]

mod support;

use procgate_identity::{Digest, UnixNanos, UnixSeconds};
use procgate_policy::lint::{Circumstances, LintFinding, LintId, Seen, Severity, lint};
use procgate_policy::{Policy, RawPolicy, Record};
use std::collections::BTreeSet;
use support::{TRUST, digest};

const NOW: UnixSeconds = UnixNanos(1_800_000_000_000_000_000).seconds();

/// Findings of a policy with these further fields.
fn findings(rest: &str, now: Option<UnixSeconds>) -> Vec<LintFinding> {
    of_text(&format!(r#"{{"version":1,"mode":"enforce","trust":{TRUST},{rest}}}"#), now)
}

fn of_text(text: &str, now: Option<UnixSeconds>) -> Vec<LintFinding> {
    let raw = RawPolicy::from_json(text.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    let policy = Policy::new(&raw).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    let is_shared: fn(&str) -> bool = |domain| ["com", "co.uk"].contains(&domain);
    let circumstances = Circumstances { now, is_shared: Some(is_shared), seen: None };
    lint(&raw, policy.model(), circumstances)
}

/// Findings of a policy with two processes, two labelled destinations and these rules.
fn rules(rules: &str) -> Vec<LintFinding> {
    let (a, b) = (digest("a"), digest("b"));
    let found = findings(
        &format!(
            r#""processes":[{{"name":"a","exe":["{a}"]}},{{"name":"b","exe":["{b}"]}}],
               "destinations":[
                 {{"name":"p","hosts":["x.p.ex"],"cidrs":["10.1.0.0/16"],"labels":{{"seg":"pci"}}}},
                 {{"name":"wide","hosts":["*.p.ex"],"cidrs":["10.0.0.0/8"],"labels":{{"seg":"web"}}}}],
               "rules":[{rules},{{"name":"use-all","allow":{{"from":{{"labels":{{"t":"use"}}}},"to":{{"destination":["p","wide"],"ports":[9]}}}}}}]"#
        ),
        Some(NOW),
    );
    let use_all = format!("rules[{}]", rules.matches(r#""name":"#).count());
    let of_rules =
        |finding: &LintFinding| finding.path.starts_with("rules") && !finding.path.starts_with(&use_all);
    found.into_iter().filter(of_rules).collect()
}

fn kinds(found: &[LintFinding]) -> Vec<(LintId, &str)> {
    found.iter().map(|finding| (finding.id, finding.path.as_str())).collect()
}

#[test]
fn each_kind_of_rule_is_found_at_its_place_and_its_likeness_is_not() {
    for (given, expected) in [
        (r#"{"name":"r","allow":{}}"#, Some((LintId::AnyToAny, "rules[0].allow"))),
        (r#"{"name":"r","allow":{"to":{"ports":[1]}}}"#, Some((LintId::AnyToAnyService, "rules[0].allow"))),
        (r#"{"name":"r","allow":{"to":{"destination":"wide","ports":[1]}}}"#, None),
        (
            r#"{"name":"r","allow":{"from":{"process":"a"}}}"#,
            Some((LintId::AnyDestination, "rules[0].allow")),
        ),
        (
            r#"{"name":"r","allow":{"from":{"process":"a"},"to":{"ports":["1-20"]}}}"#,
            Some((LintId::AnyDestinationService, "rules[0].allow")),
        ),
        (
            r#"{"name":"r","allow":{"from":{"process":"a"},"to":{"destination":"wide","ports":["1-9999"]}}}"#,
            None,
        ),
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
            r#"{"name":"r","allow":{"from":{"process":"a"},"to":{"destination":"p","methods":["post","GET"]}}}"#,
            Some((LintId::MethodCase, "rules[0].allow.to.methods[0]")),
        ),
        (
            r#"{"name":"r","allow":{"from":{"process":"a"},"to":{"destination":"p","methods":["GET","purge"]}}}"#,
            None,
        ),
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
        (r#""deny":{}"#, r#""deny":{"from":{"unidentified":true}}"#, Some(LintId::Redundant)),
        (r#""deny":{"to":{"ports":[1]}}"#, r#""deny":{"to":{"ports":[1]}}"#, Some(LintId::Redundant)),
        (
            r#""allow":{"from":{"process":"a"},"to":{"ports":[1,2]}}"#,
            r#""allow":{"from":{"process":"a"},"to":{"ports":[2,1]}}"#,
            Some(LintId::Redundant),
        ),
        (
            r#""allow":{"from":{"process":"a"}}"#,
            r#""allow":{"from":{"process":"a"},"to":{"ports":[1]}}"#,
            Some(LintId::Redundant),
        ),
        (
            r#""allow":{"from":{"process":"a"},"to":{"ports":[1]}}"#,
            r#""allow":{"from":{"process":"a"},"to":{"ports":[1,2]}}"#,
            None,
        ),
        (
            r#""allow":{"from":{"process":"a"},"to":{"ports":[1]}}"#,
            r#""deny":{"from":{"process":"a"},"to":{"ports":[1]}}"#,
            None,
        ),
    ] {
        let found = rules(&format!(r#"{{"name":"first",{first}}},{{"name":"second",{second}}}"#));
        let whole = |finding: &&LintFinding| matches!(finding.id, LintId::Shadowed | LintId::Redundant);
        let second = found.iter().filter(whole).find(|finding| finding.path.starts_with("rules[1]"));
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
        let found = findings(
            &format!(
                r#""processes":[{{"name":"a","exe":["{a}"]}},{{"name":"b","exe":["{b}"]}}],
                   "destinations":[{{"name":"p","hosts":["p"],"labels":{{"seg":"pci"}}}},{{"name":"q","hosts":["q"]}}],
                   "rules":[{rules}]"#
            ),
            None,
        );
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
    let found = findings(
        &format!(
            r#""processes":[
                {{"name":"one","exe":["{a}","{b}","{a}"]}},
                {{"name":"two","exe":["{b}"]}},
                {{"name":"placed","exe":["{b}"],"container":"c"}},
                {{"name":"pinned","exe":["{b}"],"code":["{b}"]}}],
               "destinations":[{{"name":"p","hosts":["p","*","*.ex"],"cidrs":["10.0.0.0/8","0.0.0.0/0","::/0"]}}],
               "rules":[{{"name":"r","allow":{{"from":{{"labels":{{"t":"x"}}}},"to":{{"destination":"p"}}}}}}]"#
        ),
        None,
    );
    assert_eq!(
        kinds(&found),
        [
            (LintId::AnyDestination, "rules[0].allow"),
            (LintId::RepeatedDigest, "processes[0].exe[2]"),
            (LintId::SameProcess, "processes[1]"),
            (LintId::AnyHost, "destinations[0].hosts[1]"),
            (LintId::AnyAddress, "destinations[0].cidrs[1]"),
            (LintId::AnyAddress, "destinations[0].cidrs[2]"),
        ]
    );
}

#[test]
fn hosts_below_what_is_shared_or_holds_all_of_a_cluster_are_found() {
    let hosts =
        ["*.com", "*.svc.cluster.local", "*.local", "*.shop.svc.corp.internal", "*.db.shop.svc.a", "*.ex"];
    let destination = format!(r#""destinations":[{{"name":"p","hosts":{hosts:?}}}]"#);
    let mut found = findings(&destination, None);
    found.retain(|finding| finding.path.contains("hosts"));
    assert_eq!(
        kinds(&found),
        [
            (LintId::WideHost, "destinations[0].hosts[0]"),
            (LintId::WideHost, "destinations[0].hosts[1]"),
            (LintId::WideHost, "destinations[0].hosts[2]"),
            (LintId::WholeNamespace, "destinations[0].hosts[3]"),
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
        format!(r#"{{"version":1,"mode":"enforce","trust":{{"domain":"ex","keys":[{keys}]}}}}"#)
    };
    let fine = keys(&[("2026-11", "ns/a/"), ("2026-12-31", "ns/b/"), ("first", "ns/c/")]);
    assert_eq!(of_text(&fine, Some(NOW)), []);
    let soon = keys(&[("2026-02-01", "ns/a/"), ("2026-03-01", "ns/b/")]);
    assert_eq!(kinds(&of_text(&soon, Some(NOW))), [(LintId::AgeingKey, "trust.keys[0].jwk.kid")]);
    // NOW is 2027-01-15.
    let old = keys(&[("2026-01", ""), ("2025-12-31", "ns/a/"), ("next", "ns/a/")]);
    let (wide, old_1, old_2, same) = (
        (LintId::WideScope, "trust.keys[0].scope"),
        (LintId::OldKey, "trust.keys[0].jwk.kid"),
        (LintId::OldKey, "trust.keys[1].jwk.kid"),
        (LintId::SameScope, "trust.keys[2].scope"),
    );
    assert_eq!(kinds(&of_text(&old, Some(NOW))), [wide, old_1, old_2, same]);
    assert_eq!(kinds(&of_text(&old, None)), [wide, same]);
}

#[test]
fn a_domain_in_which_strangers_register_names_is_wide() {
    let hosts =
        r#""destinations":[{"name":"d","hosts":["*.com","*.a.com","com","*.co.uk","a.co.uk","*.internal"]}]"#;
    let found = findings(hosts, None);
    let wide = found.iter().filter(|finding| finding.id == LintId::WideHost);
    let paths: Vec<_> = wide.map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["destinations[0].hosts[0]", "destinations[0].hosts[3]"]);
}

#[test]
fn every_kind_is_described_with_its_level() {
    let text = include_str!("../../docs/lint.md");
    for id in LintId::ALL {
        let row = format!("| `{}` | {} | ", id.code(), id.severity().code());
        assert_eq!(text.matches(&row).count(), 1, "{row}");
    }
    assert_eq!(text.matches("\n| `").count(), LintId::ALL.len());
}

/// Findings about use, after these records: rule, process and what it ran.
fn used(records: &[(&str, &str, &str)]) -> Vec<String> {
    let (a, b, c) = (digest("a"), digest("b"), digest("c"));
    let text = format!(
        r#"{{"version":1,"mode":"enforce","trust":{TRUST},
            "processes":[{{"name":"p","exe":["{a}","{b}"],"code":["{c}"]}},{{"name":"q","exe":["{a}"],"code":["{c}"]}}],
            "rules":[{{"name":"r","allow":{{"from":{{"process":"p"}},"to":{{"ports":[1]}}}}}},
                     {{"name":"s","deny":{{"from":{{"process":"q"}}}}}}]}}"#
    );
    let raw = RawPolicy::from_json(text.as_bytes()).unwrap();
    let mut seen = Seen::default();
    for (rule, process, exe) in records {
        let text = format!(
            r#"{{"v":1,"time":"2026-11-23T14:45:57.000000001Z","id":"7f","mode":"audit","decision":"allow","reason":"allowed",
                "direction":"outbound","rule":"{rule}","process":"{process}","exe":"{}"}}"#,
            digest(exe)
        );
        seen.note(&Record::parse(&text).unwrap());
    }
    let policy = Policy::new(&raw).unwrap();
    let found = lint(&raw, policy.model(), Circumstances { seen: Some(&seen), ..Circumstances::default() });
    let about_use = |finding: &&LintFinding| matches!(finding.id, LintId::NotHit | LintId::StaleDigest);
    found.iter().filter(about_use).map(|finding| format!("{} {}", finding.id.code(), finding.path)).collect()
}

#[test]
fn what_nobody_used_is_found_where_the_logs_can_tell() {
    assert_eq!(used(&[("r", "p", "a")]), ["not-hit rules[1].deny", "stale-digest processes[0].exe[1]"]);
    assert_eq!(used(&[("r", "p", "a"), ("s", "q", "a"), ("r", "p", "b")]), [""; 0]);
    // Nothing is said of a process that the logs know only with other code, or of empty logs.
    assert_eq!(used(&[("r", "p", "other"), ("s", "q", "a")]), [""; 0]);
    assert_eq!(used(&[]), [""; 0]);
}

#[test]
fn of_each_list_of_digests_those_that_nobody_ran_are_found() {
    let [e, c, s] = ["e", "c", "s"].map(|list| [digest(&format!("{list}1")), digest(&format!("{list}2"))]);
    let list = |[one, two]: &[Digest; 2]| format!(r#"["{one}","{two}"]"#);
    let text = format!(
        r#"{{"version":1,"mode":"enforce","trust":{TRUST},"processes":[{{"name":"p","exe":{},"code":{},"script":{}}}],
            "rules":[{{"name":"r","deny":{{"from":{{"process":"p"}}}}}}]}}"#,
        list(&e),
        list(&c),
        list(&s)
    );
    let record = format!(
        r#"{{"v":1,"time":"2026-11-23T14:45:57.000000001Z","id":"7f","mode":"audit","decision":"deny","reason":"denied-by-rule",
            "direction":"outbound","rule":"r","process":"p","exe":"{}","code":"{}","script":"{}"}}"#,
        e[0], c[1], s[0]
    );
    let raw = RawPolicy::from_json(text.as_bytes()).unwrap();
    let mut seen = Seen::default();
    seen.note(&Record::parse(&record).unwrap());
    let policy = Policy::new(&raw).unwrap();
    let found = lint(&raw, policy.model(), Circumstances { seen: Some(&seen), ..Circumstances::default() });
    let stale = |path| (LintId::StaleDigest, path);
    assert_eq!(
        kinds(&found),
        [stale("processes[0].exe[1]"), stale("processes[0].code[0]"), stale("processes[0].script[1]")]
    );
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

/// Findings of rules for two processes and destinations of every kind, of these kinds only.
fn reached(rules: &str, wanted: &[LintId]) -> Vec<String> {
    let (a, b) = (digest("a"), digest("b"));
    let found = findings(
        &format!(
            r#""processes":[{{"name":"a","exe":["{a}"]}},{{"name":"b","exe":["{b}"]}}],
               "destinations":[
                 {{"name":"low","cidrs":["0.0.0.0/1"]}},{{"name":"high","cidrs":["128.0.0.0/2","192.0.0.0/2"]}},
                 {{"name":"any","hosts":["*"]}},{{"name":"one","hosts":["one.ex"],"cidrs":["10.1.0.0/16"]}},
                 {{"name":"bank","hosts":["bank.ex"],"labels":{{"data":"PCI"}}}},
                 {{"name":"inner","hosts":["bank.svc.cluster.local"],"labels":{{"data":"pci"}}}}],
               "rules":[{rules}]"#
        ),
        None,
    );
    let found = found.iter().filter(|finding| wanted.contains(&finding.id));
    found.map(|finding| format!("{} {}", finding.id.code(), finding.path)).collect()
}

#[test]
fn any_to_any_is_found_in_every_disguise() {
    for (rules, expected) in [
        (r#"{"name":"r","allow":{"to":{"destination":["low","high"]}}}"#, true),
        (r#"{"name":"r","allow":{"to":{"destination":"any","ports":["1-65535"]}}}"#, true),
        (r#"{"name":"r","allow":{"to":{"ports":["1-79",80,"81-65535"]}}}"#, true),
        (r#"{"name":"r","allow":{"from":{"process":["b","a"]},"to":{"paths":["/a","/**"]}}}"#, true),
        (
            r#"{"name":"r","allow":{"to":{"methods":["GET","HEAD","POST","PUT","DELETE","PATCH","OPTIONS"]}}}"#,
            true,
        ),
        (
            r#"{"name":"r","allow":{"to":{"destination":"low"}}},{"name":"s","allow":{"to":{"destination":"high"}}}"#,
            true,
        ),
        (
            r#"{"name":"r","allow":{"from":{"process":"a"}}},
               {"name":"s","allow":{"from":{"process":"b"},"to":{"ports":["1-1000"]}}},
               {"name":"t","allow":{"to":{"ports":["1000-65535"]}}}"#,
            true,
        ),
        (r#"{"name":"r","allow":{"to":{"destination":["low","one"]}}}"#, false),
        (r#"{"name":"r","allow":{"to":{"ports":["1-79","81-65535"]}}}"#, false),
        (r#"{"name":"r","allow":{"to":{"methods":["GET","HEAD","POST","PUT","DELETE"]}}}"#, false),
        (r#"{"name":"r","allow":{"from":{"process":"a"}}}"#, false),
        (r#"{"name":"r","allow":{"from":{"labels":{"t":"x"}}}}"#, false),
        (
            r#"{"name":"r","allow":{"to":{"destination":"low"}}},
               {"name":"s","allow":{"from":{"process":"a"},"to":{"destination":"high"}}}"#,
            false,
        ),
        (r#"{"name":"r","deny":{}}"#, false),
    ] {
        let found = reached(rules, &[LintId::AnyToAny]);
        assert_eq!(found.len(), usize::from(expected), "{rules}\n{found:?}");
    }
}

#[test]
fn any_to_any_with_a_service_left_out_is_one_finding_of_the_rule() {
    let kinds =
        [LintId::AnyToAny, LintId::AnyToAnyService, LintId::AnyDestination, LintId::AnyDestinationService];
    for (rule, expected) in [
        (r#""to":{"ports":[443]}"#, "any-to-any-service"),
        (r#""to":{"ports":["2-65535"]}"#, "any-to-any-service"),
        (r#""to":{"paths":["/","/*","/*/**"]}"#, "any-to-any-service"),
        (
            r#""from":{"process":["a","b"]},"to":{"destination":"any","methods":["GET"]}"#,
            "any-to-any-service",
        ),
        (r#""to":{"destination":["low","high"],"ports":[443],"methods":["GET"]}"#, "any-to-any-service"),
        (r#""from":{"process":"a"},"to":{"methods":["GET"]}"#, "any-destination-service"),
        (r#""from":{"labels":{"t":"x"}},"to":{"ports":[443]}"#, "any-destination-service"),
    ] {
        let found = reached(&format!(r#"{{"name":"r","allow":{{{rule}}}}}"#), &kinds);
        assert_eq!(found, [format!("{expected} rules[0].allow")], "{rule}");
    }
    for other in [
        r#""allow":{"to":{"destination":["low","one"],"ports":[443]}}"#,
        r#""allow":{"from":{"unidentified":true},"to":{"ports":[443]}}"#,
        r#""deny":{"to":{"ports":[443]}}"#,
    ] {
        assert_eq!(reached(&format!(r#"{{"name":"r",{other}}}"#), &kinds), [""; 0], "{other}");
    }
}

#[test]
fn a_rule_about_the_only_process_that_leads_everywhere_is_found_once() {
    let a = digest("a");
    let found = findings(
        &format!(
            r#""processes":[{{"name":"a","exe":["{a}"]}}],"rules":[{{"name":"r","allow":{{"from":{{"process":"a"}}}}}}]"#
        ),
        None,
    );
    assert_eq!(kinds(&found), [(LintId::AnyToAny, "rules[0].allow")]);
}

#[test]
fn conditions_that_leave_nothing_out_are_found() {
    let kinds = [LintId::EveryPort, LintId::EveryMethod, LintId::EveryPath];
    let rule = |to: &str| {
        reached(&format!(r#"{{"name":"r","allow":{{"from":{{"process":"a"}},"to":{{{to}}}}}}}"#), &kinds)
    };
    assert_eq!(rule(r#""ports":["2-65535",1]"#), ["every-port rules[0].allow.to.ports"]);
    assert_eq!(rule(r#""paths":["/a","/**"]"#), ["every-path rules[0].allow.to.paths[1]"]);
    let all = r#""methods":["PATCH","GET","HEAD","POST","PUT","DELETE"]"#;
    assert_eq!(rule(all), ["every-method rules[0].allow.to.methods"]);
    assert!(rule(r#""ports":["2-65535"],"paths":["/*/**"],"methods":["GET"]"#).is_empty());
}

#[test]
fn addresses_that_add_up_to_all_are_found_and_nearly_all_too() {
    let of = |cidrs: &str| {
        let rest = format!(
            r#""destinations":[{{"name":"p","cidrs":[{cidrs}]}}],
               "rules":[{{"name":"r","deny":{{"to":{{"destination":"p"}}}}}}]"#
        );
        kinds(&findings(&rest, None))
            .iter()
            .map(|(id, path)| format!("{} {path}", id.code()))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(r#""0.0.0.0/1","128.0.0.0/1""#), ["any-address destinations[0].cidrs"]);
    assert_eq!(of(r#""::/1","8000::/1","10.0.0.0/8""#), ["any-address destinations[0].cidrs"]);
    assert_eq!(
        of(r#""0.0.0.0/1","128.0.0.0/2""#),
        ["wide-range destinations[0].cidrs[0]", "wide-range destinations[0].cidrs[1]"]
    );
    assert_eq!(of(r#""10.0.0.0/8","fd00::/8","2001:db8::/32""#), [""; 0]);
    assert_eq!(of(r#""fc00::/7""#), ["wide-range destinations[0].cidrs[0]"]);
}

#[test]
fn sensitive_destinations_in_the_clear_are_found_outside_the_cluster() {
    let rule = |to: &str| {
        let rule = format!(r#"{{"name":"r","allow":{{"from":{{"process":"a"}},"to":{{{to}}}}}}}"#);
        reached(&rule, &[LintId::Plaintext])
    };
    let found = ["plaintext rules[0].allow.to.ports[1]"];
    assert_eq!(rule(r#""destination":"bank","ports":[443,"5000-6000"]"#), found);
    assert_eq!(rule(r#""labels":{"data":"PCI"},"ports":[443,80]"#), found);
    assert!(rule(r#""destination":"bank","ports":[443,8443]"#).is_empty());
    assert!(rule(r#""destination":"inner","ports":[443,80]"#).is_empty());
    assert!(rule(r#""destination":"one","ports":[443,80]"#).is_empty());
}

#[test]
fn a_rule_that_names_no_destination_leads_to_the_sensitive_ones_in_the_clear() {
    let a = digest("a");
    let of = |effect: &str| {
        let rest = format!(
            r#""processes":[{{"name":"a","exe":["{a}"]}}],
               "destinations":[{{"name":"db","hosts":["db.ex"],"labels":{{"data":"pci"}}}},
                               {{"name":"web","hosts":["web.ex"]}}],
               "rules":[{{"name":"r","{effect}":{{"from":{{"process":"a"}},"to":{{"ports":[443,5432]}}}}}}]"#
        );
        let mut found = findings(&rest, None);
        found.retain(|finding| finding.id == LintId::Plaintext);
        found
    };
    let found = of("allow");
    assert_eq!(kinds(&found), [(LintId::Plaintext, "rules[0].allow.to.ports[1]")]);
    assert_eq!(found[0].problem, "lets PostgreSQL (5432) go in the clear to db (data=pci)");
    assert!(of("deny").is_empty());
}

#[test]
fn a_suppression_of_what_only_logs_show_is_not_called_unused_without_them() {
    let a = digest("a");
    let text = |finding: &str| {
        format!(
            r#"{{"version":1,"mode":"enforce","trust":{TRUST},"processes":[{{"name":"p","exe":["{a}"]}}],
                "rules":[{{"name":"r","deny":{{"from":{{"process":"p"}}}}}}],
                "lint":{{"suppress":[{{"finding":"{finding}","reason":"the restore of a backup"}}]}}}}"#
        )
    };
    let record = format!(
        r#"{{"v":1,"time":"2026-11-23T14:45:57.000000001Z","id":"7f","mode":"audit","decision":"deny","reason":"denied-by-rule",
            "direction":"outbound","rule":"r","process":"p","exe":"{a}"}}"#
    );
    let mut seen = Seen::default();
    let unused = |text: &str, seen: Option<&Seen>| {
        let raw = RawPolicy::from_json(text.as_bytes()).unwrap();
        let circumstances = Circumstances { seen, ..Circumstances::default() };
        let found = lint(&raw, Policy::new(&raw).unwrap().model(), circumstances);
        found.iter().any(|finding| finding.id == LintId::UnusedSuppression)
    };
    for finding in ["not-hit", "stale-digest"] {
        assert!(
            !unused(&text(finding), None) && !unused(&text(finding), Some(&Seen::default())),
            "{finding}"
        );
    }
    assert!(unused(&text("shadowed"), None));
    seen.note(&Record::parse(&record).unwrap());
    assert!(unused(&text("not-hit"), Some(&seen)) && unused(&text("stale-digest"), Some(&seen)));
}

#[test]
fn a_suppressed_plaintext_port_silences_no_other_and_every_sensitive_destination_is_named() {
    let a = digest("a");
    let rest = format!(
        r#""processes":[{{"name":"a","exe":["{a}"]}}],
           "destinations":[{{"name":"db","hosts":["db.ex"],"labels":{{"data":"pci"}}}},
                           {{"name":"lab","hosts":["lab.ex"],"labels":{{"data":"phi"}}}}],
           "rules":[{{"name":"r","allow":{{"from":{{"process":"a"}},"to":{{"destination":["lab","db"],"ports":[21,443,"20-80"]}}}}}}],
           "lint":{{"suppress":[{{"finding":"plaintext","at":"rules[r].allow.to.ports[0]","reason":"stunnel"}}]}}"#
    );
    let found = findings(&rest, None);
    assert_eq!(
        kinds(&found),
        [
            (LintId::Plaintext, "rules[0].allow.to.ports[0]"),
            (LintId::Plaintext, "rules[0].allow.to.ports[2]")
        ]
    );
    assert_eq!(found.iter().map(|finding| finding.suppressed.is_some()).collect::<Vec<_>>(), [true, false]);
    assert_eq!(
        found[1].problem,
        "lets FTP (21), Telnet (23), SMTP (25) and HTTP (80) go in the clear to db (data=pci) and lab (data=phi)"
    );
}

#[test]
fn what_a_deny_takes_of_an_allow_is_found_where_it_is_written() {
    for (deny, allow, expected) in [
        (r#""to":{"ports":["15000-15020"]}"#, r#""to":{"ports":[80,15010]}"#, Some("to.ports[1]")),
        (r#""to":{"methods":["PUT"]}"#, r#""to":{"methods":["PUT","GET"]}"#, Some("to.methods[0]")),
        (r#""to":{"paths":["/admin/**"]}"#, r#""to":{"paths":["/a","/admin/x"]}"#, Some("to.paths[1]")),
        (r#""from":{"process":"a"}"#, r#""from":{"process":["b","a"]}"#, Some("from.process[1]")),
        (
            r#""to":{"destination":"one"}"#,
            r#""to":{"destination":["bank","one"]}"#,
            Some("to.destination[1]"),
        ),
        (r#""to":{"paths":["/admin/**"]}"#, r#""to":{"paths":["/a","/**"]}"#, None),
        (r#""to":{"ports":[80]}"#, r#""to":{"ports":["80-81",443]}"#, None),
    ] {
        let rules = format!(r#"{{"name":"d","deny":{{{deny}}}}},{{"name":"r","allow":{{{allow}}}}}"#);
        let found = reached(&rules, &[LintId::Contradictory]);
        let expected = expected.map(|field| format!("contradictory rules[1].allow.{field}"));
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{rules}");
    }
}

#[test]
fn several_rules_that_cover_one_are_found_and_named() {
    let found = rules(
        r#"{"name":"d","deny":{"to":{"ports":["1-50"]}}},{"name":"e","deny":{"to":{"ports":["51-100"]}}},
           {"name":"r","allow":{"from":{"process":"a"},"to":{"destination":"p","ports":["40-60"]}}}"#,
    );
    assert_eq!(kinds(&found), [(LintId::Shadowed, "rules[2].allow")]);
    assert!(found[0].problem.contains("d (rules[0]) and e (rules[1]) together deny"), "{}", found[0]);
    let found = rules(
        r#"{"name":"d","deny":{"to":{"ports":[1]}}},
           {"name":"r","allow":{"from":{"process":"a"},"to":{"destination":"p","ports":["1-9"]}}},
           {"name":"s","allow":{"to":{"destination":"p","ports":["2-9"]}}}"#,
    );
    assert_eq!(kinds(&found), [(LintId::Redundant, "rules[1].allow")]);
}

#[test]
fn of_two_equal_rules_one_stays() {
    let rule = |name: &str| {
        format!(
            r#"{{"name":"{name}","allow":{{"from":{{"process":"a"}},"to":{{"destination":"p","ports":[1]}}}}}}"#
        )
    };
    let found = rules(&[rule("r"), rule("s"), rule("t")].join(","));
    assert_eq!(kinds(&found), [(LintId::Redundant, "rules[1].allow"), (LintId::Redundant, "rules[2].allow")]);
}

#[test]
fn destinations_that_share_something_are_found_at_the_narrower_one() {
    let of = |one: &str, two: &str| {
        let rest = format!(
            r#""destinations":[{{"name":"p",{one}}},{{"name":"q",{two}}}],
               "rules":[{{"name":"r","deny":{{"to":{{"destination":["p","q"]}}}}}}]"#
        );
        kinds(&findings(&rest, None))
            .iter()
            .map(|(id, path)| format!("{} {path}", id.code()))
            .collect::<Vec<_>>()
    };
    let hosts =
        |one: &str, two: &str| of(&format!(r#""hosts":["x","{one}"]"#), &format!(r#""hosts":["{two}"]"#));
    assert_eq!(hosts("a.ex", "*.ex"), ["overlap destinations[0].hosts[1]"]);
    assert_eq!(hosts("*.a.ex", "*.ex"), ["overlap destinations[0].hosts[1]"]);
    assert_eq!(hosts("*.ex", "a.b.ex"), ["overlap destinations[1].hosts[0]"]);
    assert_eq!(hosts("a.ex", "a.ex"), ["overlap destinations[0].hosts[1]"]);
    assert_eq!(hosts("ex", "*.ex"), [""; 0]);
    assert_eq!(hosts("10.0.0.1", "*.0.0.1.ex"), [""; 0]);
    let cidrs = |one: &str, two: &str| of(&format!(r#""cidrs":["{one}"]"#), &format!(r#""cidrs":["{two}"]"#));
    assert_eq!(cidrs("10.0.0.0/8", "10.1.0.0/16"), ["overlap destinations[1].cidrs[0]"]);
    assert_eq!(cidrs("10.0.0.0/16", "10.1.0.0/16"), [""; 0]);
    let labelled = |one: &str, two: &str| {
        of(
            &format!(r#""hosts":["a.ex"],"labels":{{"seg":"{one}"}}"#),
            &format!(r#""hosts":["*.ex"],"labels":{{"seg":"{two}"}}"#),
        )
    };
    assert_eq!(labelled("pci", "web"), ["overlap-labels destinations[0].hosts[0]"]);
    assert_eq!(labelled("pci", "pci"), ["overlap destinations[0].hosts[0]"]);
}

#[test]
fn a_suppression_silences_what_it_names_where_it_says_and_gives_its_reason() {
    let of = |suppress: &str| {
        let rest = format!(
            r#""rules":[{{"name":"0","allow":{{}}}},{{"name":"open","allow":{{"to":{{"ports":["1-65535"]}}}}}}],
               "lint":{{"suppress":[{suppress}]}}"#
        );
        let found = findings(&rest, None);
        let silent: Vec<String> = found
            .iter()
            .filter_map(|finding| Some(format!("{} {}", finding.path, finding.suppressed.as_ref()?)))
            .collect();
        let about = |finding: &&LintFinding| finding.path.starts_with("lint");
        let complaints: Vec<_> = found.iter().filter(about).map(|finding| finding.id.code()).collect();
        (silent.join(", "), complaints.join(", "))
    };
    let all = of(r#"{"finding":"any-to-any","reason":"a lab"}"#);
    assert_eq!(all, ("rules[0].allow a lab, rules[1].allow a lab".into(), String::new()));
    let one = of(r#"{"finding":"any-to-any","at":"rules[open]","reason":"a lab"}"#);
    assert_eq!(one, ("rules[1].allow a lab".into(), String::new()));
    let by_index = of(r#"{"finding":"any-to-any","at":"rules[1].allow","reason":"a lab"}"#);
    assert_eq!(by_index, one);
    // A rule that is called 0 is meant by its name, which is its index too.
    assert_eq!(of(r#"{"finding":"any-to-any","at":"rules[0]","reason":"x"}"#).0, "rules[0].allow x");
    assert_eq!(of(r#"{"finding":"any-to-any"}"#), (String::new(), "no-reason".into()));
    assert_eq!(of(r#"{"finding":"any-to-any","reason":" "}"#), (String::new(), "no-reason".into()));
    for nothing in [
        r#"{"finding":"any-too-any","reason":"x"}"#,
        r#"{"finding":"any-to-any","at":"rules[1].al","reason":"x"}"#,
        r#"{"finding":"any-to-any","at":"rules[none]","reason":"x"}"#,
        r#"{"finding":"any-to-any","at":"rules[","reason":"x"}"#,
    ] {
        assert_eq!(of(nothing), (String::new(), "unused-suppression".into()), "{nothing}");
    }
}

#[test]
fn audit_mode_is_said() {
    let text = format!(r#"{{"version":1,"mode":"audit","trust":{TRUST}}}"#);
    assert_eq!(kinds(&of_text(&text, None)), [(LintId::AuditMode, "mode")]);
}
