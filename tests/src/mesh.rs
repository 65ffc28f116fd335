//! What a mesh makes of a pod, out of network namespaces: redirect rules that send every connection to the
//! pod's own Envoy, but for Envoy's, and servers in another namespace.

use crate::certificates::{Authority, Certificate};
use crate::envoy::{Envoy, Redirected, Setup};
use crate::netns::Namespace;
use crate::pod::{folder, run_as_checkout};
use crate::process::{Finished, Running, run, succeed};
use crate::program::{Program, python_extensions};
use crate::skip::is_root_for;
use crate::tokens::{DOMAIN, Key, SCOPE};
use crate::tools;
use crate::until::until;
use crate::visitor::{Visitor, neighbour, shell};
use procgate_policy::Record;
use rcgen::SanType;
use serde_json::{Value, json};
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Where the pod is.
pub const POD: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 2);
/// Where the servers are.
pub const SERVERS: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 1);
/// The proxy's user, as in Istio.
pub const PROXY: u32 = 1337;
/// Where the rules send connections, as in Istio.
pub const OUTBOUND: u16 = 15_001;
/// Of servers that refuse to run as root.
const NOBODY: u32 = 65_534;
/// The ports that the approved programs may reach.
const PORTS: [u16; 6] = [25, 443, 5_432, 6_379, 50_051, 80];

/// A pod with its proxy and servers to reach; dropping it ends all of it.
#[derive(Debug)]
pub struct Mesh {
    /// The pod's proxy, which listens inside its namespace.
    pub envoy: Envoy,
    clients: Vec<Program>,
    key: PathBuf,
    authority: Authority,
    _servers: Vec<Running>,
    pod: Namespace,
    _world: Namespace,
    _folder: TempDir,
}

/// What a program asks a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// psql asks PostgreSQL.
    PostgreSql,
    /// redis-cli asks Redis.
    Redis,
    /// curl asks over TLS.
    Https,
    /// Python asks by gRPC.
    Grpc,
    /// Python hands in a mail: the server speaks first.
    Smtp,
    /// curl asks over plaintext HTTP, which rules with methods and paths decide.
    Http,
}

/// Everybody who asks, the shim's programs in both of its modes.
pub const VISITORS: [Visitor; 5] = [
    Visitor::Approved("pidfd"),
    Visitor::Approved("own-socket"),
    Visitor::Shell("pidfd"),
    Visitor::Shell("own-socket"),
    Visitor::Neighbour,
];

/// What came of a question.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Whether the server answered as it should.
    pub answered: bool,
    /// What the access log has about it.
    pub record: Record<'static>,
    /// What the program left.
    pub finished: Finished,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::PostgreSql, Self::Redis, Self::Https, Self::Grpc, Self::Smtp, Self::Http];

    /// The port of its server.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::PostgreSql => 5_432,
            Self::Redis => 6_379,
            Self::Https => 443,
            Self::Grpc => 50_051,
            Self::Smtp => 25,
            Self::Http => 80,
        }
    }

    /// Who asks whom.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::PostgreSql => "psql, PostgreSQL",
            Self::Redis => "redis-cli, Redis",
            Self::Https => "curl, its own TLS",
            Self::Grpc => "Python, gRPC",
            Self::Smtp => "Python, SMTP (the server speaks first)",
            Self::Http => "curl, HTTP (judged request by request)",
        }
    }

    /// The program that asks, and what it prints once it has an answer.
    const fn client(self) -> (&'static str, &'static str) {
        match self {
            Self::PostgreSql => ("psql", "hello postgresql"),
            Self::Redis => ("redis_cli", "hello redis"),
            Self::Https | Self::Http => ("curl", "hello, headers"),
            Self::Grpc => ("network_python", "hello grpc"),
            Self::Smtp => ("network_python", "hello smtp"),
        }
    }

    /// By the name that it is called by: a Python finds its packages by it.
    fn program(self) -> PathBuf {
        tools::client(self.client().0).expect("the pod started with it")
    }

    fn arguments(self, authority: &Authority) -> Vec<String> {
        let (address, script) = (SERVERS.to_string(), tools::project().join("tests/network/client.py"));
        let authority = authority.place().display();
        let curl = |url: &str| format!("-sS --max-time 10 --noproxy * --cacert {authority} {url}");
        let text = match self {
            Self::PostgreSql => {
                let select = "select 'hello'||chr(32)||'postgresql'";
                let place = format!("host={address}\tuser=postgres\tdbname=postgres\tconnect_timeout=10");
                return ["-At", "-c", select, &place.replace('\t', " ")].map(String::from).into();
            }
            Self::Redis => return ["-h", &address, "ECHO", "hello redis"].map(String::from).into(),
            Self::Https => curl(&format!("https://{address}/")),
            Self::Http => curl(&format!("http://{address}/charge/1")),
            Self::Grpc => format!("{} grpc {address}", script.display()),
            Self::Smtp => format!("{} smtp {address}", script.display()),
        };
        text.split(' ').map(String::from).collect()
    }
}

