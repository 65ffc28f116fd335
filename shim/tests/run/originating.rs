//! TLS that the shim originates: what the server is offered, what the program sees, and what is refused.

use crate::prefacing::black_hole;
use crate::stage::{Ran, SUBJECT, Scratch, Shim, python};
use crate::tls::{TlsServer, authority, config, read_head};
use procgate_identity::Digest;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use tokio_rustls::rustls::{AlertDescription, Error};

/// Sends a request for the host `payments` on the socket `c` and prints the answer's beginning.
const REQUEST: &str = "
c = socket.create_connection((HOST, PORT), timeout=9)
try: c.sendall(b'GET /a HTTP/1.1\\r\\nhost: payments:8443\\r\\n\\r\\n'); print(c.recv(99)[:15].decode())
except OSError as error: print(error.errno)
";

/// A shim that originates TLS towards these addresses and trusts the tests' authority.
fn shim(addresses: &[SocketAddr]) -> (Shim, Scratch) {
    let scratch = Scratch::new();
    let authority = authority(&scratch);
    let shim = Shim::new().option("--carrier", "alpn").option("--tls-ca", authority.to_str().unwrap());
    let capture = |shim: Shim, address: &SocketAddr| shim.option("--capture", &address.to_string());
    (addresses.iter().fold(shim, capture), scratch)
}

/// Python's request to this address, under a shim with these options.
fn request(address: SocketAddr, options: &[[&str; 2]]) -> Ran {
    let (shim, _scratch) = shim(&[address]);
    let shim = options.iter().fold(shim, |shim, [name, value]| shim.option(name, value));
    shim.python(address, REQUEST)
}

#[test]
fn a_plaintext_request_arrives_over_tls_with_the_token_after_the_real_protocol() {
    for mode in ["pidfd", "own-socket"] {
        let server = TlsServer::new(&["payments"], &["h2", "http/1.1"]);
        let ran = request(server.address, &[["--require", mode], ["--label", "segment=pci"]]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), "HTTP/1.1 200 OK\n"), "{}", ran.log);
        let offer = server.next();
        assert_eq!(offer.protocols(), ["http/1.1"]);
        assert_eq!(offer.server_name.as_deref(), Some("payments"));
        assert_eq!(offer.payload(), b"GET /a HTTP/1.1\r\nhost: payments:8443\r\n\r\n");
        let claims = offer.claims();
        assert_eq!(claims.exe, Digest::of(&fs::read(python()).unwrap()));
        assert_eq!((claims.subject.as_str(), claims.labels.get("segment")), (SUBJECT, Some("pci")));
    }
}

#[test]
fn curl_and_node_speak_plaintext_and_the_server_tls() {
    let server = TlsServer::new(&["localhost"], &["http/1.1"]);
    let url = format!("http://localhost:{}/b", server.address.port());
    let fetch = format!("fetch('{url}').then(answer => answer.text()).then(console.log)");
    for program in [&["curl", "-4sS", "--noproxy", "*", &url][..], &["node", "-e", &fetch]] {
        let (shim, _scratch) = shim(&[server.address]);
        let ran = shim.run(program);
        assert_eq!(ran.out.trim_end(), "ok", "{}", ran.log);
        let offer = server.next();
        assert_eq!(offer.server_name.as_deref(), Some("localhost"));
        offer.claims();
    }
}

#[test]
fn http2_with_prior_knowledge_is_offered_as_h2_and_no_server_gets_it_unasked() {
    let program = "c = socket.create_connection((HOST, PORT), timeout=9)
c.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n' + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
try: print(c.recv(9))
except OSError as error: print(error.errno)";
    for (protocols, out) in [(&["h2", "http/1.1"][..], "b'frames'\n"), (&[], "104\n")] {
        let server = TlsServer::with(config(&["payments"], protocols), |stream| {
            let mut bytes = [0; 33];
            let read = stream.read_exact(&mut bytes).is_ok();
            let _ = stream.write_all(b"frames");
            if read { bytes.to_vec() } else { vec![] }
        });
        let (shim, _scratch) = shim(&[server.address]);
        let ran = shim.option("--server-name", "payments").python(server.address, program);
        assert_eq!(ran.out, out, "{}", ran.log);
        let offer = server.next();
        assert_eq!(offer.protocols(), ["h2"]);
        assert_eq!(ran.log.contains("the server does not speak h2"), protocols.is_empty(), "{}", ran.log);
        assert_eq!(offer.payload().starts_with(b"PRI"), !protocols.is_empty());
    }
}

