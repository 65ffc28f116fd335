//! `procgate-shim token`: what the running shim says of a process, this one.

use crate::failure::Failure;
use crate::options::TokenOptions;
use core::fmt::Display;
use std::io::Read;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

/// Connects to the destination, asks for that connection's token, and prints it.
pub(crate) fn ask(options: &TokenOptions) -> Result<ExitCode, Failure> {
    let TokenOptions { destination, socket } = options;
    let unreachable = |error: &dyn Display| {
        Failure::own(format!("{destination}: {error}: a token is for a connection, and there is none"))
    };
    let connection = TcpStream::connect(destination).map_err(|error| unreachable(&error))?;
    let source = connection.local_addr().map_err(|error| unreachable(&error))?;
    let path = format!("{socket}/{source}/{destination}");
    let refused = |error: &dyn Display| {
        Failure::own(format!(
            "{path}: {error}: the shim's log says why; if there is no line of it, start this command under \
             procgate-shim run --token-socket {socket}"
        ))
    };
    let mut token = String::new();
    let mut desk = UnixStream::connect(&path).map_err(|error| refused(&error))?;
    desk.read_to_string(&mut token).map_err(|error| refused(&error))?;
    println!("{token}");
    Ok(ExitCode::SUCCESS)
}
