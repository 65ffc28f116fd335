//! TLS that the shim originates: the token goes into the ClientHello, after the protocols that are spoken.

mod authority;
mod opening;
mod relay;
mod roots;
mod servers;

pub(crate) use servers::TlsOptions;

use super::connection::Forward;
use super::dial::{Early, arrived};
use super::registry::Intent;
use crate::failure::Failure;
use crate::inject::Injector;
use core::net::SocketAddr;
use opening::Opening;
use procgate_identity::carrier::alpn;
use servers::Servers;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{AlertDescription, CertificateError, ClientConfig, Error};

/// Connections over TLS at a time: each has records of up to 16 KiB in the container's memory, in both directions.
const MAX_CONNECTIONS: usize = 10_000;
/// How long a handshake may take, from the ClientHello on.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the first bytes are waited for when some have arrived that say nothing yet.
const HOLD: Duration = Duration::from_secs(1);
/// After so long without a byte it is likely that the server is to speak first.
const SILENCE: Duration = Duration::from_secs(5);

/// Begins TLS with servers.
pub(crate) struct Originator {
    connector: TlsConnector,
    servers: Servers,
    places: Semaphore,
}

impl core::fmt::Debug for Originator {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Originator").field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl Originator {
    pub(crate) fn new(options: TlsOptions) -> Result<Self, Failure> {
        let roots = roots::read(options.authorities.as_deref())?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::own(format!("TLS cannot be set up: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let servers = Servers::new(options.names, options.protocols);
        let (connector, places) = (Arc::new(config).into(), Semaphore::new(MAX_CONNECTIONS));
        Ok(Self { connector, servers, places })
    }
}

impl Forward {
    /// Carries one connection over TLS.
    pub(super) async fn over_tls(
        &self,
        originator: &Originator,
        intent: &Intent,
        client: &TcpStream,
        server: TcpStream,
        mut early: Early,
    ) -> io::Result<()> {
        let Ok(_place) = originator.places.try_acquire() else {
            self.problems.note("too many connections over TLS: further ones are reset");
            return Err(io::ErrorKind::QuotaExceeded.into());
        };
        let destination = intent.destination;
        let opening = match originator.servers.protocol(destination) {
            Some(named) => Opening::Named(named.clone()),
            None => {
                let named = originator.servers.is_named(destination);
                self.opening(destination, named, client, &server, &mut early).await?
            }
        };
        // Nothing was sent and nothing will be: not worth a handshake.
        if opening == Opening::Other && early.bytes.is_empty() {
            return Ok(());
        }
        if opening == Opening::Tls {
            self.problems.note(&format!(
                "the program speaks TLS to {destination} itself: its connection has no identity; let it speak \
                 plaintext, or exempt the destination and let it ask for its token at --token-socket"
            ));
            return self.carry(client, server, Injector::idle(), early).await;
        }
        let debt = self.owed.owe();
        let name = originator.servers.name(destination, opening.host());
        let told = |why: String| {
            self.problems.note(&format!("TLS with {destination} as {}: {why}", name.to_str()));
            io::Error::other(why)
        };
        let token = self.token(intent, &server).ok_or(io::ErrorKind::InvalidData)?;
        let real = opening.protocol();
        let names = real.map(<[u8]>::to_vec).into_iter().chain(alpn::encode(&token)).collect();
        let stream = originator.handshake(&name, names, server).await.map_err(told)?;
        agree(stream.get_ref().1.alpn_protocol(), real).map_err(told)?;
        relay::relay(client, stream, early, &self.owed, debt).await
    }

    /// Waits until the program's first bytes say what it speaks.
    async fn opening(
        &self,
        destination: SocketAddr,
        named: bool,
        client: &TcpStream,
        server: &TcpStream,
        early: &mut Early,
    ) -> io::Result<Opening> {
        let mut silence = SILENCE;
        loop {
            if let Some(opening) = opening::look(&early.bytes, named) {
                return Ok(opening);
            }
            if early.ended {
                return Ok(opening::guess(&early.bytes));
            }
            let _debt = (!early.bytes.is_empty()).then(|| self.owed.owe());
            let patience = if early.bytes.is_empty() { silence } else { HOLD };
            tokio::select! {
                ready = timeout(patience, client.readable()) => match ready {
                    Err(_) if early.bytes.is_empty() => {
                        silence = Duration::MAX;
                        self.problems.note(&format!(
                            "TLS with {destination} waits for the program to speak: if the server is to speak \
                             first, give --protocol and --server-name for it"
                        ));
                    }
                    Err(_) => return Ok(opening::guess(&early.bytes)),
                    Ok(ready) => {
                        ready?;
                        let Some(bytes) = arrived(client)? else { continue };
                        early.ended = bytes.is_empty();
                        early.bytes.extend_from_slice(&bytes);
                    }
                },
                ready = server.readable() => {
                    ready?;
                    let Some(bytes) = arrived(server)? else { continue };
                    if !bytes.is_empty() {
                        let problem = format!("{destination} speaks before TLS has begun: it is no TLS server");
                        self.problems.note(&problem);
                    }
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            }
        }
    }
}

impl Originator {
    async fn handshake(
        &self,
        name: &ServerName<'static>,
        protocols: Vec<Vec<u8>>,
        server: TcpStream,
    ) -> Result<TlsStream<TcpStream>, String> {
        let connecting = self.connector.with_alpn(protocols).connect(name.clone(), server);
        match timeout(HANDSHAKE, connecting).await {
            Ok(connected) => connected.map_err(|error| explain(&error)),
            Err(_) => Err(format!("no answer to the handshake for {} s", HANDSHAKE.as_secs())),
        }
    }
}

/// Whether the server's choice is what is spoken.
fn agree(chosen: Option<&[u8]>, real: Option<&[u8]>) -> Result<(), String> {
    match (chosen, real) {
        // HTTP/2 over TLS has to be agreed on (RFC 9113 section 3.2): this server would take it for another.
        (None, Some(b"h2")) => Err("the server does not speak h2: speak HTTP/1.1 to it".into()),
        (None, _) => Ok(()),
        (chosen, real) if chosen == real => Ok(()),
        // Nothing else was offered.
        (Some(_), _) => {
            Err("the server has chosen a part of the token as its protocol: give --protocol, or \
                             mend the server's list of protocols"
                .into())
        }
    }
}

/// What is wrong with the server, and what to do.
fn explain(error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    let remedy = match cause {
        Some(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "give the name that its certificate is for as --server-name, or as the request's host",
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "give the authority that signed its certificate as --tls-ca"
        }
        Some(Error::InvalidCertificate(_)) => "renew or replace its certificate",
        Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            "give what it speaks as --protocol"
        }
        Some(Error::InvalidMessage(_)) => "exempt it if it does not speak TLS",
        Some(_) => "see the server's log",
        None => "see the proxy's access log, and the server's",
    };
    format!("{error}: {remedy}")
}
