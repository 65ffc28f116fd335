//! Which process of the policy each executable is, or becomes.

use super::evidence::{Evidence, Seen};
use super::executables::{self, Executable};
use super::flows::Flows;
use super::merging::{Apart, alone, has_path, has_room, lacking, list, lists, merged};
use super::names::Names;
use super::proposal::Proposed;
use super::review::{self, Bar, Doubt};
use crate::failure::Problem;
use crate::policy::spoken;
use crate::records::Speaker;
use procgate_identity::{Digest, RefusalReason};
use procgate_policy::{Destination, Policy, RawPolicy, RawProcess, Reason};
use std::collections::BTreeSet;

/// A digest that a process of the policy lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Addition {
    /// The process's place in the policy's list.
    pub(in crate::policy) process: usize,
    /// `exe`, `code` or `script`.
    pub(in crate::policy) field: &'static str,
    pub(in crate::policy) digest: Digest,
}

/// Executables as processes.
#[derive(Debug, Default)]
pub(super) struct Programs {
    /// The name of the process, at the speaker's number; none where a person should look first.
    pub(super) names: Vec<Option<String>>,
    pub(super) additions: Vec<Proposed<Addition>>,
    pub(super) new: Vec<Proposed<RawProcess>>,
    /// Where a person should look first.
    pub(super) doubted: Vec<(Executable, Doubt)>,
}

/// What the policy makes of an executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The process at this place of its list.
    As(usize),
    /// The process at this place, which does not pin the code list or the script that it shows.
    Within(usize),
    /// The process at this place, with other digests.
    Changed(usize),
    /// It shows no list or script where the policy pins one.
    OffList,
    Not,
    NoKey,
}

/// Finds or makes the process of each executable that nobody doubts.
pub(super) fn find(flows: &Flows, bar: Bar, base: &RawPolicy, policy: &Policy) -> Result<Programs, Problem> {
    let executables = executables::of(flows);
    let known = executables.iter().map(|executable| known(policy, base, executable, flows));
    let known: Vec<Known> = known.collect::<Result<_, _>>()?;
    let doubts = review::doubts(flows, &executables, &known, bar);
    let all = executables.into_iter().zip(known).zip(doubts);
    let all = all.map(|((executable, known), doubt)| (executable, known, doubt));
    let (trusted, doubted): (Vec<_>, Vec<_>) = all.partition(|(_, _, doubt)| doubt.is_none());
    // What the policy lists is allowed already, whoever doubts it.
    let apart = doubted.iter().filter(|(_, known, _)| !matches!(known, Known::As(_) | Known::Within(_)));
    let apart = Apart::of(apart.filter_map(|(executable, ..)| alone(executable.speaker(flows)?)));
    let mut making = Making {
        names: Names::taken(base.processes.iter().map(|process| process.name.as_str())),
        found: Programs { names: vec![None; flows.speakers.list().len()], ..Programs::default() },
        listed: base.processes.clone(),
        pairs: Vec::new(),
        apart,
    };
    for (executable, known, _) in trusted {
        let Some(speaker) = executable.speaker(flows) else { continue };
        let name = match known {
            Known::As(process) | Known::Within(process) => {
                making.listed.get(process).map(|process| process.name.clone())
            }
            Known::Changed(process) => making.change(process, &executable, speaker),
            Known::Not => making.add(&executable, speaker),
            Known::OffList | Known::NoKey => None,
        };
        making.found.name(&executable, name);
    }
    let doubted = doubted.into_iter().filter_map(|(executable, _, doubt)| Some((executable, doubt?)));
    making.found.doubted = doubted.collect();
    making.tell_products();
    Ok(making.found)
}

/// By whatever name it was started: that one of them is a process's path tells that it was replaced.
fn known(
    policy: &Policy,
    base: &RawPolicy,
    executable: &Executable,
    flows: &Flows,
) -> Result<Known, Problem> {
    let speakers = executable.speakers.iter().filter_map(|number| flows.speaker_of(*number));
    let all: Vec<Known> =
        speakers.map(|speaker| known_by(policy, base, speaker, flows)).collect::<Result<_, _>>()?;
    let replaced = all.iter().find(|known| matches!(known, Known::Changed(_) | Known::OffList));
    Ok(replaced.or(all.first()).cloned().unwrap_or(Known::NoKey))
}

fn known_by(policy: &Policy, base: &RawPolicy, speaker: &Speaker, flows: &Flows) -> Result<Known, Problem> {
    let Some(identity) = spoken::resolve(policy, speaker, flows.all.last)? else { return Ok(Known::NoKey) };
    let nowhere = policy.resolve_destination(&Destination::default());
    let finding = policy.decide(&identity, &nowhere, None).finding;
    let position = |is: &dyn Fn(&RawProcess) -> bool| base.processes.iter().position(is);
    let process = match (finding.reason, alone(speaker)) {
        // That the digest is listed for somewhere else makes it no less a replacement of what the policy has here.
        (Reason::WrongContainer, Some(alone)) => position(&|known| has_path(known, &alone)),
        _ => finding.process.and_then(|name| position(&|known| known.name == name)),
    };
    Ok(match (finding.reason, process) {
        (Reason::CodeChanged | Reason::WrongContainer, Some(process)) => {
            let lacks = base.processes.get(process).zip(alone(speaker));
            let pinnable = lacks.is_some_and(|(known, alone)| lacking(known, &alone).is_some());
            if pinnable { Known::Changed(process) } else { Known::OffList }
        }
        (Reason::Allowed | Reason::DeniedByRule | Reason::NoMatchingRule, Some(process)) => {
            let known = base.processes.get(process).zip(alone(speaker));
            let is_listed = known.is_some_and(|(known, alone)| lists(known, &alone));
            if is_listed { Known::As(process) } else { Known::Within(process) }
        }
        (Reason::Identity(RefusalReason::OutsideKeyScope), _) => Known::NoKey,
        _ => Known::Not,
    })
}

