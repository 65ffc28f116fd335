//! Which connections the forwarder may accept: exactly those that the trap has just made.

use crate::attest::Attestation;
use core::net::{IpAddr, SocketAddr};
use procgate_identity::canonical;
use rustix::net::{getpeername, getsockname};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Registrations that wait for their connection at the most: fewer than the kernel accepts ahead of the
/// forwarder, so that it drops none. A program that connects faster is slowed down.
const MAX_WAITING: usize = 1_024;
/// How long a call may be kept waiting for a free place.
const SLOWED: Duration = Duration::from_millis(200);
/// How long a registration waits for its connection, which arrives within microseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Registrations by the address that their connection will come from.
#[derive(Debug)]
pub(crate) struct Registry {
    /// The forwarder's own addresses.
    pub(crate) v4: SocketAddr,
    pub(crate) v6: Option<SocketAddr>,
    waiting: Mutex<HashMap<SocketAddr, Registration>>,
    /// One place has become free.
    freed: Condvar,
}

/// Where a connection of the workload was to go, and who opened it.
#[derive(Debug)]
pub(crate) struct Intent {
    pub(crate) destination: SocketAddr,
    /// The source address that the program had chosen.
    pub(crate) source: Option<IpAddr>,
    pub(crate) process: Attestation,
}

/// A connection of the workload, before the forwarder has it.
#[derive(Debug)]
pub(crate) struct Registration {
    intent: Intent,
    /// The workload's own socket. As long as it is held, nobody else can have its address; and nobody
    /// can see that the program has closed it, so it is let go as soon as the connection is there.
    socket: Arc<OwnedFd>,
    until: Instant,
}

impl Registration {
    pub(crate) fn new(intent: Intent, socket: Arc<OwnedFd>) -> Self {
        let now = Instant::now();
        Self { intent, socket, until: now.checked_add(PATIENCE).unwrap_or(now) }
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
        Self { v4, v6, waiting: Mutex::default(), freed: Condvar::new() }
    }

    /// Lets a connection from this address be accepted, once. False where too many wait.
    pub(crate) fn register(&self, local: SocketAddr, registration: Registration) -> bool {
        let full = |waiting: &mut HashMap<_, _>| waiting.len() >= MAX_WAITING;
        let waited = self.freed.wait_timeout_while(self.waiting(), SLOWED, full);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let fits = !full(&mut waiting);
        if fits {
            waiting.insert(local, registration);
        }
        fits
    }

    /// Takes a registration back whose connection was not made.
    pub(crate) fn withdraw(&self, local: SocketAddr) {
        self.remove(local);
    }

    /// What an accepted connection was made for; nothing if it is a stranger's.
    pub(super) fn take(&self, peer: SocketAddr, client: impl AsFd) -> Option<Intent> {
        let peer = canonical(peer);
        let registration = self.remove(peer)?;
        registration.is_other_end(peer, client).then_some(registration.intent)
    }

    /// Whether a connection is still to be accepted.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting().is_empty()
    }

    /// Drops registrations that nobody came for.
    pub(super) fn expire(&self) {
        let now = Instant::now();
        self.waiting().retain(|_, registration| registration.until > now);
        self.freed.notify_all();
    }

    fn remove(&self, local: SocketAddr) -> Option<Registration> {
        let removed = self.waiting().remove(&local);
        self.freed.notify_one();
        removed
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
        let intent = Intent { destination: "10.0.0.1:80".parse().unwrap(), source: None, process };
        Registration::new(intent, Arc::new(socket))
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
