//! Edits, made in the text: what they do not name stays to the letter.

use super::check;
use super::edit::{Edit, Path, Step};
use super::node::{Kind, Node};
use super::page::{Page, line_break};
use super::value::Value;
use crate::failure::Problem;
use core::cmp::Reverse;
use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet};

/// The text with these edits made. Before it is given out it is read again: it has to say what was meant.
pub(crate) fn edited(text: &str, root: &Node<'_>, edits: &[Edit]) -> Result<String, Problem> {
    if edits.is_empty() {
        return Ok(text.to_owned());
    }
    let unsuited = |path: &str| {
        Problem::new(format!("{path} is written in a way that cannot be edited"))
            .next("write it out, without anchors, aliases, tags and merged keys, one field or item to a line")
    };
    let end = if text.ends_with('\n') { "" } else { line_break(text) };
    let whole = format!("{text}{end}");
    let page = Page::new(&whole, root);
    let mut splices = Vec::new();
    let mut removed: BTreeMap<Path, BTreeSet<Step>> = BTreeMap::new();
    for edit in edits {
        if let Edit::Remove(path) = edit
            && let Some((parent, step)) = path.last()
        {
            removed.entry(parent).or_default().insert(step.clone());
        } else {
            page.splice(root, edit, &mut splices).ok_or_else(|| unsuited(&edit.path().to_string()))?;
        }
    }
    for (parent, steps) in &removed {
        let ranges = root.find(parent).and_then(|node| page.removed(node, steps));
        let ranges = ranges.ok_or_else(|| unsuited(&parent.to_string()))?;
        let depth = parent.steps().len();
        splices.extend(ranges.into_iter().map(|range| Splice { range, text: String::new(), depth }));
    }
    let after = page.apply(splices).ok_or_else(|| unsuited("what is to be changed"))?;
    let after = after.strip_suffix(end).map_or_else(|| after.clone(), ToOwned::to_owned);
    if check::is_meant(text, edits, &after) { Ok(after) } else { Err(unsuited("the document")) }
}

/// Other text in place of a range of it.
struct Splice {
    range: Range<usize>,
    text: String,
    /// Steps of the path: what ends at the same place as what it is in comes before it.
    depth: usize,
}

