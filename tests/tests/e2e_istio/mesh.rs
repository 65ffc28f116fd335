//! What the mesh's own configuration changes: by the part of it in `mesh`, labels of metrics and the mesh's own log; by
//! its policy for what it does not list, the chains.

use crate::Test;
use crate::rows::{Row, only_the_approved_program, row};
use crate::stage::{Stage, built, doctor, rendered};
use libtest_mimic::Failed;
use procgate_tests::istio::mesh_config::parsed;
use procgate_tests::istio::{Cluster, PROXY, Visitor, answered, eventually};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::chown;
use std::sync::Arc;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("the_mesh_s_own_log_tells_of_decisions", log),
    ("metrics_of_decisions_have_labels_by_the_mesh_s_part_and_not_without", labels),
    ("where_the_mesh_looks_hosts_up_by_itself_every_chain_is_judged", dynamic_dns),
];

/// What people merge into theirs.
fn part(cluster: &Cluster) -> Result<Value, Failed> {
    let text = fs::read_to_string(rendered(cluster).join("mesh/meshconfig.yaml"))?;
    Ok(parsed(&text)["meshConfig"].take())
}

/// A mesh with this part in its configuration, until it is dropped.
struct Configured<'c>(&'c Cluster);

impl<'c> Configured<'c> {
    fn with(cluster: &'c Cluster, part: &Value) -> Self {
        cluster.configure(part);
        Self(cluster)
    }
}

impl Drop for Configured<'_> {
    fn drop(&mut self) {
        self.0.configure(&json!({}));
    }
}

fn log(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    // Standard output is a file of root's here.
    let log = cluster.folder().join("mesh.log");
    fs::write(&log, "")?;
    chown(&log, Some(PROXY), Some(PROXY))?;
    let mut part = part(cluster)?;
    let path = &mut part["extensionProviders"][0]["envoyFileAccessLog"]["path"];
    assert_eq!(*path, "/dev/stdout");
    *path = json!(log);
    let _configured = Configured::with(cluster, &part);
    let telemetry = built(cluster, "mesh");
    let stage = Stage::start(cluster, format!("{}\n---\n{telemetry}", built(cluster, "overlays/enforce")));
    only_the_approved_program(&stage, row("http_service"))?;
    eventually("the mesh's own log", || {
        let log = fs::read_to_string(&log).unwrap();
        let told = |reason: &str| log.contains(&format!(r#"\"reason\":\"{reason}\""#));
        (told("allowed") && told("unknown-process")).then_some(())
    });
    Ok(())
}

/// Three decisions, and what Prometheus gets of procgate then.
fn scraped(cluster: &Arc<Cluster>, part: &Value) -> Result<Vec<String>, Failed> {
    let _configured = Configured::with(cluster, part);
    let stage = Stage::of(cluster, "overlays/enforce");
    only_the_approved_program(&stage, row("http_service"))?;
    let metrics = stage.pod.metrics();
    let ours = metrics.lines().filter(|line| line.contains("procgate") && !line.starts_with('#'));
    Ok(ours.map(String::from).collect())
}

fn labels(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let series = scraped(cluster, &part(cluster)?)?;
    let promised = [
        ["allow", "allowed", "proxy-v2"],
        ["deny", "unknown-process", "proxy-v2"],
        ["deny", "no-identity", "none"],
    ];
    let counters = promised.map(|[decision, reason, carrier]| {
        format!(
            "procgate_decisions_total{{decision=\"{decision}\",reason=\"{reason}\",direction=\"outbound\",\
             carrier=\"{carrier}\"}} 1"
        )
    });
    let counted: BTreeSet<_> = series.iter().filter(|line| line.contains("decisions_total")).collect();
    if counted != counters.iter().collect()
        || !series.iter().any(|line| line.starts_with("procgate_policy_info{"))
    {
        return Err(series.join("\n").into());
    }
    // Without the part, all of that is in the names.
    let series = scraped(cluster, &json!({}))?;
    let named = "procgate_decisions_total_decision___allow____reason___allowed____";
    let unlabelled = series.iter().filter(|line| line.starts_with(named)).count();
    if unlabelled == 1 { Ok(()) } else { Err(series.join("\n").into()) }
}

/// What changes under ALLOW_ANY_DYNAMIC_DNS: HTTP to an address that the mesh does not list.
const DYNAMIC: &[Row] = &[
    // The inspector takes no preface for HTTP: the connection is judged, and goes to its address.
    Row {
        chain: "virtualOutbound-catchall-tcp",
        to: "10.66.1.99:5555",
        arguments: &["-H", "host: nowhere.example", "http://10.66.1.99:5555/charge/1"],
        carrier: "proxy-v2",
    },
    // The request is judged, and goes to where its host's name leads.
    Row {
        chain: "virtualOutbound-catchall-tcp-http",
        to: "10.66.1.99:5555",
        arguments: &["-H", "host: unknown.example:5555", "http://10.66.1.99:5555/charge/1"],
        carrier: "header",
    },
];

fn dynamic_dns(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let _configured =
        Configured::with(cluster, &json!({"outboundTrafficPolicy": {"mode": "ALLOW_ANY_DYNAMIC_DNS"}}));
    let stage = Stage::of(cluster, "overlays/enforce");
    eventually("the chain for HTTP", || {
        let dump = fs::read_to_string(stage.pod.config_dump()).unwrap();
        dump.contains("virtualOutbound-catchall-tcp-http").then_some(())
    });
    let others = ["unknown_host_on_an_http_port", "no_http_on_an_http_port", "unlisted_tcp"].map(row);
    for row in others.into_iter().chain(DYNAMIC) {
        only_the_approved_program(&stage, row)?;
    }
    // That of the first row by the carrier of the second: the address that was judged is not where it goes.
    let [by_address, _] = DYNAMIC else { return Err("two rows".into()) };
    let looked_up = stage.pod.ask(by_address.to.parse()?, by_address.arguments, Visitor::Approved("header"));
    if answered(&looked_up) {
        return Err(format!("a host without an address: {looked_up}").into());
    }
    let (code, told) = doctor(&stage);
    if code == Some(0) && !told.contains("keeps its preface") { Ok(()) } else { Err(told.into()) }
}
