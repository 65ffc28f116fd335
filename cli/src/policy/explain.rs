//! `procgate policy explain`: what a policy says about one connection, and why.

use super::document;
use super::proposal::{Proposal, no_patch};
use super::question::{Question, QuestionArgs};
use super::speaker::Speaker;
use crate::escape::{escape, escape_message};
use crate::failure::{Failure, Problem};
use crate::files;
use crate::report::{Outcome, Report};
use core::fmt;
use core::mem::ManuallyDrop;
use procgate_policy::edit::NoEdit;
use procgate_policy::explain::{ExplainedRule, Explanation, explain};
use procgate_policy::{CheckedPolicy, Mode, RawPolicy, Reason};
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLE: &str = "\
Examples:
  procgate policy explain --policy policy.yaml --process checkout \\
      --host payments.shop.svc.cluster.local --address 10.4.0.9:8080 --method POST --path /charge/1
  procgate policy explain --policy policy.yaml --exe /usr/bin/curl --container app \\
      --namespace shop --service-account checkout --address 10.4.0.9:8080
  procgate policy explain --policy policy.yaml --unidentified --host api.example --method GET
  procgate policy explain --policy policy.yaml --id 426c33cdc03c-0 access.log
  procgate policy explain --policy policy.yaml --id 426c33cdc03c-0 --patch access.log | git apply
  tail -1 access.log | procgate policy explain --policy policy.yaml -

Of a denied connection it tells the rule that lacks the least, and what to add to the policy to allow it. \
That has been tried: with it, this policy allows this connection. The exit code is 0 if the policy allows \
the connection and 1 if it denies it, in audit mode too.";

/// Say whether a policy allows a connection, by which rule, what the nearest rule lacks, and what to add.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The policy, YAML or JSON; '-' is standard input.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    question: QuestionArgs,
    /// Hold the connection against this rule, instead of the nearest one.
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// Print a patch of the policy that allows the connection, for `git apply` or `patch`, and nothing else.
    #[arg(long)]
    patch: bool,
}

/// What the policy says, and why.
#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    pub(super) decision: &'static str,
    pub(super) reason: &'static str,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<Compared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edit: Option<Proposal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    next: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// A rule that the connection was held against.
#[derive(Debug, Serialize)]
struct Compared {
    rule: String,
    effect: &'static str,
    /// The conditions that do not hold.
    failed: Vec<Condition>,
}

/// A condition of a rule.
#[derive(Debug, Serialize)]
struct Condition {
    field: &'static str,
    what: String,
}

impl From<&ExplainedRule<'_>> for Compared {
    fn from(ExplainedRule { name, effect, failed }: &ExplainedRule<'_>) -> Self {
        let failed =
            failed.iter().map(|failed| Condition { field: failed.field(), what: failed.to_string() });
        Self { rule: (*name).into(), effect: effect.code(), failed: failed.collect() }
    }
}

/// Judges the connection and looks at the rule next to it.
pub(crate) fn run(args: Args) -> Result<Explained, Failure> {
    let text = files::read_text(&args.policy)?;
    // Taking 10,000 rules apart again would take a tenth of the time, just before all memory goes.
    let policy = ManuallyDrop::new(document::checked(text.as_bytes(), &args.policy)?);
    let question = args.question.resolve(policy.model())?;
    let explained = answer(&policy, &question, args.rule.as_deref())?;
    if args.patch { Ok(explained.with_patch(&args.policy, &text, policy.raw())?) } else { Ok(explained) }
}

/// What the policy says to a question, held against the rule of this name or the nearest.
pub(super) fn answer(
    policy: &CheckedPolicy,
    question: &Question,
    rule: Option<&str>,
) -> Result<Explained, Problem> {
    let destination = question.destination();
    let explanation = explain(policy, question.speaker.presented(), &destination).map_err(Problem::new)?;
    if let Some(name) = rule.filter(|name| !policy.raw().rules.iter().any(|rule| rule.name == *name)) {
        let problem = Problem::new(format!("the policy has no rule {name}")).at("--rule");
        return Err(problem.next("name one of its rules"));
    }
    let compared = rule.or(explanation.nearest).and_then(|name| held_against(&explanation, name));
    let allowed = explanation.reason == Reason::Allowed;
    let refused = matches!(question.speaker, Speaker::Refused(_));
    let edit =
        (!allowed && !refused).then(|| Proposal::to_allow(policy, question.speaker.claims(), &destination));
    let mut warnings = question.warnings(explanation.reason);
    if !refused && explanation.reason != Reason::DeniedByRule {
        warnings.extend(question.left_open(policy.model().needs()));
    }
    Ok(Explained {
        decision: if allowed { "allow" } else { "deny" },
        reason: explanation.reason.code(),
        mode: explanation.mode.code(),
        detail: explanation.detail.clone(),
        subject: question.speaker.claims().map(|claims| claims.subject.to_string()),
        process: explanation.process.map(Into::into),
        rule: explanation.rule.map(Into::into),
        next: if explanation.reason == Reason::NoMatchingRule && compared.is_some() {
            "Change the rule where it fails, or add one for this connection."
        } else {
            explanation.reason.next_step()
        },
        compared,
        edit,
        patch: None,
        warnings,
    })
}

impl Explained {
    /// With the edit as a patch, of which is said by warnings what goes beyond the connection.
    fn with_patch(mut self, file: &Path, text: &str, policy: &RawPolicy) -> Result<Self, Problem> {
        let (patch, more) = match &self.edit {
            Some(edit) => edit.patch(file, text, policy).map(|(patch, broad)| (patch, broad.to_vec()))?,
            None if self.outcome() == Outcome::Fine => (String::new(), vec![NoEdit::Allowed.to_string()]),
            None => return Err(no_patch(NoEdit::Identity)),
        };
        self.patch = Some(patch);
        self.warnings.extend(more);
        Ok(self)
    }
}

fn held_against(explanation: &Explanation<'_>, name: &str) -> Option<Compared> {
    explanation.rules.iter().find(|rule| rule.name == name).map(Compared::from)
}

impl Report for Explained {
    fn outcome(&self) -> Outcome {
        if self.decision == "allow" { Outcome::Fine } else { Outcome::Findings }
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(patch) = &self.patch {
            return out.write_str(patch);
        }
        match (self.decision, self.mode == Mode::Audit.code()) {
            ("allow", _) => writeln!(out, "{}", self.reason)?,
            (_, false) => writeln!(out, "denied: {}", self.reason)?,
            (_, true) => writeln!(out, "denied: {} (mode audit: it proceeds all the same)", self.reason)?,
        }
        if let Some(detail) = &self.detail {
            writeln!(out, "  seen       {}", escape_message(detail))?;
        }
        for (name, value) in [("container", &self.subject), ("process", &self.process), ("rule", &self.rule)]
        {
            if let Some(value) = value {
                writeln!(out, "  {name:<10} {}", escape(value))?;
            }
        }
        if let Some(compared) = &self.compared {
            write!(out, "{compared}")?;
        }
        if let Some(edit) = &self.edit {
            write!(out, "{edit}")?;
        }
        writeln!(out, "  next       {}", self.next)
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "  compared   with the rule {} ({}):", escape(&self.rule), self.effect)?;
        if self.failed.is_empty() {
            writeln!(out, "    holds    all of it")?;
        }
        for Condition { field, what } in &self.failed {
            writeln!(out, "    fails    {field}: {}", escape(what))?;
        }
        Ok(())
    }
}
