//! Recorded decisions, judged again under a policy.
//!
//! A decision about a refused identity stays as it is: whether it would verify now, the record cannot tell.

use super::cut::{AllBounds, CUTS, Cut};
use super::spoken::{self, Spoken, destination};
use crate::failure::Problem;
use crate::records::{Alike, Memo, Speakers};
use procgate_policy::{
    Destination, Finding, Policy, Presented, Reason, Record, ResolvedDestination, ResolvedIdentity,
};

/// Identities that are kept resolved; beyond, all are resolved anew, which takes longer and no memory.
const MAX_KEPT: usize = 65_536;

/// A policy that records are judged under, and what bounds it where they have not the whole of what counts.
#[derive(Debug)]
pub(super) struct Replay<'p> {
    whole: Judge<'p>,
    bounds: &'p AllBounds<'p>,
    /// Each at the number of its cut: under the strictest and under the loosest policy.
    bounding: [Option<Box<[Judge<'p>; 2]>>; CUTS],
}

/// A policy, and what was looked up under it.
#[derive(Debug)]
struct Judge<'p> {
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
    /// It depends on what the record has not whole.
    Uncertain,
}

impl<'p> Replay<'p> {
    pub(super) fn under(policy: &'p Policy, bounds: &'p AllBounds<'p>) -> Self {
        Self { whole: Judge::under(policy), bounds, bounding: Default::default() }
    }

    /// Judges what the record tells of.
    pub(super) fn judge(&mut self, record: &Record<'_>, alike: Option<Alike>) -> Result<Again<'p>, Problem> {
        let destination = destination(record);
        let Some(cut) = Cut::of(&destination, self.whole.policy) else {
            return self.whole.judge(record, &destination, alike);
        };
        let (Some(bounds), Some(kept)) = (self.bounds.get(cut), self.bounding.get_mut(cut.number())) else {
            return Ok(Again::Uncertain);
        };
        let both = || Box::new([&bounds.strictest, &bounds.loosest].map(Judge::under));
        let [strictest, loosest] = &mut **kept.get_or_insert_with(both);
        let strictly = strictest.judge(record, &destination, alike)?;
        Ok(strictly.if_also(loosest.judge(record, &destination, alike)?))
    }
}

impl<'p> Again<'p> {
    /// What is sure, of what the strictest policy says and the loosest. An allow is told by a rule that must hold
    /// under the one, a denial by one that must hold under the other.
    fn if_also(self, loosely: Self) -> Self {
        match (self, loosely) {
            (Self::Judged(strictly), Self::Judged(loosely)) => {
                match [&strictly, &loosely].map(|finding| finding.reason == Reason::Allowed) {
                    [true, true] => Self::Judged(strictly),
                    [false, false] => Self::Judged(loosely),
                    [true, false] | [false, true] => Self::Uncertain,
                }
            }
            (Self::Stays, Self::Stays) => Self::Stays,
            (Self::Judged(_) | Self::Stays | Self::Uncertain, _) => Self::Uncertain,
        }
    }
}

impl<'p> Judge<'p> {
    fn under(policy: &'p Policy) -> Self {
        let nobody = policy.resolve_identity(Presented::Absent);
        let (speakers, resolved, questions) = Default::default();
        Self { policy, speakers, resolved, nobody, questions }
    }

    fn judge(
        &mut self,
        record: &Record<'_>,
        destination: &Destination<'_>,
        alike: Option<Alike>,
    ) -> Result<Again<'p>, Problem> {
        let new;
        let question = match self.questions.get(alike) {
            Some(question) => question,
            None => {
                let Some(speaker) = self.speaker(record)? else { return Ok(Again::Stays) };
                new = Question { speaker, destination: self.policy.resolve_destination(destination) };
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
