//! Judging, one claim at a time.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use procgate_identity::{Claims, Labels, Refusal, RefusalReason, Stray};
use procgate_policy::{Destination, Finding, Http, Policy, Presented, Reason, Verdict, judge};
use support::{claims, digest, identity, policy, subject};

fn shop(rules: &str) -> Policy {
    policy("enforce", &things(rules))
}

fn things(rules: &str) -> String {
    let (checkout, python, code, script) =
        (digest("checkout"), digest("python"), digest("code"), digest("script"));
    format!(
        r#""processes":[
            {{"name":"checkout","container":"checkout","exe":["{checkout}"],"path":"/usr/bin/checkout"}},
            {{"name":"report","container":"report","exe":["{python}"],"code":["{code}"],"script":["{script}"]}}],
        "destinations":[
            {{"name":"payments","hosts":["payments.shop","*.pay.example"],"cidrs":["10.4.0.0/16"],"labels":{{"segment":"pci"}}}},
            {{"name":"web","hosts":["*"],"labels":{{"segment":"web"}}}}],
        "rules":[{rules}]"#
    )
}

fn find<'p>(policy: &'p Policy, claims: &Claims, destination: Destination<'_>) -> Finding<'p> {
    judge(policy, Presented::Verified(&identity(policy.trusted_keys(), claims)), &destination).finding
}

fn to(host: &str) -> Destination<'_> {
    Destination { host: Some(host), ..Destination::default() }
}

fn at(address: &str) -> Destination<'_> {
    Destination { address: Some(address.parse().unwrap()), ..Destination::default() }
}

fn request<'a>(host: &'a str, method: &'a str, path: &'a str) -> Destination<'a> {
    Destination { http: Some(Http { method, path }), ..to(host) }
}

const PAYS: &str =
    r#"{"name":"pays","allow":{"from":{"process":"checkout"},"to":{"destination":"payments"}}}"#;

#[test]
fn a_recognised_process_reaches_what_a_rule_allows_and_nothing_else() {
    let shop = shop(PAYS);
    for host in ["payments.shop", "PAYMENTS.shop.:8080", "a.pay.example", "b.a.pay.example"] {
        let found = find(&shop, &claims(), to(host));
        assert_eq!(
            (found.reason, found.rule, found.process),
            (Reason::Allowed, Some("pays"), Some("checkout")),
            "{host}"
        );
    }
    assert_eq!(find(&shop, &claims(), at("10.4.9.9:1")).reason, Reason::Allowed);
    for host in ["pay.example", "payments.shop.evil", "10.4.0.1", "xpayments.shop", "[::ffff:10.4.0.1]"] {
        let found = find(&shop, &claims(), to(host));
        assert_eq!(
            (found.reason, found.rule, found.nearest),
            (Reason::NoMatchingRule, None, Some("pays")),
            "{host}"
        );
    }
}

#[test]
fn nothing_proceeds_in_enforce_mode_without_an_allow_and_everything_in_audit_mode() {
    let enforce = shop(PAYS);
    let audit = policy("audit", &things(PAYS));
    let denied = judge(&enforce, Presented::Absent, &to("payments.shop"));
    assert!(matches!(&denied.verdict, Verdict::Refuse(denial) if denial.reason().code() == "no-identity"));
    let audited = judge(&audit, Presented::Absent, &to("payments.shop"));
    assert!(matches!(audited.verdict, Verdict::Proceed(_)));
    assert_eq!(audited.finding.reason, denied.finding.reason);
}

