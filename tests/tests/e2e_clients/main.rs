//! Programs as people write them (tests/clients) under the shim, with each carrier that they need know nothing of:
//! each gets through, and each keeps its own timeouts and errors.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails loudly"
)]

mod installed;
mod matrix;

use installed::Client;
use libtest_mimic::{Arguments, Trial};
use matrix::{CLAIMS, Claim, Matrix};
use procgate_tests::way::Way;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They wait most of the time.
    arguments.test_threads = arguments.test_threads.or(Some(8));
    let matrix = (!arguments.list).then(|| Arc::new(Matrix::set()));
    let mut trials = Vec::new();
    for client in Client::ALL {
        for claim in CLAIMS {
            trials.extend(Way::ALL.map(|way| trial(client, claim, way, matrix.clone())));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(matrix);
    conclusion.exit_code()
}

fn trial(client: Client, claim: Claim, way: Way, matrix: Option<Arc<Matrix>>) -> Trial {
    let missing = matrix.as_ref().is_some_and(|matrix| !matrix.has(client));
    let trial = Trial::test(format!("{}_{}_{way}", client.name(), claim.name), move || {
        matrix.map_or(Ok(()), |matrix| matrix.test(claim, client, way))
    });
    // What is missing was said by name when it was looked for, and has failed by now in CI.
    trial.with_ignored_flag(missing)
}
