//! Reaching the true destination, while the program may already be sending, or may give up.

use super::registry::Intent;
use crate::source_ports::SourcePorts;
use crate::sys::socket::set_late_port;
use core::net::{IpAddr, SocketAddr};
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Bytes that are read at a time, and held at the most while the destination is dialled: most first
/// requests fit, so that their sender's end is noticed behind them.
const PIECE: usize = 16 * 1_024;
/// How long dialling goes on when the program will send no more. It may have closed the connection, or
/// only its sending half: that looks the same. The kernel's own patience is 127 s.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What the program has sent so far.
#[derive(Debug, Default)]
pub(super) struct Early {
    pub(super) bytes: Vec<u8>,
    /// It will send no more.
    pub(super) ended: bool,
}

/// Connects to the destination, and meanwhile takes in what the program sends.
pub(super) async fn reach(
    intent: &Intent,
    ports: &SourcePorts,
    client: &TcpStream,
    early: &mut Early,
) -> io::Result<TcpStream> {
    let mut dialling = pin!(dial(intent, ports));
    tokio::select! {
        dialled = &mut dialling => return dialled,
        ended = early.gather(client) => ended?,
    }
    timeout(LAST_WORDS, dialling).await?
}

impl Early {
    /// Takes in bytes until no more come; never returns when there are too many.
    async fn gather(&mut self, client: &TcpStream) -> io::Result<()> {
        while self.bytes.len() < PIECE {
            client.readable().await?;
            let Some(bytes) = arrived(client)? else { continue };
            if bytes.is_empty() {
                self.ended = true;
                return Ok(());
            }
            self.bytes.extend_from_slice(&bytes);
        }
        std::future::pending().await
    }
}

/// The bytes that have arrived, nothing if there are none yet; no bytes when no more come.
pub(super) fn arrived(stream: &TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(PIECE);
    match stream.try_read_buf(&mut bytes) {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Connects to the destination, from the source address that the program had chosen.
async fn dial(intent: &Intent, ports: &SourcePorts) -> io::Result<TcpStream> {
    let given = intent.destination;
    let destination = SocketAddr::new(given.ip().to_canonical(), given.port());
    let socket = if destination.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let fits = |source: &IpAddr| source.is_ipv4() == destination.is_ipv4();
    if let Some(source) = intent.source.filter(fits) {
        set_late_port(&socket, true)?;
        socket.bind(SocketAddr::new(source, 0))?;
    }
    ports.bind(&socket, destination);
    socket.set_nodelay(true)?;
    socket.set_keepalive(true)?;
    // A link-local address needs its scope: the address as it was given.
    socket.connect(if destination.is_ipv4() { destination } else { given }).await
}
