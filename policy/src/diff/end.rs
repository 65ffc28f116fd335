//! What decides in one of the policies.

use super::Outcome;
use super::index::Place;
use super::region::Region;
use super::side::{Owned, Side, Speaker};
use crate::raw::Effect;
use crate::reason::Reason;
use procgate_identity::RefusalReason;

/// A rule of a policy in one of its regions, or what is decided where none matches.
#[derive(Clone, Copy, Debug)]
pub(super) struct End<'s, 'p> {
    pub(super) side: &'s Side<'p>,
    /// The rule's number; where none matches, one more than the last.
    pub(super) number: usize,
    pub(super) region: &'s Region<'p>,
}

impl<'s, 'p> End<'s, 'p> {
    /// Where no rule matches.
    pub(super) const fn none(side: &'s Side<'p>) -> Self {
        Self { side, number: side.rules.len(), region: &side.everything }
    }

    /// What is decided of nobody or of somebody.
    pub(super) fn outcome(&self, nobody: bool) -> Outcome<'p> {
        let rule = self.side.rules.get(self.number);
        let reason = match (rule.map(|rule| rule.effect), nobody) {
            (Some(Effect::Allow), _) => Reason::Allowed,
            (_, true) => RefusalReason::NoIdentity.into(),
            (Some(Effect::Deny), false) => Reason::DeniedByRule,
            (None, false) => Reason::NoMatchingRule,
        };
        Outcome { reason, rule: rule.map(|rule| rule.name) }
    }

    /// What better rules of the policy match of the target ([`Side::in_the_way`]).
    pub(super) fn in_the_way(
        self,
        speaker: Option<Speaker>,
        target: &Region<'p>,
    ) -> impl Iterator<Item = (Place, &'s Owned<'p>)> {
        self.side.in_the_way(self.number, speaker, target)
    }
}
