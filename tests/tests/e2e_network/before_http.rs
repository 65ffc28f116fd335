//! A preface that the plugin reads by itself ahead of a connection manager: its requests are judged one by one.

use procgate_identity::Carrier;
use procgate_identity::carrier::proxy_v2;
use procgate_tests::proxy::Proxy;
use procgate_tests::wire::{Answer, Connection, get};

/// The place in http.yaml where network filters begin.
const FILTERS: &str = "    - filters:\n";

/// http.yaml, with the plugin as a network filter before the connection manager.
fn proxy() -> Proxy {
    Proxy::start_with(|setup| {
        let (wasm, policy) = (setup.wasm.display(), serde_json::Value::from(setup.policy.clone()));
        let filter = format!(
            r#"{FILTERS}      - name: procgate-first-bytes
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm
          config:
            name: procgate
            root_id: network-before-http
            failure_policy: FAIL_RELOAD
            vm_config:
              vm_id: procgate
              runtime: envoy.wasm.runtime.v8
              code: {{local: {{filename: "{wasm}"}}}}
            configuration:
              "@type": type.googleapis.com/google.protobuf.StringValue
              value: {policy}
"#
        );
        setup.amendments.push((FILTERS, filter));
    })
}

/// A connection that begins with the approved process's preface.
fn connect(proxy: &Proxy, token: impl FnOnce(String) -> String) -> Connection {
    let mut connection = Connection::open(proxy.envoy.address());
    let token = token(proxy.key.mint(&proxy.claims(&connection)));
    let preface = proxy_v2::preface(connection.source(), proxy.envoy.address(), &token).unwrap();
    for piece in preface.chunks(100) {
        connection.send(piece);
    }
    connection
}

fn outcome(answer: &Answer) -> (u16, Option<String>) {
    (answer.status, answer.reason())
}

#[test]
fn requests_behind_a_preface_are_judged_by_method_and_path() {
    let proxy = proxy();
    let mut connection = connect(&proxy, |token| token);
    assert_eq!(connection.ask(get("/charge/1", "")).status, 200);
    assert_eq!(outcome(&connection.ask(get("/refund/1", ""))), (403, Some("no-matching-rule".into())));
    assert_eq!(connection.ask(get("/charge/2", "")).status, 200);
    let record = proxy.envoy.record("the first request's record", |record| record.path.is_some());
    assert_eq!(record.carrier, Some(Carrier::ProxyV2));
}

#[test]
fn requests_without_a_preface_are_judged_by_what_they_bring_themselves() {
    let proxy = proxy();
    assert_eq!(outcome(&proxy.unidentified("/charge/1")), (403, Some("no-identity".into())));
    assert_eq!(proxy.approved("/charge/1").status, 200);
}

#[test]
fn a_refused_token_refuses_every_request_and_a_second_one_is_ambiguous() {
    let proxy = proxy();
    let mut connection = connect(&proxy, |token| token.replace('.', ""));
    assert_eq!(outcome(&connection.ask(get("/charge/1", ""))), (403, Some("malformed-identity".into())));
    let mut connection = connect(&proxy, |token| token);
    let line = procgate_tests::wire::token_line(&proxy.key.mint(&proxy.claims(&connection)));
    let answer = connection.ask(get("/charge/1", &line));
    assert_eq!(outcome(&answer), (403, Some("ambiguous-identity".into())));
}

#[test]
fn a_preface_of_another_form_reaches_no_connection_manager() {
    let proxy = proxy();
    let mut connection = Connection::open(proxy.envoy.address());
    connection.try_send(b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0GET / HTTP/1.1\r\n\r\n");
    assert!(connection.read().is_none());
}
