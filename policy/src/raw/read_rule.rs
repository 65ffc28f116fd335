//! The reader of a rule.

use super::bounds::{MAX_METHOD, MAX_METHODS, MAX_NAMES, MAX_PATHS, MAX_PORTS};
use super::lists::{label_name, labels, name, text};
use super::read::list;
use super::reader::{At, Fields, Reader, quoted};
use super::{Effect, RawFrom, RawPort, RawRule, RawSelector, RawTo};
use crate::document::Node;

const NO_EFFECT: &str = "write exactly one of allow and deny, each with from, to, both or {}";

/// Reads a rule.
pub(super) fn rule(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<RawRule> {
    let fields = &reader.object(at, node, &["name", "allow", "deny", "description"])?;
    let name = reader.required(at, fields, "name", "name the rule; decisions refer to it", name);
    let description = reader.optional(at, fields, "description", text);
    let (effect, word) = match (fields.get("allow"), fields.get("deny")) {
        (Some(_), None) => (Effect::Allow, "allow"),
        (None, Some(_)) => (Effect::Deny, "deny"),
        (Some(_), Some(_)) => {
            reader.mistake(at, "both allow and deny", NO_EFFECT);
            return None;
        }
        (None, None) => {
            reader.mistake(at, "neither allow nor deny", NO_EFFECT);
            return None;
        }
    };
    let (from, to) = reader.optional(at, fields, word, sides)?;
    Some(RawRule { name: name?, effect, from, to, description })
}

fn sides(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<(Option<RawFrom>, Option<RawTo>)> {
    let fields = &reader.object(at, node, &["from", "to"])?;
    Some((reader.optional(at, fields, "from", from), reader.optional(at, fields, "to", to)))
}

fn from(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<RawFrom> {
    let fields = &reader.object(at, node, &["process", "labels", "same", "unidentified"])?;
    let selector = selector(reader, at, fields, "process");
    let Some(unidentified) = fields.get("unidentified") else {
        if selector == RawSelector::default() {
            empty(reader, at, node);
        }
        return Some(RawFrom::Selected(selector));
    };
    if *unidentified != Node::Bool(true) {
        reader.mistake(at.field("unidentified"), "not true", "write true, or take the field out");
    }
    if matches!(node, Node::Object(fields) if fields.len() > 1) {
        reader.mistake(
            at,
            "unidentified beside other conditions",
            "let it stand alone: nothing is known of who sent no identity",
        );
    }
    Some(RawFrom::Unidentified)
}

fn to(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<RawTo> {
    let known = &["destination", "labels", "same", "ports", "methods", "paths"];
    let fields = &reader.object(at, node, known)?;
    empty(reader, at, node);
    Some(RawTo {
        selector: selector(reader, at, fields, "destination"),
        ports: list!(reader, at, fields, "ports", 1..=MAX_PORTS, port),
        methods: list!(reader, at, fields, "methods", 1..=MAX_METHODS, method),
        paths: list!(reader, at, fields, "paths", 1..=MAX_PATHS, path),
    })
}

/// `from: {}` could mean everybody or nobody.
fn empty(reader: &mut Reader, at: At<'_>, node: &Node) {
    if matches!(node, Node::Object(fields) if fields.is_empty()) {
        reader.mistake(at, "no condition", "write one, or leave the field out to mean any");
    }
}

fn selector(reader: &mut Reader, at: At<'_>, fields: &Fields<'_>, word: &'static str) -> RawSelector {
    RawSelector {
        names: reader.optional(at, fields, word, names).unwrap_or_default(),
        labels: reader.optional(at, fields, "labels", labels).unwrap_or_default(),
        same: reader.optional(at, fields, "same", label_name),
    }
}

fn names(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<Vec<String>> {
    match node {
        Node::Text(_) => name(reader, at, node).map(|name| vec![name]),
        Node::List(_) => reader.list(at, node, 1..=MAX_NAMES, name),
        Node::Null | Node::Bool(_) | Node::Integer(_) | Node::OtherNumber | Node::Object(_) => {
            reader.wrong_kind(at, node, "a name or a list of names");
            None
        }
    }
}

fn port(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<RawPort> {
    let digits = |text: &str| (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match node {
        Node::Integer(port @ 1..) => return Some(RawPort::One(*port)),
        Node::Text(range) if range.split_once('-').is_some_and(|(a, b)| digits(a) && digits(b)) => {
            return Some(RawPort::Range(range.as_ref().into()));
        }
        Node::Text(text) if digits(text) => {
            reader.mistake(at, "a port in quotes", "write it as a number, without quotes");
        }
        Node::Text(text) => {
            reader.mistake(
                at,
                format!("{} is no port", quoted(text)),
                "write a number, or a range such as \"8000-8099\"",
            );
        }
        Node::Integer(_) | Node::OtherNumber => {
            reader.mistake(at, "not a port", "write a whole number from 1 to 65535");
        }
        Node::Null | Node::Bool(_) | Node::List(_) | Node::Object(_) => {
            reader.wrong_kind(at, node, "a port number or a range such as \"8000-8099\"");
        }
    }
    None
}

/// Whether a rule can have this method: a token (RFC 9110 section 5.6.2), compared byte by byte.
#[must_use]
pub fn is_method(method: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=MAX_METHOD).contains(&method.len()) && method.bytes().all(token)
}

fn method(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<String> {
    let method = reader.text(at, node)?;
    if is_method(method) {
        return Some(method.into());
    }
    let remedy = format!("write 1 to {MAX_METHOD} letters as in the request, for example GET");
    reader.mistake(at, format!("{} is no HTTP method", quoted(method)), remedy);
    None
}

fn path(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<String> {
    let path = text(reader, at, node)?;
    if path.starts_with('/') {
        return Some(path);
    }
    reader.mistake(at, format!("{} does not begin with /", quoted(&path)), "write the path from its first /");
    None
}
