//! A real Envoy that runs the project's own configuration: envoy-config/http.yaml or tcp.yaml.

use crate::tools;
use crate::until::until;
use crate::wire::{self, Answer};
use procgate_identity::Digest;
use procgate_policy::Record;
use serde_json::Value;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What an Envoy is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The module.
    pub wasm: PathBuf,
    /// The policy, as JSON.
    pub policy: String,
    /// Where allowed requests go.
    pub upstream: SocketAddr,
    /// Where it listens itself, at any free port, unless it is redirected to.
    pub listen: IpAddr,
    /// Worker threads, each with a VM of its own.
    pub workers: usize,
    /// Which of the project's configurations: `http`, `tcp` or `receiver`.
    pub kind: &'static str,
    /// Parameters that only this kind has.
    pub parameters: Vec<(&'static str, String)>,
    /// Where a mesh redirects connections to, or nothing for a proxy that programs connect to by themselves.
    pub redirected: Option<Redirected>,
    /// What in this configuration a test cannot do without: texts, and what stands in their place.
    pub amendments: Vec<(&'static str, String)>,
}

/// What a proxy needs behind redirect rules: connections go on to where they wanted to go.
#[derive(Clone, Copy, Debug)]
pub struct Redirected {
    /// Where the rules send connections.
    pub to: SocketAddr,
    /// The user whose own connections they leave alone.
    pub user: u32,
}

impl Setup {
    /// The project's module with two workers.
    #[must_use]
    pub fn new(policy: impl ToString, upstream: SocketAddr) -> Self {
        let (wasm, policy) = (tools::wasm(), policy.to_string());
        let (kind, parameters, amendments) = ("http", Vec::new(), Vec::new());
        let listen = Ipv4Addr::LOCALHOST.into();
        Self { wasm, policy, upstream, listen, workers: 2, kind, parameters, redirected: None, amendments }
    }
}

/// For tests whose clients speak first: on a machine that does other things too, a client or Envoy may get no CPU
/// for longer than the inspectors of `tcp.yaml` wait for what it says.
#[must_use]
pub fn patient() -> (&'static str, String) {
    ("listener_filters_timeout: 1s", "listener_filters_timeout: 15s".into())
}

/// A running Envoy; dropping it ends the process.
#[derive(Debug)]
pub struct Envoy {
    setup: Setup,
    folder: TempDir,
    process: Child,
    admin: SocketAddr,
    address: SocketAddr,
}

/// Port 0, which Envoy takes as any free one, until it has told which.
const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Those that a policy is in force in: two workers, and the main thread.
pub const THREADS: u64 = 3;

impl Envoy {
    /// Starts Envoy and waits until it serves, with the policy in force.
    ///
    /// # Panics
    /// Where Envoy does not take the configuration, with its reasons.
    #[must_use]
    pub fn start(setup: Setup) -> Self {
        let envoy = Self::start_with_any(setup);
        assert_eq!(envoy.rejected_policies(), 0, "{}", envoy.log());
        envoy
    }

    /// Starts Envoy with a policy that it may reject.
    #[must_use]
    pub fn start_with_any(setup: Setup) -> Self {
        let folder = tempfile::Builder::new().prefix("procgate-envoy-").tempdir().unwrap();
        let any_port = SocketAddr::new(setup.listen, 0);
        render(folder.path(), &setup, setup.redirected.map_or(any_port, |redirected| redirected.to));
        if let Some(Redirected { user, .. }) = setup.redirected {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(user)).unwrap();
        }
        let process = spawn(folder.path(), &setup);
        let mut envoy = Self { setup, folder, process, admin: UNKNOWN, address: UNKNOWN };
        envoy.await_readiness();
        envoy
    }

    /// Ends Envoy and starts it again at the same address.
    pub fn restart(&mut self) {
        self.stop();
        fs::remove_file(self.folder.path().join("admin")).unwrap();
        self.process = spawn(self.folder.path(), &self.setup);
        self.await_readiness();
    }

    fn await_readiness(&mut self) {
        self.admin = self.wait_for("Envoy's admin address", |envoy| {
            fs::read_to_string(envoy.folder.path().join("admin")).ok()?.parse().ok()
        });
        self.wait_for("Envoy to be ready", |envoy| (envoy.admin("/ready").status == 200).then_some(()));
        self.address = self.wait_for("Envoy's listener", Self::listener);
        // From now on the file names the port, so that it stays the same after a restart.
        render(self.folder.path(), &self.setup, self.address);
    }

    fn wait_for<T>(&mut self, what: &str, mut ask: impl FnMut(&Self) -> Option<T>) -> T {
        until(what, || {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "Envoy ended with {ended:?}:\n{}", self.log());
            ask(self)
        })
    }

    fn listener(&self) -> Option<SocketAddr> {
        let listeners = self.admin("/listeners?format=json").json();
        let address = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
        let port = address["port_value"].as_u64().and_then(|port| u16::try_from(port).ok())?;
        Some(SocketAddr::new(address["address"].as_str()?.parse().ok()?, port))
    }

    fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its admin interface listens.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The configuration that it was started with.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join(format!("{}.yaml", self.setup.kind))
    }

    /// Asks the admin interface.
    #[must_use]
    pub fn admin(&self, path: &str) -> Answer {
        wire::fetch(self.admin, path)
    }

    /// What it counts, as Prometheus would read it.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.admin("/stats/prometheus").text()
    }

    /// The sum of procgate's metrics of this name with these labels.
    #[must_use]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let fits = |line: &&str| {
            line.split(['{', ' ']).next().is_some_and(|found| found.ends_with(name))
                && labels.iter().all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")))
        };
        self.metrics()
            .lines()
            .filter(fits)
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// A counter or gauge of Envoy's own for the listener.
    #[must_use]
    pub fn listener_stat(&self, name: &str) -> u64 {
        let text = self.admin("/stats?filter=^listener[.]127").text();
        let line = text.lines().find_map(|line| line.split_once(&format!(".{name}: ")));
        line.unwrap_or_else(|| panic!("no listener has {name}: {text}")).1.parse().unwrap()
    }

    /// What Envoy wrote about itself.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("envoy.log")).unwrap_or_default()
    }

    /// The access log so far, an object for each request or connection.
    #[must_use]
    pub fn access_log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.access_log_file()).unwrap_or_default();
        // The last line may be half written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Where the access log is.
    #[must_use]
    pub fn access_log_file(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }

    /// The records of decisions in the access log so far.
    #[must_use]
    pub fn records(&self) -> Vec<Record<'static>> {
        let lines = self.access_log();
        let texts = lines.iter().filter_map(|line| line["procgate"].as_str());
        let read = |text| Record::parse(text).unwrap_or_else(|error| panic!("{error}: {text}")).into_owned();
        texts.map(read).collect()
    }

    /// The last record that fits, which the access log has soon.
    pub fn record(&self, what: &str, fits: impl Fn(&Record<'_>) -> bool) -> Record<'static> {
        until(what, || self.records().into_iter().rev().find(|record| fits(record)))
    }

    /// Replaces the policy, and does not wait for Envoy to notice.
    pub fn write_policy(&mut self, policy: impl ToString) {
        self.setup.policy = policy.to_string();
        render(self.folder.path(), &self.setup, self.address);
    }

    /// Waits until just so many threads count this policy as in force.
    pub fn await_policy(&self, policy: &Value, threads: u64) {
        // As a file it ends with a line break.
        let digest = Digest::of(format!("{policy}\n").as_bytes()).to_string().replace("sha256:", "");
        let count = || self.metric("procgate_policy_info", &[("sha256", &digest)]);
        until("the policy's count", || (count() == threads).then_some(()));
    }

    /// How many of the policies written so far Envoy could not read, or the plugin has refused.
    #[must_use]
    pub fn rejected_policies(&self) -> u64 {
        self.metric("filter_procgate_config_fail", &[])
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("Envoy's own log of the test that failed:\n{}", self.log());
        }
    }
}

