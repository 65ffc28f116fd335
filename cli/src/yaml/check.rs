//! Whether a changed text says what was meant: the same edits, made in the values that another reader reads.

use super::edit::{Edit, Path, Step};
use core::cmp::Reverse;
use serde_json::Value;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

/// Values of one document, as the tree's bound; aliases cost what they stand for.
const MAX_NODES: usize = 2_000_000;

/// Whether `after` is what `before` becomes by these edits.
pub(super) fn is_meant(before: &str, edits: &[Edit], after: &str) -> bool {
    let (Some(mut meant), Some(found)) = (values(before), values(after)) else { return false };
    in_order(edits).into_iter().all(|edit| make(&mut meant, edit).is_some()) && meant == found
}

fn values(text: &str) -> Option<Value> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: None,
            max_events: MAX_NODES.saturating_mul(2),
            max_nodes: MAX_NODES,
            max_total_scalar_bytes: usize::MAX,
            max_documents: 1,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        // Merged or not: the same before and after.
        merge_keys: MergeKeyPolicy::AsOrdinary,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).ok()
}

/// What moves nothing first, then what goes, the last first, then what comes in front.
fn in_order(edits: &[Edit]) -> Vec<&Edit> {
    let mut ordered: Vec<&Edit> = edits.iter().collect();
    ordered.sort_by_key(|edit| match edit {
        Edit::Add(..) | Edit::Append(..) | Edit::Replace(..) => (0, None),
        Edit::Remove(path) => (1, Some(Reverse(path))),
        Edit::Prepend(..) => (2, None),
    });
    ordered
}

fn make(document: &mut Value, edit: &Edit) -> Option<()> {
    let json = |value| serde_json::to_value(value).ok();
    match edit {
        Edit::Add(path, name, value) => {
            let fields = at(document, path)?.as_object_mut()?;
            fields.insert(name.clone(), json(value)?).is_none().then_some(())
        }
        Edit::Prepend(path, items) | Edit::Append(path, items) => {
            let list = at(document, path)?.as_array_mut()?;
            let place = if matches!(edit, Edit::Prepend(..)) { 0 } else { list.len() };
            let items: Option<Vec<Value>> = items.iter().map(json).collect();
            list.splice(place..place, items?);
            Some(())
        }
        Edit::Replace(path, value) => {
            *at(document, path)? = json(value)?;
            Some(())
        }
        Edit::Remove(path) => {
            let (parent, step) = path.last()?;
            match (at(document, &parent)?, step) {
                (Value::Object(fields), Step::Field(name)) => fields.remove(name).map(drop),
                (Value::Array(items), Step::Item(index)) => {
                    (*index < items.len()).then(|| drop(items.remove(*index)))
                }
                _ => None,
            }
        }
    }
}

fn at<'a>(document: &'a mut Value, path: &Path) -> Option<&'a mut Value> {
    path.steps().iter().try_fold(document, |value, step| match step {
        Step::Field(name) => value.get_mut(name),
        Step::Item(index) => value.get_mut(index),
    })
}
