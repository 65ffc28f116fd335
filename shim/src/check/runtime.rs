//! What this runtime permits, found out by doing it.

use crate::failure::Failure;
use crate::launch::launch;
use crate::options::Output;
use crate::program::Program;
use crate::sys::filter::Filter;
use crate::sys::maps;
use crate::sys::notify::{Answer, Listener, Notification};
use crate::sys::signals;
use crate::trap::{PIDFD_THREAD, read_sockaddr};
use core::net::SocketAddr;
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, PidfdGetfdFlags, WaitOptions, pidfd_getfd, pidfd_open,
    set_child_subreaper, set_dumpable_behavior, waitpid,
};
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// How long the trial may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something that was tried.
#[derive(Debug)]
struct Fact {
    what: &'static str,
    /// Without it `run` does not work.
    needed: bool,
    found: Result<String, String>,
    meaning: &'static str,
}

/// Tries everything that `run` relies on, and says what was found; true if `run` works.
pub(super) fn check(key: Option<&Path>, output: Output) -> bool {
    let mut facts = vec![kernel()];
    facts.extend(trial());
    facts.extend([own_memory(), subreaper(), yama(), fast_open(), user()]);
    if let Some(key) = key {
        let found = match File::open(key) {
            Ok(_) => Err("this user can read it".to_owned()),
            Err(error) => Ok(error.to_string()),
        };
        let meaning = "a key that the program's user can read is a key that the program has";
        facts.push(Fact { what: "key is out of reach", needed: false, found, meaning });
    }
    let works = facts.iter().all(|fact| fact.found.is_ok() || !fact.needed);
    match output {
        Output::Text => facts.iter().for_each(print),
        Output::Json => println!("{}", json(&facts, works)),
    }
    works
}

fn print(fact: &Fact) {
    let Fact { what, needed, found, meaning } = fact;
    match found {
        Ok(found) => println!("ok    {what}: {found}"),
        Err(found) if *needed => println!("FAIL  {what}: {found}; {meaning}"),
        Err(found) => println!("note  {what}: {found}; {meaning}"),
    }
}

fn json(facts: &[Fact], works: bool) -> serde_json::Value {
    let facts: Vec<_> = facts
        .iter()
        .map(|Fact { what, needed, found, meaning }| {
            let text = match found {
                Ok(text) | Err(text) => text,
            };
            serde_json::json!({"what": what, "ok": found.is_ok(), "needed": needed, "found": text, "meaning": meaning})
        })
        .collect();
    serde_json::json!({"works": works, "facts": facts})
}

/// Runs this program under a filter and tries on its `connect` what the trap does.
fn trial() -> Vec<Fact> {
    match connect_once() {
        Ok(facts) => facts,
        Err(error) => vec![Fact {
            what: "seccomp user notification",
            needed: true,
            found: Err(error),
            meaning: "the runtime must permit seccomp with user notification, and Linux be 5.19 or later",
        }],
    }
}

fn connect_once() -> Result<Vec<Fact>, String> {
    let text = |error: &dyn core::fmt::Display| error.to_string();
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| text(&error))?;
    let address = listener.local_addr().map_err(|error| text(&error))?;
    let path = std::env::current_exe().map_err(|error| text(&error))?;
    let arguments = vec!["probe".into(), address.to_string().into()];
    let program = Program { name: path.clone().into(), path, arguments, script: None };
    let mask = signals::block_all().map_err(|error| text(&error))?;
    let (sender, receiver) = channel();
    let child = launch(&program, mask, Filter::new(true), move |listener| {
        std::thread::Builder::new().name("trial".into()).spawn(move || answer_all(&listener, &sender))?;
        Ok(())
    });
    let child = child.map_err(|error| text(&error))?;
    let facts = receiver.recv_timeout(PATIENCE).map_err(|_| "the kernel asked nothing".to_owned());
    let _ = mask.restore();
    let _ = waitpid(Some(child), WaitOptions::empty());
    facts
}

fn answer_all(listener: &Listener, facts: &Sender<Vec<Fact>>) {
    let mut installed = Err("the kernel asked nothing".to_owned());
    while let Ok(notification) = listener.receive() {
        if notification.call == libc::SYS_socket {
            installed = install(listener, &notification);
            if installed.is_ok() {
                continue;
            }
        }
        if notification.call == libc::SYS_connect {
            let _ = facts.send(try_all(listener, &notification, &installed));
        }
        listener.answer(&notification, Answer::Continue);
    }
}

/// Makes the caller's socket in its place.
fn install(listener: &Listener, notification: &Notification) -> Result<(), String> {
    let flags = rustix::net::SocketFlags::CLOEXEC;
    let (family, kind) = (rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM);
    let socket = rustix::net::socket_with(family, kind, flags, None).map_err(|error| error.to_string())?;
    listener.install(notification, &socket, true).map(drop).map_err(|error| error.to_string())
}

