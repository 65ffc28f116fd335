//! One Envoy with tcp.yaml, a server behind it, and somebody whom the policy trusts.

use crate::greeter::{GREETING, Greeter};
use procgate_identity::Claims;
use procgate_identity::carrier::{alpn, proxy_v2};
use procgate_policy::Record;
use procgate_tests::envoy::{Envoy, Setup};
use procgate_tests::proxy::exe;
use procgate_tests::tokens::{self, DOMAIN, Key, SCOPE};
use procgate_tests::until::until;
use procgate_tests::wire;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

pub(crate) struct Stage {
    pub(crate) envoy: Envoy,
    pub(crate) server: Greeter,
    pub(crate) key: Key,
}

impl Stage {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut Setup)) -> Self {
        Self::start_under(&loopback(), change)
    }

    /// The same with tls-alpn.yaml, and this as the one destination.
    pub(crate) fn for_tls(destination: &Value) -> Self {
        Self::start_under(destination, |setup| setup.kind = "tls-alpn")
    }

    fn start_under(destination: &Value, change: impl FnOnce(&mut Setup)) -> Self {
        let server = Greeter::start();
        let key = Key::new("2026-11");
        let mut setup = Setup::new(policy(&key, destination), server.address);
        setup.kind = "tcp";
        change(&mut setup);
        Self { envoy: Envoy::start(setup), server, key }
    }

    pub(crate) fn policy(&self) -> Value {
        policy(&self.key, &loopback())
    }

    pub(crate) fn connect(&self) -> TcpStream {
        self.connect_from(([127, 0, 0, 1], 0).into())
    }

    pub(crate) fn connect_from(&self, source: SocketAddr) -> TcpStream {
        wire::connect(source, self.envoy.address())
    }

    /// What the approved process claims on this connection.
    pub(crate) fn claims(&self, stream: &TcpStream) -> Claims {
        tokens::claims(exe(), None, stream.local_addr().unwrap(), self.envoy.address())
    }

    /// The token of the approved process.
    pub(crate) fn token(&self, stream: &TcpStream) -> String {
        self.key.mint(&self.claims(stream))
    }

    /// The protocols that it names.
    pub(crate) fn names(&self, stream: &TcpStream) -> Vec<Vec<u8>> {
        [b"h2".to_vec()].into_iter().chain(alpn::encode(&self.token(stream))).collect()
    }

    /// Its preface.
    pub(crate) fn preface(&self, stream: &TcpStream) -> Vec<u8> {
        self.preface_with(stream, &self.token(stream))
    }

    pub(crate) fn preface_with(&self, stream: &TcpStream, token: &str) -> Vec<u8> {
        proxy_v2::preface(stream.local_addr().unwrap(), self.envoy.address(), token).unwrap()
    }

    /// A connection of the approved process that the server has greeted, and the preface it began with.
    pub(crate) fn greeted(&self) -> (TcpStream, Vec<u8>) {
        let mut stream = self.connect();
        let preface = self.preface(&stream);
        stream.write_all(&preface).unwrap();
        assert!(is_served(&mut stream));
        (stream, preface)
    }

    /// Sends this on a connection of its own; says whether the server was reached.
    pub(crate) fn reaches(&self, bytes: impl FnOnce(&TcpStream) -> Vec<u8>) -> bool {
        let mut stream = self.connect();
        let bytes = bytes(&stream);
        let _ = stream.write_all(&bytes);
        is_served(&mut stream)
    }

    /// The record of the connection from there, once it is closed.
    pub(crate) fn record_of(&self, source: SocketAddr) -> Record<'static> {
        until("the connection's record", || {
            let log = self.envoy.access_log();
            let line = log.iter().find(|line| line["source"] == source.to_string())?;
            Some(Record::parse(line["procgate"].as_str()?).unwrap().into_owned())
        })
    }

    /// Sends this on a connection of its own, which must not reach the server; gives the reason.
    pub(crate) fn refusal(&self, bytes: impl FnOnce(&TcpStream) -> Vec<u8>) -> String {
        self.refusal_of(bytes, |_| {})
    }

    /// The same of a client that sends nothing more after it.
    pub(crate) fn refusal_at_end(&self, bytes: impl FnOnce(&TcpStream) -> Vec<u8>) -> String {
        self.refusal_of(bytes, |stream| stream.shutdown(Shutdown::Write).unwrap())
    }

    /// Sends each of these on a connection of its own, and nothing more after it. None may reach the server; gives
    /// the reasons, nothing where Envoy ended the connection before the plugin saw it.
    pub(crate) fn refusals_at_end<T: Copy>(
        &self,
        cases: impl IntoIterator<Item = T>,
        bytes: impl Fn(&TcpStream, T) -> Vec<u8>,
    ) -> Vec<(T, Option<String>)> {
        let before = self.server.connections();
        let streams: Vec<_> = cases
            .into_iter()
            .map(|case| {
                let mut stream = self.connect();
                let _ = stream.write_all(&bytes(&stream, case));
                let _ = stream.shutdown(Shutdown::Write);
                (case, stream)
            })
            .collect();
        let ended = streams
            .into_iter()
            .map(|(case, mut stream)| {
                assert!(!is_served(&mut stream));
                (case, stream.local_addr().unwrap().to_string())
            })
            .collect::<Vec<_>>();
        assert_eq!(self.server.connections(), before, "nothing may connect upstream");
        until("a line of the log for each connection", || {
            let log = self.envoy.access_log();
            let lines: BTreeMap<_, _> = log.iter().map(|line| (line["source"].as_str(), line)).collect();
            ended
                .iter()
                .map(|(case, source)| {
                    let record = lines.get(&Some(source.as_str()))?["procgate"].as_str();
                    Some((*case, record.map(|text| Record::parse(text).unwrap().reason.code().to_owned())))
                })
                .collect()
        })
    }

    fn refusal_of(&self, bytes: impl FnOnce(&TcpStream) -> Vec<u8>, then: impl FnOnce(&TcpStream)) -> String {
        let before = self.server.connections();
        let mut stream = self.connect();
        let source = stream.local_addr().unwrap();
        let bytes = bytes(&stream);
        let _ = stream.write_all(&bytes);
        then(&stream);
        assert!(!is_served(&mut stream));
        drop(stream);
        let record = self.record_of(source);
        assert_eq!(self.server.connections(), before, "nothing may connect upstream");
        record.reason.code().to_owned()
    }
}

/// Whether the server's greeting comes, before the connection ends.
pub(crate) fn is_served(stream: &mut TcpStream) -> bool {
    let begun = Instant::now();
    let mut greeting = [0; GREETING.len()];
    let served = stream.read_exact(&mut greeting).is_ok();
    assert!(!served || greeting == GREETING);
    assert!(begun.elapsed() < Duration::from_secs(15), "an end, and not for want of patience");
    served
}

fn loopback() -> Value {
    json!({"cidrs": ["127.0.0.0/8"]})
}

/// One process may reach this destination.
pub(crate) fn policy(key: &Key, destination: &Value) -> Value {
    let mut destination = destination.clone();
    destination["name"] = "loopback".into();
    json!({
        "version": 1,
        "mode": "enforce",
        "trust": {"domain": DOMAIN, "keys": [key.trusted_for(SCOPE)]},
        "processes": [{"name": "checkout", "container": "checkout", "exe": [exe().to_string()]}],
        "destinations": [destination],
        "rules": [{"name": "checkout-mails", "allow": {
            "from": {"process": "checkout"}, "to": {"destination": "loopback"},
        }}],
    })
}
