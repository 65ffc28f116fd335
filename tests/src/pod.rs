//! What a pod has: Envoy in front of an upstream, and a shim with its key for the programs in it.

use crate::envoy::{Envoy, Setup};
use crate::program::Program;
use crate::tokens::{DOMAIN, Key, SCOPE};
use crate::tools;
use crate::upstream::Upstream;
use crate::way::Way;
use crate::wire::HOST;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A pod; dropping it ends all of it.
#[derive(Debug)]
pub struct Pod {
    /// Enforces the pod's policy.
    pub envoy: Envoy,
    /// Where allowed requests go.
    pub upstream: Upstream,
    /// What the policy trusts: an Ed25519 key
    pub key: Key,
    /// and one on P-256.
    pub es256: Key,
    folder: TempDir,
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
        Self::start_with(folder, programs, |_| {})
    }

    /// The same with an Envoy whose set-up differs.
    #[must_use]
    pub fn start_with(folder: TempDir, programs: &[&Program], change: impl FnOnce(&mut Setup)) -> Self {
        let upstream = Upstream::start();
        let (key, es256) = (Key::new("2026-11"), Key::es256("2026-11-p256"));
        let policy = policy("enforce", &[&key, &es256], programs);
        let mut setup = Setup::new(policy, upstream.address());
        change(&mut setup);
        let envoy = Envoy::start(setup);
        key.write_to(folder.path());
        es256.write_to(folder.path());
        Self { envoy, upstream, key, es256, folder }
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
        self.shim_with(&self.key, program, confinement, towards)
    }

    /// The same with this key of the pod.
    #[must_use]
    pub fn shim_with(
        &self,
        key: &Key,
        program: &Program,
        confinement: Confinement,
        towards: &[SocketAddr],
    ) -> Command {
        self.shim_that(Way::Header, key, program, confinement, towards)
    }

    /// The same whose tokens travel so.
    #[must_use]
    pub fn shim_by(
        &self,
        way: Way,
        program: &Program,
        confinement: Confinement,
        towards: &[SocketAddr],
    ) -> Command {
        self.shim_that(way, &self.key, program, confinement, towards)
    }

    fn shim_that(
        &self,
        way: Way,
        key: &Key,
        program: &Program,
        confinement: Confinement,
        towards: &[SocketAddr],
    ) -> Command {
        let mut command = shim(&key.place_in(self.folder()), program, confinement, towards);
        command.args(way.options()).arg("--");
        command
    }
}

/// A shim of the container `checkout` with this key, to be followed by further options, `--`, a program and
/// its arguments.
#[must_use]
pub fn shim(key: &Path, program: &Program, confinement: Confinement, towards: &[SocketAddr]) -> Command {
    let mut command = Command::new(tools::shim());
    command.args(run_as_checkout(key, program));
    if confinement == Confinement::OtherUser {
        command.args(["--strict", "--user", "65534:65534"]);
    }
    for address in towards {
        command.args(["--capture", &address.to_string()]);
    }
    command
}

/// What a shim of the container `checkout` is started with: its verb, its place, its key and its program's code.
#[must_use]
pub fn run_as_checkout(key: &Path, program: &Program) -> Vec<OsString> {
    let place = ["--trust-domain", DOMAIN, "--namespace", "shop", "--service-account", "checkout"];
    let mut words: Vec<OsString> = ["run"].iter().chain(&place).map(Into::into).collect();
    words.extend(["--container".into(), "checkout".into(), "--key".into(), key.into()]);
    words.extend(["--code-list".into(), program.code_list.clone().into()]);
    words
}

/// A policy under which these programs may charge, and nobody may administer.
#[must_use]
pub fn policy(mode: &str, keys: &[&Key], programs: &[&Program]) -> Value {
    let keys: Vec<_> = keys.iter().map(|key| key.trusted_for(SCOPE)).collect();
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
