//! An approved Python that does one thing after the other (tests/programs/steps.py).

use procgate_tests::pod::{Confinement, Pod, folder};
use procgate_tests::process::{Running, run};
use procgate_tests::program::{Program, copy_with_its_own_digest, may_load, python_extensions};
use procgate_tests::tools;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

/// A pod with an approved Python, and two libraries for it: one on its code list and one that is not.
#[derive(Debug)]
pub(crate) struct Interpreter {
    pub(crate) pod: Pod,
    pub(crate) listed: PathBuf,
    pub(crate) unlisted: PathBuf,
    python: PathBuf,
    program: Program,
}

impl Interpreter {
    /// Starts the pod. Nothing where there is no Python, which was said, or has failed in CI.
    pub(crate) fn start() -> Option<Self> {
        let python = tools::client("python")?;
        let folder = folder();
        let [listed, unlisted] = ["listed", "unlisted"].map(|name| {
            let copy = folder.path().join(format!("lib{name}.so"));
            copy_with_its_own_digest(&a_library(&python), &copy, name);
            copy
        });
        let mut libraries = python_extensions(&python);
        libraries.push(listed.clone());
        let program = Program::at(&python, folder.path(), "python", &libraries);
        let pod = Pod::start(folder, &[&program]);
        Some(Self { pod, listed, unlisted, python, program })
    }

    /// A URL of the pod's own upstream.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.pod.envoy.address())
    }

    /// The interpreter under the shim, with these steps to do.
    pub(crate) fn command(&self, steps: &[&str]) -> Command {
        self.command_towards(self.pod.envoy.address(), steps)
    }

    /// The same, with another address in the trap.
    pub(crate) fn command_towards(&self, address: SocketAddr, steps: &[&str]) -> Command {
        let mut command = self.pod.shim(&self.program, Confinement::SameUser, &[address]);
        command.arg(&self.python).arg(tools::project().join("tests/programs/steps.py")).args(steps);
        command
    }

    /// What each step came to.
    pub(crate) fn does(&self, steps: &[&str]) -> Vec<String> {
        let finished = run(&mut self.command(steps));
        assert!(finished.status.success(), "{finished}");
        finished.stdout.lines().map(str::to_owned).collect()
    }

    /// The interpreter, while it does its steps.
    pub(crate) fn start_doing(&self, steps: &[&str]) -> Running {
        Running::start(&mut self.command(steps))
    }
}

/// Any library that Python does not load by itself, to make plug-ins of.
fn a_library(python: &PathBuf) -> PathBuf {
    let files = may_load(std::slice::from_ref(python));
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let library =
        files.into_iter().find(|path| name(path).starts_with("libm.") || name(path).starts_with("libm-"));
    library.expect("Python needs libm")
}
