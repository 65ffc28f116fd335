//! What holds for Envoy as a whole: its admin interface, its metrics' labels, where clusters lead.

use super::checks::{Checks, Level};
use super::envoy::Configuration;
use super::tree::Tree;
use core::net::IpAddr;

/// The labels of procgate's metrics, which stand in their names until a tag takes them out.
const LABELS: [&str; 6] = ["decision", "reason", "direction", "carrier", "version", "sha256"];
/// What only looks: paths of the admin interface that change nothing.
const HARMLESS: [&str; 10] = [
    "/certs",
    "/clusters",
    "/config_dump",
    "/listeners",
    "/memory",
    "/ready",
    "/runtime",
    "/server_info",
    "/stats",
    "/help",
];

/// Looks at all of it.
pub(super) fn check(configuration: &Configuration<'_>, checks: &mut Checks) {
    for cluster in &configuration.clusters {
        check_cluster(*cluster, checks);
    }
    if configuration.bootstrap.exists() {
        check_admin(configuration.bootstrap.get("admin"), checks);
        check_tags(configuration.bootstrap, checks);
    }
}

/// Who in the pod may do what to the proxy.
fn check_admin(admin: Tree<'_>, checks: &mut Checks) {
    const ID: &str = "admin";
    let address = admin.at("address.socket_address.address").text();
    let Some(address) = address else {
        let what =
            if admin.at("address.pipe").exists() { "a socket in the file system" } else { "there is none" };
        return checks.ok(ID, "admin", what);
    };
    let next = "bind it to 127.0.0.1, and set allow_paths to what is looked at: /ready, /stats …";
    if !address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()) {
        return checks.error(ID, "admin", "whoever reaches the pod may stop and change its proxy", next);
    }
    let mut paths = admin.get("allow_paths").items().peekable();
    if paths.peek().is_some() && paths.all(only_looks) {
        checks.ok(ID, "admin", "on loopback, and whoever is in the pod may look and change nothing");
    } else {
        let what = "every process of the pod may stop the proxy and change its log and runtime";
        checks.warn(ID, "admin", what, next);
    }
}

/// Whether this matcher of paths matches only such as change nothing.
fn only_looks(matcher: Tree<'_>) -> bool {
    let path = matcher.get("exact").text().or_else(|| matcher.get("prefix").text());
    // The one that changes runtime values begins like the one that shows them.
    path.is_some_and(|path| {
        let known = HARMLESS.iter().any(|harmless| path.starts_with(harmless));
        known && !(path == "/runtime" && matcher.get("prefix").exists()) && !path.starts_with("/runtime_")
    })
}

fn check_tags(bootstrap: Tree<'_>, checks: &mut Checks) {
    let tags: Vec<_> = bootstrap.at("stats_config.stats_tags").items().collect();
    let takes_out = |label: &&str| {
        let pattern = format!("{label}=\\.=");
        tags.iter()
            .any(|tag| tag.get("tag_name").name() == *label && tag.get("regex").name().contains(&pattern))
    };
    let lacking: Vec<_> = LABELS.into_iter().filter(|label| !takes_out(label)).collect();
    let what = format!("these labels stay in the metrics' names: {}", lacking.join(", "));
    let next = "add stats_tags as in envoy-config/http.yaml; with Istio, extraStatTags";
    let faults = [(!lacking.is_empty(), what.as_str(), next)];
    checks.at("stats-tags", "metrics").first(Level::Warning, faults, "decisions are counted with labels");
}

/// Whether a request's header chooses where a connection goes, whatever the plugin has judged.
fn check_cluster(cluster: Tree<'_>, checks: &mut Checks) {
    if cluster.at("original_dst_lb_config.use_http_header").is_true() {
        checks.error(
            "destination",
            format!("cluster {}", cluster.get("name").name()),
            "a request's header says where it goes, and the plugin judges where the connection went",
            "leave use_http_header out",
        );
    }
}