/// What comes of it, one executable after the other.
struct Making {
    names: Names,
    found: Programs,
    /// The policy's processes, with what they get.
    listed: Vec<RawProcess>,
    /// Which executables and code lists were seen together, of each new process.
    pairs: Vec<BTreeSet<(Digest, Option<Digest>)>>,
    apart: Apart,
}

impl Making {
    /// Another release of a process of the policy; one of its own, where that would take in what is set apart or list too
    /// many digests.
    fn change(&mut self, place: usize, executable: &Executable, speaker: &Speaker) -> Option<String> {
        let (before, alone) = (self.listed.get(place)?, alone(speaker)?);
        let additions = lacking(before, &alone)?;
        let mut after = before.clone();
        additions.iter().for_each(|(field, digest)| list(&mut after, field).push(*digest));
        if !has_room(&after) || self.apart.falls_into(&after, &[before, &alone]) {
            return self.add(executable, speaker);
        }
        let name = after.name.clone();
        let more_than_seen = pairs(&after) > pairs(before).saturating_add(1);
        for (field, digest) in additions {
            let item = Addition { process: place, field, digest };
            let mut beyond = vec![format!("gets all rules of {name}")];
            beyond.extend(more_than_seen.then(|| product(&after)));
            self.found.additions.push(Proposed { item, evidence: Evidence::default(), beyond });
        }
        if let Some(process) = self.listed.get_mut(place) {
            *process = after;
        }
        let mut own = alone;
        for Proposed { item, evidence, .. } in &mut self.found.additions {
            if item.process == place && list(&mut own, item.field).contains(&item.digest) {
                evidence.add(Seen::Before(&executable.evidence));
            }
        }
        Some(name)
    }

    /// A new process, or another release of one that is new, unless that would take in what is set apart.
    fn add(&mut self, executable: &Executable, speaker: &Speaker) -> Option<String> {
        let alone = alone(speaker)?;
        let pair = (speaker.exe, speaker.code);
        let suits = |known: &Proposed<RawProcess>| {
            let after = merged(&known.item, &alone)?;
            (!self.apart.falls_into(&after, &[&known.item, &alone])).then_some(after)
        };
        let of_exe = |known: &&Proposed<RawProcess>| known.item.exe.contains(&speaker.exe);
        let of_path = |known: &&Proposed<RawProcess>| known.item.path.as_deref() == Some(&speaker.name);
        let new = || self.found.new.iter().enumerate();
        let by_exe = new().filter(|(_, known)| of_exe(known));
        let mut candidates = by_exe.chain(new().filter(|(_, known)| of_path(known)));
        let suiting = candidates.find_map(|(place, known)| Some((place, suits(known)?)));
        if let Some((place, after)) = suiting {
            let known = self.found.new.get_mut(place)?;
            known.item = after;
            known.evidence.add(Seen::Before(&executable.evidence));
            self.pairs.get_mut(place)?.insert(pair);
            return Some(known.item.name.clone());
        }
        let file = speaker.name.rsplit('/').next().filter(|file| !file.is_empty());
        let container = alone.container.as_deref().unwrap_or_default();
        let wider = [container, alone.service_account.as_deref().unwrap_or("host")];
        let name = self.names.take(file.unwrap_or(container), &wider);
        let item = RawProcess { name: name.clone(), ..alone };
        let evidence = executable.evidence.clone();
        self.found.new.push(Proposed { item, evidence, beyond: Vec::new() });
        self.pairs.push([pair].into());
        Some(name)
    }

    /// Says where a process allows executables with code lists with which they were not seen.
    fn tell_products(&mut self) {
        for (known, pairs) in self.found.new.iter_mut().zip(&self.pairs) {
            if self::pairs(&known.item) > pairs.len() {
                known.beyond.push(product(&known.item));
            }
        }
    }
}

/// How many executables with how many code lists a process allows.
fn pairs(process: &RawProcess) -> usize {
    process.exe.len().saturating_mul(process.code.len())
}

/// The same in words.
fn product(process: &RawProcess) -> String {
    format!("each of {} executables with each of {} code lists", process.exe.len(), process.code.len())
}

impl Programs {
    fn name(&mut self, executable: &Executable, name: Option<String>) {
        for number in &executable.speakers {
            if let Some(place) = self.names.get_mut(*number) {
                place.clone_from(&name);
            }
        }
    }
}
