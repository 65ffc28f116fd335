//! A container of a pod.

use super::findings::Remark;
use super::names::MESH;
use crate::failure::Problem;
use crate::yaml::{Fault, Node, Path};

/// A container of a pod.
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
        self.node.items_at("command")
    }

    /// A variable that its own manifest says.
    pub(super) fn variable(&self, name: &str) -> Option<&'a Node<'a>> {
        let env = self.node.items_at("env");
        env.iter().find(|item| item.text_at("name") == Some(name))
    }

    /// Whether its command is a shim already.
    pub(super) fn is_under_a_shim(&self) -> bool {
        let first = self.command().first().and_then(Node::text);
        first.is_some_and(|word| word.rsplit('/').next() == Some("procgate-shim"))
    }
}

/// A user or group by its number, in the one spelling that all read alike: one with a leading 0 is octal to
/// Kubernetes' tools and decimal to others, and a tag makes a number of a text.
pub(super) fn id(name: &str, node: &Node<'_>) -> Result<Option<u64>, Fault> {
    let text = node.plain().unwrap_or_default();
    let fault = |what: String, next| Err(Fault { line: node.line, problem: Problem::new(what).next(next) });
    match text.parse() {
        _ if node.is_null() => Ok(None),
        Ok(_) if text.len() > 1 && text.starts_with('0') => fault(
            format!("{name} is {text}, which some read as octal and some as decimal"),
            "write it without the leading 0",
        ),
        Ok(id) => Ok(Some(id)),
        Err(_) => fault(format!("{name} is no number"), "write its digits, without quotes or a tag"),
    }
}

/// A capability by the name that Linux's manual pages have behind `CAP_`; runtimes take it in any case.
pub(super) fn capability(text: &str) -> String {
    text.to_ascii_uppercase().trim_start_matches("CAP_").to_owned()
}
