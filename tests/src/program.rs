//! Programs with a digest of their own, and the code lists of what they may load.

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
        Self::at(path, folder, &[])
    }

    /// An installed program, whose code list also has these further files.
    #[must_use]
    pub fn at(path: PathBuf, folder: &Path, further: &[PathBuf]) -> Self {
        let mut files = may_load(&path);
        files.extend(further.iter().cloned());
        let list = CodeList::from_digests(files.iter().map(|file| digest(file)));
        let name = path.file_name().unwrap().to_string_lossy();
        let code_list = folder.join(format!("{name}.code-list"));
        let lines: String = list.iter().map(|digest| format!("{digest}\n")).collect();
        fs::write(&code_list, lines).unwrap();
        Self { exe: digest(&path), code: list.digest(), path, code_list }
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

/// The program itself, its interpreter and libraries as `ldd` lists them, and what the C library loads
/// when a name is looked up.
#[must_use]
pub fn may_load(program: &Path) -> BTreeSet<PathBuf> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    let mut files: BTreeSet<PathBuf> = words.map(|word| fs::canonicalize(word).unwrap()).collect();
    let folders: BTreeSet<PathBuf> =
        files.iter().filter_map(|file| Some(file.parent()?.to_owned())).collect();
    for file in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let file = file.unwrap();
        if file.file_name().to_string_lossy().starts_with("libnss_") {
            files.insert(fs::canonicalize(file.path()).unwrap());
        }
    }
    files.insert(fs::canonicalize(program).unwrap());
    files
}
