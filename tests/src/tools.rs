//! Where the programs are that the harness runs. The Makefile builds or installs them and says where
//! (`PROCGATE_WASM`, `PROCGATE_CLIENT_CURL`, …); without it they are looked for where it leaves them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

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
        told.unwrap_or_else(|| script("scripts/install-envoy").trim_end().into())
    })
}

/// A program that tests run under the shim: `curl`, `python`, `node`, `java`, … Nothing where it is
/// not installed; in CI that is a failure.
#[must_use]
pub fn client(name: &str) -> Option<PathBuf> {
    let told = std::env::var_os(format!("PROCGATE_CLIENT_{}", name.to_uppercase()));
    told.map(PathBuf::from).or_else(|| installed_clients().get(name).cloned())
}

fn installed_clients() -> &'static BTreeMap<String, PathBuf> {
    static CLIENTS: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    CLIENTS.get_or_init(|| {
        // The Makefile has asked before, and says what there is.
        if std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("PROCGATE_CLIENT_")) {
            return BTreeMap::new();
        }
        let lines = script("scripts/install-clients");
        let pairs = lines.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, path)| (name.to_owned(), path.into())).collect()
    })
}

/// What a script of the project prints.
fn script(path: &str) -> String {
    let output = Command::new(project().join(path)).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{path}: {told}");
    eprint!("{told}");
    String::from_utf8(output.stdout).unwrap()
}
