//! Every chain that Istio makes, under the project's manifests: a real API server and istiod make the configuration,
//! Istio's node agent has a real Envoy run it. `make test-istio` says where they are; without it there is nothing to do
//! here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails loudly")]

mod admission;
mod images;
mod interception;
mod manifests;
mod mesh;
mod operations;
mod overlays;
mod receiver;
mod rows;
mod stage;

use libtest_mimic::{Arguments, Failed, Trial};
use procgate_tests::istio::Cluster;
use procgate_tests::skip::leave_out;
use rows::{ROWS, only_the_approved_program};
use stage::{Stage, all_landed, doctor};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;

/// Where the pod is whose programs ask.
const CHECKOUT: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 2);

pub(crate) type Test = fn(&Arc<Cluster>) -> Result<(), Failed>;

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
    trials.push(trial("every_patch_landed".into(), enforced.clone(), |stage| all_landed(stage)));
    // The last of the trials that share a pod: it ends with this one.
    trials.push(trial("doctor_finds_no_error_in_what_istio_made".into(), enforced, |stage| {
        let (code, told) = doctor(stage);
        if code == Some(0) { Ok(()) } else { Err(told.into()) }
    }));
    let parts = [
        overlays::TESTS,
        manifests::TESTS,
        mesh::TESTS,
        admission::TESTS,
        receiver::TESTS,
        interception::TESTS,
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

fn trial<T: Send + 'static>(
    name: String,
    subject: Option<T>,
    assert: impl FnOnce(&T) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let absent = subject.is_none();
    Trial::test(name, move || subject.map_or(Ok(()), |subject| assert(&subject))).with_ignored_flag(absent)
}
