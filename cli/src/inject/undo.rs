//! Back to what a pod was before, by what it tells of itself.

use super::container::Container;
use super::custody::is_of_root;
use super::names::{INJECTED, INSTALLER, SHIM_VOLUME, key_volume, prefix};
use super::pod::Pod;
use super::record::{Changes, Injected, Record};
use crate::failure::Problem;
use crate::yaml::{Edit, Fault, Kind, Node, Path, Value};

/// The edits that take the shim out of a pod. None where it has none.
pub(super) fn undo(pod: &Pod<'_>) -> Result<Vec<Edit>, Fault> {
    let Some(node) = pod.annotation(INJECTED) else { return Ok(Vec::new()) };
    let record = node.text().and_then(Record::parse).ok_or_else(|| {
        let problem =
            Problem::new(format!("the annotation {INJECTED} of {} is none that is known here", pod.object));
        Fault {
            line: node.line,
            problem: problem.next("take the procgate that injected it, or the manifest from before"),
        }
    })?;
    let containers = pod.containers()?;
    let mut edits = Vec::new();
    for (name, injected) in &record.containers {
        if let Some(container) = containers.iter().find(|container| container.name == name) {
            edits.extend(of_container(container, injected, pod)?);
        }
    }
    let keys: Vec<String> = record.containers.keys().filter_map(|name| key_volume(name)).collect();
    let is_ours = |item: &Node<'_>| {
        item.text_at("name").is_some_and(|name| name == SHIM_VOLUME || keys.iter().any(|key| key == name))
    };
    let mut undoing = Undoing { path: &pod.path, node: pod.node, changes: &record.pod, edits };
    undoing.shorten("spec.volumes", is_ours);
    undoing.shorten("spec.initContainers", |item| item.text_at("name") == Some(INSTALLER));
    undoing.annotation();
    Ok(undoing.edits)
}

fn of_container(container: &Container<'_>, injected: &Injected, pod: &Pod<'_>) -> Result<Vec<Edit>, Fault> {
    let Container { node, path, name, .. } = container;
    let words = container.command().iter().map(Node::text).take(prefix().len());
    if !words.eq(prefix().map(Some)) {
        let what = format!("{}: the command of {name} was changed since it was injected", pod.object);
        let problem = Problem::new(what).next(format!("let it begin with {} again", prefix().join(" ")));
        return Err(Fault { line: node.get("command").unwrap_or(node).line, problem });
    }
    for (field, told) in &injected.words {
        let found = node.items_at(field);
        if !found.iter().map(Node::text).eq(told.iter().map(|word| Some(word.as_str()))) {
            let what = format!("{}: {field} of {name} was changed since it was injected", pod.object);
            let problem = Problem::new(what).next(format!("let it be {} again", Value::texts(told).inline()));
            return Err(Fault { line: node.get(field).unwrap_or(node).line, problem });
        }
    }
    let volume = key_volume(name).unwrap_or_default();
    let mut undoing = Undoing { path, node, changes: &injected.changes, edits: Vec::new() };
    if !undoing.restore("command") {
        let command = path.field("command");
        undoing.take("command", (0..prefix().len()).map(|index| command.item(index)).collect());
    }
    undoing.shorten("env", |item| {
        item.text_at("name").is_some_and(|name| injected.env.iter().any(|ours| ours == name))
    });
    undoing.shorten("volumeMounts", |item| {
        item.text_at("name").is_some_and(|name| name == SHIM_VOLUME || name == volume)
    });
    undoing.shorten("securityContext.capabilities.add", |item| {
        item.text().is_some_and(|name| injected.capabilities.iter().any(|ours| ours == name))
    });
    undoing.restore("args");
    undoing.be_no_root("securityContext");
    Ok(undoing.edits)
}

struct Undoing<'a> {
    path: &'a Path,
    node: &'a Node<'a>,
    changes: &'a Changes,
    edits: Vec<Edit>,
}

impl Undoing<'_> {
    /// Takes a field away that was not there, or gives it its value back; whether it was one of these.
    fn restore(&mut self, place: &str) -> bool {
        let added = self.changes.added.iter().any(|added| added == place);
        let edit = match self.changes.replaced.get(place) {
            _ if added => Edit::Remove(self.path.field(place)),
            Some(old) => Edit::Replace(self.path.field(place), old.into()),
            None => return false,
        };
        if self.node.at(place).is_some() {
            self.edits.push(edit);
        }
        true
    }

    /// Takes items out of a list, and the list itself where it was not there and nothing else came into it.
    fn shorten(&mut self, place: &str, is_ours: impl Fn(&Node<'_>) -> bool) {
        let items = self.node.items_at(place);
        let path = self.path.field(place);
        let ours = (0..).zip(items).filter(|(_, item)| is_ours(item)).map(|(index, _)| path.item(index));
        self.take(place, ours.collect());
    }

    /// Takes back what lets a container start as root, where that is still as it was written.
    fn be_no_root(&mut self, place: &str) {
        let fields = self.node.fields_at(place);
        let written = fields.iter().filter(|field| is_of_root(&field.name, &field.value));
        let (added, replaced): (Vec<_>, Vec<_>) = written
            .map(|field| format!("{place}.{}", field.name))
            .partition(|field| self.changes.added.contains(field));
        self.take(place, added.iter().map(|field| self.path.field(field)).collect());
        for field in replaced {
            self.restore(&field);
        }
    }

    /// Takes these paths out of a list or mapping, and itself where it was not there and nothing else came into it.
    fn take(&mut self, place: &str, ours: Vec<Path>) {
        let Some(node) = self.node.at(place) else { return };
        if ours.is_empty() {
            return;
        }
        let all = ours.len() == node.items().len().saturating_add(node.fields().len());
        if all && self.restore(place) {
            return;
        }
        // It was empty, and was rewritten since.
        let empty = match node.kind {
            Kind::List { flow: false, .. } if all => Value::List(Vec::new()),
            Kind::Map { flow: false, .. } if all => Value::Map(Vec::new()),
            Kind::List { .. } | Kind::Map { .. } | Kind::Scalar { .. } | Kind::Alias => {
                self.edits.extend(ours.into_iter().map(Edit::Remove));
                return;
            }
        };
        self.edits.push(Edit::Replace(self.path.field(place), empty));
    }

    fn annotation(&mut self) {
        let all = "metadata.annotations";
        let fields = |names: &str| self.node.fields_at(names).len();
        if fields(all) == 1 && fields("metadata") == 1 && self.restore("metadata") {
            return;
        }
        self.take(all, vec![self.path.field(all).named(INJECTED)]);
    }
}
