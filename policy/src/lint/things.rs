//! Processes and destinations.

use super::reach::Reach;
use super::{Findings, LintId};
use crate::model::{Model, Process, Source};
use procgate_identity::Digest;
use rustc_hash::{FxHashMap, FxHashSet};

/// Processes that nobody uses, that are pinned twice, or that nothing tells apart.
pub(super) fn processes(model: &Model, found: &mut Findings) {
    let mut used: FxHashSet<usize> = FxHashSet::default();
    let mut all_used = false;
    for rule in &model.rules {
        if let Source::Process(selector) = &rule.from {
            all_used |= selector.names.is_empty();
            used.extend(&selector.names);
        }
    }
    let mut known: FxHashMap<(Digest, Identifying<'_>), usize> = FxHashMap::default();
    for (place, process) in model.processes.iter().enumerate() {
        if !all_used && !used.contains(&place) {
            found.add(
                LintId::UnusedProcess,
                format!("processes[{place}]"),
                format!("no rule is about {}", process.name),
                "add a rule, or take it out",
            );
        }
        for (field, list) in [("exe", &process.exe), ("code", &process.code), ("script", &process.script)] {
            repeated(list, &format!("processes[{place}].{field}"), found);
        }
        for exe in &process.exe {
            let first = *known.entry((*exe, identifying(process))).or_insert(place);
            if first != place {
                found.add(
                    LintId::SameProcess,
                    format!("processes[{place}]"),
                    format!("nothing tells it from processes[{first}]: same exe, place, code and script"),
                    "make one process of the two, or say where each runs",
                );
                break;
            }
        }
    }
}

/// What tells processes with one executable apart.
type Identifying<'m> = ([Option<&'m str>; 3], &'m [Digest], &'m [Digest]);

fn identifying(process: &Process) -> Identifying<'_> {
    let place = [&process.container, &process.namespace, &process.service_account].map(Option::as_deref);
    (place, &process.code, &process.script)
}

fn repeated(digests: &[Digest], path: &str, found: &mut Findings) {
    let mut seen = FxHashSet::default();
    for (index, digest) in digests.iter().enumerate() {
        if !seen.insert(digest) {
            let path = format!("{path}[{index}]");
            found.add(LintId::RepeatedDigest, path, "stands in this list already", "take it out");
        }
    }
}

/// Destinations that nobody uses.
pub(super) fn destinations(model: &Model, reach: &Reach<'_>, found: &mut Findings) {
    let used: FxHashSet<usize> = model.rules.iter().flat_map(|rule| reach.places(&rule.to)).collect();
    for (place, destination) in model.destinations.iter().enumerate() {
        if !used.contains(&place) {
            found.add(
                LintId::UnusedDestination,
                format!("destinations[{place}]"),
                format!("no rule names {} or a label of it", destination.name),
                "add a rule, or take it out",
            );
        }
    }
}
