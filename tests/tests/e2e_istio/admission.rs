//! What the ValidatingAdmissionPolicy refuses, by a real API server.

use crate::Test;
use crate::stage::built;
use libtest_mimic::Failed;
use procgate_tests::istio::{Cluster, eventually};
use procgate_tests::process::{Finished, run};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("deny_refuses_each_way_around_the_proxy", deny),
    ("audit_only_warns_of_them", audit),
    ("what_one_rendering_brought_stays_when_another_one_goes", renderings),
];

/// A pod as a mesh makes it: the proxy may be what a workload may not.
fn pod(change: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": "shop", "annotations": {}},
        "spec": {
            "initContainers": [{"name": "istio-init", "image": "proxy", "securityContext": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}}}],
            "containers": [
                {"name": "app", "image": "app", "securityContext": {}},
                {"name": "istio-proxy", "image": "proxy", "securityContext": {"runAsUser": 1337, "runAsGroup": 1337}},
            ],
        },
    });
    for (pointer, value) in change.as_object().unwrap() {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        pod.pointer_mut(parent).unwrap()[name.replace("~1", "/")] = value.clone();
    }
    pod
}

/// Each way around, and a word of what is said against it.
fn ways() -> [(Value, &'static str); 10] {
    let context = "/spec/containers/0/securityContext";
    let add = |capability: &str| json!({format!("{context}/capabilities"): {"add": [capability]}});
    [
        (json!({format!("{context}/runAsUser"): 1337}), "uid or gid 1337"),
        (json!({format!("{context}/runAsGroup"): 1337}), "uid or gid 1337"),
        (json!({"/spec/securityContext": {"runAsUser": 1337}}), "uid or gid 1337"),
        (add("NET_ADMIN"), "adds NET_ADMIN"),
        (add("NET_RAW"), "adds NET_ADMIN"),
        (add("SYS_PTRACE"), "adds NET_ADMIN"),
        (json!({format!("{context}/privileged"): true}), "privileged container"),
        (json!({"/spec/shareProcessNamespace": true}), "shareProcessNamespace"),
        (json!({"/spec/hostNetwork": true}), "hostNetwork"),
        (json!({"/metadata/annotations/traffic.sidecar.istio.io~1excludeOutboundPorts": "5432"}), "say why"),
    ]
}

fn create(cluster: &Cluster, pod: &Value) -> Finished {
    run(cluster.kubectl().args(["create", "--dry-run=server", "-f"]).arg(cluster.file(&pod.to_string())))
}

fn deny(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let objects = built(cluster, "admission/deny");
    cluster.apply(&objects);
    let result = denied(cluster);
    cluster.delete(&objects);
    result
}

fn denied(cluster: &Cluster) -> Result<(), Failed> {
    let ways = ways();
    eventually("the policy to hold", || (!create(cluster, &pod(&ways[0].0)).status.success()).then_some(()));
    for (change, why) in &ways {
        let finished = create(cluster, &pod(change));
        if finished.status.success() || !finished.stderr.contains(why) {
            return Err(format!("{change}: {finished}").into());
        }
    }
    let excluded = "/metadata/annotations/traffic.sidecar.istio.io~1excludeOutboundPorts";
    let because = "/metadata/annotations/procgate.dev~1excluded-because";
    for innocent in
        [json!({}), json!({excluded: "5432", because: "the database has a client certificate of its own"})]
    {
        let finished = create(cluster, &pod(&innocent));
        if !finished.status.success() {
            return Err(format!("{innocent}: {finished}").into());
        }
    }
    Ok(())
}

fn audit(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let objects = built(cluster, "admission/audit");
    cluster.apply(&objects);
    let [(change, why), ..] = ways();
    let warned = eventually("a warning", || {
        let finished = create(cluster, &pod(&change));
        finished.stderr.contains("Warning").then_some(finished)
    });
    cluster.delete(&objects);
    if warned.status.success() && warned.stderr.contains(why) {
        Ok(())
    } else {
        Err(warned.to_string().into())
    }
}

/// Two renderings for one namespace: all of the policy's objects are there twice.
fn renderings(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let [checkout, other] = ["app=checkout", "app=other"].map(|workload| {
        let options = ["--workload", workload, "--module", &cluster.module()];
        let rendered = cluster.render(&cluster.policy(), &options);
        let folders =
            ["overlays/enforce", "admission/deny"].map(|folder| cluster.build(&rendered.join(folder)));
        folders.join("\n---\n")
    });
    cluster.apply(&checkout);
    cluster.apply(&other);
    cluster.delete(&other);
    let kinds = "wasmplugins,envoyfilters,validatingadmissionpolicies,validatingadmissionpolicybindings";
    let left = run(cluster.kubectl().args(["get", kinds, "--namespace", "shop", "--output", "name"])).stdout;
    let [(change, why), ..] = ways();
    let refused = eventually("a refusal", || {
        let finished = create(cluster, &pod(&change));
        (!finished.status.success()).then_some(finished)
    });
    cluster.delete(&checkout);
    let count = left.lines().filter(|name| name.contains("procgate")).count();
    if count == 6 && refused.stderr.contains(why) { Ok(()) } else { Err(format!("{left}{refused}").into()) }
}
