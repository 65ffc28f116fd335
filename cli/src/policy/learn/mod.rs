//! `procgate policy learn`: from what audit mode saw to the rules that would allow it.
//!
//! Logs become flows with their evidence (`flows`, `paths`, `evidence`), or a file of them (`summary`).
//! Of these, `review` sets apart what a person should look at, `programs` finds the processes,
//! `proposal` and `rules` make the rest, as general as `generalise` lets them, and `document` puts them into the
//! policy's own text.

mod baseline;
mod covered;
mod document;
mod evidence;
mod executables;
mod flows;
mod generalise;
mod judge;
mod lesson;
mod merging;
mod names;
mod paths;
mod pods;
mod programs;
mod proposal;
mod report;
mod review;
mod route;
mod row;
mod rules;
mod settled;
mod summary;
mod told;
mod unproposed;

use super::document::{self as policy_file, Document};
use crate::failure::{Failure, Problem};
use crate::files;
use crate::records::{LogArgs, Tally};
use baseline::Baseline;
use core::ops::ControlFlow;
use flows::Flows;
use judge::Judge;
use pods::Pod;
use procgate_policy::{Policy, RawPolicy};
pub(super) use programs::Addition;
use programs::Programs;
use proposal::{Proposal, Proposed};
use report::Learnt;
use review::Bar;
use std::path::{Path, PathBuf};

