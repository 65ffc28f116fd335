//! `procgate policy lint`: every mistake in a policy, and whatever its author should look at twice.

use super::document;
use crate::clock;
use crate::escape::{escape, escape_message, path_text};
use crate::failure::Failure;
use crate::files;
use crate::report::{Outcome, Report};
use clap::ValueEnum;
use core::fmt;
use procgate_identity::UnixNanos;
use procgate_policy::lint::{LintFinding, Severity, lint as lint_model};
use procgate_policy::{Mistake, Mistakes};
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLE: &str = "\
Examples:
  procgate policy lint policy.yaml
  procgate policy lint --fail-on danger --output json policies/*.yaml

Levels, from the least on: note (worth knowing), warning (most likely not what was meant), danger \
(it lets through more than a policy should), mistake (on account of which the filter refuses the \
policy). The exit code is 1 if a finding has the level of --fail-on or a worse one, 2 if a file \
cannot be read.";

/// Look for mistakes in policies, and for rules that do more or less than they seem to.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Policies, YAML or JSON; '-' is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The least level that makes the exit code 1.
    #[arg(long, value_enum, default_value_t = Level::Warning, value_name = "LEVEL")]
    fail_on: Level,
    /// Tell the age of keys as of this time [default: now]. RFC 3339 or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    at: Option<UnixNanos>,
}

/// How bad a finding is: as lint has it, and above that, mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Level {
    Note,
    Warning,
    Danger,
    Mistake,
}

impl Level {
    const fn code(self) -> &'static str {
        match self {
            Self::Note => Severity::Note.code(),
            Self::Warning => Severity::Warning.code(),
            Self::Danger => Severity::Danger.code(),
            Self::Mistake => "mistake",
        }
    }
}

impl From<Severity> for Level {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Note => Self::Note,
            Severity::Warning => Self::Warning,
            Severity::Danger => Self::Danger,
        }
    }
}

/// What was found in all files.
#[derive(Debug, Serialize)]
pub(crate) struct Linted {
    files: Vec<LintedFile>,
    #[serde(skip)]
    fail_on: Level,
}

#[derive(Debug, Serialize)]
struct LintedFile {
    file: String,
    findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Finding {
    id: &'static str,
    severity: Level,
    /// The field; empty for the document as a whole.
    path: String,
    problem: String,
    fix: String,
}

impl From<LintFinding> for Finding {
    fn from(LintFinding { id, path, problem, fix }: LintFinding) -> Self {
        Self { id: id.code(), severity: id.severity().into(), path, problem, fix }
    }
}

impl From<&Mistake> for Finding {
    fn from(Mistake { path, problem, remedy }: &Mistake) -> Self {
        let (path, problem, fix) = (path.clone(), problem.clone(), remedy.clone());
        Self { id: MISTAKE, severity: Level::Mistake, path, problem, fix }
    }
}

/// What a mistake is called where findings of lint have a name of their own.
const MISTAKE: &str = "mistake";

/// Looks every file over.
pub(crate) fn run(args: Args) -> Result<Linted, Failure> {
    let now = args.at.unwrap_or_else(clock::now);
    let files = args.files.iter().map(|path| lint(path, now)).collect::<Result<_, Failure>>()?;
    Ok(Linted { files, fail_on: args.fail_on })
}

fn lint(path: &Path, now: UnixNanos) -> Result<LintedFile, Failure> {
    let findings = match document::parse(&files::read(path)?, path) {
        Ok(document) => {
            let found = lint_model(document.policy.model(), Some(now.seconds()));
            found.into_iter().map(Finding::from).collect()
        }
        Err(mistakes) => of_mistakes(&mistakes),
    };
    Ok(LintedFile { file: path_text(path), findings })
}

fn of_mistakes(mistakes: &Mistakes) -> Vec<Finding> {
    let listed = mistakes.as_slice().iter().map(Finding::from);
    let more = (mistakes.unlisted() > 0).then(|| Finding {
        id: MISTAKE,
        severity: Level::Mistake,
        path: String::new(),
        problem: format!("{} more mistakes are not listed", mistakes.unlisted()),
        fix: "correct those above first".into(),
    });
    listed.chain(more).collect()
}

impl Report for Linted {
    fn outcome(&self) -> Outcome {
        let mut findings = self.files.iter().flat_map(|file| &file.findings);
        if findings.any(|finding| finding.severity >= self.fail_on) {
            Outcome::Findings
        } else {
            Outcome::Fine
        }
    }
}

impl fmt::Display for Linted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for LintedFile { file, findings } in &self.files {
            let file = escape(file);
            findings.iter().try_for_each(|finding| writeln!(out, "{file}: {finding}"))?;
            match findings.len() {
                0 => writeln!(out, "{file}: nothing found")?,
                1 => writeln!(out, "{file}: 1 finding")?,
                count => writeln!(out, "{file}: {count} findings")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the policy" } else { &self.path };
        let (path, problem, fix) = (escape(path), escape_message(&self.problem), escape_message(&self.fix));
        write!(out, "{}: {path}: {problem}: {fix}", self.severity.code())?;
        if self.id == MISTAKE { Ok(()) } else { write!(out, " [{}]", self.id) }
    }
}
