//! Programs that ask for their token and put it in themselves.

use crate::stage::{Scratch, Server, Shim, WAYS, Way, claims, python};
use crate::tls::{TlsServer, authority};
use procgate_identity::Digest;
use std::fs;
use std::path::Path;

/// Asks for the token of the connection `c`, or of the addresses given.
const ASK: &str = "
def name(a): return '%s:%d' % a[:2]
def ask(source, destination):
    desk = socket.socket(socket.AF_UNIX)
    try: desk.connect('/procgate/%s/%s' % (source, destination))
    except OSError as error: return error.errno
    return desk.recv(9999).decode()
c = socket.create_connection((HOST, PORT))
";

fn shim() -> Shim {
    Shim::new().option("--token-socket", "/procgate")
}

fn digest(program: impl AsRef<Path>) -> Digest {
    Digest::of(&fs::read(program).unwrap())
}

#[test]
fn the_examples_carry_their_own_token_as_they_stand() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/own-token");
    let scratch = Scratch::new();
    let authority = authority(&scratch);
    let server = TlsServer::new(&["payments"], &["h2", "http/1.1"]);
    let port = server.address.port().to_string();
    let programs = [vec![python(), "client.py"], vec!["node", "client.mjs"]];
    for (program, Way { mode, carrier }) in programs.iter().flat_map(|p| WAYS.map(|way| (p, way))) {
        let mut words: Vec<_> = program.iter().map(|word| (*word).to_owned()).collect();
        words[1] = examples.join(&words[1]).to_str().unwrap().to_owned();
        words.extend(["127.0.0.1", &port, "payments", authority.to_str().unwrap()].map(str::to_owned));
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let ran = shim().option("--carrier", carrier).option("--require", mode).run(&words);
        assert_eq!(ran.out, "http/1.1 HTTP/1.1 200 OK\n", "{program:?}: {}", ran.log);
        let offer = server.next();
        assert_eq!(offer.protocols(), ["http/1.1"]);
        assert!(offer.claims().name.contains(if program[0] == "node" { "node" } else { "python" }));
    }
}

#[test]
fn the_command_is_named_as_what_it_is() {
    let server = Server::with("127.0.0.1:0", |_| vec![]);
    let command = env!("CARGO_BIN_EXE_procgate-shim");
    let address = server.address.to_string();
    let words = [command, "token", "--dst", &address, "--token-socket", "/procgate"];
    let ran = shim().run(&words);
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    let claims = claims(ran.out.trim().as_bytes(), server.next().peer, server.address);
    assert_eq!(claims.exe, digest(command));
    // Without a shim nobody answers.
    let ran = Shim::new().run(&words);
    assert_eq!((ran.code, ran.out.as_str()), (Some(125), ""));
    assert!(
        ran.log.contains("start this command under procgate-shim run --token-socket /procgate"),
        "{}",
        ran.log
    );
}

/// The token names who asks, whoever connected before and whatever its process was.
#[test]
fn a_connection_that_another_program_left_is_named_by_who_asks() {
    let (server, scratch) = (Server::with("127.0.0.1:0", |_| vec![]), Scratch::new());
    let other = scratch.path().join("other");
    fs::copy(python(), &other).unwrap();
    let program = format!(
        "{ASK}
c.set_inheritable(True)
again = 'import socket, os, sys; HOST, PORT = %r, %r' % (HOST, PORT) + {ASK:?}.rsplit('c =', 1)[0] + '''
c = socket.socket(fileno=%d); print(ask(name(c.getsockname()), name(c.getpeername())))''' % c.fileno()
os.environ['PYTHONHOME'] = sys.base_prefix
os.execv({other:?}, ['other', '-c', again])"
    );
    let ran = shim().python(server.address, &program);
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    let claims = claims(ran.out.trim().as_bytes(), server.next().peer, server.address);
    assert_eq!(claims.name, other.to_str().unwrap());
}

