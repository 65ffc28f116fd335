//! The edits of one pod or container, with what `uninject` has to know of them.

use super::record::{Changes, Old};
use crate::failure::Problem;
use crate::yaml::{Edit, Fault, Kind, Node, Path, Value};

/// What shall be different in what is at this path.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    path: Path,
    node: &'a Node<'a>,
    edits: Vec<Edit>,
    changes: Changes,
}

/// At which end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Front,
    Back,
}

impl<'a> Draft<'a> {
    pub(super) fn new(path: Path, node: &'a Node<'a>) -> Self {
        Self { path, node, edits: Vec::new(), changes: Changes::default() }
    }

    /// Gives a field this value, the names divided by dots.
    pub(super) fn set(&mut self, names: &str, value: Value) -> Result<(), Fault> {
        if let Some(node) = self.node.at(names) {
            let old = old(node).ok_or_else(|| unexpected(node, names))?;
            self.changes.replaced.insert(names.to_owned(), old);
            self.edits.push(Edit::Replace(self.path.field(names), value));
            return Ok(());
        }
        self.put(self.node, "", &names.split('.').collect::<Vec<_>>(), value)
    }

    /// A field that is not there, below what there is of the mappings around it.
    fn put(&mut self, node: &Node<'_>, above: &str, names: &[&str], value: Value) -> Result<(), Fault> {
        let Some((name, below)) = names.split_first() else { return Ok(()) };
        let place = if above.is_empty() { (*name).to_owned() } else { format!("{above}.{name}") };
        let nested = |value| below.iter().rev().fold(value, |value, name| Value::map([(name, value)]));
        match node.get(name) {
            None => {
                let parent = if above.is_empty() { self.path.clone() } else { self.path.field(above) };
                self.edits.push(Edit::Add(parent, (*name).to_owned(), nested(value)));
                self.changes.added.push(place);
            }
            Some(node) if node.is_null() => {
                self.edits.push(Edit::Replace(self.path.field(&place), nested(value)));
                self.changes.replaced.insert(place, Old::Null);
            }
            Some(node) if matches!(node.kind, Kind::Map { .. }) => {
                return self.put(node, &place, below, value);
            }
            Some(node) => return Err(unexpected(node, &place)),
        }
        Ok(())
    }

    /// Gives a mapping's fields these values.
    pub(super) fn merge(&mut self, names: &str, fields: Vec<(&str, Value)>) -> Result<(), Fault> {
        let is_there = self.node.at(names).is_some_and(|node| !node.is_null());
        if !is_there && !fields.is_empty() {
            // The fields too: others may come to them.
            let added: Vec<_> = fields.iter().map(|(name, _)| format!("{names}.{name}")).collect();
            let owned = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
            self.set(names, Value::Map(owned.collect()))?;
            self.changes.added.extend(added);
            return Ok(());
        }
        fields.into_iter().try_for_each(|(name, value)| self.set(&format!("{names}.{name}"), value))
    }

    /// Puts items into a list.
    pub(super) fn extend(&mut self, names: &str, items: Vec<Value>, end: End) -> Result<(), Fault> {
        match self.node.at(names) {
            _ if items.is_empty() => {}
            Some(node) if matches!(node.kind, Kind::List { .. }) => {
                let path = self.path.field(names);
                self.edits.push(if end == End::Front {
                    Edit::Prepend(path, items)
                } else {
                    Edit::Append(path, items)
                });
            }
            _ => self.set(names, Value::List(items))?,
        }
        Ok(())
    }

    /// Gives an annotation, whose name has dots in it; its value may depend on what had to be added for it.
    pub(super) fn annotate(
        mut self,
        name: &str,
        text: impl FnOnce(&Changes) -> String,
    ) -> Result<Vec<Edit>, Fault> {
        let place = "metadata.annotations";
        if let Some(node) = self.node.at(place)
            && matches!(node.kind, Kind::Map { .. })
        {
            let text = text(&self.changes);
            self.edits.push(Edit::Add(self.path.field(place), name.to_owned(), text.into()));
            return Ok(self.edits);
        }
        // Once to find out what has to be added, and once more with the text that says so.
        let edits = self.edits.len();
        self.set(place, Value::map([(name, Value::Null)]))?;
        let whole = text(&self.changes);
        self.edits.truncate(edits);
        self.set(place, Value::map([(name, whole.into())]))?;
        Ok(self.edits)
    }

    pub(super) fn finish(self) -> (Vec<Edit>, Changes) {
        (self.edits, self.changes)
    }
}

/// What of a value has to be known to put it back. Nothing that has anything in it is ever replaced.
fn old(node: &Node<'_>) -> Option<Old> {
    if node.is_null() {
        return Some(Old::Null);
    }
    if let Some(value) = node.boolean() {
        return Some(Old::Bool(value));
    }
    match (&node.kind, node.plain()) {
        (Kind::List { items, .. }, _) if items.is_empty() => Some(Old::List([])),
        (Kind::Scalar { .. }, Some(number)) if number.parse::<u64>().is_ok() => {
            number.parse().ok().map(Old::Number)
        }
        (Kind::Scalar { text, .. }, _) => Some(Old::Text(text.to_string())),
        (Kind::List { .. } | Kind::Map { .. } | Kind::Alias, _) => None,
    }
}

fn unexpected(node: &Node<'_>, names: &str) -> Fault {
    let what = if matches!(node.kind, Kind::Alias) { "is an alias" } else { "is not what its name says" };
    let problem = Problem::new(format!("{names} {what}"));
    Fault { line: node.line, problem: problem.next("write it out as Kubernetes has it") }
}
