//! What clients, logs and metrics are told.

use procgate_identity::{Carrier, Claims, Digest, Stray};
use procgate_policy::{Direction, Record};
use procgate_tests::envoy::THREADS;
use procgate_tests::proxy::{Proxy, exe};
use procgate_tests::tokens::SUBJECT;
use procgate_tests::until::until;
use procgate_tests::wire::{HOST, Http2, get, token_line};
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn a_denial_says_why_and_what_next_and_nothing_of_the_policy() {
    let proxy = Proxy::start();
    let (mut connection, line) = proxy.connect();
    let answer = connection.ask(get("/refund/1", &line));
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    let fields: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["decision", "id", "next", "reason"]);
    assert_eq!((&body["decision"], &body["reason"]), (&json!("deny"), &json!("no-matching-rule")));
    let text = answer.text();
    assert!(!text.contains("checkout-pays") && !text.contains("sha256"), "{text}");
}

#[test]
fn a_grpc_client_gets_permission_denied() {
    let proxy = Proxy::start();
    for kind in ["application/grpc", "application/grpc+proto"] {
        let answer = Http2::open(proxy.envoy.address()).get("/charge/1", &[("content-type", kind)]);
        assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("7")), "{kind}");
        assert!(answer.header("grpc-message").unwrap().contains("no-identity"));
    }
    assert_eq!(proxy.upstream.requests(), 0);
}

#[test]
fn the_record_tells_who_asked_for_what_and_which_rule_decided() {
    let proxy = Proxy::start();
    assert_eq!(proxy.approved("/charge/1?card=secret").status, 200);
    let record = proxy.envoy.record("the record", |_| true);
    assert_eq!(record.subject.as_deref(), Some(SUBJECT));
    assert_eq!((record.exe, record.process.as_deref()), (Some(exe()), Some("checkout")));
    assert_eq!((record.carrier, record.direction), (Some(Carrier::Header), Direction::Outbound));
    assert_eq!((record.rule.as_deref(), record.host.as_deref()), (Some("checkout-pays"), Some(HOST)));
    assert_eq!((record.method.as_deref(), record.path.as_deref()), (Some("GET"), Some("/charge/1")));
    assert_eq!(record.address, Some(proxy.envoy.address()));
}

#[test]
fn the_answer_the_log_and_the_request_share_an_id() {
    let proxy = Proxy::start();
    let answer = proxy.unidentified("/charge/1");
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let record = proxy.envoy.record("the record of this id", |record| record.id == id);
    assert_eq!(Some(record.reason.code()), answer.reason().as_deref());
}

