//! The judgement: the one place where a [`Permit`] is made.

use crate::connection::{Destination, Http, Presented};
use crate::index::{Rank, Request};
use crate::policy::Policy;
use crate::raw::{Effect, Mode};
use crate::reason::Reason;
use crate::resolve::{Outcome, ResolvedDestination, ResolvedIdentity};
use procgate_identity::RefusalReason;

/// Leave for one connection or request to proceed. Nothing but a judgement makes one; whoever lets
/// something proceed has to consume it.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit is for letting the connection proceed"]
pub struct Permit(());

impl Permit {
    /// The permit for the same question asked again: of the same policy, about the same identity,
    /// destination and request. The answer depends on nothing else.
    pub const fn again(&self) -> Self {
        Self(())
    }
}

/// Refusal of one connection or request.
#[derive(Debug, PartialEq, Eq)]
pub struct Denial {
    reason: Reason,
}

impl Denial {
    /// Why.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }
}

/// What happens now.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "without looking at the verdict nothing is decided"]
pub enum Verdict {
    /// It may proceed: allowed, or only audited.
    Proceed(Permit),
    /// It may not.
    Refuse(Denial),
}

/// A verdict and, for the record, what the policy says.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "without looking at the verdict nothing is decided"]
pub struct Judgement<'p> {
    /// What happens now. Under `audit` everything proceeds.
    pub verdict: Verdict,
    /// What the policy says, whatever its mode.
    pub finding: Finding<'p>,
}

/// What the policy says about one connection or request; the same under `audit` and `enforce`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding<'p> {
    /// Audit or enforce.
    pub mode: Mode,
    /// Allowed, or why not.
    pub reason: Reason,
    /// What was seen, for people: escaped, bounded, and nothing of the policy's rules.
    pub detail: Option<String>,
    /// The process of the policy that speaks, or that it would be if its code had not changed.
    pub process: Option<&'p str>,
    /// The rule that allows or denies it.
    pub rule: Option<&'p str>,
    /// Where no rule matches, an allow rule that comes near: for the same two ends, or else for the
    /// same source.
    pub nearest: Option<&'p str>,
}

/// Judges one connection or request.
pub fn judge<'p>(
    policy: &'p Policy,
    presented: Presented<'_>,
    destination: &Destination<'_>,
) -> Judgement<'p> {
    let identity = policy.resolve_identity(presented);
    let resolved = policy.resolve_destination(destination);
    policy.decide(&identity, &resolved, destination.http)
}

impl Policy {
    /// Judges one connection or request whose ends were looked up before.
    #[inline]
    pub fn decide(
        &self,
        identity: &ResolvedIdentity,
        destination: &ResolvedDestination,
        http: Option<Http<'_>>,
    ) -> Judgement<'_> {
        let finding = self.find(identity, destination, http);
        let proceeds = finding.reason == Reason::Allowed || finding.mode == Mode::Audit;
        let verdict = if proceeds {
            Verdict::Proceed(Permit(()))
        } else {
            Verdict::Refuse(Denial { reason: finding.reason })
        };
        Judgement { verdict, finding }
    }

    #[inline]
    fn find(
        &self,
        identity: &ResolvedIdentity,
        destination: &ResolvedDestination,
        http: Option<Http<'_>>,
    ) -> Finding<'_> {
        let mut finding = Finding {
            mode: self.mode(),
            reason: Reason::Internal,
            detail: None,
            process: None,
            rule: None,
            nearest: None,
        };
        if !identity.is_of(self) || !destination.is_of(self) {
            finding.detail = Some("looked up under another policy".into());
            return finding;
        }
        let (atoms, recognised) = match &identity.outcome {
            Outcome::Recognised { process, atoms } => {
                finding.process = self.process_name(*process);
                (atoms, true)
            }
            Outcome::Absent { atoms } => (atoms, false),
            Outcome::Rejected { reason, detail, process } => {
                finding.reason = *reason;
                finding.detail = Some(detail.clone());
                finding.process = process.and_then(|process| self.process_name(process));
                return finding;
            }
        };
        let request =
            Request { port: destination.port, http: http.map(|Http { method, path }| (method, path)) };
        let found = self.index().find(atoms, &destination.atoms, &request);
        let rule = self.rule(found.rule);
        finding.rule = rule.map(|(name, _)| name);
        finding.reason = match (rule.map(|(_, effect)| effect), recognised) {
            (Some(Effect::Allow), _) => Reason::Allowed,
            // Whoever shows no identity learns that first: with one, the rule may not be about them.
            (_, false) => RefusalReason::NoIdentity.into(),
            (Some(Effect::Deny), true) => Reason::DeniedByRule,
            (None, true) => Reason::NoMatchingRule,
        };
        if rule.is_none() {
            finding.nearest = self.rule(found.nearest).map(|(name, _)| name);
        }
        finding
    }

    #[inline]
    fn rule(&self, rank: Rank) -> Option<(&str, Effect)> {
        let place = self.index().by_rank.get(rank.place()?)?;
        self.model().rules.get(*place).map(|rule| (rule.name.as_str(), rule.effect))
    }

    #[inline]
    fn process_name(&self, number: u32) -> Option<&str> {
        let place = usize::try_from(number).ok()?;
        self.model().processes.get(place).map(|process| process.name.as_str())
    }
}
