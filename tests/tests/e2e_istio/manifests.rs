//! What those say of the manifests that admit them: the API server with Istio's schemas, and Istio's own validator.

use crate::Test;
use crate::rows::{only_the_approved_program, row};
use crate::stage::{Stage, built, doctor};
use libtest_mimic::Failed;
use procgate_tests::istio::{Cluster, eventually};
use procgate_tests::process::{run, succeed};
use procgate_tests::tokens::Key;
use procgate_tests::tools;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("the_api_server_takes_every_manifest", taken),
    ("istioctl_has_nothing_to_say_against_any", validated),
    ("a_wrong_field_is_refused", refused),
    ("istioctl_analyzes_a_namespace_with_them_without_a_complaint", analyzed),
    ("the_api_server_takes_injected_workloads", injected),
    ("each_workload_is_judged_by_its_own_part_of_the_policy", parts),
    ("the_doctor_reads_five_hundred_services_in_time", large),
    ("what_is_removed_leaves_nothing", removed),
];

const FOLDERS: &[&str] = &[
    "overlays/audit",
    "overlays/enforce",
    "overlays/strict",
    "overlays/receiver",
    "overlays/header-only",
    "traffic-extension",
    "admission/audit",
    "admission/deny",
];

/// What is said of every EnvoyFilter, and true.
const INTERNALS: &str = "exposes internal implementation details";

/// What the API server would take, and does not keep. Unknown fields are an error, not a warning.
fn taking(cluster: &Cluster, file: &Path) -> Command {
    let mut apply = cluster.kubectl();
    apply.args(["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f"]).arg(file);
    apply
}

/// Each folder as it is for some pods, and for all of the namespace.
fn folders(cluster: &Cluster) -> impl Iterator<Item = (&'static str, String)> {
    let all = cluster.render(&cluster.policy(), &["--module", &cluster.module()]);
    FOLDERS.iter().flat_map(move |folder| {
        [built(cluster, folder), cluster.build(&all.join(folder))].map(|text| (*folder, text))
    })
}

fn taken(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    for (folder, objects) in folders(cluster) {
        let finished = run(&mut taking(cluster, &cluster.file(&objects)));
        if !finished.status.success() {
            return Err(format!("{folder}: {finished}").into());
        }
    }
    Ok(())
}

fn validated(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    for (folder, objects) in folders(cluster) {
        let file = cluster.file(&objects);
        let finished = run(cluster.istioctl().args(["validate", "-f"]).arg(file));
        let told = finished.to_string();
        let warnings =
            told.lines().filter(|line| line.trim_start().starts_with('*') && !line.contains(INTERNALS));
        if !finished.status.success() || warnings.count() > 0 {
            return Err(format!("{folder}: {finished}").into());
        }
    }
    Ok(())
}

fn refused(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let mistaken = built(cluster, "overlays/enforce").replace("failStrategy:", "failureStrategy:");
    let file = cluster.file(&mistaken);
    for command in [&mut taking(cluster, &file), cluster.istioctl().args(["validate", "-f"]).arg(&file)] {
        let finished = run(command);
        if finished.status.success() || !finished.to_string().contains("failureStrategy") {
            return Err(finished.to_string().into());
        }
    }
    Ok(())
}

fn analyzed(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    for folder in FOLDERS {
        let objects = built(cluster, folder);
        cluster.apply(&objects);
        let finished = run(cluster.istioctl().args(["analyze", "-n", "shop", "--output", "json"]));
        cluster.delete(&objects);
        let messages: Vec<Value> = serde_json::from_str(&finished.stdout)?;
        let origin = |message: &Value| message["origin"].as_str().unwrap_or_default().to_owned();
        // Of the services of these tests it may say something.
        let ours = messages.iter().filter(|message| origin(message).contains("procgate"));
        let further: Vec<_> = ours.filter(|message| !message.to_string().contains(INTERNALS)).collect();
        if !further.is_empty() {
            return Err(format!("{folder}: {further:?}").into());
        }
    }
    Ok(())
}

