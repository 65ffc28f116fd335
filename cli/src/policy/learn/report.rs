//! What was learnt, for people and for programs.

use super::Draft;
use super::baseline::Baseline;
use super::flows::Flows;
use super::judge::Judge;
use super::proposal::Proposed;
use super::settled::Settled;
use super::told::Told;
use super::unproposed::{Doubted, SetAside, aside, denied, review, unverified};
use crate::escape::{escape, path_text};
use crate::records::Tally;
use crate::report::Report;
use core::fmt;
use procgate_policy::RawPolicy;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What was learnt.
#[derive(Debug, Serialize)]
pub(crate) struct Learnt {
    /// The policy with what is proposed; without one, a summary was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<RawPolicy>,
    processes: Vec<Named>,
    /// Digests that processes of the policy get.
    digests: Vec<Digested>,
    destinations: Vec<String>,
    rules: Vec<Named>,
    review: Vec<Doubted>,
    aside: Vec<SetAside>,
    /// Connections whose identity did not verify, by the reason.
    unverified: BTreeMap<&'static str, Told>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<Settled>,
    baselines: Vec<Baseline>,
    /// Connections of flows that were one too many to tell apart.
    beyond: u64,
    log: Tally,
    #[serde(skip)]
    text: String,
    #[serde(skip)]
    written: Option<String>,
    #[serde(skip)]
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Named {
    name: String,
    #[serde(flatten)]
    evidence: Told,
}

#[derive(Debug, Serialize)]
struct Digested {
    process: String,
    field: &'static str,
    digest: String,
    #[serde(flatten)]
    evidence: Told,
}

/// What a report is made of.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) flows: &'a Flows,
    pub(super) draft: Draft,
    pub(super) judge: &'a Judge<'a>,
    pub(super) settled: Settled,
    pub(super) written: String,
    pub(super) tally: Tally,
}

/// The report of logs that became a summary.
pub(super) fn of_summary(flows: &Flows, tally: Tally) -> Learnt {
    Learnt {
        policy: None,
        processes: Vec::new(),
        digests: Vec::new(),
        destinations: Vec::new(),
        rules: Vec::new(),
        review: Vec::new(),
        aside: aside(flows),
        unverified: unverified(flows),
        settled: None,
        baselines: Vec::new(),
        beyond: flows.beyond,
        warnings: tally.warnings(),
        log: tally,
        text: String::new(),
        written: None,
    }
}

/// The report of a proposal.
pub(super) fn of(parts: Parts<'_>) -> Learnt {
    let Parts { flows, draft, judge, settled, written, tally } = parts;
    let Draft { programs, proposal, baselines, .. } = draft;
    let digests = proposal.additions.iter().map(|proposed| Digested {
        process: proposal
            .base
            .processes
            .get(proposed.item.process)
            .map(|process| process.name.clone())
            .unwrap_or_default(),
        field: proposed.item.field,
        digest: proposed.item.digest.to_string(),
        evidence: Told::of(proposed),
    });
    let mut aside = aside(flows);
    aside.extend(denied(flows, &programs, judge));
    Learnt {
        policy: Some(proposal.whole()),
        processes: proposal.processes.iter().map(|proposed| named(&proposed.item.name, proposed)).collect(),
        digests: digests.collect(),
        destinations: proposal.destinations.iter().map(|destination| destination.name.clone()).collect(),
        rules: proposal.rules.iter().map(|proposed| named(&proposed.item.name, proposed)).collect(),
        review: review(flows, &programs, &proposal),
        aside,
        settled: Some(settled),
        baselines,
        text: written,
        ..of_summary(flows, tally)
    }
}

fn named<T>(name: &str, proposed: &Proposed<T>) -> Named {
    Named { name: name.into(), evidence: Told::of(proposed) }
}

impl Learnt {
    /// The policy's text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The same, when the text went to a file.
    pub(super) fn written_to(self, path: &Path) -> Self {
        Self { written: Some(path_text(path)), ..self }
    }

    /// What there is to say, a line each.
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = match &self.settled {
            Some(settled) => settled.to_string().lines().map(Into::into).collect(),
            None => vec![format!("{} records summarised", self.log.records())],
        };
        if self.policy.is_some() {
            lines.push(format!(
                "proposed: {} processes, {} digests, {} destinations, {} rules",
                self.processes.len(),
                self.digests.len(),
                self.destinations.len(),
                self.rules.len()
            ));
        }
        lines.extend(self.digests.iter().map(ToString::to_string));
        lines.extend(self.review.iter().map(ToString::to_string));
        lines.extend(self.aside.iter().map(ToString::to_string));
        let unverified = self.unverified.iter();
        lines.extend(unverified.map(|(reason, told)| format!("never proposed: {reason}, {told}")));
        lines.extend(self.baselines.iter().map(|baseline| escape(&baseline.to_string()).to_string()));
        if self.beyond > 0 {
            lines.push(format!("{} connections are of still more flows, and not looked at", self.beyond));
        }
        lines
    }
}

impl fmt::Display for Digested {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, field, digest, evidence } = self;
        write!(out, "proposed for {}: {field} {digest}, {evidence}", escape(process))
    }
}

impl Report for Learnt {
    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// The report; or, where the policy goes to no file, the policy with the report as comments before it.
impl fmt::Display for Learnt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = self.policy.is_some() && self.written.is_none();
        let is_json = self.text.trim_start().starts_with('{');
        let prefix = if bare { "# " } else { "" };
        if !(bare && is_json) {
            self.lines().iter().try_for_each(|line| writeln!(out, "{prefix}{line}"))?;
        }
        if bare {
            return out.write_str(&self.text);
        }
        self.written.as_ref().map_or(Ok(()), |file| writeln!(out, "written to {}", escape(file)))
    }
}
