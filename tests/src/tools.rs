//! Where the programs are that the harness runs. The Makefile builds or installs them and says where
//! (`PROCGATE_WASM`, `PROCGATE_CLIENT_CURL`, …); without it they are looked for where it leaves them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

/// The project's folder.
#[must_use]
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The module, as `make wasm` leaves it.
#[must_use]
pub fn wasm() -> PathBuf {
    built("PROCGATE_WASM", "wasm/procgate.wasm")
}

/// The module with the feature `crash-for-tests`, as `make wasm-crash` leaves it.
#[must_use]
pub fn wasm_that_crashes() -> PathBuf {
    built("PROCGATE_WASM_CRASH", "wasm/procgate-crash.wasm")
}

/// The shim, as `make shim` leaves it.
#[must_use]
pub fn shim() -> PathBuf {
    built("PROCGATE_SHIM", "shim/procgate-shim")
}

/// The command, as `make cli` leaves it.
#[must_use]
pub fn cli() -> PathBuf {
    built("PROCGATE_CLI", "release/procgate")
}

fn built(variable: &str, path: &str) -> PathBuf {
    let target = || std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let told = std::env::var_os(variable).map(PathBuf::from);
    let path = project().join(told.unwrap_or_else(|| target().join(path)));
    assert!(path.exists(), "{} is not there: run `make wasm wasm-crash shim cli`", path.display());
    path
}

/// Envoy.
#[must_use]
pub fn envoy() -> &'static Path {
    static ENVOY: OnceLock<PathBuf> = OnceLock::new();
    ENVOY.get_or_init(|| {
        let told = std::env::var_os("PROCGATE_ENVOY").map(PathBuf::from);
        told.unwrap_or_else(|| script("scripts/install-envoy", &[]).trim_end().into())
    })
}

/// A program that tests run under the shim: `curl`, `python`, `node`, `java`, … Nothing where it is
/// not installed; in CI that is a failure.
#[must_use]
pub fn client(name: &str) -> Option<PathBuf> {
    let told = std::env::var_os(format!("PROCGATE_CLIENT_{}", name.to_uppercase()));
    told.map(PathBuf::from).or_else(|| install_client(name))
}

/// Has the project's script look for a client, once, unless the Makefile has asked before for all.
fn install_client(name: &str) -> Option<PathBuf> {
    static CLIENTS: Mutex<BTreeMap<String, Option<PathBuf>>> = Mutex::new(BTreeMap::new());
    if std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("PROCGATE_CLIENT_")) {
        return None;
    }
    let mut clients = CLIENTS.lock().unwrap();
    let look = || Some(script("scripts/install-clients", &[name]).trim_end().split_once('=')?.1.into());
    clients.entry(name.to_owned()).or_insert_with(look).clone()
}

/// What a script of the project prints.
fn script(path: &str, arguments: &[&str]) -> String {
    let output = Command::new(project().join(path)).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{path}: {told}");
    eprint!("{told}");
    String::from_utf8(output.stdout).unwrap()
}
