//! One Envoy with its upstream, and somebody whom its policy trusts: for tests of the proxy that need
//! no program.

use crate::envoy::{Envoy, Setup};
use crate::tokens::{self, DOMAIN, Key, SCOPE};
use crate::upstream::Upstream;
use crate::wire::{Answer, Connection, HOST, get, token_line};
use procgate_identity::{Claims, Digest};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Both, running, and the key that the policy trusts.
#[derive(Debug)]
pub struct Proxy {
    /// Envoy, under [`policy`](Self::policy).
    pub envoy: Envoy,
    /// What it protects.
    pub upstream: Upstream,
    /// The key of the approved process.
    pub key: Key,
}

impl Proxy {
    /// Starts both.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Starts both, with a set-up that differs.
    #[must_use]
    pub fn start_with(change: impl FnOnce(&mut Setup)) -> Self {
        let upstream = Upstream::start();
        let key = Key::new("2026-11");
        let mut setup = Setup::new(policy(&[key.trusted_for(SCOPE)]), upstream.address());
        change(&mut setup);
        Self { envoy: Envoy::start(setup), upstream, key }
    }

    /// The policy that it starts with: one process may reach `/charge/…`.
    #[must_use]
    pub fn policy(&self) -> Value {
        policy(&[self.key.trusted_for(SCOPE)])
    }

    /// A connection, and the header line with its token.
    #[must_use]
    pub fn connect(&self) -> (Connection, String) {
        self.connect_from(([127, 0, 0, 1], 0).into())
    }

    /// The same from a chosen source.
    #[must_use]
    pub fn connect_from(&self, source: SocketAddr) -> (Connection, String) {
        let connection = Connection::open_from(source, self.envoy.address());
        let line = token_line(&self.key.mint(&self.claims(&connection)));
        (connection, line)
    }

    /// What the approved process claims on this connection.
    #[must_use]
    pub fn claims(&self, connection: &Connection) -> Claims {
        tokens::claims(exe(), None, connection.source(), self.envoy.address())
    }

    /// A request of the approved process, on a connection of its own.
    #[must_use]
    pub fn approved(&self, path: &str) -> Answer {
        self.approved_with(path, "")
    }

    /// The same with these further header lines.
    #[must_use]
    pub fn approved_with(&self, path: &str, lines: &str) -> Answer {
        let (mut connection, line) = self.connect();
        connection.ask(get(path, &format!("{lines}{line}")))
    }

    /// A request without identity, on a connection of its own.
    #[must_use]
    pub fn unidentified(&self, path: &str) -> Answer {
        Connection::open(self.envoy.address()).ask(get(path, ""))
    }
}

/// The digest of the approved process.
#[must_use]
pub fn exe() -> Digest {
    Digest::of(b"checkout")
}

/// A policy under which one process may reach `/charge/…`.
#[must_use]
pub fn policy(keys: &[Value]) -> Value {
    json!({
        "version": 1,
        "mode": "enforce",
        "trust": {"domain": DOMAIN, "keys": keys},
        "processes": [{"name": "checkout", "container": "checkout", "exe": [exe().to_string()]}],
        "destinations": [{"name": "payments", "hosts": [HOST]}],
        "rules": [{"name": "checkout-pays", "allow": {
            "from": {"process": "checkout"}, "to": {"destination": "payments", "paths": ["/charge/**"]},
        }}],
    })
}
