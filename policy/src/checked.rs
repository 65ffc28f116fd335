//! A policy that was checked as a whole, to be asked about single connections.

use crate::check::check;
use crate::connection::Destination;
use crate::mistake::Mistakes;
use crate::model::Model;
use crate::raw::RawPolicy;
use procgate_identity::Claims;

/// A policy in which everything means something, not made ready to judge: that takes as long as reading it, and who asks
/// about one connection needs but the part that concerns it.
#[derive(Debug)]
pub struct CheckedPolicy {
    raw: RawPolicy,
    model: Model,
}

impl CheckedPolicy {
    /// Checks a policy.
    ///
    /// # Errors
    /// Every mistake of meaning.
    pub fn new(raw: RawPolicy) -> Result<Self, Mistakes> {
        Ok(Self { model: check(&raw)?, raw })
    }

    /// The policy as it is written.
    #[must_use]
    pub const fn raw(&self) -> &RawPolicy {
        &self.raw
    }

    /// The checked policy, for tools that walk it.
    #[must_use]
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// What decides about connections of somebody with these claims, or of nobody, to this destination.
    pub(crate) fn part(&self, claims: Option<&Claims>, destination: &Destination<'_>) -> RawPolicy {
        let entries = self.model.entries(destination);
        let names = entries.iter().map(|(_, entry)| entry.name.as_str()).collect();
        self.raw.of_connection(claims, &names)
    }
}
