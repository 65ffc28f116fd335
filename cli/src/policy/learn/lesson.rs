//! What a record can teach, and why not.

use procgate_policy::{Mode, Reason, Record};

/// Why no rule is proposed for a connection whose identity verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aside {
    DeniedByRule,
    Refused,
    NoDestination,
    NoPort,
    UnclearPath,
    UnclearMethod,
}

impl Aside {
    const ALL: [Self; 6] = [
        Self::DeniedByRule,
        Self::Refused,
        Self::NoDestination,
        Self::NoPort,
        Self::UnclearPath,
        Self::UnclearMethod,
    ];

    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::DeniedByRule => "denied-by-rule",
            Self::Refused => "refused",
            Self::NoDestination => "no-destination",
            Self::NoPort => "no-port",
            Self::UnclearPath => "unclear-path",
            Self::UnclearMethod => "unclear-method",
        }
    }

    pub(super) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|aside| aside.code() == code)
    }

    /// For people.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::DeniedByRule => "denied by a rule: that was somebody's decision",
            Self::Refused => "refused by a policy in force: learn from audit mode",
            Self::NoDestination => "to no host and no address that is known",
            Self::NoPort => "to port 0, which is none",
            Self::UnclearPath => "with paths that readers could understand differently, or that are too long",
            Self::UnclearMethod => "with methods that no rule can name",
        }
    }
}

/// The code of a connection that nobody vouches for.
const NO_IDENTITY: &str = "no-identity";

/// What a record can teach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lesson {
    Flow,
    Aside(Aside),
    Unverified(&'static str),
}

impl Lesson {
    /// Only a verified identity teaches anything, and only where the connection proceeded.
    pub(super) fn of(record: &Record<'_>) -> Self {
        let anonymous = record.subject.is_none() || record.exe.is_none();
        match record.reason {
            Reason::Identity(_) | Reason::PeerMismatch | Reason::Internal => {
                Self::Unverified(record.reason.code())
            }
            // By a rule for connections without identity.
            Reason::Allowed if anonymous => Self::Unverified(NO_IDENTITY),
            Reason::DeniedByRule => Self::Aside(Aside::DeniedByRule),
            Reason::Allowed => Self::Flow,
            Reason::UnknownProcess
            | Reason::WrongContainer
            | Reason::CodeChanged
            | Reason::NoMatchingRule => match record.mode {
                Mode::Audit => Self::Flow,
                Mode::Enforce => Self::Aside(Aside::Refused),
            },
        }
    }
}
