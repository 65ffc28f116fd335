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
    let image = "docker.io/istio/proxyv2:1.30.0";
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "probe", "namespace": "shop", "labels": {"sidecar.istio.io/inject": "true"},
            "annotations": {"sidecar.istio.io/interceptionMode": "REDIRECT", "traffic.sidecar.istio.io/includeOutboundIPRanges": "*"},
        },
        "spec": {
            "initContainers": [{"name": "istio-init", "image": image, "securityContext": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}}}],
            "containers": [
                {"name": "app", "image": "app", "securityContext": {}},
                {"name": "istio-proxy", "image": image, "securityContext": {"runAsUser": 1337, "runAsGroup": 1337}},
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
fn ways() -> Vec<(Value, &'static str)> {
    let context = "/spec/containers/0/securityContext";
    let users = ["runAsUser", "runAsGroup"].map(|name| json!({format!("{context}/{name}"): 1337}));
    let groups =
        [json!({"runAsUser": 1337}), json!({"fsGroup": 1337}), json!({"supplementalGroups": [5, 1337]})]
            .map(|context| json!({"/spec/securityContext": context}));
    let mesh_named = [
        ("/spec/containers/1/image", "docker.io/istio/proxyv2-of-mine:1.30.0"),
        ("/spec/containers/1/image", "registry.example/docker.io/istio/proxyv2:1.30.0"),
        ("/spec/containers/1/command", "sh"),
    ]
    .map(
        |(field, value)| json!({field: if field.ends_with("image") { json!(value) } else { json!([value]) }}),
    );
    let names = [
        "NET_ADMIN",
        "NET_RAW",
        "SYS_PTRACE",
        "SYS_ADMIN",
        "ALL",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW",
        "CAP_SYS_PTRACE",
        "CAP_SYS_ADMIN",
        "net_admin",
        "all",
        "cap_sys_ptrace",
        "Cap_Net_Raw",
    ];
    let capabilities = names.map(|name| json!({format!("{context}/capabilities"): {"add": [name]}}));
    let said = [
        ("annotations", "traffic.sidecar.istio.io/excludeOutboundPorts", "5432"),
        ("annotations", "traffic.sidecar.istio.io/excludeOutboundIPRanges", "10.0.0.0/8"),
        ("annotations", "traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/8"),
        ("annotations", "traffic.sidecar.istio.io/includeOutboundIPRanges", ""),
        ("annotations", "traffic.sidecar.istio.io/excludeInterfaces", "eth0"),
        ("annotations", "sidecar.istio.io/interceptionMode", "NONE"),
        ("annotations", "sidecar.istio.io/inject", "false"),
        ("annotations", "inject.istio.io/templates", "grpc-agent"),
        ("labels", "sidecar.istio.io/inject", "false"),
    ];
    let others = [
        (json!({format!("{context}/privileged"): true}), "privileged container"),
        (json!({"/spec/shareProcessNamespace": true}), "shareProcessNamespace"),
        (json!({"/spec/hostPID": true}), "hostPID"),
        (json!({"/spec/hostNetwork": true}), "hostNetwork"),
    ];
    let mut ways: Vec<(Value, &str)> = Vec::new();
    ways.extend(users.into_iter().chain(groups).chain(mesh_named).map(|change| (change, "uid or gid 1337")));
    ways.extend(capabilities.map(|change| (change, "adds NET_ADMIN")));
    ways.extend(said.map(|(kind, name, value)| {
        (json!({format!("/metadata/{kind}/{}", name.replace('/', "~1")): value}), name)
    }));
    ways.extend(others);
    ways
}

fn create(cluster: &Cluster, pod: &Value) -> Finished {
    run(cluster.kubectl().args(["create", "--dry-run=server", "-f"]).arg(cluster.file(&pod.to_string())))
}

fn deny(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let objects = built(cluster, "admission/deny");
    cluster.apply(&objects);
    let result = denied(cluster).and_then(|()| debuggers_denied(cluster));
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
    for innocent in [
        json!({}),
        json!({"/spec/containers/0/securityContext/capabilities": {"add": ["NET_BIND_SERVICE"]}}),
        json!({excluded: "5432", because: "the database has a client certificate of its own"}),
    ] {
        let finished = create(cluster, &pod(&innocent));
        if !finished.status.success() {
            return Err(format!("{innocent}: {finished}").into());
        }
    }
    Ok(())
}

/// Ways in that a pod has only when it runs already.
fn debuggers_denied(cluster: &Cluster) -> Result<(), Failed> {
    let there = pod(&json!({})).to_string();
    cluster.apply(&there);
    let debug = |further: &[&str]| {
        let line = ["debug", "probe", "--namespace", "shop", "--image", "app", "--attach=false"];
        run(cluster.kubectl().args(line).args(further))
    };
    let finished = [
        (debug(&["--profile", "netadmin"]), Some("adds NET_ADMIN")),
        (debug(&["--profile", "sysadmin"]), Some("privileged container")),
        (debug(&["--profile", "restricted", "--target", "app"]), Some("targetContainerName")),
        (debug(&["--profile", "restricted"]), None),
    ];
    cluster.delete(&there);
    for (finished, refused) in finished {
        if finished.status.success() != refused.is_none()
            || !finished.stderr.contains(refused.unwrap_or_default())
        {
            return Err(format!("{refused:?}: {finished}").into());
        }
    }
    Ok(())
}

fn audit(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let objects = built(cluster, "admission/audit");
    cluster.apply(&objects);
    let (change, why) = ways().swap_remove(0);
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
    let (change, why) = ways().swap_remove(0);
    let refused = eventually("a refusal", || {
        let finished = create(cluster, &pod(&change));
        (!finished.status.success()).then_some(finished)
    });
    cluster.delete(&checkout);
    let count = left.lines().filter(|name| name.contains("procgate")).count();
    if count == 6 && refused.stderr.contains(why) { Ok(()) } else { Err(format!("{left}{refused}").into()) }
}
