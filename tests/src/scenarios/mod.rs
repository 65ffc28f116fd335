//! What procgate does, as a list: the demo prints it, `tests/e2e_scenarios.rs` asserts it.

mod forgeries;
mod programs;

use crate::envoy::Envoy;
use crate::stage::Stage;
use crate::wire::Answer;
use procgate_identity::RefusalReason as Refused;
use procgate_policy::{Mode, Reason, Record};

/// One thing that is shown.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What is promised, as the name of a test.
    pub claim: &'static str,
    /// Who tries what, in a few words.
    pub what: &'static str,
    /// The proxy that it happens at.
    pub mode: Mode,
    /// What the client gets.
    pub status: u16,
    /// What the access log says.
    pub reason: Reason,
    /// Whether the demo shows it; the tests run all.
    pub in_demo: bool,
    /// Does it. Answers before the last one are what has to go well first: they are 200.
    play: fn(&Scene<'_>) -> Result<Vec<Answer>, Skipped>,
}

/// Something is not there that a scenario needs, and how to get it.
#[derive(Clone, Debug)]
pub struct Skipped(pub String);

/// Where a scenario plays.
#[derive(Debug)]
pub struct Scene<'a> {
    stage: &'a Stage,
    envoy: &'a Envoy,
    /// A path of its own, so that its records are found.
    path: String,
}

/// What happened.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the client got.
    pub status: u16,
    /// What the access log has about it.
    pub record: Record<'static>,
}

const ALLOWED: (u16, Reason) = (200, Reason::Allowed);

const fn denied(reason: Reason) -> (u16, Reason) {
    (403, reason)
}

const fn refused(reason: Refused) -> (u16, Reason) {
    denied(Reason::Identity(reason))
}

/// Every scenario, in the order of the demo.
#[must_use]
pub fn all() -> Vec<Scenario> {
    [programs::list(), forgeries::list(), programs::audit()].concat()
}

impl Scenario {
    const fn new(
        claim: &'static str,
        what: &'static str,
        (status, reason): (u16, Reason),
        play: fn(&Scene<'_>) -> Result<Vec<Answer>, Skipped>,
    ) -> Self {
        Self { claim, what, mode: Mode::Enforce, status, reason, in_demo: false, play }
    }

    const fn shown(self) -> Self {
        Self { in_demo: true, ..self }
    }

    const fn audited(self) -> Self {
        Self { mode: Mode::Audit, ..self }
    }

    /// Plays it.
    ///
    /// # Errors
    /// What is missing here.
    ///
    /// # Panics
    /// Where something fails that is not what the scenario is about.
    pub fn play(&self, stage: &Stage) -> Result<Outcome, Skipped> {
        let envoy = match self.mode {
            Mode::Enforce => &stage.pod.envoy,
            Mode::Audit => &stage.auditing,
        };
        let folder = if self.reason == Reason::NoMatchingRule { "refund" } else { "charge" };
        let folder = if self.reason == Reason::DeniedByRule { "admin" } else { folder };
        let scene = Scene { stage, envoy, path: format!("/{folder}/{}", self.claim) };
        let answers = (self.play)(&scene)?;
        let (last, before) = answers.split_last().expect("a scenario has an answer");
        for answer in before {
            assert_eq!(answer.status, 200, "before the point of {}: {:?}", self.claim, answer.json());
        }
        for answer in &answers {
            assert_stripped(answer);
        }
        let record = scene.record_of(last);
        Ok(Outcome { status: last.status, record })
    }

    /// What is not as promised, if anything.
    #[must_use]
    pub fn complaint(&self, outcome: &Outcome) -> Option<String> {
        let Outcome { status, record } = outcome;
        let as_promised = *status == self.status && record.reason == self.reason && record.mode == self.mode;
        let detail = record.detail.as_deref().unwrap_or("no detail");
        (!as_promised).then(|| {
            format!("promised {} {}, got {status} {}: {detail}", self.status, self.reason, record.reason)
        })
    }
}

impl Scene<'_> {
    /// The record of this answer: a denial tells its id, an upstream's answer its path.
    fn record_of(&self, answer: &Answer) -> Record<'static> {
        let body = answer.json();
        let id = body["id"].as_str();
        let record = self.envoy.record(&format!("the record of {}", self.path), |record| match id {
            Some(id) => record.id == id,
            None => record.path.as_deref() == Some(&self.path),
        });
        if id.is_some() {
            assert_eq!(answer.reason().as_deref(), Some(record.reason.code()), "answer and log differ");
        }
        record
    }
}

/// No token goes upstream.
fn assert_stripped(answer: &Answer) {
    let header = procgate_identity::carrier::header::NAME;
    let seen = answer.json();
    assert!(seen["headers"].get(header).is_none(), "the upstream has seen the token: {seen}");
}
