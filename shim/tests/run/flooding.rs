//! Whoever asks for much gets it slowly, and keeps nobody else from being served.

use crate::keeping::unshare;
use crate::stage::{PATIENCE, PREFACES, Scratch, Server, Shim, python};
use procgate_identity::Digest;
use std::fs;
use std::io::{BufRead, BufReader, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const REQUEST: &str =
    "c = socket.create_connection((HOST, PORT)); c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); c.recv(1)";
/// Reading it takes seconds. It is sparse, and takes no room.
const HUGE: u64 = 2 << 30;
/// Reading it takes longer than starting and killing a process, also where nothing else runs.
const LARGE: u64 = 1 << 30;
/// More than the shim remembers: see MAX_FILES in its attest/cache.rs.
const FILES: u32 = 1_100;

fn compiled(scratch: &Scratch, server: &Server) -> std::path::PathBuf {
    let source = include_str!("request.c").replace("PORT", &server.address.port().to_string());
    scratch.compile("tool", &source, &[])
}

#[test]
fn while_a_huge_executable_is_digested_others_are_served() {
    let (server, scratch) = (Server::new(), Scratch::new());
    let tool = compiled(&scratch, &server);
    fs::OpenOptions::new().write(true).open(&tool).unwrap().set_len(HUGE).unwrap();
    let program = format!(
        "import subprocess, time
huge = subprocess.Popen([{tool:?}]); time.sleep(0.2)
for _ in range(20):
    {REQUEST}
huge.wait()"
    );
    let ran = Shim::capturing(server.address).python(server.address, &program);
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    let own = Digest::of(&fs::read(python()).unwrap());
    let seen: Vec<_> = (0..21).map(|_| server.next().claims().exe).collect();
    let at = seen.iter().position(|exe| *exe != own);
    assert_eq!(at, Some(20), "the huge one was first");
}

/// A caller is killed while its file is read, and the next process gets its number: nothing is sent for the dead one, and
/// the living one speaks for itself. In a process namespace, where root says which number is next.
#[test]
fn whoever_gets_the_number_of_a_killed_caller_gets_nothing_else_of_it() {
    let (server, scratch) = (Server::new(), Scratch::new());
    let tool = compiled(&scratch, &server);
    fs::OpenOptions::new().write(true).open(&tool).unwrap().set_len(LARGE).unwrap();
    let program = format!(
        "import socket, subprocess, sys, time
HOST, PORT = '127.0.0.1', {port}
killed = subprocess.Popen([{tool:?}]); time.sleep(0.2)
killed.kill(); killed.wait()
open('/proc/sys/kernel/ns_last_pid', 'w').write(str(killed.pid - 1))
heir = subprocess.Popen([sys.executable, '-c', r'''import socket; HOST, PORT = '127.0.0.1', {port}; {REQUEST}'''])
assert heir.pid == killed.pid, (heir.pid, killed.pid)
heir.wait()
subprocess.Popen([{tool:?}]).wait()",
        port = server.address.port(),
    );
    let own = Digest::of(&fs::read(python()).unwrap());
    for way in PREFACES {
        let (shim, _scratch) = Shim::by(way, server.address).command(&[python(), "-c", &program]);
        let mut namespace = unshare();
        namespace.args(["--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
        let ran = namespace.arg(shim.get_program()).args(shim.get_args()).output().unwrap();
        assert!(ran.status.success(), "{way:?}: {}", String::from_utf8_lossy(&ran.stderr));
        let [heir, after] = [server.next().claims(), server.next().claims()];
        assert_eq!(heir.exe, own, "{way:?}");
        assert_ne!(after.exe, own, "{way:?}");
        std::thread::sleep(Duration::from_millis(200));
        assert!(server.more().is_empty(), "{way:?}: somebody spoke for the dead");
    }
}

#[test]
fn more_executables_than_are_remembered_are_still_told_apart() {
    let (server, scratch) = (Server::new(), Scratch::new());
    let content = fs::read(compiled(&scratch, &server)).unwrap();
    let place = |number: u32| scratch.path().join(format!("tool{number}"));
    let changed = |number: u32| [&content[..], &number.to_be_bytes()].concat();
    for number in 0..FILES {
        fs::write(place(number), changed(number)).unwrap();
        fs::set_permissions(place(number), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    // Younger files are read again each time.
    std::thread::sleep(Duration::from_secs(3));
    let script =
        format!("for i in $(seq 0 {}) 0 1; do {}$i; done", FILES - 1, scratch.path().join("tool").display());
    let ran = Shim::capturing(server.address).run(&["sh", "-c", &script]);
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    let mut numbers: Vec<u32> = (0..FILES + 2)
        .map(|_| {
            let claims = server.next().claims();
            let number: u32 = claims.name.rsplit("tool").next().unwrap().parse().unwrap();
            assert_eq!(claims.exe, Digest::of(&changed(number)), "{}", claims.name);
            number
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(u32::try_from(numbers.len()), Ok(FILES));
}

#[test]
fn strangers_that_flood_the_forwarder_keep_nobody_from_being_served() {
    let (server, scratch) = (Server::new(), Scratch::new());
    let go = scratch.path().join("go");
    let program = format!(
        "import socket, os, time\nHOST, PORT = '127.0.0.1', {}\nwhile not os.path.exists({go:?}): time.sleep(0.01)
for _ in range(200):
    {REQUEST}",
        server.address.port()
    );
    let (mut command, _scratch) = Shim::capturing(server.address).command(&[python(), "-c", &program]);
    let mut shim = command.spawn().unwrap();
    let mut log = BufReader::new(shim.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("forwarder on port ") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0);
    }
    let port: u16 = line.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
    let over = AtomicBool::new(false);
    let served = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| flood((std::net::Ipv4Addr::LOCALHOST, port).into(), &over));
        }
        fs::write(&go, "").unwrap();
        let served = (0..200).map_while(|_| server.awaited()).filter(|seen| !seen.claims().name.is_empty());
        let served = served.count();
        over.store(true, Ordering::Relaxed);
        served
    });
    if served < 200 {
        shim.kill().unwrap();
    }
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert_eq!(served, 200, "{rest}");
    assert!(shim.wait().unwrap().success());
    assert!(server.more().is_empty(), "a stranger was served");
}

/// Connects again and again, and keeps some of the connections.
fn flood(forwarder: SocketAddr, over: &AtomicBool) {
    let mut kept = Vec::new();
    while !over.load(Ordering::Relaxed) {
        kept.extend(TcpStream::connect_timeout(&forwarder, PATIENCE));
        if kept.len() > 200 {
            kept.clear();
        }
    }
}
