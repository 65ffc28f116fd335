//! What to add to a policy, as it is shown.

use super::patch;
use crate::escape::{escape, escape_json, escape_message};
use crate::failure::Problem;
use core::fmt;
use procgate_identity::Claims;
use procgate_policy::edit::{self, Edit, NoEdit, Step};
use procgate_policy::{CheckedPolicy, Destination, RawPolicy};
use serde::{Serialize, Serializer};
use std::path::Path;

/// The smallest edit that allows a connection, or why there is none.
#[derive(Debug)]
pub(super) enum Proposal {
    Add(Box<Edit>),
    None(NoEdit),
}

/// The same in JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum Told<'a> {
    Add {
        add: Vec<Added<'a>>,
        /// Why that allows more than the connection.
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        broad: &'a [String],
    },
    None {
        none: String,
    },
}

/// Something to add to a list of the policy.
#[derive(Serialize)]
struct Added<'a> {
    at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<&'a str>,
    /// JSON, and so YAML.
    value: &'a str,
}

impl<'a> From<&'a Step> for Added<'a> {
    fn from(step: &'a Step) -> Self {
        Self { at: &step.at, of: step.of(), value: &step.add }
    }
}

impl Serialize for Proposal {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let told = match self {
            Self::Add(edit) => {
                Told::Add { add: edit.steps.iter().map(Into::into).collect(), broad: &edit.broad }
            }
            Self::None(none) => Told::None { none: none.to_string() },
        };
        told.serialize(out)
    }
}

impl Proposal {
    /// Looks for one.
    pub(super) fn to_allow(
        policy: &CheckedPolicy,
        claims: Option<&Claims>,
        destination: &Destination<'_>,
    ) -> Self {
        edit::allow(policy, claims, destination).map_or_else(Self::None, |edit| Self::Add(Box::new(edit)))
    }

    /// The same as a patch of the policy's text, and why that allows more than the connection.
    pub(super) fn patch(
        &self,
        file: &Path,
        text: &str,
        policy: &RawPolicy,
    ) -> Result<(String, &[String]), Problem> {
        match self {
            Self::Add(edit) => Ok((patch::of(file, text, edit, policy)?, &edit.broad)),
            Self::None(none) => Err(no_patch(none)),
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
            Self::None(none) => writeln!(out, "  edit       none: {}", escape_message(&none.to_string())),
            Self::Add(edit) => {
                writeln!(out, "  edit       to allow it, add to")?;
                for step in &edit.steps {
                    let of = step.of().map_or(String::new(), |of| format!(" ({of})"));
                    writeln!(out, "    {}{of}:\n      - {}", step.at, escape_json(&step.add))?;
                }
                edit.broad.iter().try_for_each(|what| writeln!(out, "  broad      {}", escape(what)))
            }
        }
    }
}