/// What the trap does with a `connect`, step by step.
fn try_all(listener: &Listener, notification: &Notification, installed: &Result<(), String>) -> Vec<Fact> {
    let thread = notification.thread;
    let [descriptor, address, length, ..] = notification.arguments;
    let pid = i32::try_from(thread).ok().and_then(Pid::from_raw).ok_or(rustix::io::Errno::SRCH);
    let pidfd = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
    let by_thread = pid.and_then(|pid| pidfd_open(pid, PIDFD_THREAD));
    let descriptor = i32::try_from(descriptor).unwrap_or(-1);
    let socket = pidfd
        .as_ref()
        .map_err(|error| *error)
        .and_then(|pidfd| pidfd_getfd(pidfd, descriptor, PidfdGetfdFlags::empty()));
    let memory = read_sockaddr(thread, address, length);
    let executable = File::open(format!("/proc/{thread}/exe"));
    let mapped = File::open(format!("/proc/{thread}/maps")).and_then(|maps| maps::next(&maps, 0));
    let mode = match (&socket, installed) {
        (Ok(_), _) => Ok("pidfd".to_owned()),
        (Err(_), Ok(())) => Ok("own-socket".to_owned()),
        (Err(error), Err(other)) => Err(format!("pidfd_getfd: {error}; installing a descriptor: {other}")),
    };
    let modes = "the container's seccomp profile must permit pidfd_getfd, or Linux be 5.14 or later";
    let waits = if listener.is_waiting(notification) { Ok(()) } else { Err("the caller is gone") };
    vec![
        fact("seccomp user notification", true, waits, "the caller must wait for its answer"),
        fact("reading the caller's memory", true, memory, "/proc must show the program's processes"),
        fact("pidfd_open", true, pidfd.as_ref(), "Linux 5.3 or later is needed"),
        fact("pidfd_getfd", false, socket, "the shim makes the program's sockets instead"),
        fact("making the program's sockets", false, installed.as_ref(), "Linux 5.14 or later is needed"),
        Fact { what: "mode", needed: true, found: mode, meaning: modes },
        fact("reading the caller's executable", true, executable, "/proc must show the program's processes"),
        fact(
            "PIDFD_THREAD",
            false,
            by_thread,
            "Linux 6.9: without it, threads with descriptors of their own fail",
        ),
        fact(
            "PROCMAP_QUERY",
            false,
            mapped,
            "Linux 6.11: without it, a code list takes some 100 us more per connect",
        ),
    ]
}

fn fact<T, E: core::fmt::Display>(
    what: &'static str,
    needed: bool,
    found: Result<T, E>,
    meaning: &'static str,
) -> Fact {
    let found = found.map(|_| "works".to_owned()).map_err(|error| error.to_string());
    Fact { what, needed, found, meaning }
}

fn kernel() -> Fact {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    Fact { what: "kernel", needed: false, found: Ok(release), meaning: "" }
}

fn own_memory() -> Fact {
    let closed = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    fact("closing the shim's memory to the program", true, closed, "the signing key would be exposed")
}

fn subreaper() -> Fact {
    let set = set_child_subreaper(Some(rustix::process::getpid()));
    fact("adopting orphans", false, set, "processes whose parent ended may not be attested under Yama")
}

fn yama() -> Fact {
    let found = match fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope") {
        Ok(scope) if matches!(scope.trim(), "2" | "3") => Err(format!("ptrace_scope is {}", scope.trim())),
        Ok(scope) => Ok(format!("ptrace_scope is {}", scope.trim())),
        Err(_) => Ok("not in this kernel".to_owned()),
    };
    Fact { what: "Yama", needed: false, found, meaning: "processes cannot be attested: set it to 1" }
}

fn fast_open() -> Fact {
    let bits = fs::read_to_string("/proc/sys/net/ipv4/tcp_fastopen").unwrap_or_default();
    let client = bits.trim().parse::<u32>().is_ok_and(|bits| bits & 1 == 1);
    let found = format!("net.ipv4.tcp_fastopen is {}", bits.trim());
    let found = if client { Ok(found) } else { Err(found) };
    Fact {
        what: "TCP Fast Open",
        needed: false,
        found,
        meaning: "the proxy-v2 carrier keeps callers waiting in the shim",
    }
}

fn user() -> Fact {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or("?").trim();
    let found = format!("uid {}, effective capabilities {capabilities}", rustix::process::getuid().as_raw());
    Fact { what: "user", needed: false, found: Ok(found), meaning: "" }
}

/// The program of the trial: connects once.
pub(super) fn probe(address: SocketAddr) -> Result<(), Failure> {
    TcpStream::connect(address).map(drop).map_err(|error| Failure::own(format!("{address}: {error}")))
}
