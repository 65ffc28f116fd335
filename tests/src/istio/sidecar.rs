//! A pod of the mesh: Istio's own redirect rules, and its node agent with upstream Envoy.

use super::cluster::{Cluster, SERVERS};
use super::eventually;
use super::node::{Interception, Pod};
use crate::netns::Namespace;
use crate::process::Running;
use crate::wire;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

/// Where a pod's Envoy can be asked.
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 15_000);

/// A pod of the cluster; dropping it ends its processes.
#[derive(Debug)]
pub struct Sidecar {
    pub(super) cluster: Arc<Cluster>,
    agent: Running,
    address: Ipv4Addr,
    pub(super) interception: Interception,
    /// Its network.
    pub network: Namespace,
    folder: PathBuf,
}

impl Sidecar {
    /// Starts a pod with this app label and service account, and waits until its proxy serves.
    #[must_use]
    pub fn start(cluster: &Arc<Cluster>, app: &str, address: Ipv4Addr) -> Self {
        Self::intercepted(cluster, app, address, Interception::Redirect)
    }

    /// The same, with this kind of redirect rules.
    #[must_use]
    pub fn intercepted(
        cluster: &Arc<Cluster>,
        app: &str,
        address: Ipv4Addr,
        interception: Interception,
    ) -> Self {
        let network = Namespace::new();
        network.plug_into(&cluster.world, address, SERVERS);
        let folder = cluster.folder().join(app);
        let pod = Pod { cluster, network: &network, app, address, interception, folder };
        pod.redirect();
        pod.admit();
        pod.place_files();
        let agent = Running::start(&mut pod.agent());
        let folder = pod.folder;
        let mut sidecar =
            Self { cluster: Arc::clone(cluster), agent, address, interception, network, folder };
        sidecar.wait_until_ready();
        sidecar
    }

    fn wait_until_ready(&mut self) {
        eventually("the proxy to be ready", || {
            self.agent.must_run("the agent");
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
    pub fn admin(&self, path: &str) -> String {
        self.network.within(|| wire::fetch(ADMIN, path).text())
    }

    /// What Prometheus gets of Envoy, where Istio has it scrape.
    #[must_use]
    pub fn metrics(&self) -> String {
        let scraped = SocketAddr::new(ADMIN.ip(), 15_090);
        self.network.within(|| wire::fetch(scraped, "/stats/prometheus").text())
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
