//! A walk through Envoy's configuration, which is protobuf written as JSON or YAML: names in snake_case or
//! camelCase, numbers also as text, everything optional.

use serde_json::Value;

/// A value, or the place of one that is not there: its parts are not there either.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tree<'a>(Option<&'a Value>);

impl<'a> From<&'a Value> for Tree<'a> {
    fn from(value: &'a Value) -> Self {
        Self(Some(value))
    }
}

impl<'a> Tree<'a> {
    /// What is not there.
    pub(super) const ABSENT: Self = Self(None);

    /// The field of this name in snake_case, however the document writes it.
    pub(super) fn get(self, name: &str) -> Self {
        let fields = self.0.and_then(Value::as_object);
        let found = fields.and_then(|fields| fields.get(name).or_else(|| fields.get(&camel_case(name))));
        Self(found.filter(|value| !value.is_null()))
    }

    /// A field of a field, the names divided by dots.
    pub(super) fn at(self, path: &str) -> Self {
        path.split('.').fold(self, Self::get)
    }

    /// What is in a list, in its order.
    pub(super) fn items(self) -> impl Iterator<Item = Self> {
        self.0.and_then(Value::as_array).into_iter().flatten().map(Self::from)
    }

    /// What is in an object, with the names.
    pub(super) fn fields(self) -> impl Iterator<Item = (&'a str, Self)> {
        let fields = self.0.and_then(Value::as_object).into_iter().flatten();
        fields.map(|(name, value)| (name.as_str(), Self::from(value)))
    }

    /// Whether it is there.
    pub(super) const fn exists(self) -> bool {
        self.0.is_some()
    }

    /// The text, if it is one.
    pub(super) fn text(self) -> Option<&'a str> {
        self.0.and_then(Value::as_str)
    }

    /// The text, or nothing.
    pub(super) fn name(self) -> &'a str {
        self.text().unwrap_or_default()
    }

    /// `true`, also as the text that protobuf accepts for it.
    pub(super) fn is_true(self) -> bool {
        self.0.is_some_and(|value| *value == Value::Bool(true)) || self.text() == Some("true")
    }

    /// A whole number, also as text.
    pub(super) fn number(self) -> Option<u64> {
        self.0.and_then(Value::as_u64).or_else(|| self.text()?.parse().ok())
    }

    /// A duration such as `1.5s`.
    pub(super) fn seconds(self) -> Option<f64> {
        self.text()?.strip_suffix('s')?.parse().ok()
    }

    /// Whether this enumeration has this value, which protobuf also lets be a number.
    pub(super) fn is(self, name: &str, number: u64) -> bool {
        self.text() == Some(name) || self.number() == Some(number)
    }

    /// The name of the message in an `Any`, and the message. What a mesh's control plane could not type is
    /// wrapped in a `TypedStruct`.
    pub(super) fn typed(self) -> (&'a str, Self) {
        let of = |url: &'a str| url.rsplit('/').next().unwrap_or_default();
        let name = of(self.get("@type").name());
        if name.ends_with(".TypedStruct") {
            (of(self.get("type_url").name()), self.get("value"))
        } else {
            (name, self)
        }
    }

    /// Whether some text in it contains this one.
    pub(super) fn mentions(self, text: &str) -> bool {
        let mut found = false;
        self.visit(&mut |part| found |= part.text().is_some_and(|it| it.contains(text)));
        found
    }

    /// Shows it and all that is in it, however deep, which is as deep as documents may nest.
    pub(super) fn visit(self, look: &mut impl FnMut(Self)) {
        look(self);
        self.items().for_each(|item| item.visit(look));
        self.fields().for_each(|(_, field)| field.visit(look));
    }
}

/// `path_config_source` as `pathConfigSource`.
fn camel_case(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut text, part| {
        let mut letters = part.chars();
        text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        text.push_str(letters.as_str());
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_spellings_of_a_name_and_of_a_number_are_read() {
        let value = json!({"filterChains": [{"port_value": "80"}], "listener_filters_timeout": "1.500s"});
        let tree = Tree::from(&value);
        let chain = tree.get("filter_chains").items().next().unwrap();
        assert_eq!(chain.get("port_value").number(), Some(80));
        assert_eq!(tree.get("listener_filters_timeout").seconds(), Some(1.5));
        assert!(!tree.at("filter_chains.nothing.of.the.kind").exists());
    }

    #[test]
    fn a_message_that_a_control_plane_wrapped_is_unwrapped() {
        let value = json!({
            "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
            "type_url": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "value": {"config": {"name": "procgate"}},
        });
        let (name, message) = Tree::from(&value).typed();
        assert_eq!(name, "envoy.extensions.filters.http.wasm.v3.Wasm");
        assert_eq!(message.at("config.name").text(), Some("procgate"));
    }
}
