//! Unmodified programs in a pod whose connections a mesh's redirect rules send to Envoy: databases, TLS, gRPC,
//! mail, HTTP. One pod for all tests, made of network namespaces; so it takes root.

use libtest_mimic::{Arguments, Failed, Trial};
use procgate_identity::Carrier;
use procgate_policy::Reason;
use procgate_tests::mesh::{Mesh, Service, Visit, Visitor};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mesh = if arguments.list { None } else { Mesh::start().map(Arc::new) };
    let mut trials = Vec::new();
    for service in Service::ALL {
        let mesh = mesh.clone();
        let trial = move || mesh.map_or(Ok(()), |mesh| assert(&mesh, service));
        trials.push(Trial::test(format!("only_the_approved_program_reaches_{service:?}"), trial));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Before this process ends: nothing else would end the servers.
    drop(mesh);
    conclusion.exit_code()
}

fn assert(mesh: &Mesh, service: Service) -> Result<(), Failed> {
    for visitor in Visitor::ALL {
        let Visit { answered, record, finished } = mesh.visit(service, visitor);
        let promised = visitor.promised();
        let carrier = (visitor != Visitor::Neighbour).then_some(Carrier::ProxyV2);
        if (answered, record.reason, record.carrier) != (promised == Reason::Allowed, promised, carrier) {
            return Err(format!("{visitor:?}: {}\n{finished}", record.to_json()).into());
        }
    }
    Ok(())
}
