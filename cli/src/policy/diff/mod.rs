//! `procgate policy diff`: what another version of a policy decides differently.

mod trust;

use super::document;
use crate::escape::escape;
use crate::failure::{Failure, Problem};
use crate::report::{Outcome, Report};
use crate::words::Words;
use core::fmt;
use procgate_policy::Reason;
use procgate_policy::diff::{self, Change, ChangeKind, DocumentChange};
use serde::Serialize;
use std::path::PathBuf;
use trust::{ModeChange, TokenChange, Tokens};

const EXAMPLE: &str = "\
Examples:
  procgate policy diff policy.yaml proposed.yaml
  git show main:policy.yaml | procgate policy diff - policy.yaml --output json

First what was changed in the text, then what that comes to: what proceeds under another mode, which tokens \
the keys no longer accept or accept now, and of the identities that verify every pair of different outcomes that some \
connection has, and one such connection, as options of `procgate policy explain`; what it does not name \
plays no part. The exit code is 0 if nothing differs and 1 if something does.";

/// Things of a kind that are printed in text: what somebody reads through.
const MAX_PRINTED: usize = 40;

/// Say which connections another version of a policy allows, denies or decides by another rule.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The policy as it was, YAML or JSON; '-' is standard input.
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// The policy as it will be.
    #[arg(value_name = "AFTER")]
    after: PathBuf,
}

/// Everything that differs.
#[derive(Debug, Serialize)]
pub(crate) struct Difference {
    /// What was changed in the text.
    document: Vec<Edited>,
    /// Another mode: what proceeds although it is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<ModeChange>,
    /// Tokens that verify under one policy only.
    tokens: Vec<Tokens>,
    /// What that comes to for identities that verify.
    changes: Vec<Changed>,
    /// What may have changed too, and could not be found out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    undecided: Vec<[Decided; 2]>,
}

/// One thing of the policy that was changed.
#[derive(Debug, Serialize)]
struct Edited {
    part: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    what: String,
}

/// Connections that fare otherwise.
#[derive(Debug, Serialize)]
struct Changed {
    kind: &'static str,
    before: Decided,
    after: Decided,
    example: Words,
}

/// What a policy decides.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Decided {
    decision: &'static str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
}

impl From<diff::Outcome<'_>> for Decided {
    fn from(outcome: diff::Outcome<'_>) -> Self {
        let decision = if outcome.allows() { "allow" } else { "deny" };
        Self { decision, reason: outcome.reason.code(), rule: outcome.rule.map(Into::into) }
    }
}

impl From<Change<'_>> for Changed {
    fn from(change: Change<'_>) -> Self {
        Self {
            kind: change.kind().code(),
            before: change.before.into(),
            after: change.after.into(),
            example: (&change.example).into(),
        }
    }
}

impl From<DocumentChange> for Edited {
    fn from(DocumentChange { part, name, what }: DocumentChange) -> Self {
        Self { part: part.word(), name, what }
    }
}

/// Compares the two.
pub(crate) fn run(args: Args) -> Result<Difference, Failure> {
    let (before, after) = (document::load(&args.before)?, document::load(&args.after)?);
    let difference = diff::diff(&before.policy, &after.policy).map_err(Problem::new)?;
    let (model_before, model_after) = (before.policy.model(), after.policy.model());
    Ok(Difference {
        mode: ModeChange::between(model_before, model_after),
        tokens: trust::tokens(model_before, model_after),
        document: difference.document.into_iter().map(Into::into).collect(),
        changes: difference.changes.into_iter().map(Into::into).collect(),
        undecided: difference
            .undecided
            .into_iter()
            .map(|(before, after)| [before.into(), after.into()])
            .collect(),
    })
}

impl Difference {
    fn is_empty(&self) -> bool {
        self.document.is_empty() && self.changes.is_empty() && self.undecided.is_empty()
    }
}

impl Report for Difference {
    fn outcome(&self) -> Outcome {
        if self.is_empty() { Outcome::Fine } else { Outcome::Findings }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(out, "nothing differs");
        }
        for Edited { part, name, what } in &self.document {
            let name = name.as_ref().map_or(String::new(), |name| format!(" {}", escape(name)));
            writeln!(out, "{part}{name}: {}", escape(what))?;
        }
        if let Some(mode) = &self.mode {
            writeln!(out, "\n{mode}")?;
        }
        for (kind, heading) in [
            (TokenChange::NewlyAccepted, "tokens newly accepted"),
            (TokenChange::NewlyRefused, "tokens newly refused"),
        ] {
            let tokens: Vec<_> = self.tokens.iter().filter(|tokens| tokens.kind == kind).collect();
            fmt_kind(heading, &tokens, out, |shown, out| {
                shown.iter().try_for_each(|tokens| writeln!(out, "  {tokens}"))
            })?;
        }
        if self.changes.is_empty() && self.undecided.is_empty() {
            let apart = self.mode.is_some() || !self.tokens.is_empty();
            let apart = if apart { "\napart from that " } else { "" };
            return writeln!(out, "{apart}every connection is decided as before");
        }
        for (kind, heading) in [
            (ChangeKind::NewlyAllowed, "newly allowed"),
            (ChangeKind::NewlyDenied, "newly denied"),
            (ChangeKind::DecidedOtherwise, "decided otherwise"),
        ] {
            let changes: Vec<&Changed> =
                self.changes.iter().filter(|change| change.kind == kind.code()).collect();
            fmt_kind(heading, &changes, out, |shown, out| {
                shown
                    .chunk_by(|one, next| one.after == next.after)
                    .try_for_each(|group| fmt_group(group, out))
            })?;
        }
        fmt_undecided(&self.undecided, out)
    }
}

/// Things of one kind under their heading, as far as somebody reads through them.
fn fmt_kind<T>(
    heading: &str,
    all: &[T],
    out: &mut fmt::Formatter<'_>,
    fmt_shown: impl Fn(&[T], &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    if all.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{heading}")?;
    let (shown, more) = all.split_at(all.len().min(MAX_PRINTED));
    fmt_shown(shown, out)?;
    fmt_more(more.len(), out)
}

/// Changes that come to the same.
fn fmt_group(group: &[&Changed], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(first) = group.first() else { return Ok(()) };
    writeln!(out, "  now {}", first.after)?;
    group.iter().try_for_each(|Changed { before, example, .. }| {
        writeln!(out, "    before: {before}\n      e.g. {example}")
    })
}

fn fmt_undecided(undecided: &[[Decided; 2]], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let heading = "not found out, for the rules overlap in too many ways, or too much differs";
    fmt_kind(heading, undecided, out, |shown, out| {
        shown.iter().try_for_each(|[before, after]| writeln!(out, "  before: {before}, now: {after}"))
    })
}

fn fmt_more(more: usize, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    if more == 0 { Ok(()) } else { writeln!(out, "  and {more} more: `--output json` lists all") }
}

impl fmt::Display for Decided {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule.as_deref().map(escape);
        match (self.decision, rule) {
            ("allow", Some(rule)) => write!(out, "allowed by {rule}"),
            (_, Some(rule)) if self.reason == Reason::DeniedByRule.code() => write!(out, "denied by {rule}"),
            (_, Some(rule)) => write!(out, "denied as {}, by {rule}", self.reason),
            (_, None) => write!(out, "denied as {}", self.reason),
        }
    }
}
