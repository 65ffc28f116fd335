//! A rendering for each workload.

use procgate_policy::RawPolicy;
use std::collections::BTreeSet;

/// Overlays that judge at the sender, for which a workload's part of the policy is enough. A receiver judges others.
const OVERLAYS: [&str; 3] = ["audit", "enforce", "header-only"];
const HEAD: &str = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";

/// The service accounts that processes of this namespace name.
pub(super) fn accounts(policy: &RawPolicy, namespace: &str) -> Option<BTreeSet<String>> {
    let here = policy
        .processes
        .iter()
        .filter(|process| process.namespace.as_deref().is_none_or(|name| name == namespace));
    let accounts: BTreeSet<_> = here.filter_map(|process| process.service_account.clone()).collect();
    (!accounts.is_empty()).then_some(accounts)
}

/// Where a workload's rendering is.
pub(super) fn folder(account: &str) -> String {
    format!("workloads/{account}/")
}

/// Kustomizations that have each overlay of all workloads, told apart by their names' ends.
pub(super) fn gathered(accounts: &BTreeSet<String>) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for overlay in OVERLAYS {
        let mut resources = String::new();
        for account in accounts {
            let named = format!("{}named/{overlay}", folder(account));
            resources.extend(["- ../../", &named, "\n"]);
            let text = format!("{HEAD}nameSuffix: -{account}\nresources: [../../overlays/{overlay}]\n");
            files.push((format!("{named}/kustomization.yaml"), text));
        }
        files.push((
            format!("overlays/{overlay}/kustomization.yaml"),
            format!("{HEAD}resources:\n{resources}"),
        ));
    }
    files
}