#[test]
fn the_same_request_again_is_recorded_and_counted_again_and_another_one_is_judged_anew() {
    let only_get = r#""methods":["GET"],"paths""#;
    let proxy = Proxy::start_with(|setup| setup.policy = setup.policy.replace(r#""paths""#, only_get));
    let (mut connection, line) = proxy.connect();
    let mut ask = |method: &str, path: &str, lines: &str| {
        connection.ask(procgate_tests::wire::request(method, path, lines, "")).status
    };
    assert_eq!(ask("GET", "/charge/1", &line), 200);
    assert_eq!([ask("GET", "/charge/1", ""), ask("GET", "/charge/1", "")], [200, 200]);
    assert_eq!([ask("GET", "/refund/1", ""), ask("DELETE", "/charge/1", "")], [403, 403]);
    assert_eq!([ask("GET", "/charge/1", ""), ask("GET", "/charge/2", "")], [200, 200]);

    let records = until("all seven records", || Some(proxy.envoy.records()).filter(|all| all.len() == 7));
    let ids: BTreeSet<_> = records.iter().map(|record| record.id.clone()).collect();
    assert_eq!(ids.len(), 7);
    assert!(records.is_sorted_by_key(|record| record.time));
    let asked = records.iter().map(|record| (record.method.as_deref(), record.path.as_deref()));
    let asked: Vec<_> =
        asked.map(|(method, path)| format!("{} {}", method.unwrap(), path.unwrap())).collect();
    let again = "GET /charge/1";
    assert_eq!(asked, [again, again, again, "GET /refund/1", "DELETE /charge/1", again, "GET /charge/2"]);
    let labels = [("decision", "allow"), ("reason", "allowed")];
    until("five counted", || (proxy.envoy.metric("procgate_decisions_total", &labels) == 5).then_some(()));
}

#[test]
fn no_path_or_host_writes_a_log_line_of_its_own() {
    let proxy = Proxy::start();
    let paths =
        ["/charge/\"}{\"decision\":\"allow\"}", "/charge/%0a%0d%00", "/charge/\u{202e}\u{85}", "/charge/\\n"];
    for path in paths {
        let _ = proxy.unidentified(path);
    }
    let lines =
        until("the log", || Some(proxy.envoy.access_log()).filter(|lines| lines.len() >= paths.len()));
    assert_eq!(lines.len(), paths.len());
    assert!(proxy.envoy.records().iter().all(|record| record.reason.code() == "no-identity"));
    for line in lines.iter().filter_map(|line| line["procgate"].as_str()) {
        assert!(line.is_ascii() && !line.contains(char::is_control), "{line}");
    }
}

/// The names of files are the program's to choose, and come in a token that is in order.
#[test]
fn no_name_of_a_process_writes_a_log_line_of_its_own() {
    let proxy = Proxy::start();
    let evil = "\n{\"decision\":\"allow\"}\r\u{1b}[2J\u{202e}\u{85}\"},\\";
    let (mut connection, _) = proxy.connect();
    let stray = Some(Stray { path: evil.into(), digest: None });
    let claims = Claims { name: evil.into(), stray, exe: Digest::of(b"evil"), ..proxy.claims(&connection) };
    let answer = connection.ask(get("/charge/1", &token_line(&proxy.key.mint(&claims))));
    assert_eq!(answer.reason().as_deref(), Some("unknown-process"));
    let lines = until("the log", || Some(proxy.envoy.access_log()).filter(|lines| !lines.is_empty()));
    let [line] = &lines[..] else { panic!("{lines:?}") };
    let text = line["procgate"].as_str().unwrap();
    assert!(text.is_ascii() && !text.contains(char::is_control), "{text}");
    let record = Record::parse(text).unwrap();
    assert_eq!((record.name.as_deref(), record.stray.unwrap().0.as_ref()), (Some(evil), evil));
    assert!(!proxy.envoy.log().contains("\u{1b}[2J"), "in Envoy's own log");
}

#[test]
fn decisions_are_counted_by_reason_and_carrier() {
    let proxy = Proxy::start();
    for _ in 0..3 {
        let _ = proxy.approved("/charge/1");
    }
    for _ in 0..2 {
        let _ = proxy.unidentified("/charge/1");
    }
    let count = |labels: &[(&str, &str)]| proxy.envoy.metric("procgate_decisions_total", labels);
    until("the counters", || (count(&[]) == 5).then_some(()));
    let outbound = ("direction", "outbound");
    assert_eq!(count(&[("decision", "allow"), ("reason", "allowed"), ("carrier", "header"), outbound]), 3);
    assert_eq!(count(&[("decision", "deny"), ("reason", "no-identity"), ("carrier", "none"), outbound]), 2);
}

#[test]
fn the_metrics_count_the_threads_that_have_the_policy_in_force() {
    let mut proxy = Proxy::start();
    let first = proxy.policy();
    proxy.envoy.await_policy(&first, THREADS);
    let mut second = first.clone();
    second["mode"] = json!("audit");
    for (now, before) in [(&second, &first), (&first, &second), (&second, &first)] {
        proxy.envoy.write_policy(now);
        proxy.envoy.await_policy(now, THREADS);
        proxy.envoy.await_policy(before, 0);
    }
    proxy.envoy.write_policy("{}");
    until("the refusal", || (proxy.envoy.rejected_policies() > 0).then_some(()));
    proxy.envoy.await_policy(&second, THREADS);
}

#[test]
fn audit_keeps_refused_tokens_from_the_upstream_too() {
    let proxy = Proxy::start_with(|setup| setup.policy = setup.policy.replace("enforce", "audit"));
    for token in ["", "one.two.three", &"a".repeat(9_000), "a,b"] {
        let mut connection = procgate_tests::wire::Connection::open(proxy.envoy.address());
        let answer = connection.ask(get("/charge/1", &token_line(token)));
        assert_eq!(answer.status, 200, "{token}");
        assert!(answer.json()["headers"].get("x-process-identity").is_none(), "{token}");
    }
}

#[test]
fn at_an_inbound_listener_without_mutual_tls_no_token_counts_and_the_record_says_why() {
    let proxy = Proxy::start_with(|setup| setup.amendments.push(("OUTBOUND", "INBOUND".into())));
    assert_eq!(proxy.unidentified("/charge/1").reason().as_deref(), Some("no-identity"));
    assert_eq!(proxy.approved("/charge/1").reason().as_deref(), Some("peer-mismatch"));
    let record = proxy.envoy.record("the record", |record| record.reason.code() == "peer-mismatch");
    assert_eq!(record.direction, Direction::Inbound);
    assert!(record.detail.as_deref().is_some_and(|detail| detail.contains("no certificate")), "{record:?}");
    assert_eq!(proxy.upstream.requests(), 0);
}
