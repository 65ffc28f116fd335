//! `procgate digest`.

use crate::place::{Place, copy_program, set_mode};
use procgate_identity::{CodeList, Digest};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command};
use std::time::Duration;

const ELF: &[u8] = b"\x7fELF the rest does not matter here";

/// A digest's line, as it stands in a code list.
fn line(bytes: &[u8], path: &str) -> String {
    format!("{}  {path}\n", Digest::of(bytes))
}

#[test]
fn a_file_s_digest_is_that_of_its_bytes() {
    let place = Place::new();
    let big = vec![7; 1_000_000];
    place.write("one", b"1");
    place.write("two words", &big);
    let ran = place.run(&["digest", "two words", "one"]);
    assert_eq!((ran.code, ran.out), (0, line(&big, "two words") + &line(b"1", "one")));
}

#[test]
fn every_missing_file_is_named_and_no_digest_printed() {
    let place = Place::new();
    place.write("one", b"1");
    let ran = place.run(&["digest", "one", "missing", "."]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(
        ran.err.contains("missing: cannot be read (no such file")
            && ran.err.contains(".: cannot be read (is a")
    );
}

#[test]
fn a_tree_s_list_holds_every_elf_file_and_nothing_else() {
    let place = Place::new();
    place.write_with_mode("tree/bin/app", ELF, 0o755);
    place.write_with_mode("tree/lib/libx.so", b"\x7fELF library", 0o644);
    place.write_with_mode("tree/bin/run.sh", b"#!/bin/sh\n", 0o755);
    place.write_with_mode("tree/bin/notes.sh", b"#!/bin/sh\n# data\n", 0o644);
    place.write_with_mode("tree/bin/blob", b"neither", 0o755);
    place.write("tree/short", b"\x7fE");
    place.write("tree/empty", b"");
    let ran = place.run(&["digest", "--tree", "tree"]);
    let list = CodeList::from_digests([Digest::of(ELF), Digest::of(b"\x7fELF library")]);
    let expected = format!("# procgate code list\n# code {}\n", list.digest())
        + &line(ELF, "/bin/app")
        + &line(b"\x7fELF library", "/lib/libx.so")
        + "# script "
        + &line(b"#!/bin/sh\n", "/bin/run.sh");
    assert_eq!((ran.code, ran.out.as_str()), (0, expected.as_str()));
    assert_eq!(CodeList::parse(&ran.out), Ok(list));
}

#[test]
fn links_lead_nowhere_and_special_files_are_not_opened() {
    let place = Place::new();
    place.write("outside/secret", b"\x7fELF outside");
    place.write("tree/app", ELF);
    fs::hard_link(place.path("tree/app"), place.path("tree/same")).unwrap();
    symlink("../outside", place.path("tree/out")).unwrap();
    symlink("../outside/secret", place.path("tree/secret")).unwrap();
    symlink(".", place.path("tree/loop")).unwrap();
    assert!(Command::new("mkfifo").arg(place.path("tree/pipe")).status().unwrap().success());
    let ran = place.run(&["digest", "--tree", "tree", "--output", "json"]);
    let files = ran.json()["files"].as_array().unwrap().clone();
    let paths: Vec<_> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/app", "/same"]);
    assert_eq!(files[0]["digest"], files[1]["digest"]);
}

#[test]
fn a_tree_may_be_named_through_a_link() {
    let place = Place::new();
    place.write("tree/app", ELF);
    symlink("tree", place.path("image")).unwrap();
    assert_eq!(place.run(&["digest", "--tree", "image"]).code, 0);
}

#[test]
fn a_file_s_name_can_neither_add_a_digest_nor_move_the_cursor() {
    let place = Place::new();
    let stranger = Digest::of(b"stranger");
    place.write(format!("tree/a\n{stranger}\u{1b}[2J"), ELF);
    let ran = place.run(&["digest", "--tree", "tree"]);
    assert_eq!(CodeList::parse(&ran.out).unwrap().len(), 1);
    assert!(!ran.out.contains('\u{1b}'));
}

#[test]
fn the_list_is_written_whole_and_its_digest_told() {
    let place = Place::new();
    place.write("tree/app", ELF);
    let code = CodeList::from_digests([Digest::of(ELF)]).digest();
    let ran = place.run(&["digest", "--tree", "tree", "--code-list", "code.list"]);
    assert_eq!((ran.code, ran.out), (0, format!("code {code}  code.list: 1 file\n")));
    assert_eq!(CodeList::parse(&place.read("code.list")).unwrap().digest(), code);
    assert_eq!(place.names(), ["code.list", "tree"]);
}

#[test]
fn a_tree_that_cannot_be_searched_whole_gives_no_list_unless_that_is_wanted() {
    let place = Place::new();
    place.write("tree/app", ELF);
    let mut deep = place.path("tree");
    (0..201).for_each(|_| deep.push("d"));
    fs::create_dir_all(&deep).unwrap();
    let line = ["digest", "--tree", "tree", "--code-list", "code.list"];
    assert!(place.run(&line).refused().contains("folders inside one another"));
    assert_eq!(place.names(), ["tree"]);
    let ran = place.run(&[&line[..], &["--ignore-unreadable"]].concat());
    assert!(ran.code == 0 && ran.err.starts_with("procgate: warning: left out: /d/"), "{ran:?}");
    assert_eq!(place.names(), ["code.list", "tree"]);
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let place = Place::new();
    place.write("tree/app", ELF);
    place.write_with_mode("tree/closed", ELF, 0);
    set_mode(&place.path("tree"), 0o755);
    let ran = place.run_as_a_stranger(&["digest", "--tree", "tree"]);
    assert!(ran.refused().starts_with("/closed: cannot be read (permission denied): "));
    assert_eq!(place.run_as_a_stranger(&["digest", "--tree", "tree", "--ignore-unreadable"]).code, 0);
}

#[test]
fn what_is_no_tree_or_holds_no_code_is_refused() {
    let place = Place::new();
    place.write("file", b"x");
    fs::create_dir(place.path("empty")).unwrap();
    for (tree, what) in [("file", "is no directory"), ("missing", "no such file"), ("empty", "no ELF file")] {
        let ran = place.run(&["digest", "--tree", tree]);
        assert!(ran.refused().contains(what), "{ran:?}");
    }
}

#[test]
fn the_list_cannot_replace_a_folder_and_leaves_nothing_beside_it() {
    let place = Place::new();
    place.write("tree/app", ELF);
    place.run(&["digest", "--tree", "tree", "--code-list", "tree"]).refused();
    place.run(&["digest", "--tree", "tree", "--code-list", "missing/list"]).refused();
    assert_eq!(place.names(), ["tree"]);
}

/// A copy of sleep that runs until it is dropped.
pub(crate) struct Sleeper(Child);

impl Sleeper {
    pub(crate) fn start(place: &Place, name: &str) -> Self {
        let program = place.path(name);
        copy_program("/bin/sleep".as_ref(), &program);
        let sleeper = Self(Command::new(&program).arg("60").spawn().unwrap());
        sleeper.wait_until_asleep();
        sleeper
    }

    /// Before that its libraries may not be mapped yet.
    fn wait_until_asleep(&self) {
        let asleep = || fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap().contains(") S ");
        assert!((0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            asleep()
        }));
    }

    pub(crate) fn id(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_has_the_digest_of_its_executable_and_a_list_that_covers_it() {
    let place = Place::new();
    for name in ["nap", "a nap\n(deleted)", "nap (deleted)", r"n\012ap"] {
        let sleeper = Sleeper::start(&place, name);
        let ran = place.run(&["digest", "--pid", &sleeper.id(), "--output", "json"]);
        let exe = Digest::of(&fs::read("/bin/sleep").unwrap());
        let path = place.path(name);
        assert_eq!(ran.json()["exe"]["digest"], exe.to_string(), "{ran:?}");
        assert_eq!(ran.json()["exe"]["path"], path.to_str().unwrap());
        let ran = place.run(&["digest", "--pid", &sleeper.id()]);
        assert!(CodeList::parse(&ran.out).unwrap().contains(&exe), "{ran:?}");
    }
}

#[test]
fn an_executable_deleted_while_it_runs_is_digested_but_on_no_list() {
    let place = Place::new();
    let sleeper = Sleeper::start(&place, "nap");
    fs::remove_file(place.path("nap")).unwrap();
    place.write("nap", b"another program of the same name");
    assert!(place.run(&["digest", "--pid", &sleeper.id()]).refused().contains("deleted or replaced"));
    let ran = place.run(&["digest", "--pid", &sleeper.id(), "--ignore-unreadable", "--output", "json"]);
    let exe = Digest::of(&fs::read("/bin/sleep").unwrap()).to_string();
    assert_eq!(ran.json()["exe"]["digest"], exe.as_str());
    assert!(!ran.json()["files"].as_array().unwrap().iter().any(|file| file["digest"] == exe.as_str()));
}

#[test]
fn a_process_that_is_missing_or_somebody_else_s_is_named() {
    let place = Place::new();
    assert!(place.run(&["digest", "--pid", "99999999999"]).refused().contains("--pid"));
    assert!(
        place.run(&["digest", "--pid", "4194305"]).refused().starts_with("process 4194305: no such process")
    );
    let ran = place.run_as_a_stranger(&["digest", "--pid", "1"]);
    assert!(ran.refused().starts_with("process 1: its executable cannot be read"));
}
