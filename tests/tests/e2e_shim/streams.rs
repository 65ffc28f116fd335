//! Connections that are no HTTP.

use crate::interpreter::Interpreter;
use procgate_tests::process::run;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

#[test]
fn a_protocol_whose_server_speaks_first_goes_through_untouched() {
    let Some(python) = Interpreter::start() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"220 ready\n").unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        stream.write_all(format!("250 {line}").as_bytes()).unwrap();
        line
    });
    let port = address.port().to_string();
    let finished = run(&mut python.command_towards(address, &["talk", &port, "ehlo"]));
    assert_eq!(finished.stdout, "220 ready 250 ehlo\n", "{finished}");
    assert_eq!(server.join().unwrap(), "ehlo\n", "the shim has added something");
}
