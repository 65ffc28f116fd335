//! `procgate doctor`, on the project's own configurations and on what can go wrong with them.

use crate::place::{Place, Ran};
use procgate_identity::Digest;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// A folder with the project's configuration of this kind, filled in as its users do.
fn rendered(kind: &str) -> Place {
    rendered_with(kind, "enforce")
}

fn rendered_with(kind: &str, mode: &str) -> Place {
    let place = Place::new();
    let made = place.run(&["keygen", "--kid", "one", "--output", "json"]).json();
    let policy = json!({
        "version": 1,
        "mode": mode,
        "trust": {"domain": "shop.example", "keys": [
            {"jwk": made["entry"]["jwk"], "scope": "spiffe://shop.example/ns/shop/sa/checkout/container/"},
        ]},
        "processes": [{"name": "checkout", "exe": [Digest::of(b"checkout").to_string()]}],
        "destinations": [{"name": "payments", "hosts": ["payments.shop.example"]}],
        "rules": [{"name": "pays", "allow": {"from": {"process": "checkout"}, "to": {"destination": "payments"}}}],
    });
    place.write("policy.json", policy.to_string().as_bytes());
    place.write("procgate.wasm", b"\0asm");
    let render = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy-config/render");
    let status = Command::new(render)
        .arg(place.path(""))
        .arg(kind)
        .env("PROCGATE_WASM", place.path("procgate.wasm"))
        .env("PROCGATE_POLICY", place.path("policy.json"))
        .env("PROCGATE_UPSTREAM_HOST", "127.0.0.1")
        .env("PROCGATE_UPSTREAM_PORT", "8080")
        .env("PROCGATE_CERTIFICATE", "proxy.pem")
        .env("PROCGATE_CERTIFICATE_KEY", "proxy.key")
        .env("PROCGATE_PEERS_CA", "peers.pem")
        .env("PROCGATE_TRUST_DOMAIN", "shop.example")
        .status();
    assert!(status.unwrap().success());
    place
}

fn examine(place: &Place, kind: &str) -> Ran {
    place.run(&["doctor", "--envoy-config", &format!("{kind}.yaml"), "--output", "json"])
}

/// The ids of what has this level.
fn found(ran: &Ran, level: &str) -> Vec<String> {
    let checks = ran.json()["checks"].as_array().unwrap().clone();
    let of_level = checks.iter().filter(|check| check["level"] == level);
    of_level.map(|check| check["id"].as_str().unwrap().into()).collect()
}

/// Replaces every occurrence of a text in a file, which has to be there.
fn change(place: &Place, file: &str, from: &str, to: &str) {
    let text = place.read(file);
    assert!(text.contains(from), "{file} has no {from:?}");
    place.write(file, text.replace(from, to).as_bytes());
}

#[test]
fn the_projects_own_configurations_have_nothing_to_complain_about() {
    for (kind, least) in [("http", 9), ("tcp", 12), ("tls-alpn", 6), ("receiver", 9)] {
        let place = rendered(kind);
        let ran = examine(&place, kind);
        assert_eq!((ran.code, found(&ran, "error"), found(&ran, "warning")), (0, vec![], vec![]), "{kind}");
        assert!(found(&ran, "ok").len() >= least, "{kind}: {ran:?}");
    }
}

