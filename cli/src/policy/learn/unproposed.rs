//! What was seen and is not proposed: for a person to look at, or because nothing can be said.

use super::evidence::{Evidence, Seen};
use super::flows::Flows;
use super::judge::Judge;
use super::lesson::Aside;
use super::merging::{alone, takes_in};
use super::programs::Programs;
use super::proposal::Proposal;
use super::review::Doubt;
use super::told::Told;
use crate::escape::escape;
use crate::records::Speaker;
use core::fmt;
use procgate_policy::{RawProcess, Reason};
use serde::Serialize;
use std::collections::BTreeMap;

/// An executable that a person should look at first.
#[derive(Debug, Serialize)]
pub(super) struct Doubted {
    doubt: Doubt,
    #[serde(flatten)]
    speaker: Who,
    #[serde(skip_serializing_if = "Option::is_none")]
    stray: Option<String>,
    /// Processes of the policy with what is proposed, whose rules are for this, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    taken_in_by: Vec<String>,
    #[serde(flatten)]
    evidence: Told,
}

/// Who it is.
#[derive(Clone, Debug, Serialize)]
struct Who {
    subject: String,
    name: String,
    exe: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script: Option<String>,
}

impl From<&Speaker> for Who {
    fn from(speaker: &Speaker) -> Self {
        Self {
            subject: speaker.subject.clone(),
            name: speaker.name.clone(),
            exe: speaker.exe.to_string(),
            code: speaker.code.map(|code| code.to_string()),
            script: speaker.script.map(|script| script.to_string()),
        }
    }
}

/// Connections with an identity for which no rule is proposed.
#[derive(Debug, Serialize)]
pub(super) struct SetAside {
    why: &'static str,
    #[serde(skip)]
    words: &'static str,
    #[serde(flatten)]
    speaker: Who,
    #[serde(flatten)]
    evidence: Told,
}

pub(super) fn review(flows: &Flows, programs: &Programs, proposal: &Proposal) -> Vec<Doubted> {
    let whole = proposal.whole();
    let doubted = programs.doubted.iter().filter_map(|(executable, doubt)| {
        let speaker = executable.speaker(flows)?;
        let alone = alone(speaker).filter(|_| *doubt != Doubt::NoKey);
        let takes_it_in =
            |process: &&RawProcess| alone.as_ref().is_some_and(|alone| takes_in(process, alone));
        let taken_in_by = whole.processes.iter().filter(takes_it_in).map(|process| process.name.clone());
        Some(Doubted {
            doubt: *doubt,
            speaker: speaker.into(),
            taken_in_by: taken_in_by.collect(),
            stray: executable.stray.clone(),
            evidence: (&executable.evidence).into(),
        })
    });
    let mut doubted: Vec<Doubted> = doubted.collect();
    doubted.sort_by(|a, b| {
        (&a.speaker.subject, &a.speaker.name, &a.speaker.exe).cmp(&(
            &b.speaker.subject,
            &b.speaker.name,
            &b.speaker.exe,
        ))
    });
    doubted
}

pub(super) fn aside(flows: &Flows) -> Vec<SetAside> {
    let all = flows.aside.iter().filter_map(|((number, aside), evidence)| {
        Some(SetAside {
            why: aside.code(),
            words: aside.words(),
            speaker: flows.speaker_of(*number)?.into(),
            evidence: evidence.into(),
        })
    });
    all.collect()
}

/// Why a flow of which a rule denies a part does not count as covered.
const DENIED_IN_PART: (&str, &str) =
    ("denied-in-part", "denied in part by a rule, how often is not told apart: none of it counts as covered");

/// Flows of trusted executables that a rule of the policy denies, or denies a part of.
pub(super) fn denied(flows: &Flows, programs: &Programs, judge: &Judge<'_>) -> Vec<SetAside> {
    let whole = (Aside::DeniedByRule.code(), Aside::DeniedByRule.words());
    let mut by_speaker: BTreeMap<(usize, (&str, &str)), Evidence> = BTreeMap::new();
    for route in &flows.routes {
        if programs.names.get(route.speaker).is_none_or(Option::is_none) {
            continue;
        }
        route.paths.each(&mut Vec::new(), &mut |path, evidence| {
            let said = judge.says(route, path);
            if said.partly(Reason::DeniedByRule) {
                let why = if said.only(Reason::DeniedByRule) { whole } else { DENIED_IN_PART };
                by_speaker.entry((route.speaker, why)).or_default().add(Seen::Before(evidence));
            }
        });
    }
    let told = by_speaker.iter().filter_map(|((number, (why, words)), evidence)| {
        let speaker = flows.speaker_of(*number)?.into();
        Some(SetAside { why, words, speaker, evidence: evidence.into() })
    });
    told.collect()
}

pub(super) fn unverified(flows: &Flows) -> BTreeMap<&'static str, Told> {
    flows.unverified.iter().map(|(reason, evidence)| (*reason, evidence.into())).collect()
}

impl fmt::Display for Doubted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { doubt, speaker, stray, taken_in_by, evidence } = self;
        match (doubt, stray) {
            (Doubt::OffList, Some(stray)) => {
                write!(out, "for review: {speaker} {} ({}): {evidence}", doubt.words(), escape(stray))
            }
            (Doubt::OffList, None) => {
                write!(
                    out,
                    "for review: {speaker} shows no code list or script where there was one: {evidence}"
                )
            }
            _ => write!(out, "for review: {speaker} {}: {evidence}", doubt.words()),
        }?;
        if taken_in_by.is_empty() {
            return Ok(());
        }
        let list = if speaker.script.is_some() { "script" } else { "code list" };
        let names = escape(&taken_in_by.join(", ")).to_string();
        write!(
            out,
            "; {names} takes it in, so its rules are for this, too: pin a {list} there to keep it out"
        )
    }
}

impl fmt::Display for SetAside {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.why == DENIED_IN_PART.0 { "not covered" } else { "not proposed" };
        write!(out, "{what}: {} {}: {}", self.speaker, self.words, self.evidence)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { "(unnamed)" } else { &self.name };
        write!(out, "{} in {}, exe {}", escape(name), escape(&self.subject), self.exe)
    }
}
