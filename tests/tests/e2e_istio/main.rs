//! Every chain that Istio makes, under the project's manifests: istiod generates the configuration, a real Envoy runs
//! it. `make test-istio` says where istiod is; without it there is nothing to do here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails loudly")]

use libtest_mimic::{Arguments, Failed, Trial};
use procgate_identity::RefusalReason;
use procgate_policy::Reason;
use procgate_tests::istio::{Istio, Setup, Visit, Visitor};
use procgate_tests::process::run;
use procgate_tests::tools;
use serde_json::Value;
use std::fs;
use std::process::{Command, ExitCode};
use std::sync::Arc;

/// A way out of the pod: the chain of Istio's that it takes.
struct Row {
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
        chain: "server_first",
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

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Rows share a pod and addresses, and a visit's record is the next one of its address.
    arguments.test_threads = Some(1);
    let enforced = start("enforce", &arguments);
    let mut trials = Vec::new();
    for row in ROWS {
        let mesh = enforced.clone();
        trials.push(trial(format!("only_the_approved_program_takes_{}", row.chain), mesh, |mesh| {
            only_the_approved_program(mesh, row)
        }));
    }
    trials.push(trial("every_patch_landed".into(), enforced.clone(), |mesh| {
        let missing = not_landed(mesh);
        if missing.is_empty() { Ok(()) } else { Err(missing.join(", ").into()) }
    }));
    trials.push(trial("doctor_finds_no_error_in_what_istio_made".into(), enforced.clone(), |mesh| {
        let (code, told) = doctor(mesh);
        if code == Some(0) { Ok(()) } else { Err(told.into()) }
    }));
    if enforced.is_some() {
        trials.push(Trial::test("audit_lets_a_neighbour_through_and_records_it", audit));
        trials.push(Trial::test("strict_lets_nobody_to_an_unlisted_address", strict));
        trials
            .push(Trial::test("doctor_names_the_chains_that_a_mistyped_patch_leaves_open", mistyped_filter));
        trials.push(Trial::test("a_patch_for_a_mistyped_listener_lands_nowhere", mistyped_listener));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Before this process ends: nothing else would end the servers.
    drop(enforced);
    conclusion.exit_code()
}

const UNLISTED: &str = "10.66.1.99:5555";
const ASK_UNLISTED: &[&str] = &["gopher://10.66.1.99:5555/_hello"];

fn audit() -> Result<(), Failed> {
    let mesh = Istio::start(&Setup::of("audit")).expect("it started before");
    let visit = mesh.visit(UNLISTED.parse().unwrap(), ASK_UNLISTED, Visitor::Neighbour);
    let promised = Reason::Identity(RefusalReason::NoIdentity);
    let recorded = visit.records.iter().all(|record| record.reason == promised);
    if visit.answered && recorded { Ok(()) } else { Err(visit.finished.to_string().into()) }
}

fn strict() -> Result<(), Failed> {
    // Nobody issues certificates here, and with STRICT Envoy would wait for one.
    let amendments = vec![("mode: STRICT".into(), "mode: DISABLE".into())];
    let mesh = Istio::start(&Setup { overlay: "strict", amendments }).expect("it started before");
    for visitor in [Visitor::Approved("proxy-v2"), Visitor::Neighbour] {
        let visit = mesh.visit(UNLISTED.parse().unwrap(), ASK_UNLISTED, visitor);
        if visit.answered {
            return Err(format!("{visitor:?}: {}", visit.finished).into());
        }
    }
    let tcp = ROWS.iter().find(|row| row.chain == "tcp_service").unwrap();
    only_the_approved_program(&mesh, tcp)
}

fn mistyped_filter() -> Result<(), Failed> {
    let mistake =
        ("name: envoy.filters.network.tcp_proxy".into(), "name: envoy.filters.network.tcp_prox".into());
    let mesh =
        Istio::start(&Setup { overlay: "enforce", amendments: vec![mistake] }).expect("it started before");
    let (code, told) = doctor(&mesh);
    let named = ["virtualOutbound-catchall-tcp", "PassthroughFilterChain", "meets no plugin"];
    if code == Some(1) && named.iter().all(|name| told.contains(name)) { Ok(()) } else { Err(told.into()) }
}

fn mistyped_listener() -> Result<(), Failed> {
    let mistake = ("name: virtualOutbound".into(), "name: virtual-outbound".into());
    let mesh =
        Istio::start(&Setup { overlay: "enforce", amendments: vec![mistake] }).expect("it started before");
    let missing = not_landed(&mesh);
    let expected = ["procgate-network-stream", "procgate.receive_first"];
    if expected.iter().all(|name| missing.iter().any(|found| found == name)) {
        Ok(())
    } else {
        Err(missing.join(", ").into())
    }
}

/// What the patches put into a configuration and Envoy does not have.
fn not_landed(mesh: &Istio) -> Vec<String> {
    let dump: Value = serde_json::from_str(&fs::read_to_string(mesh.config_dump()).unwrap()).unwrap();
    let listeners: Vec<_> =
        dump["configs"].as_array().unwrap().iter().map(|part| &part["dynamic_listeners"]).collect();
    let listeners = serde_json::to_string(&listeners).unwrap();
    let named = mesh.built().lines().map(|line| line.trim().trim_start_matches("- "));
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

fn start(overlay: &'static str, arguments: &Arguments) -> Option<Arc<Istio>> {
    if arguments.list { None } else { Istio::start(&Setup::of(overlay)).map(Arc::new) }
}

fn trial(
    name: String,
    mesh: Option<Arc<Istio>>,
    assert: impl FnOnce(&Istio) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    Trial::test(name, move || mesh.map_or(Ok(()), |mesh| assert(&mesh)))
}

fn only_the_approved_program(mesh: &Istio, row: &Row) -> Result<(), Failed> {
    let visitors = [Visitor::Approved(row.carrier), Visitor::Shell(row.carrier), Visitor::Neighbour];
    for visitor in visitors {
        let promised = match visitor {
            Visitor::Approved(_) => Reason::Allowed,
            Visitor::Shell(_) => Reason::UnknownProcess,
            Visitor::Neighbour => Reason::Identity(RefusalReason::NoIdentity),
        };
        let Visit { answered, records, finished } = mesh.visit(row.to.parse()?, row.arguments, visitor);
        let reasons: Vec<_> = records.iter().map(|record| record.reason).collect();
        if answered != (promised == Reason::Allowed) || reasons.iter().any(|reason| *reason != promised) {
            let records: Vec<_> = records.iter().map(procgate_policy::Record::to_json).collect();
            return Err(format!(
                "{visitor:?}: {promised:?} was promised\n{}\n{finished}",
                records.join("\n")
            )
            .into());
        }
    }
    Ok(())
}

/// What the doctor says of what Envoy runs.
fn doctor(mesh: &Istio) -> (Option<i32>, String) {
    let dump = mesh.config_dump();
    let finished =
        run(Command::new(tools::cli()).args(["--output", "json", "doctor"]).arg("--config-dump").arg(dump));
    (finished.status.code(), finished.stdout)
}
