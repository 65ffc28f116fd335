//! A pod in a mesh: Istio's own istiod makes the configuration out of the project's manifests, a real Envoy runs
//! it, redirect rules as Istio's send connections to it, and the real shim starts the programs.

use crate::certificates::Authority;
use crate::mesh::{OUTBOUND, POD, PROXY, SERVERS, redirect};
use crate::netns::Namespace;
use crate::pod::{folder, run_as_checkout};
use crate::process::{Finished, Running, run, succeed};
use crate::program::Program;
use crate::tokens::{DOMAIN, Key, SCOPE};
use crate::tools;
use crate::until::until;
use crate::wire;
use procgate_policy::Record;
use rcgen::SanType;
use serde_json::{Value, json};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Where the pod's Envoy can be asked.
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 15_000);
/// Where istiod serves configuration.
const DISCOVERY: u16 = 15_010;
/// The servers' addresses as services have them, all reached through the servers' own.
const SERVICES: &str = "10.66.1.0/24";

/// How the proxy is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Which of the overlays.
    pub overlay: &'static str,
    /// Texts in what kustomize built, and what stands in their place: mistakes to be found.
    pub amendments: Vec<(String, String)>,
}

impl Setup {
    /// This overlay as it is.
    #[must_use]
    pub const fn of(overlay: &'static str) -> Self {
        Self { overlay, amendments: Vec::new() }
    }
}