#[test]
fn nobody_gets_a_token_for_a_connection_that_is_not_its_own() {
    let server = Server::with("127.0.0.1:0", |_| vec![]);
    let foreign = std::net::TcpStream::connect(server.address).unwrap();
    let program = format!(
        "{ASK}
source, destination = name(c.getsockname()), name(c.getpeername())
# Of the test itself, outside the shim.
print(ask({:?}, destination))
# Of its parent.
if os.fork() == 0: c.close(); print(ask(source, destination), flush=True); os._exit(0)
os.wait()
# The other end, another destination, none.
print(ask(destination, source), ask(source, '127.0.0.1:1'), ask('127.0.0.1:1', destination))
# Not connected yet.
b = socket.socket(); b.bind((HOST, 0)); print(ask(name(b.getsockname()), destination))
print(len(ask(source, destination).split('.')))",
        foreign.local_addr().unwrap().to_string()
    );
    let ran = shim().python(server.address, &program);
    let none = libc::ENOTCONN;
    assert_eq!(ran.out, format!("{none}\n{none}\n{none} {none} {none}\n{none}\n3\n"), "{}", ran.log);
    assert!(ran.log.contains("connect first, then ask"), "{}", ran.log);
}

#[test]
fn a_question_that_cannot_be_answered_is_an_error_with_its_reason() {
    let (server, captured) = (Server::with("127.0.0.1:0", |_| vec![]), Server::new());
    let program = format!(
        "{ASK}
print(ask('', ''), ask('a:1', 'b:2'), ask('127.0.0.1:1', {:?}))
# No socket at all, and no address.
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
path = struct.pack('=H', 1) + ('/procgate/%s/%s' % (name(c.getsockname()), name(c.getpeername()))).encode()
r, w = os.pipe()
for f, a in ((r, path), (-1, path), (c.fileno(), path[:1])): print(libc.connect(f, a, len(a)), ctypes.get_errno())",
        captured.address.to_string()
    );
    let ran = shim().option("--capture", &captured.address.to_string()).python(server.address, &program);
    let (wrong, exists) = (libc::EINVAL, libc::EEXIST);
    let rest = [libc::ENOTSOCK, libc::ENOTSOCK, libc::EINVAL].map(|errno| format!("-1 {errno}\n")).concat();
    assert_eq!(ran.out, format!("{wrong} {wrong} {exists}\n{rest}"), "{}", ran.log);
    assert!(ran.log.contains("get one from the shim: exempt it"), "{}", ran.log);
}

#[test]
fn an_event_loop_can_ask_and_a_hundred_threads_too() {
    let server = Server::with("127.0.0.1:0", |stream| {
        let _ = std::io::Read::read(stream, &mut [0]);
        vec![]
    });
    let program = format!(
        "{ASK}
import asyncio, fcntl, threading
path = '/procgate/%s/%s' % (name(c.getsockname()), name(c.getpeername()))
async def main():
    reader, writer = await asyncio.open_unix_connection(path)
    print(len((await reader.read()).split(b'.')), fcntl.fcntl(writer.get_extra_info('socket'), fcntl.F_GETFD))
asyncio.run(main())
tokens = []
def one():
    d = socket.create_connection((HOST, PORT)); tokens.append(ask(name(d.getsockname()), name(d.getpeername())))
threads = [threading.Thread(target=one) for _ in range(100)]
for t in threads: t.start()
for t in threads: t.join()
print(len(set(tokens)), {{token.count('.') for token in tokens}})"
    );
    let ran = shim().python(server.address, &program);
    assert_eq!(ran.out, "3 1\n100 {2}\n", "{}", ran.log);
}

#[test]
fn a_path_that_leaves_no_room_for_addresses_is_125() {
    let ran = Shim::new().option("--token-socket", "/run/procgate/token").run(&["echo", "started"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(125), ""), "{}", ran.log);
    assert!(ran.log.contains("such as /procgate"), "{}", ran.log);
}
