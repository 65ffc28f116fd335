//! Rules with where they lead.

use super::reach::Reach;
use crate::model::{NamedDestination, Rule, Selector};

/// A rule whose destinations have been looked up.
pub(super) struct Resolved<'m> {
    /// Its place in the document.
    pub(super) place: usize,
    pub(super) rule: &'m Rule,
    pub(super) to: Vec<usize>,
    /// A destination that is none of the policy's, in place of all others.
    pub(super) own: Option<&'m NamedDestination>,
}

/// A selector of a destination that is none of the policy's.
pub(super) fn elsewhere() -> Selector {
    Selector { names: vec![usize::MAX], ..Selector::default() }
}

impl<'m> Resolved<'m> {
    pub(super) fn new(place: usize, rule: &'m Rule, reach: &Reach<'m>) -> Self {
        Self { place, rule, to: reach.places(&rule.to), own: None }
    }

    /// A rule that leads [`elsewhere`], to this destination.
    pub(super) fn elsewhere(rule: &'m Rule, own: &'m NamedDestination) -> Self {
        Self { place: usize::MAX, rule, to: rule.to.names.clone(), own: Some(own) }
    }
}
