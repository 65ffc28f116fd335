//! What `procgate inject` makes of a pod, run as its manifest says: the init container copies the shim, the container
//! starts its program under it with the key that is mounted there, and the program gets through a real Envoy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

use procgate_identity::{Carrier, RefusalReason};
use procgate_policy::Reason;
use procgate_tests::kubelet::{Image, Kubelet};
use procgate_tests::mesh::{Mesh, Service, Visit};
use procgate_tests::process::{run, succeed};
use procgate_tests::tools;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

const IMAGE: &str = "procgate-shim@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A pod as the Pod Security Standard `restricted` wants it, whose containers run the same.
fn manifest(command: &[String], args: &[String]) -> Value {
    let container = |name: &str| {
        json!({
            "name": name,
            "image": "curl",
            "command": command,
            "args": args,
            "env": [{"name": "PROCGATE_REQUIRE", "value": "own-socket"}],
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        })
    };
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "checkout"},
        "spec": {"template": {
            "metadata": {"annotations": {"procgate.dev/containers": "checkout"}},
            "spec": {
                "serviceAccountName": "checkout",
                "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000},
                "containers": [container("checkout"), container("neighbour")],
            },
        }},
    })
}

/// What the command makes of it.
fn inject(manifest: &Value, options: &[&str]) -> Value {
    let mut command = Command::new(tools::cli());
    command.args([
        "inject",
        "--trust-domain",
        "shop.example",
        "--shim-image",
        IMAGE,
        "--code-list",
        "code-{workload}",
    ]);
    let mut child = command
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(manifest.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The pod, with its init container run.
fn start<'a>(mesh: &'a Mesh, service: Service, manifest: &Value, options: &[&str]) -> Kubelet<'a> {
    let spec = inject(manifest, options)["spec"]["template"]["spec"].clone();
    let (key, code_list) = mesh.files(service);
    let files = [("procgate-checkout/checkout.jwk", key), ("code-checkout/checkout.list", code_list)];
    let mut pod = Kubelet::new(mesh.network(), spec, &BTreeMap::from(files));
    pod.fields = BTreeMap::from([("metadata.namespace", "shop"), ("spec.serviceAccountName", "checkout")]);
    succeed(&mut pod.container("procgate-install", Image::Only(&tools::shim())));
    pod
}

fn assert_reached(visit: &Visit) {
    let Visit { answered, record, finished } = visit;
    assert_eq!((*answered, record.reason), (true, Reason::Allowed), "{}\n{finished}", record.to_json());
    assert_eq!(record.carrier, Some(Carrier::ProxyV2));
    assert!(finished.stderr.contains("mode own-socket"), "{finished}");
}

#[test]
fn an_injected_pod_does_what_its_manifest_says() {
    let Some(mesh) = Mesh::start() else { return };
    let told = "can be read by the program too";
    for service in [Service::Http, Service::PostgreSql] {
        let (program, arguments) = mesh.question(service);
        let asks = manifest(&[program], &arguments);

        let pod = start(&mesh, service, &asks, &[]);
        let visit = mesh.watch(service, &mut pod.container("checkout", Image::ThisMachine));
        assert_reached(&visit);
        assert!(visit.finished.stderr.contains(told), "{}", visit.finished);

        let visit = mesh.watch(service, &mut pod.container("neighbour", Image::ThisMachine));
        let refused = Reason::Identity(RefusalReason::NoIdentity);
        assert_eq!((visit.answered, visit.record.reason), (false, refused), "{}", visit.finished);

        let pod = start(&mesh, service, &asks, &["--custody", "root"]);
        let visit = mesh.watch(service, &mut pod.container("checkout", Image::ThisMachine));
        assert_reached(&visit);
        assert!(!visit.finished.stderr.contains(told), "{}", visit.finished);
    }
    let reads = manifest(&["cat".to_owned(), "/run/procgate/key.jwk".into()], &[]);
    for (options, can) in [(&[][..], true), (&["--custody", "root"], false)] {
        let pod = start(&mesh, Service::Http, &reads, options);
        let read = run(&mut pod.container("checkout", Image::ThisMachine));
        assert_eq!(read.status.success(), can, "{read}");
        assert!(can || read.stderr.contains("Permission denied"), "{read}");
        // The neighbour has no such mount.
        assert!(!run(&mut pod.container("neighbour", Image::ThisMachine)).status.success());
    }
}