const EXAMPLE: &str = "\
Examples:
  procgate policy learn --merge policy.yaml access.log
  procgate policy learn --merge policy.yaml --out policy.yaml logs/*.gz
  procgate policy learn --partial monday.ndjson logs/monday/*.gz
  procgate policy learn --merge policy.yaml --combine monday.ndjson tuesday.ndjson

Run the policy in mode audit, with the keys in place, and learn from the access logs of some days. What is \
proposed is printed, or written to --out: the policy's own text, in which comments, order and names stay, with \
new processes, destinations and rules, each with its evidence behind it. What the policy allows already, or \
denies by a rule, is left alone. Nothing is proposed for connections whose identity did not verify.

The exit code is 0, whatever was found; 2 if a file cannot be read or, with --strict, a line not understood.";

/// Propose processes, destinations and rules for what audit mode saw.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
#[command(group = clap::ArgGroup::new("aim").required(true).multiple(false).args(["merge", "partial"]))]
pub(crate) struct Args {
    #[command(flatten)]
    logs: LogArgs,
    /// The policy, YAML or JSON, that the proposal is put into.
    #[arg(long, value_name = "POLICY")]
    merge: Option<PathBuf>,
    /// Write the policy with the proposal to this file, which may be the policy itself.
    #[arg(long, value_name = "FILE", requires = "merge")]
    out: Option<PathBuf>,
    /// Write a summary of the logs to this file instead, a new one or that of a summary, to be combined with others.
    #[arg(long, value_name = "FILE")]
    partial: Option<PathBuf>,
    /// The given files are summaries, not logs.
    #[arg(long, conflicts_with = "pod")]
    combine: bool,
    /// An executable seen less often than this is set apart for review.
    #[arg(long, value_name = "COUNT", default_value_t = Bar::default().rare)]
    rare: u64,
    /// An executable that was rare until the last so many hours of which there are records is new, and set apart for
    /// review, if the logs reach back as far again; where it replaced another one, however far they reach back.
    /// At most 48, since no more are counted one by one.
    #[arg(long, value_name = "HOURS", default_value_t = Bar::default().new_within)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=review::MAX_NEW_WITHIN))]
    new_within: u64,
    /// Propose one rule for all that have the same value of this label, where it explains what was seen.
    #[arg(long, value_name = "LABEL", requires = "merge")]
    baseline: Option<String>,
}

/// Learns, and writes what was asked for.
pub(crate) fn run(args: Args) -> Result<Learnt, Failure> {
    for (written, option) in [(&args.partial, "--partial"), (&args.out, "--out")] {
        written.as_deref().map_or(Ok(()), |written| args.logs.spare(written, option))?;
    }
    args.partial.as_deref().map_or(Ok(()), summary::spare)?;
    let mut flows = Flows::default();
    let tally = if args.combine { combine(&args.logs, &mut flows)? } else { read(&args.logs, &mut flows)? };
    if let Some(path) = &args.partial {
        files::write_lines_whole(path, &summary::lines(&flows))?;
    }
    let Some(policy) = &args.merge else { return Ok(report::of_summary(&flows, tally)) };
    let bar = Bar { rare: args.rare, new_within: args.new_within };
    let learnt = propose(policy, &flows, bar, args.baseline.as_deref(), tally)?;
    match &args.out {
        Some(out) => {
            files::write_whole(out, learnt.text())?;
            Ok(learnt.written_to(out))
        }
        None => Ok(learnt),
    }
}

fn read(logs: &LogArgs, flows: &mut Flows) -> Result<Tally, Failure> {
    let mut pod = Pod::new("");
    logs.read(|entry| {
        if *pod.name != *entry.pod {
            pod = Pod::new(entry.pod);
        }
        if !entry.misdated {
            flows.record(&entry.record, entry.alike, &pod);
        }
        Ok(ControlFlow::Continue(()))
    })
}

fn combine(summaries: &LogArgs, flows: &mut Flows) -> Result<Tally, Failure> {
    let mut reading = summary::Reading::default();
    summaries.files().iter().try_for_each(|path| reading.file(path, flows))?;
    summaries.judge(reading.finish())
}

/// A policy's text with digests added to its processes.
pub(super) fn with_digests(
    file: &Path,
    text: &str,
    base: &RawPolicy,
    additions: Vec<Addition>,
) -> Result<String, Problem> {
    let (processes, destinations, rules) = Default::default();
    let additions = additions.into_iter().map(Proposed::unseen).collect();
    let proposal = Proposal { base: base.clone(), additions, processes, destinations, rules };
    document::write(file, text, &proposal).map_err(|problem| problem.in_file(file))
}

fn propose(
    path: &Path,
    flows: &Flows,
    bar: Bar,
    label: Option<&str>,
    tally: Tally,
) -> Result<Learnt, Failure> {
    let text = files::read_text(path)?;
    let base = policy_file::of_text(text.as_bytes(), path)?;
    let draft = Draft::of(flows, bar, &base, label)?;
    if let Some(label) = label.filter(|_| !draft.has_baseline) {
        let problem =
            Problem::new(format!("the label {label} does not explain what was seen")).at("--baseline");
        return Err(problem.next("leave it out, or name a label that the report names").into());
    }
    let written = document::write(path, &text, &draft.proposal).map_err(|problem| problem.in_file(path))?;
    let last_day = settled::last_day(flows);
    let earlier = Draft::of(&flows.before(last_day), bar, &base, label)?.policy()?;
    let whole = draft.policy()?;
    let judge = Judge::under(&whole, flows)?;
    let settled = settled::of(flows, last_day, bar, &judge, &Judge::under(&earlier, flows)?);
    Ok(report::of(report::Parts { flows, draft, judge: &judge, settled, written, tally }))
}

/// What is made of flows.
#[derive(Debug)]
struct Draft {
    programs: Programs,
    proposal: Proposal,
    baselines: Vec<Baseline>,
    /// Whether the rules are those of the baseline that was asked for.
    has_baseline: bool,
}

impl Draft {
    fn of(flows: &Flows, bar: Bar, base: &Document, label: Option<&str>) -> Result<Self, Problem> {
        let programs = programs::find(flows, bar, &base.raw, &base.policy)?;
        let mut proposal = proposal::make(flows, &base.raw, &programs)?;
        let baselines = baseline::find(flows, &programs.names, &proposal);
        let chosen = baselines.iter().find(|baseline| Some(baseline.label()) == label);
        let has_baseline = chosen.is_some();
        if let Some(chosen) = chosen {
            baseline::apply(chosen, &mut proposal);
        }
        Ok(Self { programs, proposal, baselines, has_baseline })
    }

    /// The policy with what is proposed.
    fn policy(&self) -> Result<Policy, Problem> {
        Policy::new(&self.proposal.whole()).map_err(Problem::new)
    }
}
