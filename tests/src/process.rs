//! Running programs to their end, within a time.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longer than any program here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a program left behind.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
}

impl fmt::Display for Finished {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} after {:?}\n{}{}", self.status, self.took, self.stdout, self.stderr)
    }
}

/// A program that runs; dropping it ends it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: File,
    stderr: File,
    started: Instant,
}

impl Running {
    /// Starts a program without standard input.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        // Files, since a full pipe would stop the program while nobody reads.
        let [stdout, stderr] = [(), ()].map(|()| tempfile::tempfile().unwrap());
        command.stdin(Stdio::null());
        command.stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
        let started = Instant::now();
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, stdout, stderr, started }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far.
    pub fn stdout(&mut self) -> String {
        text(&self.stdout)
    }

    /// What it complained about so far.
    pub fn stderr(&mut self) -> String {
        text(&self.stderr)
    }

    /// What it left, if it has ended already.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().unwrap()?;
        Some(format!("{status}\n{}{}", self.stdout(), self.stderr()))
    }

    /// Sees to it that it runs still.
    ///
    /// # Panics
    /// Where it has ended, with what it left.
    pub fn must_run(&mut self, what: &str) {
        if let Some(end) = self.ended() {
            panic!("{what} ended: {end}");
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it does not end.
    pub fn finish(mut self) -> Finished {
        let deadline = self.started + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "no end after {PATIENCE:?}\n{}{}",
                self.stdout(),
                self.stderr()
            );
            std::thread::sleep(Duration::from_millis(1));
        };
        Finished { status, took: self.started.elapsed(), stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Finished {
    Running::start(command).finish()
}

/// Runs a program that ends with success.
///
/// # Panics
/// Where it does not.
pub fn succeed(command: &mut Command) -> Finished {
    let finished = run(command);
    assert!(finished.status.success(), "{command:?}: {finished}");
    finished
}

/// Memory that a process has in use: `VmRSS` of proc_pid_status(5).
///
/// # Panics
/// Where there is no such process.
#[must_use]
pub fn resident_kilobytes(process: u32) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it runs");
    line.trim().strip_suffix(" kB").and_then(|number| number.parse().ok()).unwrap()
}

/// All that is in the file. The program writes at the position that it shares with us: reading must not
/// move it.
fn text(file: &File) -> String {
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
