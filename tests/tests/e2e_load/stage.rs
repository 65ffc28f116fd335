//! One Envoy in front of one server, and one shim with one program that has many connections. One at a time: each
//! test wants the whole machine.

use crate::crowd::Crowd;
use procgate_tests::envoy::{Setup, patient};
use procgate_tests::pod::{Confinement, Pod, folder};
use procgate_tests::program::Program;
use procgate_tests::way::Way;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Of the tests that take long.
    pub(crate) ways: &'static [Way],
    /// Connections a second, and for how many seconds.
    pub(crate) rate: u32,
    pub(crate) seconds: u32,
    /// Seconds of connections that come and go, of which memory is looked at in the second part.
    pub(crate) warm: u32,
    pub(crate) churn: u32,
    /// Bytes that may stay of each connection in Envoy. It takes 50,000 connections to grow to the size that it stays
    /// at: its heaps, and a line in the replay memory for each port that it has not seen yet.
    pub(crate) stays_in_envoy: f64,
}

impl Size {
    /// That of every run, or the long one.
    pub(crate) fn asked_for() -> Self {
        if std::env::var_os("PROCGATE_SOAK").is_some() {
            let [rate, seconds, warm, churn] = [2_000, 60, 60, 3_600];
            Self { ways: &Way::ALL, rate, seconds, warm, churn, stays_in_envoy: 256.0 }
        } else {
            let [rate, seconds, warm, churn] = [500, 5, 5, 15];
            let ways = &[Way::PrefaceByOwnSocket];
            Self { ways, rate, seconds, warm, churn, stays_in_envoy: 4_000.0 }
        }
    }
}

pub(crate) struct Stage {
    pub(crate) pod: Pod,
    program: Program,
    _alone: MutexGuard<'static, ()>,
}

impl Stage {
    pub(crate) fn start(way: Way) -> Self {
        Self::start_with(way, |_| {})
    }

    pub(crate) fn start_with(way: Way, change: impl FnOnce(&mut Setup)) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = folder();
        let program = Program::like(Path::new(env!("CARGO_BIN_EXE_crowd")), folder.path(), "crowd");
        let pod = Pod::start_with(folder, &[&program], |setup| {
            if way.is_preface() {
                setup.kind = "tcp";
                setup.amendments.push(patient());
            }
            // Half of them for the memory to fill.
            setup.workers = 1;
            // A line for each of a hundred thousand connections is not what is looked at here.
            setup.parameters.push(("PROCGATE_ACCESS_LOG", "/dev/null".into()));
            change(setup);
        });
        Self { pod, program, _alone: alone }
    }

    /// The program under the shim.
    pub(crate) fn crowd(&self, way: Way) -> Crowd {
        let address = self.pod.envoy.address();
        let mut shim = self.pod.shim_by(way, &self.program, Confinement::best(), &[address]);
        Crowd::start(shim.arg(&self.program.path).arg(address.to_string()))
    }

    /// Decisions of this kind so far.
    pub(crate) fn decisions(&self, decision: &str) -> u64 {
        self.pod.envoy.metric("procgate_decisions_total", &[("decision", decision)])
    }

    /// What Envoy has counted of refusals and their reasons, for the message of a failure.
    pub(crate) fn refusals(&self) -> String {
        let metrics = self.pod.envoy.metrics();
        metrics.lines().filter(|line| line.contains("decision=\"deny\"")).collect::<Vec<_>>().join("\n")
    }
}
