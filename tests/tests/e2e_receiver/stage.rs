//! Two proxies, the sender's and the receiver's, with mutual TLS in between.

use procgate_identity::Claims;
use procgate_tests::certificates::{Authority, Certificate};
use procgate_tests::envoy::{Envoy, Setup};
use procgate_tests::process::succeed;
use procgate_tests::proxy::{Proxy, exe};
use procgate_tests::tokens::{self, DOMAIN};
use procgate_tests::wire::{Answer, Connection, HOST};
use procgate_tests::{pod, tools};
use rcgen::SanType;
use serde_json::json;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// The approved process's workload, whose proxy the sender's is.
pub(crate) const SENDER: &str = "spiffe://shop.example/ns/shop/sa/checkout";
/// The workload that is protected.
pub(crate) const RECEIVER: &str = "spiffe://shop.example/ns/shop/sa/payments";
/// Where the cluster of http.yaml begins.
const UPSTREAM: &str = "  - name: upstream\n    type: STRICT_DNS\n";

pub(crate) struct Stage {
    pub(crate) sender: Envoy,
    /// The receiver's proxy, the program that it protects, and the key that both policies trust.
    pub(crate) receiver: Proxy,
    pub(crate) authority: Authority,
    folder: TempDir,
}

impl Stage {
    pub(crate) fn start() -> Self {
        let folder = pod::folder();
        let authority = Authority::new(folder.path());
        let own = authority.certificate("receiver", [uri(RECEIVER)]);
        let receiver = Proxy::start_with(|setup| {
            setup.kind = "receiver";
            setup.parameters = parameters(&own, &authority);
        });
        let mut policy = receiver.policy();
        policy["forward"] = json!(true);
        let mut setup = Setup::new(&policy, receiver.envoy.address());
        let certificate = authority.certificate("sender", [uri(SENDER)]);
        setup.amendments.push(speaks_tls(UPSTREAM, &certificate, &authority));
        Self { sender: Envoy::start(setup), receiver, authority, folder }
    }

    /// What the approved process claims on a connection to its own proxy.
    pub(crate) fn claims(&self, connection: &Connection) -> Claims {
        tokens::claims(exe(), None, connection.source(), self.sender.address())
    }

    /// A token of the approved process, as somebody got hold of it.
    pub(crate) fn token(&self) -> String {
        self.receiver.key.mint(&self.claims(&Connection::open(self.sender.address())))
    }

    /// A request straight to the receiver's proxy, with a certificate for this URI and these header lines.
    pub(crate) fn straight(&self, principal: &str, path: &str, lines: &[String]) -> Answer {
        let certificate = self.authority.certificate("peer", [uri(principal)]);
        let (head, body) = (self.folder.path().join("head"), self.folder.path().join("body"));
        let mut curl = curl();
        curl.arg("--cert").arg(certificate.chain).arg("--key").arg(certificate.key);
        curl.arg("-D").arg(&head).arg("-o").arg(&body);
        curl.args(lines.iter().flat_map(|line| ["-H", line]));
        curl.args(["-H", &format!("host: {HOST}")]).arg(self.url(path));
        let status = succeed(curl.args(["-w", "%{http_code}"])).stdout.parse().unwrap();
        Answer { status, headers: Vec::new(), body: fs::read(body).unwrap() }
    }

    /// An address at the receiver's proxy.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.receiver.envoy.address())
    }
}

/// A curl that does not ask who the server is.
pub(crate) fn curl() -> Command {
    let mut curl = Command::new(tools::client("curl").expect("the tests need curl"));
    curl.args(["-sS", "-k", "--max-time", "20", "--noproxy", "*"]);
    curl
}

/// The name of a certificate.
pub(crate) fn uri(principal: &str) -> SanType {
    SanType::URI(principal.try_into().unwrap())
}

/// What receiver.yaml and sender-tls.yaml ask for.
pub(crate) fn parameters(own: &Certificate, authority: &Authority) -> Vec<(&'static str, String)> {
    vec![
        ("PROCGATE_CERTIFICATE", own.chain.display().to_string()),
        ("PROCGATE_CERTIFICATE_KEY", own.key.display().to_string()),
        ("PROCGATE_PEERS_CA", authority.place().display().to_string()),
        ("PROCGATE_TRUST_DOMAIN", DOMAIN.into()),
    ]
}

/// Puts sender-tls.yaml into the sender's configuration, behind the first lines of a cluster.
pub(crate) fn speaks_tls(
    place: &'static str,
    own: &Certificate,
    authority: &Authority,
) -> (&'static str, String) {
    let lines = fs::read_to_string(tools::project().join("envoy-config/sender-tls.yaml")).unwrap();
    let filled = parameters(own, authority)
        .into_iter()
        .fold(lines, |lines, (name, value)| lines.replace(&format!("${{{name}}}"), &value));
    (place, format!("{place}{filled}"))
}
