//! Unmodified programs in a pod whose connections a mesh's redirect rules send to Envoy: databases, TLS, gRPC,
//! mail, HTTP. One pod for all tests, made of network namespaces; so it takes root.

use libtest_mimic::{Arguments, Failed, Trial};
use procgate_identity::{Carrier, RefusalReason};
use procgate_policy::Reason;
use procgate_tests::mesh::{Mesh, Service, VISITORS, Visit};
use procgate_tests::visitor::Visitor;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Shims of one pod that connect in the same moment may choose the same source port (docs/decisions/0025).
    arguments.test_threads = Some(1);
    let mesh = if arguments.list { None } else { Mesh::start().map(Arc::new) };
    let mut trials = Vec::new();
    for service in Service::ALL {
        let mesh = mesh.clone();
        let trial = move || mesh.map_or(Ok(()), |mesh| assert(&mesh, service));
        trials.push(Trial::test(format!("only_the_approved_program_reaches_{service:?}"), trial));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Alone: shims of one pod do not know what ports the others take, and this one takes hundreds.
    let kept = mesh.clone();
    let trial = move || kept.map_or(Ok(()), |mesh| assert_ports_are_kept(&mesh));
    let trial = Trial::test("redirects_keep_the_source_ports_that_tokens_are_for", trial);
    let alone = libtest_mimic::run(&arguments, vec![trial]);
    // Before this process ends: nothing else would end the servers.
    drop(mesh);
    if conclusion.has_failed() { conclusion.exit_code() } else { alone.exit_code() }
}

fn assert(mesh: &Mesh, service: Service) -> Result<(), Failed> {
    for visitor in VISITORS {
        let Visit { answered, record, finished } = mesh.visit(service, visitor);
        let promised = visitor.promised();
        let carrier = (visitor != Visitor::Neighbour).then_some(Carrier::ProxyV2);
        if (answered, record.reason, record.carrier) != (promised == Reason::Allowed, promised, carrier) {
            return Err(format!("{visitor:?}: {}\n{finished}", record.to_json()).into());
        }
    }
    Ok(())
}

/// Connection tracking gives a connection another source port where the redirect made it one with an earlier
/// one to somewhere else; its token is for the port that the program's socket has.
fn assert_ports_are_kept(mesh: &Mesh) -> Result<(), Failed> {
    let (finished, records) = mesh.by_turns();
    let strange = records.iter().find(|record| record.reason == Reason::Identity(RefusalReason::WrongSource));
    match strange {
        Some(record) => Err(format!("{}\n{finished}", record.to_json()).into()),
        None if finished.status.success() => Ok(()),
        None => Err(finished.to_string().into()),
    }
}
