//! `procgate policy lint`: every mistake in a policy, and whatever its author should look at twice.

use super::document;
use crate::escape::{escape, path_text};
use crate::failure::Failure;
use crate::files;
use crate::report::{Outcome, Report};
use clap::ValueEnum;
use core::fmt;
use procgate_policy::{Mistake, Mistakes};
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLE: &str = "\
Examples:
  procgate policy lint policy.yaml
  procgate policy lint --fail-on error --output json policies/*.yaml

Mistakes, on account of which the filter refuses a policy, are errors. The exit code is 1 if a
finding is as severe as --fail-on says, and 2 if a file cannot be read.";

/// Look for mistakes in policies, and for rules that do more or less than they seem to.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Policies, YAML or JSON; '-' is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The least severity that makes the exit code 1.
    #[arg(long, value_enum, default_value_t = Severity::Warning, value_name = "SEVERITY")]
    fail_on: Severity,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Note,
    Warning,
    Error,
}

/// What was found in all files.
#[derive(Debug, Serialize)]
pub(crate) struct Linted {
    files: Vec<LintedFile>,
    #[serde(skip)]
    fail_on: Severity,
}

#[derive(Debug, Serialize)]
struct LintedFile {
    file: String,
    findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Finding {
    id: String,
    severity: Severity,
    /// The field; empty for the document as a whole.
    path: String,
    problem: String,
    fix: String,
}

/// Looks every file over.
pub(crate) fn run(args: Args) -> Result<Linted, Failure> {
    let files = args.files.iter().map(|path| lint(path)).collect::<Result<_, Failure>>()?;
    Ok(Linted { files, fail_on: args.fail_on })
}

fn lint(path: &Path) -> Result<LintedFile, Failure> {
    let bytes = files::read(path)?;
    let findings = match document::parse(&bytes, path) {
        Ok(_) => Vec::new(),
        Err(mistakes) => of_mistakes(&mistakes),
    };
    Ok(LintedFile { file: path_text(path), findings })
}

fn of_mistakes(mistakes: &Mistakes) -> Vec<Finding> {
    let finding = |path: &str, problem: String, fix: &str| Finding {
        id: "mistake".into(),
        severity: Severity::Error,
        path: path.into(),
        problem,
        fix: fix.into(),
    };
    let one = |mistake: &Mistake| finding(&mistake.path, mistake.problem.clone(), &mistake.remedy);
    let mut findings: Vec<Finding> = mistakes.as_slice().iter().map(one).collect();
    if mistakes.unlisted() > 0 {
        let problem = format!("{} more mistakes are not listed", mistakes.unlisted());
        findings.push(finding("", problem, "correct those above first"));
    }
    findings
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
        let severity = match self.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let path = if self.path.is_empty() { "the policy" } else { &self.path };
        let (path, problem, fix) = (escape(path), escape(&self.problem), escape(&self.fix));
        write!(out, "{severity}: {path}: {problem}: {fix} [{}]", self.id)
    }
}
