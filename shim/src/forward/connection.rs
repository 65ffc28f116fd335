//! One connection: reach the destination, mint, inject, copy.

use super::copy::{copy, end, send};
use super::dial::{Early, arrived, reach};
use super::owed::Owed;
use super::pipes::Pipes;
use super::registry::{Intent, Registry};
use super::tls::Originator;
use crate::inject::Injector;
use crate::mint::Minter;
use crate::problems::Problems;
use crate::source_ports::SourcePorts;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long bytes are held back that could become a request line but are none yet. A protocol whose
/// client waits for an answer in the middle of a line gets them through after this.
const HOLD: Duration = Duration::from_secs(1);
/// How long the shim would stay for a connection that is not made yet. A program that ends earlier than
/// that may have sent all that it had; later, the destination does not answer.
const DIAL: Duration = Duration::from_millis(1_500);

/// How tokens go into what is forwarded.
#[derive(Debug)]
pub(crate) enum Way {
    /// Into the first request.
    Header,
    /// Into the ClientHello of TLS that begins here.
    Tls(Originator),
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) registry: Arc<Registry>,
    pub(super) minter: Arc<Minter>,
    pub(super) way: Way,
    pub(super) ports: SourcePorts,
    pub(super) problems: Arc<Problems>,
    pub(super) pipes: Pipes,
    pub(super) owed: Owed,
}

impl Forward {
    /// Serves one connection to its end. Whatever breaks on one side shows on the other as a reset.
    pub(super) async fn connection(&self, client: TcpStream, intent: Intent) {
        let mut early = Early::default();
        let Ok(server) = self.reach(&intent, &client, &mut early).await else { return reset(client) };
        let carried = match &self.way {
            Way::Header => self.in_request(&intent, &client, server, early).await,
            Way::Tls(originator) => self.over_tls(originator, &intent, &client, server, early).await,
        };
        if carried.is_err() {
            reset(client);
        }
    }

    async fn in_request(
        &self,
        intent: &Intent,
        client: &TcpStream,
        server: TcpStream,
        early: Early,
    ) -> io::Result<()> {
        let token = self.token(intent, &server).ok_or(io::ErrorKind::InvalidData)?;
        self.carry(client, server, Injector::new(token), early).await
    }

    async fn reach(&self, intent: &Intent, client: &TcpStream, early: &mut Early) -> io::Result<TcpStream> {
        let debt = self.owed.owe();
        let mut reaching = pin!(reach(intent, &self.ports, client, early));
        if let Ok(reached) = timeout(DIAL, &mut reaching).await {
            return reached;
        }
        drop(debt);
        reaching.await
    }

    pub(super) fn token(&self, intent: &Intent, server: &TcpStream) -> Option<String> {
        let source = server.local_addr().map_err(|error| error.to_string());
        let token = source.and_then(|source| {
            let token = self.minter.token(&intent.process, source, intent.destination);
            token.map_err(|error| error.to_string())
        });
        token.inspect_err(|error| self.problems.note(&format!("no token could be made: {error}"))).ok()
    }

    /// Copies in both directions until both have ended.
    pub(super) async fn carry(
        &self,
        client: &TcpStream,
        server: TcpStream,
        injector: Injector,
        early: Early,
    ) -> io::Result<()> {
        let carrying = async {
            let back = copy(&server, client, &self.pipes, None);
            if self.inject(client, &server, injector, early).await? {
                return back.await;
            }
            tokio::try_join!(copy(client, &server, &self.pipes, Some(&self.owed)), back).map(drop)
        };
        let carried = carrying.await;
        if carried.is_err() {
            reset(server);
        }
        carried
    }

    /// Passes the client's first bytes on with the token among them, and the server's as they come.
    /// True when the client will send no more.
    async fn inject(
        &self,
        client: &TcpStream,
        server: &TcpStream,
        mut injector: Injector,
        early: Early,
    ) -> io::Result<bool> {
        let Early { bytes, mut ended } = early;
        let mut out = Vec::new();
        injector.push(&bytes, &mut out);
        let mut server_ended = false;
        loop {
            if ended {
                injector.release(&mut out);
            }
            if !out.is_empty() {
                let _debt = self.owed.owe();
                send(server, &out).await?;
                out.clear();
            }
            if ended {
                return end(server).map(|()| true);
            }
            if injector.is_done() {
                return Ok(false);
            }
            let patience = if injector.is_holding() { HOLD } else { Duration::MAX };
            tokio::select! {
                ready = timeout(patience, client.readable()) => match ready {
                    Err(_) => injector.release(&mut out),
                    Ok(ready) => {
                        ready?;
                        let Some(bytes) = arrived(client)? else { continue };
                        ended = bytes.is_empty();
                        injector.push(&bytes, &mut out);
                    }
                },
                ready = server.readable(), if !server_ended => {
                    ready?;
                    let Some(bytes) = arrived(server)? else { continue };
                    server_ended = bytes.is_empty();
                    if server_ended {
                        end(client)?;
                    }
                    send(client, &bytes).await?;
                }
            }
        }
    }
}

/// Closes a connection so that the other end sees a reset (RFC 9293 section 3.10.7.4), not an orderly end.
pub(super) fn reset(stream: TcpStream) {
    end_by_reset(&stream);
    drop(stream);
}

/// Has a connection end so when it is closed.
pub(super) fn end_by_reset(stream: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}
