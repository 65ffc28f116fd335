//! What Envoy and the module may ask of each other (`capability_restriction_config`): Envoy never calls what is not
//! allowed, and lets pass what it does not ask about.

use super::checks::Checks;
use super::tree::Tree;
use core::fmt;

/// By what Envoy has an HTTP filter decide, and a network filter.
const DECIDES_REQUESTS: [&str; 1] = ["proxy_on_request_headers"];
const DECIDES_CONNECTIONS: [&str; 2] = ["proxy_on_new_connection", "proxy_on_downstream_data"];
/// What else it calls of the module: `filter/exports.json` has them all.
const CALLED: [&str; 5] = [
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_tick",
    "proxy_on_delete",
];
/// What the module calls of Envoy: `filter/src/host.rs` has them all.
const CALLS: [&str; 21] = [
    "proxy_log",
    "proxy_get_buffer_bytes",
    "proxy_set_buffer_bytes",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_property",
    "proxy_set_property",
    "proxy_call_foreign_function",
    "proxy_get_shared_data",
    "proxy_set_shared_data",
    "proxy_set_effective_context",
    "proxy_set_tick_period_milliseconds",
    "proxy_continue_stream",
    "proxy_close_stream",
    "proxy_get_header_map_pairs",
    "proxy_add_header_map_value",
    "proxy_remove_header_map_value",
    "proxy_send_local_response",
    "proxy_define_metric",
    "proxy_increment_metric",
    "proxy_record_metric",
    // Of WASI, for the seeds of the standard library's hash maps.
    "random_get",
];

/// Looks at what this configuration of the plugin allows.
///
/// A use has to allow also what only the other kind of filter needs: uses of one module may share a VM, which the
/// first of them restricts for all.
pub(super) fn check(config: Tree<'_>, is_network: bool, place: &dyn fmt::Display, checks: &mut Checks) {
    let needed = [&DECIDES_REQUESTS[..], &DECIDES_CONNECTIONS, &CALLED, &CALLS];
    let lacking: Vec<_> = needed.into_iter().flatten().copied().filter(|it| !allows(config, it)).collect();
    if lacking.is_empty() {
        return;
    }
    let what = if lets_decide(config, is_network) {
        "the plugin and Envoy may not ask of each other what they need"
    } else {
        "Envoy does not ask the plugin, so that everything passes"
    };
    checks.error(
        "capabilities",
        place,
        format!("{what}: allowed_capabilities lacks {}", lacking.join(", ")),
        "take capability_restriction_config out, or allow them",
    );
}

/// Whether Envoy may call what decides.
pub(super) fn lets_decide(config: Tree<'_>, is_network: bool) -> bool {
    let decides = if is_network { &DECIDES_CONNECTIONS[..] } else { &DECIDES_REQUESTS };
    decides.iter().all(|name| allows(config, name))
}

/// Whether this is allowed. An empty list allows everything.
fn allows(config: Tree<'_>, name: &str) -> bool {
    let mut allowed = config.at("capability_restriction_config.allowed_capabilities").fields().peekable();
    allowed.peek().is_none() || allowed.any(|(allowed, _)| allowed == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_envoy_calls_of_the_module_has_to_be_allowed() {
        let exports: serde_json::Value =
            serde_json::from_str(include_str!("../../../filter/exports.json")).unwrap();
        let reached = exports[0]["reaches"].as_array().unwrap().iter().filter_map(|name| name.as_str());
        // The allocator is called as malloc, which is no capability.
        let mut reached: Vec<_> =
            reached.filter(|name| name.starts_with("proxy_on_") && !name.contains("memory")).collect();
        let mut known = [&DECIDES_REQUESTS[..], &DECIDES_CONNECTIONS, &CALLED].concat();
        reached.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, reached);
    }
}
