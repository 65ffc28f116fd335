//! The HTTP connection manager that the plugin is in.

use super::checks::{Checks, Level};
use super::envoy::{Direction, Filter};
use super::plugin::Plugin;
use super::tree::Tree;
use core::fmt;

/// HTTP filters that may make another request of what they get.
const REWRITING: [&str; 4] =
    ["lua.v3.Lua", "ext_proc.v3.ExternalProcessor", "header_mutation.v3.HeaderMutation", "http.wasm.v3.Wasm"];
/// What of a route has the upstream get another path or host.
const REWRITES: [&str; 8] = [
    "prefix_rewrite",
    "regex_rewrite",
    "path_rewrite",
    "path_rewrite_policy",
    "host_rewrite_literal",
    "host_rewrite_header",
    "host_rewrite_path_regex",
    "auto_host_rewrite",
];

/// What behind the plugin, which is among these filters, may make another request of that which it has judged.
pub(super) fn rewriting(routes: &[Tree<'_>], filters: &[Filter<'_>]) -> Vec<String> {
    let is_plugin = |filter: &Filter<'_>| Plugin::of(*filter).is_some();
    let behind = filters.iter().skip_while(|filter| !is_plugin(filter)).filter(|filter| !is_plugin(filter));
    let behind = behind.filter(|filter| REWRITING.iter().any(|kind| filter.is(kind)));
    let mut found: Vec<_> = behind.map(|filter| format!("the filter {}", filter.name)).collect();
    let mut actions = routes.iter().map(|route| route.get("route"));
    if actions.any(|action| REWRITES.iter().any(|field| action.get(field).exists())) {
        found.push("a route".into());
    }
    found
}

/// Says what of a judged request the upstream may get otherwise: a route to a service of one's own is often meant so.
pub(super) fn check_rewriting(rewriting: &[String], place: &dyn fmt::Display, checks: &mut Checks) {
    if !rewriting.is_empty() {
        let what = format!(
            "policies are about what programs ask for: behind the plugin {} may ask the upstream for something else",
            rewriting.join(" and ")
        );
        checks.ok("rewrite", place, what);
    }
}

/// Looks at what the plugin relies on the connection manager for.
pub(super) fn check(manager: Tree<'_>, place: &dyn fmt::Display, checks: &mut Checks) {
    check_paths(manager, place, checks);
    check_timeouts(manager, place, checks);
}

fn check_paths(manager: Tree<'_>, place: &dyn fmt::Display, checks: &mut Checks) {
    let slashes = manager.get("path_with_escaped_slashes_action");
    // IMPLEMENTATION_SPECIFIC_DEFAULT, which keeps them, and KEEP_UNCHANGED.
    let kept = !slashes.exists()
        || slashes.is("IMPLEMENTATION_SPECIFIC_DEFAULT", 0)
        || slashes.is("KEEP_UNCHANGED", 1);
    let lacking: Vec<_> = [
        (!manager.get("normalize_path").is_true(), "normalize_path: true"),
        (!manager.get("merge_slashes").is_true(), "merge_slashes: true"),
        (kept, "path_with_escaped_slashes_action: REJECT_REQUEST"),
    ]
    .into_iter()
    .filter_map(|(lacks, setting)| lacks.then_some(setting))
    .collect();
    let fault = (
        !lacking.is_empty(),
        "paths that servers read in more than one way are refused, not made plain",
        format!("set {}", lacking.join(", ")),
    );
    let well = "paths are in their normal form when the plugin sees them";
    checks.at("paths", place).first(Level::Warning, [fault], well);
}

fn check_timeouts(manager: Tree<'_>, place: &dyn fmt::Display, checks: &mut Checks) {
    let headers = manager.get("request_headers_timeout").seconds().unwrap_or(0.0);
    // Five minutes where it is not set; 0 switches it off.
    let idle = manager.get("stream_idle_timeout").seconds().unwrap_or(300.0);
    let what =
        "a request that is never finished, or waits in a crashed plugin, holds its connection for ever";
    let faults = [
        (headers <= 0.0, what, "set request_headers_timeout"),
        (idle <= 0.0, what, "set stream_idle_timeout"),
    ];
    checks.at("timeouts", place).first(Level::Warning, faults, "a request that hangs ends by itself");
}

/// At the receiver: whether there is a certificate to compare forwarded tokens with.
pub(super) fn check_peer(
    direction: Direction,
    chain: Tree<'_>,
    place: &dyn fmt::Display,
    checks: &mut Checks,
) {
    if direction != Direction::Inbound {
        return;
    }
    let (_, tls) = chain.at("transport_socket.typed_config").typed();
    let fault = (
        !tls.get("require_client_certificate").is_true(),
        "senders show no certificate that their tokens could be compared with, so every token is refused",
        "require mutual TLS: require_client_certificate: true, with SPIFFE IDs",
    );
    let well = "senders show a certificate, which their tokens are compared with";
    checks.at("peer", place).first(Level::Error, [fault], well);
}
