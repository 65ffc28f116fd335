//! What the shim is worth to others: nothing once it is dead, and nothing to strangers.

use crate::interpreter::Interpreter;
use procgate_tests::until::until;
use procgate_tests::wire::{Connection, get};
use std::fs;
use std::process::Command;

#[test]
fn a_program_whose_shim_was_killed_reaches_nothing() {
    let Some(python) = Interpreter::start() else { return };
    let (url, signal) = (python.url("/charge/orphan"), python.pod.folder().join("go"));
    let mut running = python.start_doing(&["get", &url, "wait", signal.to_str().unwrap(), "get", &url]);
    until("the first answer", || (running.stdout() == "200\n").then_some(()));
    let killed = Command::new("kill").args(["-KILL", &running.id().to_string()]).status().unwrap();
    assert!(killed.success());
    fs::write(signal, "").unwrap();
    let lines = until("the second answer", || {
        let lines = running.stdout();
        (lines.lines().count() == 3).then_some(lines)
    });
    assert_eq!(lines, "200\nwaited\nfailed\n");
    assert_eq!(python.pod.upstream.requests(), 1);
}

#[test]
fn a_stranger_at_the_forwarder_is_closed_out() {
    let Some(python) = Interpreter::start() else { return };
    let signal = python.pod.folder().join("go");
    let mut running = python.start_doing(&["wait", signal.to_str().unwrap()]);
    let port = until("the shim to say its port", || {
        let told = running.stderr();
        let port = told.split_once("forwarder on port ")?.1;
        port.split(|letter: char| !letter.is_ascii_digit()).next()?.parse::<u16>().ok()
    });
    let mut connection = Connection::open(([127, 0, 0, 1], port).into());
    connection.try_send(get("/charge/stranger", ""));
    assert!(connection.read().is_none(), "the shim has served a stranger");
    assert_eq!(python.pod.upstream.requests(), 0);
    fs::write(signal, "").unwrap();
    assert!(running.finish().status.success());
}
