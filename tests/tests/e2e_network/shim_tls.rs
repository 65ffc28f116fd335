//! The real shim with carrier `alpn`, through tls-alpn.yaml to a real TLS server.

use crate::stage::policy;
use crate::tls::{HOST, Server};
use procgate_identity::Carrier;
use procgate_policy::Record;
use procgate_tests::certificates::Authority;
use procgate_tests::envoy::{Envoy, Setup};
use procgate_tests::pod::{Confinement, folder, shim};
use procgate_tests::process::run;
use procgate_tests::program::{Program, python_extensions};
use procgate_tests::tokens::Key;
use procgate_tests::tools;
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What the server says to a program that speaks HTTP/1.1.
pub(crate) const PICKED: &str = "picked http/1.1 for pay.example\n";

/// A proxy in front of a TLS server, and a program that may reach it.
pub(crate) struct Pod {
    pub(crate) envoy: Envoy,
    server: Server,
    authority: Authority,
    pub(crate) checkout: Program,
    key: PathBuf,
    _folder: TempDir,
}

impl Pod {
    fn start(program: impl FnOnce(&TempDir) -> Program) -> Self {
        Self::start_with(program, |_| {})
    }

    pub(crate) fn start_with(
        program: impl FnOnce(&TempDir) -> Program,
        change: impl FnOnce(&mut Setup),
    ) -> Self {
        let folder = folder();
        let (checkout, authority) = (program(&folder), Authority::new(folder.path()));
        let (server, key) = (Server::start(&authority), Key::new("2026-11"));
        let mut policy = policy(&key, &json!({"hosts": [HOST]}));
        policy["processes"][0]["exe"] = json!([checkout.exe.to_string()]);
        policy["processes"][0]["code"] = json!([checkout.code.to_string()]);
        let mut setup = Setup { kind: "tls-alpn", ..Setup::new(policy, server.address) };
        change(&mut setup);
        let envoy = Envoy::start(setup);
        let key = key.write_to(folder.path());
        Self { envoy, server, authority, checkout, key, _folder: folder }
    }

    /// The approved program's shim, which begins TLS, to be followed by further options.
    fn shim(&self, mode: &str) -> Command {
        self.shim_towards(self.envoy.address(), mode)
    }

    /// The same, where the proxy is reached at this address.
    pub(crate) fn shim_towards(&self, proxy: SocketAddr, mode: &str) -> Command {
        let mut shim = shim(&self.key, &self.checkout, Confinement::SameUser, &[proxy]);
        shim.args(["--carrier", "alpn", "--require", mode, "--tls-ca"]).arg(self.authority.place());
        shim
    }

    /// Arguments of curl: a request to the server, whose name leads to the proxy.
    fn request(&self, scheme: &str) -> Vec<String> {
        request_to(self.envoy.address(), scheme)
    }

    fn allowed(&self) {
        let record = self.envoy.record("the connection's record", |record| record.reason.code() == "allowed");
        assert_eq!((record.carrier, record.sni.as_deref()), (Some(Carrier::Alpn), Some(HOST)));
    }

    /// An example carries its token itself: it begins TLS, with the token that it asks the shim for.
    fn begins_tls_itself(&self, interpreter: &Path, example: &str) {
        let example = tools::project().join("examples/own-token").join(example);
        let port = self.envoy.address().port().to_string();
        let mut own = shim(&self.key, &self.checkout, Confinement::SameUser, &[]);
        own.args(["--token-socket", "/procgate", "--"]).arg(interpreter).arg(example);
        let finished = run(own.args(["127.0.0.1", &port, HOST]).arg(self.authority.place()));
        assert!(finished.stdout.starts_with("http/1.1 picked http/1.1"), "{finished}");
        self.allowed();
    }

    fn refused(&self, reason: &str, command: &mut Command) -> Record<'static> {
        let before = self.server.connections();
        let finished = run(command);
        assert_eq!(finished.stdout, "", "{finished}");
        assert!(!finished.status.success(), "{finished}");
        assert_eq!(self.server.connections(), before, "nothing may connect upstream");
        self.envoy.record("a refusal", |record| record.reason.code() == reason)
    }
}

