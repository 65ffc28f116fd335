//! Who speaks in a record and where to, as far as it tells.
//!
//! It tells who spoke only where the identity verified, and where to in full but for very long paths.

use super::vouch::vouch;
use crate::failure::Problem;
use crate::records::Speaker;
use core::net::{Ipv4Addr, SocketAddr};
use procgate_identity::{
    Claims, Labels, Lifetime, RefusalReason, Serial, Stray, Subject, TOKEN_LIFE_SECONDS, UnixNanos,
};
use procgate_policy::{Destination, Http, Policy, Presented, Reason, Record, ResolvedIdentity};

/// What the filter held after looking at the connection's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Nobody,
    /// An identity that did not verify: whether it would now, the record cannot tell.
    Refused(RefusalReason),
    /// It was decided before any policy was asked.
    Unasked,
    Verified,
}

impl Spoken {
    pub(super) fn of(record: &Record<'_>) -> Self {
        match record.reason {
            Reason::Identity(RefusalReason::NoIdentity) => Self::Nobody,
            Reason::Identity(reason) => Self::Refused(reason),
            Reason::PeerMismatch | Reason::Internal => Self::Unasked,
            // By a rule for connections without identity.
            Reason::Allowed if record.subject.is_none() => Self::Nobody,
            Reason::Allowed
            | Reason::UnknownProcess
            | Reason::WrongContainer
            | Reason::CodeChanged
            | Reason::DeniedByRule
            | Reason::NoMatchingRule => Self::Verified,
        }
    }
}

/// The claims of a record's identity; none where no shim could have made them.
pub(super) fn claims(record: &Record<'_>) -> Option<Claims> {
    let claims = claims_of(&Speaker::of(record)?, record.time)?;
    let stray = record.stray.as_ref().map(|(path, digest)| Stray { path: path.to_string(), digest: *digest });
    let destination = record.address.unwrap_or(claims.destination);
    Some(Claims { stray, destination, ..claims })
}

/// Who a speaker is under the policy; none where no shim could have made its claims.
pub(super) fn resolve(
    policy: &Policy,
    speaker: &Speaker,
    time: UnixNanos,
) -> Result<Option<ResolvedIdentity>, Problem> {
    let Some(claims) = claims_of(speaker, time) else { return Ok(None) };
    let now = claims.lifetime.issued_at.nanos();
    let vouched = vouch(claims, policy.trusted_keys(), now)?;
    let presented = vouched.as_ref().map_or_else(Presented::Refused, Presented::Verified);
    Ok(Some(policy.resolve_identity(presented)))
}

fn claims_of(speaker: &Speaker, time: UnixNanos) -> Option<Claims> {
    let subject: Subject = speaker.subject.parse().ok()?;
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    Some(Claims {
        subject,
        lifetime: Lifetime::starting(time, TOKEN_LIFE_SECONDS),
        serial: Serial(time.0),
        exe: speaker.exe,
        code: speaker.code,
        stray: None,
        script: speaker.script,
        name: speaker.name.clone(),
        labels: Labels::from_pairs(speaker.labels.iter().cloned()).ok()?,
        source: nowhere,
        destination: nowhere,
    })
}

/// Where a recorded connection went, as the filter asked about it: of a connection that is no request,
/// the server name stands for the host.
pub(super) fn destination<'r>(record: &'r Record<'_>) -> Destination<'r> {
    let (method, path) = (record.method.as_deref(), record.path.as_deref());
    let http = Http { method: method.unwrap_or_default(), path: path.unwrap_or_default() };
    let http = (method.is_some() || path.is_some()).then_some(http);
    Destination { host: record.host.as_deref().or(record.sni.as_deref()), address: record.address, http }
}
