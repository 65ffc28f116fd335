//! A pod of the mesh: Istio's own redirect rules, its node agent with upstream Envoy, and the programs in it.

use super::cluster::{Cluster, ISTIOD, SERVERS, printed};
use super::eventually;
use super::mesh_config::merged;
use crate::netns::Namespace;
use crate::pod::run_as_checkout;
use crate::process::{Finished, Running, run, succeed};
use crate::tokens::{DOMAIN, Key};
use crate::tools;
use crate::wire;
use procgate_policy::Record;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Where a pod's Envoy can be asked.
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 15_000);
/// The proxy's user.
pub const PROXY: u32 = 1337;

/// A pod of the cluster; dropping it ends its processes.
#[derive(Debug)]
pub struct Sidecar {
    cluster: Arc<Cluster>,
    agent: Running,
    address: Ipv4Addr,
    /// Its network.
    pub network: Namespace,
    folder: PathBuf,
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
    /// The approved program as the proxy's user, whose connections the redirect rules leave alone.
    AroundTheProxy,
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

/// A program that no policy approves connects, and waits for an answer.
const UNAPPROVED: &str = r#"
exec 3<>"/dev/tcp/$1/$2"
printf 'GET /charge/1 HTTP/1.1\r\nhost: web.shop.svc.cluster.local\r\nconnection: close\r\n\r\n' >&3
timeout 5 cat <&3"#;

impl Sidecar {
    /// Starts a pod with this app label and service account, and waits until its proxy serves.
    #[must_use]
    pub fn start(cluster: &Arc<Cluster>, app: &str, address: Ipv4Addr) -> Self {
        let mut sidecar = Self::start_unready(cluster, app, address);
        sidecar.wait_until_ready();
        sidecar
    }

    /// The same without waiting.
    #[must_use]
    pub fn start_unready(cluster: &Arc<Cluster>, app: &str, address: Ipv4Addr) -> Self {
        let network = Namespace::new();
        network.plug_into(&cluster.world, address, SERVERS);
        let agent = cluster.tools.join("pilot-agent");
        let mut rules = network.command(&agent.to_string_lossy());
        rules.args([
            "istio-iptables",
            "-p",
            "15001",
            "-z",
            "15006",
            "-u",
            &PROXY.to_string(),
            "-m",
            "REDIRECT",
        ]);
        rules.args(["-i", "*", "-x", "", "-b", "*", "-d", "15090,15021,15020"]);
        succeed(&mut rules);
        let name = format!("{app}-1");
        admit(cluster, app, &name, address);
        let folder = cluster.folder().join(&name);
        secrets(cluster, app, &folder);
        let agent = Running::start(&mut start_agent(cluster, &network, app, &name, address, &folder));
        Self { cluster: Arc::clone(cluster), agent, address, network, folder }
    }

    /// Waits until the proxy serves.
    pub fn wait_until_ready(&mut self) {
        eventually("the proxy to be ready", || {
            let ended = self.agent.ended();
            assert!(ended.is_none(), "the agent ended: {}", ended.unwrap_or_default());
            let network = &self.network;
            let listens = network.within(|| std::net::TcpStream::connect(ADMIN).is_ok());
            let ready = || network.within(|| wire::fetch(ADMIN, "/ready").status == 200);
            (listens && ready()).then_some(())
        });
    }

    /// What the agent and Envoy have said so far.
    #[must_use]
    pub fn log(&mut self) -> String {
        self.agent.stdout() + &self.agent.stderr()
    }

    /// Has curl ask, and waits for the record of it. An answer has the word hello.
    #[must_use]
    pub fn visit(&self, to: SocketAddr, arguments: &[&str], visitor: Visitor) -> Visit {
        let before = self.cluster.records(to).len();
        let finished = self.ask(to, arguments, visitor);
        let records = eventually("the connection's record", || {
            let records = self.cluster.records(to).split_off(before);
            (!records.is_empty()).then_some(records)
        });
        Visit { answered: answered(&finished), records, finished }
    }

    /// The same without waiting for a record.
    #[must_use]
    pub fn ask(&self, to: SocketAddr, arguments: &[&str], visitor: Visitor) -> Finished {
        let mut command = self.caller(to, visitor);
        if !matches!(visitor, Visitor::Shell(_)) {
            command.args(["-sSv", "--max-time", "5", "--noproxy", "*"]);
            command.arg("--cacert").arg(self.cluster.authority.place()).args(arguments);
        }
        let finished = run(&mut command);
        // Servers tell what they got, and what begins a preface has this word.
        assert!(!finished.stdout.contains("QUIT"), "the server got the preface: {finished}");
        finished
    }