/// Fills in the project's configuration, as its users do.
fn render(folder: &Path, setup: &Setup, listen: SocketAddr) {
    let policy = folder.join("policy.json");
    fs::write(&policy, &setup.policy).unwrap();
    let status = Command::new(tools::project().join("envoy-config/render"))
        .arg(folder)
        .arg(setup.kind)
        .env("PROCGATE_TCP_CLUSTER", setup.redirected.map_or("upstream", |_| "original"))
        .env("PROCGATE_WASM", &setup.wasm)
        .env("PROCGATE_POLICY", policy)
        .env("PROCGATE_LISTEN_ADDRESS", listen.ip().to_string())
        .env("PROCGATE_LISTEN_PORT", listen.port().to_string())
        .env("PROCGATE_ADMIN_PORT", UNKNOWN.port().to_string())
        .env("PROCGATE_UPSTREAM_HOST", setup.upstream.ip().to_string())
        .env("PROCGATE_UPSTREAM_PORT", setup.upstream.port().to_string())
        .env("PROCGATE_ACCESS_LOG", folder.join("access.log"))
        .envs(setup.parameters.iter().map(|(name, value)| (name, value)))
        .status();
    assert!(status.unwrap().success(), "envoy-config/render failed");
    for (from, to) in &setup.amendments {
        amend(folder, from, to);
    }
}

/// Replaces a text in whichever of the rendered files have it; by a rename, which is what Envoy notices.
fn amend(folder: &Path, from: &str, to: &str) {
    let mut amended = false;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = if path.extension().is_some_and(|end| end == "yaml") {
            fs::read_to_string(&path).unwrap()
        } else {
            continue;
        };
        if text.contains(from) {
            let beside = path.with_extension("amended");
            fs::write(&beside, text.replace(from, to)).unwrap();
            fs::rename(beside, path).unwrap();
            amended = true;
        }
    }
    assert!(amended, "no configuration has {from:?}");
}

fn spawn(folder: &Path, setup: &Setup) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("envoy.log")).unwrap();
    let mut command = match setup.redirected {
        None => Command::new(tools::envoy()),
        Some(Redirected { user, .. }) => as_user(user, tools::envoy()),
    };
    command
        .arg("--config-path")
        .arg(folder.join(format!("{}.yaml", setup.kind)))
        .arg("--admin-address-path")
        .arg(folder.join("admin"))
        .args(["--concurrency", &setup.workers.to_string(), "--disable-hot-restart"])
        // Little enough to be read where a test fails.
        .args(["--log-level", "warning", "--component-log-level", "wasm:info,config:info"])
        // Lines of the access log are there at once, not after ten seconds.
        .args(["--file-flush-interval-msec", "10"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// A program as another user who may read what root may: the program itself, for instance, in root's home.
fn as_user(user: u32, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &user.to_string(), "--regid", &user.to_string(), "--clear-groups"]);
    command.args(["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search", "--"]);
    command.arg(program);
    command
}
