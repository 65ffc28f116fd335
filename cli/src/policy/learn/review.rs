//! Which executables a proposal is made for, and which a person should look at first.

use super::evidence::{DAY, Evidence, hour};
use super::executables::Executable;
use super::flows::Flows;
use super::programs::Known;
use procgate_identity::Digest;
use serde::Serialize;
use std::collections::HashSet;

/// Hours of [`Bar::new_within`]: as many as evidence counts one by one.
pub(super) const MAX_NEW_WITHIN: u64 = 2 * DAY;

/// From when on something is known well enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bar {
    /// Connections, below which it is rare.
    pub(super) rare: u64,
    /// The last hours of which there are records, if there are more than those, within which it is new.
    pub(super) new_within: u64,
}

/// Why somebody should look before this is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Doubt {
    OffList,
    Rare,
    New,
    NoKey,
}

impl Doubt {
    /// For people.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::OffList => "has mapped a file that is not on its code list",
            Self::Rare => "is rare",
            Self::New => "is new, or was rare until lately",
            Self::NoKey => "has a subject that no key of the policy may sign for",
        }
    }
}

/// For each executable, the doubt about it. None is known well enough.
pub(super) fn doubts(
    flows: &Flows,
    executables: &[Executable],
    known: &[Known],
    bar: Bar,
) -> Vec<Option<Doubt>> {
    let time = Time::of(flows, executables, bar);
    let by_evidence: Vec<Option<Doubt>> = executables
        .iter()
        .zip(known)
        .map(|(executable, known)| match known {
            // What the policy lists already needs no evidence.
            Known::As(_) => None,
            Known::OffList => Some(Doubt::OffList),
            Known::Changed(_) => time.doubt(&executable.evidence, true),
            Known::Within(_) => time.doubt_within(flows, executable),
            Known::Not => time.doubt(&executable.evidence, time.has_another(flows, executable)),
            Known::NoKey => time.doubt(&executable.evidence, false).or(Some(Doubt::NoKey)),
        })
        .collect();
    let pinned = Pinned::of(flows, executables, &by_evidence);
    let doubt = |(executable, doubt): (&Executable, &Option<Doubt>)| {
        let off_list = executable.stray.is_some() || pinned.has_another(flows, executable);
        if off_list { Some(Doubt::OffList) } else { *doubt }
    };
    executables.iter().zip(&by_evidence).map(doubt).collect()
}

