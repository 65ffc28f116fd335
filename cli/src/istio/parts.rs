//! A rendering for each workload.

use super::manifests::{Parameter, TEMPLATES, fill};
use super::reach::processes;
use super::workload::Workload;
use procgate_policy::{Mode, RawPolicy};
use std::collections::BTreeSet;

/// An overlay as one file for each workload, which kubectl takes as it is: kustomize takes a minute for a thousand of
/// them.
pub(super) struct Overlay {
    pub(super) name: &'static str,
    /// Paths of its templates.
    pub(super) templates: &'static [&'static str],
    /// What it sets.
    pub(super) mode: Option<Mode>,
}

/// Those that judge at the sender, for which a workload's part of the policy is enough. A receiver judges others.
pub(super) const OVERLAYS: [Overlay; 3] = [
    Overlay { name: "audit", templates: ALL, mode: Some(Mode::Audit) },
    Overlay { name: "enforce", templates: ALL, mode: Some(Mode::Enforce) },
    Overlay { name: "header-only", templates: &["http/http.yaml"], mode: None },
];
const ALL: &[&str] = &["http/http.yaml", "base/network.yaml", "base/listeners.yaml", "base/log.yaml"];

/// The service accounts that processes of this namespace name.
pub(super) fn accounts(policy: &RawPolicy, namespace: &str) -> Option<BTreeSet<String>> {
    let accounts: BTreeSet<_> =
        processes(policy, namespace).filter_map(|process| process.service_account.clone()).collect();
    (!accounts.is_empty()).then_some(accounts)
}

impl Overlay {
    /// Where a workload's objects are.
    pub(super) fn file(&self, account: &str) -> String {
        format!("overlays/{}/workloads/{account}.yaml", self.name)
    }

    /// The objects of a workload, under names of their own.
    pub(super) fn objects(&self, workload: &Workload, parameters: &[Parameter]) -> String {
        let (suffix, namespace) = (workload.suffix(), workload.namespace());
        let templates = TEMPLATES.iter().filter(|(path, _)| self.templates.contains(path));
        let objects = templates.map(|(_, text)| {
            let (head, rest) = text.split_once(NAME).unwrap_or((text, ""));
            let (name, rest) = rest.split_once('\n').unwrap_or((rest, ""));
            let (head, rest) = (fill(head, parameters), fill(rest, parameters));
            format!("{head}{NAME}{name}{suffix}\n  namespace: {namespace}\n{rest}")
        });
        objects.collect::<Vec<_>>().join("---\n")
    }

    /// A kustomization of all workloads' objects.
    pub(super) fn gathered(&self, accounts: &BTreeSet<String>) -> (String, String) {
        let entries: String =
            accounts.iter().map(|account| format!("- workloads/{account}.yaml\n")).collect();
        let head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization";
        let text = format!("{head}\nresources:\n{entries}");
        (format!("overlays/{}/kustomization.yaml", self.name), text)
    }
}

/// What stands before an object's name in every template.
const NAME: &str = "\nmetadata:\n  name: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_of_an_overlay_is_there_and_has_one_object_with_a_name() {
        for overlay in OVERLAYS {
            let found = TEMPLATES.iter().filter(|(path, _)| overlay.templates.contains(path));
            let objects =
                found.map(|(_, text)| (text.matches(NAME).count(), text.matches("\nkind: ").count()));
            assert_eq!(objects.collect::<Vec<_>>(), vec![(1, 1); overlay.templates.len()]);
        }
    }
}
