//! A document's text, as far as it matters for what is put into it: its lines, its commas, its dashes.

use super::node::{Kind, Node};
use super::value::{Layout, Value};
use core::ops::Range;

/// A document's text.
pub(super) struct Page<'a> {
    pub(super) text: &'a str,
    pub(super) layout: Layout<'a>,
    /// How far in the first field stands: each of the lines between braces is further in than those around it.
    further: &'a str,
}

impl<'a> Page<'a> {
    /// Looks how the document breaks lines, and whether it indents its lists.
    pub(super) fn new(text: &'a str, root: &Node<'_>) -> Self {
        let line_break = line_break(text);
        let layout = Layout { column: 0, line_break, indented_lists: false };
        let page = Self { text, layout, further: "" };
        let mut indented = None;
        root.walk(&mut |node| {
            for field in node.fields() {
                if let (Kind::List { flow: false, .. }, None) = (&field.value.kind, indented) {
                    indented = page.dash(&field.value).map(|(_, column)| column > field.column);
                }
            }
        });
        let indented_lists = indented.unwrap_or_default();
        let further = page.indent_of(root).unwrap_or_default();
        Self { text, layout: Layout { indented_lists, ..layout }, further }
    }

    /// The first dash of a block list, which has nothing before it on its line, and how far in that is.
    pub(super) fn dash(&self, list: &Node<'_>) -> Option<(usize, usize)> {
        let dash = self.dash_of(list.items().first()?.start)?;
        let indent = self.text.get(self.line_of(dash)..dash)?;
        indent.trim_matches(' ').is_empty().then_some((dash, indent.len()))
    }

    /// The dash of the item that begins here: on its line, or above it.
    pub(super) fn dash_of(&self, item: usize) -> Option<usize> {
        let mut line = self.line_of(item);
        loop {
            let lead = self.text.get(line..item)?;
            let dashes = lead.trim_start_matches(' ');
            if dashes.starts_with('-') {
                let after = lead.rfind('-').filter(|_| dashes.bytes().all(|byte| b" -".contains(&byte)));
                return line.checked_add(after.unwrap_or(lead.len().saturating_sub(dashes.len())));
            }
            line = self.line_of(line.checked_sub(1)?);
        }
    }

    /// Items of a block list as lines, this far in.
    pub(super) fn items(&self, column: usize, items: &[Value]) -> (Layout<'_>, Vec<String>) {
        let layout = self.layout.at(column);
        let line = |item: &Value| {
            let mut lines = String::new();
            item.write_item(layout, &mut lines);
            lines
        };
        (layout, items.iter().map(line).collect())
    }

    /// Where pieces go behind the last of a flow collection, and how they are written there. What stands behind a comma
    /// at the end of the last one's line, a comment about it for example, stays with it.
    pub(super) fn behind_in_flow(&self, node: &Node<'_>, pieces: &[String]) -> (usize, String) {
        let Some(last) = extents(node).pop() else {
            return (node.start.saturating_add(1), pieces.join(", "));
        };
        let behind = self.line_behind(last.end);
        let rest = self.text.get(last.end..behind).and_then(|rest| rest.trim().strip_prefix(','));
        let ends = rest.is_some_and(|rest| rest.is_empty() || rest.trim_start().starts_with('#'));
        match self.indent_of(node).filter(|_| ends) {
            Some(indent) => {
                let line = |piece: &String| format!("{indent}{piece},{}", self.layout.line_break);
                (behind, pieces.iter().map(line).collect())
            }
            None => {
                let comma = self.comma(node);
                (last.end, pieces.iter().fold(String::new(), |text, piece| text + &comma + piece))
            }
        }
    }

    /// What divides the parts of a flow collection: a line break too, where they stand on lines of their own.
    pub(super) fn comma(&self, node: &Node<'_>) -> String {
        self.indent_of(node).map_or(", ".into(), |indent| format!(",{}{indent}", self.layout.line_break))
    }

    /// How far in the parts of a flow collection stand, where they have lines of their own.
    fn indent_of(&self, node: &Node<'_>) -> Option<&'a str> {
        let first = extents(node).into_iter().next().unwrap_or_default();
        let indent = self.text.get(self.line_of(first.start)..first.start)?;
        indent.trim().is_empty().then_some(indent)
    }

    /// A value as a part of this flow collection: on one line, or a list as lines where the parts are lines.
    pub(super) fn in_flow(&self, node: &Node<'_>, value: &Value) -> String {
        match (value, self.indent_of(node)) {
            (Value::List(items), Some(indent)) if !items.is_empty() => {
                let line_break = self.layout.line_break;
                let line = |item: &Value| format!("{line_break}{indent}{}{}", self.further, item.inline());
                let lines: Vec<String> = items.iter().map(line).collect();
                format!("[{}{line_break}{indent}]", lines.join(","))
            }
            _ => value.inline(),
        }
    }

    /// Where lines go behind the line on which something ends, and how they are written there.
    pub(super) fn lines_behind(&self, end: usize, layout: Layout<'_>, lines: &[String]) -> (usize, String) {
        let place = self.line_behind(end);
        let indent = " ".repeat(layout.column);
        let line = |line: &String| format!("{indent}{line}{}", layout.line_break);
        (place, lines.iter().map(line).collect())
    }

    /// The start of the line that this place is on.
    pub(super) fn line_of(&self, place: usize) -> usize {
        self.text.get(..place).and_then(|before| before.rfind('\n')).map_or(0, |at| at.saturating_add(1))
    }

    /// The start of the line behind this place. A block scalar ends there already.
    pub(super) fn line_behind(&self, place: usize) -> usize {
        if self.text.get(..place).is_some_and(|before| before.ends_with('\n')) {
            return place;
        }
        let rest = self.text.get(place..).unwrap_or_default();
        rest.find('\n').map_or(self.text.len(), |at| place.saturating_add(at).saturating_add(1))
    }
}

/// How a text breaks its lines.
pub(super) fn line_break(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// Where the fields or items of a collection stand.
pub(super) fn extents(node: &Node<'_>) -> Vec<Range<usize>> {
    match &node.kind {
        Kind::List { items, .. } => items.iter().map(|item| item.start..item.end).collect(),
        Kind::Map { fields, .. } => fields.iter().map(|field| field.start..field.value.end).collect(),
        Kind::Scalar { .. } | Kind::Alias => Vec::new(),
    }
}
