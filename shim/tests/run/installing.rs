//! How the shim gets to where another container starts it.

use crate::stage::Scratch;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

const SHIM: &str = env!("CARGO_BIN_EXE_procgate-shim");

fn install(folder: &Path) -> Output {
    Command::new(SHIM).arg("install").arg(folder).output().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    fs::read_dir(folder).unwrap().map(name).collect()
}

#[test]
fn it_is_there_whole_and_runs_and_what_was_there_before_is_replaced() {
    let scratch = Scratch::new();
    let place = scratch.file("procgate-shim", "an older one");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o555)).unwrap();
    scratch.file(".procgate-shim.part", "what a run left that was killed");
    for _ in 0..2 {
        let installed = install(scratch.path());
        assert!(installed.status.success(), "{installed:?}");
        assert_eq!(names(scratch.path()), ["procgate-shim"]);
        assert_eq!(fs::read(&place).unwrap(), fs::read(SHIM).unwrap());
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o7777, 0o555);
    }
    let ran = Command::new(&place).arg("--version").output().unwrap();
    assert!(ran.status.success() && ran.stdout.starts_with(b"procgate-shim "), "{ran:?}");
}

#[test]
fn where_it_cannot_be_put_nothing_is_left_and_one_line_says_so() {
    let scratch = Scratch::new();
    let file = scratch.file("file", "");
    // A folder in its place: the copy is made, and cannot be given its name.
    let taken = scratch.path().join("taken");
    fs::create_dir_all(taken.join("procgate-shim/full")).unwrap();
    for folder in [&scratch.path().join("nowhere"), &file, &taken] {
        let ran = install(folder);
        assert_eq!(ran.status.code(), Some(125), "{ran:?}");
        let told = String::from_utf8(ran.stderr).unwrap();
        assert!(told.starts_with("procgate-shim: error: ") && told.lines().count() == 1, "{told}");
    }
    assert_eq!(names(&taken), ["procgate-shim"]);
}
