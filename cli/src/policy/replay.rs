//! Recorded decisions, judged again under a policy.
//!
//! A decision about a refused identity stays as it is: whether it would verify now, the record cannot tell.

use super::spoken::{self, Spoken, destination};
use crate::failure::Problem;
use crate::records::{Alike, Memo, Speakers};
use procgate_policy::{
    Destination, Finding, Policy, Presented, Record, ResolvedDestination, ResolvedIdentity,
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
        let destination = destination(record);
        if lacks_what_counts(&destination, self.policy) {
            return Ok(Again::Uncertain);
        }
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
        Ok(match Spoken::of(record) {
            Spoken::Nobody => Some(None),
            Spoken::Refused(_) | Spoken::Unasked => None,
            Spoken::Verified => self.resolve(record)?.map(Some),
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
            let resolved = speaker.map(|speaker| spoken::resolve(self.policy, speaker, record.time));
            self.resolved.push(resolved.transpose()?.flatten());
        }
        Ok(Some(number))
    }
}

/// Whether the policy looks at a text that the record has only the beginning of.
fn lacks_what_counts(destination: &Destination<'_>, policy: &Policy) -> bool {
    let is_cut = |text: &str| text.ends_with(CUT);
    let host = destination.host.is_some_and(is_cut);
    let method = destination.http.is_some_and(|http| is_cut(http.method));
    let path = destination.http.is_some_and(|http| is_cut(http.path));
    let needs = || policy.needs();
    (host && needs().host) || (method && needs().method) || (path && needs().path)
}
