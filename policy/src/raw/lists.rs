//! The texts that a policy is made of, each with its form.

use super::bounds::{LABELS, MAX_NAME, MAX_TEXT};
use super::reader::{At, Reader, quoted};
use crate::document::Node;
use procgate_identity::Digest;

/// Some text of 1 to [`MAX_TEXT`] characters.
pub(super) fn text(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<String> {
    let text = reader.text(at, node)?;
    within(reader, at, text, 1, MAX_TEXT).then(|| text.into())
}

/// Whether the text has that many characters; JSON Schema counts the same way.
pub(super) fn within(reader: &mut Reader, at: At<'_>, text: &str, least: usize, most: usize) -> bool {
    let length = text.chars().count();
    let fits = (least..=most).contains(&length);
    if !fits {
        reader.mistake(at, format!("{length} characters"), format!("write {least} to {most}"));
    }
    fits
}

/// The name of a rule, a process or a destination.
pub(super) fn name(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<String> {
    let name = reader.text(at, node)?;
    let first = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let fits = name.len() <= MAX_NAME
        && name.starts_with(first)
        && name.chars().all(|letter| first(letter) || matches!(letter, '.' | ':' | '/' | '-'));
    if fits {
        return Some(name.into());
    }
    let remedy = format!(
        "write 1 to {MAX_NAME} letters, digits, '_', '.', ':', '/' or '-', beginning with a letter, digit or '_'"
    );
    reader.mistake(at, format!("{} is no name", quoted(name)), remedy);
    None
}

/// `sha256:` and 64 hex digits.
pub(super) fn digest(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<Digest> {
    let text = reader.text(at, node)?;
    let digest = text.parse().ok();
    if digest.is_none() {
        reader.mistake(
            at,
            format!("{} is no digest", quoted(text)),
            "write sha256: and 64 lower-case hex digits, as `procgate digest` prints them",
        );
    }
    digest
}

/// Labels with a name of 1 to 64 and a value of up to 256 characters each.
pub(super) fn labels(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<Vec<(String, String)>> {
    let Node::Object(fields) = node else {
        reader.wrong_kind(at, node, "an object of names and values");
        return None;
    };
    let (most, most_name, most_value) = LABELS;
    if fields.is_empty() || fields.len() > most {
        reader.mistake(at, format!("{} labels", fields.len()), format!("write 1 to {most}, or none at all"));
        return None;
    }
    let mut labels: Vec<(String, String)> = Vec::new();
    for (name, value) in fields {
        let at = at.field(name);
        if labels.iter().any(|(earlier, _)| earlier == name) {
            reader.mistake(at, "written twice", "keep one of the two");
        }
        let named = within(reader, at, name, 1, most_name);
        if let Some(value) = reader.text(at, value)
            && within(reader, at, value, 0, most_value)
            && named
        {
            labels.push((name.as_ref().into(), value.into()));
        }
    }
    (labels.len() == fields.len()).then_some(labels)
}

/// The name of a label.
pub(super) fn label_name(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<String> {
    let name = reader.text(at, node)?;
    within(reader, at, name, 1, LABELS.1).then(|| name.into())
}
