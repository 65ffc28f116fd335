//! Recorded decisions, judged again under a policy.
//!
//! A record tells who spoke only where the identity verified, and where to in full but for very long
//! paths. So a decision about a refused identity stays as it is: whether it would verify now, the
//! record cannot tell.

use super::vouch::vouch;
use crate::failure::Problem;
use crate::records::{Alike, Memo, Speaker, Speakers};
use core::net::{Ipv4Addr, SocketAddr};
use procgate_identity::{
    Claims, Labels, Lifetime, RefusalReason, Serial, Subject, TOKEN_LIFE_SECONDS, UnixNanos,
};
use procgate_policy::{
    Destination, Finding, Http, Policy, Presented, Reason, Record, ResolvedDestination, ResolvedIdentity,
};

/// Identities that are kept resolved; beyond, all are resolved anew, which takes longer and no memory.
const MAX_KEPT: usize = 65_536;
/// What a text ends with that the record has not whole.
const CUT: char = '…';

/// A policy that records are judged under.
#[derive(Debug)]
pub(super) struct Replay<'p> {
    policy: &'p Policy,
    speakers: Speakers,
    /// Each at the number of its speaker.
    resolved: Vec<Option<ResolvedIdentity>>,
    nobody: ResolvedIdentity,
    questions: Memo<Question>,
}

/// Who asks for what: all that a judgement looks at but method and path.
#[derive(Clone, Debug)]
struct Question {
    /// The number of the speaker; none for nobody.
    speaker: Option<usize>,
    destination: ResolvedDestination,
}

/// What comes of judging a record again.
#[derive(Debug)]
pub(super) enum Again<'p> {
    /// What the policy says.
    Judged(Finding<'p>),
    /// It was decided before any policy was asked: the identity was refused.
    Stays,
    /// The policy looks at what the record has not whole.
    Uncertain,
}

impl<'p> Replay<'p> {
    pub(super) fn under(policy: &'p Policy) -> Self {
        let nobody = policy.resolve_identity(Presented::Absent);
        let (speakers, resolved, questions) = Default::default();
        Self { policy, speakers, resolved, nobody, questions }
    }

    /// Judges what the record tells of.
    pub(super) fn judge(&mut self, record: &Record<'_>, alike: Option<Alike>) -> Result<Again<'p>, Problem> {
        if record.path.as_deref().is_some_and(|path| path.ends_with(CUT)) && self.policy.needs().path {
            return Ok(Again::Uncertain);
        }
        let destination = destination(record);
        let new;
        let question = match self.questions.get(alike) {
            Some(question) => question,
            None => {
                let Some(speaker) = self.speaker(record)? else { return Ok(Again::Stays) };
                new = Question { speaker, destination: self.policy.resolve_destination(&destination) };
                self.questions.set(alike, new.clone());
                &new
            }
        };
        let identity = match question.speaker {
            None => Some(&self.nobody),
            Some(number) => self.resolved.get(number).and_then(Option::as_ref),
        };
        let Some(identity) = identity else { return Ok(Again::Stays) };
        Ok(Again::Judged(self.policy.decide(identity, &question.destination, destination.http).finding))
    }

    /// The number of who speaks, none for nobody; and nothing at all where an identity was refused.
    fn speaker(&mut self, record: &Record<'_>) -> Result<Option<Option<usize>>, Problem> {
        Ok(match record.reason {
            Reason::Identity(RefusalReason::NoIdentity) => Some(None),
            Reason::Identity(_) | Reason::PeerMismatch | Reason::Internal => None,
            // By a rule for connections without identity.
            Reason::Allowed if record.subject.is_none() => Some(None),
            Reason::Allowed
            | Reason::UnknownProcess
            | Reason::WrongContainer
            | Reason::CodeChanged
            | Reason::DeniedByRule
            | Reason::NoMatchingRule => self.resolve(record)?.map(Some),
        })
    }

    fn resolve(&mut self, record: &Record<'_>) -> Result<Option<usize>, Problem> {
        if self.resolved.len() >= MAX_KEPT {
            self.speakers.clear();
            self.resolved.clear();
            self.questions.clear();
        }
        let Some(number) = self.speakers.number(record, MAX_KEPT) else { return Ok(None) };
        if number >= self.resolved.len() {
            let speaker = self.speakers.list().get(number);
            let claims = speaker.and_then(|speaker| claims(speaker, record.time));
            let resolved = claims.map(|claims| resolve(self.policy, claims)).transpose()?;
            self.resolved.push(resolved);
        }
        Ok(Some(number))
    }
}

/// Who a speaker with these claims is under the policy.
pub(super) fn resolve(policy: &Policy, claims: Claims) -> Result<ResolvedIdentity, Problem> {
    let now = claims.lifetime.issued_at.nanos();
    Ok(match vouch(claims, policy.trusted_keys(), now)? {
        Ok(identity) => policy.resolve_identity(Presented::Verified(&identity)),
        Err(refusal) => policy.resolve_identity(Presented::Refused(&refusal)),
    })
}

/// The claims of a speaker; none where no shim could have made them.
pub(super) fn claims(speaker: &Speaker, time: UnixNanos) -> Option<Claims> {
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
