//! Programs with a digest of their own, and the code lists of what they may load.

use crate::process::succeed;
use procgate_identity::{CodeList, Digest};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program and what a policy pins of it.
#[derive(Clone, Debug)]
pub struct Program {
    /// What the policy calls it.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// The digest of its executable.
    pub exe: Digest,
    /// The file with its code list, for the shim.
    pub code_list: PathBuf,
    /// The digest of that list.
    pub code: Digest,
}

impl Program {
    /// Makes a program of this name that does what `model` does. What is appended to it is no part of
    /// what is executed, but of the digest: no other program has the same.
    #[must_use]
    pub fn like(model: &Path, folder: &Path, name: &str) -> Self {
        let path = folder.join(name);
        copy_with_its_own_digest(model, &path, name);
        Self::at(&path, folder, name, &[])
    }

    /// An installed program, whose code list also has these libraries and what they need. The list is
    /// put into `folder`.
    #[must_use]
    pub fn at(path: &Path, folder: &Path, name: &str, libraries: &[PathBuf]) -> Self {
        let path = fs::canonicalize(path).unwrap();
        let files = may_load(&[std::slice::from_ref(&path), libraries].concat());
        let list = CodeList::from_digests(files.iter().map(|file| digest(file)));
        let code_list = folder.join(format!("{name}.code-list"));
        let lines: String = list.iter().map(|digest| format!("{digest}\n")).collect();
        fs::write(&code_list, lines).unwrap();
        Self { name: name.into(), exe: digest(&path), code: list.digest(), path, code_list }
    }
}

/// A copy that is executed as the original is, with another digest.
pub fn copy_with_its_own_digest(original: &Path, copy: &Path, mark: &str) {
    fs::copy(original, copy).unwrap();
    fs::set_permissions(copy, fs::Permissions::from_mode(0o755)).unwrap();
    fs::OpenOptions::new().append(true).open(copy).unwrap().write_all(mark.as_bytes()).unwrap();
}

/// The digest of a file.
#[must_use]
pub fn digest(path: &Path) -> Digest {
    Digest::of(&fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// These files, their interpreter and libraries as `ldd` lists them, and what the C library loads when
/// a name is looked up.
#[must_use]
pub fn may_load(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let output = Command::new("ldd").args(files).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // With several files, each has a line of its own that ends with a colon.
    let words = text.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':'));
    let real =
        |path: &Path| fs::canonicalize(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut all: BTreeSet<PathBuf> = words.map(|word| real(Path::new(word))).collect();
    let folders: BTreeSet<PathBuf> = all.iter().filter_map(|file| Some(file.parent()?.to_owned())).collect();
    for file in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let file = file.unwrap();
        if file.file_name().to_string_lossy().starts_with("libnss_") {
            all.insert(real(&file.path()));
        }
    }
    all.extend(files.iter().map(|file| real(file)));
    all
}

/// The shared libraries in a folder and those below it.
#[must_use]
pub fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "so") {
                found.push(path);
            }
        }
    }
    found
}

/// The extensions that a Python may import: its own and those of its packages.
#[must_use]
pub fn python_extensions(python: &Path) -> Vec<PathBuf> {
    let printed =
        succeed(Command::new(python).args(["-c", "import sys; print('\\n'.join(sys.path))"])).stdout;
    let holds_them = |folder: &&str| folder.contains("lib-dynload") || folder.contains("site-packages");
    printed.lines().filter(holds_them).flat_map(|folder| libraries_in(Path::new(folder))).collect()
}
