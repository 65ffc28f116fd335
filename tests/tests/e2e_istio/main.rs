//! Every chain that Istio makes, under the project's manifests: a real API server and istiod make the configuration,
//! Istio's node agent has a real Envoy run it. `make test-istio` says where they are; without it there is nothing to do
//! here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails loudly")]

mod admission;
mod images;
mod manifests;
mod mesh;
mod operations;
mod receiver;

use libtest_mimic::{Arguments, Failed, Trial};
use procgate_identity::RefusalReason;
use procgate_policy::Reason;
use procgate_tests::istio::{Cluster, Sidecar, Visit, Visitor};
use procgate_tests::process::run;
use procgate_tests::skip::leave_out;
use procgate_tests::tools;
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, ExitCode};
use std::sync::Arc;

/// Where the pod is whose programs ask.
const CHECKOUT: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 2);

/// A way out of the pod: the chain of Istio's that it takes.
pub(crate) struct Row {
    chain: &'static str,
    to: &'static str,
    /// What curl is told.
    arguments: &'static [&'static str],
    carrier: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        chain: "http_service",
        to: "10.66.1.10:80",
        arguments: &["-H", "host: web.shop.svc.cluster.local", "http://10.66.1.10/charge/1"],
        carrier: "proxy-v2",
    },
    Row {
        chain: "http_service_by_header",
        to: "10.66.1.10:80",
        arguments: &["-H", "host: web.shop.svc.cluster.local", "http://10.66.1.10/charge/1"],
        carrier: "header",
    },
    Row {
        chain: "unknown_host_on_an_http_port",
        to: "10.66.1.99:80",
        arguments: &["-H", "host: unknown.example", "http://10.66.1.99/charge/1"],
        carrier: "proxy-v2",
    },
    Row {
        chain: "no_http_on_an_http_port",
        to: "10.66.1.99:80",
        arguments: &["gopher://10.66.1.99:80/_hello"],
        carrier: "proxy-v2",
    },
    Row {
        chain: "tcp_service",
        to: "10.66.1.20:9000",
        arguments: &["gopher://10.66.1.20:9000/_hello"],
        carrier: "proxy-v2",
    },
    Row {
        chain: "headless_server_first",
        to: "10.66.0.1:9300",
        arguments: &["smtp://10.66.0.1:9300", "--mail-from", "a@shop.example"],
        carrier: "proxy-v2",
    },
    Row {
        chain: "tls_service",
        to: "10.66.1.40:443",
        arguments: &["--resolve", "tls.example.com:443:10.66.1.40", "https://tls.example.com/"],
        carrier: "proxy-v2",
    },
    Row {
        chain: "wildcard_tls_by_server_name",
        to: "10.66.1.99:8443",
        arguments: &["--resolve", "x.example.org:8443:10.66.1.99", "https://x.example.org:8443/"],
        carrier: "proxy-v2",
    },
    Row {
        chain: "wildcard_tls_default",
        to: "10.66.1.99:8443",
        arguments: &["--resolve", "other.example.net:8443:10.66.1.99", "https://other.example.net:8443/"],
        carrier: "proxy-v2",
    },
    Row {
        chain: "detected_http",
        to: "10.66.1.30:7000",
        arguments: &["-H", "host: auto.shop.svc.cluster.local:7000", "http://10.66.1.30:7000/charge/1"],
        carrier: "proxy-v2",
    },
    Row {
        chain: "detected_tcp",
        to: "10.66.1.30:7000",
        arguments: &["gopher://10.66.1.30:7000/_hello"],
        carrier: "proxy-v2",
    },
    Row {
        chain: "unlisted_tcp",
        to: "10.66.1.99:5555",
        arguments: &["gopher://10.66.1.99:5555/_hello"],
        carrier: "proxy-v2",
    },
];

pub(crate) type Test = fn(&Arc<Cluster>) -> Result<(), Failed>;

