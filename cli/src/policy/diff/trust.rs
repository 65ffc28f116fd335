//! What the keys and the mode come to: which tokens begin or stop to verify, and what proceeds.

use crate::escape::escape;
use core::fmt;
use procgate_identity::PublicJwk;
use procgate_policy::{Mode, Model};
use serde::Serialize;
use std::collections::HashMap;

/// Tokens that one policy accepts and the other refuses.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Tokens {
    pub(super) kind: TokenChange,
    /// The `kid` of the key that signed them.
    key: String,
    /// The `x` of that key: another one may have had its name.
    x: String,
    /// The subject, or the prefix of all subjects, that they are for.
    scope: String,
    /// The subject or prefix within that, for which nothing changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    except: Option<String>,
}

/// How tokens fare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TokenChange {
    NewlyAccepted,
    NewlyRefused,
}

/// A key with what it may sign for.
type Trusted = (PublicJwk, String);

/// All of them, by the order of the keys.
pub(super) fn tokens(before: &Model, after: &Model) -> Vec<Tokens> {
    let (before, after) = (trusted(before), trusted(after));
    let refused = only_in(&before, &after, TokenChange::NewlyRefused);
    only_in(&after, &before, TokenChange::NewlyAccepted).chain(refused).collect()
}

fn trusted(model: &Model) -> Vec<Trusted> {
    model.keys().iter().map(|trusted| (trusted.key.jwk(), trusted.scope.to_string())).collect()
}

/// What some keys may sign for and the others may not. A token names its key.
fn only_in<'k>(
    some: &'k [Trusted],
    others: &'k [Trusted],
    kind: TokenChange,
) -> impl Iterator<Item = Tokens> + 'k {
    let by_name: HashMap<&str, &Trusted> =
        others.iter().map(|trusted| (trusted.0.kid.as_str(), trusted)).collect();
    some.iter().filter_map(move |(jwk, scope)| {
        let other = by_name.get(jwk.kid.as_str()).filter(|(other, _)| other == jwk).map(|(_, scope)| scope);
        if other.is_some_and(|other| holds(other, scope)) {
            return None;
        }
        let except = other.filter(|other| holds(scope, other)).cloned();
        Some(Tokens { kind, key: jwk.kid.clone(), x: jwk.x.clone(), scope: scope.clone(), except })
    })
}

/// Whether one scope has all of the other.
fn holds(wide: &str, narrow: &str) -> bool {
    wide == narrow || (wide.ends_with('/') && narrow.starts_with(wide))
}

impl fmt::Display for Tokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subjects = |scope: &str| if scope.ends_with('/') { "all below " } else { "" };
        let Self { key, x, scope, except, .. } = self;
        write!(out, "for {}{scope}", subjects(scope))?;
        if let Some(except) = except {
            write!(out, " but {}{except}", subjects(except))?;
        }
        write!(out, ", signed by the key {} (x {x})", escape(key))
    }
}

/// Another mode.
#[derive(Debug, Serialize)]
pub(super) struct ModeChange {
    before: &'static str,
    after: &'static str,
    means: &'static str,
}

impl ModeChange {
    /// What it means that the mode is another.
    pub(super) fn between(before: &Model, after: &Model) -> Option<Self> {
        let (before, after) = (before.mode(), after.mode());
        let means = match after {
            Mode::Audit => "every connection proceeds, whatever is decided",
            Mode::Enforce => "what is denied no longer proceeds",
        };
        (before != after).then(|| Self { before: before.code(), after: after.code(), means })
    }
}

impl fmt::Display for ModeChange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "under mode {} {}", self.after, self.means)
    }
}