/// What goes wrong: in which kind of configuration and which of its files, the text and what stands in its
/// place, and what is to be found.
type Mistake = (&'static str, &'static str, &'static str, &'static str, &'static str);

const LETS_SOMEBODY_THROUGH_OR_NOBODY: &[Mistake] = &[
    // The order of listener filters.
    (
        "tcp",
        "tcp.yaml",
        "    - name: envoy.filters.listener.original_dst\n      typed_config: *original_dst\n",
        "",
        "order",
    ),
    (
        "tcp",
        "tcp.yaml",
        "    - name: procgate.original_dst\n",
        "    - name: envoy.filters.listener.tls_inspector\n      typed_config:\n        \"@type\": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector\n    - name: procgate.original_dst\n",
        "order",
    ),
    // The source.
    (
        "tcp",
        "tcp.yaml",
        "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%\"}\n    - name: procgate.original_dst",
        "%DOWNSTREAM_REMOTE_ADDRESS%\"}\n    - name: procgate.original_dst",
        "source",
    ),
    ("tcp", "tcp.yaml", "object_key: procgate.source", "object_key: procgate.sauce", "source"),
    ("http", "http.yaml", "factory_key: envoy.string", "factory_key: envoy.hashable_string", "source"),
    (
        "http",
        "http.yaml",
        "    - name: procgate.source\n",
        "    - name: procgate.source\n      filter_disabled: {any_match: true}\n",
        "source",
    ),
    // The preface.
    ("tcp", "tcp.yaml", "        tlv_location: FILTER_STATE\n", "", "preface"),
    ("tcp", "tcp.yaml", "tlv_type: 0xEA", "tlv_type: 0xEB", "preface"),
    ("tcp", "tcp.yaml", "on_tlv_present: {key: procgate}", "on_tlv_present: {key: token}", "preface"),
    (
        "tcp",
        "tcp.yaml",
        "        tlv_location: FILTER_STATE\n",
        "        tlv_location: FILTER_STATE\n        disallowed_versions: [V2]\n",
        "preface",
    ),
    (
        "tcp",
        "tcp.yaml",
        "    traffic_direction: OUTBOUND\n",
        "    traffic_direction: OUTBOUND\n    use_original_dst: true\n",
        "hand-off",
    ),
    // First bytes.
    ("tls-alpn", "tls-alpn.yaml", "receive_before_connect", "receive_before_connected", "first-bytes"),
    ("tls-alpn", "tls-alpn.yaml", "inline_string: \"true\"", "inline_string: \"false\"", "first-bytes"),
    (
        "tls-alpn",
        "tls-alpn-filter.yaml",
        "root_id: network-stream",
        "root_id: network-before-http",
        "coverage",
    ),
    ("tls-alpn", "tls-alpn-filter.yaml", "root_id: network-stream", "root_id: stream", "root-id"),
    // What goes past the plugin.
    (
        "tcp",
        "tcp.yaml",
        "      - name: procgate\n        config_discovery:\n          type_urls: [type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm]",
        "      - name: other\n        config_discovery:\n          type_urls: [type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm]",
        "coverage",
    ),
    (
        "http",
        "http.yaml",
        "          - name: procgate\n            config_discovery:",
        "          - name: procgate\n            disabled: true\n            config_discovery:",
        "coverage",
    ),
    (
        "http",
        "http.yaml",
        "          - name: procgate\n            config_discovery:",
        "          - name: other\n            config_discovery:",
        "coverage",
    ),
    (
        "http",
        "http.yaml",
        "              domains: [\"*\"]\n",
        "              domains: [\"*\"]\n              typed_per_filter_config:\n                procgate:\n                  \"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig\n                  disabled: true\n",
        "coverage",
    ),
    (
        "http",
        "http.yaml",
        "          codec_type: AUTO\n",
        "          codec_type: AUTO\n          upgrade_configs:\n          - upgrade_type: websocket\n            filters:\n            - name: envoy.filters.http.router\n              typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}\n",
        "coverage",
    ),
    (
        "http",
        "http.yaml",
        "            config_discovery:\n",
        "            config_discovery:\n              apply_default_config_without_warming: true\n              default_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC}\n",
        "coverage",
    ),
    // The plugin behind the filter that ends the chain.
    (
        "http",
        "http.yaml",
        "          http_filters:\n",
        "          http_filters:\n          - name: envoy.filters.http.router\n            typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}\n",
        "coverage",
    ),
    (
        "tcp",
        "tcp.yaml",
        "      filters:\n      - name: procgate\n        config_discovery:\n          type_urls: [type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm]",
        "      filters:\n      - {name: proxy, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy}}\n      - name: procgate\n        config_discovery:\n          type_urls: [type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm]",
        "coverage",
    ),
    // A way that no plugin can be in.
    (
        "http",
        "http.yaml",
        "  listeners:\n",
        "  listeners:\n  - name: datagrams\n    traffic_direction: OUTBOUND\n    address: {socket_address: {address: 127.0.0.1, port_value: 99, protocol: UDP}}\n    listener_filters:\n    - name: envoy.filters.udp_listener.udp_proxy\n      typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig}\n",
        "coverage",
    ),
    // The module.
    ("http", "http-filter.yaml", "procgate.wasm\"", "gone.wasm\"", "module"),
    ("http", "http-filter.yaml", "procgate.wasm\"", "policy.json\"", "module"),
    (
        "tcp",
        "tcp.yaml",
        "    lb_policy: CLUSTER_PROVIDED\n",
        "    lb_policy: CLUSTER_PROVIDED\n    original_dst_lb_config: {use_http_header: true}\n",
        "destination",
    ),
    // The plugin itself.
    (
        "http",
        "http-filter.yaml",
        "failure_policy: FAIL_RELOAD",
        "failure_policy: FAIL_OPEN",
        "failure-policy",
    ),
    ("http", "http-filter.yaml", "failure_policy: FAIL_RELOAD", "failurePolicy: 3", "failure-policy"),
    ("http", "http-filter.yaml", "failure_policy: FAIL_RELOAD", "fail_open: true", "failure-policy"),
    // What Envoy may not ask the plugin it lets pass.
    (
        "http",
        "http-filter.yaml",
        "failure_policy: FAIL_RELOAD",
        "failure_policy: FAIL_RELOAD\n      capability_restriction_config: {allowed_capabilities: {proxy_log: {}}}",
        "capabilities",
    ),
    (
        "tcp",
        "tcp-filter.yaml",
        "failure_policy: FAIL_RELOAD",
        "failure_policy: FAIL_RELOAD\n      capabilityRestrictionConfig: {allowedCapabilities: {proxy_on_new_connection: {}}}",
        "capabilities",
    ),
    ("tcp", "tcp-filter.yaml", "root_id: network", "root_id: connections", "root-id"),
    ("http", "http-filter.yaml", "      vm_config:", "      root_id: network\n      vm_config:", "root-id"),
    ("http", "http-filter.yaml", "\"version\":1", "\"version\":2", "policy"),
    ("tcp", "tcp-filter.yaml", "\"name\":\"pays\"", "\"name\":\"paid\"", "policy"),
    (
        "http",
        "http-filter.yaml",
        "google.protobuf.StringValue\n        value: |2\n",
        "google.protobuf.Struct\n        value:\n",
        "policy",
    ),
    // Around it.
    (
        "http",
        "http.yaml",
        "{address: 127.0.0.1, port_value: 9901}",
        "{address: 0.0.0.0, port_value: 9901}",
        "admin",
    ),
    (
        "receiver",
        "receiver.yaml",
        "require_client_certificate: true",
        "require_client_certificate: false",
        "peer",
    ),
];

const COULD_BE_BETTER: &[Mistake] = &[
    ("tcp", "tcp.yaml", "    traffic_direction: OUTBOUND\n", "", "direction"),
    ("http", "http.yaml", "object_key: procgate.source", "object_key: procgate.sauce", "source"),
    ("tcp", "tcp.yaml", "    listener_filters_timeout: 1s\n", "", "waiting"),
    ("tcp", "tcp.yaml", "    continue_on_listener_filters_timeout: true\n", "", "waiting"),
    (
        "http",
        "http-filter.yaml",
        "failure_policy: FAIL_RELOAD",
        "failure_policy: FAIL_CLOSED",
        "failure-policy",
    ),
    ("http", "http.yaml", "  - exact: /ready", "  - exact: /quitquitquit", "admin"),
    ("http", "http.yaml", "  - prefix: /stats", "  - prefix: /", "admin"),
    (
        "http",
        "http.yaml",
        "FILTER_STATE(wasm.procgate:PLAIN)",
        "FILTER_STATE(wasm.other:PLAIN)",
        "access-log",
    ),
    (
        "http",
        "http.yaml",
        "          - name: envoy.access_loggers.file\n",
        "          - name: envoy.access_loggers.file\n            filter: {response_flag_filter: {}}\n",
        "access-log",
    ),
    (
        "tcp",
        "tcp.yaml",
        "            procgate: \"%FILTER_STATE(wasm.procgate:PLAIN)%\"\n            response_flags",
        "            response_flags",
        "access-log",
    ),
    ("http", "http.yaml", "(carrier=\\\\.=", "(courier=\\\\.=", "stats-tags"),
    ("http", "http.yaml", "          request_headers_timeout: 10s\n", "", "timeouts"),
    ("http", "http.yaml", "stream_idle_timeout: 60s", "stream_idle_timeout: 0s", "timeouts"),
    ("http", "http.yaml", "normalize_path: true", "normalize_path: false", "paths"),
    (
        "http",
        "http.yaml",
        "path_with_escaped_slashes_action: REJECT_REQUEST",
        "path_with_escaped_slashes_action: KEEP_UNCHANGED",
        "paths",
    ),
];

/// What is found of a configuration with this mistake: the exit code, the errors and the warnings.
fn examine_with((kind, file, from, to, _): &Mistake) -> (i32, Vec<String>, Vec<String>) {
    let place = rendered(kind);
    change(&place, file, from, to);
    let ran = examine(&place, kind);
    (ran.code, found(&ran, "error"), found(&ran, "warning"))
}

#[test]
fn whatever_lets_somebody_through_or_nobody_is_an_error() {
    for mistake @ (_, file, _, to, id) in LETS_SOMEBODY_THROUGH_OR_NOBODY {
        let (code, errors, _) = examine_with(mistake);
        assert!(code == 1 && errors.contains(&(*id).into()), "{file}: {to}: {errors:?}");
    }
}

#[test]
fn whatever_could_be_better_is_a_warning_and_no_error() {
    for mistake @ (_, file, _, to, id) in COULD_BE_BETTER {
        assert_eq!(examine_with(mistake), (0, vec![], vec![(*id).into()]), "{file}: {to}");
    }
}

#[test]
fn the_two_original_dst_are_told_apart_by_their_place_and_not_by_their_name() {
    let place = rendered("tcp");
    // The second moves before proxy_protocol, where the first already is.
    change(
        &place,
        "tcp.yaml",
        "    - name: envoy.filters.listener.original_dst\n      typed_config: *original_dst\n",
        "",
    );
    change(
        &place,
        "tcp.yaml",
        "    # Takes the preface off",
        "    - name: envoy.filters.listener.original_dst\n      typed_config: *original_dst\n    # Takes the preface off",
    );
    assert_eq!(found(&examine(&place, "tcp"), "error"), ["order"]);
}

#[test]
fn one_original_dst_after_proxy_protocol_is_safe_and_not_enough_for_who_sends_no_preface() {
    let place = rendered("tcp");
    let kind = "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst";
    let first = format!(
        "    - name: procgate.original_dst\n      typed_config: &original_dst\n        \"@type\": {kind}\n"
    );
    change(&place, "tcp.yaml", &first, "");
    change(&place, "tcp.yaml", "*original_dst", &format!("{{\"@type\": {kind}}}"));
    let ran = examine(&place, "tcp");
    assert_eq!((ran.code, found(&ran, "warning")), (0, vec!["order".into()]));
}

#[test]
fn the_same_policy_in_other_words_is_the_same_policy() {
    let place = rendered("tcp");
    for (from, to) in
        [("\"version\":1", "\"version\": 1"), ("\"rules\"", "\"lint\":{\"suppress\":[]},\"rules\"")]
    {
        change(&place, "tcp-filter.yaml", from, to);
        let ran = examine(&place, "tcp");
        assert_eq!((ran.code, found(&ran, "error"), found(&ran, "warning")), (0, vec![], vec![]), "{to}");
    }
}

#[test]
fn what_the_plugin_may_not_do_and_has_to_is_named() {
    // All that the module and Envoy ask of each other.
    let needed = "proxy_on_vm_start proxy_on_configure proxy_on_context_create proxy_on_tick proxy_on_delete \
                  proxy_on_request_headers proxy_log proxy_get_buffer_bytes proxy_get_current_time_nanoseconds \
                  proxy_get_property proxy_set_property proxy_call_foreign_function proxy_get_shared_data \
                  proxy_set_shared_data proxy_set_tick_period_milliseconds proxy_define_metric \
                  proxy_increment_metric proxy_record_metric random_get proxy_get_header_map_pairs \
                  proxy_add_header_map_value proxy_remove_header_map_value proxy_send_local_response \
                  proxy_on_new_connection proxy_on_downstream_data proxy_set_effective_context \
                  proxy_continue_stream proxy_close_stream proxy_set_buffer_bytes";
    let allowing = |allowed: &[&str]| {
        let place = rendered("http");
        let list: Value = allowed
            .iter()
            .map(|name| ((*name).to_owned(), json!({})))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let policy = "failure_policy: FAIL_RELOAD";
        let restricted =
            format!("{policy}\n      capability_restriction_config: {{allowed_capabilities: {list}}}");
        change(&place, "http-filter.yaml", policy, &restricted);
        examine(&place, "http")
    };
    let all: Vec<_> = needed.split_whitespace().collect();
    for enough in [all.as_slice(), &[]] {
        assert_eq!((allowing(enough).code, found(&allowing(enough), "error")), (0, vec![]), "{enough:?}");
    }
    for lacking in &all {
        let others: Vec<_> = all.iter().copied().filter(|name| name != lacking).collect();
        let ran = allowing(&others);
        assert_eq!((ran.code, found(&ran, "error")), (1, vec!["capabilities".into()]), "{lacking}");
        let decides = *lacking == "proxy_on_request_headers";
        assert_eq!(ran.out.contains("everything passes"), decides, "{lacking}: {ran:?}");
        assert_ne!(ran.out.contains("has met the plugin"), decides, "{lacking}: {ran:?}");
        assert!(ran.out.contains(&format!("allowed_capabilities lacks {lacking}\"")), "{ran:?}");
    }
}

#[test]
fn audit_mode_is_pointed_out() {
    let place = rendered_with("http", "audit");
    let ran = examine(&place, "http");
    assert_eq!((ran.code, found(&ran, "warning")), (0, vec!["mode".into()]));
}

#[test]
fn a_line_says_where_what_and_what_to_do() {
    let place = rendered("http");
    change(&place, "http-filter.yaml", "FAIL_RELOAD", "FAIL_OPEN");
    let ran = place.run(&["doctor", "--envoy-config", "http.yaml"]);
    let line = "error    listener outbound, filter chain 1: after a crash of the plugin everything passes: \
                set failure_policy: FAIL_RELOAD [failure-policy]\n";
    assert!(
        ran.code == 1 && ran.out.contains(line) && ran.out.ends_with(" 0 warnings, 1 errors\n"),
        "{ran:?}"
    );
}

#[test]
fn a_part_that_cannot_be_read_is_found_and_not_passed_over() {
    let place = rendered("http");
    std::fs::remove_file(place.path("http-filter.yaml")).unwrap();
    let ran = examine(&place, "http");
    assert_eq!((ran.code, found(&ran, "error")), (1, vec!["files".into()]));
    assert_eq!(found(&ran, "warning"), ["plugin"]);
}

#[test]
fn the_plugin_behind_any_filter_that_ends_the_chain_is_an_error() {
    for (last, name) in [
        ("tcp_proxy.v3.TcpProxy", "tcp_proxy"),
        ("direct_response.v3.Config", "direct_response"),
        ("echo.v3.Echo", "echo"),
        ("redis_proxy.v3.RedisProxy", "redis_proxy"),
        ("thrift_proxy.v3.ThriftProxy", "thrift_proxy"),
        ("dubbo_proxy.v3.DubboProxy", "dubbo_proxy"),
        ("generic_proxy.v3.GenericProxy", "generic_proxy"),
    ] {
        let place = rendered("tcp");
        let plugin = "      filters:\n      - name: procgate\n";
        let ahead = format!(
            "      filters:\n      - {{name: last, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.network.{last}}}}}\n      - name: procgate\n"
        );
        change(&place, "tcp.yaml", plugin, &ahead);
        let ran = examine(&place, "tcp");
        assert!(found(&ran, "error").contains(&"coverage".into()), "{last}: {ran:?}");
        assert!(
            ran.out.contains(&format!("the plugin stands behind {name}, where nothing comes")),
            "{ran:?}"
        );
    }
}

#[test]
fn a_plugin_without_a_module_is_an_error() {
    let module =
        |place: &Place| format!("{{local: {{filename: \"{}\"}}}}", place.path("procgate.wasm").display());
    for (code, errors) in [
        ("{}", 1),
        ("{local: {}}", 1),
        ("{local: {filename: \"\"}}", 1),
        ("{local: {inline_string: procgate}}", 1),
        ("{local: {inlineBytes: bm9uZQ==}}", 1),
        ("{local: {inline_bytes: AGFzbQ==}}", 0),
        ("{local: {environment_variable: PROCGATE}}", 0),
        ("{remote: {http_uri: {uri: \"https://shop.example/procgate.wasm\"}}}", 0),
    ] {
        let place = rendered("http");
        change(&place, "http-filter.yaml", &module(&place), code);
        let ran = examine(&place, "http");
        let mut ids = found(&ran, "error");
        ids.dedup();
        assert_eq!(ids, vec!["module"; errors], "{code}: {ran:?}");
    }
}

#[test]
fn nobody_says_what_passes_without_the_module_of_another_filter() {
    let place = rendered("http");
    let router = "          - name: envoy.filters.http.router\n";
    let other = "          - {name: stats, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, config: {name: stats, failure_policy: FAIL_OPEN, vm_config: {code: {local: {filename: gone.wasm}}}}}}\n";
    change(&place, "http.yaml", router, &format!("{other}{router}"));
    let ran = examine(&place, "http");
    assert_eq!((ran.code, found(&ran, "error")), (1, vec!["module".into()]));
    assert!(ran.out.contains("gone.wasm") && !ran.out.contains("nothing would pass"), "{ran:?}");
}

#[test]
fn what_may_change_a_judged_request_is_said_and_no_fault() {
    let place = rendered("http");
    assert!(!found(&examine(&place, "http"), "ok").contains(&"rewrite".into()));
    let lua = "          - name: after\n            typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua}\n";
    let router = "          - name: envoy.filters.http.router\n";
    change(&place, "http.yaml", router, &format!("{lua}{router}"));
    change(&place, "http.yaml", "route: {", "route: {prefix_rewrite: /inner, ");
    let ran = examine(&place, "http");
    assert_eq!((ran.code, found(&ran, "error"), found(&ran, "warning")), (0, vec![], vec![]));
    assert!(
        ran.out.contains("behind the plugin the filter after and a route may ask the upstream"),
        "{ran:?}"
    );
    // What stands before the plugin it sees the result of.
    let place = rendered("http");
    change(&place, "http.yaml", "          http_filters:\n", &format!("          http_filters:\n{lua}"));
    assert!(!found(&examine(&place, "http"), "ok").contains(&"rewrite".into()));
}

/// A configuration with these routes instead of its own: what is found of the plugin's coverage.
fn coverage_with_routes(routes: &Value) -> (Vec<(String, String)>, Ran) {
    let place = rendered("http");
    let own = "          route_config:
            virtual_hosts:
            - name: upstream
              domains: [\"*\"]
              routes:
              - match: {prefix: \"/\"}
                route: {cluster: upstream, timeout: 60s}
";
    let fields = routes.as_object().unwrap().iter();
    let lines: String = fields.map(|(name, value)| format!("          {name}: {value}\n")).collect();
    change(&place, "http.yaml", own, &lines);
    let ran = examine(&place, "http");
    (places(&ran, "coverage"), ran)
}

fn scoped(of: &Value) -> Value {
    json!({"scoped_routes": {"name": "s", "scoped_route_configurations_list": {
        "scoped_route_configurations": [{"name": "one", "key": {}, "route_configuration": of}],
    }}})
}

fn matched(action: &Value) -> Value {
    json!({"route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "matcher": {"matcher_tree": {
        "exact_match_map": {"map": {"a": {"matcher": {"on_no_match": {"action": {"name": "it", "typed_config": action}}}}}},
    }}}]}})
}

