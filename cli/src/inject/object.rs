//! The objects of a document, and where each kind has its pods.

use crate::yaml::{Node, Path};
use core::fmt;

/// The object that a pod is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Object {
    pub(super) kind: String,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

impl fmt::Display for Object {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(out, "{namespace}/")?;
        }
        out.write_str(&self.name)
    }
}

/// Kinds whose pods are where [`template`] says, and must be there.
pub(super) const WORKLOADS: [&str; 7] =
    ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob"];

/// All objects of a document, those of a list one by one, with their places.
pub(super) fn objects<'a>(root: &'a Node<'a>) -> Vec<(Path, &'a Node<'a>, Object)> {
    let mut found = Vec::new();
    let mut waiting = vec![(Path::default(), root, None)];
    while let Some((path, node, told)) = waiting.pop() {
        let Some(kind) = node.text_at("kind").or(told) else { continue };
        match (kind.strip_suffix("List"), node.get("items")) {
            (Some(of), Some(items)) => {
                let told = (!of.is_empty()).then_some(of);
                let list = path.field("items");
                let items = items.items().iter().enumerate().rev();
                waiting.extend(items.map(|(index, item)| (list.item(index), item, told)));
            }
            _ => found.push((path, node, object(kind, node))),
        }
    }
    found
}

fn object(kind: &str, node: &Node<'_>) -> Object {
    let name = node.text_at("metadata.name").or_else(|| node.text_at("metadata.generateName"));
    Object {
        kind: kind.to_owned(),
        namespace: node.text_at("metadata.namespace").map(Into::into),
        name: name.unwrap_or_default().trim_end_matches('-').to_owned(),
    }
}

/// Where a kind has the template of its pods.
pub(super) fn template(kind: &str) -> &'static str {
    match kind {
        "Pod" => "",
        "CronJob" => "spec.jobTemplate.spec.template",
        "PodTemplate" => "template",
        _ => "spec.template",
    }
}

/// The pod of an object of this kind, or its template.
pub(super) fn pod_of<'a>(kind: &str, object: &'a Node<'a>) -> Option<&'a Node<'a>> {
    let below = template(kind);
    if below.is_empty() { Some(object) } else { object.at(below) }
}

/// The place of its containers.
pub(super) fn containers_of(below: &str) -> String {
    if below.is_empty() { "spec.containers".into() } else { format!("{below}.spec.containers") }
}
