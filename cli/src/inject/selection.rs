//! Which containers of a pod start under the shim: all that run as long as it, unless its annotations say otherwise.

use super::container::{Container, Role};
use super::names::{CONTAINERS, INJECT};
use super::pod::Pod;
use crate::failure::Problem;
use crate::yaml::{Fault, Node};

/// The containers of a pod, and what becomes of each.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    pub(super) chosen: Vec<Container<'a>>,
    /// With the reason.
    pub(super) left: Vec<(Container<'a>, &'static str)>,
}

impl<'a> Selection<'a> {
    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Container<'a>> {
        self.chosen.iter().chain(self.left.iter().map(|(container, _)| container))
    }
}

const OF_THE_MESH: &str = "is the mesh's own, and stays as it is";
const UNDER_A_SHIM: &str = "starts a shim by itself, and stays as it is";
const NOT_NAMED: &str = "is not named in procgate.dev/containers: what it connects to sees no identity";
const INIT: &str = "is an init container, and stays as it is: what it connects to sees no identity; else name it \
                    in procgate.dev/containers with the others";

/// Chooses. Nothing where the pod is to stay as it is.
pub(super) fn select<'a>(pod: &Pod<'a>) -> Result<Option<Selection<'a>>, Fault> {
    let containers = pod.containers()?;
    if let Some(node) = pod.annotation(INJECT)
        && !is_true(node)?
    {
        return Ok(None);
    }
    let named = pod.annotation(CONTAINERS).map(|node| names(node, pod, &containers)).transpose()?;
    let mut selection = Selection { chosen: Vec::new(), left: Vec::new() };
    for container in containers {
        let left = match &named {
            _ if container.is_of_the_mesh() => Some(OF_THE_MESH),
            Some(named) if !named.iter().any(|name| name == container.name) => Some(NOT_NAMED),
            None if container.role != Role::Main => Some(INIT),
            _ if container.is_under_a_shim() => Some(UNDER_A_SHIM),
            _ => None,
        };
        match left {
            Some(reason) => selection.left.push((container, reason)),
            None => selection.chosen.push(container),
        }
    }
    Ok(Some(selection))
}

fn is_true(node: &Node<'_>) -> Result<bool, Fault> {
    match (node.plain(), node.text()) {
        // The API server takes texts only, and would refuse the object.
        (None, Some("true")) => Ok(true),
        (None, Some("false")) => Ok(false),
        _ => {
            let problem = Problem::new(format!("the annotation {INJECT} is neither \"true\" nor \"false\""));
            Err(Fault { line: node.line, problem: problem.next("write one of these, in quotes") })
        }
    }
}

fn names(node: &Node<'_>, pod: &Pod<'_>, containers: &[Container<'_>]) -> Result<Vec<String>, Fault> {
    let fault =
        |what: String, next: String| Fault { line: node.line, problem: Problem::new(what).next(next) };
    let text = node.text().unwrap_or_default();
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    for name in &names {
        match containers.iter().find(|container| container.name == name) {
            Some(container) if container.is_of_the_mesh() => {
                let what = format!("{CONTAINERS} names {name}, which is the mesh's own");
                return Err(fault(what, "leave it out: nothing of the mesh's is ever changed".into()));
            }
            Some(_) => {}
            None => {
                let known: Vec<&str> = containers.iter().map(|container| container.name).collect();
                let what = format!("{CONTAINERS} names {name:?}, and {} has no such container", pod.object);
                return Err(fault(what, format!("it has {}", known.join(", "))));
            }
        }
    }
    Ok(names)
}