    /// What asks, to be followed by curl's arguments.
    #[must_use]
    pub fn caller(&self, to: SocketAddr, visitor: Visitor) -> Command {
        let curl = &self.cluster.curl.path;
        match visitor {
            Visitor::Approved(carrier) => {
                let mut shim = self.shim(&self.cluster.key, carrier);
                shim.arg(curl);
                shim
            }
            Visitor::Shell(carrier) => {
                let mut shim = self.shim(&self.cluster.key, carrier);
                shim.args(["bash", "-c", UNAPPROVED, "bash", &to.ip().to_string(), &to.port().to_string()]);
                shim
            }
            Visitor::Neighbour => {
                let mut unshare = self.network.command("unshare");
                unshare.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--ipc", "--"]);
                unshare.arg(curl);
                unshare
            }
            Visitor::AroundTheProxy => {
                let mut setpriv = self.network.command("setpriv");
                setpriv.args(as_proxy()).arg(curl);
                setpriv
            }
        }
    }

    /// The shim with a key that the cluster's folder has, to be followed by a program.
    #[must_use]
    pub fn shim(&self, key: &Key, carrier: &str) -> Command {
        let mut shim = self.network.command(&tools::shim().to_string_lossy());
        let key = key.place_in(self.cluster.folder());
        shim.args(run_as_checkout(&key, &self.cluster.curl)).args(["--carrier", carrier, "--"]);
        shim
    }

    /// The pod's certificate and its key, as istiod has issued them.
    #[must_use]
    pub fn certificate(&self) -> [PathBuf; 2] {
        ["cert-chain.pem", "key.pem"].map(|name| self.folder.join("certificates").join(name))
    }

    /// Envoy's process: the agent's child, once there is one.
    #[must_use]
    pub fn envoy(&self) -> Option<u32> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.agent.id())).ok()?;
        let mut children =
            tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
        children.find_map(|children| children.split_whitespace().next()?.parse().ok())
    }

    /// What Envoy tells of itself.
    #[must_use]
    pub fn admin(&self, path: &str) -> Vec<u8> {
        self.network.within(|| wire::fetch(ADMIN, path).body)
    }

    /// What Prometheus gets of Envoy, where Istio has it scrape.
    #[must_use]
    pub fn metrics(&self) -> Vec<u8> {
        let scraped = SocketAddr::new(ADMIN.ip(), 15_090);
        self.network.within(|| wire::fetch(scraped, "/stats/prometheus").body)
    }

    /// What Envoy runs, as it tells it itself, in a file.
    #[must_use]
    pub fn config_dump(&self) -> PathBuf {
        let path = self.folder.join("dump.json");
        fs::write(&path, self.admin("/config_dump?include_eds")).unwrap();
        path
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the agent and Envoy:\n{}", self.log());
        }
        // The agent will be killed and cannot end it.
        let envoy = self.envoy().and_then(|envoy| Pid::from_raw(i32::try_from(envoy).ok()?));
        let _ = envoy.map(|envoy| kill_process(envoy, Signal::KILL));
        // Another pod may get the address.
        self.cluster.world.unplug(self.address);
    }
}

/// Whether the server answered.
#[must_use]
pub fn answered(finished: &Finished) -> bool {
    finished.stdout.contains("hello") || finished.stderr.contains("< 220 hello")
}

impl Cluster {
    /// The records of decisions about this address so far, of all pods.
    #[must_use]
    pub fn records(&self, to: SocketAddr) -> Vec<Record<'static>> {
        let text = fs::read_to_string(self.access_log()).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let records =
            lines.filter_map(|line| Some(Record::parse(line["procgate"].as_str()?).ok()?.into_owned()));
        records.filter(|record| record.address == Some(to)).collect()
    }
}

fn as_proxy() -> [String; 6] {
    let user = PROXY.to_string();
    ["--reuid".into(), user.clone(), "--regid".into(), user, "--clear-groups".into(), "--".into()]
}