/// Whatever sets up its own pods.
const ALONE: &[(&str, Test)] = &[
    ("audit_lets_a_neighbour_through_and_records_it", audit),
    ("strict_lets_nobody_to_an_unlisted_address", strict),
    ("header_only_refuses_by_header_and_lets_other_protocols_by", header_only),
    ("a_traffic_extension_does_what_the_plugin_does", traffic_extension),
    ("doctor_names_the_chains_that_a_mistyped_patch_leaves_open", mistyped_filter),
    ("a_patch_for_a_mistyped_listener_lands_nowhere", mistyped_listener),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Rows share a pod and addresses, and a visit's record is the next one of its address.
    arguments.test_threads = Some(1);
    let cluster = if arguments.list { None } else { Cluster::start() };
    if cluster.is_none() && !arguments.list {
        leave_out("Istio's control plane is not here: make test-istio");
    }
    let enforced = cluster.as_ref().map(|cluster| Arc::new(Stage::of(cluster, "overlays/enforce")));
    let mut trials = Vec::new();
    for row in ROWS {
        let name = format!("only_the_approved_program_takes_{}", row.chain);
        trials.push(trial(name, enforced.clone(), |stage| only_the_approved_program(stage, row)));
    }
    trials.push(trial("every_patch_landed".into(), enforced.clone(), |stage| {
        let missing = not_landed(stage);
        if missing.is_empty() { Ok(()) } else { Err(missing.join(", ").into()) }
    }));
    // The last of the trials that share a pod: it ends with this one.
    trials.push(trial("doctor_finds_no_error_in_what_istio_made".into(), enforced, |stage| {
        let (code, told) = doctor(stage);
        if code == Some(0) { Ok(()) } else { Err(told.into()) }
    }));
    let parts = [
        ALONE,
        manifests::TESTS,
        mesh::TESTS,
        admission::TESTS,
        receiver::TESTS,
        operations::TESTS,
        images::TESTS,
    ];
    for (name, test) in parts.into_iter().flatten() {
        trials.push(trial((*name).into(), cluster.clone(), test));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Before this process ends: nothing else would end the servers.
    drop(cluster);
    conclusion.exit_code()
}

/// The objects of an overlay, and a pod under them; dropping it removes both.
pub(crate) struct Stage {
    pub(crate) cluster: Arc<Cluster>,
    /// What kustomize has built.
    pub(crate) built: String,
    pub(crate) pod: Sidecar,
}

impl Stage {
    pub(crate) fn of(cluster: &Arc<Cluster>, overlay: &str) -> Self {
        Self::amended(cluster, overlay, &[])
    }

    /// With mistakes to be found: texts in what kustomize built, and what stands in their place.
    fn amended(cluster: &Arc<Cluster>, overlay: &str, amendments: &[(&str, &str)]) -> Self {
        let mut built = built(cluster, overlay);
        for (text, replacement) in amendments {
            assert!(built.contains(text), "nothing to amend: {text}");
            built = built.replace(text, replacement);
        }
        Self::start(cluster, built)
    }

    pub(crate) fn start(cluster: &Arc<Cluster>, built: String) -> Self {
        cluster.apply(&built);
        let pod = Sidecar::start(cluster, "checkout", CHECKOUT);
        Self { cluster: Arc::clone(cluster), built, pod }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.cluster.delete(&self.built);
    }
}

/// What kustomize makes of a folder of the rendered manifests.
pub(crate) fn built(cluster: &Cluster, folder: &str) -> String {
    let module = cluster.module();
    let rendered = cluster.render(&cluster.policy(), &["--workload", "app=checkout", "--module", &module]);
    cluster.build(&rendered.join(folder))
}

pub(crate) const UNLISTED: &str = "10.66.1.99:5555";
pub(crate) const ASK_UNLISTED: &[&str] = &["gopher://10.66.1.99:5555/_hello"];

fn audit(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let stage = Stage::of(cluster, "overlays/audit");
    let visit = stage.pod.visit(UNLISTED.parse()?, ASK_UNLISTED, Visitor::Neighbour);
    let promised = Reason::Identity(RefusalReason::NoIdentity);
    let recorded = visit.records.iter().all(|record| record.reason == promised);
    if visit.answered && recorded { Ok(()) } else { Err(visit.finished.to_string().into()) }
}

fn strict(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let stage = Stage::of(cluster, "overlays/strict");
    for visitor in [Visitor::Approved("proxy-v2"), Visitor::Neighbour] {
        let visit = stage.pod.visit(UNLISTED.parse()?, ASK_UNLISTED, visitor);
        if visit.answered {
            return Err(format!("{visitor:?}: {}", visit.finished).into());
        }
    }
    only_the_approved_program(&stage, row("tcp_service"))
}

fn header_only(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let stage = Stage::of(cluster, "overlays/header-only");
    by_header(&stage)?;
    let other = stage.pod.ask(UNLISTED.parse()?, ASK_UNLISTED, Visitor::Neighbour);
    if other.stdout.contains("hello") { Ok(()) } else { Err(other.to_string().into()) }
}

fn traffic_extension(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    by_header(&Stage::of(cluster, "traffic-extension"))
}

/// Nothing logs here: what is told is the status.
fn by_header(stage: &Stage) -> Result<(), Failed> {
    let http = row("http_service_by_header");
    let address = http.to.parse()?;
    for (visitor, promised) in [(Visitor::Approved("header"), "200"), (Visitor::Neighbour, "403")] {
        let finished = stage.pod.ask(address, http.arguments, visitor);
        if !finished.stderr.contains(&format!("< HTTP/1.1 {promised} ")) {
            return Err(format!("{visitor:?}: {promised} was promised: {finished}").into());
        }
    }
    Ok(())
}

fn mistyped_filter(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let mistake = ("name: envoy.filters.network.tcp_proxy", "name: envoy.filters.network.tcp_prox");
    let stage = Stage::amended(cluster, "overlays/enforce", &[mistake]);
    let (code, told) = doctor(&stage);
    let named = ["virtualOutbound-catchall-tcp", "PassthroughFilterChain", "meets no plugin"];
    if code == Some(1) && named.iter().all(|name| told.contains(name)) { Ok(()) } else { Err(told.into()) }
}

fn mistyped_listener(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let mistake = ("name: virtualOutbound", "name: virtual-outbound");
    let stage = Stage::amended(cluster, "overlays/enforce", &[mistake]);
    let missing = not_landed(&stage);
    let expected = ["procgate-network-stream", "procgate.receive_first"];
    if expected.iter().all(|name| missing.iter().any(|found| found == name)) {
        Ok(())
    } else {
        Err(missing.join(", ").into())
    }
}

pub(crate) fn row(chain: &str) -> &'static Row {
    ROWS.iter().find(|row| row.chain == chain).unwrap()
}

