//! One connection: dial, mint, inject, copy.

use super::copy::{copy, end};
use super::pipes::Pipes;
use super::registry::{Registration, Registry};
use crate::inject::Injector;
use crate::mint::Minter;
use crate::problems::Problems;
use core::net::{IpAddr, SocketAddr};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Bytes of the first request that are read at a time.
const HEAD: usize = 16 * 1_024;
/// How long bytes are held back that could become a request line but are none yet. A protocol whose
/// client waits for an answer in the middle of a line gets them through after this.
const HOLD: Duration = Duration::from_secs(3);

/// What all connections share.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) registry: Arc<Registry>,
    pub(super) minter: Minter,
    pub(super) problems: Arc<Problems>,
    pub(super) pipes: Pipes,
}

impl Forward {
    /// Serves one connection to its end. Whatever breaks on one side shows on the other as a reset.
    pub(super) async fn connection(&self, mut client: TcpStream, registration: Registration) {
        let dialled = tokio::select! {
            dialled = dial(&registration) => dialled,
            () = gone(&client) => return,
        };
        let mut server = match dialled {
            Ok(server) => server,
            Err(_) => return reset(client),
        };
        let destination = registration.destination;
        let token = server.local_addr().map_err(|error| error.to_string()).and_then(|source| {
            let token = self.minter.token(&registration.process, source, destination);
            token.map_err(|error| error.to_string())
        });
        let token = match token {
            Ok(token) => token,
            Err(error) => {
                self.problems.note(&format!("no token could be made: {error}"));
                return reset(client);
            }
        };
        drop(registration);
        if self.copy_both(&mut client, &mut server, token).await.is_err() {
            reset(client);
            reset(server);
        }
    }

    async fn copy_both(
        &self,
        client: &mut TcpStream,
        server: &mut TcpStream,
        token: String,
    ) -> io::Result<()> {
        // Injection needs both ends for a moment only; the server is heard all the while.
        if self.inject(client, server, token).await? {
            return copy(server, client, &self.pipes).await;
        }
        tokio::try_join!(copy(client, server, &self.pipes), copy(server, client, &self.pipes)).map(drop)
    }

    /// Passes the client's first bytes on with the token among them, and the server's as they come.
    /// True when the client has said that no more bytes come.
    async fn inject(
        &self,
        client: &mut TcpStream,
        server: &mut TcpStream,
        token: String,
    ) -> io::Result<bool> {
        let mut injector = Injector::new(token);
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let mut head = vec![0; HEAD];
        let mut answer = vec![0; HEAD];
        let mut out = Vec::new();
        let mut server_ended = false;
        while !injector.is_done() {
            out.clear();
            let patience = if injector.is_holding() { HOLD } else { Duration::MAX };
            tokio::select! {
                read = timeout(patience, from_client.read(&mut head)) => match read {
                    Ok(Ok(0)) => {
                        injector.release(&mut out);
                        to_server.write_all(&out).await?;
                        end(to_server.as_ref())?;
                        return Ok(true);
                    }
                    Ok(read) => injector.push(head.get(..read?).unwrap_or_default(), &mut out),
                    Err(_) => injector.release(&mut out),
                },
                read = from_server.read(&mut answer), if !server_ended => {
                    let answer = answer.get(..read?).unwrap_or_default();
                    server_ended = answer.is_empty();
                    if server_ended {
                        end(to_client.as_ref())?;
                    }
                    to_client.write_all(answer).await?;
                }
            }
            to_server.write_all(&out).await?;
        }
        Ok(false)
    }
}

/// Connects to the true destination, from the source address that the program had chosen.
async fn dial(registration: &Registration) -> io::Result<TcpStream> {
    let destination =
        SocketAddr::new(registration.destination.ip().to_canonical(), registration.destination.port());
    let socket = if destination.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(source) =
        registration.source.map(|source| source.to_canonical()).filter(|source| fits(*source, destination))
    {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.set_nodelay(true)?;
    socket.set_keepalive(true)?;
    // A link-local address needs its scope: the address as it was given.
    let given = registration.destination;
    socket.connect(if destination.is_ipv4() { destination } else { given }).await
}

const fn fits(source: IpAddr, destination: SocketAddr) -> bool {
    source.is_ipv4() == destination.is_ipv4()
}

/// Returns when the client has closed without having sent anything.
async fn gone(client: &TcpStream) {
    match client.peek(&mut [0]).await {
        Ok(0) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}

/// Closes a connection so that the other end sees a reset (RFC 9293 section 3.10.7.4), not an orderly end.
pub(super) fn reset(stream: TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
    drop(stream);
}
