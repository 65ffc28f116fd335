//! Mistakes in a configuration that let somebody through: each is shown to, and each is found.

use crate::doctor::examine;
use procgate_identity::carrier::proxy_v2;
use procgate_tests::envoy::{Envoy, Redirected, Setup};
use procgate_tests::netns::Namespace;
use procgate_tests::process::succeed;
use procgate_tests::proxy::{Proxy, exe};
use procgate_tests::skip::is_root_for;
use procgate_tests::tokens::{self, DOMAIN, Key, SCOPE};
use procgate_tests::tools;
use procgate_tests::until::until;
use procgate_tests::upstream::Upstream;
use procgate_tests::wire::{Connection, get, token_line};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A text of a configuration, and what stands in its place.
type Amendment = (&'static str, String);

/// Says whether the doctor finds errors, and that it is this one if there are any.
fn is_found(envoy: &Envoy, id: &str) -> bool {
    let examination = examine(&["--envoy-config", &envoy.configuration().to_string_lossy()]);
    let errors = examination.ids("error");
    assert!(errors.is_empty() || errors == [id], "{errors:?}");
    !errors.is_empty()
}

/// Starts http.yaml without and with the mistake: who has no identity passes with it only, and the doctor
/// finds it.
fn lets_a_stranger_through(id: &str, amendment: Amendment, request: impl Fn(&Proxy) -> u16) {
    for mistake in [None, Some(amendment)] {
        let wrong = mistake.is_some();
        let proxy = Proxy::start_with(|setup| setup.amendments.extend(mistake));
        assert_eq!(request(&proxy) == 200, wrong);
        assert_eq!(proxy.upstream.requests(), usize::from(wrong));
        assert_eq!(is_found(&proxy.envoy, id), wrong);
    }
}

#[test]
fn a_virtual_host_that_switches_the_plugin_off_lets_everybody_through_and_is_found() {
    let off = r#"domains: ["*"]
              typed_per_filter_config:
                procgate: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}"#;
    lets_a_stranger_through("coverage", (r#"domains: ["*"]"#, off.into()), |proxy| {
        proxy.unidentified("/charge/1").status
    });
}

#[test]
fn an_upgrade_with_filters_of_its_own_lets_everybody_through_and_is_found() {
    let upgrade = r#"codec_type: AUTO
          upgrade_configs:
          - upgrade_type: websocket
            filters:
            - name: envoy.filters.http.router
              typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}"#;
    lets_a_stranger_through("coverage", ("codec_type: AUTO", upgrade.into()), |proxy| {
        let mut connection = Connection::open(proxy.envoy.address());
        connection.ask(get("/charge/1", "connection: upgrade\r\nupgrade: websocket\r\n")).status
    });
}

#[test]
fn fail_open_lets_everybody_through_after_a_crash_and_is_found() {
    let proxy = Proxy::start_with(|setup| {
        setup.wasm = tools::wasm_that_crashes();
        setup.workers = 1;
        setup.amendments.push(("FAIL_RELOAD", "FAIL_OPEN".into()));
    });
    assert!(is_found(&proxy.envoy, "failure-policy"));
    until("a crash and an open door", || {
        let _ = proxy.approved_with("/charge/crash", "x-procgate-crash: now\r\n");
        (proxy.unidentified("/charge/nobody").status == 200).then_some(())
    });
}

