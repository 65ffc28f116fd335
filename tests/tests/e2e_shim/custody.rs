//! What the shim is worth to others: nothing once it is dead, and nothing to strangers.

use crate::interpreter::Interpreter;
use procgate_tests::until::until;
use procgate_tests::wire::get;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
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
    // The reset may come before the stranger knows that it is connected.
    let heard = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stranger| {
        stranger.write_all(get("/charge/stranger", "").as_bytes())?;
        let mut heard = Vec::new();
        stranger.read_to_end(&mut heard).map(|_| heard)
    });
    let closed_out = heard.as_ref().map_or_else(
        |error| matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        Vec::is_empty,
    );
    assert!(closed_out, "the shim has served a stranger: {heard:?}");
    assert_eq!(python.pod.upstream.requests(), 0);
    fs::write(signal, "").unwrap();
    assert!(running.finish().status.success());
}
