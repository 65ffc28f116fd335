//! The drawing as data: nodes, flows between them, and the rules that decided. The page, the other forms and
//! `--format json` are made of it.

use super::flows::{Examples, Flow, Flows, Outcome};
use super::question;
use crate::escape::{escape_json, path_text};
use crate::policy::document::Document;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The version of this form.
const VERSION: u32 = 1;
const NANOS_IN_MILLISECOND: u64 = 1_000_000;

/// A drawing.
#[derive(Debug, Serialize)]
pub(super) struct Model {
    version: u32,
    /// The time that the drawing spans, in milliseconds since 1970.
    first: u64,
    last: u64,
    /// Spans of equal length between these two; a flow's `when` names them.
    spans: u64,
    /// Records that are not in it, since there were too many flows.
    left_out: u64,
    pub(super) nodes: Vec<Node>,
    pub(super) flows: Vec<Edge>,
    /// What the policy has of the rules that are named.
    rule_texts: BTreeMap<String, String>,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Pod,
    Container,
    Process,
    Destination,
}

/// A pod, container, process or destination.
#[derive(Debug, Serialize)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// The whole name of a container, the path of a process.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub(super) unidentified: bool,
}

/// A flow, with its nodes by their place in the list.
#[derive(Debug, Serialize)]
pub(super) struct Edge {
    pub(super) pod: usize,
    pub(super) container: Option<usize>,
    pub(super) process: usize,
    pub(super) destination: usize,
    pub(super) outcome: Outcome,
    proceeded: bool,
    pub(super) count: u64,
    first: u64,
    last: u64,
    reasons: Vec<(&'static str, u64)>,
    rules: Examples,
    nearest: Examples,
    details: Examples,
    exe: Examples,
    code: Examples,
    carriers: Examples,
    addresses: Examples,
    requests: Examples,
    /// Spans with decisions and how many, by turns: one array for each would be too many.
    when: Vec<u64>,
    /// The command that says why.
    explain: String,
}

/// Nodes, each once.
#[derive(Debug, Default)]
struct Nodes {
    list: Vec<Node>,
    known: HashMap<(Kind, String), usize>,
}

impl Nodes {
    /// The node of this name within others' names.
    fn place(&mut self, kind: Kind, within: &[&str], name: &str) -> usize {
        let list = &mut self.list;
        *self.known.entry((kind, [within, &[name]].concat().join("\0"))).or_insert_with(|| {
            list.push(Node { kind, name: name.into(), note: None, unidentified: false });
            list.len().saturating_sub(1)
        })
    }

    fn note(&mut self, place: usize, note: Option<&str>) {
        if let Some(node) = self.list.get_mut(place) {
            node.note = note.map(String::from);
        }
    }
}

impl Model {
    /// Draws flows; with a policy, its rules beside them.
    pub(super) fn of(flows: Flows, policy: Option<(&Path, &Document)>) -> Self {
        let span = flows.span.checked_div(NANOS_IN_MILLISECOND).unwrap_or_default();
        let (first, last) = flows.spans.unwrap_or_default();
        let mut nodes = Nodes::default();
        let path = policy.map_or_else(|| "policy.yaml".into(), |(path, _)| path_text(path));
        let edges: Vec<Edge> =
            flows.list.into_iter().map(|flow| Edge::of(flow, first, &mut nodes, &path)).collect();
        let named = edges.iter().flat_map(|edge| edge.rules.iter().chain(edge.nearest.iter()));
        let rule_texts = policy.map(|(_, document)| rules(document, named)).unwrap_or_default();
        Self {
            version: VERSION,
            first: first.saturating_mul(span),
            last: last.saturating_add(1).saturating_mul(span),
            spans: last.saturating_sub(first).saturating_add(1),
            left_out: flows.left_out,
            nodes: nodes.list,
            flows: edges,
            rule_texts,
        }
    }

    /// How many records no flow has.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }
}

fn rules<'a>(document: &Document, named: impl Iterator<Item = &'a String>) -> BTreeMap<String, String> {
    let texts = named.filter_map(|name| {
        let rule = document.raw.rules.iter().find(|rule| rule.name == *name)?;
        Some((name.clone(), escape_json(&serde_json::to_string_pretty(rule).ok()?)))
    });
    texts.collect()
}

impl Edge {
    fn of(flow: Flow, first_span: u64, nodes: &mut Nodes, policy: &str) -> Self {
        let explain = question::about(&flow, policy);
        let pod = nodes.place(Kind::Pod, &[], &flow.pod);
        let subject = flow.subject.as_deref();
        let container = subject.map(|subject| {
            let short = subject.rsplit('/').next().unwrap_or(subject);
            let place = nodes.place(Kind::Container, &[&flow.pod, subject], short);
            nodes.note(place, Some(subject));
            place
        });
        let within = [flow.pod.as_str(), subject.unwrap_or_default()];
        let process = nodes.place(Kind::Process, &within, &flow.process);
        nodes.note(process, flow.names.iter().next().map(String::as_str));
        if let Some(node) = nodes.list.get_mut(process) {
            node.unidentified = subject.is_none();
        }
        let destination = nodes.place(Kind::Destination, &[], &flow.destination);
        let milliseconds = |time: u64| time.checked_div(NANOS_IN_MILLISECOND).unwrap_or_default();
        Self {
            pod,
            container,
            process,
            destination,
            outcome: flow.outcome,
            proceeded: flow.proceeded,
            count: flow.count,
            first: milliseconds(flow.first),
            last: milliseconds(flow.last),
            reasons: flow.reasons.into_iter().collect(),
            rules: flow.rules,
            nearest: flow.nearest,
            details: flow.details,
            exe: flow.exe,
            code: flow.code,
            carriers: flow.carriers,
            addresses: flow.addresses,
            requests: flow.requests,
            when: flow
                .when
                .into_iter()
                .flat_map(|(span, count)| [span.saturating_sub(first_span), count])
                .collect(),
            explain,
        }
    }
}