/// Tells the API server of the pod, as its node would once it runs.
fn admit(cluster: &Cluster, app: &str, name: &str, address: Ipv4Addr) {
    let labels = json!({"app": app, "security.istio.io/tlsMode": "istio"});
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": app, "namespace": "shop"}});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "labels": labels},
        "spec": {"serviceAccountName": app, "nodeName": "node-1", "containers": [{"name": "app", "image": "app"}]},
    });
    cluster.apply(&account.to_string());
    cluster.apply(&pod.to_string());
    let status = json!({"status": {
        "phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }});
    let mut patch = cluster.kubectl();
    patch.args(["-n", "shop", "patch", "pod", name, "--subresource", "status", "--type", "merge", "-p"]);
    succeed(patch.arg(status.to_string()));
}

/// The account's token and the authority's certificate, where a node mounts them.
fn secrets(cluster: &Cluster, app: &str, folder: &Path) {
    let _ = fs::remove_dir_all(folder);
    let (tokens, authority) = (folder.join("var/run/secrets/tokens"), folder.join("var/run/secrets/istio"));
    for place in [&tokens, &authority, &folder.join("certificates")] {
        fs::create_dir_all(place).unwrap();
    }
    let token =
        printed(cluster.kubectl().args(["-n", "shop", "create", "token", app, "--audience", "istio-ca"]));
    fs::write(tokens.join("istio-token"), token.trim_end()).unwrap();
    let root = eventually("istiod's certificate", || {
        let mut get = cluster.kubectl();
        get.args([
            "-n",
            "shop",
            "get",
            "configmap",
            "istio-ca-root-cert",
            "-o",
            r"jsonpath={.data.root-cert\.pem}",
        ]);
        let got = run(&mut get);
        (got.status.success() && !got.stdout.is_empty()).then_some(got.stdout)
    });
    fs::write(authority.join("root-cert.pem"), root).unwrap();
    // All names that Envoy may ask for.
    let hosts = format!("127.0.0.1 localhost\n{SERVERS} istiod.istio-system.svc unknown.example\n");
    fs::write(folder.join("hosts"), hosts).unwrap();
    let template = fs::read(cluster.tools.join("envoy-bootstrap.json")).unwrap();
    fs::write(folder.join("bootstrap-template.json"), template).unwrap();
    succeed(Command::new("chown").args(["-R", &format!("{PROXY}:{PROXY}")]).arg(folder));
    let log = cluster.access_log();
    fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
    chown(log, Some(PROXY), Some(PROXY)).unwrap();
}

/// /var/lib is the agent's own: it keeps modules there, and the proxy's user may not look for Envoy in somebody's cache
/// (mesh.yaml says where it finds it). istiod has a name, as its certificate says.
const OWN_PLACE: &str = "mount -t tmpfs tmpfs /var/lib && install -d -o 1337 -g 1337 /var/lib/istio/data &&
    touch /var/lib/envoy && mount --bind \"$0\" /var/lib/envoy && mount --bind hosts /etc/hosts && exec \"$@\"";

/// Istio's agent, which starts Envoy.
fn start_agent(
    cluster: &Cluster,
    network: &Namespace,
    app: &str,
    name: &str,
    address: Ipv4Addr,
    folder: &Path,
) -> Command {
    let config = merged(cluster.proxy_config(), &json!({"configPath": folder.join("config")}));
    let mut command = network.command("unshare");
    command
        .args(["--mount", "--", "sh", "-c", OWN_PLACE])
        .arg(tools::envoy())
        .arg("setpriv")
        .args(as_proxy());
    command.arg(cluster.tools.join("pilot-agent")).args(["proxy", "sidecar", "--templateFile"]);
    command.args(["bootstrap-template.json", "--domain", "shop.svc.cluster.local"]);
    command.args(["--proxyLogLevel", "warning", "--proxyComponentLogLevel", "wasm:info"]);
    for (name, value) in [
        ("POD_NAME", name),
        ("POD_NAMESPACE", "shop"),
        ("SERVICE_ACCOUNT", app),
        ("INSTANCE_IP", &address.to_string()),
        ("HOST_IP", &address.to_string()),
        ("TRUST_DOMAIN", DOMAIN),
        ("ISTIO_META_CLUSTER_ID", "Kubernetes"),
        ("ISTIO_META_INTERCEPTION_MODE", "REDIRECT"),
        ("ISTIO_META_WORKLOAD_NAME", app),
        ("ISTIO_METAJSON_LABELS", &json!({"app": app}).to_string()),
        ("PROXY_CONFIG", &config.to_string()),
        ("CA_ADDR", ISTIOD),
        ("PILOT_CERT_PROVIDER", "istiod"),
        ("TERMINATION_DRAIN_DURATION_SECONDS", "1"),
        // That of the tests has no certificate.
        ("WASM_INSECURE_REGISTRIES", &format!("{SERVERS}:5000")),
    ] {
        command.env(name, value);
    }
    command.env("OUTPUT_CERTS", folder.join("certificates")).env("HOME", folder).current_dir(folder);
    command
}
