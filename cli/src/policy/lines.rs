//! Where in a file its fields stand: findings name fields, and people have lines in front of them.

use core::mem;
use granit_parser::{Event, Marker, Parser};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// A place in a file, counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// The places of the fields that were asked for.
#[derive(Debug, Default)]
pub(super) struct Lines(HashMap<String, Place>);

/// Letters of a name that a field path repeats, as the policy's reader cuts it.
const MAX_NAME: usize = 64;

impl Lines {
    /// Looks these fields up, and those above them for the case that a field is not there. Of a document that
    /// cannot be read to its end, what comes before that is found.
    pub(super) fn find<'a>(text: &str, fields: impl Iterator<Item = &'a str>) -> Self {
        let wanted: HashSet<&str> = fields.flat_map(with_those_above).collect();
        let mut search = Search { wanted, found: HashMap::new(), path: String::new(), open: Vec::new() };
        for event in Parser::new_from_str(text) {
            let Ok((event, span)) = event else { break };
            if search.step(&event, &span.start).is_none() {
                break;
            }
        }
        Self(search.found)
    }

    /// The place of a field, or of the nearest one above it that is there.
    pub(super) fn of(&self, field: &str) -> Option<Place> {
        with_those_above(field).find_map(|field| self.0.get(field)).copied()
    }
}

/// `rules[3].allow.to`, `rules[3].allow`, `rules[3]`, `rules`, and the document as a whole.
fn with_those_above(field: &str) -> impl Iterator<Item = &str> {
    core::iter::successors(Some(field), |field| {
        let end = field.rfind(['.', '[']).unwrap_or_default();
        (!field.is_empty()).then(|| field.get(..end).unwrap_or_default())
    })
}

struct Search<'a> {
    wanted: HashSet<&'a str>,
    found: HashMap<String, Place>,
    /// The field that the parser is at.
    path: String,
    /// The lists and objects around it.
    open: Vec<Open>,
}

/// A list or object, with the length of its own path.
struct Open {
    base: usize,
    next: Next,
}

/// What comes next in it.
enum Next {
    Item(usize),
    Key,
    Value,
}

impl Search<'_> {
    /// Nothing where the document is none that a policy can be written as.
    fn step(&mut self, event: &Event<'_>, at: &Marker) -> Option<()> {
        match event {
            Event::Scalar(text, ..) => self.node(Some(text), at)?,
            Event::Alias(_) => self.node(None, at)?,
            Event::SequenceStart(..) => {
                self.node(None, at)?;
                self.open.push(Open { base: self.path.len(), next: Next::Item(0) });
            }
            Event::MappingStart(..) => {
                self.node(None, at)?;
                self.open.push(Open { base: self.path.len(), next: Next::Key });
            }
            Event::SequenceEnd | Event::MappingEnd => drop(self.open.pop()),
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::UnresolvedAlias(_)
            | Event::Comment(..)
            | _ => {}
        }
        Some(())
    }

    /// A key, an item, a value or the whole document begins.
    fn node(&mut self, text: Option<&str>, at: &Marker) -> Option<()> {
        let Some(open) = self.open.last_mut() else {
            self.note(at);
            return Some(());
        };
        match mem::replace(&mut open.next, Next::Key) {
            // Its place is that of its key.
            Next::Value => return Some(()),
            Next::Item(index) => {
                open.next = Next::Item(index.saturating_add(1));
                self.path.truncate(open.base);
                self.path.push_str(&format!("[{index}]"));
            }
            Next::Key => {
                open.next = Next::Value;
                self.path.truncate(open.base);
                if open.base > 0 {
                    self.path.push('.');
                }
                self.path.extend(text?.chars().take(MAX_NAME).flat_map(char::escape_debug));
            }
        }
        self.note(at);
        Some(())
    }

    fn note(&mut self, at: &Marker) {
        if self.wanted.contains(self.path.as_str()) && !self.found.contains_key(&self.path) {
            let place = Place { line: at.line(), column: at.col().saturating_add(1) };
            self.found.insert(self.path.clone(), place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, field: &str) -> Option<(usize, usize)> {
        Lines::find(text, [field].into_iter()).of(field).map(|place| (place.line, place.column))
    }

    const YAML: &str = "# a comment\nversion: 1\nrules:\n  - name: é\n    allow: {to: {ports: [80, \"1-2\"]}}\n  - name: b\n";

    #[test]
    fn a_field_is_found_where_its_key_stands_and_an_item_where_it_begins() {
        for (field, expected) in [
            ("version", (2, 1)),
            ("rules", (3, 1)),
            ("rules[0]", (4, 5)),
            ("rules[0].allow", (5, 5)),
            ("rules[0].allow.to.ports[1]", (5, 30)),
            ("rules[1].name", (6, 5)),
        ] {
            assert_eq!(place(YAML, field), Some(expected), "{field}");
        }
    }

    #[test]
    fn what_is_not_there_is_where_it_would_belong() {
        assert_eq!(place(YAML, "rules[1].allow.to.ports"), Some((6, 5)));
        assert_eq!(place(YAML, "mode"), Some((2, 1)));
        assert_eq!(place("", "mode"), None);
    }

    #[test]
    fn json_is_found_too_and_what_breaks_off_up_to_there() {
        assert_eq!(place("{\n \"a\": [1,\n  {\"b\": 2}]}", "a[1].b"), Some((3, 4)));
        assert_eq!(place("a: [1, {b: 2}]\nc: }", "a[1].b"), Some((1, 9)));
    }

    #[test]
    fn a_hostile_document_ends_the_search() {
        for text in ["? [a]\n: 1\n", "&a [*a]", "*a", "{{a: 1}: 2}", &"[".repeat(10_000)] {
            place(text, "a");
        }
    }
}
