//! Rules.

use super::each;
use super::names::Names;
use super::things::{labels, pattern};
use crate::model::{Rule, Selector, Source};
use crate::pattern::{PathPattern, PortRange};
use crate::raw::reader::{At, Reader};
use crate::raw::{Effect, RawFrom, RawPort, RawRule, RawSelector, RawTo};

/// A rule whose names are all known and whose patterns can all match.
pub(super) fn rule(
    reader: &mut Reader,
    at: At<'_>,
    raw: &RawRule,
    processes: &Names<'_>,
    destinations: &Names<'_>,
) -> Option<Rule> {
    let at = at.field(raw.effect.code());
    let (at_from, at_to) = (at.field("from"), at.field("to"));
    let anything = RawTo::default();
    let raw_to = raw.to.as_ref().unwrap_or(&anything);
    same(reader, at, raw, raw_to);
    let from = source(reader, at_from, raw, processes);
    let to = selector(reader, at_to, "destination", &raw_to.selector, destinations);
    let at_ports = at_to.field("ports");
    let ports = each(&raw_to.ports, |index, port| match port {
        RawPort::One(port) => Some(PortRange::one(*port)),
        RawPort::Range(text) => pattern(reader, at_ports.item(index), text, PortRange::parse),
    });
    let at_paths = at_to.field("paths");
    let paths =
        each(&raw_to.paths, |index, text| pattern(reader, at_paths.item(index), text, PathPattern::parse));
    let mut methods = raw_to.methods.clone();
    methods.sort_unstable();
    methods.dedup();
    Some(Rule {
        name: raw.name.clone(),
        description: raw.description.clone(),
        effect: raw.effect,
        from: from?,
        to: to?,
        ports: ports?,
        methods,
        paths: paths?,
    })
}

/// `same` compares two sides, so it must stand on both and name one label.
fn same(reader: &mut Reader, at: At<'_>, raw: &RawRule, to: &RawTo) {
    let from = match &raw.from {
        Some(RawFrom::Selected(selector)) => selector.same.as_deref(),
        Some(RawFrom::Unidentified) | None => None,
    };
    let to = to.selector.same.as_deref();
    let (at_from, at_to) = (at.field("from"), at.field("to"));
    match (from, to) {
        (Some(from), Some(to)) if from != to => reader.mistake(
            at_to.field("same"),
            "another label than in from",
            "write the same label on both sides",
        ),
        (Some(_), None) => reader.mistake(
            at_to.field("same"),
            "missing, though from has it",
            "write the same label on both sides",
        ),
        (None, Some(_)) => reader.mistake(
            at_from.field("same"),
            "missing, though to has it",
            "write the same label on both sides",
        ),
        (Some(_), Some(_)) | (None, None) => {}
    }
}

fn source(reader: &mut Reader, at: At<'_>, raw: &RawRule, processes: &Names<'_>) -> Option<Source> {
    match (&raw.from, raw.effect) {
        (Some(RawFrom::Unidentified), _) => Some(Source::Unidentified),
        (Some(RawFrom::Selected(from)), _) => {
            selector(reader, at, "process", from, processes).map(Source::Process)
        }
        (None, Effect::Deny) => Some(Source::Anyone),
        (None, Effect::Allow) => Some(Source::Process(Selector::default())),
    }
}

fn selector(
    reader: &mut Reader,
    at: At<'_>,
    word: &'static str,
    raw: &RawSelector,
    names: &Names<'_>,
) -> Option<Selector> {
    let places = names.resolve(reader, at.field(word), &raw.names);
    let labels = labels(reader, at.field("labels"), &raw.labels);
    Some(Selector { names: places?, labels: labels?, same: raw.same.clone() })
}