fn removed(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    for folder in FOLDERS {
        let objects = built(cluster, folder);
        cluster.apply(&objects);
        cluster.delete(&objects);
    }
    let kinds = "wasmplugins,trafficextensions,envoyfilters,sidecars,peerauthentications,\
                 validatingadmissionpolicies,validatingadmissionpolicybindings,configmaps,telemetries";
    let left = succeed(cluster.kubectl().args(["get", kinds, "--all-namespaces", "--output", "name"])).stdout;
    if left.contains("procgate") { Err(left.into()) } else { Ok(()) }
}

/// A workload as people write it: what the API server makes of what `procgate inject` makes of it.
const WORKLOADS: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, namespace: shop}
spec:
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      serviceAccountName: checkout
      initContainers:
      - {name: proxy, image: proxy, restartPolicy: Always}
      containers:
      - name: app
        image: app
        command: [/app/checkout, --port, "80"]
        securityContext: {runAsUser: 1000, runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: shop}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - {name: app, image: app, command: [/app/nightly]}
"#;

fn injected(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let image = format!("registry.example/procgate-shim@sha256:{}", "a".repeat(64));
    for further in [&[][..], &["--image-volume"]] {
        let mut inject = Command::new(tools::cli());
        inject.args(["inject", "--trust-domain", "shop.example", "--shim-image", &image]).args(further);
        let objects = succeed(inject.arg(cluster.file(WORKLOADS))).stdout;
        let finished = run(taking(cluster, &cluster.file(&objects)).args(["-o", "json"]));
        if !finished.status.success() || !finished.stdout.contains("/opt/procgate/procgate-shim") {
            return Err(format!("{further:?}: {finished}").into());
        }
    }
    Ok(())
}

fn parts(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let mut policy = cluster.policy();
    policy["processes"][0]["serviceAccount"] = "checkout".into();
    let mut other = policy["processes"][0].clone();
    (other["name"], other["serviceAccount"]) = ("other".into(), "other".into());
    policy["processes"].as_array_mut().unwrap().push(other);
    let scope = |account: &str| format!("spiffe://shop.example/ns/shop/sa/{account}/container/");
    let second = Key::new("2026-11-other").trusted_for(&scope("other"));
    policy["trust"]["keys"].as_array_mut().unwrap().push(second);
    let module = cluster.module();
    let rendered = cluster.render(&policy, &["--per-workload", "app", "--module", &module]);
    let stage = Stage::start(cluster, cluster.build(&rendered.join("overlays/enforce")));
    for name in ["procgate-network-checkout", "procgate-network-other", "procgate-http-other"] {
        if !stage.built.contains(&format!("name: {name}-")) {
            return Err(stage.built.clone().into());
        }
    }
    only_the_approved_program(&stage, row("http_service"))?;
    only_the_approved_program(&stage, row("unlisted_tcp"))
}

fn large(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let entry = |number: u32| {
        let [.., high, low] = number.to_be_bytes();
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
            "metadata": {"name": format!("s{number}"), "namespace": "shop"},
            "spec": {
                "hosts": [format!("s{number}.shop.example")], "location": "MESH_EXTERNAL", "resolution": "STATIC",
                "addresses": [format!("10.67.{high}.{low}")],
                "endpoints": [{"address": "10.66.0.1"}], "ports": [{"number": 9000, "name": "tcp", "protocol": "TCP"}],
            },
        })
    };
    let entries: Vec<_> = (1..=500).map(|number| entry(number).to_string()).collect();
    let entries = entries.join("\n---\n");
    cluster.apply(&entries);
    let stage = Stage::of(cluster, "overlays/enforce");
    eventually("the listeners", || {
        let dump = stage.pod.admin("/listeners");
        (dump.matches("10.67.").count() >= 500).then_some(())
    });
    let started = Instant::now();
    let (code, told) = doctor(&stage);
    let took = started.elapsed();
    cluster.delete(&entries);
    println!("the doctor took {took:?} for 500 services");
    if code == Some(0) && took.as_secs() < 10 { Ok(()) } else { Err(format!("{took:?}: {told}").into()) }
}
