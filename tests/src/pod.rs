//! What a pod has: Envoy in front of an upstream, and a shim with its key for the programs in it.

use crate::envoy::{Envoy, Setup};
use crate::program::Program;
use crate::tokens::{DOMAIN, Key, SCOPE};
use crate::tools;
use crate::upstream::Upstream;
use crate::wire::HOST;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A pod; dropping it ends all of it.
#[derive(Debug)]
pub struct Pod {
    /// Enforces the pod's policy.
    pub envoy: Envoy,
    /// Where allowed requests go.
    pub upstream: Upstream,
    /// What the policy trusts.
    pub key: Key,
    folder: TempDir,
    key_file: PathBuf,
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

/// A folder for the programs of a pod, which any user may read.
#[must_use]
pub fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("procgate-pod-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

impl Pod {
    /// Starts a pod whose policy approves these programs.
    #[must_use]
    pub fn start(folder: TempDir, programs: &[&Program]) -> Self {
        let upstream = Upstream::start();
        let key = Key::new("2026-11");
        let policy = policy("enforce", &key, programs);
        let envoy = Envoy::start(Setup::new(policy, upstream.address()));
        let key_file = key.write_to(folder.path());
        Self { envoy, upstream, key, folder, key_file }
    }

    /// A folder for files of the pod.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A shim of the container `checkout`, to be followed by a program and its arguments. Loopback is
    /// exempt from the trap, but for these addresses, which take the place of what a mesh intercepts.
    #[must_use]
    pub fn shim(&self, program: &Program, confinement: Confinement, towards: &[SocketAddr]) -> Command {
        let mut command = Command::new(tools::shim());
        command.args([
            "run",
            "--trust-domain",
            DOMAIN,
            "--namespace",
            "shop",
            "--service-account",
            "checkout",
        ]);
        command.args(["--container", "checkout"]);
        command.arg("--key").arg(&self.key_file).arg("--code-list").arg(&program.code_list);
        if confinement == Confinement::OtherUser {
            command.args(["--strict", "--user", "65534:65534"]);
        }
        for address in towards {
            command.args(["--capture", &address.to_string()]);
        }
        command.arg("--");
        command
    }
}

/// A policy under which these programs may charge, and nobody may administer.
#[must_use]
pub fn policy(mode: &str, key: &Key, programs: &[&Program]) -> Value {
    let names: Vec<_> = programs.iter().map(|program| &program.name).collect();
    let processes: Vec<_> = programs
        .iter()
        .map(|Program { name, path, exe, code, .. }| {
            json!({"name": name, "path": path, "container": "checkout",
                   "exe": [exe.to_string()], "code": [code.to_string()]})
        })
        .collect();
    json!({
        "version": 1,
        "mode": mode,
        "trust": {"domain": DOMAIN, "keys": [key.trusted_for(SCOPE)]},
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
