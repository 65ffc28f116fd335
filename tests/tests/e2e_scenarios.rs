//! Every scenario of the demo and more, each a test, against one Envoy that enforces and one that
//! audits.

use libtest_mimic::{Arguments, Failed, Trial};
use procgate_policy::Reason;
use procgate_tests::scenarios::{self, Scenario};
use procgate_tests::skip::skip;
use procgate_tests::stage::Stage;
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let stage = if arguments.list { None } else { Stage::set().map(Arc::new) };
    if stage.is_none() && !arguments.list {
        skip("every scenario, for want of curl");
        return ExitCode::SUCCESS;
    }
    let mut trials: Vec<_> =
        scenarios::all().into_iter().map(|scenario| trial(scenario, stage.clone())).collect();
    trials.push(Trial::test("every_reason_that_a_sender_can_meet_is_met", every_reason_is_met));
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Before this process ends: nothing else would end the Envoys.
    drop(stage);
    conclusion.exit_code()
}

fn trial(scenario: Scenario, stage: Option<Arc<Stage>>) -> Trial {
    Trial::test(scenario.claim, move || stage.map_or(Ok(()), |stage| assert(&scenario, &stage)))
}

fn assert(scenario: &Scenario, stage: &Stage) -> Result<(), Failed> {
    match scenario.play(stage) {
        Ok(outcome) => scenario.complaint(&outcome).map_or(Ok(()), |complaint| Err(complaint.into())),
        Err(skipped) => {
            skip(&format!("{}: {}", scenario.claim, skipped.0));
            Ok(())
        }
    }
}

/// Nothing at the sender compares with an mTLS principal, and `internal` is about the proxy's own set-up: e2e_network
/// has one.
fn every_reason_is_met() -> Result<(), Failed> {
    let met: BTreeSet<_> = scenarios::all().iter().map(|scenario| scenario.reason).collect();
    let missing: Vec<_> = Reason::ALL.into_iter().filter(|reason| !met.contains(reason)).collect();
    if missing == [Reason::PeerMismatch, Reason::Internal] {
        Ok(())
    } else {
        Err(format!("{missing:?}").into())
    }
}