/// A real client's first request: its host is compressed.
#[test]
fn the_first_http2_request_says_for_which_host_it_is() {
    let server = TlsServer::with(config(&["localhost"], &["h2"]), |stream| {
        let mut bytes = [0; 24];
        stream.read_exact(&mut bytes).unwrap();
        bytes.to_vec()
    });
    let url = format!("http://localhost:{}/", server.address.port());
    let node = format!(
        "require('http2').connect('{url}').on('error', () => {{}}).request({{':path': '/'}}).on('error', () => {{}})"
    );
    let curl = ["curl", "-4sS", "--noproxy", "*", "--http2-prior-knowledge", &url];
    for program in [&curl[..], &["node", "-e", &node]] {
        let (shim, _scratch) = shim(&[server.address]);
        let ran = shim.run(program);
        let offer = server.next();
        assert_eq!(offer.server_name.as_deref(), Some("localhost"), "{}", ran.log);
        assert_eq!(
            (offer.protocols(), offer.payload()),
            (vec!["h2".into()], &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..])
        );
        offer.claims();
    }
}

#[test]
fn a_server_without_protocols_is_spoken_to_all_the_same() {
    let server = TlsServer::new(&["payments"], &[]);
    assert_eq!(request(server.address, &[]).out, "HTTP/1.1 200 OK\n");
    server.next().claims();
}

#[test]
fn a_server_that_proves_no_such_name_is_refused_before_it_gets_a_byte() {
    let other = TlsServer::new(&["elsewhere"], &[]);
    let reset = format!("{}\n", libc::ECONNRESET);
    let refused = |ran: Ran, why: &str| {
        assert_eq!(ran.out, reset, "{}", ran.log);
        assert_eq!(ran.log.matches(why).count(), 1, "{}", ran.log);
    };
    refused(
        request(other.address, &[]),
        "as payments: invalid peer certificate: certificate not valid for name",
    );
    assert_eq!(other.next().read, Err(Error::AlertReceived(AlertDescription::BadCertificate)));
    let server = TlsServer::new(&["payments"], &[]);
    refused(
        request(server.address, &[["--server-name", "elsewhere"]]),
        "give the name that its certificate is for",
    );
    assert!(server.next().read.is_err());
    // Signed by an authority that the system does not know.
    let untrusting = Shim::new().option("--carrier", "alpn");
    let ran = untrusting.option("--capture", &server.address.to_string()).python(server.address, REQUEST);
    refused(ran, "UnknownIssuer: give the authority that signed its certificate as --tls-ca");
    assert!(server.next().read.is_err());
}

#[test]
fn a_server_that_speaks_nothing_that_is_offered_says_so() {
    let server = TlsServer::new(&["payments"], &["postgresql"]);
    let ran = request(server.address, &[]);
    assert_eq!(ran.out, format!("{}\n", libc::ECONNRESET));
    assert!(ran.log.contains("NoApplicationProtocol: give what it speaks as --protocol"), "{}", ran.log);
    let ran = request(server.address, &[["--protocol", "postgresql"], ["--server-name", "payments"]]);
    assert_eq!(ran.out, "HTTP/1.1 200 OK\n", "{}", ran.log);
}

