//! `procgate-shim check`.

use crate::failure::Failure;
use crate::options::CheckOptions;
use core::net::SocketAddr;
use std::process::ExitCode;

pub(crate) fn check(_options: &CheckOptions) -> Result<ExitCode, Failure> {
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn probe(_address: SocketAddr) -> Result<ExitCode, Failure> {
    Ok(ExitCode::SUCCESS)
}
