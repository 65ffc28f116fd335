//! Why an identity was not accepted.

use core::fmt;

/// The reasons for which a connection has no accepted identity: a closed vocabulary, the same in the
/// 403, the access log, the metrics and the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalReason {
    /// No carrier brought a token.
    NoIdentity,
    /// Not a token of the form that procgate signs.
    MalformedIdentity,
    /// Longer than a bound allows.
    IdentityTooLarge,
    /// More than one token, or parts that do not fit together.
    AmbiguousIdentity,
    /// An algorithm other than the key's own.
    UnsupportedAlgorithm,
    /// Signed by a key that the policy does not list.
    UnknownKey,
    /// The signature is not the key's over this text.
    BadSignature,
    /// The key may not sign for this subject.
    OutsideKeyScope,
    /// Too late.
    Expired,
    /// Too early.
    NotYetValid,
    /// Made for somebody else.
    WrongAudience,
    /// Made for a connection from another address.
    WrongSource,
    /// Made for a connection to another address.
    WrongDestination,
    /// Seen before from this source.
    Replayed,
}

impl RefusalReason {
    /// Every reason, in the order in which they are documented.
    pub const ALL: [Self; 14] = [
        Self::NoIdentity,
        Self::MalformedIdentity,
        Self::IdentityTooLarge,
        Self::AmbiguousIdentity,
        Self::UnsupportedAlgorithm,
        Self::UnknownKey,
        Self::BadSignature,
        Self::OutsideKeyScope,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongAudience,
        Self::WrongSource,
        Self::WrongDestination,
        Self::Replayed,
    ];

    /// The reason's name on every surface, for example `no-identity`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoIdentity => "no-identity",
            Self::MalformedIdentity => "malformed-identity",
            Self::IdentityTooLarge => "identity-too-large",
            Self::AmbiguousIdentity => "ambiguous-identity",
            Self::UnsupportedAlgorithm => "unsupported-algorithm",
            Self::UnknownKey => "unknown-key",
            Self::BadSignature => "bad-signature",
            Self::OutsideKeyScope => "outside-key-scope",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::WrongAudience => "wrong-audience",
            Self::WrongSource => "wrong-source",
            Self::WrongDestination => "wrong-destination",
            Self::Replayed => "replayed",
        }
    }
}

/// A reason and, for people, what was seen. The detail never quotes bytes that a peer chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: RefusalReason,
    /// What was seen, in a few words.
    pub detail: String,
}

impl Refusal {
    /// A refusal for this reason, with what was seen.
    // Dozens of places make one, none of them often: inlined, they are a hundredth of the filter's module.
    #[inline(never)]
    pub fn new(reason: RefusalReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    #[inline(never)]
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(RefusalReason::MalformedIdentity, detail)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.reason.code(), self.detail)
    }
}

impl core::error::Error for Refusal {}
