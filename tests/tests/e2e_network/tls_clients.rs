//! Real TLS clients that bring their token in the protocols they name, through tls-alpn.yaml to a real server.

use crate::stage::{self, Stage};
use crate::tls::{self, HOST, Server};
use procgate_identity::Carrier;
use procgate_identity::carrier::alpn;
use procgate_tests::certificates::Authority;
use procgate_tests::envoy::{Envoy, Setup};
use procgate_tests::proxy::exe;
use procgate_tests::tokens::{self, Key};
use procgate_tests::{tools, wire};
use rustls::StreamOwned;
use serde_json::json;
use std::ffi::OsStr;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// What the server says to a client that was let through.
const PICKED: &str = "picked h2 for pay.example\n";

struct Tls {
    envoy: Envoy,
    server: Server,
    authority: Authority,
    key: Key,
    _folder: TempDir,
}

impl Tls {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path());
        let (server, key) = (Server::start(&authority), Key::new("2026-11"));
        let policy = stage::policy(&key, &json!({"hosts": [HOST]}));
        let envoy = Envoy::start(Setup { kind: "tls-alpn", ..Setup::new(policy, server.address) });
        Self { envoy, server, authority, key, _folder: folder }
    }

    /// The protocols that the approved process names on a connection from there.
    fn names(&self, source: SocketAddr) -> Vec<Vec<u8>> {
        let token = self.key.mint(&tokens::claims(exe(), None, source, self.envoy.address()));
        [b"h2".to_vec(), b"http/1.1".to_vec()].into_iter().chain(alpn::encode(&token)).collect()
    }

    /// What a program prints that connects from one port with a token for another.
    fn run(&self, client: &Path, script: &str, token_for: impl FnOnce(u16) -> u16) -> String {
        let port = free_port();
        let names = self.names(([127, 0, 0, 1], token_for(port)).into()).into_iter().skip(2);
        let names = names.map(|name| String::from_utf8(name).unwrap());
        let script = tools::project().join("tests/network").join(script);
        let fixed = [port, self.envoy.address().port()].map(|port| port.to_string());
        let output = Command::new(client)
            .args([script.as_os_str(), self.authority.place().as_os_str(), OsStr::new(HOST)])
            .args(fixed)
            .args(names)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A client that names its token is let through, and one with another connection's token reaches nobody.
    fn serves_only_the_approved(&self, program: &str, script: &str) {
        let Some(client) = tools::client(program) else { return };
        assert_eq!(self.run(&client, script, |port| port), PICKED);
        let record = self.envoy.record("the connection's record", |_| true);
        assert_eq!((record.reason.code(), record.carrier), ("allowed", Some(Carrier::Alpn)));
        assert_eq!(record.sni.as_deref(), Some(HOST));
        let before = self.server.connections();
        assert_eq!(self.run(&client, script, |port| port ^ 1), "");
        let record = self.envoy.record("a refusal", |record| record.reason.code() != "allowed");
        assert_eq!((record.reason.code(), record.carrier), ("wrong-source", Some(Carrier::Alpn)));
        assert_eq!(self.server.connections(), before, "nothing may connect upstream");
    }
}

/// A port that nobody uses now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_rustls_client_s_server_picks_the_real_protocol() {
    let stage = Tls::start();
    let stream = wire::connect(([127, 0, 0, 1], 0).into(), stage.envoy.address());
    let config = tls::client(stage.names(stream.local_addr().unwrap()), Some(stage.authority.place()));
    let mut stream = StreamOwned::new(tls::begin(config), stream);
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!((said.as_str(), stream.conn.alpn_protocol()), (PICKED, Some(b"h2".as_slice())));
}

#[test]
fn python_s_ssl_brings_a_token() {
    Tls::start().serves_only_the_approved("python", "alpn_tls.py");
}

#[test]
fn node_s_tls_brings_a_token() {
    Tls::start().serves_only_the_approved("node", "alpn_tls.mjs");
}

#[test]
fn the_server_s_name_is_that_of_the_client_hello_and_without_one_no_host_matches() {
    let stage = Stage::for_tls(&json!({"hosts": [HOST]}));
    let hello = |change: fn(&mut rustls::ClientConfig)| {
        let stage = &stage;
        move |stream: &_| {
            let mut config = tls::client(stage.names(stream), None);
            change(&mut config);
            tls::hello_of(config)
        }
    };
    assert!(stage.reaches(hello(|_| {})));
    assert_eq!(stage.refusal(hello(|config| config.enable_sni = false)), "no-matching-rule");
    let elsewhere = Stage::for_tls(&json!({"hosts": ["other.example"]}));
    let named = |stream: &_| tls::hello(elsewhere.names(stream));
    assert_eq!(elsewhere.refusal(named), "no-matching-rule");
}
