//! Connections and what they carry.

use crate::stage::{PATIENCE, SUBJECT, Server, Shim, WAYS, Way, python};
use procgate_identity::Digest;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Sends a request on the socket `c` and prints the answer.
const REQUEST: &str = "
def request(c):
    c.sendall(b'GET /a HTTP/1.1\\r\\nhost: b\\r\\n\\r\\n')
    print(c.recv(99)[:15].decode(), flush=True)
";

#[test]
fn a_connection_carries_a_token_for_itself_and_its_program() {
    for way in WAYS {
        let server = Server::new();
        let ran = Shim::by(way, server.address)
            .option("--label", "segment=pci")
            .python(server.address, &format!("{REQUEST}request(socket.create_connection((HOST, PORT)))"));
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), "HTTP/1.1 200 OK\n"), "{way:?}: {}", ran.log);
        let claims = server.next().claims();
        assert_eq!(claims.exe, Digest::of(&std::fs::read(python()).unwrap()));
        assert_eq!(claims.subject.as_str(), SUBJECT);
        assert_eq!(claims.labels.get("segment"), Some("pci"));
        assert_eq!((claims.code, claims.stray, claims.script), (None, None, None));
    }
}

#[test]
fn exempt_destinations_get_the_bytes_as_they_are() {
    for Way { carrier, mode } in WAYS {
        let server = Server::new();
        let ran = Shim::new()
            .option("--carrier", carrier)
            .option("--require", mode)
            .python(server.address, &format!("{REQUEST}request(socket.create_connection((HOST, PORT)))"));
        assert_eq!(ran.code, Some(0), "{}", ran.log);
        assert_eq!(server.next().bytes, b"GET /a HTTP/1.1\r\nhost: b\r\n\r\n");
    }
}

#[test]
fn each_way_to_open_a_socket_carries_a_token() {
    let ways = [
        // Non-blocking, with an event loop.
        "import asyncio
async def main():
    reader, writer = await asyncio.open_connection(HOST, PORT)
    writer.write(b'GET / HTTP/1.1\\r\\n\\r\\n')
    await reader.read(9)
asyncio.run(main())",
        // With a timeout, which is non-blocking too.
        "request(socket.create_connection((HOST, PORT), timeout=5))",
        // From a source address and port of the program's own.
        "c = socket.socket(); c.bind(('127.0.0.1', 0)); c.connect((HOST, PORT)); request(c)",
        "c = socket.socket(); c.bind(('', 0)); c.connect((HOST, PORT)); request(c)",
        // Asking for the port at connect only.
        "c = socket.socket(); c.setsockopt(0, 24, 1); c.bind(('127.0.0.1', 0)); c.connect((HOST, PORT)); request(c)",
        // As IPv4 through an IPv6 socket.
        "c = socket.socket(socket.AF_INET6); c.connect(('::ffff:' + HOST, PORT)); request(c)",
        // On a descriptor that was another file before, and moves on afterwards.
        "c = socket.socket(); f = os.open('/dev/null', 0); os.dup2(c.fileno(), f); d = socket.socket(fileno=f); c.close(); d.connect((HOST, PORT)); request(socket.socket(fileno=os.dup(f)))",
        // In a thread, and in a child that uses its parent's connection.
        "import threading; t = threading.Thread(target=lambda: request(socket.create_connection((HOST, PORT)))); t.start(); t.join()",
        "c = socket.create_connection((HOST, PORT))
if os.fork() == 0: request(c); os._exit(0)
os.wait()",
        // As MPTCP, where the kernel has it.
        "c = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262 if os.path.exists('/proc/sys/net/mptcp') else 0); c.connect((HOST, PORT)); request(c)",
        // In a child that was never registered.
        "if os.fork() == 0: request(socket.create_connection((HOST, PORT))); os._exit(0)
os.wait()",
    ];
    let server = Server::new();
    for (by, way) in WAYS.into_iter().flat_map(|by| ways.map(|way| (by, way))) {
        let ran = Shim::by(by, server.address).python(server.address, &format!("{REQUEST}{way}"));
        assert_eq!(ran.code, Some(0), "{by:?} {way}: {}", ran.log);
        server.next().claims();
    }
    assert!(server.more().is_empty());
}

#[test]
fn ipv6_connections_carry_a_token() {
    let server = Server::on("[::1]:0");
    for (way, only) in WAYS.into_iter().flat_map(|way| [(way, 0), (way, 1)]) {
        let program = format!(
            "{REQUEST}c = socket.socket(socket.AF_INET6); c.setsockopt(41, 26, {only}); c.connect((HOST, PORT)); request(c)"
        );
        let ran = Shim::by(way, server.address).python(server.address, &program);
        assert_eq!(ran.code, Some(0), "{way:?}: {}", ran.log);
        server.next().claims();
    }
}

#[test]
fn connecting_twice_is_an_error_as_without_the_shim() {
    let server = Server::new();
    let program = "c = socket.create_connection((HOST, PORT))
try: c.connect((HOST, PORT))
except OSError as error: print(error.errno)";
    for way in WAYS {
        let ran = Shim::by(way, server.address).python(server.address, program);
        assert_eq!(ran.out, format!("{}\n", libc::EISCONN), "{way:?}: {}", ran.log);
    }
}

