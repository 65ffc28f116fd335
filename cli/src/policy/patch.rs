//! An edit of a policy as a patch of its text, for `git apply` and `patch`: comments, order and style stay.

use super::document;
use crate::escape::escape;
use crate::failure::Problem;
use crate::yaml::{self, Node, Value, edited};
use procgate_policy::RawPolicy;
use procgate_policy::edit::{Edit, Step};
use similar::TextDiff;
use std::path::{Component, Path};

/// The edit, put into the text that the policy of this file has.
pub(super) fn of(file: &Path, text: &str, edit: &Edit, policy: &RawPolicy) -> Result<String, Problem> {
    let name = name(file)?;
    let after = changed(text, &edit.steps).map_err(|problem| problem.in_file(file))?;
    // Whatever the text looked like, it has to be exactly the policy that was meant.
    let read = document::as_written(after.as_bytes(), file);
    if read.map_or(true, |read| read != edit.applied_to(policy)) {
        return Err(unsuited("does not read as it was meant once it is changed").in_file(file));
    }
    // Lines as these tools know them: others take a carriage return alone for an end as well.
    let [old, new] = [text, &after].map(|text| text.split_inclusive('\n').collect::<Vec<_>>());
    let diff = TextDiff::configure().newline_terminated(true).diff_slices(&old, &new);
    Ok(diff.unified_diff().header(&format!("a/{name}"), &format!("b/{name}")).to_string())
}

fn unsuited(what: &str) -> Problem {
    Problem::new(format!("the policy's text {what}"))
        .next("leave out --patch, and add by hand what is told then")
}

/// The text with all steps taken.
fn changed(text: &str, steps: &[Step]) -> Result<String, Problem> {
    let read = Node::read(text).map_err(|fault| fault.problem)?;
    let root = read.ok_or_else(|| unsuited("has nothing in it"))?;
    let edits = steps.iter().map(|step| as_edit(&root, step)).collect::<Result<Vec<_>, _>>()?;
    edited(text, &root, &edits)
}

/// A step as an edit: of a list that is not there yet, it is the first item.
fn as_edit(root: &Node<'_>, step: &Step) -> Result<yaml::Edit, Problem> {
    let item: Value =
        serde_json::from_str(&step.add).map_err(|_| unsuited("cannot take what is to be added"))?;
    let path = yaml::Path::read(&step.at);
    let items = vec![item];
    Ok(match root.find(&path) {
        Some(_) => yaml::Edit::Append(path, items),
        None => yaml::Edit::Add(yaml::Path::default(), step.at.clone(), Value::List(items)),
    })
}

/// The file as a patch names it, which git takes without `./`.
fn name(file: &Path) -> Result<String, Problem> {
    let parts = file.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    let path: std::path::PathBuf = parts.collect();
    let plain = path.to_str().filter(|name| *name == escape(name).to_string() && !name.contains('"'));
    match plain {
        Some(name) if name.contains(' ') => Ok(format!("{name}\t")),
        Some(name) if !matches!(name, "" | "-") => Ok(name.into()),
        _ => Err(Problem::new("no patch can name this file").in_file(file).next(
            "give the policy in a file whose name has neither quotes nor backslashes nor what is not shown",
        )),
    }
}
