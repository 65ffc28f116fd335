//! One Envoy with a listener for each chain of filters that is compared. Every listener answers
//! 200 itself, so that the chain is all that differs.

use crate::Paths;
use crate::client::Token;
use crate::fixture::Fixture;
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// HTTP filters in a row, and what they want from the client.
pub(crate) struct Chain {
    pub(crate) name: String,
    pub(crate) token: Token,
    /// Whether each request of a connection asks for another path than the one before.
    pub(crate) changes: bool,
    /// What decides the connection, ahead of them.
    network: Vec<Value>,
    filters: Vec<Value>,
}

/// The chains in the order of the table: the eight that every run compares, then the other modules.
pub(crate) fn chains(paths: &Paths, fixture: &Fixture) -> Vec<Chain> {
    let chain = |name: &str, token, filters| Chain {
        name: name.into(),
        token,
        changes: false,
        network: vec![],
        filters,
    };
    let (wasm, few, many) = (&paths.wasm, fixture.policy(10), fixture.policy(10_000));
    let mut chains = vec![
        chain("no filter", Token::Never, vec![]),
        chain("no-op wasm", Token::Never, vec![wasm_filter(&paths.noop, "noop", "")]),
        chain(
            "no-op wasm with the host calls",
            Token::Never,
            vec![wasm_filter(&paths.noop, "calls", "calls")],
        ),
        chain("procgate", Token::FirstRequest, vec![wasm_filter(wasm, "small", &few)]),
        Chain {
            changes: true,
            ..chain(
                "procgate, another path each time",
                Token::FirstRequest,
                vec![wasm_filter(wasm, "paths", &few)],
            )
        },
        // The same path again would be answered again, whatever the rules are (docs/decisions/0008).
        Chain {
            changes: true,
            ..chain(
                "procgate, another path each time, 10,000 rules",
                Token::FirstRequest,
                vec![wasm_filter(wasm, "large", &many)],
            )
        },
        chain("jwt_authn + rbac", Token::EveryRequest, jwt_filters(fixture, 0)),
        chain("jwt_authn + rbac, cached", Token::EveryRequest, jwt_filters(fixture, 100)),
    ];
    chains.extend(paths.also.iter().map(|other| {
        let name = other.display().to_string();
        let filters = vec![wasm_filter(other, &name, &few)];
        Chain { name, token: Token::FirstRequest, changes: false, network: vec![], filters }
    }));
    chains
}

/// Connections with a preface, and nobody or procgate to decide them; their requests are decided by nobody.
pub(crate) fn connection_chains(paths: &Paths, fixture: &Fixture) -> Vec<Chain> {
    let decided = wasm_network_filter(&paths.wasm, "network", &fixture.policy_of_connections());
    vec![by_preface("no procgate", vec![]), by_preface("procgate's network filter", vec![decided])]
}

/// What a sidecar has with Istio's overlay enforce: three plugins of one module and one policy, in one VM.
pub(crate) fn sidecar_chains(paths: &Paths, fixture: &Fixture) -> Vec<Chain> {
    let policy = fixture.policy_of_connections();
    let network = |role| vec![wasm_network_filter(&paths.wasm, role, &policy)];
    vec![
        Chain {
            name: "procgate, three plugins of a sidecar".into(),
            token: Token::FirstRequest,
            changes: false,
            network: vec![],
            filters: vec![wasm_plugin("http", &paths.wasm, "network", "requests", &policy)],
        },
        by_preface("arrival", network("network")),
        by_preface("first bytes", network("network-stream")),
    ]
}

fn by_preface(name: &str, network: Vec<Value>) -> Chain {
    Chain { name: name.into(), token: Token::Preface, changes: false, network, filters: vec![] }
}

/// A running Envoy; dropping it ends the process.
pub(crate) struct Envoy {
    process: Child,
    ports: Vec<u16>,
}

impl Envoy {
    /// Starts Envoy with so many workers and waits until every listener accepts.
    pub(crate) fn start(binary: &Path, workers: u8, chains: &[&Chain]) -> io::Result<Self> {
        let ports = chains.iter().map(|_| free_port()).collect::<io::Result<Vec<_>>>()?;
        let listeners: Vec<_> =
            chains.iter().zip(&ports).map(|(chain, port)| listener(*port, chain)).collect();
        let config = json!({"static_resources": {"listeners": listeners}});
        let path = std::env::temp_dir().join(format!("procgate-bench-{}.json", std::process::id()));
        fs::write(&path, config.to_string())?;
        let process = Command::new(binary)
            .args([
                "--concurrency",
                &workers.to_string(),
                "--log-level",
                "error",
                "--use-dynamic-base-id",
                "--config-path",
            ])
            .arg(&path)
            .stdin(Stdio::null())
            .spawn()?;
        let envoy = Self { process, ports };
        envoy.wait_until_ready()?;
        fs::remove_file(path)?;
        Ok(envoy)
    }

