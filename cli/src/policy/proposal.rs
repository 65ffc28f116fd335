//! What to add to a policy, as it is shown.

use super::document::Document;
use super::patch;
use crate::escape::{escape, escape_json, escape_message};
use crate::failure::Problem;
use core::fmt;
use procgate_identity::Claims;
use procgate_policy::Destination;
use procgate_policy::edit::{self, Edit, Step};
use serde::Serialize;
use std::path::Path;

/// The smallest edit that allows a connection, or why there is none.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Proposal {
    Add {
        add: Vec<Added>,
        /// Why that allows more than the connection.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        broad: Vec<String>,
        #[serde(skip)]
        edit: Box<Edit>,
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

impl From<&Step> for Added {
    fn from(Step { at, of, add }: &Step) -> Self {
        Self { at: at.clone(), of: of.clone(), value: add.clone() }
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
            Ok(edit) => Self::Add {
                add: edit.steps.iter().map(Into::into).collect(),
                broad: edit.broad.clone(),
                edit: Box::new(edit),
            },
            Err(none) => Self::None { none: none.to_string() },
        }
    }

    /// The same as a patch of the policy's text, and why that allows more than the connection.
    pub(super) fn patch(&self, file: &Path, text: &str) -> Result<(String, &[String]), Problem> {
        match self {
            Self::Add { edit, broad, .. } => Ok((patch::of(file, text, edit)?, broad)),
            Self::None { none } => Err(no_patch(none)),
        }
    }
}

/// That there is no patch, and why.
pub(super) fn no_patch(why: impl fmt::Display) -> Problem {
    Problem::new(format!("there is none: {why}")).at("--patch").next("leave it out to see all that was found")
}

impl fmt::Display for Proposal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None { none } => writeln!(out, "  edit       none: {}", escape_message(none)),
            Self::Add { add, broad, .. } => {
                writeln!(out, "  edit       to allow it, add to")?;
                for Added { at, of, value } in add {
                    let of = of.as_ref().map_or(String::new(), |of| format!(" ({of})"));
                    writeln!(out, "    {at}{of}:\n      - {}", escape_json(value))?;
                }
                broad.iter().try_for_each(|what| writeln!(out, "  broad      {}", escape(what)))
            }
        }
    }
}