#[test]
fn a_policy_as_a_struct_lets_nobody_through_and_is_found() {
    let text = "type.googleapis.com/google.protobuf.StringValue\n        value: |2\n";
    let values = "type.googleapis.com/google.protobuf.Struct\n        value:\n";
    let policy = json!({
        "version": 1,
        "mode": "enforce",
        "trust": {"domain": DOMAIN, "keys": [Key::new("2026-11").trusted_for(SCOPE)]},
        "destinations": [{"name": "loopback", "cidrs": ["127.0.0.0/8"]}],
        "rules": [{"name": "all", "allow": {"from": {"unidentified": true}, "to": {"destination": "loopback"}}}],
    });
    let upstream = Upstream::start();
    for mistake in [None, Some((text, values.to_owned()))] {
        let (wrong, mut setup) = (mistake.is_some(), Setup::new(policy.clone(), upstream.address()));
        setup.amendments.extend(mistake);
        let envoy = Envoy::start_with_any(setup);
        let status = Connection::open(envoy.address()).ask(get("/charge/1", "")).status;
        assert_eq!((status == 200, envoy.rejected_policies() > 0), (!wrong, wrong), "{status}");
        assert_eq!(is_found(&envoy, "policy"), wrong);
    }
}

/// tcp.yaml, under a policy by which anybody may reach one address, and the approved process all of loopback.
fn preface_proxy(mistakes: &[Amendment]) -> (Envoy, Upstream, Key) {
    preface_proxy_with(mistakes, |_| {})
}

fn preface_proxy_with(mistakes: &[Amendment], change: impl FnOnce(&mut Setup)) -> (Envoy, Upstream, Key) {
    let (upstream, key) = (Upstream::start(), Key::new("2026-11"));
    let policy = json!({
        "version": 1,
        "mode": "enforce",
        "trust": {"domain": DOMAIN, "keys": [key.trusted_for(SCOPE)]},
        "processes": [{"name": "checkout", "container": "checkout", "exe": [exe().to_string()]}],
        "destinations": [
            {"name": "health", "cidrs": [format!("{}/32", OPEN_TO_ALL.ip())]},
            {"name": "loopback", "cidrs": ["127.0.0.0/8"]},
        ],
        "rules": [
            {"name": "health-for-all", "allow": {"from": {"unidentified": true}, "to": {"destination": "health"}}},
            {"name": "checkout", "allow": {"from": {"process": "checkout"}, "to": {"destination": "loopback"}}},
        ],
    });
    let mut setup = Setup::new(policy, upstream.address());
    setup.kind = "tcp";
    setup.amendments.extend(mistakes.iter().cloned());
    change(&mut setup);
    (Envoy::start(setup), upstream, key)
}

const OPEN_TO_ALL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 9, 9, 9)), 8080);

/// Whether a request behind this preface reaches the server.
fn passes(to: SocketAddr, upstream: &Upstream, preface: &[u8]) -> bool {
    passes_with(to, upstream, preface, "")
}

/// The same with more lines in the request's head.
fn passes_with(to: SocketAddr, upstream: &Upstream, preface: &[u8], lines: &str) -> bool {
    let before = upstream.requests();
    let mut connection = Connection::open(to);
    connection.send(preface);
    connection.try_send(get("/charge/1", lines));
    let passed = connection.read().is_some_and(|answer| answer.status == 200);
    assert_eq!(upstream.requests() > before, passed);
    passed
}

/// A pod's network. Nothing where this user may not make one.
fn network() -> Option<Namespace> {
    is_root_for("a network of its own").then(Namespace::new)
}

/// A pod's network in which connections to this port are redirected to the proxy.
fn redirected(port: u16) -> Option<Namespace> {
    let (pod, iptables) = (network()?, tools::client("iptables")?);
    let (port, to) = (port.to_string(), OUTBOUND.port().to_string());
    let rule =
        ["-w", "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "--dport", &port, "-j", "REDIRECT", "--to-ports"];
    succeed(pod.command(&iptables.to_string_lossy()).args(rule).arg(to));
    Some(pod)
}

const OUTBOUND: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 15_001);
const SERVICE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7_000);

