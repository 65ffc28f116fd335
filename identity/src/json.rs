//! The JSON of a token (RFC 8259): a tree in which every member that was written is still there.
//!
//! Derived structs would read arrays in the place of objects, and bring along how serde words its
//! errors, with the digits of every float: a tenth of a wasm module, for texts that nobody sees.

use crate::refusal::Refusal;
use core::fmt;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;

/// A value, as far as tokens have any use for it.
#[derive(Debug)]
enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    /// A whole number from 0 up.
    Number(u64),
    Object(Object<'a>),
    Other,
}

/// The members of an object.
#[derive(Debug)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Object<'a> {
    /// Reads one object and nothing behind it.
    ///
    /// # Errors
    /// `malformed-identity` with the column of what is not JSON, or is no object.
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self, Refusal> {
        let mut source = serde_json::Deserializer::from_slice(json);
        let value = Seed.deserialize(&mut source).and_then(|value| source.end().map(|()| value));
        match value {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(Refusal::malformed("not a JSON object")),
            // serde's own words may quote the peer's bytes; the place is enough.
            Err(error) => Err(Refusal::malformed(format!("not JSON (column {})", error.column()))),
        }
    }

    /// Whether it has members of these names only.
    pub(crate) fn has_only(&self, names: &[&str]) -> bool {
        self.0.iter().all(|(name, _)| names.contains(&name.as_ref()))
    }

    /// The text of this name, taken out.
    pub(crate) fn text(&mut self, name: &str) -> Result<Cow<'a, str>, Refusal> {
        self.optional_text(name)?.ok_or_else(|| wrong(name))
    }

    /// The text of this name, taken out, or nothing where there is none or it is null.
    pub(crate) fn optional_text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
        match self.take(name)? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            Value::Number(_) | Value::Object(_) | Value::Other => Err(wrong(name)),
        }
    }

    /// The whole number of this name.
    pub(crate) fn number(&mut self, name: &str) -> Result<u64, Refusal> {
        if let Value::Number(number) = self.take(name)? { Ok(number) } else { Err(wrong(name)) }
    }

    /// The object of this name, taken out, or nothing where there is none or it is null.
    pub(crate) fn optional_object(&mut self, name: &str) -> Result<Option<Self>, Refusal> {
        match self.take(name)? {
            Value::Null => Ok(None),
            Value::Object(members) => Ok(Some(members)),
            Value::Text(_) | Value::Number(_) | Value::Other => Err(wrong(name)),
        }
    }

    /// All members, each of which must be a text.
    pub(crate) fn into_texts(self) -> Option<Vec<(String, String)>> {
        let text = |(name, value): (Cow<'_, str>, _)| match value {
            Value::Text(text) => Some((name.into_owned(), text.into_owned())),
            Value::Null | Value::Number(_) | Value::Object(_) | Value::Other => None,
        };
        self.0.into_iter().map(text).collect()
    }

    /// The value of this name, which may stand once only.
    fn take(&mut self, name: &str) -> Result<Value<'a>, Refusal> {
        let mut found = self.0.iter_mut().filter(|(other, _)| other == name);
        let value = found.next().map(|(_, value)| core::mem::replace(value, Value::Null));
        if found.next().is_some() {
            return Err(Refusal::malformed(format!("{name} stands there twice")));
        }
        Ok(value.unwrap_or(Value::Null))
    }
}

fn wrong(name: &str) -> Refusal {
    Refusal::malformed(format!("{name} is missing or of another type"))
}

struct Seed;

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value<'de>, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Value<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(text.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(text.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        while items.next_element_seed(Self)?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value<'de>, A::Error> {
        let mut object = Vec::with_capacity(16);
        while let Some(name) = members.next_key_seed(Self)? {
            // A JSON object has no other names.
            let Value::Text(name) = name else { return Err(Error::custom("a name that is no text")) };
            object.push((name, members.next_value_seed(Self)?));
        }
        Ok(Value::Object(Object(object)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_by_name_whatever_else_there_is() {
        let text =
            br#"{"a":"\u0041","b":null,"n":18446744073709551615,"o":{"x":"y"},"l":[1,{"z":[]}],"t":true}"#;
        let mut object = Object::parse(text).unwrap();
        assert_eq!(object.text("a").unwrap(), "A");
        assert_eq!(object.optional_text("b").unwrap(), None);
        assert_eq!(object.optional_text("none").unwrap(), None);
        assert_eq!(object.number("n").unwrap(), u64::MAX);
        let texts = object.optional_object("o").unwrap().unwrap().into_texts();
        assert_eq!(texts, Some(vec![("x".into(), "y".into())]));
        assert!(object.text("l").is_err() && object.number("t").is_err() && object.text("b").is_err());
        assert!(object.has_only(&["a", "b", "n", "o", "l", "t"]) && !object.has_only(&["a"]));
    }

    #[test]
    fn a_member_that_stands_there_twice_is_no_choice() {
        let mut object = Object::parse(br#"{"a":"1","\u0061":"1","b":"2"}"#).unwrap();
        assert!(object.text("a").is_err());
        assert_eq!(object.text("b").unwrap(), "2");
    }

    #[test]
    fn numbers_that_are_not_whole_or_below_zero_are_none() {
        for number in ["-1", "1.0", "1e3", "18446744073709551616"] {
            let text = format!("{{\"n\":{number}}}");
            assert!(Object::parse(text.as_bytes()).unwrap().number("n").is_err(), "{number}");
        }
    }

    #[test]
    fn anything_but_one_object_is_malformed() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(2_000), "]".repeat(2_000));
        for text in
            ["", "[]", "null", "\"a\"", "{}x", "{}{}", "{\"a\":1", "{a:1}", "{\"a\":\"\u{1}\"}", &deep]
        {
            assert!(Object::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
