//! A folder to run the command in.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A folder that goes away with the test.
pub(crate) struct Place(TempDir);

/// What a run of the command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn write_with_mode(&self, name: impl AsRef<Path>, bytes: &[u8], mode: u32) -> PathBuf {
        let path = self.write(name, bytes);
        set_mode(&path, mode);
        path
    }

    pub(crate) fn read(&self, name: impl AsRef<Path>) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The names in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(self.0.path()).unwrap().map(name).collect();
        names.sort();
        names
    }

    pub(crate) fn run(&self, line: &[&str]) -> Ran {
        self.run_with_input(line, b"")
    }

    pub(crate) fn run_with_input(&self, line: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(line);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        // The command may have seen enough before all of it is written.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap().into()
    }

    /// Runs the command with its result in a file, and says how many seconds of processor time that took: those
    /// pass on a busy machine as on an idle one. It is to exit with this code.
    pub(crate) fn run_measured(&self, line: &[&str], result: &str, code: i32) -> f64 {
        let script = r#"result=$1; shift; "$0" "$@" >"$result" 2>/dev/null; code=$?; times; exit $code"#;
        let mut command =
            self.command_of("sh".as_ref(), &["-c", script, env!("CARGO_BIN_EXE_procgate"), result]);
        let ran: Ran = command.args(line).stdin(Stdio::null()).output().unwrap().into();
        assert_eq!(ran.code, code, "{ran:?}");
        // The shell's own, and below it its children's: user and system, as 0m1.50s.
        let times = ran.out.lines().last().unwrap().split_whitespace();
        let seconds = |time: &str| {
            let (minutes, seconds) = time.trim_end_matches('s').split_once('m').unwrap();
            minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
        };
        times.map(seconds).sum()
    }

    /// As a user who owns nothing, where this test may choose that.
    pub(crate) fn run_as_a_stranger(&self, line: &[&str]) -> Ran {
        let copy = self.path("procgate-for-all");
        copy_program(env!("CARGO_BIN_EXE_procgate").as_ref(), &copy);
        set_mode(self.0.path(), 0o755);
        let mut command = self.command_of(&copy, line);
        if rustix::process::geteuid().is_root() {
            command.uid(65_534).gid(65_534);
        }
        command.stdin(Stdio::null()).output().unwrap().into()
    }

    pub(crate) fn run_into_closed_pipe(&self, line: &[&str]) -> Ran {
        let mut command = self.command(line);
        let mut child = command.stdin(Stdio::null()).spawn().unwrap();
        drop(child.stdout.take());
        child.wait_with_output().unwrap().into()
    }

    /// Ends the command after this time, as Ctrl-C does; whether it had not ended by itself. With another signal:
    /// where tests run in the background, that one is ignored.
    pub(crate) fn interrupt(&self, line: &[&str], after: Duration) -> bool {
        let mut child = self.command(line).spawn().unwrap();
        std::thread::sleep(after);
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        child.wait().unwrap().signal().is_some()
    }

    /// The command as a child that is yet to start.
    pub(crate) fn command(&self, line: &[&str]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_procgate").as_ref(), line)
    }

    fn command_of(&self, program: &Path, line: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(line).current_dir(self.0.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Copies a program by another process: a file that is open for writing here while another test
/// forks could not be executed ("text file busy").
pub(crate) fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("install").args(["-m", "755"]).arg(from).arg(to).status().unwrap().success());
}

/// Changes the permissions of a file or folder.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The permissions of a file.
pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().expect("the command ended by itself");
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ran {
    /// The result as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Bad input: exit code 2, nothing on standard output, and on standard error one line that says
    /// where, what and what next in the words of a person.
    pub(crate) fn refused(&self) -> &str {
        assert_eq!((self.code, self.out.as_str()), (2, ""), "{self:?}");
        let line = self.err.strip_prefix("procgate: error: ").unwrap_or_else(|| panic!("{self:?}"));
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(line.contains(": "), "{line}");
        for machinery in ["struct ", "enum ", "Err(", "Error {", "os error", "panicked", "Some(", "serde"] {
            assert!(!line.contains(machinery), "{line}");
        }
        line.trim_end()
    }
}
