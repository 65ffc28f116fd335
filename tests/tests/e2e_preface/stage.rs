//! One Envoy with tcp.yaml in front of an HTTP server, and an approved program.

use procgate_policy::Record;
use procgate_tests::envoy::{Envoy, Setup, patient};
use procgate_tests::pod::{Confinement, folder, run_as_checkout};
use procgate_tests::process::{Finished, run};
use procgate_tests::program::Program;
use procgate_tests::stage::curl_arguments;
use procgate_tests::tokens::{DOMAIN, Key, SCOPE};
use procgate_tests::tools;
use procgate_tests::upstream::Upstream;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The ways to the program's sockets.
pub(crate) const MODES: [&str; 2] = ["pidfd", "own-socket"];

pub(crate) struct Stage {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
    pub(crate) checkout: Program,
    key_file: PathBuf,
    _folder: TempDir,
}

impl Stage {
    /// Nothing where there is no curl, which was said, or has failed in CI.
    pub(crate) fn start() -> Option<Self> {
        let folder = folder();
        let checkout = Program::like(&tools::client("curl")?, folder.path(), "checkout");
        let upstream = Upstream::start();
        let key = Key::new("2026-11");
        let mut setup = Setup::new(policy(&key, &checkout), upstream.address());
        setup.kind = "tcp";
        setup.amendments.push(patient());
        let key_file = key.write_to(folder.path());
        Some(Self { envoy: Envoy::start(setup), upstream, checkout, key_file, _folder: folder })
    }

    /// Runs a program with these arguments under the shim.
    pub(crate) fn run(&self, mode: &str, program: &Path, arguments: &[String]) -> Finished {
        let mut shim = Command::new(tools::shim());
        shim.args(run_as_checkout(&self.key_file, &self.checkout));
        shim.args(["--carrier", "proxy-v2", "--require", mode]);
        shim.args(["--capture", &self.envoy.address().to_string()]);
        if Confinement::best() == Confinement::OtherUser {
            shim.args(["--strict", "--user", "65534:65534"]);
        }
        run(shim.arg("--").arg(program).args(arguments))
    }

    /// The approved program's requests for these paths.
    pub(crate) fn fetch(&self, mode: &str, program: &Path, paths: &[&str]) -> Finished {
        self.run(mode, program, &curl_arguments(self.envoy.address(), paths))
    }

    /// The record of the last decision.
    pub(crate) fn record(&self, of: usize) -> Record<'static> {
        procgate_tests::until::until("the connection's record", || self.envoy.records().into_iter().nth(of))
    }
}

fn policy(key: &Key, program: &Program) -> Value {
    json!({
        "version": 1,
        "mode": "enforce",
        "trust": {"domain": DOMAIN, "keys": [key.trusted_for(SCOPE)]},
        "processes": [{
            "name": "checkout", "container": "checkout",
            "exe": [program.exe.to_string()], "code": [program.code.to_string()],
        }],
        "destinations": [{"name": "loopback", "cidrs": ["127.0.0.0/8"]}],
        "rules": [{"name": "checkout-connects", "allow": {
            "from": {"process": "checkout"}, "to": {"destination": "loopback"},
        }}],
    })
}