#[test]
fn a_route_that_switches_the_plugin_off_is_found_wherever_envoy_takes_it_from() {
    let kind = |name: &str| format!("type.googleapis.com/envoy.config.route.v3.{name}");
    let off = json!({"procgate": {"@type": kind("FilterConfig"), "disabled": true}});
    let route =
        json!({"match": {"prefix": "/"}, "route": {"cluster": "upstream"}, "typed_per_filter_config": off});
    let typed = |name: &str, mut of: Value| {
        of["@type"] = kind(name).into();
        of
    };
    let weighted = json!({"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": [
        {"name": "upstream", "weight": 1, "typedPerFilterConfig": off},
    ]}}});
    let table = |routes: Value| json!({"virtual_hosts": [{"domains": ["*"], "routes": routes}]});
    for routes in [
        json!({"route_config": table(json!([route]))}),
        json!({"route_config": table(json!([weighted]))}),
        json!({"route_config": {"typed_per_filter_config": off}}),
        scoped(&table(json!([route]))),
        matched(&typed("Route", route.clone())),
        matched(&typed("RouteList", json!({"routes": [weighted]}))),
    ] {
        let (coverage, ran) = coverage_with_routes(&routes);
        let expected = ("listener outbound, filter chain 1".into(), "error".into());
        assert_eq!((ran.code, coverage), (1, vec![expected]), "{routes}");
    }
}

