//! IPv6 between the real shim and Envoy. A token names both ends of its connection, and Envoy names them too: they have
//! to be the same ones, in whatever family the program's socket and Envoy's are.

use crate::shim_tls::{self, PICKED, request_to};
use procgate_policy::Reason;
use procgate_tests::envoy::{Envoy, Setup, patient};
use procgate_tests::pod::{Confinement, Pod, folder};
use procgate_tests::process::run;
use procgate_tests::program::Program;
use procgate_tests::stage::curl_arguments;
use procgate_tests::tools;
use procgate_tests::way::Way;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tempfile::TempDir;

/// Where Envoy listens, and how programs reach it: by IPv6; or by IPv4 at a listener that takes either, with a socket
/// of either family.
const ENDS: [(Ipv6Addr, &[IpAddr]); 2] = [
    (Ipv6Addr::LOCALHOST, &[IpAddr::V6(Ipv6Addr::LOCALHOST)]),
    (
        Ipv6Addr::UNSPECIFIED,
        &[IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped())],
    ),
];

/// Has Envoy listen there, for IPv4 too where that is any address.
fn listen(setup: &mut Setup, at: Ipv6Addr) {
    setup.listen = at.into();
    if at.is_unspecified() {
        let both = r#"{address: "::", ipv4_compat: true, "#;
        setup.amendments.push((r#"{address: "::", "#, both.into()));
    }
}

/// How the programs name Envoy.
fn addresses(envoy: &Envoy, ips: &'static [IpAddr]) -> impl Iterator<Item = SocketAddr> {
    let port = envoy.address().port();
    ips.iter().map(move |ip| SocketAddr::new(*ip, port))
}

/// An IPv4 address is recorded as one, however the program writes it.
fn assert_recorded(envoy: &Envoy, towards: SocketAddr) {
    let canonical = SocketAddr::new(towards.ip().to_canonical(), towards.port());
    let due = (Reason::Allowed, Some(canonical));
    envoy.record("the connection's record", |record| (record.reason, record.address) == due);
}

#[test]
fn a_header_and_a_preface_name_the_ends_of_a_connection_over_ipv6_as_envoy_does() {
    let Some(curl) = tools::client("curl") else { return };
    for (kind, ways) in [("http", &[Way::Header][..]), ("tcp", &Way::PREFACES)] {
        for (at, ips) in ENDS {
            let folder = folder();
            let checkout = Program::like(&curl, folder.path(), "checkout");
            let pod = Pod::start_with(folder, &[&checkout], |setup| {
                setup.kind = kind;
                setup.amendments.extend((kind == "tcp").then(patient));
                listen(setup, at);
            });
            for (towards, way) in
                addresses(&pod.envoy, ips).flat_map(|to| ways.iter().map(move |way| (to, *way)))
            {
                let mut shim = pod.shim_by(way, &checkout, Confinement::best(), &[towards]);
                let finished = run(shim.arg(&checkout.path).args(curl_arguments(towards, &["/charge/1"])));
                assert!(finished.stdout.ends_with("\n200\n"), "{way} {towards}: {finished}");
                assert_recorded(&pod.envoy, towards);
            }
        }
    }
}

#[test]
fn a_client_hello_names_the_ends_of_a_connection_over_ipv6_as_envoy_does() {
    let Some(curl) = tools::client("curl") else { return };
    for (at, ips) in ENDS {
        let program = |folder: &TempDir| Program::like(&curl, folder.path(), "checkout");
        let pod = shim_tls::Pod::start_with(program, |setup| listen(setup, at));
        for towards in addresses(&pod.envoy, ips) {
            let mut shim = pod.shim_towards(towards, "pidfd");
            let finished = run(shim.arg("--").arg(&pod.checkout.path).args(request_to(towards, "http")));
            assert_eq!(finished.stdout, PICKED, "{towards}: {finished}");
            assert_recorded(&pod.envoy, towards);
        }
    }
}
