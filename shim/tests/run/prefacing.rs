//! Connections whose token goes ahead of the program's bytes: what the program sees of it.

use crate::keeping::in_a_network_of_its_own;
use crate::stage::{PREFACES, Scratch, Server, Shim, WAYS};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// A free port where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A listener that answers nobody: its queue is full.
pub(crate) fn black_hole() -> (SocketAddr, impl Sized) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&listener, &"127.0.0.1:0".parse::<SocketAddr>().unwrap()).unwrap();
    listen(&listener, 0).unwrap();
    let address = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
    let patience = std::time::Duration::from_millis(200);
    let fill: Vec<_> = (0..2).map(|_| TcpStream::connect_timeout(&address, patience)).collect();
    (address, (listener, fill))
}

#[test]
fn a_refused_port_refuses_and_the_same_socket_may_try_again() {
    for way in PREFACES {
        let (server, address) = (Server::new(), nobody());
        let program = format!(
            "c = socket.socket()
for port in ({closed}, {closed}):
    try: c.connect((HOST, port))
    except OSError as error: print(error.errno)
c.connect((HOST, PORT)); c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); print(c.recv(8))",
            closed = address.port()
        );
        let shim = Shim::by(way, server.address).option("--capture", &address.to_string());
        let ran = shim.python(server.address, &program);
        let refused = libc::ECONNREFUSED;
        assert_eq!(ran.out, format!("{refused}\n{refused}\nb'HTTP/1.1'\n"), "{way:?}: {}", ran.log);
        server.next().claims();
    }
}

#[test]
fn a_non_blocking_connect_is_in_progress_and_then_there_or_refused() {
    for way in PREFACES {
        let (server, address) = (Server::new(), nobody());
        let program = format!(
            "import select
for port in ({closed}, PORT):
    c = socket.socket(); c.setblocking(False)
    # Registered before it connects, and told of edges only.
    poll = select.epoll(); poll.register(c, select.EPOLLOUT | select.EPOLLIN | select.EPOLLET); poll.poll(0)
    print(c.connect_ex((HOST, port)))
    while not poll.poll(5)[0][1] & select.EPOLLOUT: pass
    print(c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
c.setblocking(True)
print(c.connect_ex((HOST, PORT)), c.connect_ex((HOST, PORT)))
c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); print(c.recv(8))",
            closed = address.port()
        );
        let shim = Shim::by(way, server.address).option("--capture", &address.to_string());
        let ran = shim.python(server.address, &program);
        let (pending, refused, there) = (libc::EINPROGRESS, libc::ECONNREFUSED, libc::EISCONN);
        let wanted = format!("{pending}\n{refused}\n{pending}\n0\n0 {there}\nb'HTTP/1.1'\n");
        assert_eq!(ran.out, wanted, "{way:?}: {}", ran.log);
        server.next().claims();
    }
}

#[test]
fn timeouts_and_signals_are_the_program_s_own_where_nobody_answers() {
    let (address, _full) = black_hole();
    let program = "import signal, time
def timed(what, action):
    start = time.monotonic()
    try: action()
    except Exception as error: print(what, type(error).__name__, round(time.monotonic() - start))
def ring(*_): raise InterruptedError
def alarmed():
    signal.signal(signal.SIGALRM, ring); signal.alarm(1); socket.socket().connect((HOST, PORT))
def patient():
    c = socket.socket(); c.settimeout(1); c.connect((HOST, PORT))
timed('alarm', alarmed)
timed('timeout', patient)
start = time.monotonic(); code = os.spawnlp(os.P_WAIT, 'curl', 'curl', '-sm', '2', f'http://{HOST}:{PORT}/')
print('curl', code, round(time.monotonic() - start))";
    for way in PREFACES {
        let ran = Shim::by(way, address).python(address, program);
        let wanted = "alarm InterruptedError 1\ntimeout TimeoutError 1\ncurl 28 2\n";
        assert_eq!(ran.out, wanted, "{way:?}: {}", ran.log);
    }
}