#[test]
fn where_routes_were_not_looked_at_nobody_says_that_all_has_met_the_plugin() {
    let kind = |name: &str| format!("type.googleapis.com/envoy.config.route.v3.{name}");
    let host = json!({"domains": ["*"], "routes": [{"route": {"cluster": "upstream"}}]});
    for (routes, what) in [
        (json!({"rds": {"route_config_name": "80", "config_source": {"ads": {}}}}), "the route table 80"),
        (json!({"scoped_routes": {"name": "s", "scoped_rds": {}}}), "scoped routes"),
        (json!({"later_routes": {}}), "no place known here"),
        (
            json!({"route_config": {"vhds": {"config_source": {"ads": {}}}, "virtual_hosts": [host]}}),
            "on demand",
        ),
        (matched(&json!({"@type": kind("LaterRoute")})), "LaterRoute"),
    ] {
        let (coverage, ran) = coverage_with_routes(&routes);
        let expected = ("listener outbound, filter chain 1".into(), "warning".into());
        assert_eq!((ran.code, coverage), (0, vec![expected]), "{routes}");
        assert!(ran.out.contains(what), "{routes}: {ran:?}");
    }
    let (coverage, _) = coverage_with_routes(&scoped(&json!({"virtual_hosts": [host]})));
    assert_eq!(coverage, [("listener outbound, filter chain 1".into(), "ok".into())]);
}

