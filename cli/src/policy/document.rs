//! Policies from files.

use crate::failure::{Failure, Problem};
use crate::files;
use procgate_policy::{Mistake, Mistakes, Policy, RawPolicy};
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
    parse(bytes, path).map_err(|mistakes| failure(path, &mistakes))
}

/// Whether the file is taken as JSON.
pub(super) fn is_json(bytes: &[u8], path: &Path) -> bool {
    let named_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    bytes.trim_ascii_start().starts_with(b"{") && !named_yaml
}

/// JSON where it starts like JSON, so that a mistake is described in JSON's terms, else YAML. A file
/// that is called YAML is read as such: a flow mapping starts with a brace too.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Document, Mistakes> {
    let raw = if is_json(bytes, path) { RawPolicy::from_json(bytes)? } else { RawPolicy::from_yaml(bytes)? };
    Ok(Document { policy: Policy::read_from(bytes, &raw)?, raw })
}

fn failure(path: &Path, mistakes: &Mistakes) -> Failure {
    let problem = |mistake: &Mistake| {
        let place = if mistake.path.is_empty() { String::new() } else { format!(": {}", mistake.path) };
        Problem::new(&mistake.problem).at(format!("{}{place}", path.display())).next(&mistake.remedy)
    };
    let mut problems: Vec<Problem> = mistakes.as_slice().iter().map(problem).collect();
    if mistakes.unlisted() > 0 {
        problems.push(Problem::new(format!("and {} more mistakes", mistakes.unlisted())).in_file(path));
    }
    problems.into()
}
