//! Where the programs are that the harness runs: what the Makefile builds, and what `scripts/install-*`
//! find or install.

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
    built("wasm/procgate.wasm")
}

/// The module with the feature `crash-for-tests`, as `make wasm-crash` leaves it.
#[must_use]
pub fn wasm_that_crashes() -> PathBuf {
    built("wasm/procgate-crash.wasm")
}

/// The shim, as `make shim` leaves it.
#[must_use]
pub fn shim() -> PathBuf {
    built("shim/procgate-shim")
}

/// The command, as `make cli` leaves it.
#[must_use]
pub fn cli() -> PathBuf {
    built("cli/procgate")
}

fn built(path: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| project().join("target"), PathBuf::from);
    let path = project().join(target).join(path);
    assert!(path.exists(), "{} is not there: run `make build`", path.display());
    path
}

/// Envoy.
#[must_use]
pub fn envoy() -> &'static Path {
    static ENVOY: OnceLock<PathBuf> = OnceLock::new();
    ENVOY.get_or_init(|| script("scripts/install-envoy").trim_end().into())
}

/// A program that tests run under the shim: `curl`, `python`, `node`, `java`, … Nothing where it is
/// not installed; in CI that is a failure.
#[must_use]
pub fn client(name: &str) -> Option<&'static Path> {
    static CLIENTS: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    let clients = CLIENTS.get_or_init(|| {
        let lines = script("scripts/install-clients");
        let pairs = lines.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, path)| (name.to_owned(), path.into())).collect()
    });
    clients.get(name).map(PathBuf::as_path)
}

/// What a script of the project prints.
fn script(path: &str) -> String {
    let output = Command::new(project().join(path)).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{path}: {told}");
    eprint!("{told}");
    String::from_utf8(output.stdout).unwrap()
}
