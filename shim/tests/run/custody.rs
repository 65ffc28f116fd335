//! The signing key stays with the shim.

use crate::stage::{Scratch, Server, Shim};

#[test]
fn the_program_cannot_look_into_the_shim() {
    let scratch = Scratch::new();
    let spy = scratch.compile("spy", include_str!("spy.c"), &[]);
    // Root with SYS_PTRACE may do all of that: the program must be somebody else.
    let shim = if rustix::process::getuid().is_root() {
        Shim::new().option("--user", "65534:65534")
    } else {
        Shim::new()
    };
    let ran = shim.run(&[spy.to_str().unwrap()]);
    assert_eq!(ran.out, "done\n", "{}", ran.log);
}

#[test]
fn a_key_that_the_program_can_read_is_told_and_refused_when_strict() {
    let ran = Shim::new().run(&["true"]);
    assert!(ran.log.contains("can be read by the program too"), "{}", ran.log);
    let ran = Shim::new().flag("--strict").run(&["true"]);
    assert_eq!(ran.code, Some(125), "{}", ran.log);
}

#[test]
fn neither_token_nor_key_is_logged() {
    let server = Server::new();
    let program =
        "c = socket.create_connection((HOST, PORT)); c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); c.recv(1)";
    let ran = Shim::capturing(server.address).python(server.address, program);
    let token = server.next().tokens().remove(0);
    assert!(token.split('.').all(|part| !ran.log.contains(part)));
    assert!(!ran.log.contains("\"d\""));
}
