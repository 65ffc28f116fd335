//! A proposal put into the policy's own text: what people wrote there stays, to the letter.

use super::marks;
use super::proposal::{Proposal, Proposed};
use super::told::Told;
use crate::failure::Problem;
use crate::yaml::scalar;
use procgate_policy::{RawDestination, RawPolicy, RawPort, RawProcess, RawRule, RawSelector};
use std::str::FromStr as _;
use yaml_edit::{Document, Mapping, Sequence};

/// The policy's text with the proposal in it. Before it is given out it is read again: it has to be
/// exactly the policy that was meant, whatever the text looked like before.
pub(super) fn write(text: &str, is_json: bool, proposal: &Proposal) -> Result<String, Problem> {
    let whole = proposal.whole();
    if is_json {
        return serde_json::to_string_pretty(&whole).map(|text| text + "\n").map_err(Problem::new);
    }
    let written = edit(text, proposal)?;
    match RawPolicy::from_yaml(written.as_bytes()) {
        Ok(read) if read == whole => Ok(written),
        Ok(_) | Err(_) => Err(unsuited("does not read as it was meant once it is changed")),
    }
}

fn unsuited(what: &str) -> Problem {
    Problem::new(format!("the policy's text {what}"))
        .next("write it and its lists in block style, each item beginning with '-' on a line of its own")
}

fn edit(text: &str, proposal: &Proposal) -> Result<String, Problem> {
    let document =
        Document::from_str(text).map_err(|error| unsuited(&format!("cannot be edited ({error})")))?;
    let policy = document.as_mapping().ok_or_else(|| unsuited("is no mapping"))?;
    if policy.is_flow_style() {
        return Err(unsuited("is written in braces, in which no item can have its evidence behind it"));
    }
    // To count through the list for each digest would take longer than to add it.
    let processes = list(&policy, "processes");
    let processes: Vec<_> = processes.iter().flat_map(Sequence::values).collect();
    let unsuited_digests = || unsuited("has a process whose digests cannot be added to");
    if marks::are_in(text) {
        return Err(unsuited_digests());
    }
    for (number, Proposed { item: addition, .. }) in proposal.additions.iter().enumerate() {
        processes
            .get(addition.process)
            .and_then(|process| list(process.as_mapping()?, addition.field))
            .ok_or_else(unsuited_digests)?
            .push(marks::mark(number).as_str());
    }
    let processes = proposal.processes.iter().map(|proposed| {
        item(&proposed.item.name, &format!(" # {}", Told::of(proposed)), &process(&proposed.item))
    });
    let destinations = proposal.destinations.iter();
    let destinations = destinations.map(|item_| item(&item_.name, "", &destination(item_)));
    let rules = proposal.rules.iter().map(|proposed| {
        item(&proposed.item.name, &format!(" # {}", Told::of(proposed)), &rule(&proposed.item))
    });
    let lists: [(&str, Vec<String>); 3] = [
        ("processes", processes.collect()),
        ("destinations", destinations.collect()),
        ("rules", rules.collect()),
    ];
    let lists = lists.into_iter().filter(|(_, items)| !items.is_empty());
    let lists: Vec<_> = lists
        .map(|(name, items)| Ok((begin(&policy, name, text)?, items)))
        .collect::<Result<_, Problem>>()?;
    Ok(fill(&marks::filled(&document.to_string(), &proposal.additions), &lists))
}

/// Puts a mark where a list goes on, and begins one that is missing or empty. Each change of the document costs as much
/// as its list is long, so that all items, one by one, would take minutes.
fn begin(policy: &Mapping, name: &str, text: &str) -> Result<String, Problem> {
    let mark = format!("procgate-goes-on-with-{name}");
    let broken = || unsuited("has a list that cannot be added to");
    if text.contains(&mark) {
        return Err(broken());
    }
    match list(policy, name).filter(|list| !list.is_empty()) {
        Some(list) if list.is_flow_style() => {
            return Err(unsuited("has a list in brackets, in which no item can have its evidence behind it"));
        }
        Some(list) => list.push(mark.as_str()),
        None => {
            let first = Document::from_str(&format!("- {mark}\n")).map_err(|_| broken())?;
            policy.set(name, first.as_sequence().ok_or_else(broken)?);
        }
    }
    Ok(mark)
}

