//! The pods of a document, wherever its kind has them.

use super::findings::Remark;
use super::names::MESH;
use crate::failure::Problem;
use crate::yaml::{Fault, Kind, Node, Path, unfilled};
use core::fmt;

/// The object that a pod is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Object {
    pub(super) kind: String,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

/// A pod, or a template of pods: what has `metadata` and `spec`.
#[derive(Debug)]
pub(super) struct Pod<'a> {
    pub(super) object: Object,
    pub(super) path: Path,
    pub(super) node: &'a Node<'a>,
}

/// A container of it.
#[derive(Clone, Debug)]
pub(super) struct Container<'a> {
    pub(super) name: &'a str,
    pub(super) role: Role,
    pub(super) path: Path,
    pub(super) node: &'a Node<'a>,
}

/// When it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// As long as the pod.
    Main,
    /// The same, started before the others: an init container that is always restarted.
    NativeSidecar,
    /// Before the others, to its end.
    Init,
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
const WORKLOADS: [&str; 7] =
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

/// The pod of an object; nothing where the object has none.
pub(super) fn pod<'a>(path: &Path, node: &'a Node<'a>, object: Object) -> Result<Option<Pod<'a>>, Fault> {
    let below = template(&object.kind);
    let place = if below.is_empty() { Some(node) } else { node.at(below) };
    let has_containers = place.is_some_and(|place| matches!(list(place, "containers"), Some([_, ..])));
    let Some(place) = place.filter(|_| has_containers) else {
        let known = below.is_empty() || WORKLOADS.contains(&object.kind.as_str());
        let fault = || {
            let problem = Problem::new(format!("{object} has no containers where its kind has them"));
            Fault {
                line: node.line,
                problem: problem.next(format!("write them at {}", containers_of(below))),
            }
        };
        return if known { Err(fault()) } else { Ok(None) };
    };
    if let Some(name) = node.at("metadata.name").filter(|_| object.name.contains("{{")) {
        return Err(Fault { line: name.line, problem: unfilled() });
    }
    if let Some((line, what)) = hidden(place) {
        let problem = Problem::new(format!("{object}: {what} in its pod"));
        let next = "write out what stands elsewhere: whether it is harmless is not seen here";
        return Err(Fault { line, problem: problem.next(next) });
    }
    let path = if below.is_empty() { path.clone() } else { path.field(below) };
    Ok(Some(Pod { object, path, node: place }))
}

/// What decides whether and how a pod is changed.
const DECIDING: &[&str] = &[
    "annotations",
    "securityContext",
    "capabilities",
    "add",
    "drop",
    "privileged",
    "runAsUser",
    "runAsGroup",
    "runAsNonRoot",
    "fsGroup",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "shareProcessNamespace",
    "os",
];

/// The first place that takes from elsewhere what would have to be seen: its line, and what it is.
fn hidden(node: &Node<'_>) -> Option<(usize, String)> {
    let mut found = None;
    node.walk(&mut |node| {
        for field in node.fields() {
            let is_alias = |node: &Node<'_>| matches!(node.kind, Kind::Alias);
            let aliased = is_alias(&field.value) || field.value.items().iter().any(is_alias);
            if field.name == "<<" {
                found.get_or_insert((field.value.line, "a merged key (<<)".to_owned()));
            } else if aliased && DECIDING.contains(&&*field.name) {
                found.get_or_insert((field.value.line, format!("an alias for {}", field.name)));
            }
        }
    });
    found
}

/// Where a kind has the template of its pods.
fn template(kind: &str) -> &'static str {
    match kind {
        "Pod" => "",
        "CronJob" => "spec.jobTemplate.spec.template",
        "PodTemplate" => "template",
        _ => "spec.template",
    }
}

fn containers_of(below: &str) -> String {
    if below.is_empty() { "spec.containers".into() } else { format!("{below}.spec.containers") }
}

fn list<'a>(pod: &'a Node<'a>, name: &str) -> Option<&'a [Node<'a>]> {
    let list = pod.get("spec")?.get(name)?;
    matches!(list.kind, Kind::List { .. }).then(|| list.items())
}