#[test]
fn a_listener_that_passes_nothing_is_listed_too() {
    let place = rendered("http");
    let listener = "  listeners:\n  - name: datagrams\n    address: {socket_address: {address: 127.0.0.1, port_value: 99, protocol: UDP}}\n";
    change(&place, "http.yaml", "  listeners:\n", listener);
    let ran = examine(&place, "http");
    assert_eq!((ran.code, found(&ran, "warning")), (0, vec![]), "{ran:?}");
    assert!(ran.out.contains("\"listener datagrams\"") && ran.out.contains("leads nowhere"), "{ran:?}");
}

#[test]
fn what_is_no_configuration_is_refused_or_found_to_have_no_listeners() {
    let place = Place::new();
    for bytes in [&b"\xff"[..], b"a: [", b"a: 1\na: 2\n", b"- a", b"just text", b""] {
        place.write("config", bytes);
        place.run(&["doctor", "--envoy-config", "config"]).refused();
    }
    place.run(&["doctor", "--envoy-config", "missing"]).refused();
    place.write("config", b"a: &x [1, 2]\nb: *x");
    let ran = place.run(&["doctor", "--envoy-config", "config", "--output", "json"]);
    assert_eq!((ran.code, found(&ran, "error")), (1, vec!["listeners".into(), "plugin".into()]));
}