/// What the patches put into a configuration and Envoy does not have.
fn not_landed(stage: &Stage) -> Vec<String> {
    let dump: Value = serde_json::from_str(&fs::read_to_string(stage.pod.config_dump()).unwrap()).unwrap();
    let listeners: Vec<_> =
        dump["configs"].as_array().unwrap().iter().map(|part| &part["dynamic_listeners"]).collect();
    let listeners = serde_json::to_string(&listeners).unwrap();
    let named = stage.built.lines().map(|line| line.trim().trim_start_matches("- "));
    let ours = named
        .filter_map(|line| line.strip_prefix("name: "))
        .filter(|name| name.starts_with("procgate.") || name.starts_with("procgate-network"));
    let others =
        ["\"listener_filters_timeout\":\"1s\"", "REJECT_REQUEST", "wasm.procgate:PLAIN", "procgate-http"];
    let wanted = ours
        .map(|name| (name, format!("\"name\":\"{name}\"")))
        .chain(others.map(|text| (text, text.to_owned())));
    let missing = wanted.filter(|(_, text)| !listeners.contains(text));
    missing.map(|(name, _)| name.to_owned()).collect()
}

fn trial<T: Send + 'static>(
    name: String,
    subject: Option<T>,
    assert: impl FnOnce(&T) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let absent = subject.is_none();
    Trial::test(name, move || subject.map_or(Ok(()), |subject| assert(&subject))).with_ignored_flag(absent)
}

fn only_the_approved_program(stage: &Stage, row: &Row) -> Result<(), Failed> {
    let visitors = [Visitor::Approved(row.carrier), Visitor::Shell(row.carrier), Visitor::Neighbour];
    for visitor in visitors {
        visit(&stage.pod, row.to.parse()?, row.arguments, visitor)?;
    }
    Ok(())
}

/// Visits, and looks whether what comes of it is what such a visitor is promised.
pub(crate) fn visit(
    pod: &Sidecar,
    to: SocketAddr,
    arguments: &[&str],
    visitor: Visitor,
) -> Result<(), Failed> {
    let promised = match visitor {
        Visitor::Approved(_) => Reason::Allowed,
        Visitor::Shell(_) => Reason::UnknownProcess,
        Visitor::Neighbour | Visitor::AroundTheProxy => Reason::Identity(RefusalReason::NoIdentity),
    };
    let Visit { answered, records, finished } = pod.visit(to, arguments, visitor);
    if answered == (promised == Reason::Allowed) && records.iter().all(|record| record.reason == promised) {
        return Ok(());
    }
    let records: Vec<_> = records.iter().map(procgate_policy::Record::to_json).collect();
    Err(format!("{visitor:?}: {promised:?} was promised\n{}\n{finished}", records.join("\n")).into())
}

/// What the doctor says of what Envoy runs.
fn doctor(stage: &Stage) -> (Option<i32>, String) {
    let dump = stage.pod.config_dump();
    let mut doctor = Command::new(tools::cli());
    let finished = run(doctor.args(["--output", "json", "doctor"]).arg("--config-dump").arg(dump));
    (finished.status.code(), finished.stdout)
}
