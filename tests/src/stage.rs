//! Everything that a scenario needs, started once: two Envoys, one that enforces and one that only
//! audits, an upstream, a key, and an approved program.

use crate::envoy::{Envoy, Setup};
use crate::process::{Finished, run};
use crate::program::Program;
use crate::tokens::{self, DOMAIN, Key, SCOPE};
use crate::tools;
use crate::upstream::Upstream;
use crate::wire::HOST;
use procgate_identity::Claims;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A stage; dropping it ends all of it.
#[derive(Debug)]
pub struct Stage {
    /// The Envoy that enforces the policy.
    pub enforcing: Envoy,
    /// The Envoy that audits by the same policy.
    pub auditing: Envoy,
    /// What both protect.
    pub upstream: Upstream,
    /// The key that the policy trusts.
    pub key: Key,
    /// The approved program.
    pub checkout: Program,
    /// A second one, whose file a scenario may replace.
    pub till: Program,
    folder: TempDir,
    key_file: PathBuf,
}

impl Stage {
    /// Sets everything up. Nothing where there is no curl, the model of the approved program.
    #[must_use]
    pub fn set() -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("procgate-stage-").tempdir().unwrap();
        // The program under the shim is another user where the shim can arrange for that.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let curl = tools::client("curl")?;
        let [checkout, till] = ["checkout", "till"].map(|name| Program::like(&curl, folder.path(), name));
        let key = Key::new("2026-11");
        let upstream = Upstream::start();
        let policy =
            |mode| policy(mode, &[key.trusted_for(SCOPE)], &[("checkout", &checkout), ("till", &till)]);
        let start = |mode| Envoy::start(Setup::new(policy(mode), upstream.address()));
        let (enforcing, auditing) = std::thread::scope(|threads| {
            let auditing = threads.spawn(|| start("audit"));
            (start("enforce"), auditing.join().unwrap())
        });
        let key_file = key.write_to(folder.path());
        Some(Self { enforcing, auditing, upstream, key, checkout, till, folder, key_file })
    }

    /// A folder for a scenario's own files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The approved program's shim, to be followed by a program and its arguments.
    #[must_use]
    pub fn shim(&self, program: &Program, towards: SocketAddr) -> Command {
        shim(&self.key_file, &program.code_list, towards, Confinement::best())
    }

    /// The claims that the approved program's shim would make for this connection.
    #[must_use]
    pub fn claims(&self, source: SocketAddr, destination: SocketAddr) -> Claims {
        tokens::claims(self.checkout.exe, Some(self.checkout.code), source, destination)
    }
}

/// Who the program under the shim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// Another user than the shim's, who cannot read the key: only root can arrange that.
    OtherUser,
    /// The same user, who can.
    SameUser,
}

impl Confinement {
    /// The stricter one, where it is possible.
    #[must_use]
    pub fn best() -> Self {
        let root = fs::metadata("/proc/self").unwrap().uid() == 0;
        if root { Self::OtherUser } else { Self::SameUser }
    }
}

/// A shim of the container `checkout` that sends connections to this address through the trap, to be
/// followed by a program and its arguments.
#[must_use]
pub fn shim(key: &Path, code_list: &Path, towards: SocketAddr, confinement: Confinement) -> Command {
    let mut command = Command::new(tools::shim());
    command.args(["run", "--trust-domain", DOMAIN, "--namespace", "shop", "--service-account", "checkout"]);
    command.args(["--container", "checkout"]);
    command.arg("--key").arg(key).arg("--code-list").arg(code_list);
    if confinement == Confinement::OtherUser {
        command.args(["--strict", "--user", "65534:65534"]);
    }
    // Loopback is exempt from the trap: this address takes the place of those that a mesh intercepts.
    command.args(["--capture", &towards.to_string()]).arg("--");
    command
}

/// The policy of the stage: approved programs may charge, nobody may administer.
#[must_use]
pub fn policy(mode: &str, keys: &[Value], programs: &[(&str, &Program)]) -> Value {
    let processes: Vec<_> = programs
        .iter()
        .map(|(name, program)| {
            json!({"name": name, "path": program.path, "container": "checkout",
                   "exe": [program.exe.to_string()], "code": [program.code.to_string()]})
        })
        .collect();
    let names: Vec<_> = programs.iter().map(|(name, _)| name).collect();
    json!({
        "version": 1,
        "mode": mode,
        "trust": {"domain": DOMAIN, "keys": keys},
        "processes": processes,
        "destinations": [{"name": "payments", "hosts": [HOST], "cidrs": ["127.0.0.0/8"]}],
        "rules": [
            {"name": "checkout-pays", "allow": {
                "from": {"process": names},
                "to": {"destination": "payments", "methods": ["GET", "POST"], "paths": ["/charge/**"]},
            }},
            {"name": "no-admin", "deny": {"to": {"paths": ["/admin/**"]}}},
        ],
    })
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

/// Runs a command that ends with success.
///
/// # Panics
/// Where it does not.
pub fn succeed(command: &mut Command) -> Finished {
    let finished = run(command);
    assert!(finished.status.success(), "{command:?}: {finished}");
    finished
}