/// A dump such as Istio's: listeners that came from a control plane, filters that were discovered, a
/// configuration that the control plane could not type.
fn dump(ecds: &Value) -> Value {
    let text = |name: &str| format!("type.googleapis.com/envoy.{name}");
    let plugin = json!({"name": "shop.procgate", "config_discovery": {
        "config_source": {"ads": {}}, "type_urls": [
            text("extensions.filters.http.wasm.v3.Wasm"), text("extensions.filters.http.rbac.v3.RBAC"),
        ],
    }});
    let router = json!({"name": "envoy.filters.http.router", "typed_config": {
        "@type": text("extensions.filters.http.router.v3.Router"),
    }});
    let manager = |filters: Value| {
        json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": {
            "@type": text("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "normalize_path": true, "merge_slashes": true, "path_with_escaped_slashes_action": "REJECT_REQUEST",
            "request_headers_timeout": "10s", "http_filters": filters,
            "route_config": {"virtual_hosts": [{"domains": ["*"], "routes": [{"route": {"cluster": "x"}}]}]},
            "access_log": [{"name": "log", "typed_config": {"format": "%FILTER_STATE(wasm.procgate:PLAIN)%"}}],
        }})
    };
    let proxy = |cluster: &str| {
        json!({"name": "envoy.filters.network.tcp_proxy", "typed_config": {
            "@type": text("extensions.filters.network.tcp_proxy.v3.TcpProxy"), "cluster": cluster,
        }})
    };
    let source = json!({"name": "procgate.source", "typed_config": {
        "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
        "type_url": text("extensions.filters.listener.set_filter_state.v3.Config"),
        "value": {"on_accept": [{"object_key": "procgate.source", "factory_key": "envoy.string", "format_string": {
            "text_format_source": {"inline_string": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%"},
        }}]},
    }});
    let dynamic = |listener: Value| json!({"name": listener["name"], "active_state": {"listener": listener}});
    json!({"configs": [
        {"@type": text("admin.v3.ListenersConfigDump"), "dynamic_listeners": [
            dynamic(json!({"name": "0.0.0.0_8080", "traffic_direction": "OUTBOUND", "bind_to_port": false,
                "listener_filters": [source], "filter_chains": [{"filters": [manager(json!([plugin, router]))]}]})),
            dynamic(json!({"name": "0.0.0.0_9090", "traffic_direction": "OUTBOUND", "bind_to_port": false,
                "filter_chains": [{"filters": [manager(json!([router]))]}]})),
            dynamic(json!({"name": "virtualOutbound", "traffic_direction": "OUTBOUND", "use_original_dst": true,
                "filter_chains": [{"name": "blackhole", "filters": [proxy("BlackHoleCluster")]}],
                "default_filter_chain": {"name": "passthrough", "filters": [proxy("PassthroughCluster")]}})),
            dynamic(json!({"name": "virtualInbound", "traffic_direction": "INBOUND",
                "filter_chains": [{"name": "in", "filters": [proxy("inbound|8080||")]}]})),
        ]},
        {"@type": text("admin.v3.ClustersConfigDump"), "dynamic_active_clusters": [
            {"cluster": {"name": "PassthroughCluster", "type": "ORIGINAL_DST"}},
        ], "static_clusters": [{"cluster": {"name": "BlackHoleCluster", "type": "STATIC"}}]},
        {"@type": text("admin.v3.EcdsConfigDump"), "ecds_filters": [{"ecds_filter": {
            "@type": text("config.core.v3.TypedExtensionConfig"), "name": "shop.procgate", "typed_config": ecds,
        }}]},
    ]})
}