#[test]
fn a_server_that_speaks_first_is_heard_under_the_name_on_the_command_line() {
    let server = TlsServer::with(config(&["mail.example"], &[]), |stream| {
        stream.write_all(b"220 ready\r\n").unwrap();
        let mut bytes = [0; 64];
        let length = stream.read(&mut bytes).unwrap();
        bytes[..length].to_vec()
    });
    let program = "c = socket.create_connection((HOST, PORT), timeout=9)
print(c.recv(99)); c.sendall(b'EHLO there\\r\\n'); c.recv(9)";
    let (shim, _scratch) = shim(&[server.address]);
    let started = Instant::now();
    let ran = shim
        .option("--protocol", &format!("{}=none", server.address))
        .option("--server-name", &format!("{}=mail.example,other.example", server.address))
        .python(server.address, program);
    assert_eq!(ran.out, "b'220 ready\\r\\n'\n", "{}", ran.log);
    let offer = server.next();
    assert_eq!((offer.server_name.as_deref(), offer.protocols()), (Some("mail.example"), vec![]));
    assert_eq!(offer.payload(), b"EHLO there\r\n");
    offer.claims();
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn without_a_name_the_server_proves_its_address() {
    let server = TlsServer::new(&["127.0.0.1"], &[]);
    let program = "c = socket.create_connection((HOST, PORT), timeout=9); c.sendall(b'hello\\r\\n\\r\\n'); print(c.recv(8))";
    let (shim, _scratch) = shim(&[server.address]);
    assert_eq!(shim.python(server.address, program).out, "b'HTTP/1.1'\n");
    let offer = server.next();
    assert_eq!((offer.server_name.as_deref(), offer.payload()), (None, &b"hello\r\n\r\n"[..]));
}

#[test]
fn a_program_s_own_tls_goes_through_as_it_is_and_that_is_said() {
    let server = TlsServer::new(&["payments"], &["http/1.1"]);
    let (shim, scratch) = shim(&[server.address]);
    let program = format!(
        "import ssl
context = ssl.create_default_context(cafile={:?}); context.set_alpn_protocols(['http/1.1'])
c = context.wrap_socket(socket.create_connection((HOST, PORT)), server_hostname='payments')
c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); print(c.recv(8))",
        authority(&scratch)
    );
    let ran = shim.python(server.address, &program);
    assert_eq!(ran.out, "b'HTTP/1.1'\n", "{}", ran.log);
    assert!(ran.log.contains("speaks TLS to"), "{}", ran.log);
    let offer = server.next();
    assert_eq!(
        (offer.protocols(), offer.payload()),
        (vec!["http/1.1".into()], &b"GET / HTTP/1.1\r\n\r\n"[..])
    );
}

#[test]
fn an_end_in_one_direction_leaves_the_other_open_and_nothing_is_lost() {
    let server = TlsServer::with(config(&["payments"], &[]), |stream| {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        stream.write_all(&bytes).unwrap();
        bytes
    });
    let program = "import threading
c = socket.create_connection((HOST, PORT), timeout=9)
sent = b'GET / HTTP/1.1\\r\\nhost: payments\\r\\n\\r\\n' + os.urandom(8 << 20)
c.sendall(sent); c.shutdown(socket.SHUT_WR)
got = b''
while piece := c.recv(1 << 20): got += piece
print(got == sent)";
    let (shim, _scratch) = shim(&[server.address]);
    let ran = shim.python(server.address, program);
    assert_eq!(ran.out, "True\n", "{}", ran.log);
}

#[test]
fn what_a_program_sent_arrives_although_it_ends_at_once() {
    for _ in 0..5 {
        let server = TlsServer::with(config(&["payments"], &[]), |stream| {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            bytes
        });
        let program = "c = socket.create_connection((HOST, PORT))
c.sendall(b'POST / HTTP/1.1\\r\\nhost: payments\\r\\n\\r\\n' + bytes(200000)); os._exit(0)";
        let (shim, _scratch) = shim(&[server.address]);
        let ran = shim.python(server.address, program);
        let length = server.next().payload().len();
        assert!(length > 200_000, "{length}: {}", ran.log);
    }
}

