//! What an injected pod tells of itself: what is there only since then. `uninject` goes by it.

use crate::yaml::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The form of the annotation.
const VERSION: u8 = 1;

/// The annotation's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    v: u8,
    #[serde(flatten)]
    pub(super) pod: Changes,
    pub(super) containers: BTreeMap<String, Injected>,
}

/// What became of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Injected {
    #[serde(flatten)]
    pub(super) changes: Changes,
    /// The words that the command line or the image told, by their fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) words: BTreeMap<String, Vec<String>>,
    /// Variables that were not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<String>,
    /// Capabilities that were not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) capabilities: Vec<String>,
}

/// Fields by their names with dots, from the pod or from the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Changes {
    /// Those that were not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) added: Vec<String>,
    /// Those that had another value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) replaced: BTreeMap<String, Old>,
}

/// A value that was replaced: none with anything in it ever is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Old {
    Null,
    Bool(bool),
    Number(u64),
    Text(String),
    List([(); 0]),
}

impl Record {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self { v: VERSION, pod: Changes::default(), containers: BTreeMap::new() }
    }

    /// Reads the annotation. Nothing if it is none that this version wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|record: &Self| record.v == VERSION)
    }

    /// The annotation's text.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<&Old> for Value {
    fn from(old: &Old) -> Self {
        match old {
            Old::Null => Self::Null,
            Old::Bool(value) => Self::Bool(*value),
            Old::Number(number) => Self::Number(*number),
            Old::Text(text) => Self::Text(text.clone()),
            Old::List(_) => Self::List(Vec::new()),
        }
    }
}