    fn wait_until_ready(&self) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        for index in 0..self.ports.len() {
            while TcpStream::connect(self.address(index)).is_err() {
                if Instant::now() > deadline {
                    return Err(io::Error::other("Envoy did not come up: its reason is above"));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// Where the chain of this number listens.
    pub(crate) fn address(&self, chain: usize) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[chain]))
    }

    /// Megabytes of memory that it has in use: `VmRSS` of proc_pid_status(5).
    pub(crate) fn resident_megabytes(&self) -> io::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        kilobytes.map(|kilobytes| kilobytes / 1_024.0).ok_or_else(|| io::Error::other("no VmRSS"))
    }

    /// CPU time that all of its threads have used so far.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        crate::shim::cpu(self.process.id())
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn listener(port: u16, chain: &Chain) -> Value {
    let mut listener_filters = vec![json!({
        "name": "source",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.set_filter_state.v3.Config",
            "on_accept": [{
                "object_key": "procgate.source",
                "factory_key": "envoy.string",
                "format_string": {"text_format_source": {"inline_string": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%"}},
            }],
        },
    })];
    if chain.token == Token::Preface {
        listener_filters.push(json!({
            "name": "preface",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
                "tlv_location": "FILTER_STATE",
                "rules": [{"tlv_type": 0xEA, "on_tlv_present": {"key": "procgate"}}],
            },
        }));
    }
    let mut filters = chain.network.clone();
    filters.push(http_connection_manager(chain.filters.clone()));
    json!({
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "traffic_direction": "OUTBOUND",
        "listener_filters": listener_filters,
        "filter_chains": [{"filters": filters}],
    })
}

fn http_connection_manager(mut filters: Vec<Value>) -> Value {
    filters.push(json!({
        "name": "router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }));
    json!({
        "name": "http",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "bench",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "direct_response": {"status": 200}},
            ]}]},
            "http_filters": filters,
        },
    })
}

fn wasm_filter(wasm: &Path, name: &str, configuration: &str) -> Value {
    wasm_plugin("http", wasm, name, name, configuration)
}

/// The role is the plugin's name, which makes it a network filter.
fn wasm_network_filter(wasm: &Path, role: &str, configuration: &str) -> Value {
    wasm_plugin("network", wasm, "network", role, configuration)
}

fn wasm_plugin(kind: &str, wasm: &Path, vm: &str, name: &str, configuration: &str) -> Value {
    json!({
        "name": name,
        "typed_config": {
            "@type": format!("type.googleapis.com/envoy.extensions.filters.{kind}.wasm.v3.Wasm"),
            "config": {
                "name": name,
                "root_id": name,
                "vm_config": {
                    "vm_id": vm,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": wasm.to_string_lossy()}},
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": configuration,
                },
            },
        },
    })
}

/// What Envoy itself offers: the same token checked by jwt_authn, and a rule on its subject.
fn jwt_filters(fixture: &Fixture, cached_tokens: u32) -> Vec<Value> {
    let mut provider = json!({
        "issuer": "spiffe://bench.example",
        "audiences": ["procgate"],
        "from_headers": [{"name": procgate_identity::carrier::header::NAME}],
        "payload_in_metadata": "payload",
        "local_jwks": {"inline_string": json!({"keys": [fixture.public_jwk()]}).to_string()},
    });
    if cached_tokens > 0 {
        provider["jwt_cache_config"] = json!({"jwt_cache_size": cached_tokens});
    }
    let subject = json!({
        "filter": "envoy.filters.http.jwt_authn",
        "path": [{"key": "payload"}, {"key": "sub"}],
        "value": {"string_match": {"exact": fixture.subject()}},
    });
    vec![
        json!({
            "name": "envoy.filters.http.jwt_authn",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": {"procgate": provider},
                "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "procgate"}}],
            },
        }),
        json!({
            "name": "envoy.filters.http.rbac",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                "rules": {"action": "ALLOW", "policies": {"bench": {
                    "permissions": [{"any": true}],
                    "principals": [{"metadata": subject}],
                }}},
            },
        }),
    ]
}
