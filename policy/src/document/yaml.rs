//! YAML by way of serde-saphyr, which parses without panics and counts what aliases blow up.

use super::node::{self, MAX_DEPTH, MAX_NODES};
use super::{Items, MAX_POLICY_BYTES, Node, remedy};
use crate::mistake::Mistakes;
use serde_saphyr::Options;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

/// Aliases and anchors in one policy. They save writing a list of digests twice, not more.
const MAX_ALIASES: usize = 1_000;

pub(super) fn parse<'d>(text: &'d str, items: &mut dyn Items) -> Result<Node<'d>, Mistakes> {
    let read = |yaml: serde_saphyr::Deserializer<'d, '_>| node::read(yaml, items);
    serde_saphyr::with_deserializer_from_str_with_options(text, options(), read).map_err(|error| {
        let problem = error.to_string();
        // Only the first line: the others draw the place into a copy of the document.
        let problem = problem.lines().next().unwrap_or_default();
        Mistakes::of_document(format!("not YAML that can be a policy: {problem}"), remedy())
    })
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(MAX_POLICY_BYTES),
            // Each value has at most a start and an end.
            max_events: MAX_NODES.saturating_mul(2),
            max_nodes: MAX_NODES,
            max_depth: MAX_DEPTH,
            max_documents: 1,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_total_scalar_bytes: MAX_POLICY_BYTES,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // A merge would hide which of two values counts.
        merge_keys: MergeKeyPolicy::Error,
        // YAML 1.1's `yes` and `on` are text here.
        strict_booleans: true,
        with_snippet: false,
    }
}
