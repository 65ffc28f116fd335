//! Evidence in words, for the policy's comments and for reports.

use super::evidence::Evidence;
use super::proposal::Proposed;
use crate::clock;
use core::fmt;
use serde::Serialize;

/// How often, when, in how many pods, and what goes beyond that.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Told {
    count: u64,
    first: String,
    last: String,
    pods: u64,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pods_estimated: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    beyond: Vec<String>,
}

impl Told {
    pub(super) fn of<T>(proposed: &Proposed<T>) -> Self {
        Self { beyond: proposed.beyond.clone(), ..Self::from(&proposed.evidence) }
    }
}

impl From<&Evidence> for Told {
    fn from(evidence: &Evidence) -> Self {
        let (pods, pods_estimated) = evidence.pods();
        Self {
            count: evidence.count,
            first: clock::format(evidence.first.seconds()),
            last: clock::format(evidence.last.seconds()),
            pods,
            pods_estimated,
            beyond: Vec::new(),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, first, last, pods, .. } = self;
        let about = if self.pods_estimated { "about " } else { "" };
        let times = if *count == 1 { "once" } else { &format!("{count} times") };
        let many = if *pods == 1 { "pod" } else { "pods" };
        write!(out, "{times} from {about}{pods} {many}, {first} to {last}")?;
        self.beyond.iter().try_for_each(|how| write!(out, "; {how}"))
    }
}
