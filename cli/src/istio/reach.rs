//! Whether a policy is about a namespace at all: what is about none of it refuses everything there.

use procgate_policy::{RawPolicy, RawProcess};

/// Istio's root namespace, unless somebody calls it otherwise: what is there holds for all others.
const ROOT: &str = "istio-system";

/// The processes that may be in a namespace.
pub(super) fn processes<'a>(policy: &'a RawPolicy, namespace: &str) -> impl Iterator<Item = &'a RawProcess> {
    policy
        .processes
        .iter()
        .filter(move |process| process.namespace.as_deref().is_none_or(|name| name == namespace))
}

/// What it lacks for this one.
pub(super) fn warnings(policy: &RawPolicy, namespace: &str) -> Vec<String> {
    if namespace == ROOT {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    let mut lacks = |what: &str, next: &str| {
        warnings
            .push(format!("{what} the namespace {namespace}: enforce would refuse everything there; {next}"));
    };
    if processes(policy, namespace).next().is_none() {
        lacks(
            "no process of the policy can be in",
            "add its processes, or name the namespace that was meant",
        );
    }
    if policy.trust.keys_for(&format!("ns/{namespace}/")).next().is_none() {
        lacks("no key of the policy may sign for", "add one to trust.keys, or correct a scope");
    }
    warnings
}