#[test]
fn without_original_dst_behind_it_a_preface_chooses_the_rules_and_that_is_found() {
    let second = "    - name: envoy.filters.listener.original_dst\n      typed_config: *original_dst\n";
    let Some(pod) = redirected(SERVICE.port()) else { return };
    pod.within(|| {
        for (mistakes, wrong) in [(vec![], false), (vec![(second, String::new())], true)] {
            let (envoy, upstream, _) = preface_proxy_with(&mistakes, |setup| {
                setup.redirected = Some(Redirected { to: OUTBOUND, user: 0 });
                setup.parameters.push(("PROCGATE_TCP_CLUSTER", "upstream".into()));
            });
            let source = ([127, 0, 0, 1], 40_000).into();
            let claims_health = proxy_v2::preface(source, OPEN_TO_ALL, "").unwrap();
            assert_eq!(passes(SERVICE, &upstream, &claims_health), wrong);
            assert_eq!(is_found(&envoy, "order"), wrong);
        }
    });
}

#[test]
fn where_nothing_redirects_a_preface_chooses_the_rules_whatever_the_order_and_the_doctor_warns() {
    // Where anything in the network has connection tracking, original_dst finds the true destination.
    let Some(network) = network() else { return };
    network.within(|| {
        let (envoy, upstream, _) = preface_proxy(&[]);
        let claims_health = proxy_v2::preface(([127, 0, 0, 1], 40_000).into(), OPEN_TO_ALL, "").unwrap();
        assert!(passes(envoy.address(), &upstream, &claims_health));
        let examination = examine(&["--envoy-config", &envoy.configuration().to_string_lossy()]);
        assert_eq!(examination.ids("warning"), ["redirect"]);
    });
}

#[test]
fn a_source_that_a_preface_claims_makes_a_stolen_token_good_and_that_is_found() {
    // As the address stands before proxy_protocol it is still the peer's own: the filter moves behind it, too.
    let first = "    - name: procgate.source\n      typed_config:\n        \"@type\": type.googleapis.com/envoy.extensions.filters.listener.set_filter_state.v3.Config\n        on_accept:\n        - object_key: procgate.source\n          factory_key: envoy.string\n          format_string:\n            text_format_source: {inline_string: \"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%\"}\n";
    let inspector = "    - name: envoy.filters.listener.http_inspector\n";
    let claimed = first.replace("DIRECT_", "") + inspector;
    for (mistakes, wrong) in [(vec![], false), (vec![(first, String::new()), (inspector, claimed)], true)] {
        let (envoy, upstream, key) = preface_proxy(&mistakes);
        let victim = Connection::open(envoy.address());
        let token = key.mint(&tokens::claims(exe(), None, victim.source(), envoy.address()));
        let stolen = proxy_v2::preface(victim.source(), envoy.address(), &token).unwrap();
        assert_eq!(passes(envoy.address(), &upstream, &stolen), wrong);
        assert_eq!(is_found(&envoy, "source"), wrong);
    }
}

#[test]
fn without_a_source_of_its_own_a_token_in_a_header_is_good_behind_a_preface_that_claims_its_source() {
    let kept = "object_key: procgate.source";
    for (mistakes, wrong) in [(vec![], false), (vec![(kept, "object_key: procgate.sauce".into())], true)] {
        let (envoy, upstream, key) = preface_proxy(&mistakes);
        let victim = Connection::open(envoy.address());
        let token = key.mint(&tokens::claims(exe(), None, victim.source(), envoy.address()));
        let claimed = proxy_v2::preface(victim.source(), envoy.address(), "").unwrap();
        assert_eq!(passes_with(envoy.address(), &upstream, &claimed, &token_line(&token)), wrong);
        assert_eq!(is_found(&envoy, "source"), wrong);
    }
}

#[test]
fn the_projects_own_configuration_is_clean_as_it_runs() {
    let proxy = Proxy::start();
    let examination = examine(&["--envoy-config", &proxy.envoy.configuration().to_string_lossy()]);
    assert_eq!(examination.ids("error"), [""; 0], "{:?}", examination.finished);
    assert_eq!(examination.ids("warning"), [""; 0], "{:?}", examination.finished);
}