/// From when on something is new.
struct Time<'f> {
    bar: Bar,
    /// The hour in which that begins.
    since: u64,
    /// Whether the logs reach back twice as far, and not by a rare record or two, whose clock may have been wrong: else
    /// everything would be new.
    reaches_back: bool,
    /// Places and names of what was known by then.
    known: HashSet<(&'f str, &'f str)>,
    /// Places and digests of what was known by then, and of what is not rare.
    known_digests: HashSet<(&'f str, Digest)>,
    usual_digests: HashSet<(&'f str, Digest)>,
}

impl<'f> Time<'f> {
    fn of(flows: &'f Flows, executables: &[Executable], bar: Bar) -> Self {
        let end = flows.covered.last().unwrap_or_default().saturating_add(1);
        // Where there are no more hours with records than that, the clock's are all there is to go by.
        let since = flows.covered.last_but(bar.new_within).unwrap_or(end.saturating_sub(bar.new_within));
        let begin = since.saturating_sub(bar.new_within);
        let is_known = |evidence: &Evidence| evidence.count_before(since) >= bar.rare.max(1);
        let reaches_back = hour(flows.all.first) <= begin && is_known(&flows.all);
        let known = || executables.iter().filter(|executable| is_known(&executable.evidence));
        let usual = executables.iter().filter(|executable| executable.evidence.count >= bar.rare);
        Self {
            bar,
            since,
            reaches_back,
            known: known().flat_map(|known| places(flows, known)).collect(),
            known_digests: known().filter_map(|known| placed_digest(flows, known)).collect(),
            usual_digests: usual.filter_map(|usual| placed_digest(flows, usual)).collect(),
        }
    }

    /// Whether another one was known at the same place by the same name, or with the same digest.
    fn has_another(&self, flows: &Flows, executable: &Executable) -> bool {
        places(flows, executable).any(|place| self.known.contains(&place))
            || placed_digest(flows, executable).is_some_and(|digest| self.known_digests.contains(&digest))
    }

    /// The doubt about what the policy lists without its code list or script. That is as good as listed, unless the same
    /// digest usually shows others: then somebody may have given an interpreter a script of their own.
    fn doubt_within(&self, flows: &Flows, executable: &Executable) -> Option<Doubt> {
        let doubt = self.doubt(&executable.evidence, self.has_another(flows, executable))?;
        let others = if doubt == Doubt::New { &self.known_digests } else { &self.usual_digests };
        placed_digest(flows, executable).is_some_and(|digest| others.contains(&digest)).then_some(doubt)
    }

    /// New is what was rare, if there was any of it, when the last hours began. Where it replaced another one, which was
    /// known by then or is in the policy, it is new by that, however far the logs reach back.
    fn doubt(&self, evidence: &Evidence, replaced: bool) -> Option<Doubt> {
        let Bar { rare, new_within } = self.bar;
        if evidence.count < rare {
            Some(Doubt::Rare)
        } else if new_within > 0
            && (self.reaches_back || replaced)
            && evidence.count_before(self.since) < rare.max(1)
        {
            Some(Doubt::New)
        } else {
            None
        }
    }
}

/// Where it stands, by each name that it had.
fn places<'f>(flows: &'f Flows, executable: &Executable) -> impl Iterator<Item = (&'f str, &'f str)> {
    let speakers = executable.speakers.iter().filter_map(|number| flows.speaker_of(*number));
    speakers.map(|speaker| (speaker.subject.as_str(), speaker.name.as_str()))
}

/// Where it stands, and its digest.
fn placed_digest<'f>(flows: &'f Flows, executable: &Executable) -> Option<(&'f str, Digest)> {
    let speaker = executable.speaker(flows)?;
    Some((&speaker.subject, speaker.exe))
}

/// What shows a code list that nobody doubts, by its place and name, and by its place and digest; by the latter also what
/// has a list and strayed from it.
struct Pinned<'f> {
    names: HashSet<(&'f str, &'f str)>,
    digests: HashSet<(&'f str, Digest)>,
}

impl<'f> Pinned<'f> {
    fn of(flows: &'f Flows, executables: &[Executable], doubts: &[Option<Doubt>]) -> Self {
        let mut pinned = Self { names: HashSet::new(), digests: HashSet::new() };
        let undoubted = executables.iter().zip(doubts).filter(|(_, doubt)| doubt.is_none());
        for (executable, _) in undoubted {
            let Some(speaker) = executable.speaker(flows).filter(|speaker| speaker.code.is_some()) else {
                continue;
            };
            pinned.names.extend(places(flows, executable));
            pinned.digests.insert((&speaker.subject, speaker.exe));
        }
        let strayed = executables.iter().filter(|executable| executable.stray.is_some());
        let strayed = strayed.filter_map(|executable| executable.speaker(flows));
        pinned.digests.extend(strayed.map(|speaker| (speaker.subject.as_str(), speaker.exe)));
        pinned
    }

    /// Whether the same program at the same place, maybe of another release, shows a list where this shows none.
    fn has_another(&self, flows: &Flows, executable: &Executable) -> bool {
        let unlisted = executable.speaker(flows).filter(|speaker| speaker.code.is_none());
        unlisted.is_some_and(|speaker| {
            self.digests.contains(&(speaker.subject.as_str(), speaker.exe))
                || places(flows, executable).any(|place| self.names.contains(&place))
        })
    }
}

/// The usual bar: three connections, and a day.
impl Default for Bar {
    fn default() -> Self {
        Self { rare: 3, new_within: DAY }
    }
}
