//! Everything that a scenario needs, started once: a pod, a second Envoy that only audits, and approved
//! programs.

use crate::envoy::{Envoy, Setup};
use crate::pod::{Confinement, Pod, folder, policy};
use crate::program::Program;
use crate::tokens;
use crate::tools;
use crate::wire::HOST;
use procgate_identity::Claims;
use std::net::SocketAddr;
use std::process::Command;

/// A stage; dropping it ends all of it.
#[derive(Debug)]
pub struct Stage {
    /// Envoy that enforces, the upstream and the shim.
    pub pod: Pod,
    /// The Envoy that audits by the same policy.
    pub auditing: Envoy,
    /// The approved program.
    pub checkout: Program,
    /// A second one, whose file a scenario may replace.
    pub till: Program,
}

impl Stage {
    /// Sets everything up. Nothing where there is no curl, the model of the approved program.
    #[must_use]
    pub fn set() -> Option<Self> {
        let folder = folder();
        let curl = tools::client("curl")?;
        let [checkout, till] = ["checkout", "till"].map(|name| Program::like(&curl, folder.path(), name));
        let programs = [&checkout, &till];
        let pod = Pod::start(folder, &programs);
        let policy = policy("audit", &[&pod.key, &pod.es256], &programs);
        let auditing = Envoy::start(Setup::new(policy, pod.upstream.address()));
        Some(Self { pod, auditing, checkout, till })
    }

    /// The approved program's shim, to be followed by a program and its arguments.
    #[must_use]
    pub fn shim(&self, program: &Program, towards: SocketAddr) -> Command {
        self.pod.shim(program, Confinement::best(), &[towards])
    }

    /// The claims that the approved program's shim would make for this connection.
    #[must_use]
    pub fn claims(&self, source: SocketAddr, destination: SocketAddr) -> Claims {
        tokens::claims(self.checkout.exe, Some(self.checkout.code), source, destination)
    }
}

/// Arguments for curl and what is like it: a request to the stage's host at this address, whose answer
/// is printed as the body and the status, a line each.
#[must_use]
pub fn curl_arguments(towards: SocketAddr, paths: &[&str]) -> Vec<String> {
    let mut arguments: Vec<String> = ["-sS", "--max-time", "20", "--noproxy", "*"].map(String::from).into();
    arguments.extend(["--connect-to".into(), format!("::{towards}")]);
    arguments.extend(["-w".into(), "\n%{http_code}\n".into()]);
    arguments.extend(paths.iter().map(|path| format!("http://{HOST}{path}")));
    arguments
}
