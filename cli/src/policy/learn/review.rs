//! Which executables a proposal is made for, and which a person should look at first.

use super::evidence::{Evidence, HOURS};
use super::flows::Flows;
use crate::records::Speaker;
use procgate_identity::UnixNanos;
use serde::Serialize;

const NANOS_PER_HOUR: u64 = 3_600_000_000_000;

/// From when on something is known well enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bar {
    /// Connections, below which it is rare.
    pub(super) rare: u64,
    /// Hours before the end of the logs, within which it is new.
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
            Self::New => "is new",
            Self::NoKey => "has a subject that no key of the policy may sign for",
        }
    }
}

/// For each speaker, the doubt about it. None is known well enough.
pub(super) fn doubts(flows: &Flows, bar: Bar) -> Vec<Option<Doubt>> {
    let end = flows.all.last;
    let speakers = flows.speakers.list();
    let known: Vec<Option<Doubt>> =
        flows.of_speaker.iter().map(|evidence| by_evidence(evidence, flows.all.first, end, bar)).collect();
    let on_list = |speaker: &Speaker| {
        let others = speakers.iter().zip(&known);
        let mut alike = others.filter(|(other, doubt)| doubt.is_none() && is_alike(speaker, other));
        alike.any(|(other, _)| other.code.is_some())
    };
    let doubt = |(speaker, doubt): (&Speaker, &Option<Doubt>)| {
        if speaker.code.is_none() && on_list(speaker) { Some(Doubt::OffList) } else { *doubt }
    };
    speakers.iter().zip(&known).map(doubt).collect()
}

/// New is only what began after a time that is at least as long.
fn by_evidence(evidence: &Evidence, begin: UnixNanos, end: UnixNanos, bar: Bar) -> Option<Doubt> {
    let window = bar.new_within.saturating_mul(NANOS_PER_HOUR);
    let since = end.0.saturating_sub(window);
    if evidence.count < bar.rare {
        Some(Doubt::Rare)
    } else if window > 0 && evidence.first.0 > since && begin.0.saturating_add(window) <= since {
        Some(Doubt::New)
    } else {
        None
    }
}

/// Whether it is the same program at the same place, maybe of another release.
fn is_alike(one: &Speaker, other: &Speaker) -> bool {
    (&one.subject, &one.name) == (&other.subject, &other.name)
}

/// The usual bar: three connections, and a day.
impl Default for Bar {
    fn default() -> Self {
        Self { rare: 3, new_within: HOURS }
    }
}
