//! A rendering for each workload.

use super::manifests::{Parameter, TEMPLATES, fill};
use super::reach::processes;
use super::workload::Workload;
use procgate_policy::{Mode, RawPolicy};
use std::collections::BTreeSet;

/// An overlay as one file for each workload, which kubectl takes as it is: for a thousand of them kustomize takes half a
/// minute or more.
pub(super) struct Overlay {
    pub(super) name: &'static str,
    /// Folders of its templates.
    folders: &'static [&'static str],
    /// What it sets.
    pub(super) mode: Option<Mode>,
}

/// Those that judge at the sender, for which a workload's part of the policy is enough. A receiver judges others.
pub(super) const OVERLAYS: [Overlay; 3] = [
    Overlay { name: "audit", folders: &["base/", "http/"], mode: Some(Mode::Audit) },
    Overlay { name: "enforce", folders: &["base/", "http/"], mode: Some(Mode::Enforce) },
    Overlay { name: "header-only", folders: &["http/"], mode: None },
];

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

    /// One object each.
    fn templates(&self) -> impl Iterator<Item = &'static str> {
        let is_here = |path: &str| self.folders.iter().any(|folder| path.starts_with(folder));
        let objects = TEMPLATES.iter().filter(|(path, _)| !path.ends_with("kustomization.yaml"));
        objects.filter(move |(path, _)| is_here(path)).map(|(_, text)| *text)
    }

    /// The objects of a workload, under names of their own.
    pub(super) fn objects(&self, workload: &Workload, parameters: &[Parameter]) -> String {
        let (suffix, namespace) = (workload.suffix(), workload.namespace());
        let objects = self.templates().map(|text| {
            let text = fill(text, parameters);
            let (head, rest) = text.split_once(NAME).unwrap_or((&text, ""));
            let (name, rest) = rest.split_once('\n').unwrap_or((rest, ""));
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
        for (overlay, count) in OVERLAYS.iter().zip([4, 4, 1]) {
            let found = overlay.templates();
            let objects = found.map(|text| (text.matches(NAME).count(), text.matches("\nkind: ").count()));
            assert_eq!(objects.collect::<Vec<_>>(), vec![(1, 1); count]);
        }
    }
}
