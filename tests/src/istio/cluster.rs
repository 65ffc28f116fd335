//! A mesh's control plane, all of it real: etcd and Kubernetes' API server keep the objects, istiod makes proxies'
//! configuration out of them and issues their certificates. No kubelet runs: [`Sidecar`](super::Sidecar) does its
//! work for a pod.

use super::kubernetes::{self, kubeconfig, kubectl};
use super::mesh_config::{merged, parsed};
use super::{eventually, policy};
use crate::certificates::Authority;
use crate::netns::Namespace;
use crate::pod::folder;
use crate::process::{Running, run, succeed};
use crate::program::Program;
use crate::tokens::Key;
use crate::tools;
use rcgen::SanType;
use serde_json::{Value, json};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Where the servers and the control plane are.
pub const SERVERS: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 1);
/// Addresses of services, all of which lead to the servers' own where no proxy takes them elsewhere.
const SERVICES: [u8; 5] = [10, 20, 30, 40, 99];
/// Where istiod serves proxies' configuration and certificates.
pub(super) const ISTIOD: &str = "istiod.istio-system.svc:15012";

/// The control plane, with servers to reach; dropping it ends all of it.
#[derive(Debug)]
pub struct Cluster {
    /// The approved program.
    pub curl: Program,
    /// Signs the tokens of its pods.
    pub key: Key,
    pub(super) authority: Authority,
    pub(super) tools: PathBuf,
    /// The network that everything is in.
    pub world: Namespace,
    istiod: Mutex<Option<Running>>,
    /// The mesh's configuration in force.
    mesh: Mutex<Value>,
    _servers: Running,
    _kubernetes: [Running; 2],
    files: AtomicU32,
    folder: TempDir,
}

impl Cluster {
    /// Nothing unless `make test-istio` has said where Istio is.
    #[must_use]
    pub fn start() -> Option<Arc<Self>> {
        let tools = PathBuf::from(std::env::var_os("PROCGATE_ISTIO")?);
        let folder = folder();
        let world = Namespace::new();
        world.become_network(SERVERS);
        for last in SERVICES {
            let address = format!("10.66.1.{last}/32");
            succeed(world.command("ip").args(["addr", "add", &address, "dev", "lo"]));
        }
        let authority = Authority::new(folder.path());
        let curl = tools::client("curl").expect("the Makefile says where curl is");
        let curl = Program::at(&curl, folder.path(), "curl", &[]);
        let cluster = Self {
            curl,
            key: Key::new("2026-11"),
            _servers: serve(&world, SERVERS, &authority),
            authority,
            _kubernetes: kubernetes::start(&tools, &world, folder.path()),
            tools,
            world,
            istiod: Mutex::default(),
            mesh: Mutex::default(),
            files: AtomicU32::new(0),
            folder,
        };
        cluster.key.write_to(cluster.folder());
        cluster.install_istio();
        cluster.start_istiod();
        cluster.apply(&fs::read_to_string(tools::project().join("tests/istio/services.yaml")).unwrap());
        Some(Arc::new(cluster))
    }

    /// A folder for files of the cluster.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// kubectl, to be followed by what it is to do.
    #[must_use]
    pub fn kubectl(&self) -> Command {
        kubectl(&self.tools, &self.world, self.folder())
    }

    /// istioctl, likewise.
    #[must_use]
    pub fn istioctl(&self) -> Command {
        let mut command = self.world.command(&self.tools.join("istioctl").to_string_lossy());
        command.env("KUBECONFIG", kubeconfig(self.folder())).current_dir(self.folder());
        command
    }

    /// Text in a file of its own.
    #[must_use]
    pub fn file(&self, text: &str) -> PathBuf {
        let path = self.folder().join(format!("{}.yaml", self.files.fetch_add(1, Ordering::Relaxed)));
        fs::write(&path, text).unwrap();
        path
    }

    /// Has the API server take these objects.
    pub fn apply(&self, objects: &str) {
        succeed(
            self.kubectl()
                .args(["apply", "--server-side", "--force-conflicts", "-f"])
                .arg(self.file(objects)),
        );
    }

    /// Removes these objects. Where something else has gone wrong already, whether that works does not matter.
    pub fn delete(&self, objects: &str) {
        let deleted =
            run(self.kubectl().args(["delete", "--ignore-not-found", "-f"]).arg(self.file(objects)));
        assert!(deleted.status.success() || std::thread::panicking(), "{deleted}");
    }

    /// Renders the manifests for this policy into a folder.
    #[must_use]
    pub fn render(&self, policy: &Value, options: &[&str]) -> PathBuf {
        let out = self.folder().join(format!("rendered-{}", self.files.fetch_add(1, Ordering::Relaxed)));
        let file = self.file(&policy.to_string());
        let mut render = Command::new(tools::cli());
        render.args(["istio", "render", "--namespace", "shop", "--policy"]).arg(file).arg("--out").arg(&out);
        render.arg("--access-log").arg(self.access_log()).args(options);
        succeed(&mut render);
        out
    }