/// The places and levels of what has this id.
fn places(ran: &Ran, id: &str) -> Vec<(String, String)> {
    let checks = ran.json()["checks"].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_id = checks.iter().filter(|check| check["id"] == id);
    let each = of_id.flat_map(|check| {
        check["where"].as_array().unwrap().iter().map(|place| (text(place), text(&check["level"])))
    });
    each.collect()
}

#[test]
fn a_dump_of_a_mesh_tells_which_listeners_and_chains_are_not_covered() {
    let place = rendered("http");
    let policy = place.read("policy.json");
    let ecds = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": {
        "failure_policy": "FAIL_RELOAD",
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": policy},
    }});
    place.write("dump.json", dump(&ecds).to_string().as_bytes());
    let ran = place.run(&["doctor", "--config-dump", "dump.json", "--output", "json"]);
    let expected = [
        ("listener 0.0.0.0_8080, filter chain 1", "ok"),
        ("listener 0.0.0.0_9090, filter chain 1", "error"),
        ("listener virtualOutbound, filter chain passthrough", "error"),
        ("listener virtualOutbound, filter chain blackhole", "ok"),
        ("listener virtualInbound, filter chain in", "warning"),
    ];
    assert_eq!(places(&ran, "coverage"), expected.map(|(place, level)| (place.into(), level.into())));
    let covered = "listener 0.0.0.0_8080";
    assert_eq!(places(&ran, "source"), [(covered.into(), "ok".into())]);
    assert_eq!(places(&ran, "policy"), [(format!("{covered}, filter chain 1"), "ok".into())]);
    assert_eq!(ran.code, 1);
}

