//! Copying without looking: bytes go from socket to pipe to socket inside the kernel (splice(2)).

use super::owed::Owed;
use super::pipes::{Pipe, Pipes};
use rustix::net::Shutdown;
use rustix::pipe::{SpliceFlags, splice};
use std::io;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Bytes that are moved at a time: what a pipe holds.
const PIECE: usize = 64 * 1_024;

/// Copies until `from` ends, and then ends `to` in this direction. Bytes on their way are owed.
pub(super) async fn copy(
    from: &TcpStream,
    to: &TcpStream,
    pipes: &Pipes,
    owed: Option<&Owed>,
) -> io::Result<()> {
    loop {
        from.readable().await?;
        let _debt = owed.map(Owed::owe);
        let pipe = pipes.get()?;
        let pull = || Ok(splice(from, None, &pipe.write, None, PIECE, flags())?);
        let moved = match from.try_io(Interest::READABLE, pull) {
            Ok(0) => {
                pipes.put(pipe);
                return end(to);
            }
            Ok(length) => push(&pipe, to, length).await,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        };
        // A pipe that may still hold bytes of this connection is not for another one.
        moved?;
        pipes.put(pipe);
        // Both ends can stay ready for ever: the others' turn.
        tokio::task::yield_now().await;
    }
}

/// Empties the pipe of `length` bytes.
async fn push(pipe: &Pipe, to: &TcpStream, mut length: usize) -> io::Result<()> {
    while length > 0 {
        to.writable().await?;
        let push = || Ok(splice(&pipe.read, None, to, None, length, flags())?);
        match to.try_io(Interest::WRITABLE, push) {
            Ok(moved) => length = length.saturating_sub(moved),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sends these bytes.
pub(super) async fn send(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Says that no more bytes come.
pub(super) fn end(stream: &TcpStream) -> io::Result<()> {
    match rustix::net::shutdown(stream, Shutdown::Write) {
        // The other side has gone already: nothing is left to say.
        Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

const fn flags() -> SpliceFlags {
    SpliceFlags::NONBLOCK.union(SpliceFlags::MOVE)
}