impl Mesh {
    /// Nothing where this user may not make one, or where a program is missing; in CI the latter fails.
    #[must_use]
    pub fn start() -> Option<Self> {
        if !is_root_for("a pod of network namespaces") {
            return None;
        }
        let folder = folder();
        let mut clients = Vec::new();
        for name in ["psql", "redis_cli", "curl", "network_python"] {
            let path = tools::client(name)?;
            let extensions = if name == "network_python" { python_extensions(&path) } else { Vec::new() };
            clients.push(Program::at(&path, folder.path(), name, &extensions));
        }
        let (pod, world) = (Namespace::new(), Namespace::new());
        pod.join(POD, &world, SERVERS);
        redirect(&pod)?;
        let authority = Authority::new(folder.path());
        let certificate = authority.certificate("servers", [SanType::IpAddress(SERVERS.into())]);
        let servers = servers(&world, folder.path(), &certificate)?;
        let key = Key::new("2026-11");
        let mut setup = Setup::new(policy(&key, &clients), (SERVERS, 80).into());
        setup.kind = "tcp";
        setup.redirected = Some(Redirected { to: ([127, 0, 0, 1], OUTBOUND).into(), user: PROXY });
        let envoy = pod.within(|| Envoy::start(setup));
        let key = key.write_to(folder.path());
        Some(Self { envoy, clients, key, authority, _servers: servers, pod, _world: world, _folder: folder })
    }

    /// Asks a server, and waits for the record of it. Visits to one service are to follow each other.
    #[must_use]
    pub fn visit(&self, service: Service, visitor: Visitor) -> Visit {
        let arguments = service.arguments(&self.authority);
        let mut command = match visitor {
            Visitor::Approved(mode) => {
                let mut shim = self.shim(service, mode);
                shim.arg(service.program()).args(arguments);
                shim
            }
            Visitor::Shell(mode) => {
                let mut shim = self.shim(service, mode);
                shim.args(shell((SERVERS, service.port()).into(), &SERVERS.to_string()));
                shim
            }
            Visitor::Neighbour => {
                let mut neighbour = neighbour(&self.pod);
                neighbour.arg(service.program()).args(arguments);
                neighbour
            }
        };
        self.watch(service, &mut command)
    }

    /// Runs a program that asks a server, and waits for the record of it.
    pub fn watch(&self, service: Service, command: &mut Command) -> Visit {
        let before = self.records(service).len();
        let finished = run(command);
        let answered = finished.status.success() && finished.stdout.contains(service.client().1);
        let record = until("the connection's record", || self.records(service).into_iter().nth(before));
        Visit { answered, record, finished }
    }

    /// The approved program of a service, and what makes it ask.
    #[must_use]
    pub fn question(&self, service: Service) -> (String, Vec<String>) {
        (service.program().to_string_lossy().into_owned(), service.arguments(&self.authority))
    }

    /// The pod's network.
    #[must_use]
    pub fn network(&self) -> &Namespace {
        &self.pod
    }

    /// The key that its policy trusts, and the code list of a service's program.
    #[must_use]
    pub fn files(&self, service: Service) -> (PathBuf, PathBuf) {
        (self.key.clone(), self.client(service).code_list.clone())
    }

    /// One program that connects to two services by turns, 400 times each, and what was decided about it.
    #[must_use]
    pub fn by_turns(&self) -> (Finished, Vec<Record<'static>>) {
        let (service, before) = (Service::Smtp, self.envoy.records().len());
        let mut shim = self.shim(service, "pidfd");
        shim.arg(service.program()).arg(tools::project().join("tests/network/client.py"));
        let finished = run(shim.args(["turns", &SERVERS.to_string()]));
        let least = if finished.status.success() { 2 * 400 } else { 1 };
        let records = until("the connections' records", || {
            let records = self.envoy.records().split_off(before);
            (records.len() >= least).then_some(records)
        });
        (finished, records)
    }

