//! The tree of a document, whose texts are the document's own wherever they stand there as they are.

use core::fmt;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;

/// How deep lists and objects may nest. The deepest place of a policy is
/// `rules[0].allow.from.labels.name`, six below the top.
pub(crate) const MAX_DEPTH: usize = 16;
/// Values in one document. A value takes 32 bytes here however few it has in the text, so this holds
/// memory to a small multiple of the text; real policies have more than 8 bytes of text per value.
pub(crate) const MAX_NODES: usize = 1_000_000;

/// A value of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node<'d> {
    /// `null`, or nothing after a YAML key.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number from 0 to 65,535: the only numbers a policy has are ports and the version.
    Integer(u16),
    /// Any other number.
    OtherNumber,
    /// A string.
    Text(Cow<'d, str>),
    /// A list.
    List(Vec<Node<'d>>),
    /// An object; a key that is written twice stands twice.
    Object(Vec<(Cow<'d, str>, Node<'d>)>),
}

/// What a value is, in the words of a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind(&'static str);

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

impl Node<'_> {
    /// What this is, for people.
    pub(crate) const fn kind(&self) -> Kind {
        Kind(match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Integer(_) | Self::OtherNumber => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        })
    }
}

/// Takes the items of long lists as they are read, so that a document of 10,000 rules is never a tree as a whole.
pub(crate) trait Items {
    /// Whether this item, the one of this index in the list that this field of the document is, was taken. In the
    /// tree nothing is left of it but that it was there.
    fn take(&mut self, field: &str, index: usize, item: &Node<'_>) -> bool;
}

/// Reads a document, as far as its items are not taken.
pub(super) fn read<'d, D: Deserializer<'d>>(source: D, items: &mut dyn Items) -> Result<Node<'d>, D::Error> {
    let reading = &mut Reading { nodes_left: MAX_NODES, items };
    NodeSeed { depth_left: MAX_DEPTH, field: None, reading }.deserialize(source)
}

/// What all values of a document share.
struct Reading<'a> {
    nodes_left: usize,
    items: &'a mut dyn Items,
}

/// Reads one value and those in it, down to [`MAX_DEPTH`] and up to [`MAX_NODES`].
struct NodeSeed<'a, 'r> {
    depth_left: usize,
    /// The field of the document that this is the value of.
    field: Option<&'a str>,
    reading: &'a mut Reading<'r>,
}

impl<'r> NodeSeed<'_, 'r> {
    /// For a value in this one.
    fn inner<'b, E: de::Error>(&'b mut self, field: Option<&'b str>) -> Result<NodeSeed<'b, 'r>, E> {
        let depth_left = self.depth_left.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(NodeSeed { depth_left, field, reading: self.reading })
    }
}

impl<'de> DeserializeSeed<'de> for NodeSeed<'_, '_> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Node<'de>, D::Error> {
        let left = self.reading.nodes_left.checked_sub(1);
        self.reading.nodes_left = left.ok_or_else(|| de::Error::custom("too many values"))?;
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_, '_> {
    type Value = Node<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(u16::try_from(value).map_or(Node::OtherNumber, Node::Integer))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(u16::try_from(value).map_or(Node::OtherNumber, Node::Integer))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node<'de>, E> {
        Ok(whole(value).map_or(Node::OtherNumber, Node::Integer))
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(value.into()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node<'de>, E> {
        self.visit_string(value.into())
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Node<'de>, E> {
        Ok(Node::Text(value.into()))
    }

    fn visit_none<E: de::Error>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, source: D) -> Result<Node<'de>, D::Error> {
        self.deserialize(source)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Node<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.inner(None)?)? {
            let taken = self.field.is_some_and(|field| self.reading.items.take(field, list.len(), &item));
            list.push(if taken { Node::Null } else { item });
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Node<'de>, A::Error> {
        let is_document = self.depth_left == MAX_DEPTH;
        let mut object = Vec::new();
        while let Some(Name(name)) = fields.next_key()? {
            let seed = self.inner(is_document.then_some(name.as_ref()))?;
            let value = fields.next_value_seed(seed)?;
            object.push((name, value));
        }
        Ok(Node::Object(object))
    }
}

/// The name of a field: a `Cow` by itself is always read as a text of its own.
#[derive(Deserialize)]
struct Name<'d>(#[serde(borrow)] Cow<'d, str>);

/// `8080.0` is the integer 8080 to JSON Schema, and to whatever turns numbers into doubles on the
/// way here. Found bit by bit, since a cast would round.
fn whole(value: f64) -> Option<u16> {
    let mut found = 0;
    for bit in (0..u16::BITS).rev() {
        let candidate = found | 1 << bit;
        if f64::from(candidate) <= value {
            found = candidate;
        }
    }
    (f64::from(found) == value).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Whole;

    impl Items for Whole {
        fn take(&mut self, _: &str, _: usize, _: &Node<'_>) -> bool {
            false
        }
    }

    #[test]
    fn only_whole_doubles_are_integers() {
        for (value, expected) in [
            (8080.0, Some(8080)),
            (0.0, Some(0)),
            (65_535.0, Some(65_535)),
            (65_536.0, None),
            (0.5, None),
            (-1.0, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ] {
            assert_eq!(whole(value), expected, "{value}");
        }
    }

    #[test]
    fn a_key_written_twice_is_still_there_twice() {
        let mut json = serde_json::Deserializer::from_str(r#"{"a":1,"a":2}"#);
        let node = read(&mut json, &mut Whole).unwrap();
        assert_eq!(node, Node::Object(vec![("a".into(), Node::Integer(1)), ("a".into(), Node::Integer(2))]));
    }
}