impl Page<'_> {
    fn splice(&self, root: &Node<'_>, edit: &Edit, splices: &mut Vec<Splice>) -> Option<()> {
        let depth = edit.path().steps().len();
        let node = root.find(edit.path())?;
        let mut at = |range, text| splices.push(Splice { range, text, depth });
        match (edit, &node.kind) {
            (Edit::Add(_, name, value), Kind::Map { flow: true, .. }) => {
                let name = Value::from(name.as_str()).inline();
                let piece = format!("{name}: {}", self.in_flow(node, value));
                let (place, text) = self.behind_in_flow(node, &[piece]);
                at(place..place, text);
            }
            (Edit::Add(_, name, value), Kind::Map { flow: false, fields }) => {
                let layout = self.layout.at(fields.first()?.column);
                let mut lines = String::new();
                value.write_field(name, layout, &mut lines);
                let (place, text) = self.lines_behind(node.end, layout, &[lines]);
                at(place..place, text);
            }
            (Edit::Append(_, items), Kind::List { flow: true, .. }) => {
                let pieces: Vec<String> = items.iter().map(Value::inline).collect();
                let (place, text) = self.behind_in_flow(node, &pieces);
                at(place..place, text);
            }
            (Edit::Prepend(_, items), Kind::List { flow: true, items: present }) => {
                let pieces: Vec<String> = items.iter().map(Value::inline).collect();
                let (place, text) = match present.first() {
                    Some(first) => (
                        first.start,
                        pieces.iter().fold(String::new(), |text, piece| text + piece + &self.comma(node)),
                    ),
                    None => self.behind_in_flow(node, &pieces),
                };
                at(place..place, text);
            }
            (Edit::Append(_, items), Kind::List { flow: false, .. }) => {
                let (layout, lines) = self.items(self.dash(node)?.1, items);
                let (place, text) = self.lines_behind(node.end, layout, &lines);
                at(place..place, text);
            }
            (Edit::Prepend(_, items), Kind::List { flow: false, .. }) => {
                let (dash, column) = self.dash(node)?;
                let (layout, lines) = self.items(column, items);
                let indent = " ".repeat(column);
                let lines = lines.iter().map(|line| format!("{indent}{line}{}", layout.line_break));
                let place = self.line_of(dash);
                at(place..place, lines.collect());
            }
            (Edit::Replace(path, value), _) => {
                for (range, text) in self.replace(root, path, node, value)? {
                    at(range, text);
                }
            }
            (Edit::Add(..) | Edit::Append(..) | Edit::Prepend(..) | Edit::Remove(_), _) => return None,
        }
        Some(())
    }

    /// Another value: in its place where it fits on the line, else on lines of its own.
    fn replace(
        &self,
        root: &Node<'_>,
        path: &Path,
        node: &Node<'_>,
        value: &Value,
    ) -> Option<Vec<(Range<usize>, String)>> {
        let (parent, step) = path.last()?;
        let parent = root.find(&parent)?;
        let field =
            parent.fields().iter().find(|field| matches!(step, Step::Field(name) if *name == field.name));
        let Some(field) = field.filter(|_| matches!(parent.kind, Kind::Map { flow: false, .. })) else {
            return Some(vec![(node.start..node.end, self.in_flow(parent, value))]);
        };
        let colon = self.text.get(field.end..)?.find(':')?.checked_add(field.end)?.checked_add(1)?;
        let range = colon..node.end.max(colon);
        let layout = self.layout.at(field.column);
        let mut lines = String::new();
        value.write_after_colon(layout, &mut lines);
        Some(match value {
            Value::Null => vec![(range, String::new())],
            Value::List(_) | Value::Map(_) if lines.starts_with(self.layout.line_break) => {
                // A comment behind the colon stays there.
                let lines = lines.strip_prefix(self.layout.line_break)?.to_owned();
                let own = layout.at(0);
                let (place, text) = self.lines_behind(node.end.max(colon), own, &[lines]);
                vec![(range, String::new()), (place..place, text)]
            }
            Value::Bool(_)
            | Value::Number(_)
            | Value::Text(_)
            | Value::Noted(..)
            | Value::OnOneLine(_)
            | Value::List(_)
            | Value::Map(_) => vec![(range, lines)],
        })
    }

    fn apply(&self, mut splices: Vec<Splice>) -> Option<String> {
        splices.sort_by_key(|splice| (splice.range.start, Reverse(splice.depth)));
        let mut after = String::with_capacity(self.text.len().saturating_mul(2));
        let mut done = 0;
        for Splice { range, text, .. } in splices {
            after.push_str(self.text.get(done..range.start)?);
            after.push_str(&text);
            done = range.end;
        }
        after.push_str(self.text.get(done..)?);
        Some(after)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that panics has done its work")]
mod tests {
    use super::super::page::extents;
    use super::*;
    use proptest::prelude::*;

    /// A document as somebody may have written it.
    #[derive(Clone, Debug)]
    enum Written {
        Text(&'static str),
        List(bool, Vec<Self>),
        Map(bool, Vec<Self>),
    }

    fn written() -> impl Strategy<Value = Written> {
        let texts = ["plain", "'quo ted'", "\"a: b\"", "80", "null", "~", "true", "\"{{ x }}\""];
        let leaf = proptest::sample::select(texts.to_vec()).prop_map(Written::Text);
        leaf.prop_recursive(4, 40, 5, |inner| {
            let parts = || proptest::collection::vec(inner.clone(), 0..5);
            prop_oneof![
                (any::<bool>(), parts()).prop_map(|(flow, parts)| Written::List(flow, parts)),
                (any::<bool>(), parts()).prop_map(|(flow, parts)| Written::Map(flow, parts)),
            ]
        })
    }

    impl Written {
        fn inline(&self) -> String {
            let all = |parts: &[Self]| parts.iter().map(Self::inline).collect::<Vec<_>>();
            match self {
                Self::Text(text) => (*text).to_owned(),
                Self::List(_, parts) => format!("[{}]", all(parts).join(",  ")),
                Self::Map(_, parts) => {
                    let fields: Vec<_> =
                        (0..).zip(all(parts)).map(|(index, part)| format!("k{index}: {part}")).collect();
                    format!("{{{}}}", fields.join(", "))
                }
            }
        }

        /// The lines below a name or a dash at this column; nothing where it stands on the same line.
        fn lines(&self, column: usize, further: usize) -> Option<Vec<String>> {
            let (Self::List(false, parts) | Self::Map(false, parts)) = self else { return None };
            let is_map = matches!(self, Self::Map(..));
            let at = column + if is_map { 2 } else { further };
            let mut lines = Vec::new();
            for (index, part) in parts.iter().enumerate() {
                let lead =
                    format!("{}{}", " ".repeat(at), if is_map { format!("k{index}:") } else { "-".into() });
                match part.lines(at, if is_map { further } else { 2 }) {
                    Some(below) => {
                        lines.push(format!("{lead} # {index}"));
                        lines.extend(below);
                    }
                    None => lines.push(format!("{lead} {}", part.inline())),
                }
            }
            (!parts.is_empty()).then_some(lines)
        }
    }

    /// Something to do somewhere, as long as it makes sense there.
    fn any_edit(root: &Node<'_>, which: usize, what: usize, value: Value) -> Option<Edit> {
        let mut paths = vec![Path::default().named("root")];
        let mut index = 0;
        while let Some(path) = paths.get(index).cloned() {
            let node = root.find(&path)?;
            paths.extend((0..node.items().len()).map(|item| path.item(item)));
            paths.extend(node.fields().iter().map(|field| path.named(&field.name)));
            index += 1;
        }
        let path = paths.swap_remove(which % paths.len());
        let node = root.find(&path)?;
        let (parent, _) = path.last()?;
        let siblings = extents(root.find(&parent)?).len();
        Some(match (&node.kind, what % 4) {
            (Kind::Map { .. }, 0) => Edit::Add(path, "new name".into(), value),
            (Kind::List { .. }, 0) => Edit::Append(path, vec![value.clone(), value]),
            (Kind::List { .. }, 1) => Edit::Prepend(path, vec![value.clone(), value]),
            (_, 2) if siblings > 1 => Edit::Remove(path),
            (Kind::Scalar { .. }, 3) if node.is_null() => Edit::Replace(path, value),
            (Kind::Scalar { .. }, _) => Edit::Replace(path, Value::Number(7)),
            (Kind::Map { .. } | Kind::List { .. } | Kind::Alias, _) => Edit::Replace(path, Value::Null),
        })
    }

    proptest! {
        /// That the result is what was meant, `edited` checks by itself.
        #[test]
        fn any_edit_can_be_made_in_any_style(
            document in written(), further in 0..3_usize, which in 0..64_usize, what in 0..4_usize,
            windows in any::<bool>(), ended in any::<bool>(),
        ) {
            let mut lines = vec!["first: 1".to_owned()];
            match document.lines(0, further) {
                Some(below) => {
                    lines.push("root: # the root".into());
                    lines.extend(below);
                }
                None => lines.push(format!("root: {}", document.inline())),
            }
            let line_break = if windows { "\r\n" } else { "\n" };
            let text = lines.join(line_break) + if ended { line_break } else { "" };
            let root = Node::read(&text).unwrap().unwrap();
            let value = Value::map([("name", "a b".into()), ("list", Value::texts(["x"])), ("none", Value::Null)]);
            let Some(edit) = any_edit(&root, which, what, value) else { return Ok(()) };
            let after = edited(&text, &root, std::slice::from_ref(&edit));
            prop_assert!(after.is_ok(), "{edit:?}\n{text}");
            let kept = after.unwrap().lines().filter(|line| lines.iter().any(|other| other == line)).count();
            prop_assert!(kept > 0);
        }
    }
}
