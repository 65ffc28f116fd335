//! What two policies decide differently: all of it, each with a connection that shows it.
//!
//! Nothing is sampled. What a connection can have is sorted into *classes* that both policies treat
//! alike (`sources`, `destinations`), each rule becomes a few *regions*, conditions on these that are
//! independent of each other (`region`, `maker`), and for each pair of rules the *witness* is looked
//! for: a connection that is decided by the one before and by the other one after (`pairs`,
//! `witness`). Only pairs with a rule that changed are asked about (`changed`), and only those that may
//! meet (`side`, `index`), so the work goes with the difference and not with the policies.
//!
//! Identities count as verified. Which of them verify is a matter of the keys, and part of
//! [`Diff::document`]. No connection has port 0.

mod asked;
mod aspect;
mod both;
mod changed;
mod compare;
mod connection;
mod destinations;
mod document;
mod end;
mod findings;
mod index;
mod maker;
mod pairs;
mod paths;
mod places;
mod region;
mod set;
mod side;
mod sources;
mod witness;

pub use connection::Connection;
pub use document::{DocumentChange, Part};

use crate::policy::Policy;
use crate::reason::Reason;
use both::Both;
use core::fmt;

/// Changes of one comparison. A person reads ten; a program that is given more of them is better
/// served by comparing smaller steps.
pub const MAX_CHANGES: usize = 100_000;

/// What two policies decide differently.
#[derive(Debug)]
pub struct Diff<'p> {
    /// What was changed in settings, keys, processes, destinations and rules.
    pub document: Vec<DocumentChange>,
    /// What that comes to for connections: every pair of different outcomes that some connection has,
    /// the newly allowed first.
    pub changes: Vec<Change<'p>>,
    /// Pairs of outcomes, before and after, that may occur and of which that could not be found out
    /// within the bounds of the search, or beyond [`MAX_CHANGES`].
    pub undecided: Vec<(Outcome<'p>, Outcome<'p>)>,
}

/// What a policy decides: why, and by which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outcome<'p> {
    /// Allowed, or why not. The policy's mode plays no part.
    pub reason: Reason,
    /// The rule, where one decides.
    pub rule: Option<&'p str>,
}

impl Outcome<'_> {
    /// Whether it is allowed.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.reason == Reason::Allowed
    }
}

/// Connections that fare otherwise than before.
#[derive(Clone, Debug)]
pub struct Change<'p> {
    /// What was decided.
    pub before: Outcome<'p>,
    /// What is decided now.
    pub after: Outcome<'p>,
    /// One of these connections. It has nothing that plays no part in the decision.
    pub example: Connection,
}

/// What a change means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// Denied before, allowed now.
    NewlyAllowed,
    /// Allowed before, denied now.
    NewlyDenied,
    /// Allowed or denied as before, but by another rule or for another reason.
    DecidedOtherwise,
}

impl ChangeKind {
    /// `newly-allowed`, `newly-denied` or `decided-otherwise`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NewlyAllowed => "newly-allowed",
            Self::NewlyDenied => "newly-denied",
            Self::DecidedOtherwise => "decided-otherwise",
        }
    }
}

impl Change<'_> {
    /// What it means.
    #[must_use]
    pub fn kind(&self) -> ChangeKind {
        match (self.before.allows(), self.after.allows()) {
            (false, true) => ChangeKind::NewlyAllowed,
            (true, false) => ChangeKind::NewlyDenied,
            (true, true) | (false, false) => ChangeKind::DecidedOtherwise,
        }
    }
}

/// Why two policies cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entangled {
    /// Processes with one executable that are pinned to too many combinations of container, namespace
    /// and service account.
    Places,
}

impl fmt::Display for Entangled {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Places => out.write_str(
                "processes with one executable can meet in too many places: pin each of them to its container, \
                 namespace and service account",
            ),
        }
    }
}

/// Compares two policies.
///
/// # Errors
/// They have more combinations than can be gone through.
pub fn diff<'p>(before: &'p Policy, after: &'p Policy) -> Result<Diff<'p>, Entangled> {
    let policies = Both { before, after };
    let (changes, undecided) = compare::compare(policies)?;
    let undecided = undecided.into_iter().map(|Both { before, after }| (before, after)).collect();
    Ok(Diff { document: document::changes(policies), changes, undecided })
}
