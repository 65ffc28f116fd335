//! `procgate-shim check`: what this runtime permits, or which destinations get a token.

mod runtime;
mod targets;

use crate::failure::Failure;
use crate::options::CheckOptions;
use core::net::SocketAddr;
use std::process::ExitCode;

/// Says what was asked for. The exit code is 0 if the answer is yes: `run` works here, or all the
/// destinations get a token.
pub(crate) fn check(options: CheckOptions) -> ExitCode {
    let CheckOptions { destinations: targets, interception, key, output } = options;
    let yes = if targets.is_empty() {
        runtime::check(key.as_deref(), output)
    } else {
        targets::check(&targets, interception, output)
    };
    if yes { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What `check` starts as its own workload.
pub(crate) fn probe(address: SocketAddr) -> Result<ExitCode, Failure> {
    runtime::probe(address).map(|()| ExitCode::SUCCESS)
}
