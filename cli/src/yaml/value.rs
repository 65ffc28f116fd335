//! Values to be put into a document: their fields keep their order.

use crate::escape::{escape, escape_json};
use core::fmt;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(untagged)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(u64),
    Text(String),
    List(Vec<Self>),
    #[serde(deserialize_with = "fields")]
    Map(Vec<(String, Self)>),
    /// A text with a comment behind it, where the document's style has room for one.
    #[serde(skip)]
    Noted(String, String),
    /// What stands on one line, as YAML has it.
    #[serde(skip)]
    OnOneLine(Box<Self>),
}

/// The fields of a mapping in their order.
fn fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Value)>, D::Error> {
    struct Fields;
    impl<'de> Visitor<'de> for Fields {
        type Value = Vec<(String, Value)>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("a mapping")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            while let Some(field) = map.next_entry()? {
                fields.push(field);
            }
            Ok(fields)
        }
    }
    deserializer.deserialize_map(Fields)
}

impl Value {
    /// A mapping of these fields.
    pub(crate) fn map<const N: usize>(fields: [(&str, Self); N]) -> Self {
        Self::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// A list of texts.
    pub(crate) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(|text| Self::Text(text.into())).collect())
    }

    /// The same on one line.
    pub(crate) fn on_one_line(self) -> Self {
        Self::OnOneLine(Box::new(self))
    }

    /// On one line, as JSON, which is YAML too.
    pub(crate) fn inline(&self) -> String {
        escape_json(&serde_json::to_string(self).unwrap_or_default())
    }

    /// On one line, as YAML: quotes only where they are needed.
    fn flow(&self) -> String {
        match self {
            Self::List(items) => format!("[{}]", items.iter().map(Self::flow).collect::<Vec<_>>().join(", ")),
            Self::Map(fields) => {
                let field = |(name, value): &(String, Self)| format!("{}: {}", scalar(name), value.flow());
                format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
            }
            Self::Text(text) | Self::Noted(text, _) => scalar(text),
            Self::OnOneLine(value) => value.flow(),
            Self::Null | Self::Bool(_) | Self::Number(_) => self.inline(),
        }
    }

    /// The lines of a field with this value, in block style.
    pub(super) fn write_field(&self, name: &str, at: Layout, out: &mut String) {
        out.push_str(&scalar(name));
        out.push(':');
        self.write_after_colon(at, out);
    }

    /// What comes after a field's colon. The lines end without a line break.
    pub(super) fn write_after_colon(&self, at: Layout, out: &mut String) {
        match self {
            Self::List(items) if !items.is_empty() => {
                let at = if at.indented_lists { at.deeper() } else { at };
                for item in items {
                    at.new_line(out);
                    item.write_item(at, out);
                }
            }
            Self::Map(fields) if !fields.is_empty() => {
                let at = at.deeper();
                for (name, value) in fields {
                    at.new_line(out);
                    value.write_field(name, at, out);
                }
            }
            Self::Text(text) => out.extend([" ", &scalar(text)]),
            Self::Noted(text, note) => out.extend([" ", &scalar(text), " # ", &escape(note).to_string()]),
            Self::OnOneLine(value) => out.extend([" ", &value.flow()]),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Map(_) => {
                out.extend([" ", &self.inline()]);
            }
        }
    }

    /// The lines of a list's item.
    pub(super) fn write_item(&self, at: Layout, out: &mut String) {
        out.push_str("- ");
        match self {
            Self::Map(fields) if !fields.is_empty() => {
                let at = at.deeper();
                for (index, (name, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        at.new_line(out);
                    }
                    value.write_field(name, at, out);
                }
            }
            Self::Noted(text, note) => out.extend([&scalar(text), " # ", &escape(note).to_string()]),
            Self::Text(_) | Self::OnOneLine(_) => out.push_str(&self.flow()),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Map(_) => {
                out.push_str(&self.inline());
            }
        }
    }
}

/// How lines are begun and broken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout<'a> {
    pub(super) column: usize,
    pub(super) line_break: &'a str,
    /// Whether the items of a list stand further in than its name.
    pub(super) indented_lists: bool,
}

impl Layout<'_> {
    fn deeper(self) -> Self {
        Self { column: self.column.saturating_add(2), ..self }
    }

    /// The same at this column.
    pub(super) fn at(self, column: usize) -> Self {
        Self { column, ..self }
    }

    /// Ends a line and begins the next.
    pub(super) fn new_line(self, out: &mut String) {
        out.push_str(self.line_break);
        out.push_str(&" ".repeat(self.column));
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => serializer.serialize_u64(*value),
            Self::Text(text) | Self::Noted(text, _) => serializer.serialize_str(text),
            Self::OnOneLine(value) => value.serialize(serializer),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// A text as YAML reads it back everywhere: plain where nothing in it means anything, and else quoted
/// as in JSON, with all escaped that a terminal would obey or hide.
fn scalar(text: &str) -> String {
    let digest =
        text.strip_prefix("sha256:").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./-*".contains(&byte));
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if digest || plain && !word.contains(&text.to_ascii_lowercase().as_str()) {
        return text.into();
    }
    escape_json(&serde_json::to_string(text).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Node};
    use super::*;

    #[test]
    fn a_text_of_any_character_reads_back_as_it_was() {
        let printable = |character| matches!(character, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..);
        let all: Vec<char> = ('\0'..=char::MAX).collect();
        // In pieces, since a text of all would say of none that it does not read.
        for characters in all.chunks(64) {
            let text: String = characters.iter().collect();
            let written = scalar(&text);
            assert!(written.chars().all(printable), "{written}");
            let read = Node::read(&written).unwrap().unwrap();
            assert!(matches!(&read.kind, Kind::Scalar { text: read, .. } if *read == text), "{written}");
        }
    }
}