#[test]
fn a_stand_in_for_a_module_that_could_not_be_fetched_is_no_plugin() {
    let place = Place::new();
    let ecds = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"});
    place.write("dump.json", dump(&ecds).to_string().as_bytes());
    let ran = place.run(&["doctor", "--config-dump", "dump.json", "--output", "json"]);
    let place = "listener 0.0.0.0_8080, filter chain 1";
    assert!(places(&ran, "coverage").contains(&(place.into(), "error".into())), "{ran:?}");
}

/// virtualOutbound hands connections to listeners that take prefaces off, and keeps what none of them takes.
#[test]
fn a_preface_stays_on_what_no_listener_takes_unless_the_plugin_reads_first_bytes_there() {
    let kind = |name: &str| format!("type.googleapis.com/envoy.extensions.filters.{name}");
    let plugin = |root: &str| {
        json!({"name": "procgate", "typed_config": {"@type": kind("network.wasm.v3.Wasm"), "config": {
            "name": "procgate", "root_id": root, "failure_policy": "FAIL_RELOAD",
        }}})
    };
    let dump = |first: Value, chains: Value| {
        let mut dump = dump(&json!({}));
        let listeners = &mut dump["configs"][0]["dynamic_listeners"];
        for target in 0..2 {
            let filters = &mut listeners[target]["active_state"]["listener"]["listener_filters"];
            *filters = json!([{"name": "preface", "typed_config": {
                "@type": kind("listener.proxy_protocol.v3.ProxyProtocol")}}]);
        }
        let catch_all = &mut listeners[2]["active_state"]["listener"];
        let filters = catch_all["default_filter_chain"]["filters"].as_array_mut().unwrap();
        filters.insert(0, first);
        catch_all["filter_chains"].as_array_mut().unwrap().extend(chains.as_array().unwrap().clone());
        dump
    };
    let http = json!([{"name": "http", "filters": [{"name": "manager", "typed_config": {
        "@type": kind("network.http_connection_manager.v3.HttpConnectionManager")}}]}]);
    let mut detected = http.clone();
    detected[0]["filter_chain_match"] = json!({"application_protocols": ["http/1.1", "h2c"]});
    for (root, chains, level) in [
        ("network-stream", json!([]), "ok"),
        ("network", json!([]), "warning"),
        ("network-stream", http, "warning"),
        ("network-stream", detected, "ok"),
    ] {
        let place = Place::new();
        place.write("dump.json", dump(plugin(root), chains).to_string().as_bytes());
        let ran = place.run(&["doctor", "--config-dump", "dump.json", "--output", "json"]);
        let expected = [("listener virtualOutbound".into(), level.into())];
        assert_eq!(places(&ran, "hand-off"), expected, "{root}: {ran:?}");
    }
}

#[test]
fn a_configuration_with_parameters_is_told_to_be_a_template() {
    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../envoy-config/tcp.yaml");
    let ran = Place::new().run(&["doctor", "--envoy-config", template]);
    let line = ran.refused();
    assert!(
        line.contains("${PROCGATE_ADMIN_PORT} at line 21") && line.contains("envoy-config/render"),
        "{line}"
    );
}
