//! What the policy says about lint's findings. No verdict depends on it.

use serde::Serialize;

#[cfg(not(target_arch = "wasm32"))]
pub(super) use read::lint;

/// The `lint` section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RawLint {
    /// Findings that are fine so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suppress: Vec<RawSuppression>,
}

/// A kind of finding that is fine so, in a place or wherever it is found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RawSuppression {
    /// Its code, for example `wide-range`.
    pub finding: String,
    /// The field, or one above it; in brackets an index or a name, for example `rules[checkout-pays]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Why. Lint asks for it; a policy is not refused for want of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The filter runs in wasm32. It accepts the section and reads nothing in it: the module is the smaller.
#[cfg(target_arch = "wasm32")]
pub(super) fn lint(
    _: &mut super::reader::Reader,
    _: super::reader::At<'_>,
    _: &crate::document::Node,
) -> Option<RawLint> {
    Some(RawLint::default())
}

#[cfg(not(target_arch = "wasm32"))]
mod read {
    use super::{RawLint, RawSuppression};
    use crate::document::Node;
    use crate::raw::bounds::MAX_SUPPRESSIONS;
    use crate::raw::lists::text;
    use crate::raw::read::list;
    use crate::raw::reader::{At, Reader};

    /// Reads the section.
    pub(in crate::raw) fn lint(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<RawLint> {
        let fields = &reader.object(at, node, &["suppress"])?;
        Some(RawLint { suppress: list!(reader, at, fields, "suppress", 0..=MAX_SUPPRESSIONS, suppression) })
    }

    fn suppression(reader: &mut Reader, at: At<'_>, node: &Node) -> Option<RawSuppression> {
        let fields = &reader.object(at, node, &["finding", "at", "reason"])?;
        let remedy = "write the code of the finding, as lint prints it in brackets";
        let finding = reader.required(at, fields, "finding", remedy, text);
        Some(RawSuppression {
            at: reader.optional(at, fields, "at", text),
            reason: reader.optional(at, fields, "reason", text),
            finding: finding?,
        })
    }
}