impl<'a> Pod<'a> {
    /// Its containers: those of each list in their order.
    pub(super) fn containers(&self) -> Result<Vec<Container<'a>>, Fault> {
        let mut found: Vec<Container<'a>> = Vec::new();
        for (field, role) in [("initContainers", Role::Init), ("containers", Role::Main)] {
            let list_path = self.path.field("spec").field(field);
            for (index, node) in list(self.node, field).unwrap_or_default().iter().enumerate() {
                let fault = |what: String, next: &str| Fault {
                    line: node.line,
                    problem: Problem::new(what).next(next),
                };
                if let Kind::Alias | Kind::Scalar { .. } | Kind::List { .. } = node.kind {
                    return Err(fault(
                        format!("{}: a container that is no mapping", self.object),
                        "write it out",
                    ));
                }
                let Some(name) = node.text_at("name") else {
                    return Err(fault(format!("{}: a container without a name", self.object), "give it one"));
                };
                if found.iter().any(|other| other.name == name) {
                    let what = format!("{}: two containers are called {name}", self.object);
                    return Err(fault(what, "call one otherwise"));
                }
                let native = role == Role::Init && node.text_at("restartPolicy") == Some("Always");
                let role = if native { Role::NativeSidecar } else { role };
                found.push(Container { name, role, path: list_path.item(index), node });
            }
        }
        Ok(found)
    }

    /// A field of the security context that holds for a container: its own, or else the pod's.
    pub(super) fn security(&self, container: &Container<'a>, name: &str) -> Option<&'a Node<'a>> {
        let own = container.node.get("securityContext").and_then(|context| context.get(name));
        own.or_else(|| self.node.at("spec.securityContext")?.get(name))
    }

    /// A user or group of the security context that holds for a container.
    pub(super) fn id(&self, container: &Container<'a>, name: &str) -> Result<Option<u64>, Fault> {
        self.security(container, name).map_or(Ok(None), |node| id(name, node))
    }

    /// An annotation of the pod, not of what it is in.
    pub(super) fn annotation(&self, name: &str) -> Option<&'a Node<'a>> {
        self.node.at("metadata.annotations")?.get(name)
    }
}

/// A user or group by its number. One with a leading 0 is octal to Kubernetes' tools, and decimal to others.
pub(super) fn id(name: &str, node: &Node<'_>) -> Result<Option<u64>, Fault> {
    let text = node.plain().unwrap_or_default();
    if text.len() > 1 && text.starts_with('0') {
        let problem = Problem::new(format!("{name} is {text}, which some read as octal and some as decimal"));
        return Err(Fault { line: node.line, problem: problem.next("write it without the leading 0") });
    }
    Ok(text.parse().ok())
}

/// A capability by the name that Linux's manual pages have behind `CAP_`; runtimes take it in any case.
pub(super) fn capability(text: &str) -> String {
    text.to_ascii_uppercase().trim_start_matches("CAP_").to_owned()
}

impl<'a> Container<'a> {
    /// Something to say of it.
    pub(super) fn remark(&self, text: impl Into<String>) -> Remark<'a> {
        self.remark_at(self.node.line, text)
    }

    /// The same of a line in it.
    pub(super) fn remark_at(&self, line: usize, text: impl Into<String>) -> Remark<'a> {
        Remark { line, container: Some(self.name), text: text.into() }
    }

    /// Whether it is the mesh's own.
    pub(super) fn is_of_the_mesh(&self) -> bool {
        MESH.contains(&self.name)
    }

    /// The words that it is started with.
    pub(super) fn command(&self) -> &'a [Node<'a>] {
        self.node.get("command").map(Node::items).unwrap_or_default()
    }

    /// Whether its command is a shim already.
    pub(super) fn is_under_a_shim(&self) -> bool {
        let first = self.command().first().and_then(Node::text);
        first.is_some_and(|word| word.rsplit('/').next() == Some("procgate-shim"))
    }
}
