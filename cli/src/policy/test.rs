//! `procgate policy test`: whether a policy decides as its cases say.

use super::cases::{self, Case};
use super::document;
use super::explain::{Explained, answer};
use super::junit;
use crate::escape::{escape, path_text};
use crate::failure::{Failure, Problem};
use crate::files;
use crate::report::{Outcome, Report};
use core::fmt;
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLE: &str = "\
Examples:
  procgate policy test --policy policy.yaml cases.yaml
  procgate policy test --policy policy.yaml --output junit cases.yaml >cases.xml
  procgate policy test --schema >cases.schema.json

A file of cases:
  version: 1
  cases:
    - name: checkout charges cards
      from: {process: checkout}
      to: {host: payments.shop.svc.cluster.local, address: 10.4.0.9:8080, method: POST, path: /charge/1}
      expect: allow
      rule: checkout-pays
    - name: nobody without identity gets there
      from: {unidentified: true}
      to: {address: 10.4.0.9:8080}
      expect: deny
      reason: no-identity

Text is in the Test Anything Protocol, for CI to read; --output junit is for the report beside a change. The exit code is 0 if every case is as expected and \
1 if one is not.";

/// Say whether a policy decides as expected of it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Files of cases, YAML or JSON; '-' is standard input.
    #[arg(value_name = "CASES", required_unless_present = "schema")]
    cases: Vec<PathBuf>,
    /// The policy, YAML or JSON; '-' is standard input.
    #[arg(long, value_name = "FILE", required_unless_present = "schema")]
    policy: Option<PathBuf>,
    /// Print the JSON Schema of a file of cases instead.
    #[arg(long, conflicts_with_all = ["cases", "policy"])]
    schema: bool,
}

/// How every case went, or the schema.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Tested {
    Cases { passed: usize, failed: usize, cases: Vec<TestedCase> },
    Schema(serde_json::Value),
}

/// How a case went.
#[derive(Debug, Serialize)]
pub(crate) struct TestedCase {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) passed: bool,
    /// What was expected and is not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) expected: Vec<String>,
    decision: &'static str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// Why, where it is not as expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) explanation: Option<Explained>,
}

/// Asks the policy about every case.
pub(crate) fn run(args: Args) -> Result<Tested, Failure> {
    let Some(path) = args.policy.filter(|_| !args.schema) else {
        return Ok(Tested::Schema(serde_json::from_str(cases::SCHEMA).map_err(Problem::new)?));
    };
    let policy = document::checked(&files::read(&path)?, &path)?;
    let mut tested = Vec::new();
    for file in &args.cases {
        for case in cases::load(file)? {
            let asked = case.question(policy.model()).and_then(|question| answer(&policy, &question, None));
            let explained =
                asked.map_err(|problem| problem.at(format!("{}: case {}", file.display(), case.name)))?;
            tested.push(TestedCase::new(case, path_text(file), explained));
        }
    }
    let passed = tested.iter().filter(|case| case.passed).count();
    Ok(Tested::Cases { passed, failed: tested.len().saturating_sub(passed), cases: tested })
}

impl TestedCase {
    fn new(case: Case, file: String, explained: Explained) -> Self {
        let mut expected = Vec::new();
        let mut want = |what: &str, wanted: Option<&str>, found: Option<&str>| {
            let missed = wanted.filter(|wanted| found != Some(wanted));
            expected.extend(missed.map(|wanted| format!("{what} {wanted}, not {}", found.unwrap_or("none"))));
        };
        want("decision", Some(case.expect.code()), Some(explained.decision));
        want("reason", case.reason.map(|reason| reason.code()), Some(explained.reason));
        want("rule", case.rule.as_deref(), explained.rule.as_deref());
        let passed = expected.is_empty();
        Self {
            name: case.name,
            file,
            passed,
            expected,
            decision: explained.decision,
            reason: explained.reason,
            rule: explained.rule.clone(),
            explanation: Some(explained).filter(|_| !passed),
        }
    }
}

impl Report for Tested {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Cases { failed: 1.., .. } => Outcome::Findings,
            Self::Cases { .. } | Self::Schema(_) => Outcome::Fine,
        }
    }

    fn junit(&self) -> Option<Result<String, Problem>> {
        match self {
            Self::Cases { failed, cases, .. } => Some(junit::report(cases, *failed)),
            Self::Schema(_) => None,
        }
    }
}

impl fmt::Display for Tested {
    /// As <https://testanything.org/tap-version-13-specification.html> has it, which Perl's `prove` reads and 14 is not;
    /// why a case failed stands in comments.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, failed, cases) = match self {
            Self::Schema(schema) => return writeln!(out, "{schema:#}"),
            Self::Cases { passed, failed, cases } => (passed, failed, cases),
        };
        writeln!(out, "TAP version 13\n1..{}", cases.len())?;
        for (number, case) in (1_usize..).zip(cases) {
            let not = if case.passed { "" } else { "not " };
            // A hash would begin a directive.
            writeln!(out, "{not}ok {number} - {}", escape(&case.name).to_string().replace('#', "\\#"))?;
            case.expected.iter().try_for_each(|what| writeln!(out, "# expected {}", escape(what)))?;
            let why = case.explanation.as_ref().map(ToString::to_string).unwrap_or_default();
            why.lines().try_for_each(|line| writeln!(out, "#   {line}"))?;
        }
        writeln!(out, "# {passed} as expected, {failed} not")
    }
}
