//! Names, each of which must be one thing only.

use crate::raw::reader::{At, Reader, quoted};
use rustc_hash::FxHashMap;

/// The names of one list and their places in it.
#[derive(Debug)]
pub(super) struct Names<'a> {
    places: FxHashMap<&'a str, usize>,
    known: &'static str,
}

impl<'a> Names<'a> {
    /// Notes a mistake for each name that is taken.
    pub(super) fn collect(reader: &mut Reader, at: At<'_>, names: impl Iterator<Item = &'a str>) -> Self {
        let mut places = FxHashMap::default();
        for (index, name) in names.enumerate() {
            let first = *places.entry(name).or_insert(index);
            if first != index {
                let problem = format!("{} is also the name of {}", quoted(name), at.item(first));
                reader.mistake(at.item(index).field("name"), problem, "give each its own name");
            }
        }
        Self {
            places,
            known: if matches!(at, At::Field(_, "processes")) { "processes" } else { "destinations" },
        }
    }

    /// The places of these names, ascending.
    pub(super) fn resolve(&self, reader: &mut Reader, at: At<'_>, names: &[String]) -> Option<Vec<usize>> {
        let mut found = super::each(names, |index, name| {
            let place = self.places.get(name.as_str()).copied();
            if place.is_none() {
                let at = if names.len() > 1 { at.item(index) } else { at };
                let remedy = format!("add it to {}, or correct the name", self.known);
                reader.mistake(at, format!("{} is not in {}", quoted(name), self.known), remedy);
            }
            place
        })?;
        found.sort_unstable();
        found.dedup();
        Some(found)
    }
}
