//! Programs as people write them (tests/clients) under the shim: each gets through, and each keeps its
//! own timeouts and errors.

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
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They wait most of the time.
    arguments.test_threads = arguments.test_threads.or(Some(8));
    let matrix = (!arguments.list).then(|| Arc::new(Matrix::set()));
    let trials =
        Client::ALL.iter().flat_map(|client| CLAIMS.map(|claim| trial(*client, claim, matrix.clone())));
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    drop(matrix);
    conclusion.exit_code()
}

fn trial(client: Client, Claim { name, holds }: Claim, matrix: Option<Arc<Matrix>>) -> Trial {
    let missing = matrix.as_ref().is_some_and(|matrix| !matrix.has(client));
    let trial = Trial::test(format!("{}_{name}", client.name()), move || {
        if let Some(matrix) = matrix {
            holds(&matrix, client);
        }
        Ok(())
    });
    // What is missing was said by name when it was looked for, and has failed by now in CI.
    trial.with_ignored_flag(missing)
}
