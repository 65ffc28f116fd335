//! Why a connection or request was allowed or denied: one closed vocabulary for every surface.

use procgate_identity::RefusalReason;

/// The outcome of a judgement. The same code stands in the 403, the access log, the metrics,
/// `explain` and the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A rule allows it and none denies it.
    Allowed,
    /// The identity itself was refused, or there is none.
    Identity(RefusalReason),
    /// The running executable is on no list of the policy.
    UnknownProcess,
    /// The executable is known, but not in this container, namespace or service account.
    WrongContainer,
    /// A known process whose executable, code list or script is another, or that has mapped a file
    /// which is not on its list.
    CodeChanged,
    /// At the receiver: the token and the mTLS principal name different workloads.
    PeerMismatch,
    /// A deny rule matches.
    DeniedByRule,
    /// No allow rule matches.
    NoMatchingRule,
    /// A fault of procgate's own, which never lets anything through.
    Internal,
}

impl Reason {
    /// Every reason, in the order in which they are documented.
    pub const ALL: [Self; 22] = [
        Self::Allowed,
        Self::Identity(RefusalReason::NoIdentity),
        Self::Identity(RefusalReason::MalformedIdentity),
        Self::Identity(RefusalReason::IdentityTooLarge),
        Self::Identity(RefusalReason::AmbiguousIdentity),
        Self::Identity(RefusalReason::UnsupportedAlgorithm),
        Self::Identity(RefusalReason::UnknownKey),
        Self::Identity(RefusalReason::BadSignature),
        Self::Identity(RefusalReason::OutsideKeyScope),
        Self::Identity(RefusalReason::Expired),
        Self::Identity(RefusalReason::NotYetValid),
        Self::Identity(RefusalReason::WrongAudience),
        Self::Identity(RefusalReason::WrongSource),
        Self::Identity(RefusalReason::WrongDestination),
        Self::Identity(RefusalReason::Replayed),
        Self::UnknownProcess,
        Self::WrongContainer,
        Self::CodeChanged,
        Self::PeerMismatch,
        Self::DeniedByRule,
        Self::NoMatchingRule,
        Self::Internal,
    ];

    /// The name on every surface, for example `no-matching-rule`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Identity(reason) => reason.code(),
            Self::UnknownProcess => "unknown-process",
            Self::WrongContainer => "wrong-container",
            Self::CodeChanged => "code-changed",
            Self::PeerMismatch => "peer-mismatch",
            Self::DeniedByRule => "denied-by-rule",
            Self::NoMatchingRule => "no-matching-rule",
            Self::Internal => "internal",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// What whoever meets this outcome does next, in one sentence that tells nothing of the policy.
    #[must_use]
    pub const fn next_step(self) -> &'static str {
        match self {
            Self::Allowed => "Nothing: the connection proceeds.",
            Self::Identity(reason) => next_step_for_identity(reason),
            Self::UnknownProcess => {
                "Add the digest of this executable to a process of the policy (`procgate digest`), or stop running it here."
            }
            Self::WrongContainer => {
                "Run this program in the container that the policy names for it, or name this container too."
            }
            Self::CodeChanged => {
                "Roll out the digests of the new version to the policy, or find out who changed the code in this container."
            }
            Self::PeerMismatch => {
                "Let each workload forward its own identity only, over mutual TLS: token and certificate must name one service account."
            }
            Self::DeniedByRule => "Ask the owner of the policy: a rule denies this on purpose.",
            Self::NoMatchingRule => {
                "Ask the owner of the policy for a rule that allows this; `procgate policy explain` says what the nearest rule lacks."
            }
            Self::Internal => "Report it with the id: the proxy's log has the cause.",
        }
    }
}

const fn next_step_for_identity(reason: RefusalReason) -> &'static str {
    match reason {
        RefusalReason::NoIdentity => {
            "Start the program under procgate-shim in this container, or check that the shim covers this destination."
        }
        RefusalReason::MalformedIdentity => {
            "Check that shim and filter have the same version and that nothing between them rewrites the identity."
        }
        RefusalReason::IdentityTooLarge => "Use fewer or shorter labels, so that the token becomes smaller.",
        RefusalReason::AmbiguousIdentity => {
            "Send one identity by one carrier: remove the second header, TLV or shim."
        }
        RefusalReason::UnsupportedAlgorithm => {
            "Sign with a key as `procgate keygen` makes it, by its own algorithm: EdDSA or ES256."
        }
        RefusalReason::UnknownKey => "Add the public key of this shim to the policy's trust.keys.",
        RefusalReason::BadSignature => {
            "Give the shim the private key that belongs to the policy's public key."
        }
        RefusalReason::OutsideKeyScope => {
            "Give this container its own key, or widen the key's scope in the policy."
        }
        RefusalReason::Expired => {
            "Open a new connection; if it happens again, set the clocks of both nodes by NTP."
        }
        RefusalReason::NotYetValid => "Set the clocks of both nodes by NTP.",
        RefusalReason::WrongAudience => "Use a token that was made for procgate.",
        RefusalReason::WrongSource => {
            "Use each token on the connection it was made for; look for something that rewrites source addresses."
        }
        RefusalReason::WrongDestination => {
            "Use each token on the connection it was made for; look for something that rewrites destinations."
        }
        RefusalReason::Replayed => {
            "Open a new connection with a new token; a token that returns is an attack."
        }
    }
}

impl From<RefusalReason> for Reason {
    fn from(reason: RefusalReason) -> Self {
        Self::Identity(reason)
    }
}

impl core::fmt::Display for Reason {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_is_unique_and_finds_its_reason() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(reason));
        }
        assert_eq!(Reason::from_code("Allowed"), None);
    }

    #[test]
    fn every_reason_to_refuse_an_identity_is_a_reason() {
        for reason in RefusalReason::ALL {
            assert!(Reason::ALL.contains(&Reason::from(reason)), "{reason:?}");
        }
    }

    #[test]
    fn every_reason_says_what_to_do_next_in_a_sentence() {
        for reason in Reason::ALL {
            let step = reason.next_step();
            assert!(step.len() > 20 && step.ends_with('.'), "{reason}: {step}");
        }
    }
}
