//! The hand that takes a document apart: it notes every mistake with its place, and goes on.

use crate::document::Node;
use crate::mistake::Mistakes;
use crate::raw::spelling::nearest;
use core::fmt;
use core::ops::RangeInclusive;
use std::borrow::Cow;

/// A place in the document, kept on the stack and written out only for a mistake.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At<'a> {
    /// The whole document.
    Top,
    /// A field of the object at another place.
    Field(&'a At<'a>, &'a str),
    /// An item of the list at another place.
    Item(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    /// The field of this name below.
    pub(crate) const fn field(&'a self, name: &'a str) -> Self {
        Self::Field(self, name)
    }

    /// The item of this index below.
    pub(crate) const fn item(&'a self, index: usize) -> Self {
        Self::Item(self, index)
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Field(Self::Top, name) => fmt_name(name, out),
            Self::Field(parent, name) => {
                parent.fmt(out)?;
                out.write_str(".")?;
                fmt_name(name, out)
            }
            Self::Item(parent, index) => write!(out, "{parent}[{index}]"),
        }
    }
}

/// Bytes of an unknown name that a mistake repeats.
const MAX_QUOTED: usize = 64;

fn fmt_name(name: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    name.chars().take(MAX_QUOTED).try_for_each(|letter| write!(out, "{}", letter.escape_debug()))
}

/// A piece of the document as a mistake repeats it: quoted, escaped and cut.
pub(crate) fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(MAX_QUOTED).flat_map(char::escape_debug).collect();
    if text.chars().count() > MAX_QUOTED { format!("\"{cut}…\"") } else { format!("\"{cut}\"") }
}

/// Collects mistakes while the readers of the single objects go through the document.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    mistakes: Mistakes,
}

impl Reader {
    /// Notes a mistake.
    pub(crate) fn mistake(&mut self, at: At<'_>, problem: impl Into<String>, remedy: impl Into<String>) {
        self.mistakes.add(at.to_string(), problem.into(), remedy.into());
    }

    /// Notes what another reader noted.
    pub(crate) fn append(&mut self, other: Self) {
        self.mistakes.append(other.mistakes);
    }

    /// The result, unless a mistake was noted.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Mistakes> {
        self.mistakes.or(value)
    }

    /// The object here, with no field but these (32 at most), each at most once.
    pub(crate) fn object<'n>(
        &mut self,
        at: At<'n>,
        node: &'n Node<'n>,
        known: &'static [&'static str],
    ) -> Option<Fields<'n>> {
        let Node::Object(fields) = node else {
            self.wrong_kind(at, node, "an object");
            return None;
        };
        let mut seen = 0_u32;
        for (name, _) in fields {
            let place = known.iter().position(|known| *known == name);
            match place.and_then(|place| 1_u32.checked_shl(u32::try_from(place).ok()?)) {
                None => self.unknown_field(at.field(name), name, known),
                Some(bit) if seen & bit != 0 => {
                    self.mistake(at.field(name), "written twice", "keep one of the two");
                }
                Some(bit) => seen |= bit,
            }
        }
        Some(Fields { fields })
    }

    fn unknown_field(&mut self, at: At<'_>, name: &str, known: &[&'static str]) {
        let remedy = match nearest(name, known) {
            Some(meant) => format!("write {meant}, or take it out"),
            None => format!("take it out; known here: {}", known.join(", ")),
        };
        self.mistake(at, "unknown field", remedy);
    }

    /// Reads the field if it is there.
    pub(crate) fn optional<'n, T>(
        &mut self,
        at: At<'n>,
        fields: &Fields<'n>,
        name: &'static str,
        read: impl FnOnce(&mut Self, At<'_>, &'n Node<'n>) -> Option<T>,
    ) -> Option<T> {
        fields.get(name).and_then(|node| read(self, at.field(name), node))
    }

    /// Reads the field; its absence is a mistake.
    pub(crate) fn required<'n, T>(
        &mut self,
        at: At<'n>,
        fields: &Fields<'n>,
        name: &'static str,
        remedy: &str,
        read: impl FnOnce(&mut Self, At<'_>, &'n Node<'n>) -> Option<T>,
    ) -> Option<T> {
        match fields.get(name) {
            Some(node) => read(self, at.field(name), node),
            None => {
                self.mistake(at.field(name), "missing", remedy);
                None
            }
        }
    }

    /// The items of a list with so many of them.
    pub(crate) fn list<'n, T>(
        &mut self,
        at: At<'n>,
        node: &'n Node<'n>,
        sizes: RangeInclusive<usize>,
        mut read: impl FnMut(&mut Self, At<'_>, &'n Node<'n>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Node::List(items) = node else {
            self.wrong_kind(at, node, "a list");
            return None;
        };
        if !sizes.contains(&items.len()) {
            let (problem, remedy) = match items.len() {
                // It could mean any or none.
                0 => ("an empty list".into(), "name at least one, or leave the field out".into()),
                count => (format!("{count} items"), format!("write at most {}", sizes.end())),
            };
            self.mistake(at, problem, remedy);
            return None;
        }
        let read: Vec<T> =
            items.iter().enumerate().filter_map(|(index, item)| read(self, at.item(index), item)).collect();
        (read.len() == items.len()).then_some(read)
    }

    /// The text here.
    pub(crate) fn text<'n>(&mut self, at: At<'_>, node: &'n Node<'n>) -> Option<&'n str> {
        if let Node::Text(text) = node {
            return Some(text);
        }
        self.wrong_kind(at, node, "text");
        None
    }

    /// Notes that something else was wanted here.
    pub(crate) fn wrong_kind(&mut self, at: At<'_>, node: &Node, wanted: &str) {
        let quotes = matches!(node, Node::Integer(_) | Node::OtherNumber | Node::Bool(_)) && wanted == "text";
        let remedy = if quotes { "put it into double quotes".into() } else { format!("write {wanted} here") };
        self.mistake(at, format!("{} where {wanted} belongs", node.kind()), remedy);
    }
}

/// The fields of one object.
#[derive(Debug)]
pub(crate) struct Fields<'n> {
    fields: &'n [(Cow<'n, str>, Node<'n>)],
}

impl<'n> Fields<'n> {
    /// The value of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node<'n>> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, node)| node)
    }
}
