//! The program to start: where it is, and whether it can be executed.

use crate::failure::{Failure, NOT_EXECUTABLE, NOT_FOUND};
use procgate_identity::{Digest, Hasher};
use rustix::fs::{Access, access};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A program that was found.
#[derive(Debug)]
pub(crate) struct Program {
    /// As it was given: the program sees it as its name.
    pub(crate) name: OsString,
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// The digest of the script, where the file is one.
    pub(crate) script: Option<Digest>,
}

impl Program {
    /// Finds the program as a shell would: a name without a slash along `PATH`.
    pub(crate) fn find(words: Vec<OsString>) -> Result<Self, Failure> {
        let mut words = words.into_iter();
        let name = words.next().unwrap_or_default();
        let path =
            if name.as_encoded_bytes().contains(&b'/') { PathBuf::from(&name) } else { along_path(&name)? };
        check(&path)?;
        Ok(Self { script: script(&path), name, path, arguments: words.collect() })
    }
}

fn along_path(name: &OsStr) -> Result<PathBuf, Failure> {
    let folders = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let mut candidates =
        std::env::split_paths(&folders).map(|folder| folder.join(name)).filter(|path| path.is_file());
    let first = candidates.next();
    let missing = || {
        let line = format!(
            "there is no program {name:?} in PATH ({}): give its full path",
            folders.to_string_lossy()
        );
        Failure::program(NOT_FOUND, line)
    };
    let first = first.ok_or_else(missing)?;
    let executable = |path: &PathBuf| access(path, Access::EXEC_OK).is_ok();
    if executable(&first) { Ok(first) } else { Ok(candidates.find(executable).unwrap_or(first)) }
}

fn check(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let metadata = path.metadata().map_err(|error| {
        let code =
            if error.kind() == std::io::ErrorKind::PermissionDenied { NOT_EXECUTABLE } else { NOT_FOUND };
        Failure::program(code, format!("{shown}: {error}: give the path of a program in this container"))
    })?;
    if metadata.is_dir() {
        return Err(Failure::program(
            NOT_EXECUTABLE,
            format!("{shown} is a folder: give the path of a program"),
        ));
    }
    access(path, Access::EXEC_OK).map_err(|error| {
        let line = format!(
            "{shown} cannot be executed: {error}: set its executable bit, or check the mount for noexec"
        );
        Failure::program(NOT_EXECUTABLE, line)
    })
}

/// The digest of a file that starts with `#!`: the kernel will run an interpreter in its place.
fn script(path: &Path) -> Option<Digest> {
    let mut file = File::open(path).ok()?;
    let mut start = [0; 2];
    file.read_exact(&mut start).ok()?;
    if &start != b"#!" {
        return None;
    }
    let mut hasher = Hasher::new();
    hasher.update(&start);
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).ok()?;
    hasher.update(&rest);
    Some(hasher.finish())
}
