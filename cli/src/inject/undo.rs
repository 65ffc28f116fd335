//! Back to what a pod was before, by what it tells of itself.

use super::names::{INJECTED, INSTALLER, SHIM_VOLUME, key_volume, prefix};
use super::pod::{Container, Pod};
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
    let volume = key_volume(name).unwrap_or_default();
    let mut undoing = Undoing { path, node, changes: &injected.changes, edits: Vec::new() };
    if !undoing.restore("command") {
        undoing.take("command", &(0..prefix().len()).collect::<Vec<_>>());
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
    let rest = injected.changes.added.iter().chain(injected.changes.replaced.keys());
    let is_list =
        |place: &str| ["command", "env", "volumeMounts", "securityContext.capabilities.add"].contains(&place);
    for place in rest.filter(|place| !is_list(place)) {
        undoing.restore(place);
    }
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
        let items = self.node.at(place).map(Node::items).unwrap_or_default();
        let ours: Vec<usize> =
            (0..).zip(items).filter(|(_, item)| is_ours(item)).map(|(index, _)| index).collect();
        self.take(place, &ours);
    }

    /// The same, by their indexes.
    fn take(&mut self, place: &str, ours: &[usize]) {
        let Some(node) = self.node.at(place) else { return };
        let path = self.path.field(place);
        if ours.is_empty() {
            return;
        }
        let all = ours.len() == node.items().len();
        if all && self.restore(place) {
            return;
        }
        if all && matches!(node.kind, Kind::List { flow: false, .. }) {
            // It was empty, and was rewritten since.
            self.edits.push(Edit::Replace(path, Value::List(Vec::new())));
        } else {
            self.edits.extend(ours.iter().map(|index| Edit::Remove(path.item(*index))));
        }
    }

    fn annotation(&mut self) {
        let all = "metadata.annotations";
        let fields = |names: &str| self.node.at(names).map(Node::fields).unwrap_or_default().len();
        let (only, alone) = (fields(all) == 1, fields("metadata") == 1);
        if only && alone && self.restore("metadata") || only && self.restore(all) {
            return;
        }
        let block = matches!(self.node.at(all), Some(Node { kind: Kind::Map { flow: false, .. }, .. }));
        let path = self.path.field(all);
        self.edits.push(if only && block {
            Edit::Replace(path, Value::Map(Vec::new()))
        } else {
            Edit::Remove(path.named(INJECTED))
        });
    }
}