#[test]
fn a_refused_identity_is_denied_with_its_reason_even_where_the_unidentified_may_pass() {
    let open = shop(r#"{"name":"open","allow":{"from":{"unidentified":true}}}"#);
    assert_eq!(judge(&open, Presented::Absent, &to("x")).finding.rule, Some("open"));
    for reason in RefusalReason::ALL {
        let refusal = Refusal::new(reason, "seen");
        let judgement = judge(&open, Presented::Refused(&refusal), &to("x"));
        assert_eq!(judgement.finding.reason, Reason::Identity(reason));
        assert_eq!(judgement.finding.detail.as_deref(), Some("seen"));
        assert!(matches!(judgement.verdict, Verdict::Refuse(_)));
    }
    assert_eq!(judge(&open, Presented::PeerMismatch("a, b"), &to("x")).finding.reason, Reason::PeerMismatch);
    assert_eq!(judge(&open, Presented::Fault("why"), &to("x")).finding.reason, Reason::Internal);
    let unknown = Claims { exe: digest("curl"), name: "/bin/curl".into(), ..claims() };
    assert_eq!(find(&open, &unknown, to("x")).reason, Reason::UnknownProcess);
}

#[test]
fn what_is_wrong_with_a_process_is_told_apart() {
    let shop = shop(r#"{"name":"all","allow":{}}"#);
    let report = Claims {
        subject: subject("shop", "report", "report"),
        exe: digest("python"),
        code: Some(digest("code")),
        script: Some(digest("script")),
        name: "/usr/bin/python3".into(),
        ..claims()
    };
    let stray = Stray { path: "/tmp/\u{1b}[31mevil.so".into(), digest: Some(digest("evil")) };
    for (claims, reason, detail) in [
        (claims(), Reason::Allowed, ""),
        (report.clone(), Reason::Allowed, ""),
        (
            Claims { exe: digest("curl"), name: "/bin/curl".into(), ..claims() },
            Reason::UnknownProcess,
            "/bin/curl",
        ),
        (Claims { exe: digest("new"), ..claims() }, Reason::CodeChanged, "rollout"),
        (
            Claims { exe: digest("new"), subject: subject("shop", "x", "other"), ..claims() },
            Reason::UnknownProcess,
            "no process",
        ),
        (
            Claims { subject: subject("shop", "x", "debug"), ..claims() },
            Reason::WrongContainer,
            "container debug",
        ),
        (
            Claims { code: Some(digest("other")), ..report.clone() },
            Reason::CodeChanged,
            "another than the policy pins",
        ),
        (Claims { code: None, ..report.clone() }, Reason::CodeChanged, "--code-list"),
        (
            Claims { code: None, stray: Some(stray), ..report.clone() },
            Reason::CodeChanged,
            "/tmp/\\u{1b}[31mevil.so",
        ),
        (Claims { script: None, ..report.clone() }, Reason::CodeChanged, "no script"),
        (Claims { script: Some(digest("other")), ..report }, Reason::CodeChanged, "runs the script"),
    ] {
        let found = find(&shop, &claims, to("x"));
        assert_eq!(found.reason, reason, "{claims:?}");
        assert!(found.detail.as_deref().unwrap_or_default().contains(detail), "{found:?} lacks {detail}");
    }
}

#[test]
fn deny_wins_and_the_most_specific_allow_is_named() {
    let everywhere = r#"{"name":"any","allow":{}},{"name":"pays-8080","allow":{"from":{"process":"checkout"},"to":{"destination":"payments","ports":[8080]}}}"#;
    let open = shop(&format!("{everywhere},{PAYS}"));
    assert_eq!(find(&open, &claims(), at("10.4.0.1:8080")).rule, Some("pays-8080"));
    assert_eq!(find(&open, &claims(), at("10.4.0.1:8081")).rule, Some("pays"));
    assert_eq!(find(&open, &claims(), at("10.5.0.1:8080")).rule, Some("any"));
    let closed = shop(&format!(r#"{everywhere},{{"name":"no","deny":{{"to":{{"ports":["8000-8100"]}}}}}}"#));
    let found = find(&closed, &claims(), at("10.4.0.1:8080"));
    assert_eq!((found.reason, found.rule, found.nearest), (Reason::DeniedByRule, Some("no"), None));
    assert_eq!(find(&closed, &claims(), at("10.4.0.1:8101")).rule, Some("any"));
}

#[test]
fn an_unclear_path_satisfies_no_allow_and_every_deny() {
    let allow = shop(r#"{"name":"read","allow":{"to":{"methods":["GET"],"paths":["/**"]}}}"#);
    assert_eq!(find(&allow, &claims(), request("x", "GET", "/a?b=/../c")).reason, Reason::Allowed);
    for path in ["/a/../b", "/a%2fb", "//", "/a\\b", "", "*"] {
        assert_eq!(
            find(&allow, &claims(), request("x", "GET", path)).reason,
            Reason::NoMatchingRule,
            "{path}"
        );
    }
    let deny = shop(r#"{"name":"any","allow":{}},{"name":"no","deny":{"to":{"paths":["/admin"]}}}"#);
    assert_eq!(find(&deny, &claims(), request("x", "GET", "/a")).reason, Reason::Allowed);
    for path in ["/admin", "/%61dmin", "/a/../b", "/a%2fb", ""] {
        assert_eq!(find(&deny, &claims(), request("x", "GET", path)).reason, Reason::DeniedByRule, "{path}");
    }
    assert_eq!(find(&deny, &claims(), to("x")).reason, Reason::Allowed, "no HTTP, no path to deny");
}

#[test]
fn same_compares_one_label_of_both_sides() {
    let shop = shop(r#"{"name":"same","allow":{"from":{"same":"segment"},"to":{"same":"segment"}}}"#);
    let with = |value: &str| Claims { labels: Labels::from_pairs([("segment", value)]).unwrap(), ..claims() };
    assert_eq!(find(&shop, &with("pci"), to("payments.shop")).rule, Some("same"));
    assert_eq!(
        find(&shop, &with("web"), to("payments.shop")).rule,
        Some("same"),
        "it is in web too: any host is"
    );
    assert_eq!(find(&shop, &with("pci"), to("x")).reason, Reason::NoMatchingRule);
    assert_eq!(find(&shop, &with("lab"), to("payments.shop")).nearest, Some("same"));
    assert_eq!(find(&shop, &claims(), to("payments.shop")).nearest, None);
}

/// More conditions on one destination than are kept for it beforehand.
#[test]
fn a_destination_that_meets_every_set_of_labels_meets_the_largest() {
    let exe = digest("checkout");
    let labels = |set: u32| {
        let pairs: Vec<_> =
            (0..6).filter(|bit| set >> bit & 1 == 1).map(|bit| format!(r#""l{bit}":"x""#)).collect();
        format!("{{{}}}", pairs.join(","))
    };
    let rules: Vec<_> = (1..64)
        .map(|set| format!(r#"{{"name":"r{set}","allow":{{"to":{{"labels":{}}}}}}}"#, labels(set)))
        .collect();
    let (all, some) = (labels(63), labels(0b101));
    let policy = policy(
        "enforce",
        &format!(
            r#""processes":[{{"name":"checkout","exe":["{exe}"]}}],
               "destinations":[{{"name":"all","hosts":["all"],"labels":{all}}},{{"name":"some","hosts":["some"],"labels":{some}}}],
               "rules":[{}]"#,
            rules.join(",")
        ),
    );
    assert_eq!(find(&policy, &claims(), to("all")).rule, Some("r63"));
    assert_eq!(find(&policy, &claims(), to("some")).rule, Some("r5"));
    assert_eq!(find(&policy, &claims(), to("none")).nearest, Some("r63"));
}

#[test]
fn what_was_looked_up_under_one_policy_decides_nothing_under_another() {
    let (one, other) = (shop(PAYS), shop(r#"{"name":"any","allow":{}}"#));
    let identity = identity(one.trusted_keys(), &claims());
    let source = one.resolve_identity(Presented::Verified(&identity));
    let destination = one.resolve_destination(&to("payments.shop"));
    assert_eq!(one.decide(&source, &destination, None).finding.reason, Reason::Allowed);
    let judgement = other.decide(&source, &destination, None);
    assert_eq!(judgement.finding.reason, Reason::Internal);
    assert!(matches!(judgement.verdict, Verdict::Refuse(_)));
}

#[test]
fn a_policy_says_what_it_needs_to_know() {
    let bare = policy("enforce", r#""rules":[{"name":"any","allow":{}}]"#).needs();
    assert!(!bare.host && !bare.address && !bare.method && !bare.path);
    let ports = policy(
        "enforce",
        r#""rules":[{"name":"p","allow":{"to":{"ports":[1],"methods":["GET"],"paths":["/"]}}}]"#,
    )
    .needs();
    assert!(!ports.host && ports.address && ports.method && ports.path);
    assert!(shop(PAYS).needs().host && shop(PAYS).needs().address);
}
