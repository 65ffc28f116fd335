//! A pod under the manifests, and what is found out about it.

use crate::CHECKOUT;
use libtest_mimic::Failed;
use procgate_tests::istio::{Cluster, Interception, Sidecar};
use procgate_tests::process::run;
use procgate_tests::tools;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

/// The objects of an overlay, and a pod under them; dropping it removes both.
pub(crate) struct Stage {
    pub(crate) cluster: Arc<Cluster>,
    /// What kustomize has built.
    pub(crate) built: String,
    pub(crate) pod: Sidecar,
}

impl Stage {
    pub(crate) fn of(cluster: &Arc<Cluster>, overlay: &str) -> Self {
        Self::amended(cluster, overlay, &[])
    }

    /// With mistakes to be found: texts in what kustomize built, and what stands in their place.
    pub(crate) fn amended(cluster: &Arc<Cluster>, overlay: &str, amendments: &[(&str, &str)]) -> Self {
        let mut built = built(cluster, overlay);
        for (text, replacement) in amendments {
            assert!(built.contains(text), "nothing to amend: {text}");
            built = built.replace(text, replacement);
        }
        Self::start(cluster, built)
    }

    pub(crate) fn start(cluster: &Arc<Cluster>, built: String) -> Self {
        Self::intercepted(cluster, built, Interception::Redirect)
    }

    pub(crate) fn intercepted(cluster: &Arc<Cluster>, built: String, interception: Interception) -> Self {
        cluster.apply(&built);
        let pod = Sidecar::intercepted(cluster, "checkout", CHECKOUT, interception);
        Self { cluster: Arc::clone(cluster), built, pod }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.cluster.delete(&self.built);
    }
}

/// The manifests for this pod, with the cluster's policy.
pub(crate) fn rendered(cluster: &Cluster) -> PathBuf {
    cluster.render(&cluster.policy(), &["--workload", "app=checkout", "--module", &cluster.module()])
}

/// What kustomize makes of a folder of them.
pub(crate) fn built(cluster: &Cluster, folder: &str) -> String {
    cluster.build(&rendered(cluster).join(folder))
}

/// That Envoy has what the patches put into a configuration.
pub(crate) fn all_landed(stage: &Stage) -> Result<(), Failed> {
    let missing = not_landed(stage);
    if missing.is_empty() { Ok(()) } else { Err(missing.join(", ").into()) }
}

/// What the patches put into a configuration and Envoy does not have.
pub(crate) fn not_landed(stage: &Stage) -> Vec<String> {
    let dump: Value = serde_json::from_str(&fs::read_to_string(stage.pod.config_dump()).unwrap()).unwrap();
    let listeners: Vec<_> =
        dump["configs"].as_array().unwrap().iter().map(|part| &part["dynamic_listeners"]).collect();
    let listeners = serde_json::to_string(&listeners).unwrap();
    // An object's own name stands further out.
    let named = stage.built.lines().filter_map(|line| line.strip_prefix("    "));
    let named = named.map(|line| line.trim().trim_start_matches("- "));
    let ours = named
        .filter_map(|line| line.strip_prefix("name: "))
        .filter(|name| name.starts_with("procgate.") || name.starts_with("procgate-network"));
    let mut others =
        vec!["\"listener_filters_timeout\":\"1s\"", "REJECT_REQUEST", "wasm.procgate:PLAIN", "procgate-http"];
    if stage.built.contains("name: procgate-receiver") {
        others.extend([
            "\"max_connection_duration\":\"120s\"",
            "procgate-receiver",
            "%DOWNSTREAM_PEER_URI_SAN%",
        ]);
    }
    let wanted = ours
        .map(|name| (name, format!("\"name\":\"{name}\"")))
        .chain(others.into_iter().map(|text| (text, text.to_owned())));
    let missing = wanted.filter(|(_, text)| !listeners.contains(text));
    missing.map(|(name, _)| name.to_owned()).collect()
}

/// What the doctor says of what Envoy runs.
pub(crate) fn doctor(stage: &Stage) -> (Option<i32>, String) {
    let dump = stage.pod.config_dump();
    let mut doctor = Command::new(tools::cli());
    let finished = run(doctor.args(["--output", "json", "doctor"]).arg("--config-dump").arg(dump));
    (finished.status.code(), finished.stdout)
}
