//! What runs: an executable with its code and its script, at a subject's place. It is what evidence and doubts are
//! about; the labels that it carries, and the name by which it was started, make it no other one.

use super::evidence::{Evidence, Seen};
use super::flows::Flows;
use crate::records::{Runs, Speaker};
use std::collections::BTreeMap;

/// One of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Executable {
    /// The numbers of the speakers that it was, the most frequent first.
    pub(super) speakers: Vec<usize>,
    pub(super) evidence: Evidence,
    /// The least path of a file that it mapped and that is not on its code list.
    pub(super) stray: Option<String>,
}

impl Executable {
    /// The speaker that it was most often.
    pub(super) fn speaker<'f>(&self, flows: &'f Flows) -> Option<&'f Speaker> {
        flows.speaker_of(*self.speakers.first()?)
    }
}

/// All that were seen, the most frequent first, so that a name goes to whom it fits best.
pub(super) fn of(flows: &Flows) -> Vec<Executable> {
    let speakers = flows.speakers.list();
    let mut by_runs: BTreeMap<Runs<'_>, Executable> = BTreeMap::new();
    let mut order: Vec<usize> = (0..speakers.len()).collect();
    let count = |number: &usize| flows.of_speaker.get(*number).map_or(0, |evidence| evidence.count);
    order.sort_by_key(|number| (core::cmp::Reverse(count(number)), speakers.get(*number)));
    for number in order.into_iter().filter(|number| count(number) > 0) {
        let Some((speaker, evidence)) = speakers.get(number).zip(flows.of_speaker.get(number)) else {
            continue;
        };
        let executable = by_runs.entry(speaker.runs()).or_default();
        executable.speakers.push(number);
        executable.evidence.add(Seen::Before(evidence));
        let strays = flows.strays.get(number).cloned().flatten().map(|stray| stray.path).into_iter();
        executable.stray = strays.chain(executable.stray.take()).min();
    }
    let mut all: Vec<Executable> = by_runs.into_values().collect();
    all.sort_by_key(|executable| (core::cmp::Reverse(executable.evidence.count), executable.speaker(flows)));
    all
}
