//! The smallest edit of a policy that allows a connection which it denies.
//!
//! Each edit is tried on the policy before it is proposed. It adds and never takes away: what a deny
//! rule says was meant, and is for its author to narrow.

mod broad;
mod process;
mod rule;

use crate::connection::Destination;
use crate::mistake::Mistakes;
use crate::policy::Policy;
use crate::raw::RawPolicy;
use crate::reason::Reason;
use core::fmt;
use procgate_identity::{Claims, RefusalReason};

/// Steps of one edit: a process, a destination, a rule.
const MAX_STEPS: usize = 4;

/// What to add to a policy.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The policy with everything added.
    pub policy: RawPolicy,
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
    /// The name of the rule or process that the list belongs to, where it belongs to one.
    pub of: Option<String>,
    /// What to add, as JSON and so as YAML.
    pub add: String,
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

/// Proposes what to add so that the policy, which is given as written and compiled, allows a connection of somebody
/// with these claims, taken for verified, or of nobody known.
///
/// # Errors
/// Nothing can or should be added.
pub fn allow(
    raw: &RawPolicy,
    compiled: &Policy,
    claims: Option<&Claims>,
    destination: &Destination<'_>,
) -> Result<Edit, NoEdit> {
    let mut edit = Edit { policy: raw.clone(), steps: Vec::new(), broad: Vec::new() };
    let mut edited;
    let mut policy = compiled;
    for _ in 0..=MAX_STEPS {
        let identity = policy.resolve_claims(claims);
        let resolved = policy.resolve_destination(destination);
        let finding = policy.decide(&identity, &resolved, destination.http).finding;
        if let Some(rule) = finding.rule.filter(|_| finding.reason != Reason::Allowed) {
            return Err(NoEdit::DeniedByRule(rule.into()));
        }
        match finding.reason {
            Reason::Allowed if edit.steps.is_empty() => return Err(NoEdit::Allowed),
            Reason::Allowed => return Ok(edit),
            Reason::NoMatchingRule | Reason::Identity(RefusalReason::NoIdentity) => {
                rule::add(&mut edit, policy, finding.process, claims, destination)?;
            }
            Reason::UnknownProcess | Reason::WrongContainer | Reason::CodeChanged => {
                process::add(&mut edit, policy, claims.ok_or(NoEdit::Identity)?)?;
            }
            Reason::Identity(_) | Reason::PeerMismatch | Reason::DeniedByRule | Reason::Internal => {
                return Err(NoEdit::Identity);
            }
        }
        edited = policy.edited(&edit.policy).map_err(|_: Mistakes| NoEdit::NotPossible)?;
        policy = &edited;
    }
    Err(NoEdit::NotPossible)
}

impl Edit {
    fn add(&mut self, at: String, of: Option<&str>, thing: &impl serde::Serialize) -> Result<(), NoEdit> {
        let add = serde_json::to_string(thing).map_err(|_| NoEdit::NotPossible)?;
        self.steps.push(Step { at, of: of.map(Into::into), add });
        Ok(())
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
