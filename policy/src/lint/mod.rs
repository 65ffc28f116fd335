//! What is probably wrong with a policy that is right by the letter.
//!
//! Nothing here guesses: each finding follows from the policy's own words. What cannot be known from
//! them (which labels identities carry, which hosts are the same machine) is left alone.

mod cover;
mod keys;
mod rules;
mod things;

use crate::model::Model;
use core::fmt;
use procgate_identity::UnixSeconds;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Not wrong: worth knowing, or tidying up.
    Note,
    /// Most likely not what was meant.
    Warning,
    /// It lets through more than a policy should.
    Danger,
}

impl Severity {
    /// `note`, `warning` or `danger`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Danger => "danger",
        }
    }
}

/// The kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LintId {
    /// An allow with neither `from` nor `to`.
    AnyToAny,
    /// A host pattern `*`.
    AnyHost,
    /// A range of all addresses.
    AnyAddress,
    /// An allow for connections without identity.
    Unidentified,
    /// An allow of which a deny takes everything.
    Shadowed,
    /// A rule of which a better rule with the same effect takes everything.
    Redundant,
    /// A rule that no connection can meet.
    NeverMatches,
    /// A method that no client sends in this spelling.
    MethodCase,
    /// A process that no rule is about.
    UnusedProcess,
    /// A destination that no rule is about.
    UnusedDestination,
    /// A digest that stands twice in one list.
    RepeatedDigest,
    /// Two processes that nothing tells apart.
    SameProcess,
    /// A key that may sign for the whole trust domain.
    WideScope,
    /// Several keys with one scope.
    SameScope,
    /// A key whose name is a date more than a year ago.
    OldKey,
}

impl LintId {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::AnyToAny,
        Self::AnyHost,
        Self::AnyAddress,
        Self::Unidentified,
        Self::Shadowed,
        Self::Redundant,
        Self::NeverMatches,
        Self::MethodCase,
        Self::UnusedProcess,
        Self::UnusedDestination,
        Self::RepeatedDigest,
        Self::SameProcess,
        Self::WideScope,
        Self::SameScope,
        Self::OldKey,
    ];

    /// The name on every surface, for example `any-to-any`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AnyToAny => "any-to-any",
            Self::AnyHost => "any-host",
            Self::AnyAddress => "any-address",
            Self::Unidentified => "unidentified",
            Self::Shadowed => "shadowed",
            Self::Redundant => "redundant",
            Self::NeverMatches => "never-matches",
            Self::MethodCase => "method-case",
            Self::UnusedProcess => "unused-process",
            Self::UnusedDestination => "unused-destination",
            Self::RepeatedDigest => "repeated-digest",
            Self::SameProcess => "same-process",
            Self::WideScope => "wide-scope",
            Self::SameScope => "same-scope",
            Self::OldKey => "old-key",
        }
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::AnyToAny | Self::AnyHost | Self::AnyAddress | Self::Unidentified | Self::WideScope => {
                Severity::Danger
            }
            Self::Shadowed | Self::NeverMatches | Self::MethodCase | Self::SameProcess | Self::OldKey => {
                Severity::Warning
            }
            Self::Redundant
            | Self::UnusedProcess
            | Self::UnusedDestination
            | Self::RepeatedDigest
            | Self::SameScope => Severity::Note,
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintFinding {
    /// Which kind.
    pub id: LintId,
    /// The field, for example `rules[3].allow`.
    pub path: String,
    /// What is the matter.
    pub problem: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for LintFinding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, path, problem, fix } = self;
        write!(out, "{path}: {}: {}: {problem}: {fix}", id.severity().code(), id.code())
    }
}

/// Looks through a policy: rules first, then processes, destinations and keys, each in the order of
/// the document. Ages of keys are told only where `now` is given.
#[must_use]
pub fn lint(model: &Model, now: Option<UnixSeconds>) -> Vec<LintFinding> {
    let mut found = Findings::default();
    rules::single(model, &mut found);
    rules::covered(model, &mut found);
    found.0.sort_by_key(|(rule, _)| *rule);
    things::processes(model, &mut found);
    things::destinations(model, &mut found);
    keys::keys(model, now, &mut found);
    found.0.into_iter().map(|(_, finding)| finding).collect()
}

/// Findings with the place of their rule, for the order.
#[derive(Default)]
struct Findings(Vec<(usize, LintFinding)>);

impl Findings {
    fn add(&mut self, id: LintId, path: String, problem: impl Into<String>, fix: impl Into<String>) {
        self.add_for_rule(usize::MAX, id, path, problem, fix);
    }

    fn add_for_rule(
        &mut self,
        rule: usize,
        id: LintId,
        path: String,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.0.push((rule, LintFinding { id, path, problem: problem.into(), fix: fix.into() }));
    }
}
