//! The pods of a document, wherever its kind has them.

use super::container::{Container, Role, id};
use super::object::{Object, WORKLOADS, containers_of, pod_of, template};
use crate::failure::Problem;
use crate::yaml::{Fault, Kind, Node, Path, unfilled};

/// A pod, or a template of pods: what has `metadata` and `spec`.
#[derive(Debug)]
pub(super) struct Pod<'a> {
    pub(super) object: Object,
    pub(super) path: Path,
    pub(super) node: &'a Node<'a>,
}

/// The pod of an object; nothing where the object has none.
pub(super) fn pod<'a>(path: &Path, node: &'a Node<'a>, object: Object) -> Result<Option<Pod<'a>>, Fault> {
    let below = template(&object.kind);
    let place = pod_of(&object.kind, node);
    let has_containers = place.is_some_and(|place| !place.items_at("spec.containers").is_empty());
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
    if let Some(line) = template_in(node, place) {
        return Err(Fault { line, problem: unfilled() });
    }
    if let Some((line, what)) = hidden(place) {
        let problem = Problem::new(format!("{object}: {what} in its pod"));
        let next = "write out what stands elsewhere: whether it is harmless is not seen here";
        return Err(Fault { line, problem: problem.next(next) });
    }
    let path = if below.is_empty() { path.clone() } else { path.field(below) };
    Ok(Some(Pod { object, path, node: place }))
}

/// The first line that has `{{` where a name, an image or a program should be. In annotations and arguments it may be
/// meant for somebody else.
fn template_in(object: &Node<'_>, pod: &Node<'_>) -> Option<usize> {
    let names = ["kind", "metadata.name", "metadata.generateName", "metadata.namespace"];
    let labels = pod.fields_at("metadata.labels");
    let mut containers =
        ["spec.initContainers", "spec.containers"].into_iter().flat_map(|list| pod.items_at(list));
    let of_container = |node: &'_ Node<'_>| -> Option<usize> {
        let program = node.get("command").and_then(|command| command.items().first());
        [node.get("name"), node.get("image"), program].into_iter().flatten().find_map(unfilled_line)
    };
    let mut named = names.iter().filter_map(|name| object.at(name)).chain(pod.at("spec.serviceAccountName"));
    named
        .find_map(unfilled_line)
        .or_else(|| labels.iter().find_map(|label| unfilled_line(&label.value)))
        .or_else(|| containers.find_map(of_container))
}

fn unfilled_line(node: &Node<'_>) -> Option<usize> {
    node.text().is_some_and(|text| text.contains("{{")).then_some(node.line)
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

/// A list of the spec.
pub(super) fn list<'a>(pod: &'a Node<'a>, name: &str) -> Option<&'a Node<'a>> {
    pod.get("spec")?.get(name).filter(|list| matches!(list.kind, Kind::List { .. }))
}

impl<'a> Pod<'a> {
    /// Its containers: those of each list in their order.
    pub(super) fn containers(&self) -> Result<Vec<Container<'a>>, Fault> {
        let mut found: Vec<Container<'a>> = Vec::new();
        for (list, role) in [("spec.initContainers", Role::Init), ("spec.containers", Role::Main)] {
            let path = self.path.field(list);
            for (index, node) in self.node.items_at(list).iter().enumerate() {
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
                found.push(Container { name, role, path: path.item(index), node });
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

    /// A label of the pod, not of what it is in.
    pub(super) fn label(&self, name: &str) -> Option<&'a Node<'a>> {
        self.node.at("metadata.labels")?.get(name)
    }

    /// An annotation of the pod, not of what it is in.
    pub(super) fn annotation(&self, name: &str) -> Option<&'a Node<'a>> {
        self.node.at("metadata.annotations")?.get(name)
    }
}
