//! Which connections the forwarder may accept: exactly those that the trap has just made.

use crate::attest::Attestation;
use core::net::{IpAddr, SocketAddr};
use procgate_identity::canonical;
use rustix::net::{getpeername, getsockname};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Registrations that wait for their connection at the most; it arrives within microseconds.
const MAX_WAITING: usize = 8_192;
/// How long one waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// Registrations by the address that their connection will come from.
#[derive(Debug)]
pub(crate) struct Registry {
    /// The forwarder's own addresses.
    pub(crate) v4: SocketAddr,
    pub(crate) v6: Option<SocketAddr>,
    waiting: Mutex<HashMap<SocketAddr, Registration>>,
}

/// A connection of the workload, before the forwarder has it.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) destination: SocketAddr,
    /// The source address that the program had chosen.
    pub(crate) source: Option<IpAddr>,
    pub(crate) process: Attestation,
    /// The workload's own socket. As long as it is held, nobody else can have its address.
    socket: OwnedFd,
    until: Instant,
}

impl Registration {
    pub(crate) fn new(
        destination: SocketAddr,
        source: Option<IpAddr>,
        process: Attestation,
        socket: OwnedFd,
    ) -> Self {
        let now = Instant::now();
        Self { destination, source, process, socket, until: now.checked_add(PATIENCE).unwrap_or(now) }
    }

    /// Whether the workload's socket is the other end of this connection.
    fn is_other_end(&self, peer: SocketAddr, client: impl AsFd) -> bool {
        let address = |name: rustix::net::SocketAddrAny| SocketAddr::try_from(name).ok().map(canonical);
        let here = getsockname(&self.socket).ok().and_then(address);
        let far = getpeername(&self.socket).ok().flatten().and_then(address);
        here == Some(peer) && far.is_some() && far == getsockname(client).ok().and_then(address)
    }
}

impl Registry {
    pub(crate) fn new((v4, v6): (SocketAddr, Option<SocketAddr>)) -> Self {
        Self { v4, v6, waiting: Mutex::default() }
    }

    /// Lets a connection from this address be accepted, once. False where too many wait.
    pub(crate) fn register(&self, local: SocketAddr, registration: Registration) -> bool {
        let mut waiting = self.waiting();
        let fits = waiting.len() < MAX_WAITING;
        if fits {
            waiting.insert(local, registration);
        }
        fits
    }

    /// Takes a registration back whose connection was not made.
    pub(crate) fn withdraw(&self, local: SocketAddr) {
        self.waiting().remove(&local);
    }

    /// The registration of an accepted connection.
    pub(super) fn take(&self, peer: SocketAddr, client: impl AsFd) -> Option<Registration> {
        let peer = canonical(peer);
        let registration = self.waiting().remove(&peer)?;
        registration.is_other_end(peer, client).then_some(registration)
    }

    /// Drops registrations that nobody came for.
    pub(super) fn expire(&self) {
        let now = Instant::now();
        self.waiting().retain(|_, registration| registration.until > now);
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<SocketAddr, Registration>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procgate_identity::Digest;
    use std::net::{TcpListener, TcpStream};

    fn registration(socket: OwnedFd) -> Registration {
        let process =
            Attestation { exe: Digest::of(b""), code: None, stray: None, script: None, name: String::new() };
        Registration::new("10.0.0.1:80".parse().unwrap(), None, process, socket)
    }

    /// A registry for a listener, a connection to it, and its accepted end.
    fn connected() -> (Registry, TcpStream, TcpStream, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, peer) = listener.accept().unwrap();
        (Registry::new((listener.local_addr().unwrap(), None)), client, accepted, peer)
    }

    #[test]
    fn a_registered_connection_is_taken_once() {
        let (registry, client, accepted, peer) = connected();
        assert!(registry.register(peer, registration(client.try_clone().unwrap().into())));
        assert!(registry.take(peer, &accepted).is_some());
        assert!(registry.take(peer, &accepted).is_none());
    }

    #[test]
    fn a_registration_for_another_socket_does_not_fit() {
        let (registry, _client, accepted, peer) = connected();
        let (_, other, _other_accepted, _) = connected();
        assert!(registry.register(peer, registration(other.into())));
        assert!(registry.take(peer, &accepted).is_none());
    }

    #[test]
    fn a_stranger_is_not_taken() {
        let (registry, _client, accepted, peer) = connected();
        assert!(registry.take(peer, &accepted).is_none());
    }
}