/// The text with these items in place of the lines that are a mark.
fn fill(text: &str, lists: &[(String, Vec<String>)]) -> String {
    let mut filled = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let marked = line.trim().strip_prefix("- ");
        match lists.iter().find(|(mark, _)| marked == Some(mark)) {
            None => filled.push_str(line),
            Some((_, items)) => {
                let indent: String = line.chars().take_while(|letter| *letter == ' ').collect();
                for item in items {
                    for (number, part) in item.lines().enumerate() {
                        let dash = if number == 0 { "- " } else { "  " };
                        [indent.as_str(), dash, part, "\n"].iter().for_each(|text| filled.push_str(text));
                    }
                }
            }
        }
    }
    filled
}

fn list(mapping: &Mapping, name: &str) -> Option<Sequence> {
    mapping.get_sequence(name)
}

/// An item whose name has the evidence behind it.
fn item(name: &str, comment: &str, lines: &[String]) -> String {
    format!("name: {}{comment}\n{}\n", scalar(name), lines.join("\n"))
}

fn process(process: &RawProcess) -> Vec<String> {
    let texts = [
        ("container", &process.container),
        ("namespace", &process.namespace),
        ("serviceAccount", &process.service_account),
    ];
    let mut lines: Vec<String> = texts.into_iter().filter_map(|(name, text)| field(name, text)).collect();
    for (name, digests) in [("exe", &process.exe), ("code", &process.code), ("script", &process.script)] {
        let texts: Vec<String> = digests.iter().map(ToString::to_string).collect();
        lines.extend(texts_field(name, &texts));
    }
    lines.extend(field("path", &process.path));
    lines
}

fn destination(destination: &RawDestination) -> Vec<String> {
    let mut lines: Vec<String> = texts_field("hosts", &destination.hosts).into_iter().collect();
    lines.extend(texts_field("cidrs", &destination.cidrs));
    if !destination.labels.is_empty() {
        let labels = destination.labels.iter();
        let pairs = labels.map(|(name, value)| format!("{}: {}", scalar(name), scalar(value)));
        lines.push(format!("labels: {{{}}}", pairs.collect::<Vec<_>>().join(", ")));
    }
    lines
}

fn rule(rule: &RawRule) -> Vec<String> {
    let mut lines = vec![format!("{}:", rule.effect.code())];
    if let Some(procgate_policy::RawFrom::Selected(from)) = &rule.from {
        lines.push(format!("  from: {{{}}}", selector("process", from).join(", ")));
    }
    if let Some(to) = &rule.to {
        let mut parts = selector("destination", &to.selector);
        let port = |port: &RawPort| match port {
            RawPort::One(port) => port.to_string(),
            RawPort::Range(range) => scalar(range),
        };
        if !to.ports.is_empty() {
            parts.push(format!("ports: [{}]", to.ports.iter().map(port).collect::<Vec<_>>().join(", ")));
        }
        parts.extend(texts_field("methods", &to.methods));
        parts.extend(texts_field("paths", &to.paths));
        lines.push(format!("  to: {{{}}}", parts.join(", ")));
    }
    lines
}

fn selector(kind: &str, selector: &RawSelector) -> Vec<String> {
    let mut parts: Vec<String> = match selector.names.as_slice() {
        [] => Vec::new(),
        [name] => vec![format!("{kind}: {}", scalar(name))],
        names => texts_field(kind, names).into_iter().collect(),
    };
    parts.extend(field("same", &selector.same));
    parts
}

fn field(name: &str, text: &Option<String>) -> Option<String> {
    text.as_ref().map(|text| format!("{name}: {}", scalar(text)))
}

fn texts_field(name: &str, texts: &[String]) -> Option<String> {
    let listed: Vec<String> = texts.iter().map(|text| scalar(text)).collect();
    (!listed.is_empty()).then(|| format!("{name}: [{}]", listed.join(", ")))
}
