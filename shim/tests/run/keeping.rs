//! The sockets that the shim makes for the program in own-socket mode: they are as any other, and none is
//! kept too long.

use crate::docker::{Docker, User};
use crate::stage::{PREFACES, Scratch, Server, Shim, WAYS, Way, python};
use procgate_identity::Digest;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::process::Command;

fn own_socket() -> Way {
    PREFACES[1]
}

/// Begins namespaces, of which the command is root.
pub(crate) fn unshare() -> Command {
    let mut unshare = Command::new("unshare");
    if !rustix::process::getuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare
}

/// The command in a network of its own, after these commands of a shell as its root.
pub(crate) fn in_a_network_of_its_own(set_up: &str, command: &Command) -> Command {
    let mut unshare = unshare();
    unshare.args(["--net", "sh", "-c", &format!("ip link set lo up && {set_up} exec \"$@\""), "sh"]);
    unshare.arg(command.get_program()).args(command.get_args());
    unshare
}

/// Counts the sockets of its whole network, which only the program and the shim have.
#[test]
fn a_hundred_thousand_sockets_leave_nothing_behind() {
    let program = "import array, os, socket, time
def used():
    return int(open('/proc/net/sockstat').readline().split()[2])
target = socket.create_server(('127.0.0.1', 7), backlog=128)
left, right = socket.socketpair()
before = used()
for turn in range(100_000):
    s = socket.socket(socket.AF_INET if turn % 3 else socket.AF_INET6)
    if turn % 100 == 0: s.bind(('', 0))
    if turn % 100 == 1: s.bind(('', 0)); s.listen()
    if turn % 100 == 2:
        socket.send_fds(left, [b'x'], [s.fileno()]); s.close()
        s = socket.socket(fileno=socket.recv_fds(right, 1, 1)[1][0])
    if turn % 1000 == 3:
        if os.fork() == 0: os._exit(0)
        os.wait()
    if turn % 100 == 4:
        s.setblocking(False)
        # To a captured port where somebody listens, to one where nobody does, and to an exempt one.
        s.connect_ex((('127.0.0.1' if turn % 3 else '::1'), (7, 9, 10)[turn // 100 % 3]))
    s.close()
    if turn % 100 == 4:
        target.setblocking(False)
        try: target.accept()[0].close()
        except BlockingIOError: pass
for _ in range(100):
    if used() <= before: break
    time.sleep(0.1)
print(used() - before)";
    let shim = Shim::by(own_socket(), "127.0.0.1:7".parse().unwrap()).option("--capture", "127.0.0.1:9");
    let (command, _scratch) = shim.command(&[python(), "-c", program]);
    let output = in_a_network_of_its_own("", &command).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n", "{log}");
    assert!(!log.contains("cannot be kept"), "{log}");
}

#[test]
fn a_port_is_free_again_when_its_socket_is_closed() {
    let program = "import errno, time
first = socket.socket(); first.bind(('127.0.0.1', 0)); port = first.getsockname()[1]; first.close()
for turn in range(100):
    s = socket.socket(); s.bind(('127.0.0.1', port))
    if turn % 2: s.listen()
    if turn % 10 == 0:
        # Whoever else has it keeps the port.
        other = os.fork()
        if other == 0: time.sleep(9); os._exit(0)
        s.close()
        try: socket.socket().bind(('127.0.0.1', port)); print('bound twice')
        except OSError as error: assert error.errno == errno.EADDRINUSE
        os.kill(other, 9); os.waitpid(other, 0)
    s.close()
print('done')";
    let server = Server::new();
    let ran = Shim::by(own_socket(), server.address).python(server.address, program);
    assert_eq!(ran.out, "done\n", "{}", ran.log);
}

#[test]
fn sockets_are_made_as_the_kernel_would() {
    let program = "import ctypes, fcntl, resource
libc = ctypes.CDLL(None, use_errno=True)
def made(*words):
    number = libc.socket(*words)
    if number < 0: return ctypes.get_errno()
    flags = fcntl.fcntl(number, fcntl.F_GETFD), fcntl.fcntl(number, fcntl.F_GETFL) & os.O_NONBLOCK
    kind = socket.socket(fileno=number)
    return (*flags, kind.family, kind.type, kind.proto)
CLOEXEC, NONBLOCK = 0o2000000, 0o4000
for family in (2, 10):
    for flags in (0, CLOEXEC, NONBLOCK, CLOEXEC | NONBLOCK, 0o40):
        for protocol in (0, 6, 17, 132, 999): print(family, flags, protocol, made(family, 1 | flags, protocol))
print(made(2, 2, 0), made(1, 1, 0), made(99, 1, 0), made(2 | 1 << 40, 1, 0))
last = socket.socket().fileno()
resource.setrlimit(resource.RLIMIT_NOFILE, (last + 1, last + 1))
s = socket.socket(); print(made(2, 1, 0)); s.close(); print(made(2, 1, 0))";
    let server = Server::new();
    let mut native = Command::new(python());
    let native = native.args(["-c", &format!("import socket, os, sys\n{program}")]).output().unwrap();
    let ran = Shim::by(own_socket(), server.address).python(server.address, program);
    assert_eq!(ran.out, String::from_utf8_lossy(&native.stdout), "{}", ran.log);
    assert!(ran.out.contains(&format!("\n{}\n", libc::EMFILE)), "{}", ran.out);
}

/// A sandbox: nothing of the pod's network is to be had in it, whoever makes the sockets.
#[test]
fn a_program_in_a_network_of_its_own_stays_in_it() {
    let server = Server::new();
    let program =
        format!("import socket; print(socket.socket().connect_ex(('127.0.0.1', {})))", server.address.port());
    for way in WAYS {
        let sandbox = ["unshare", "--user", "--map-root-user", "--net", python(), "-c", &program];
        for shim in [Shim::by(way, server.address), Shim::new().option("--require", way.mode)] {
            let ran = shim.run(&sandbox);
            // Loopback is down there.
            let unreachable = [libc::ENETUNREACH, libc::EADDRNOTAVAIL].map(|errno| format!("{errno}\n"));
            assert!(unreachable.contains(&ran.out), "{way:?}: {} {}", ran.out, ran.log);
        }
    }
    assert!(server.more().is_empty());
}

/// A socket from outside is not known in own-socket mode; where it is, the token is about who connects it.
#[test]
fn a_socket_that_was_received_carries_a_token_of_its_receiver_or_none() {
    for way in WAYS {
        let (server, scratch) = (Server::new(), Scratch::new());
        let path = scratch.path().join("socket");
        let giver = UnixListener::bind(&path).unwrap();
        let giving = std::thread::spawn(move || {
            let (stream, _) = giver.accept().unwrap();
            let socket =
                rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None)
                    .unwrap();
            let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
            let given = [socket.as_fd()];
            assert!(control.push(rustix::net::SendAncillaryMessage::ScmRights(&given)));
            let bytes = [std::io::IoSlice::new(b"x")];
            rustix::net::sendmsg(stream, &bytes, &mut control, rustix::net::SendFlags::empty()).unwrap();
        });
        let program = format!(
            "u = socket.socket(socket.AF_UNIX); u.connect({path:?})
c = socket.socket(fileno=socket.recv_fds(u, 1, 1)[1][0])
c.connect((HOST, PORT)); c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); print(c.recv(8))"
        );
        let ran = Shim::by(way, server.address).python(server.address, &program);
        giving.join().unwrap();
        assert_eq!(ran.out, "b'HTTP/1.1'\n", "{way:?}: {}", ran.log);
        let seen = server.next();
        match way.mode {
            "own-socket" => assert_eq!(seen.bytes, b"GET / HTTP/1.1\r\n\r\n"),
            _ => assert_eq!(seen.claims().exe, Digest::of(&std::fs::read(python()).unwrap())),
        }
    }
}

/// What the runtime of a container permits, as whom it is started: another program in front of the shim.
fn run_in(docker: Option<(&Docker, User)>, shim: Shim, program: &[&str]) -> (Option<i32>, String) {
    let (shim, _scratch) = shim.command(program);
    // Where uid 1000 may go too.
    let place = Scratch::new();
    let copy = place.path().join("procgate-shim");
    std::fs::copy(shim.get_program(), &copy).unwrap();
    let mut command =
        docker.map_or_else(|| Command::new(&copy), |(docker, user)| docker.command(user, &copy));
    let output = command.args(shim.get_args()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_mode_is_what_the_runtime_permits_or_the_shim_does_not_start() {
    let scratch = Scratch::new();
    let docker = Docker::new(&scratch);
    let (server, mark) = (Server::new(), scratch.path().join("started"));
    let source = include_str!("request.c").replace("PORT", &server.address.port().to_string());
    let request = scratch.compile("request", &source, &[]);
    let mut runtimes = vec![(None, "mode pidfd")];
    runtimes.extend(User::possible().iter().map(|user| (Some((&docker, *user)), "mode own-socket")));
    for carrier in ["header", "proxy-v2"] {
        for (runtime, mode) in &runtimes {
            let shim = Shim::capturing(server.address).option("--carrier", carrier);
            let drops = rustix::process::getuid().is_root() && !matches!(runtime, Some((_, User::Nobody)));
            let shim = if drops { shim.option("--user", "65534:65534") } else { shim };
            let (code, log) = run_in(*runtime, shim, &[request.to_str().unwrap()]);
            assert_eq!(code, Some(0), "{carrier} {runtime:?}: {log}");
            assert!(log.contains(mode), "{carrier} {runtime:?}: {log}");
            assert_eq!(server.next().claims().exe, Digest::of(&std::fs::read(&request).unwrap()));
        }
    }
    let touch = ["touch", mark.to_str().unwrap()];
    for user in User::possible() {
        let (code, log) = run_in(Some((&docker, *user)), Shim::new().option("--require", "pidfd"), &touch);
        assert_eq!(code, Some(125), "{log}");
        assert!(log.contains("pidfd_getfd: Operation not permitted"), "{log}");
        assert!(!mark.exists());
    }
}
