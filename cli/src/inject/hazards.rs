//! What of a pod makes the shim useless, or its promise smaller.

use super::container::{Container, capability};
use super::findings::Remark;
use super::pod::{Pod, list};
use super::redirect;
use super::selection::Selection;
use crate::failure::Problem;
use crate::yaml::{Fault, Node};

/// The proxy's user and group, whose connections a mesh's redirect rules leave alone.
const PROXY: u64 = 1337;
/// With these a container can get around the proxy or into another's processes.
const CAPABILITIES: [&str; 5] = ["ALL", "NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE"];

/// Labels of nodes by their system; the second is what they were called before Kubernetes 1.14.
const SYSTEM: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];

/// What cannot work at all.
pub(super) fn refuse(pod: &Pod<'_>, selection: &Selection<'_>) -> Result<(), Fault> {
    for names in ["spec.hostNetwork", "spec.hostPID", "spec.shareProcessNamespace"] {
        plainly(pod.node, names)?;
    }
    for container in selection.all() {
        plainly(container.node, "securityContext.privileged")?;
    }
    let (what, node) = if let Some(node) = windows(pod, selection) {
        ("runs on Windows, and the shim on Linux only", node)
    } else if let Some(node) = pod.node.at("spec.hostNetwork").filter(|node| node.boolean() == Some(true)) {
        ("uses the node's network (hostNetwork), where no proxy takes the token off its connections", node)
    } else {
        return Ok(());
    };
    let problem = Problem::new(format!("{} {what}", pod.object));
    let next = "leave it as it is with the annotation procgate.dev/inject: \"false\" in its pod's metadata";
    Err(Fault { line: node.line, problem: problem.next(next) })
}

/// Refuses a truth value that somebody else may read otherwise: with a tag (`!!bool "true"`), or in quotes.
fn plainly(node: &Node<'_>, names: &str) -> Result<(), Fault> {
    let odd = node.at(names).filter(|node| !node.is_null() && node.boolean().is_none());
    odd.map_or(Ok(()), |node| {
        let problem = Problem::new(format!("{names} is neither true nor false"));
        Err(Fault { line: node.line, problem: problem.next("write one of these, without quotes or a tag") })
    })
}

/// Where it says that it runs on Windows.
fn windows<'a>(pod: &Pod<'a>, selection: &Selection<'a>) -> Option<&'a Node<'a>> {
    let is_windows = |node: &&Node<'_>| node.text() == Some("windows");
    let of_system = pod.node.at("spec.os.name").filter(is_windows);
    let labels = pod.node.at("spec.nodeSelector");
    let mut of_label = SYSTEM.iter().filter_map(|name| labels?.get(name)).filter(is_windows);
    of_system
        .or_else(|| of_label.next())
        .or_else(|| affinity(pod).find(is_windows))
        .or_else(|| selection.all().find_map(|container| pod.security(container, "windowsOptions")))
}

/// The systems that its nodes may have.
fn affinity<'a>(pod: &Pod<'a>) -> impl Iterator<Item = &'a Node<'a>> {
    let place = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    let terms = pod.node.items_at(place).iter();
    let wanted = terms.flat_map(|term| term.items_at("matchExpressions"));
    let of_system = wanted.filter(|node| {
        node.text_at("operator") == Some("In") && node.text_at("key").is_some_and(|key| SYSTEM.contains(&key))
    });
    of_system.flat_map(|node| node.items_at("values"))
}

/// What holds, and less than one may think.
pub(super) fn warnings<'a>(pod: &Pod<'a>, selection: &Selection<'a>) -> Vec<Remark<'a>> {
    let mut remarks = of_pod(pod);
    remarks.extend(redirect::warnings(pod, selection));
    for container in selection.all().filter(|container| !container.is_of_the_mesh()) {
        remarks.extend(of_container(container));
    }
    for container in &selection.chosen {
        remarks.extend(of_chosen(container, pod));
    }
    remarks
}

fn of_pod<'a>(pod: &Pod<'a>) -> Vec<Remark<'a>> {
    let mut remarks = Vec::new();
    let mut at = |node: &Node<'_>, text: &str| {
        remarks.push(Remark { line: node.line, container: None, text: text.into() })
    };
    let is_set = |name: &str| pod.node.at(name).filter(|_| pod.node.is_true_at(name));
    if let Some(node) = is_set("spec.shareProcessNamespace") {
        at(
            node,
            "the containers share their processes: another one of the same user reads the key and the program's \
                  memory through /proc; leave shareProcessNamespace out",
        );
    }
    if let Some(node) = is_set("spec.hostPID") {
        at(
            node,
            "it sees all processes of the node, and reads what those of its own user have; leave hostPID out",
        );
    }
    if let Some(node) = pod.node.at("spec.runtimeClassName") {
        at(
            node,
            "another runtime starts it: `procgate-shim check` in one of its containers says whether it has what the \
                  shim needs",
        );
    }
    remarks
}

/// What any container of the pod can do to the others.
fn of_container<'a>(container: &Container<'a>) -> Vec<Remark<'a>> {
    let mut remarks = Vec::new();
    if container.node.is_true_at("securityContext.privileged") {
        let text =
            "is privileged: it can get around the proxy, and into all processes of the node; leave that out";
        remarks.push(container.remark(text));
    }
    let added = container.node.items_at("securityContext.capabilities.add");
    for item in added {
        let name = capability(item.text().unwrap_or_default());
        if CAPABILITIES.contains(&name.as_str()) {
            let text = format!("has {name}: it can get around the proxy, or into other processes; drop it");
            remarks.push(container.remark_at(item.line, text));
        }
    }
    remarks
}

fn of_chosen<'a>(container: &Container<'a>, pod: &Pod<'a>) -> Vec<Remark<'a>> {
    let mut remarks = Vec::new();
    for name in ["runAsUser", "runAsGroup"] {
        if pod.id(container, name).is_ok_and(|id| id == Some(PROXY)) {
            remarks.push(container.remark(format!(
                "{name} is {PROXY}, the proxy's own: redirect rules let its connections be, and nothing judges them; \
                 give it another"
            )));
        }
    }
    let profile = pod.security(container, "seccompProfile");
    if let Some(profile) = profile.filter(|profile| profile.text_at("type") == Some("Localhost")) {
        let text = "has a seccomp profile of its own, which has to permit the shim's; `procgate-shim check` in this \
                    container says whether it does";
        remarks.push(container.remark_at(profile.line, text));
    }
    remarks
}

/// What comes into a pod that runs already.
pub(super) fn guests<'a>(pod: &Pod<'a>) -> Option<Remark<'a>> {
    let guests = list(pod.node, "ephemeralContainers").filter(|list| !list.items().is_empty())?;
    let text = "ephemeral containers stay as they are: what they connect to sees no identity";
    Some(Remark { line: guests.line, container: None, text: text.into() })
}

/// What is started beside the program and not by its shim.
pub(super) fn note<'a>(container: &Container<'a>) -> Option<Remark<'a>> {
    let hooks =
        ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop"];
    let exec = hooks.iter().find_map(|hook| container.node.at(hook)?.get("exec"))?;
    let text = "an exec probe or hook is not started by the shim: what it connects to sees no identity";
    Some(container.remark_at(exec.line, text))
}
