//! Rules as they are written.

use super::write;
use serde::Serialize;

/// What a matching rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Refuses, whatever other rules allow.
    Deny,
    /// Lets through what no rule denies.
    Allow,
}

impl Effect {
    /// `allow` or `deny`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRule {
    /// Its name in records.
    pub name: String,
    /// What it does.
    pub effect: Effect,
    /// Which processes it is about. Without it, an allow is about every recognised process, and a
    /// deny about everybody.
    pub from: Option<RawFrom>,
    /// What they reach. Without it: everything.
    pub to: Option<RawTo>,
    /// For people.
    pub description: Option<String>,
}

/// Which processes a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawFrom {
    /// Connections that carry no identity.
    Unidentified,
    /// Recognised processes that meet every condition.
    Selected(RawSelector),
}

/// Conditions on a process or on a destination; all given ones must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawSelector {
    /// It is one of these; none means any.
    pub names: Vec<String>,
    /// It has all these labels.
    pub labels: Vec<(String, String)>,
    /// It has this label with the same value as the other side.
    pub same: Option<String>,
}

/// What a rule lets processes reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RawTo {
    /// Conditions on the destination.
    #[serde(flatten, serialize_with = "write::destination_selector")]
    pub selector: RawSelector,
    /// Original destination ports; none means any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<RawPort>,
    /// HTTP methods; none means any, and traffic that is not HTTP too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// HTTP path patterns; none means any, and traffic that is not HTTP too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// A port as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RawPort {
    /// One port from 1 on.
    One(u16),
    /// `first-last`.
    Range(String),
}