/// Whoever can cut a connection must not be able to make half an answer look whole. But what came before arrives,
/// however slow the program is: many servers end so.
#[test]
fn an_answer_without_a_proper_end_arrives_and_ends_in_a_reset() {
    let server = TlsServer::with(config(&["payments"], &[]), |stream| {
        let bytes = read_head(stream);
        stream.write_all(&vec![b'x'; 4 << 20]).unwrap();
        let _ = stream.sock.shutdown(std::net::Shutdown::Both);
        bytes
    });
    let program = "import time
c = socket.create_connection((HOST, PORT), timeout=9)
c.sendall(b'GET / HTTP/1.1\\r\\nhost: payments\\r\\n\\r\\n')
time.sleep(0.5); got = 0
try:
    while piece := c.recv(1 << 16): got += len(piece)
    print('whole')
except OSError as error: print(got == 4 << 20, error.errno)";
    let (shim, _scratch) = shim(&[server.address]);
    let ran = shim.python(server.address, program);
    assert_eq!(ran.out, format!("True {}\n", libc::ECONNRESET), "{}", ran.log);
}

#[test]
fn a_program_s_own_timeout_holds_where_nobody_answers_and_where_nobody_shakes_hands() {
    let (full, _fill) = black_hole();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let program = "import time
start = time.monotonic()
c = socket.create_connection((HOST, PORT), timeout=0.5)
try: c.sendall(b'GET / HTTP/1.1\\r\\nhost: payments\\r\\n\\r\\n'); c.recv(1)
except TimeoutError: print(time.monotonic() - start < 2)";
    for address in [full, silent.local_addr().unwrap()] {
        let (shim, _scratch) = shim(&[address]);
        let started = Instant::now();
        let ran = shim.python(address, program);
        assert_eq!(ran.out, "True\n", "{}", ran.log);
        assert!(started.elapsed() < Duration::from_secs(5), "the shim stays no longer than that");
    }
}

#[test]
fn a_handshake_that_never_ends_is_ended() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let program = "import time
start = time.monotonic(); c = socket.create_connection((HOST, PORT), timeout=30)
try: c.sendall(b'GET / HTTP/1.1\\r\\nhost: payments\\r\\n\\r\\n'); c.recv(1)
except OSError as error: print(error.errno, round(time.monotonic() - start) in (10, 11))";
    let address = silent.local_addr().unwrap();
    let (shim, _scratch) = shim(&[address]);
    let ran = shim.python(address, program);
    assert_eq!(ran.out, format!("{} True\n", libc::ECONNRESET), "{}", ran.log);
    assert!(ran.log.contains("no answer to the handshake for 10 s"), "{}", ran.log);
}

#[test]
fn a_server_that_speaks_no_tls_is_said_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 4_096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let ran = request(address, &[]);
    assert_eq!(ran.out, format!("{}\n", libc::ECONNRESET));
    assert!(ran.log.contains("exempt it if it does not speak TLS"), "{}", ran.log);
}

#[test]
fn a_wrong_file_or_name_or_an_option_of_another_carrier_is_125_before_the_program_starts() {
    let scratch = Scratch::new();
    let empty = scratch.file("empty.pem", "no certificate");
    for (options, why) in [
        ([["--carrier", "alpn"], ["--tls-ca", empty.to_str().unwrap()]], "no certificate is in it"),
        ([["--carrier", "alpn"], ["--tls-ca", "/nowhere.pem"]], "give a file of CA certificates in PEM"),
        ([["--carrier", "alpn"], ["--server-name", "a b"]], "write db.example"),
        ([["--carrier", "alpn"], ["--protocol", "procgate/0/x"]], "such as postgresql"),
        ([["--carrier", "header"], ["--server-name", "a"]], "are for --carrier alpn only"),
    ] {
        let shim = options.iter().fold(Shim::new(), |shim, [name, value]| shim.option(name, value));
        let ran = shim.run(&["echo", "started"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(125), ""), "{}", ran.log);
        assert!(ran.log.contains(why), "{}", ran.log);
    }
    let ran = Shim::new()
        .option("--carrier", "alpn")
        .env("SSL_CERT_FILE", &empty)
        .env("SSL_CERT_DIR", "/")
        .run(&["true"]);
    assert!(ran.log.contains("there are no CA certificates in this container"), "{}", ran.log);
}
