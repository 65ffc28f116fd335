//! Policies written back as documents.

use super::{RawFrom, RawJwk, RawPolicy, RawRule, RawSelector};
use procgate_identity::{Algorithm, Digest};
use serde::ser::{Serialize, SerializeMap, Serializer};

impl Serialize for RawPolicy {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("version", &1)?;
        map.serialize_entry("mode", &self.mode)?;
        if self.forward {
            map.serialize_entry("forward", &true)?;
        }
        map.serialize_entry("trust", &self.trust)?;
        entry_of_list(&mut map, "processes", &self.processes)?;
        entry_of_list(&mut map, "destinations", &self.destinations)?;
        entry_of_list(&mut map, "rules", &self.rules)?;
        if !self.lint.suppress.is_empty() {
            map.serialize_entry("lint", &self.lint)?;
        }
        map.end()
    }
}

fn entry_of_list<M: SerializeMap, T: Serialize>(map: &mut M, name: &str, list: &[T]) -> Result<(), M::Error> {
    if list.is_empty() { Ok(()) } else { map.serialize_entry(name, list) }
}

impl Serialize for RawJwk {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let Self { kid, x, y } = self;
        let algorithm = if y.is_some() { Algorithm::Es256 } else { Algorithm::EdDsa };
        let (kty, crv) = (algorithm.key_type(), algorithm.curve());
        let mut map = out.serialize_map(None)?;
        for (name, value) in [("kty", kty), ("crv", crv), ("kid", kid), ("x", x)] {
            map.serialize_entry(name, value)?;
        }
        if let Some(y) = y {
            map.serialize_entry("y", y)?;
        }
        map.end()
    }
}

impl Serialize for RawRule {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry(self.effect.code(), &Sides(self))?;
        if let Some(description) = &self.description {
            map.serialize_entry("description", description)?;
        }
        map.end()
    }
}

/// What stands below `allow` or `deny`.
struct Sides<'a>(&'a RawRule);

impl Serialize for Sides<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        if let Some(from) = &self.0.from {
            map.serialize_entry("from", from)?;
        }
        if let Some(to) = &self.0.to {
            map.serialize_entry("to", to)?;
        }
        map.end()
    }
}

impl Serialize for RawFrom {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        match self {
            Self::Unidentified => map.serialize_entry("unidentified", &true)?,
            Self::Selected(selector) => entries_of_selector(&mut map, "process", selector)?,
        }
        map.end()
    }
}

pub(super) fn destination_selector<S: Serializer>(selector: &RawSelector, out: S) -> Result<S::Ok, S::Error> {
    let mut map = out.serialize_map(None)?;
    entries_of_selector(&mut map, "destination", selector)?;
    map.end()
}

fn entries_of_selector<M: SerializeMap>(
    map: &mut M,
    names: &str,
    selector: &RawSelector,
) -> Result<(), M::Error> {
    match selector.names.as_slice() {
        [] => {}
        [name] => map.serialize_entry(names, name)?,
        several => map.serialize_entry(names, several)?,
    }
    if !selector.labels.is_empty() {
        map.serialize_entry("labels", &Pairs(&selector.labels))?;
    }
    if let Some(same) = &selector.same {
        map.serialize_entry("same", same)?;
    }
    Ok(())
}

struct Pairs<'a>(&'a [(String, String)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

pub(super) fn labels<S: Serializer>(labels: &[(String, String)], out: S) -> Result<S::Ok, S::Error> {
    Pairs(labels).serialize(out)
}

pub(super) fn digests<S: Serializer>(digests: &[Digest], out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(digests.iter().map(Text))
}

/// A digest as its text.
struct Text<'a>(&'a Digest);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self.0)
    }
}
