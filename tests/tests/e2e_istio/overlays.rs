//! What each overlay does, and what is noticed of a mistake in one.

use crate::Test;
use crate::rows::{ROWS, Row, only_the_approved_program, row};
use crate::stage::{Stage, all_landed, doctor, not_landed};
use libtest_mimic::Failed;
use procgate_policy::Reason;
use procgate_tests::istio::{Cluster, Visit, Visitor};
use std::sync::Arc;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("audit_lets_everybody_through_and_records_who_it_was", audit),
    ("strict_lets_nobody_to_an_unlisted_address", strict),
    ("a_sender_under_the_receiver_s_overlay_is_judged_like_any_other", receiver),
    ("header_only_refuses_by_header_and_lets_other_protocols_by", header_only),
    ("a_traffic_extension_does_what_the_plugin_does", traffic_extension),
    ("doctor_names_the_chains_that_a_mistyped_patch_leaves_open", mistyped_filter),
    ("a_patch_for_a_mistyped_listener_lands_nowhere", mistyped_listener),
];

fn audit(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let stage = Stage::of(cluster, "overlays/audit");
    for row in ROWS {
        for visitor in Visitor::all(row.carrier) {
            let visit = stage.pod.visit(row.to.parse()?, row.arguments, visitor);
            // A shell asks for HTTP, which not every server here answers: its record is what counts.
            let passes = visit.answered || matches!(visitor, Visitor::Shell(_));
            recorded_as_promised(row, visitor, &visit, passes)?;
        }
    }
    Ok(())
}

/// What the mesh does not list: it leads nowhere under REGISTRY_ONLY.
const UNLISTED_CHAINS: &[&str] =
    &["unknown_host_on_an_http_port", "no_http_on_an_http_port", "wildcard_tls_default", "unlisted_tcp"];

fn strict(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let stage = Stage::of(cluster, "overlays/strict");
    for row in ROWS {
        if !UNLISTED_CHAINS.contains(&row.chain) {
            only_the_approved_program(&stage, row)?;
            continue;
        }
        for visitor in Visitor::all(row.carrier) {
            let visit = stage.pod.visit(row.to.parse()?, row.arguments, visitor);
            recorded_as_promised(row, visitor, &visit, !visit.answered)?;
        }
    }
    Ok(())
}

fn recorded_as_promised(row: &Row, visitor: Visitor, visit: &Visit, fares: bool) -> Result<(), Failed> {
    let promised = visitor.promised();
    if fares && visit.records.iter().all(|record| record.reason == promised) {
        return Ok(());
    }
    Err(format!("{}, {visitor:?}: {visit:?}", row.chain).into())
}

fn receiver(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let stage = Stage::of(cluster, "overlays/receiver");
    ROWS.iter().try_for_each(|row| only_the_approved_program(&stage, row))?;
    all_landed(&stage)
}

fn header_only(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let stage = Stage::of(cluster, "overlays/header-only");
    by_header(&stage)?;
    let unlisted = row("unlisted_tcp");
    let other = stage.pod.ask(unlisted.to.parse()?, unlisted.arguments, Visitor::Neighbour);
    if other.stdout.contains("hello") { Ok(()) } else { Err(other.to_string().into()) }
}

fn traffic_extension(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    by_header(&Stage::of(cluster, "traffic-extension"))
}

/// Nothing logs here: what is told is the status. A shell prints what it gets, and curl tells of it.
fn by_header(stage: &Stage) -> Result<(), Failed> {
    for chain in ["http_service_by_header", "unknown_host_on_an_http_port", "detected_http"] {
        let Row { to, arguments, .. } = row(chain);
        for visitor in Visitor::all("header") {
            let status = if visitor.promised() == Reason::Allowed { 200 } else { 403 };
            let finished = stage.pod.ask(to.parse()?, arguments, visitor);
            if !finished.to_string().contains(&format!("HTTP/1.1 {status} ")) {
                return Err(format!("{chain}, {visitor:?}: {status} was promised: {finished}").into());
            }
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