#[test]
fn callers_that_wait_for_nobody_keep_nobody_else_waiting() {
    let (address, _full) = black_hole();
    for way in PREFACES {
        let server = Server::new();
        let program = format!(
            "import threading, time
for _ in range(20): threading.Thread(target=lambda: socket.socket().connect((HOST, {})), daemon=True).start()
time.sleep(0.3); start = time.monotonic()
for _ in range(20): socket.create_connection((HOST, PORT)).close()
print(time.monotonic() - start < 1, flush=True); os._exit(0)",
            address.port()
        );
        let shim = Shim::by(way, server.address).option("--capture", &address.to_string());
        let ran = shim.python(server.address, &program);
        assert_eq!(ran.out, "True\n", "{way:?}: {}", ran.log);
    }
}

#[test]
fn a_server_that_speaks_first_is_heard_and_what_follows_the_preface_is_the_program_s_own() {
    for way in PREFACES {
        let server = Server::with("127.0.0.1:0", |stream| {
            stream.write_all(b"220 ready\r\n").unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let program = "c = socket.create_connection((HOST, PORT), timeout=5)
print(c.recv(99)); c.sendall(b'EHLO there\\r\\n')";
        let ran = Shim::by(way, server.address).python(server.address, program);
        assert_eq!(ran.out, "b'220 ready\\r\\n'\n", "{way:?}: {}", ran.log);
        let seen = server.next();
        seen.claims();
        assert_eq!(seen.payload(), b"EHLO there\r\n");
    }
}

#[test]
fn a_preface_that_fits_no_syn_arrives_whole_ahead_of_the_program_s_bytes() {
    for way in PREFACES {
        for blocking in ["True", "False"] {
            let server = Server::new();
            let program = format!(
                "import select
c = socket.socket(); c.setsockopt(6, 2, 200); c.setblocking({blocking}); c.connect_ex((HOST, PORT))
select.select([], [c], [], 5); c.setblocking(True)
c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); print(c.recv(8))"
            );
            let ran = Shim::by(way, server.address).python(server.address, &program);
            assert_eq!(ran.out, "b'HTTP/1.1'\n", "{way:?}: {}", ran.log);
            let seen = server.next();
            assert_eq!(seen.payload(), b"GET / HTTP/1.1\r\n\r\n");
            seen.claims();
        }
    }
}

#[test]
fn a_socket_that_goes_on_to_an_exempt_destination_connects_at_once() {
    let (exempt, address) = (Server::new(), nobody());
    for way in PREFACES {
        let program = format!(
            "c = socket.socket()
try: c.connect((HOST, {}))
except OSError as error: print(error.errno)
c.connect((HOST, PORT)); print(c.getpeername()[1] == PORT, c.getsockopt(6, 11, 1)[0])
c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); c.recv(8)",
            address.port()
        );
        let ran = Shim::by(way, address).python(exempt.address, &program);
        assert_eq!(ran.out, format!("{}\nTrue 1\n", libc::ECONNREFUSED), "{way:?}: {}", ran.log);
        assert_eq!(exempt.next().bytes, b"GET / HTTP/1.1\r\n\r\n");
    }
}

/// The shim uses both options of the socket itself: the program's own are as it has set them.
#[test]
fn a_program_s_own_cork_and_fast_open_stay_its_own() {
    let program = "c = socket.socket(); c.setsockopt(6, OPTION, 1); c.connect((HOST, PORT))
c.sendall(b'GET / HTTP/1.1\\r\\n'); print(c.getsockopt(6, OPTION)); c.sendall(b'\\r\\n')
if OPTION == 3: c.setsockopt(6, OPTION, 0)
print(c.recv(8))";
    for way in WAYS {
        for option in [libc::TCP_CORK, libc::TCP_FASTOPEN_CONNECT] {
            let server = Server::new();
            let program = format!("OPTION = {option}\n{program}");
            let ran = Shim::by(way, server.address).python(server.address, &program);
            assert_eq!(ran.out, "1\nb'HTTP/1.1'\n", "{way:?} {option}: {}", ran.log);
            let seen = server.next();
            assert!(!seen.claims().name.is_empty());
            assert!(seen.payload().starts_with(b"GET / HTTP/1.1\r\n"), "{way:?} {option}");
        }
    }
}