/// A pod with its proxy and servers to reach; dropping it ends all of it.
#[derive(Debug)]
pub struct Istio {
    curl: Program,
    key: PathBuf,
    authority: Authority,
    built: String,
    _envoy: Running,
    _istiod: Running,
    _servers: Running,
    pod: Namespace,
    _world: Namespace,
    folder: TempDir,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visitor {
    /// The approved program under the shim, with this carrier.
    Approved(&'static str),
    /// A shell under the same shim, which starts a program that is not approved.
    Shell(&'static str),
    /// The approved program in another container of the pod, which has no shim.
    Neighbour,
}

/// What came of a question.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Whether the server answered.
    pub answered: bool,
    /// What the access log has about it.
    pub records: Vec<Record<'static>>,
    /// What the program left.
    pub finished: Finished,
}

impl Istio {
    /// Nothing unless `make test-istio` has said where istiod is.
    #[must_use]
    pub fn start(setup: &Setup) -> Option<Self> {
        let istiod = PathBuf::from(std::env::var_os("PROCGATE_ISTIOD")?);
        let folder = folder();
        let curl = Program::at(&tools::client("curl")?, folder.path(), "curl", &[]);
        let (pod, world) = (Namespace::new(), Namespace::new());
        pod.join(POD, &world, SERVERS);
        succeed(pod.command("ip").args(["route", "add", "default", "via", &SERVERS.to_string()]));
        for last in [10, 20, 30, 40, 99] {
            let address = format!("10.66.1.{last}/32");
            succeed(world.command("ip").args(["addr", "add", &address, "dev", "lo"]));
        }
        redirect(&pod)?;
        let authority = Authority::new(folder.path());
        let servers = servers(&world, &authority);
        let key = Key::new("2026-11");
        let built = manifests(folder.path(), setup, &policy(&key, &curl));
        let istiod = start_istiod(&istiod, folder.path(), &pod, &built);
        let key = key.write_to(folder.path());
        let envoy = start_envoy(folder.path(), &pod);
        Some(Self {
            curl,
            key,
            authority,
            built,
            _envoy: envoy,
            _istiod: istiod,
            _servers: servers,
            pod,
            _world: world,
            folder,
        })
    }

    /// Has curl ask, and waits for the record of it. An answer has the word hello.
    #[must_use]
    pub fn visit(&self, to: SocketAddr, arguments: &[&str], visitor: Visitor) -> Visit {
        let before = self.records(to).len();
        let mut command = match visitor {
            Visitor::Approved(carrier) => {
                let mut shim = self.shim(carrier);
                shim.arg(&self.curl.path);
                shim
            }
            Visitor::Shell(carrier) => {
                let mut shim = self.shim(carrier);
                shim.args(["bash", "-c", UNAPPROVED, "bash", &to.ip().to_string(), &to.port().to_string()]);
                shim
            }
            Visitor::Neighbour => {
                let mut unshare = self.pod.command("unshare");
                unshare.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--ipc", "--"]);
                unshare.arg(&self.curl.path);
                unshare
            }
        };
        if !matches!(visitor, Visitor::Shell(_)) {
            command.args(["-sSv", "--max-time", "10", "--noproxy", "*"]);
            command.arg("--cacert").arg(self.authority.place()).args(arguments);
        }
        let finished = run(&mut command);
        let answered = finished.stdout.contains("hello") || finished.stderr.contains("< 220 hello");
        // Servers tell what they got, and what begins a preface has this word.
        assert!(!finished.stdout.contains("QUIT"), "the server got the preface: {finished}");
        let records = until("the connection's record", || {
            let records = self.records(to).split_off(before);
            (!records.is_empty()).then_some(records)
        });
        Visit { answered, records, finished }
    }

    /// The records of decisions about this address so far.
    #[must_use]
    pub fn records(&self, to: SocketAddr) -> Vec<Record<'static>> {
        let text = fs::read_to_string(access_log(self.folder.path())).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let records =
            lines.filter_map(|line| Some(Record::parse(line["procgate"].as_str()?).ok()?.into_owned()));
        records.filter(|record| record.address == Some(to)).collect()
    }

    /// What Envoy runs, as it tells it itself, in a file.
    #[must_use]
    pub fn config_dump(&self) -> PathBuf {
        let path = self.folder.path().join("dump.json");
        let body = self.pod.within(|| wire::fetch(ADMIN, "/config_dump?include_eds").body);
        fs::write(&path, body).unwrap();
        path
    }

    /// The objects that istiod was given, as YAML.
    #[must_use]
    pub fn built(&self) -> &str {
        &self.built
    }

    fn shim(&self, carrier: &str) -> Command {
        let mut shim = self.pod.command(&tools::shim().to_string_lossy());
        shim.args(run_as_checkout(&self.key, &self.curl)).args(["--carrier", carrier, "--"]);
        shim
    }
}

/// A program that no policy approves connects, and waits for an answer.
const UNAPPROVED: &str = r#"
exec 3<>"/dev/tcp/$1/$2"
printf 'GET /charge/1 HTTP/1.1\r\nhost: web.shop.svc.cluster.local\r\nconnection: close\r\n\r\n' >&3
timeout 5 cat <&3"#;

fn access_log(folder: &Path) -> PathBuf {
    folder.join("proxy/access.log")
}

fn policy(key: &Key, curl: &Program) -> Value {
    let from = json!({"process": ["curl"]});
    json!({
        "version": 1,
        "mode": "enforce",
        "trust": {"domain": DOMAIN, "keys": [key.trusted_for(SCOPE)]},
        "processes": [{"name": "curl", "container": "checkout", "exe": [curl.exe.to_string()], "code": [curl.code.to_string()]}],
        "destinations": [
            {"name": "web", "hosts": ["web.shop.svc.cluster.local", "unknown.example"]},
            {"name": "secret", "hosts": ["*.example.com", "*.example.org"]},
            {"name": "servers", "cidrs": [format!("{SERVERS}/32"), SERVICES]},
        ],
        "rules": [
            {"name": "curl-charges", "allow": {"from": from, "to": {"destination": "web", "methods": ["GET"], "paths": ["/charge/**"]}}},
            {"name": "curl-knows-secrets", "allow": {"from": from, "to": {"destination": "secret", "ports": [443, 8443]}}},
            {"name": "curl-uses-servers", "allow": {"from": from, "to": {"destination": "servers", "ports": [80, 443, 5555, 7000, 8443, 9000, 9300]}}},
        ],
    })
}

/// Renders the manifests, has kustomize build the overlay, and makes the mistakes that were asked for.
fn manifests(folder: &Path, setup: &Setup, policy: &Value) -> String {
    let (file, out) = (folder.join("policy.json"), folder.join("rendered"));
    fs::write(&file, policy.to_string()).unwrap();
    let module = folder.join("procgate.wasm");
    fs::copy(tools::wasm(), &module).unwrap();
    let mut render = Command::new(tools::cli());
    render
        .args(["istio", "render", "--namespace", "shop", "--workload", "app=checkout", "--policy"])
        .arg(file);
    render.arg("--module").arg(format!("file://{}", module.display()));
    render.arg("--access-log").arg(access_log(folder)).arg("--out").arg(&out);
    succeed(&mut render);
    let kustomize = std::env::var_os("PROCGATE_KUSTOMIZE").expect("make test-istio says where it is");
    let overlay = out.join("overlays").join(setup.overlay);
    let mut built = succeed(Command::new(kustomize).arg("build").arg(overlay)).stdout;
    for (text, replacement) in &setup.amendments {
        assert!(built.contains(text), "nothing to amend: {text}");
        built = built.replace(text, replacement);
    }
    built
}

fn start_istiod(istiod: &Path, folder: &Path, pod: &Namespace, built: &str) -> Running {
    let objects = folder.join("objects");
    fs::create_dir(&objects).unwrap();
    fs::write(objects.join("procgate.yaml"), built).unwrap();
    let ours = tools::project().join("tests/istio");
    fs::copy(ours.join("services.yaml"), objects.join("services.yaml")).unwrap();
    let file = ours.join("mesh.yaml");
    let mut command = pod.command(&istiod.to_string_lossy());
    command.args(["-test.run", "TestServe", "-test.timeout", "0"]).current_dir(folder);
    command.env("PROCGATE_OBJECTS", &objects).env("PROCGATE_MESH", file);
    command.env("PROCGATE_DISCOVERY", format!("127.0.0.1:{DISCOVERY}"));
    // Upstream Envoy does not have the filters of Istio's own proxy.
    command.env("PILOT_ENABLE_METADATA_EXCHANGE", "false").env("PILOT_ENABLE_ALPN_FILTER", "false");
    let mut running = Running::start(&mut command);
    until("istiod", || {
        let ended = running.ended();
        assert!(ended.is_none(), "istiod ended: {}", ended.unwrap_or_default());
        pod.within(|| std::net::TcpStream::connect(("127.0.0.1", DISCOVERY)).ok())
    });
    running
}

/// Starts Envoy as the mesh's user, with a bootstrap as Istio's agent makes it, and waits until it serves.
fn start_envoy(folder: &Path, pod: &Namespace) -> Running {
    let own = folder.join("proxy");
    fs::create_dir(&own).unwrap();
    chown(&own, Some(PROXY), Some(PROXY)).unwrap();
    let file = folder.join("bootstrap.json");
    fs::write(&file, bootstrap().to_string()).unwrap();
    let user = PROXY.to_string();
    let mut command = pod.command("setpriv");
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"]).arg(tools::envoy());
    command
        .args(["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"])
        .args(["--file-flush-interval-msec", "10", "-c"])
        .arg(file);
    let mut running = Running::start(command.current_dir(&own));
    until("Envoy to be ready", || {
        let ended = running.ended();
        assert!(ended.is_none(), "Envoy ended: {}", ended.unwrap_or_default());
        let listens = pod.within(|| std::net::TcpStream::connect(ADMIN).is_ok());
        let ready = || pod.within(|| wire::fetch(ADMIN, "/ready").status == 200);
        let redirected = || pod.within(|| std::net::TcpStream::connect(("127.0.0.1", OUTBOUND)).is_ok());
        (listens && ready() && redirected()).then_some(())
    });
    let log = running.stderr();
    assert!(!log.contains("rejected"), "Envoy does not take what istiod sends:\n{log}");
    running
}

fn bootstrap() -> Value {
    let ads = json!({"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"});
    let address =
        |address: &str, port: u16| json!({"socket_address": {"address": address, "port_value": port}});
    json!({
        "node": {
            "id": format!("sidecar~{POD}~checkout-1.shop~shop.svc.cluster.local"),
            "cluster": "checkout.shop",
            "metadata": {
                "NAMESPACE": "shop", "NAME": "checkout-1", "WORKLOAD_NAME": "checkout", "ISTIO_VERSION": "1.31.0",
                "INTERCEPTION_MODE": "REDIRECT", "CLUSTER_ID": "Kubernetes", "INSTANCE_IPS": POD.to_string(),
                "LABELS": {"app": "checkout"},
            },
        },
        "admin": {"address": address("127.0.0.1", ADMIN.port())},
        "dynamic_resources": {
            "lds_config": ads, "cds_config": ads,
            "ads_config": {
                "api_type": "DELTA_GRPC", "transport_api_version": "V3", "set_node_on_first_message_only": true,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
            },
        },
        "static_resources": {"clusters": [{
            "name": "xds-grpc", "type": "STATIC", "connect_timeout": "1s",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }},
            "load_assignment": {"cluster_name": "xds-grpc", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": address("127.0.0.1", DISCOVERY)}},
            ]}]},
        }]},
    })
}

fn servers(world: &Namespace, authority: &Authority) -> Running {
    let names = ["tls.example.com", "x.example.org", "other.example.net"];
    let names = names.map(|name| SanType::DnsName(name.try_into().unwrap()));
    let certificate = authority.certificate("servers", names);
    let mut python = world.command("python3");
    python.arg(tools::project().join("tests/istio/servers.py")).arg("0.0.0.0");
    let mut running = Running::start(python.arg(certificate.chain).arg(certificate.key));
    for port in [80, 443, 5555, 7000, 8080, 8443, 9000, 9300] {
        until("the servers", || {
            let ended = running.ended();
            assert!(ended.is_none(), "a server ended: {}", ended.unwrap_or_default());
            world.within(|| std::net::TcpStream::connect((SERVERS, port)).ok())
        });
    }
    running
}
