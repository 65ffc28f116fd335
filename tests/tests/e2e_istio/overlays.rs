//! What each overlay does, and what is noticed of a mistake in one.

use crate::Test;
use crate::rows::{ASK_UNLISTED, UNLISTED, only_the_approved_program, row};
use crate::stage::{Stage, doctor, not_landed};
use libtest_mimic::Failed;
use procgate_tests::istio::{Cluster, Visitor};
use std::sync::Arc;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("audit_lets_a_neighbour_through_and_records_it", audit),
    ("strict_lets_nobody_to_an_unlisted_address", strict),
    ("header_only_refuses_by_header_and_lets_other_protocols_by", header_only),
    ("a_traffic_extension_does_what_the_plugin_does", traffic_extension),
    ("doctor_names_the_chains_that_a_mistyped_patch_leaves_open", mistyped_filter),
    ("a_patch_for_a_mistyped_listener_lands_nowhere", mistyped_listener),
];

fn audit(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let stage = Stage::of(cluster, "overlays/audit");
    let visit = stage.pod.visit(UNLISTED.parse()?, ASK_UNLISTED, Visitor::Neighbour);
    let promised = Visitor::Neighbour.promised();
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
