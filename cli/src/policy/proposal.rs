//! What to add to a policy, as it is shown.

use super::document::Document;
use crate::escape::{escape, escape_message};
use core::fmt;
use procgate_identity::Claims;
use procgate_policy::Destination;
use procgate_policy::edit::{self, Step};
use serde::Serialize;

/// The smallest edit that allows a connection, or why there is none.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Proposal {
    Add {
        add: Vec<Added>,
        /// Why that allows more than the connection.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        broad: Vec<String>,
    },
    None {
        none: String,
    },
}

/// Something to add to a list of the policy.
#[derive(Debug, Serialize)]
pub(super) struct Added {
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    /// JSON, and so YAML.
    value: String,
}

impl From<Step> for Added {
    fn from(Step { at, of, add }: Step) -> Self {
        Self { at, of, value: add }
    }
}

impl Proposal {
    /// Looks for one.
    pub(super) fn to_allow(
        document: &Document,
        claims: Option<&Claims>,
        destination: &Destination<'_>,
    ) -> Self {
        match edit::allow(&document.raw, &document.policy, claims, destination) {
            Ok(edit) => {
                Self::Add { add: edit.steps.into_iter().map(Into::into).collect(), broad: edit.broad }
            }
            Err(none) => Self::None { none: none.to_string() },
        }
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None { none } => writeln!(out, "  edit       none: {}", escape_message(none)),
            Self::Add { add, broad } => {
                writeln!(out, "  edit       to allow it, add to")?;
                for Added { at, of, value } in add {
                    let of = of.as_ref().map_or(String::new(), |of| format!(" ({of})"));
                    writeln!(out, "    {at}{of}:\n      - {}", escape_message(value))?;
                }
                broad.iter().try_for_each(|what| writeln!(out, "  broad      {}", escape(what)))
            }
        }
    }
}
