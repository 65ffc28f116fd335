//! The drawing for Graphviz and for Mermaid.

use super::flows::Outcome;
use super::model::{Kind, Model, Node};
use crate::escape::escape;
use core::fmt::{self, Write as _};
use std::collections::BTreeSet;

/// What belongs to what, once each.
fn structure(model: &Model) -> BTreeSet<(usize, usize)> {
    let pairs = model.flows.iter().flat_map(|flow| match flow.container {
        Some(container) => vec![(flow.pod, container), (container, flow.process)],
        None => vec![(flow.pod, flow.process)],
    });
    pairs.collect()
}

/// DOT, as Graphviz reads it.
pub(super) fn dot(model: &Model, out: &mut impl fmt::Write) -> fmt::Result {
    writeln!(out, "digraph procgate {{\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];")?;
    for (place, Node { kind, name, unidentified, .. }) in model.nodes.iter().enumerate() {
        let shape = match kind {
            Kind::Pod => "hexagon",
            Kind::Container => "box",
            Kind::Process => "ellipse",
            Kind::Destination => "diamond",
        };
        let style = if *unidentified { ", style=dashed" } else { "" };
        writeln!(out, "  n{place} [label={}, shape={shape}{style}];", dot_text(name))?;
    }
    for (from, to) in structure(model) {
        writeln!(out, "  n{from} -> n{to} [color=gray, arrowhead=none];")?;
    }
    for flow in &model.flows {
        let (style, arrow, colour) = match flow.outcome {
            Outcome::Allowed => ("solid", "normal", "darkgreen"),
            Outcome::Denied => ("dashed", "tee", "red3"),
            Outcome::Audit => ("dotted", "vee", "darkorange3"),
            Outcome::Unidentified => ("dashed", "diamond", "purple"),
        };
        let label = dot_text(&format!("{} {}", flow.outcome.word(), flow.count));
        let (from, to) = (flow.process, flow.destination);
        writeln!(
            out,
            "  n{from} -> n{to} [label={label}, style={style}, arrowhead={arrow}, color={colour}];"
        )?;
    }
    writeln!(out, "}}")
}

fn dot_text(text: &str) -> String {
    let text = escape(text).to_string();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Edges that Mermaid draws unless somebody sets `maxEdges`; of more it draws nothing.
pub(super) const MERMAID_EDGES: usize = 500;

/// Edges of a drawing.
pub(super) fn edges(model: &Model) -> usize {
    structure(model).len().saturating_add(model.flows.len())
}

/// A Mermaid flowchart, as in Markdown.
pub(super) fn mermaid(model: &Model, out: &mut impl fmt::Write) -> fmt::Result {
    writeln!(out, "flowchart LR")?;
    for (place, Node { kind, name, .. }) in model.nodes.iter().enumerate() {
        let (open, close) = match kind {
            Kind::Pod => ("{{", "}}"),
            Kind::Container => ("[", "]"),
            Kind::Process => ("([", "])"),
            Kind::Destination => ("{", "}"),
        };
        writeln!(out, "  n{place}{open}\"{}\"{close}", mermaid_text(name))?;
    }
    for (from, to) in structure(model) {
        writeln!(out, "  n{from} --- n{to}")?;
    }
    for flow in &model.flows {
        let arrow = match flow.outcome {
            Outcome::Allowed => "-->",
            Outcome::Denied => "--x",
            Outcome::Audit => "-.->",
            Outcome::Unidentified => "--o",
        };
        let (from, to, word, count) = (flow.process, flow.destination, flow.outcome.word(), flow.count);
        writeln!(out, "  n{from} {arrow}|\"{word} {count}\"| n{to}")?;
    }
    Ok(())
}

/// Mermaid has no quoting, but codes for characters: whatever might mean something is written so.
fn mermaid_text(text: &str) -> String {
    let mut written = String::new();
    for character in escape(text).to_string().chars() {
        if character.is_alphanumeric() || " ._:-".contains(character) {
            written.push(character);
        } else {
            // Writing to a string does not fail.
            let _ = write!(written, "#{};", u32::from(character));
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_quotes() {
        assert_eq!(dot_text("a\" -> b [label=\"\\"), r#""a\" -> b [label=\"\\\\""#);
        assert_eq!(
            mermaid_text("a\"] --> b;\n%%<b>"),
            "a#34;#93; --#62; b#59;#92;u#123;a#125;#37;#37;#60;b#62;"
        );
    }
}
