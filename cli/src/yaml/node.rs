//! A document as a tree whose nodes know where they stand in the text.

use super::edit::{Path, Step};
use std::borrow::Cow;

/// A value and its place.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) kind: Kind<'a>,
    /// Bytes of the text, from and to. A block collection ends with the last value in it.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Letters before it on its line.
    pub(super) column: usize,
    /// Counted from 1 in the document's text.
    pub(crate) line: usize,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Kind<'a> {
    Scalar {
        text: Cow<'a, str>,
        plain: bool,
    },
    List {
        flow: bool,
        items: Vec<Node<'a>>,
    },
    Map {
        flow: bool,
        fields: Vec<Field<'a>>,
    },
    /// `*name`: what stands elsewhere.
    Alias,
}

/// A field of a mapping.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: Cow<'a, str>,
    /// Where the name stands.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) column: usize,
    pub(crate) value: Node<'a>,
}

impl<'a> Node<'a> {
    /// The field of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.fields().iter().find(|field| field.name == name).map(|field| &field.value)
    }

    /// A field of a field, the names divided by dots.
    pub(crate) fn at(&self, names: &str) -> Option<&Self> {
        names.split('.').try_fold(self, |node, name| node.get(name))
    }

    /// What is at this path.
    pub(crate) fn find(&self, path: &Path) -> Option<&Self> {
        path.steps().iter().try_fold(self, |node, step| match step {
            Step::Field(name) => node.get(name),
            Step::Item(index) => node.items().get(*index),
        })
    }

    /// The fields of a mapping.
    pub(crate) fn fields(&self) -> &[Field<'a>] {
        if let Kind::Map { fields, .. } = &self.kind { fields } else { &[] }
    }

    /// Whether it is a list without items.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.kind, Kind::List { items, .. } if items.is_empty())
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> &[Self] {
        if let Kind::List { items, .. } = &self.kind { items } else { &[] }
    }

    /// The fields of a field, the names divided by dots.
    pub(crate) fn fields_at(&self, names: &str) -> &[Field<'a>] {
        self.at(names).map(Self::fields).unwrap_or_default()
    }

    /// The items of a field.
    pub(crate) fn items_at(&self, names: &str) -> &[Self] {
        self.at(names).map(Self::items).unwrap_or_default()
    }

    /// The text of a scalar that is not null.
    pub(crate) fn text(&self) -> Option<&str> {
        let Kind::Scalar { text, .. } = &self.kind else { return None };
        (!self.is_null()).then_some(text)
    }

    /// The text of a field.
    pub(crate) fn text_at(&self, names: &str) -> Option<&str> {
        self.at(names)?.text()
    }

    /// Whether a field is `true`.
    pub(crate) fn is_true_at(&self, names: &str) -> bool {
        self.at(names).and_then(Self::boolean) == Some(true)
    }

    /// A truth value as YAML 1.1 has them, which Kubernetes' tools read.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match self.plain()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some(true),
            "false" | "no" | "off" | "n" => Some(false),
            _ => None,
        }
    }

    /// Whether it is null.
    pub(crate) fn is_null(&self) -> bool {
        self.plain().is_some_and(|text| matches!(text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar without quotes.
    pub(crate) fn plain(&self) -> Option<&str> {
        if let Kind::Scalar { text, plain: true } = &self.kind { Some(text) } else { None }
    }

    /// Whether it is a collection between brackets.
    pub(super) fn is_flow(&self) -> bool {
        matches!(self.kind, Kind::List { flow: true, .. } | Kind::Map { flow: true, .. })
    }

    /// Itself and all that is in it.
    pub(crate) fn walk(&self, visit: &mut impl FnMut(&Self)) {
        visit(self);
        self.items().iter().for_each(|item| item.walk(visit));
        self.fields().iter().for_each(|field| field.value.walk(visit));
    }
}