/// Arguments of curl: a request to the server, whose name leads to this address.
pub(crate) fn request_to(proxy: SocketAddr, scheme: &str) -> Vec<String> {
    let fixed = ["-sS", "--http0.9", "--max-time", "20", "--noproxy", "*", "--connect-to"];
    let at = [format!("::{proxy}"), format!("{scheme}://{HOST}/")];
    fixed.map(str::to_owned).into_iter().chain(at).collect()
}

#[test]
fn only_the_approved_program_s_plaintext_goes_out_over_tls() {
    let Some(curl) = tools::client("curl") else { return };
    for mode in ["pidfd", "own-socket"] {
        let pod = Pod::start(|folder| Program::like(&curl, folder.path(), "checkout"));
        let finished = run(pod.shim(mode).arg("--").arg(&pod.checkout.path).args(pod.request("http")));
        assert_eq!(finished.stdout, PICKED, "{finished}");
        pod.allowed();
        // A shell under the same shim starts another program.
        let request = pod.request("http").join(" ");
        let script = format!("{} {}", curl.display(), request.replace('*', "'*'"));
        pod.refused("unknown-process", pod.shim(mode).args(["--", "sh", "-c", &script]));
        // A neighbour has no shim, and begins TLS itself.
        let mut neighbour = Command::new(&pod.checkout.path);
        neighbour.arg("--cacert").arg(pod.authority.place()).args(pod.request("https"));
        pod.refused("no-identity", &mut neighbour);
    }
}

#[test]
fn an_approved_interpreter_s_plaintext_goes_out_over_tls_and_its_own_tls_with_its_own_token() {
    let Some(python) = tools::client("python") else { return };
    let listing =
        |folder: &TempDir| Program::at(&python, folder.path(), "python", &python_extensions(&python));
    let pod = Pod::start(listing);
    let (address, port) = (pod.envoy.address(), pod.envoy.address().port().to_string());
    let plain = format!(
        "import socket
c = socket.create_connection(('127.0.0.1', {port}), timeout=20)
c.sendall(b'GET / HTTP/1.1\\r\\nhost: {HOST}\\r\\n\\r\\n'); print(c.recv(99).decode(), end='')"
    );
    let finished = run(pod.shim("pidfd").arg("--").arg(&python).args(["-c", &plain]));
    assert_eq!(finished.stdout, PICKED, "{finished}");
    pod.allowed();
    pod.begins_tls_itself(&python, "client.py");
    // The same program with nobody to ask.
    pod.refused(
        "no-identity",
        shim(&pod.key, &pod.checkout, Confinement::SameUser, &[]).arg("--").arg(&python).args([
            "-c",
            &format!(
                "import socket, ssl
x = ssl.create_default_context(cafile={:?}); x.set_alpn_protocols(['http/1.1'])
x.wrap_socket(socket.create_connection(('127.0.0.1', {}), timeout=20), server_hostname='{HOST}')",
                pod.authority.place(),
                address.port()
            ),
        ]),
    );
}

#[test]
fn node_s_own_tls_goes_out_with_the_token_that_it_asks_the_shim_for() {
    let Some(node) = tools::client("node") else { return };
    let pod = Pod::start(|folder| Program::at(&node, folder.path(), "node", &[]));
    pod.begins_tls_itself(&node, "client.mjs");
    // The same program in a container without a shim has nobody to ask.
    let address = pod.envoy.address();
    let script = format!(
        "const fs = require('node:fs'), tls = require('node:tls');
tls.connect({{host: '127.0.0.1', port: {}, servername: '{HOST}', ca: fs.readFileSync({:?}), ALPNProtocols: ['http/1.1']}})",
        address.port(),
        pod.authority.place()
    );
    pod.refused("no-identity", Command::new(&node).args(["-e", &script]));
}
