//! The rules of a proposal: for each way, what was asked there at which ports.

use super::evidence::{Evidence, Seen};
use super::generalise::{self, Pattern, Target};
use super::names::Names;
use super::proposal::{Proposal, Proposed, Way, Ways};
use procgate_policy::{Effect, MAX_PORTS, RawFrom, RawPort, RawRule, RawSelector, RawTo};
use std::collections::BTreeMap;

/// What rules of one process and one destination have in common, but for the ports.
type Asked = (Vec<String>, Vec<String>);

/// Puts the rules that the ways need into the proposal.
pub(super) fn add(
    proposal: &mut Proposal,
    ways: &Ways,
    hosts: &BTreeMap<(String, Target), usize>,
    named: &BTreeMap<Target, String>,
) {
    let mut names = Names::taken(proposal.base.rules.iter().map(|rule| rule.name.as_str()));
    for ((process, target), way) in ways {
        let Some(destination) = named.get(target) else { continue };
        let made_from = hosts.get(&(process.clone(), target.clone())).copied().unwrap_or(1);
        let mut by_asked: BTreeMap<Asked, (BTreeMap<Option<u16>, Evidence>, bool)> = BTreeMap::new();
        for (port, methods) in by_port(way) {
            for (paths, (methods, evidence, general)) in methods {
                let entry = by_asked.entry((methods, paths)).or_default();
                entry.0.entry(port).or_default().add(Seen::Before(&evidence));
                entry.1 |= general;
            }
        }
        for ((methods, paths), (seen, general)) in by_asked {
            let mut beyond = Vec::new();
            if made_from > 1 {
                beyond.push(format!("{made_from} hosts or addresses taken as {}", text(target)));
            }
            if general {
                beyond.push("names in paths folded".into());
            }
            for part in by_ports(&seen) {
                let beyond = beyond.iter().cloned().chain(part.beyond).collect();
                let (methods, paths) = (methods.clone(), paths.clone());
                let to = RawTo { selector: one(destination), ports: part.item, methods, paths };
                let item = RawRule {
                    name: names.take(&format!("{process}-to-{destination}"), &[]),
                    effect: Effect::Allow,
                    from: Some(RawFrom::Selected(one(process))),
                    to: Some(to),
                    description: None,
                };
                proposal.rules.push(Proposed { item, evidence: part.evidence, beyond });
            }
        }
    }
}

/// The ports of a rule, or of several where one cannot list them all. Where no port is known, a rule cannot say any.
fn by_ports(seen: &BTreeMap<Option<u16>, Evidence>) -> Vec<Proposed<Vec<RawPort>>> {
    let known = generalise::ports(seen.keys().copied().flatten());
    let mut parts: Vec<Proposed<Vec<RawPort>>> = Vec::new();
    for listed in known.chunks(MAX_PORTS) {
        let (mut item, mut evidence) = (Vec::new(), Evidence::default());
        let (mut meant, mut found) = (0_usize, 0_usize);
        for range in listed {
            let (first, last) = (*range.start(), *range.end());
            item.push(if first == last {
                RawPort::One(first)
            } else {
                RawPort::Range(format!("{first}-{last}"))
            });
            meant = meant.saturating_add(range.len());
            for (_, of_port) in seen.range(Some(first)..=Some(last)) {
                found = found.saturating_add(1);
                evidence.add(Seen::Before(of_port));
            }
        }
        let beyond = (found < meant).then(|| format!("{found} ports taken as {meant} in ranges"));
        parts.push(Proposed { item, evidence, beyond: beyond.into_iter().collect() });
    }
    parts.extend(seen.get(&None).map(|evidence| Proposed {
        item: Vec::new(),
        evidence: evidence.clone(),
        beyond: vec!["every port, since none is known".into()],
    }));
    parts
}

fn one(name: &str) -> RawSelector {
    RawSelector { names: vec![name.into()], ..RawSelector::default() }
}

fn text(target: &Target) -> &str {
    match target {
        Target::Hosts(text) | Target::Range(text) => text,
    }
}

/// For each port, the methods that have the same paths put together.
type Methods = BTreeMap<Vec<String>, (Vec<String>, Evidence, bool)>;

fn by_port(way: &Way) -> BTreeMap<Option<u16>, Methods> {
    let mut ports: BTreeMap<Option<u16>, Methods> = BTreeMap::new();
    for ((port, method), place) in way {
        let patterns = generalise::patterns(place);
        let mut paths: Vec<String> = match method {
            Some(_) => patterns.iter().map(ToString::to_string).collect(),
            None => Vec::new(),
        };
        paths.sort_unstable();
        let entry = ports.entry(*port).or_default().entry(paths).or_default();
        entry.0.extend(method.clone());
        patterns.iter().for_each(|pattern| entry.1.add(Seen::Before(&pattern.evidence)));
        entry.2 |= patterns.iter().any(Pattern::is_general);
    }
    ports
}
