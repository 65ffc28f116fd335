//! This program again, under the shim: what a program sees of it, and what the shim takes meanwhile.

use crate::fixture::Fixture;
use procgate_identity::{CodeList, Digest};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// With a preface, and what the program has mapped attested.
pub(crate) const BY_PIDFD: &[&str] = &["--carrier", "proxy-v2", "--require", "pidfd"];
pub(crate) const BY_OWN_SOCKET: &[&str] = &["--carrier", "proxy-v2", "--require", "own-socket"];

/// The shim with all that it reads; removed when dropped.
pub(crate) struct Shim {
    binary: PathBuf,
    folder: PathBuf,
    key: PathBuf,
    code_list: PathBuf,
}

impl Shim {
    pub(crate) fn new(binary: &Path, fixture: &Fixture) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("procgate-bench-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let (key, code_list) = (folder.join("key.jwk"), folder.join("code.list"));
        let shim = Self { binary: binary.to_owned(), key, code_list, folder };
        fs::write(&shim.key, fixture.private_jwk().as_bytes())?;
        fs::write(&shim.code_list, own_code()?)?;
        Ok(shim)
    }

    /// This program with these words, under the shim with these options.
    pub(crate) fn command(&self, options: &[&str], words: &[&str]) -> io::Result<Command> {
        let mut command = Command::new(&self.binary);
        command.args(["run", "--trust-domain", "bench.example", "--host", "bench", "--container", "app"]);
        command.arg("--key").arg(&self.key).args(options);
        command.arg("--").arg(std::env::current_exe()?).args(words);
        Ok(command)
    }

    /// The same with the program's mapped code attested.
    pub(crate) fn with_code(&self, options: &[&str], words: &[&str]) -> io::Result<Command> {
        let code_list = self.code_list.to_string_lossy();
        self.command(&[options, &["--code-list", &code_list]].concat(), words)
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// This program with these words, by itself.
pub(crate) fn natively(words: &[&str]) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(words);
    Ok(command)
}

/// The code list of this very process: every file that it has mapped executable.
fn own_code() -> io::Result<String> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let executable =
        maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.contains('x')));
    let files = executable.filter_map(|line| line.find('/').map(|at| line.split_at(at).1));
    let digests = files.map(|file| fs::read(file).map(|bytes| Digest::of(&bytes)));
    let list = CodeList::from_digests(digests.collect::<io::Result<Vec<_>>>()?);
    Ok(list.iter().map(|digest| format!("{digest}\n")).collect())
}

/// CPU time that all threads of a process have used so far.
pub(crate) fn cpu(process: u32) -> io::Result<Duration> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += schedstat.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}

/// What a command prints, a number to a word.
pub(crate) fn numbers(command: &mut Command) -> io::Result<Vec<f64>> {
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Result<Vec<f64>, _> = text.split_whitespace().map(str::parse).collect();
    numbers
        .ok()
        .filter(|numbers| !numbers.is_empty())
        .ok_or_else(|| io::Error::other(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))))
}