    /// What kustomize builds of a folder of these.
    #[must_use]
    pub fn build(&self, folder: &Path) -> String {
        succeed(Command::new(self.tools.join("kustomize")).arg("build").arg(folder)).stdout
    }

    /// The policy of these tests in enforce mode.
    #[must_use]
    pub fn policy(&self) -> Value {
        policy(&self.key, &self.curl)
    }

    /// The module as every node has it, for `render`.
    #[must_use]
    pub fn module(&self) -> String {
        let module = self.folder().join("procgate.wasm");
        if !module.exists() {
            fs::copy(tools::wasm(), &module).unwrap();
        }
        format!("file://{}", module.display())
    }

    /// The same servers in a pod, which begin to serve at this address of it.
    #[must_use]
    pub fn serve(&self, network: &Namespace, at: Ipv4Addr) -> Running {
        serve(network, at, &self.authority)
    }

    /// Where all proxies write their records.
    #[must_use]
    pub fn access_log(&self) -> PathBuf {
        self.folder().join("access.log")
    }

    /// Ends istiod.
    pub fn stop_istiod(&self) {
        *self.istiod.lock().unwrap() = None;
    }

    /// Starts it, with the certificate authority that it had.
    pub fn start_istiod(&self) {
        let mut command = self.world.command(&self.tools.join("pilot-discovery").to_string_lossy());
        command.args(["discovery", "--httpAddr", "127.0.0.1:18080", "--monitoringAddr", "127.0.0.1:15014"]);
        command.args(["--grpcAddr=", "--httpsAddr=", &format!("--secureGRPCAddr={SERVERS}:15012")]);
        command.arg("--kubeconfig").arg(kubeconfig(self.folder())).current_dir(self.folder());
        command
            .env("POD_NAME", "istiod-0")
            .env("POD_NAMESPACE", "istio-system")
            .env("PILOT_CERT_PROVIDER", "istiod");
        // Upstream Envoy does not have the filters of Istio's own proxy.
        command.env("PILOT_ENABLE_METADATA_EXCHANGE", "false").env("PILOT_ENABLE_ALPN_FILTER", "false");
        let mut running = Running::start(&mut command);
        eventually("istiod", || {
            running.must_run("istiod");
            let mut ready = self.world.command("curl");
            run(ready.args(["-sf", "-m", "1", "http://127.0.0.1:18080/ready"])).status.success().then_some(())
        });
        *self.istiod.lock().unwrap() = Some(running);
    }

    fn install_istio(&self) {
        let crds = self.tools.join("istio-crds.yaml");
        succeed(self.kubectl().args(["apply", "--server-side", "-f"]).arg(crds));
        let names = ["wasmplugins.extensions", "trafficextensions.extensions", "envoyfilters.networking"];
        let crds = names.map(|name| format!("crd/{name}.istio.io"));
        succeed(
            self.kubectl().args(["wait", "--for", "condition=established", "--timeout", "30s"]).args(crds),
        );
        for namespace in ["istio-system", "shop"] {
            succeed(self.kubectl().args(["create", "namespace", namespace]));
        }
        self.configure(&json!({}));
    }

    /// Gives the mesh the tests' configuration, with a part merged in.
    pub fn configure(&self, part: &Value) {
        let mesh = parsed(&fs::read_to_string(tools::project().join("tests/istio/mesh.yaml")).unwrap());
        let mesh = merged(mesh, part);
        // JSON is YAML.
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "istio-system"},
            "data": {"mesh": mesh.to_string()},
        });
        self.apply(&object.to_string());
        *self.mesh.lock().unwrap() = mesh;
    }

    /// How the mesh has proxies configured that start now, which injection writes into their pods.
    pub(super) fn proxy_config(&self) -> Value {
        self.mesh.lock().unwrap()["defaultConfig"].clone()
    }
}

fn serve(network: &Namespace, at: Ipv4Addr, authority: &Authority) -> Running {
    let names = ["tls.example.com", "x.example.org", "other.example.net"];
    let names = names.map(|name| SanType::DnsName(name.try_into().unwrap()));
    let certificate = authority.certificate("servers", names);
    let mut python = network.command("python3");
    python.arg(tools::project().join("tests/istio/servers.py")).arg("0.0.0.0");
    let mut running = Running::start(python.arg(certificate.chain).arg(certificate.key));
    for port in [80, 443, 5555, 7000, 8080, 8443, 9000, 9300] {
        eventually("the servers", || {
            running.must_run("the server");
            network.within(|| std::net::TcpStream::connect((at, port)).ok())
        });
    }
    running
}