#[test]
fn what_does_not_fit_a_socket_is_refused_as_without_the_shim() {
    let server = Server::new();
    let program = "import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
def connect(c, address):
    result = libc.connect(c.fileno(), address, len(address))
    print(ctypes.get_errno() if result else 0)
port = struct.pack('!H', PORT)
four = struct.pack('=H', 2) + port + bytes([127, 0, 0, 1]) + bytes(8)
mapped = struct.pack('=H', 10) + port + bytes(14) + b'\\xff\\xff' + bytes([127, 0, 0, 1]) + bytes(4)
connect(socket.socket(), mapped)
connect(socket.socket(), four[:8])
c = socket.socket(socket.AF_INET6); c.setsockopt(41, 26, 1)
connect(c, mapped)";
    let wanted = [libc::EAFNOSUPPORT, libc::EINVAL, libc::ENETUNREACH].map(|errno| format!("{errno}\n"));
    for way in WAYS {
        let ran = Shim::by(way, server.address).python(server.address, program);
        assert_eq!(ran.out, wanted.concat(), "{way:?}: {}", ran.log);
    }
}

#[test]
fn a_server_that_speaks_first_is_heard_at_once() {
    let server = Server::with("127.0.0.1:0", |stream| {
        stream.write_all(b"220 ready\r\n").unwrap();
        let mut bytes = [0; 64];
        let length = stream.read(&mut bytes).unwrap();
        bytes[..length].to_vec()
    });
    let program = "c = socket.create_connection((HOST, PORT), timeout=5)
print(c.recv(99)); c.sendall(b'EHLO there\\r\\n')";
    let started = Instant::now();
    let ran = Shim::capturing(server.address).python(server.address, program);
    assert_eq!(ran.out, "b'220 ready\\r\\n'\n", "{}", ran.log);
    assert_eq!(server.next().bytes, b"EHLO there\r\n");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn an_end_in_one_direction_leaves_the_other_open() {
    let server = Server::with("127.0.0.1:0", |stream| {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        stream.write_all(b"all read").unwrap();
        bytes
    });
    let program = "c = socket.create_connection((HOST, PORT), timeout=5)
c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n' + bytes(1 << 20)); c.shutdown(socket.SHUT_WR); print(c.recv(99))";
    let ran = Shim::capturing(server.address).python(server.address, program);
    assert_eq!(ran.out, "b'all read'\n", "{}", ran.log);
    assert!(server.next().bytes.len() > 1 << 20);
}

#[test]
fn what_a_program_sent_arrives_although_it_ends_at_once() {
    for _ in 0..5 {
        let server = Server::with("127.0.0.1:0", |stream| {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            bytes
        });
        let program = "c = socket.create_connection((HOST, PORT))
c.sendall(b'POST / HTTP/1.1\\r\\n\\r\\n' + bytes(200000)); os._exit(0)";
        Shim::capturing(server.address).python(server.address, program);
        assert!(server.next().bytes.len() > 200_000);
    }
}

#[test]
fn a_refused_destination_is_a_reset_at_once() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let program = "try: socket.create_connection((HOST, PORT), timeout=5).recv(1)
except OSError as error: print(error.errno)";
    let started = Instant::now();
    let ran = Shim::capturing(nobody).python(nobody, program);
    assert_eq!(ran.out, format!("{}\n", libc::ECONNRESET), "{}", ran.log);
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_program_s_own_timeout_holds_where_nobody_answers() {
    let full = socket_with_a_full_backlog();
    let program = "import time
start = time.monotonic()
c = socket.create_connection((HOST, PORT), timeout=0.5)
try: c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); c.recv(1)
except TimeoutError: print(time.monotonic() - start < 2)";
    let started = Instant::now();
    let ran = Shim::capturing(full.0).python(full.0, program);
    assert_eq!(ran.out, "True\n", "{}", ran.log);
    assert!(started.elapsed() < Duration::from_secs(5), "the shim stays no longer than that");
}

fn socket_with_a_full_backlog() -> (SocketAddr, impl Sized) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&listener, &"127.0.0.1:0".parse::<SocketAddr>().unwrap()).unwrap();
    listen(&listener, 0).unwrap();
    let address = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
    let fill: Vec<_> =
        (0..2).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(200))).collect();
    (address, (listener, fill))
}

#[test]
fn a_stranger_to_the_forwarder_is_reset() {
    let server = Server::new();
    let (mut command, _scratch) = Shim::capturing(server.address).command(&["sleep", "2"]);
    let mut shim = command.spawn().unwrap();
    let mut log = String::new();
    let mut errors = shim.stderr.take().unwrap();
    let mut byte = [0];
    while !log.contains("forwarder on port ") || !log.ends_with('\n') {
        assert_eq!(errors.read(&mut byte).unwrap(), 1);
        log.push(char::from(byte[0]));
    }
    let port = log.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
    let mut stranger = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stranger.set_read_timeout(Some(PATIENCE)).unwrap();
    let error = stranger.read(&mut [0]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
    shim.kill().unwrap();
    shim.wait().unwrap();
    assert!(server.more().is_empty());
}

/// A closed connection keeps its port for a minute, so that one loopback address is soon used up.
#[test]
fn each_connection_has_a_loopback_address_of_its_own() {
    let server = Server::new();
    let program = "print(len({socket.create_connection((HOST, PORT)).getsockname()[0] for _ in range(20)}))";
    let ran = Shim::capturing(server.address).python(server.address, program);
    assert_eq!(ran.out, "20\n", "{}", ran.log);
}
