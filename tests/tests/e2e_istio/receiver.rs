//! Two pods with certificates of istiod's authority: what the sender's proxy lets through, or never sees, meets the
//! receiver's.

use crate::rows::visit;
use crate::stage::Stage;
use crate::{CHECKOUT, Test};
use libtest_mimic::Failed;
use procgate_policy::Direction;
use procgate_tests::istio::{Cluster, Interception, Sidecar, Visitor, eventually};
use procgate_tests::process::run;
use procgate_tests::tokens::claims;
use procgate_tests::wire::token_line;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;

pub(crate) const TESTS: &[(&str, Test)] =
    &[("the_receiver_judges_what_the_sender_forwards_and_what_goes_around_it", |cluster| {
        both_ends(cluster, Interception::Redirect)
    })];

const PAYMENTS: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 3);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 4);
/// The service's addresses, and its pod's own.
const SERVICE: &str = "10.66.1.50:80";
const SERVICE_TCP: &str = "10.66.1.50:9000";
const ASK_TCP: &[&str] = &["gopher://10.66.1.50:9000/_hello"];
const POD: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(PAYMENTS), 8080);
const ASK: &[&str] = &["-H", "host: payments.shop.svc.cluster.local", "http://10.66.1.50/charge/1"];

pub(crate) fn both_ends(cluster: &Arc<Cluster>, interception: Interception) -> Result<(), Failed> {
    // Of all pods: payments is one of those that receive.
    let module = cluster.module();
    let rendered = cluster.render(&cluster.policy(), &["--module", &module]);
    let stage = Stage::intercepted(cluster, cluster.build(&rendered.join("overlays/receiver")), interception);
    let payments = Sidecar::intercepted(cluster, "payments", PAYMENTS, interception);
    let _program = cluster.serve(&payments.network, PAYMENTS);
    let other = Sidecar::start(cluster, "other", OTHER);

    // By its own proxy, over mutual TLS.
    visit(&stage.pod, SERVICE.parse()?, ASK, Visitor::Approved("proxy-v2"))?;
    let recorded = |reason: &str| {
        eventually("the receiver's record", || {
            let records = cluster.records(POD);
            let mut inbound = records.iter().filter(|record| record.direction == Direction::Inbound);
            inbound.any(|record| record.reason.code() == reason).then_some(())
        });
    };
    recorded("allowed");
    let peer = "spiffe://shop.example/ns/shop/sa/checkout";
    if !std::fs::read_to_string(cluster.access_log())?.contains(&format!("\"peer\":\"{peer}\"")) {
        return Err("the receiver saw no certificate of the sender's".into());
    }
    for visitor in [Visitor::Shell("proxy-v2"), Visitor::Neighbour] {
        visit(&stage.pod, SERVICE.parse()?, ASK, visitor)?;
    }
    // What is not HTTP is judged at the sender alone.
    for visitor in Visitor::all("proxy-v2") {
        visit(&stage.pod, SERVICE_TCP.parse()?, ASK_TCP, visitor)?;
    }

    // Around its proxy, as the proxy's user: without a certificate,
    let plain = format!("http://{POD}/charge/1");
    let around = stage.pod.ask_around_the_proxy(&[&plain]);
    if around.status.success() {
        return Err(format!("STRICT let plaintext in: {around}").into());
    }
    // on a port that no service has, either,
    let unlisted = format!("gopher://{PAYMENTS}:5555/_hello");
    let around = stage.pod.ask_around_the_proxy(&[&unlisted]);
    if around.stdout.contains("hello") {
        return Err(format!("STRICT let plaintext in by the passthrough: {around}").into());
    }
    // with the pod's own,
    let around = run(&mut as_peer(&stage.pod, &[]));
    if !refused(&around.stdout, "no-identity") {
        return Err(format!("around the proxy: {around}").into());
    }
    recorded("no-identity");
    // and another pod with a token of an approved process.
    let source = SocketAddr::from((CHECKOUT, 40_000));
    let claims = claims(cluster.curl.exe, Some(cluster.curl.code), source, SERVICE.parse()?);
    let token = token_line(&cluster.key.mint(&claims));
    let forged = run(&mut as_peer(&other, &["-H", token.trim_end()]));
    if !refused(&forged.stdout, "peer-mismatch") {
        return Err(format!("a token of another pod's: {forged}").into());
    }
    recorded("peer-mismatch");
    // The same token beside the right certificate: what was refused was the pod.
    let own = run(&mut as_peer(&stage.pod, &["-H", token.trim_end()]));
    if own.stdout.contains("hello") { Ok(()) } else { Err(format!("its own token: {own}").into()) }
}

/// curl as the proxy's user of a pod, with the pod's own certificate, straight to the receiver.
fn as_peer(pod: &Sidecar, arguments: &[&str]) -> Command {
    let [chain, key] = pod.certificate();
    let mut curl = pod.around_the_proxy();
    curl.args(["-sSk", "--http1.1", "--max-time", "10", "--noproxy", "*", "--cert"])
        .arg(chain)
        .arg("--key")
        .arg(key);
    curl.args(["-H", "host: payments.shop.svc.cluster.local"]).args(arguments);
    curl.arg(format!("https://{POD}/charge/1"));
    curl
}

fn refused(body: &str, reason: &str) -> bool {
    serde_json::from_str::<Value>(body).is_ok_and(|body| body["reason"] == reason)
}
