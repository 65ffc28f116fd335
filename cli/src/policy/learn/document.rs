//! A proposal put into the policy's own text: what people wrote there stays, to the letter.

use super::proposal::Proposal;
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
    // To count through the list for each digest would take longer than all else.
    let processes = list(&policy, "processes");
    let processes: Vec<_> = processes.iter().flat_map(Sequence::values).collect();
    for addition in &proposal.additions {
        let digest = addition.digest.to_string();
        processes
            .get(addition.process)
            .and_then(|process| list(process.as_mapping()?, addition.field))
            .ok_or_else(|| unsuited("has a process whose digests cannot be added to"))?
            .push(digest.as_str());
    }
    let noted = |told: Option<String>| told.map(|told| format!(" # {told}")).unwrap_or_default();
    let processes = proposal.processes.iter().map(|proposed| {
        item(&proposed.item.name, &noted(Some(Told::of(proposed).to_string())), &process(&proposed.item))
    });
    append(&policy, "processes", processes)?;
    let destinations = proposal.destinations.iter();
    append(&policy, "destinations", destinations.map(|item_| item(&item_.name, "", &destination(item_))))?;
    let rules = proposal.rules.iter().map(|proposed| {
        item(&proposed.item.name, &noted(Some(Told::of(proposed).to_string())), &rule(&proposed.item))
    });
    append(&policy, "rules", rules)?;
    Ok(document.to_string())
}

fn list(mapping: &Mapping, name: &str) -> Option<Sequence> {
    mapping.get_sequence(name)
}

/// Puts items behind those that a list of the policy has; a list that is missing or empty is begun.
fn append(policy: &Mapping, name: &str, items: impl Iterator<Item = String>) -> Result<(), Problem> {
    let broken = || unsuited("has a list that cannot be added to");
    for text in items {
        let document = Document::from_str(&text).map_err(|_| broken())?;
        match list(policy, name).filter(|list| !list.is_empty()) {
            Some(list) if list.is_flow_style() => {
                return Err(unsuited(
                    "has a list in brackets, in which no item can have its evidence behind it",
                ));
            }
            Some(list) => list.push(document.as_mapping().ok_or_else(broken)?),
            None => {
                let indented = text.replace('\n', "\n  ");
                let first =
                    Document::from_str(&format!("- {}\n", indented.trim_end())).map_err(|_| broken())?;
                policy.set(name, first.as_sequence().ok_or_else(broken)?);
            }
        }
    }
    Ok(())
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
