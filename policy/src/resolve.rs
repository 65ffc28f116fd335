//! The two ends of a connection, looked up once and judged often.

use crate::connection::{Destination, Presented};
use crate::index::{Atom, Unrecognised};
use crate::policy::Policy;
use crate::reason::Reason;
use core::fmt::Write as _;
use procgate_identity::{Claims, Digest, RefusalReason, Subject, TrustDomain, VerifiedIdentity};

/// Bytes of a path that a denial repeats.
const MAX_QUOTED_PATH: usize = 128;

/// Who speaks, in terms of one policy. It holds for a whole connection, as long as the policy stays
/// the same: judging with another one is denied as `internal`.
#[derive(Clone, Debug)]
pub struct ResolvedIdentity {
    pub(crate) policy: Digest,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// One or more processes of the policy; the first names it.
    Recognised { process: u32, atoms: Vec<Atom> },
    /// No identity was presented.
    Absent { atoms: Vec<Atom> },
    /// An identity that no rule can let through. The process is the one it might have been.
    Rejected { reason: Reason, detail: String, process: Option<u32> },
}

impl ResolvedIdentity {
    /// Whether it belongs to this policy.
    #[must_use]
    pub fn is_of(&self, policy: &Policy) -> bool {
        self.policy == policy.sha256()
    }
}

/// Where a connection goes, in terms of one policy. It holds as long as host, address and policy
/// stay the same.
#[derive(Clone, Debug)]
pub struct ResolvedDestination {
    pub(crate) policy: Digest,
    pub(crate) atoms: Vec<Atom>,
    pub(crate) port: Option<u16>,
}

impl ResolvedDestination {
    /// Whether it belongs to this policy.
    #[must_use]
    pub fn is_of(&self, policy: &Policy) -> bool {
        self.policy == policy.sha256()
    }
}

impl Policy {
    /// Looks up who speaks.
    #[must_use]
    pub fn resolve_identity(&self, presented: Presented<'_>) -> ResolvedIdentity {
        let rejected =
            |reason, detail: &str| Outcome::Rejected { reason, detail: detail.into(), process: None };
        let outcome = match presented {
            Presented::Verified(identity) => self.recognise(identity),
            Presented::Absent => return self.resolve_claims(None),
            Presented::Refused(refusal) => rejected(refusal.reason.into(), &refusal.detail),
            Presented::PeerMismatch(detail) => rejected(Reason::PeerMismatch, detail),
            Presented::Fault(detail) => rejected(Reason::Internal, detail),
        };
        ResolvedIdentity { policy: self.sha256(), outcome }
    }

    /// Looks up who speaks as if somebody had verified it, for tools that ask what would be; nobody
    /// without claims.
    pub(crate) fn resolve_claims(&self, claims: Option<&Claims>) -> ResolvedIdentity {
        let outcome = match claims {
            Some(claims) => self.recognise_claims(claims),
            None => Outcome::Absent { atoms: self.index().atoms_of_nobody() },
        };
        ResolvedIdentity { policy: self.sha256(), outcome }
    }

    fn recognise(&self, identity: &VerifiedIdentity) -> Outcome {
        let claims = identity.claims();
        // Somebody may have verified it with other keys.
        if !is_within(&claims.subject, self.trusted_keys().domain()) {
            return Outcome::Rejected {
                reason: RefusalReason::UnknownKey.into(),
                detail: "verified for another trust domain than the policy's".into(),
                process: None,
            };
        }
        self.recognise_claims(claims)
    }

    fn recognise_claims(&self, claims: &Claims) -> Outcome {
        match self.index().processes.identify(claims) {
            Ok(processes) => Outcome::Recognised {
                process: processes.first().copied().unwrap_or(u32::MAX),
                atoms: self.index().atoms_of_source(&processes, claims.labels.iter()),
            },
            Err(unrecognised) => self.rejected(unrecognised, claims),
        }
    }

    fn rejected(&self, unrecognised: Unrecognised, claims: &Claims) -> Outcome {
        let process = match unrecognised {
            Unrecognised::Unknown | Unrecognised::Place => None,
            Unrecognised::Exe(process) | Unrecognised::Code(process) | Unrecognised::Script(process) => {
                Some(process)
            }
        };
        Outcome::Rejected { reason: unrecognised.reason(), detail: seen(unrecognised, claims), process }
    }

    /// Looks up where a connection goes; what it asks for there plays no part.
    #[must_use]
    pub fn resolve_destination(&self, destination: &Destination<'_>) -> ResolvedDestination {
        let address = destination.address.map(|address| address.ip());
        let destinations = self.index().destinations.find(destination.host, address);
        ResolvedDestination {
            policy: self.sha256(),
            atoms: self.index().atoms_of_destination(&destinations),
            port: destination.address.map(|address| address.port()),
        }
    }
}

impl Unrecognised {
    /// What it is called.
    pub(crate) const fn reason(self) -> Reason {
        match self {
            Self::Unknown => Reason::UnknownProcess,
            Self::Place => Reason::WrongContainer,
            Self::Exe(_) | Self::Code(_) | Self::Script(_) => Reason::CodeChanged,
        }
    }
}

/// Whether the subject is of this domain, without making a domain of it first.
fn is_within(subject: &Subject, domain: &TrustDomain) -> bool {
    let path = subject.as_str().strip_prefix("spiffe://").and_then(|path| path.strip_prefix(domain.name()));
    path.is_some_and(|path| path.starts_with('/'))
}

/// What was seen of a process that was not recognised, and what to do about it.
fn seen(unrecognised: Unrecognised, claims: &Claims) -> String {
    let mut text = String::new();
    let path = Quoted(&claims.name);
    let subject = &claims.subject;
    // Writing to a String does not fail.
    let _ = match unrecognised {
        Unrecognised::Unknown => {
            write!(text, "{path} with exe {} is no process of the policy", claims.exe)
        }
        Unrecognised::Exe(_) => write!(
            text,
            "{path} has exe {}, which the policy does not list for the process at this path: \
             add it during a rollout",
            claims.exe
        ),
        Unrecognised::Place => write!(
            text,
            "{path} with exe {} is known, but not in container {}, namespace {}, service account {}",
            claims.exe,
            subject.container(),
            subject.namespace().unwrap_or("(none)"),
            subject.service_account().unwrap_or("(none)")
        ),
        Unrecognised::Code(_) => match (&claims.code, &claims.stray) {
            (_, Some(stray)) => {
                let path = Quoted(&stray.path);
                let digest = stray.digest.map_or_else(|| "unreadable".into(), |digest| digest.to_string());
                write!(
                    text,
                    "{path} ({digest}) is mapped and not on the code list: remove it, or add it to the list"
                )
            }
            (Some(code), None) => {
                write!(text, "the code list is {code}, another than the policy pins: add it during a rollout")
            }
            (None, None) => write!(
                text,
                "the policy pins a code list and the identity has none: start the shim with --code-list"
            ),
        },
        Unrecognised::Script(_) => match &claims.script {
            Some(script) => write!(text, "{path} runs the script {script}, another than the policy pins"),
            None => write!(text, "{path} runs no script that is known, and the policy pins one"),
        },
    };
    text
}

/// A path from an identity, escaped and cut.
struct Quoted<'a>(&'a str);

impl core::fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let letters = self.0.chars().take(MAX_QUOTED_PATH).flat_map(char::escape_default);
        letters.into_iter().try_for_each(|letter| out.write_char(letter))
    }
}
