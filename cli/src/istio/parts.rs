//! A rendering for each workload.

use super::reach::processes;
use procgate_policy::RawPolicy;
use std::collections::BTreeSet;

/// Overlays that judge at the sender, for which a workload's part of the policy is enough. A receiver judges others.
const OVERLAYS: [&str; 3] = ["audit", "enforce", "header-only"];
const HEAD: &str = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";

/// The service accounts that processes of this namespace name.
pub(super) fn accounts(policy: &RawPolicy, namespace: &str) -> Option<BTreeSet<String>> {
    let accounts: BTreeSet<_> =
        processes(policy, namespace).filter_map(|process| process.service_account.clone()).collect();
    (!accounts.is_empty()).then_some(accounts)
}

/// Where a workload's rendering is.
pub(super) fn folder(account: &str) -> String {
    format!("workloads/{account}/")
}

/// Kustomizations that have each overlay of all workloads, whose names tell them apart.
pub(super) fn gathered(accounts: &BTreeSet<String>) -> Vec<(String, String)> {
    let gather = |overlay: &str| {
        let resources =
            accounts.iter().map(|account| format!("- ../../{}overlays/{overlay}\n", folder(account)));
        let text = format!("{HEAD}resources:\n{}", resources.collect::<String>());
        (format!("overlays/{overlay}/kustomization.yaml"), text)
    };
    OVERLAYS.into_iter().map(gather).collect()
}