    /// The records of decisions about this service.
    fn records(&self, service: Service) -> Vec<Record<'static>> {
        let mut records = self.envoy.records();
        records.retain(|record| record.address == Some((SERVERS, service.port()).into()));
        records
    }

    fn client(&self, service: Service) -> &Program {
        let name = service.client().0;
        self.clients.iter().find(|program| program.name == name).unwrap()
    }

    fn shim(&self, service: Service, mode: &str) -> Command {
        let mut shim = self.pod.command(&tools::shim().to_string_lossy());
        shim.args(run_as_checkout(&self.key, self.client(service)));
        shim.args(["--carrier", "proxy-v2", "--require", mode, "--"]);
        shim
    }
}

/// The rules that a mesh makes: everything that is not the proxy's own or for loopback goes to the proxy.
/// Nothing where iptables is missing; in CI that fails.
#[must_use]
pub fn redirect(pod: &Namespace) -> Option<()> {
    let iptables = tools::client("iptables")?;
    let to = OUTBOUND.to_string();
    for rule in [
        &["-m", "owner", "--uid-owner", &PROXY.to_string(), "-j", "RETURN"][..],
        &["-d", "127.0.0.0/8", "-j", "RETURN"],
        &["-p", "tcp", "-j", "REDIRECT", "--to-ports", &to],
    ] {
        let mut command = pod.command(&iptables.to_string_lossy());
        succeed(command.args(["-w", "-t", "nat", "-A", "OUTPUT"]).args(rule));
    }
    Some(())
}

/// Starts the servers and waits until they serve.
fn servers(world: &Namespace, folder: &Path, certificate: &Certificate) -> Option<Vec<Running>> {
    let address = SERVERS.to_string();
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let as_nobody = |program: &Path| {
        let mut command = world.command("setpriv");
        let user = NOBODY.to_string();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"]).arg(program);
        command
    };
    let data = folder.join("postgresql");
    fs::create_dir(&data).unwrap();
    chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut initdb = as_nobody(&tools::client("initdb")?);
    succeed(initdb.args(["--auth", "trust", "--username", "postgres", "--no-sync", "-D"]).arg(&data));
    let hosts = data.join("pg_hba.conf");
    let trusted = format!("{}host all all {POD}/32 trust\n", fs::read_to_string(&hosts).unwrap());
    fs::write(hosts, trusted).unwrap();

    let mut postgres = as_nobody(&tools::client("postgres")?);
    postgres.args(["-F", "-h", &address, "-k", "", "-D"]).arg(&data);
    let mut redis = as_nobody(&tools::client("redis_server")?);
    redis.args(["--bind", &address, "--port", "6379", "--save", "", "--protected-mode", "no"]);
    redis.arg("--dir").arg(&data);
    let mut python = world.command(&text(&tools::client("network_python")?));
    python.arg(tools::project().join("tests/network/servers.py"));
    python.args([&address, &text(&certificate.chain), &text(&certificate.key)]);

    let mut running: Vec<_> = [&mut postgres, &mut redis, &mut python].map(Running::start).into();
    for port in PORTS {
        let serves = || world.within(|| std::net::TcpStream::connect((SERVERS, port)).ok());
        until("the servers", || {
            running.iter_mut().for_each(|server| server.must_run("a server"));
            serves()
        });
    }
    Some(running)
}

fn policy(key: &Key, programs: &[Program]) -> Value {
    let names: Vec<_> = programs.iter().map(|program| &program.name).collect();
    let pinned = |Program { name, exe, code, .. }: &Program| json!({"name": name, "container": "checkout", "exe": [exe.to_string()], "code": [code.to_string()]});
    let others: Vec<_> = PORTS.into_iter().filter(|port| *port != 80).collect();
    json!({
        "version": 1,
        "mode": "enforce",
        "trust": {"domain": DOMAIN, "keys": [key.trusted_for(SCOPE)]},
        "processes": programs.iter().map(pinned).collect::<Vec<_>>(),
        "destinations": [{"name": "servers", "cidrs": [format!("{SERVERS}/32")]}],
        "rules": [
            {"name": "checkout-uses-servers", "allow": {
                "from": {"process": names}, "to": {"destination": "servers", "ports": others},
            }},
            {"name": "checkout-charges", "allow": {
                "from": {"process": names},
                "to": {"destination": "servers", "ports": [80], "methods": ["GET"], "paths": ["/charge/**"]},
            }},
        ],
    })
}
