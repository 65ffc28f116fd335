//! Ways around the shim, each tried for real (around.c, race.c), natively first: what does not work there proves
//! nothing. The most that one may win is a connection without a token.

use crate::skip::{is_root_for, leave_out};
use crate::stage::{CLIENT_HELLOS, Scratch, Seen, Server, Shim, WAYS, Way};
use procgate_identity::Digest;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Times that a race is run, for each carrier in each mode. What loses one in thirty loses some.
const ROUNDS: &str = "200";

/// Nothing else arrives after that.
const QUIET: Duration = Duration::from_millis(200);

/// Calls that connect without `connect`, or past whoever is asked about it: they fail, and nothing connects.
#[test]
fn no_other_call_connects() {
    let scratch = Scratch::new();
    let around = scratch.compile("around", include_str!("around.c"), &["-static"]);
    for (way_around, error) in [
        ("sendto", libc::EOPNOTSUPP),
        ("sendmsg", libc::EOPNOTSUPP),
        ("sendmmsg", libc::EOPNOTSUPP),
        ("io_uring", libc::ENOSYS),
        ("int80", libc::ENOSYS),
        ("x32", libc::ENOSYS),
        ("listener", libc::EBUSY),
    ] {
        let server = Server::new();
        let port = server.address.port().to_string();
        let native = Command::new(&around).args([way_around, &port]).output().unwrap();
        if native.stdout == b"0\n" {
            assert!(server.next().tokens().is_empty());
        } else {
            leave_out(&format!("{way_around} natively, which is no way on this kernel"));
        }
        for way in WAYS {
            let ran = Shim::by(way, server.address).run(&[around.to_str().unwrap(), way_around, &port]);
            assert_eq!(ran.out, format!("{error}\n"), "{way_around} {way:?}: {}", ran.log);
        }
        std::thread::sleep(QUIET);
        assert!(server.more().is_empty(), "{way_around}");
    }
}

/// A program of the image that makes root of anybody would be the way to the shim's memory, and to the uid that
/// the proxy's own connections are told by.
#[test]
fn a_setuid_program_gives_nobody_another_user() {
    if !is_root_for("a program that belongs to root") {
        return;
    }
    let scratch = Scratch::new();
    let source =
        "#include <stdio.h>\n#include <unistd.h>\nint main(void) { printf(\"%d\\n\", geteuid()); return 0; }";
    let who = scratch.compile("who", source, &["-static"]);
    chown(&who, Some(0), Some(0)).unwrap();
    fs::set_permissions(&who, fs::Permissions::from_mode(0o4755)).unwrap();
    let native = Command::new(&who).uid(65_534).gid(65_534).output().unwrap();
    assert_eq!(String::from_utf8(native.stdout).unwrap(), "0\n", "setuid works here");
    for Way { carrier, mode } in WAYS {
        let shim = Shim::new().option("--carrier", carrier).option("--require", mode);
        let ran = shim.option("--user", "65534:65534").run(&["sh", "-c", who.to_str().unwrap()]);
        assert_eq!(ran.out, "65534\n", "{carrier} {mode}: {}", ran.log);
    }
}

/// The program of the races.
struct Race {
    program: PathBuf,
    digest: Digest,
    _scratch: Scratch,
}

impl Race {
    fn new() -> Self {
        let scratch = Scratch::new();
        let program = scratch.compile("race", include_str!("race.c"), &["-O1", "-pthread"]);
        Self { digest: digest(&program), program, _scratch: scratch }
    }

    /// Runs one of its races towards a captured and an exempt server; what both have seen, and what the
    /// shim said.
    fn run(&self, name: &str, way: Way) -> ([Vec<Seen>; 2], String) {
        let servers = [Server::new(), Server::new()];
        let ports = servers.each_ref().map(|server| server.address.port().to_string());
        let program = [self.program.to_str().unwrap(), name, ROUNDS, &ports[0], &ports[1]];
        let ran = Shim::by(way, servers[0].address).run(&program);
        assert_eq!(ran.code, Some(0), "{name} {way:?}: {}", ran.log);
        std::thread::sleep(QUIET);
        (servers.map(|server| server.more()), ran.log)
    }

    /// How many of these connections carry a token: one that was signed for exactly this connection and this
    /// program. Of any other token there is no trace.
    fn approved(&self, seen: &[Seen]) -> usize {
        let (with, without): (Vec<_>, Vec<_>) = seen.iter().partition(|seen| !seen.tokens().is_empty());
        for seen in &with {
            assert_eq!(seen.claims().exe, self.digest);
        }
        for Seen { bytes, .. } in without {
            let text = String::from_utf8_lossy(bytes);
            assert!(!text.contains("QUIT") && !text.contains("eyJ"), "a token as payload: {text:?}");
        }
        with.len()
    }
}

fn digest(program: &Path) -> Digest {
    Digest::of(&fs::read(program).unwrap())
}

/// The shim reads one destination and the kernel another: a token goes where it was signed for, and never to an
/// exempt destination.
#[test]
fn a_destination_that_is_rewritten_meanwhile_gets_no_token_of_another() {
    let race = Race::new();
    for way in WAYS.into_iter().chain(CLIENT_HELLOS) {
        let ([captured, exempt], log) = race.run("rewrite", way);
        assert!(race.approved(&captured) > 0, "{way:?}: {log}");
        assert!(!exempt.is_empty(), "{way:?}: {log}");
        assert_eq!(race.approved(&exempt), 0, "{way:?}: {log}");
    }
}

/// The shim takes one socket and the kernel another.
#[test]
fn a_descriptor_that_is_moved_meanwhile_carries_a_token_of_its_own_or_none() {
    let race = Race::new();
    for way in WAYS.into_iter().chain(CLIENT_HELLOS) {
        let ([captured, _], log) = race.run("swap", way);
        assert!(race.approved(&captured) > 0, "{way:?}: {log}");
    }
}

/// Bytes ahead of the token would not be covered by it, and the token would be payload behind them: it is the
/// first that arrives, or it does not arrive.
#[test]
fn a_thread_that_writes_meanwhile_is_behind_the_token_or_its_connection_has_none() {
    let race = Race::new();
    for way in WAYS.into_iter().chain(CLIENT_HELLOS) {
        let ([captured, _], log) = race.run("write", way);
        assert!(!captured.is_empty(), "{way:?}: {log}");
        race.approved(&captured);
    }
}

/// Another program starts while the connection is being made: it is named by neither's name but the caller's.
#[test]
fn executing_another_program_while_connecting_never_borrows_its_name() {
    for way in WAYS {
        let (server, scratch) = (Server::new(), Scratch::new());
        let text = include_str!("request.c").replace("PORT", &server.address.port().to_string());
        let trusted = scratch.compile("trusted", &text.replace("WORD", "trusted"), &[]);
        let evil = scratch.compile("evil", &text.replace("WORD", "evil"), &["-DRACE", "-pthread"]);
        let script = format!("for i in $(seq 40); do {} {}; done", evil.display(), trusted.display());
        let ran = Shim::by(way, server.address).run(&["sh", "-c", &script]);
        assert_eq!(ran.code, Some(0), "{}", ran.log);
        std::thread::sleep(QUIET);
        let mut seen = server.more();
        seen.retain(|seen| !seen.payload().is_empty());
        assert!(seen.len() >= 40, "{}", seen.len());
        for seen in seen {
            let evil_s = String::from_utf8_lossy(seen.payload()).contains("GET /evil");
            if !seen.tokens().is_empty() {
                assert_eq!(seen.claims().exe, digest(if evil_s { &evil } else { &trusted }), "{way:?}");
            }
        }
    }
}