/// In a network of its own, where the setting is as on a machine that forbids it.
#[test]
fn without_fast_open_the_preface_is_sent_all_the_same_and_that_is_said_once() {
    let scratch = Scratch::new();
    let program = scratch.file(
        "program.py",
        "import socket, threading, time, select
server = socket.create_server(('127.0.0.1', 7), backlog=8)
got = []
def serve():
    while True:
        c, _ = server.accept(); data = c.recv(9999)
        while b'hello' not in data: data += c.recv(9999)
        got.append(data); c.sendall(b'ok')
threading.Thread(target=serve, daemon=True).start()
for blocking in (True, False):
    c = socket.socket(); c.setblocking(blocking); c.connect_ex(('127.0.0.1', 7))
    select.select([], [c], [], 5); c.setblocking(True)
    c.sendall(b'hello'); assert c.recv(9) == b'ok'
print([data.startswith(b'\\r\\n\\r\\n\\0\\r\\nQUIT\\n!') and data.endswith(b'hello') for data in got])
c = socket.socket()
try: c.connect(('127.0.0.1', 9))
except OSError as error: print(error.errno)
hole = socket.create_server(('127.0.0.1', 8), backlog=0); fill = socket.create_connection(('127.0.0.1', 8))
c = socket.socket(); c.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, (1).to_bytes(8, 'little') + bytes(8))
start = time.monotonic()
try: c.connect(('127.0.0.1', 8))
except OSError as error: print(error.errno, round(time.monotonic() - start))",
    );
    for way in PREFACES {
        let shim = Shim::by(way, "127.0.0.1:7".parse().unwrap())
            .option("--capture", "127.0.0.1:8")
            .option("--capture", "127.0.0.1:9");
        let (command, _scratch) = shim.command(&[crate::stage::python(), program.to_str().unwrap()]);
        let set_up = "echo 0 > /proc/sys/net/ipv4/tcp_fastopen &&";
        let output = in_a_network_of_its_own(set_up, &command).output().unwrap();
        let (out, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let wanted = format!("[True, True]\n{}\n{} 1\n", libc::ECONNREFUSED, libc::EINPROGRESS);
        assert_eq!(out, wanted, "{way:?}: {log}");
        assert_eq!(log.matches("tcp_fastopen does not let").count(), 1, "{log}");
    }
}

/// How often each thread of the shim was switched to: none can have made a system call in between.
fn activity(shim: u32) -> Vec<String> {
    let mut counts = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{shim}/task")).unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        counts.extend(status.lines().filter(|line| line.contains("ctxt_switches")).map(str::to_owned));
    }
    counts
}

/// The same once all that a new connection costs has been paid: two seconds without a switch, in which the
/// shim would look twice for sockets that nobody has any more.
fn settled(shim: u32) -> Vec<String> {
    let mut counts = std::iter::repeat_with(|| {
        std::thread::sleep(std::time::Duration::from_secs(2));
        activity(shim)
    });
    let mut before = activity(shim);
    let rests = counts.by_ref().take(30).find(|now| std::mem::replace(&mut before, now.clone()) == *now);
    rests.expect("the shim does not come to rest")
}

#[test]
fn a_gigabyte_goes_by_without_the_shim() {
    const SIZE: u64 = 1 << 30;
    for way in PREFACES {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let program = format!(
            "import socket
c = socket.create_connection(('127.0.0.1', {})); c.recv(1); block = bytes(1 << 20)
for _ in range(1 << 10): c.sendall(block)
c.recv(1)",
            address.port()
        );
        let (mut command, _scratch) =
            Shim::by(way, address).command(&[crate::stage::python(), "-c", &program]);
        let mut shim = command.spawn().unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let before = settled(shim.id());
        stream.write_all(b"!").unwrap();
        let (mut buffer, mut received) = (vec![0; 1 << 20], 0);
        while received < SIZE {
            received += u64::try_from(stream.read(&mut buffer).unwrap()).unwrap();
        }
        // Only now may the program end, which the shim has to see to.
        assert_eq!(activity(shim.id()), before, "{way:?}");
        drop(stream);
        shim.wait().unwrap();
    }
}
