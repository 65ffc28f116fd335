//! The ways out of a pod, and who gets through by each.

use crate::stage::Stage;
use libtest_mimic::Failed;
use procgate_policy::{Reason, Record};
use procgate_tests::istio::{Sidecar, Visit, Visitor};
use std::net::SocketAddr;

/// A way out of the pod: the chain of Istio's that it takes.
pub(crate) struct Row {
    pub(crate) chain: &'static str,
    pub(crate) to: &'static str,
    /// What curl is told.
    pub(crate) arguments: &'static [&'static str],
    pub(crate) carrier: &'static str,
}

pub(crate) const ROWS: &[Row] = &[
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

/// The row of this name.
pub(crate) fn row(chain: &str) -> &'static Row {
    ROWS.iter().find(|row| row.chain == chain).unwrap()
}

/// The approved program gets through, and nobody else does.
pub(crate) fn only_the_approved_program(stage: &Stage, row: &Row) -> Result<(), Failed> {
    for visitor in Visitor::all(row.carrier) {
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
    let promised = visitor.promised();
    let Visit { answered, records, finished } = pod.visit(to, arguments, visitor);
    if answered == (promised == Reason::Allowed) && records.iter().all(|record| record.reason == promised) {
        return Ok(());
    }
    let records: Vec<_> = records.iter().map(Record::to_json).collect();
    Err(format!("{visitor:?}: {promised:?} was promised\n{}\n{finished}", records.join("\n")).into())
}
