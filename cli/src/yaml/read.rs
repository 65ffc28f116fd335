//! From a document's text to its tree.

use super::node::{Field, Kind, Node};
use crate::failure::Problem;
use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};
use std::borrow::Cow;
use std::collections::HashSet;

/// Values of one document: more than all objects of a large cluster have in one List.
const MAX_NODES: usize = 1_000_000;

/// What is wrong in a document.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Counted from 1 in the document's text.
    pub(crate) line: usize,
    pub(crate) problem: Problem,
}

/// A collection that has begun.
struct Open<'a> {
    node: Node<'a>,
    /// The name of the field whose value comes next.
    name: Option<Field<'a>>,
    /// All names so far.
    names: HashSet<Cow<'a, str>>,
}

impl<'a> Node<'a> {
    /// Reads the one document of a text; nothing where there is none in it. Aliases are not followed.
    pub(crate) fn read(text: &'a str) -> Result<Option<Self>, Fault> {
        Reader { text, open: Vec::new(), root: None, nodes: 0 }.read()
    }
}

struct Reader<'a> {
    text: &'a str,
    open: Vec<Open<'a>>,
    root: Option<Node<'a>>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn read(mut self) -> Result<Option<Node<'a>>, Fault> {
        let mut options = granit_parser::Options::default();
        options.set_emit_comments(false);
        let mut line = 1;
        for event in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = event.map_err(|error| self.broken(error.marker().line(), &error.info()))?;
            line = span.start.line();
            self.step(event, &span).map_err(|problem| Fault { line, problem })?;
        }
        if self.open.is_empty() { Ok(self.root) } else { Err(self.broken(line, "it breaks off")) }
    }

    /// What is no YAML at this line, where a template that nobody has filled in is the likeliest reason.
    fn broken(&self, line: usize, what: &str) -> Fault {
        let template = self.text.lines().zip(1..).find(|(text, _)| text.contains("{{"));
        if let Some((_, line)) = template {
            return Fault { line, problem: unfilled() };
        }
        let tab = || {
            self.text
                .lines()
                .nth(line.saturating_sub(1))
                .is_some_and(|text| text.trim_start_matches(' ').starts_with('\t'))
        };
        let next = if tab() { "indent with spaces: YAML takes no tabs there" } else { "correct it there" };
        Fault { line, problem: Problem::new(format!("not YAML: {what}")).next(next) }
    }

    fn step(&mut self, event: Event<'a>, span: &Span) -> Result<(), Problem> {
        match event {
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                let mut node = node(Kind::Scalar { text, plain }, span);
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    node.end = self.line_of(node.end);
                }
                if node.start == node.end {
                    // A null that nobody wrote. The parser is at what comes next.
                    (node.start, node.end) = self.so_far();
                }
                self.put(node)
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => self.put(node(Kind::Alias, span)),
            Event::SequenceStart(style, ..) => {
                self.begin(Kind::List { flow: style == StructureStyle::Flow, items: Vec::new() }, span)
            }
            Event::MappingStart(style, ..) => {
                self.begin(Kind::Map { flow: style == StructureStyle::Flow, fields: Vec::new() }, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.finish(span),
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(Problem::new("a second document without a line '---' above it").next("divide them so"))
            }
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::Comment(..)
            | _ => Ok(()),
        }
    }

    /// The start of the line on which a block scalar is found to be over, where nothing else is on it yet.
    fn line_of(&self, end: usize) -> usize {
        let before = self.text.get(..end).unwrap_or_default();
        before
            .rfind('\n')
            .map(|at| at.saturating_add(1))
            .filter(|at| before.get(*at..).is_some_and(|line| line.trim().is_empty()))
            .unwrap_or(end)
    }

    /// Where what is open ends so far.
    fn so_far(&self) -> (usize, usize) {
        let end =
            self.open.last().map_or(0, |open| open.name.as_ref().map_or(open.node.end, |name| name.end));
        (end, end)
    }

    fn begin(&mut self, kind: Kind<'a>, span: &Span) -> Result<(), Problem> {
        if let Some(Open { node: Node { kind: Kind::Map { .. }, .. }, name: None, .. }) = self.open.last() {
            let start = span.start.byte_offset().unwrap_or_default();
            let template =
                start.checked_sub(1).and_then(|start| self.text.get(start..)?.get(..2)) == Some("{{");
            return Err(if template {
                unfilled()
            } else {
                Problem::new("a key that is no text").next("write a name there")
            });
        }
        self.open.push(Open { node: node(kind, span), name: None, names: HashSet::new() });
        Ok(())
    }

    fn finish(&mut self, span: &Span) -> Result<(), Problem> {
        let Some(Open { mut node, .. }) = self.open.pop() else { return Ok(()) };
        if node.is_flow() {
            node.end = span.end.byte_offset().unwrap_or(node.end);
        }
        self.put(node)
    }

    /// A whole value: of a field, of a list, or of the document. Or it is a field's name.
    fn put(&mut self, node: Node<'a>) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > MAX_NODES {
            return Err(Problem::new(format!("more than {MAX_NODES} values"))
                .next("divide it into several documents"));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let end = node.end;
        match (&mut open.node.kind, open.name.take()) {
            (Kind::Map { fields, .. }, Some(field)) => fields.push(Field { value: node, ..field }),
            (Kind::Map { .. }, None) => {
                let field = name(node)?;
                if !open.names.insert(field.name.clone()) {
                    let what = format!("the field {:?} is there twice", field.name);
                    return Err(Problem::new(what).next("leave one"));
                }
                open.name = Some(field);
            }
            (Kind::List { items, .. }, _) => items.push(node),
            (Kind::Scalar { .. } | Kind::Alias, _) => {}
        }
        open.node.end = open.node.end.max(end);
        Ok(())
    }
}

/// A scalar as a field's name; its value is not known yet.
fn name(node: Node<'_>) -> Result<Field<'_>, Problem> {
    let Node { start, end, column, line, kind } = node;
    let Kind::Scalar { text: name, .. } = kind else {
        return Err(Problem::new("an alias as a key").next("write the name there"));
    };
    let value =
        Node { kind: Kind::Scalar { text: Cow::Borrowed(""), plain: true }, start: end, end, column, line };
    Ok(Field { name, start, end, column, value })
}

fn node<'a>(kind: Kind<'a>, span: &Span) -> Node<'a> {
    let start = span.start.byte_offset().unwrap_or_default();
    let end = span.end.byte_offset().unwrap_or(start);
    Node { kind, start, end, column: span.start.col(), line: span.start.line() }
}

/// What there is to say of `{{ … }}` where something else should be.
pub(crate) fn unfilled() -> Problem {
    Problem::new("a template that nobody has filled in ({{ … }})")
        .next("render it first, with `helm template` for example, and give what comes out")
}
