//! `procgate policy lint`: every mistake in a policy, and whatever its author should look at twice.

mod sarif;

use super::lines::{Lines, Place};
use super::{document, suffix};
use crate::clock;
use crate::escape::{escape, escape_message, path_text};
use crate::failure::{Failure, Problem};
use crate::files;
use crate::records::{self, HowArgs, Memo};
use crate::report::{Outcome, Report};
use clap::ValueEnum;
use core::fmt;
use core::ops::ControlFlow;
use procgate_identity::UnixNanos;
use procgate_policy::lint::{Circumstances, LintFinding, Seen, Severity, lint as lint_policy};
use procgate_policy::{Mistake, Mistakes};
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLE: &str = "\
Examples:
  procgate policy lint policy.yaml
  procgate policy lint --fail-on danger --output json policies/*.yaml
  procgate policy lint policy.yaml --logs access.log*.gz        also what nobody uses
  procgate policy lint --output sarif policy.yaml >lint.sarif   for code review

Levels, from the least on: note (worth knowing), warning (most likely not what was meant), danger \
(it lets through more than a policy should), mistake (on account of which the filter refuses the \
policy). The exit code is 1 if a finding has the level of --fail-on or a worse one, 2 if a file \
cannot be read. docs/lint.md says what each finding is about. A policy can say that a finding is \
fine, and why: lint: {suppress: [{finding: wide-range, at: 'destinations[lab]', reason: …}]}";

/// Look for mistakes in policies, and for rules that do more or less than they seem to.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Policies, YAML or JSON; '-' is standard input.
    #[arg(value_name = "FILE", required_unless_present = "logs")]
    files: Vec<PathBuf>,
    /// The least level that makes the exit code 1.
    #[arg(long, value_enum, default_value_t = Level::Warning, value_name = "LEVEL")]
    fail_on: Level,
    /// Tell the age of keys as of this time [default: now]. RFC 3339 or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    at: Option<UnixNanos>,
    /// Access logs of decisions under these policies: tell also which rules and digests nobody used.
    #[arg(long, value_name = "LOG", num_args = 1..)]
    logs: Vec<PathBuf>,
    #[command(flatten)]
    how: HowArgs,
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
    /// What of the logs could not be understood.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip)]
    fail_on: Level,
}

#[derive(Debug, Serialize)]
struct LintedFile {
    file: String,
    findings: Vec<Finding>,
}

impl LintedFile {
    /// What the policy does not say is fine.
    fn standing(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.suppressed.is_none())
    }
}

#[derive(Debug, Serialize)]
struct Finding {
    id: &'static str,
    severity: Level,
    /// The field; empty for the document as a whole.
    path: String,
    /// Where in the file that is.
    #[serde(flatten)]
    place: Option<Place>,
    problem: String,
    fix: String,
    /// The reason that the policy gives for leaving it so.
    #[serde(skip_serializing_if = "Option::is_none")]
    suppressed: Option<String>,
}

impl From<LintFinding> for Finding {
    fn from(LintFinding { id, path, problem, fix, suppressed }: LintFinding) -> Self {
        Self { id: id.code(), severity: id.severity().into(), path, place: None, problem, fix, suppressed }
    }
}

impl From<&Mistake> for Finding {
    fn from(Mistake { path, problem, remedy }: &Mistake) -> Self {
        let (path, problem, fix) = (path.clone(), problem.clone(), remedy.clone());
        Self { id: MISTAKE, severity: Level::Mistake, path, place: None, problem, fix, suppressed: None }
    }
}

/// What a mistake is called where findings of lint have a name of their own.
const MISTAKE: &str = "mistake";

/// Looks every file over.
pub(crate) fn run(args: Args) -> Result<Linted, Failure> {
    if args.files.is_empty() {
        let problem = Problem::new("takes all names behind it, and so there is no policy left").at("--logs");
        return Err(problem
            .next("name the policies before it: procgate policy lint POLICY --logs LOG")
            .into());
    }
    if args.logs.is_empty() {
        args.how.without_logs()?;
    }
    let now = args.at.unwrap_or_else(clock::now);
    let (mut seen, mut noted) = (Seen::default(), Memo::default());
    let tally = records::read(&args.logs, &args.how, |entry| {
        if noted.get(entry.alike).is_some() {
            seen.note_again();
        } else {
            seen.note(&entry.record);
            noted.set(entry.alike, ());
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let seen = Some(&seen).filter(|_| !args.logs.is_empty());
    let circumstances = Circumstances { now: Some(now.seconds()), seen, is_shared: Some(suffix::is_shared) };
    let files = args.files.iter().map(|path| lint(path, circumstances)).collect::<Result<_, Failure>>()?;
    Ok(Linted { files, warnings: tally.warnings(), fail_on: args.fail_on })
}

fn lint(path: &Path, circumstances: Circumstances<'_>) -> Result<LintedFile, Failure> {
    let bytes = files::read(path)?;
    let mut findings: Vec<Finding> = match document::parse(&bytes, path) {
        Ok(document) => {
            let found = lint_policy(&document.raw, document.policy.model(), circumstances);
            found.into_iter().map(Finding::from).collect()
        }
        Err(mistakes) => of_mistakes(&mistakes),
    };
    let text = core::str::from_utf8(&bytes).unwrap_or_default();
    let lines = Lines::find(text, findings.iter().map(|finding| finding.path.as_str()));
    for finding in findings.iter_mut().filter(|finding| !finding.path.is_empty()) {
        finding.place = lines.of(&finding.path);
    }
    Ok(LintedFile { file: path_text(path), findings })
}

fn of_mistakes(mistakes: &Mistakes) -> Vec<Finding> {
    let listed = mistakes.as_slice().iter().map(Finding::from);
    let more = (mistakes.unlisted() > 0).then(|| Finding {
        id: MISTAKE,
        severity: Level::Mistake,
        path: String::new(),
        place: None,
        problem: format!("{} more mistakes are not listed", mistakes.unlisted()),
        fix: "correct those above first".into(),
        suppressed: None,
    });
    listed.chain(more).collect()
}

impl Report for Linted {
    fn outcome(&self) -> Outcome {
        let mut findings = self.files.iter().flat_map(LintedFile::standing);
        if findings.any(|finding| finding.severity >= self.fail_on) {
            Outcome::Findings
        } else {
            Outcome::Fine
        }
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn sarif(&self) -> Option<serde_json::Value> {
        Some(sarif::log(&self.files))
    }
}

impl fmt::Display for Linted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for linted in &self.files {
            let file = escape(&linted.file);
            for finding in linted.standing() {
                match finding.place {
                    Some(Place { line, column }) => writeln!(out, "{file}:{line}:{column}: {finding}")?,
                    None => writeln!(out, "{file}: {finding}")?,
                }
            }
            match linted.standing().count() {
                0 => write!(out, "{file}: nothing found")?,
                1 => write!(out, "{file}: 1 finding")?,
                count => write!(out, "{file}: {count} findings")?,
            }
            match linted.findings.len().saturating_sub(linted.standing().count()) {
                0 => writeln!(out)?,
                suppressed => writeln!(out, ", {suppressed} suppressed")?,
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
