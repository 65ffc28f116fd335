//! What a verb found, and the one place that prints it.

use crate::args::Output;
use crate::escape::escape_json;
use crate::failure::{Failure, Problem};
use core::fmt;
use serde::Serialize;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// The result of a verb: `Display` is its text for people, `Serialize` its JSON for programs.
pub(crate) trait Report: fmt::Display + Serialize {
    /// What the result means for the exit code.
    fn outcome(&self) -> Outcome {
        Outcome::Fine
    }

    /// The result as SARIF, of a verb that has findings in files.
    fn sarif(&self) -> Option<serde_json::Value> {
        None
    }

    /// The result as JUnit XML, of a verb that has cases.
    fn junit(&self) -> Option<Result<String, Problem>> {
        None
    }

    /// Hints beside the result. In text they go to standard error, so that the result can be piped;
    /// in JSON they are the result's own to carry.
    fn warnings(&self) -> &[String] {
        &[]
    }

    /// What there is to say beside the result and is nothing to worry about; shown where warnings are.
    fn notes(&self) -> &[String] {
        &[]
    }
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done, and nothing to complain about.
    Fine,
    /// Done, and there is something to look at: findings, a refused token, a denied connection.
    Findings,
    /// Not done: the command line or an input is not usable.
    BadInput,
}

/// The numbers are part of the command's interface.
impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Fine => Self::SUCCESS,
            Outcome::Findings => Self::from(1),
            Outcome::BadInput => Self::from(2),
        }
    }
}

/// Prints the result on standard output, or the failure on standard error.
pub(crate) fn show<R: Report>(result: Result<R, Failure>, output: Output) -> Outcome {
    match result.and_then(|report| print(&report, output).map(|()| report.outcome())) {
        Ok(outcome) => outcome,
        Err(failure) => fail(&failure, output),
    }
}

/// Prints the failure on standard error.
pub(crate) fn fail(failure: &Failure, output: Output) -> Outcome {
    let text = match output {
        Output::Text | Output::Sarif | Output::Junit => failure.to_string(),
        Output::Json => json(failure).unwrap_or_else(|failure| failure.to_string()),
    };
    to_standard_error(&text);
    Outcome::BadInput
}

fn print<R: Report>(report: &R, output: Output) -> Result<(), Failure> {
    let text = match output {
        Output::Text => report.to_string(),
        Output::Json => json(report)?,
        Output::Sarif => {
            let log = report.sarif().ok_or_else(|| Problem::new("no findings to write as SARIF"))?;
            without_markup(&json(&log)?)
        }
        Output::Junit => {
            report.junit().ok_or_else(|| Problem::new("no cases to write").at("--output junit"))??
        }
    };
    if output != Output::Json {
        let lines = |kind: &str, texts: &[String]| {
            texts.iter().map(|text| format!("procgate: {kind}: {text}\n")).collect::<String>()
        };
        to_standard_error(&(lines("note", report.notes()) + &lines("warning", report.warnings())));
    }
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader has seen enough, as in `procgate digest --tree / | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Problem::new(error).at("standard output").into()),
        Ok(()) => Ok(()),
    }
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| escape_json(&text) + "\n")
        .map_err(|error| Problem::new(error).at("the result as JSON").into())
}

/// JSON that means the same to whoever reads it as JSON, and nothing to a page that it is pasted into.
fn without_markup(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn to_standard_error(text: &str) {
    // Where standard error is closed there is nobody left to tell.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
