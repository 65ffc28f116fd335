//! The smallest edit of a policy that allows a connection which it denies.
//!
//! Each edit is tried before it is proposed, on the part of the policy that concerns the connection. It adds and never takes
//! away: what a deny rule says was meant, and is for its author to narrow.

mod addition;
mod broad;
mod process;
mod rule;

use crate::checked::CheckedPolicy;
use crate::connection::Destination;
use crate::mistake::Mistakes;
use crate::policy::Policy;
use crate::raw::RawPolicy;
use crate::reason::Reason;
use addition::Addition;
use core::fmt;
use procgate_identity::{Claims, RefusalReason};

/// Steps of one edit: a process, a destination, a rule.
const MAX_STEPS: usize = 4;

/// What to add to a policy.
#[derive(Clone, Debug)]
pub struct Edit {
    /// What to add, in this order.
    pub steps: Vec<Step>,
    /// Why it allows more than the connection, each in a sentence; none where it does not, but for
    /// other identities of the same process.
    pub broad: Vec<String>,
}

/// One thing to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The list to add it to, for example `rules[3].allow.to.ports`.
    pub at: String,
    /// What to add, as JSON and so as YAML.
    pub add: String,
    addition: Addition,
}

impl Step {
    /// The name of the rule or process that the list belongs to, where it belongs to one.
    #[must_use]
    pub fn of(&self) -> Option<&str> {
        self.addition.owner()
    }
}

impl Edit {
    /// The policy with everything added.
    #[must_use]
    pub fn applied_to(&self, policy: &RawPolicy) -> RawPolicy {
        let mut edited = policy.clone();
        self.steps.iter().for_each(|step| step.addition.add_to(&mut edited));
        edited
    }
}

/// Why no edit is proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoEdit {
    /// The policy allows the connection already.
    Allowed,
    /// This rule denies it on purpose.
    DeniedByRule(String),
    /// The identity itself, or what is mapped into the process, is refused: no list would help.
    Identity,
    /// The path could be understood in two ways, so that no allow should be satisfied by it.
    UnclearPath,
    /// The policy would become larger than one may be, or the connection has names that none can.
    NotPossible,
}

impl fmt::Display for NoEdit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => out.write_str("the policy allows it"),
            Self::DeniedByRule(rule) => {
                write!(out, "the rule {rule} denies it on purpose: nothing that is added would allow it")
            }
            Self::Identity => out.write_str("the identity is refused, whatever the policy lists"),
            Self::UnclearPath => {
                out.write_str("the path could be understood in two ways: have the program write it in one")
            }
            Self::NotPossible => out.write_str("no policy can name this connection"),
        }
    }
}

/// Proposes what to add so that the policy allows a connection of somebody with these claims, taken for verified, or of
/// nobody known.
///
/// # Errors
/// Nothing can or should be added.
pub fn allow(
    policy: &CheckedPolicy,
    claims: Option<&Claims>,
    destination: &Destination<'_>,
) -> Result<Edit, NoEdit> {
    let mut draft = Draft {
        whole: policy,
        part: policy.part(claims, destination),
        edit: Edit { steps: Vec::new(), broad: Vec::new() },
    };
    for _ in 0..=MAX_STEPS {
        let part = Policy::of_part(&draft.part).map_err(|_: Mistakes| NoEdit::NotPossible)?;
        let identity = part.resolve_claims(claims);
        let resolved = part.resolve_destination(destination);
        let finding = part.decide(&identity, &resolved, destination.http).finding;
        if let Some(rule) = finding.rule.filter(|_| finding.reason != Reason::Allowed) {
            return Err(NoEdit::DeniedByRule(rule.into()));
        }
        match finding.reason {
            Reason::Allowed if draft.edit.steps.is_empty() => return Err(NoEdit::Allowed),
            Reason::Allowed => return Ok(draft.edit),
            Reason::NoMatchingRule | Reason::Identity(RefusalReason::NoIdentity) => {
                rule::add(&mut draft, &part, finding, claims, destination)?;
            }
            Reason::UnknownProcess | Reason::WrongContainer | Reason::CodeChanged => {
                process::add(&mut draft, &part, claims.ok_or(NoEdit::Identity)?)?;
            }
            Reason::Identity(_) | Reason::PeerMismatch | Reason::DeniedByRule | Reason::Internal => {
                return Err(NoEdit::Identity);
            }
        }
    }
    Err(NoEdit::NotPossible)
}

/// An edit in the making.
struct Draft<'p> {
    whole: &'p CheckedPolicy,
    /// The part that concerns the connection, with everything added so far.
    part: RawPolicy,
    edit: Edit,
}

impl Draft<'_> {
    fn add(&mut self, addition: Addition) -> Result<(), NoEdit> {
        let at = addition.list_in(self.whole.raw()).ok_or(NoEdit::NotPossible)?;
        let add = addition.json().map_err(|_| NoEdit::NotPossible)?;
        addition.add_to(&mut self.part);
        self.edit.steps.push(Step { at, add, addition });
        Ok(())
    }

    /// Notes why the edit allows more than the connection.
    fn note(&mut self, broad: impl Into<String>) {
        self.edit.broad.push(broad.into());
    }
}

/// A name for something new: of these words, as far as a name may have their letters, and not taken.
fn name(words: &[&str], taken: impl Fn(&str) -> bool) -> String {
    /// Leaves room for a number behind it.
    const MOST: usize = 100;
    let letter = |letter: char| letter.is_ascii_alphanumeric() || "_.:/-".contains(letter);
    let joined: String = words.join("-").chars().filter(|character| letter(*character)).take(MOST).collect();
    let joined = joined.trim_start_matches(|first: char| !first.is_ascii_alphanumeric());
    crate::fresh::fresh(if joined.is_empty() { "new" } else { joined }, taken)
}
