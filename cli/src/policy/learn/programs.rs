//! Which process of the policy each speaker is, or becomes.

use super::flows::Flows;
use super::names::Names;
use super::review::Doubt;
use crate::failure::Problem;
use crate::policy::spoken;
use crate::records::Speaker;
use procgate_identity::{RefusalReason, Subject};
use procgate_policy::{Destination, Policy, RawPolicy, RawProcess, Reason};

/// A digest that a process of the policy lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Addition {
    /// The process's place in the policy's list.
    pub(in crate::policy) process: usize,
    /// `exe`, `code` or `script`.
    pub(in crate::policy) field: &'static str,
    pub(in crate::policy) digest: procgate_identity::Digest,
}

/// Speakers as processes.
#[derive(Debug, Default)]
pub(super) struct Programs {
    /// The name of the process, at the speaker's number; none where a person should look first.
    pub(super) names: Vec<Option<String>>,
    pub(super) additions: Vec<Addition>,
    /// New processes, and the speakers that each has.
    pub(super) new: Vec<(RawProcess, Vec<usize>)>,
}

/// Finds or makes the process of each speaker that nobody doubts. A doubt may come up here; and that somebody is
/// new or rare is none where the policy lists exactly that process already.
pub(super) fn find(
    flows: &Flows,
    doubts: &mut [Option<Doubt>],
    base: &RawPolicy,
    policy: &Policy,
) -> Result<Programs, Problem> {
    let speakers = flows.speakers.list();
    let mut found = Programs { names: vec![None; speakers.len()], ..Programs::default() };
    let mut names = Names::taken(base.processes.iter().map(|process| process.name.as_str()));
    // The most frequent first, so that a name goes to whom it fits best.
    let mut order: Vec<usize> = (0..speakers.len()).collect();
    let count = |number: &usize| flows.of_speaker.get(*number).map_or(0, |evidence| evidence.count);
    order.sort_by_key(|number| (core::cmp::Reverse(count(number)), speakers.get(*number)));
    for number in order {
        let Some((speaker, doubt)) = speakers.get(number).zip(doubts.get_mut(number)) else { continue };
        let known = known(policy, speaker, flows)?;
        if matches!((&known, &doubt), (Known::As(_), Some(Doubt::Rare | Doubt::New))) {
            *doubt = None;
        }
        if doubt.is_some() {
            continue;
        }
        match known {
            Known::As(name) => found.name(number, name),
            Known::Changed(name) => match lacking(base, &name, speaker) {
                Some(additions) => {
                    let new = additions.into_iter().filter(|addition| !found.additions.contains(addition));
                    let new: Vec<Addition> = new.collect();
                    found.additions.extend(new);
                    found.name(number, name);
                }
                None => *doubt = Some(Doubt::OffList),
            },
            Known::Not => found.add(number, speaker, &mut names),
            Known::NoKey => *doubt = Some(Doubt::NoKey),
        }
    }
    Ok(found)
}

/// What the policy makes of a speaker.
enum Known {
    As(String),
    Changed(String),
    Not,
    NoKey,
}

fn known(policy: &Policy, speaker: &Speaker, flows: &Flows) -> Result<Known, Problem> {
    let Some(identity) = spoken::resolve(policy, speaker, flows.all.last)? else { return Ok(Known::NoKey) };
    let nowhere = policy.resolve_destination(&Destination::default());
    let finding = policy.decide(&identity, &nowhere, None).finding;
    let name = finding.process.map(String::from);
    Ok(match (finding.reason, name) {
        (Reason::CodeChanged, Some(name)) => Known::Changed(name),
        (Reason::Allowed | Reason::DeniedByRule | Reason::NoMatchingRule, Some(name)) => Known::As(name),
        (Reason::Identity(RefusalReason::OutsideKeyScope), _) => Known::NoKey,
        _ => Known::Not,
    })
}

/// What the process has to list so that it is this speaker; nothing where it pins what the speaker has not.
fn lacking(base: &RawPolicy, name: &str, speaker: &Speaker) -> Option<Vec<Addition>> {
    let place = base.processes.iter().position(|process| process.name == name)?;
    let process = base.processes.get(place)?;
    let mut additions = Vec::new();
    if !process.exe.contains(&speaker.exe) {
        additions.push(Addition { process: place, field: "exe", digest: speaker.exe });
    }
    for (field, pinned, shown) in
        [("code", &process.code, speaker.code), ("script", &process.script, speaker.script)]
    {
        if !pinned.is_empty() && !pinned.contains(&shown?) {
            additions.push(Addition { process: place, field, digest: shown? });
        }
    }
    Some(additions)
}

impl Programs {
    fn name(&mut self, number: usize, name: String) {
        if let Some(place) = self.names.get_mut(number) {
            *place = Some(name);
        }
    }

    /// A new process, or another release of one that is new.
    fn add(&mut self, number: usize, speaker: &Speaker, names: &mut Names) {
        let Ok(subject) = speaker.subject.parse::<Subject>() else { return };
        let place = placed(&subject);
        let script: Vec<_> = speaker.script.into_iter().collect();
        let alike = |process: &RawProcess| {
            (&process.container, &process.namespace, &process.service_account)
                == (&place.container, &place.namespace, &place.service_account)
                && process.script == script
        };
        let of_exe = |process: &RawProcess| alike(process) && process.exe.contains(&speaker.exe);
        let of_path =
            |process: &RawProcess| alike(process) && process.path.as_deref() == Some(speaker.name.as_str());
        let same = self.new.iter().position(|(process, _)| of_exe(process));
        let same = same.or_else(|| self.new.iter().position(|(process, _)| of_path(process)));
        if let Some((process, numbers)) = same.and_then(|at| self.new.get_mut(at)) {
            push_new(&mut process.exe, Some(speaker.exe));
            // A list that not all of them have pins nobody.
            if speaker.code.is_some() && !process.code.is_empty() {
                push_new(&mut process.code, speaker.code);
            }
            numbers.push(number);
            let name = process.name.clone();
            return self.name(number, name);
        }
        let file = speaker.name.rsplit('/').next().filter(|file| !file.is_empty());
        let wider = [subject.container(), subject.service_account().unwrap_or("host")];
        let name = names.take(file.unwrap_or(subject.container()), &wider);
        let path = Some(speaker.name.clone()).filter(|path| path.starts_with('/'));
        let code = speaker.code.into_iter().collect();
        let exe = vec![speaker.exe];
        let process = RawProcess { name: name.clone(), exe, code, script, path, ..place };
        self.new.push((process, vec![number]));
        self.name(number, name);
    }
}

fn placed(subject: &Subject) -> RawProcess {
    RawProcess {
        container: Some(subject.container().into()),
        namespace: subject.namespace().map(Into::into),
        service_account: subject.service_account().map(Into::into),
        ..RawProcess::default()
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: Option<T>) {
    if let Some(item) = item.filter(|item| !list.contains(item)) {
        list.push(item);
    }
}
