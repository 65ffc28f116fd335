//! What is claimed of every client.

use crate::installed::{Client, Installed};
use libtest_mimic::Failed;
use procgate_tests::blackhole::{BlackHole, refusing};
use procgate_tests::envoy::{Envoy, Setup, patient};
use procgate_tests::pod::{Confinement, Pod, folder, policy};
use procgate_tests::process::run;
use procgate_tests::way::Way;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::RwLock;
use std::time::Duration;

/// One claim, which each client has to make good.
#[derive(Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) name: &'static str,
    /// Says what is otherwise, if anything.
    holds: fn(&Matrix, Client, Way) -> Result<(), Failed>,
    /// Whether it is about time, of which a client may get too little while others run.
    is_timed: bool,
}

pub(crate) const CLAIMS: [Claim; 4] = [
    Claim { name: "gets_through_with", holds: gets_through, is_timed: false },
    Claim { name: "is_refused_without", holds: is_refused, is_timed: false },
    Claim { name: "keeps_its_own_timeout_at_a_black_hole_with", holds: keeps_its_timeout, is_timed: true },
    Claim { name: "sees_a_refused_destination_at_once_with", holds: sees_a_refusal, is_timed: true },
];

/// Long enough not to be taken for a start-up, short enough to wait for.
const TIMEOUT: u32 = 2;
/// How late a timeout may fire, or a refusal come: what the program has loaded is digested when it connects first.
/// A client whose `connect` cannot be interrupted is later than that (seen: 8 s instead of 2 s).
const LATE: Duration = Duration::from_secs(3);
/// Never reached where a program does not wait.
const NEVER: u32 = 30;

/// All clients and the pod that they run in.
#[derive(Debug)]
pub(crate) struct Matrix {
    pod: Pod,
    /// Decides by prefaces what the pod's own decides by headers.
    tcp: Envoy,
    clients: Vec<Installed>,
    /// Shared by clients that run beside others; whoever runs alone has it alone.
    machine: RwLock<()>,
    black_hole: BlackHole,
}

/// How a client's request, or each of its requests, ended.
#[derive(Debug)]
enum Ended {
    Answered(u16),
    Failed { after: Duration, words: String },
}

impl Matrix {
    /// Installs every client that can be installed here, and starts a pod that approves them.
    pub(crate) fn set() -> Self {
        let folder = folder();
        let clients: Vec<_> = Client::ALL.iter().filter_map(|client| client.install(folder.path())).collect();
        let programs: Vec<_> = clients.iter().map(|client| &client.program).collect();
        let pod = Pod::start(folder, &programs);
        let mut setup = Setup::new(policy("enforce", &[&pod.key], &programs), pod.upstream.address());
        setup.kind = "tcp";
        setup.amendments.push(patient());
        let (tcp, black_hole) = (Envoy::start(setup), BlackHole::open());
        Self { pod, tcp, clients, machine: RwLock::default(), black_hole }
    }

    /// Tests a claim beside others; where it is about time and does not hold then, once more alone.
    pub(crate) fn test(&self, claim: Claim, client: Client, way: Way) -> Result<(), Failed> {
        let beside_others = {
            let _shared = self.machine.read();
            (claim.holds)(self, client, way)
        };
        if beside_others.is_ok() || !claim.is_timed {
            return beside_others;
        }
        let _alone = self.machine.write();
        (claim.holds)(self, client, way)
    }

    fn envoy(&self, way: Way) -> &Envoy {
        if way.is_preface() { &self.tcp } else { &self.pod.envoy }
    }

    pub(crate) fn has(&self, client: Client) -> bool {
        self.clients.iter().any(|installed| installed.client == client)
    }

    fn client(&self, client: Client) -> &Installed {
        self.clients.iter().find(|installed| installed.client == client).expect("it is installed")
    }

    /// Runs a client under the shim.
    fn under_shim(&self, client: Client, way: Way, towards: SocketAddr, seconds: u32) -> Ended {
        let installed = self.client(client);
        // Interpreters lie where only their owner may go, so the program is no other user.
        let mut command = self.pod.shim_by(way, &installed.program, Confinement::SameUser, &[towards]);
        ended(command.args(installed.command_line(&url(towards, client), seconds)))
    }
}

fn url(towards: SocketAddr, client: Client) -> String {
    format!("http://{towards}/charge/{}", client.name())
}

/// Where this is not so, says what was.
fn claim(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failed> {
    if is_so { Ok(()) } else { Err(otherwise().into()) }
}

fn gets_through(matrix: &Matrix, client: Client, way: Way) -> Result<(), Failed> {
    let envoy = matrix.envoy(way);
    let ended = matrix.under_shim(client, way, envoy.address(), NEVER);
    claim(matches!(ended, Ended::Answered(200)), || format!("{ended:?}: {}", last_record(envoy, client)))
}

fn is_refused(matrix: &Matrix, client: Client, way: Way) -> Result<(), Failed> {
    let line = matrix.client(client).command_line(&url(matrix.envoy(way).address(), client), NEVER);
    let ended = ended(Command::new(&line[0]).args(&line[1..]));
    claim(matches!(ended, Ended::Answered(403)), || format!("{ended:?}"))
}

fn keeps_its_timeout(matrix: &Matrix, client: Client, way: Way) -> Result<(), Failed> {
    let ended = matrix.under_shim(client, way, matrix.black_hole.address(), TIMEOUT);
    let due = Duration::from_secs(TIMEOUT.into());
    // Some start their clock before they print when they started.
    let early = Duration::from_millis(100);
    let on_time = matches!(ended, Ended::Failed { after, .. } if (due - early..due + LATE).contains(&after));
    claim(on_time, || format!("{ended:?}, due after {due:?}"))
}

/// With a forwarder in between a refusal is a reset at first use; else it is what it would be natively.
fn sees_a_refusal(matrix: &Matrix, client: Client, way: Way) -> Result<(), Failed> {
    let ended = matrix.under_shim(client, way, refusing(), NEVER);
    let due = client.words_for_a_refusal();
    let seen = matches!(&ended, Ended::Failed { after, words }
        if *after < LATE && (!way.is_preface() || words.contains(due)));
    claim(seen, || format!("{ended:?}, due: {due}"))
}

/// Runs a command line and reads what it prints: see tests/clients/README.md, and curl's own words.
fn ended(command: &mut Command) -> Ended {
    let finished = run(command);
    let words: Vec<_> = finished.stdout.split_whitespace().collect();
    let read = match words[..] {
        ["failed", milliseconds, ref words @ ..] => milliseconds
            .parse()
            .ok()
            .map(|after| Ended::Failed { after: Duration::from_millis(after), words: words.join(" ") }),
        ["000", seconds, exit_code] => seconds
            .parse()
            .ok()
            .map(|after| Ended::Failed { after: Duration::from_secs_f64(after), words: exit_code.into() }),
        [status] | [status, _, "0"] => status.parse().ok().map(Ended::Answered),
        _ => None,
    };
    read.unwrap_or_else(|| panic!("{command:?}: {finished}"))
}

/// What the access log has about a client, for the message of a failure.
fn last_record(envoy: &Envoy, client: Client) -> String {
    let path = format!("/charge/{}", client.name());
    let record = envoy.record("its record", |record| record.path.as_deref() == Some(&path));
    record.to_json()
}
