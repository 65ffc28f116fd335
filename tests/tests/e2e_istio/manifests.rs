//! What those say of the manifests that admit them: the API server with Istio's schemas, and Istio's own validator.

use crate::{Test, built};
use libtest_mimic::Failed;
use procgate_tests::istio::Cluster;
use procgate_tests::process::{run, succeed};
use serde_json::Value;
use std::sync::Arc;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("the_api_server_takes_every_manifest", taken),
    ("istioctl_has_nothing_to_say_against_any", validated),
    ("a_wrong_field_is_refused", refused),
    ("istioctl_analyzes_a_namespace_with_them_without_a_complaint", analyzed),
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

fn taken(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    for folder in FOLDERS {
        let file = cluster.file(&built(cluster, folder));
        let mut apply = cluster.kubectl();
        // Unknown fields are an error, not a warning.
        apply.args(["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f"]);
        let finished = run(apply.arg(file));
        if !finished.status.success() {
            return Err(format!("{folder}: {finished}").into());
        }
    }
    Ok(())
}

fn validated(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    for folder in FOLDERS {
        let file = cluster.file(&built(cluster, folder));
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
    let mut apply = cluster.kubectl();
    apply.args(["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f"]).arg(&file);
    for command in [&mut apply, cluster.istioctl().args(["validate", "-f"]).arg(&file)] {
        let finished = run(command);
        if finished.status.success() || !finished.to_string().contains("failureStrategy") {
            return Err(finished.to_string().into());
        }
    }
    Ok(())
}

fn analyzed(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let objects = built(cluster, "overlays/enforce");
    cluster.apply(&objects);
    let finished = run(cluster.istioctl().args(["analyze", "-n", "shop", "--output", "json"]));
    cluster.delete(&objects);
    let messages: Vec<Value> = serde_json::from_str(&finished.stdout)?;
    let told =
        |message: &&Value, part: &str| message[part].as_str().is_some_and(|text| text.contains("procgate"));
    // Of the services of these tests it may say something.
    let ours = messages.iter().filter(|message| told(message, "origin"));
    let further: Vec<_> = ours.filter(|message| !message.to_string().contains(INTERNALS)).collect();
    if further.is_empty() { Ok(()) } else { Err(format!("{further:?}").into()) }
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
