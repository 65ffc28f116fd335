//! Policies from files.

use super::lines::Lines;
use crate::failure::{Failure, Problem};
use crate::files;
use crate::yaml::unfilled;
use procgate_policy::{CheckedPolicy, Mistake, Mistakes, Policy, RawPolicy};
use std::path::Path;

/// A policy as it is written and as it is judged by.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) raw: RawPolicy,
    pub(crate) policy: Policy,
}

/// Reads a policy for a verb that can do nothing with a wrong one.
pub(crate) fn load(path: &Path) -> Result<Document, Failure> {
    of_text(&files::read(path)?, path)
}

/// The same, of a file that was read already.
pub(super) fn of_text(bytes: &[u8], path: &Path) -> Result<Document, Failure> {
    parse(bytes, path).map_err(|mistakes| failure(path, bytes, &mistakes))
}

/// A policy for a verb that asks it about single connections, of a file that was read already.
pub(super) fn checked(bytes: &[u8], path: &Path) -> Result<CheckedPolicy, Failure> {
    let checked = as_written(bytes, path).and_then(CheckedPolicy::new);
    checked.map_err(|mistakes| failure(path, bytes, &mistakes))
}

/// Whether the file is taken as JSON.
fn is_json(bytes: &[u8], path: &Path) -> bool {
    let named_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    bytes.trim_ascii_start().starts_with(b"{") && !named_yaml
}

pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Document, Mistakes> {
    let raw = as_written(bytes, path)?;
    Ok(Document { policy: Policy::read_from(bytes, &raw)?, raw })
}

/// JSON where it starts like JSON, so that a mistake is described in JSON's terms, else YAML. A file
/// that is called YAML is read as such: a flow mapping starts with a brace too.
pub(super) fn as_written(bytes: &[u8], path: &Path) -> Result<RawPolicy, Mistakes> {
    if is_json(bytes, path) { RawPolicy::from_json(bytes) } else { RawPolicy::from_yaml(bytes) }
}

fn failure(path: &Path, bytes: &[u8], mistakes: &Mistakes) -> Failure {
    let text = core::str::from_utf8(bytes).unwrap_or_default();
    let lines = Lines::find(text, mistakes.as_slice().iter().map(|mistake| mistake.path.as_str()));
    let file = path.display();
    let problem = |Mistake { path: field, problem, remedy }: &Mistake| {
        if field.is_empty() {
            let whole = || Problem::new(problem).at(&file).next(remedy);
            return template(text).map_or_else(whole, |line| unfilled().at(format!("{file}:{line}")));
        }
        let at = lines.of(field).map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
        Problem::new(problem).at(format!("{file}{at}: {field}")).next(remedy)
    };
    let mut problems: Vec<Problem> = mistakes.as_slice().iter().map(problem).collect();
    if mistakes.unlisted() > 0 {
        problems.push(Problem::new(format!("and {} more mistakes", mistakes.unlisted())).in_file(path));
    }
    problems.into()
}

/// The first line with a template in it: why a text cannot be read as a policy, most likely.
fn template(text: &str) -> Option<usize> {
    let said = |line: &str| line.split('#').next().is_some_and(|said| said.contains("{{"));
    text.lines().zip(1..).find(|(line, _)| said(line)).map(|(_, line)| line)
}
