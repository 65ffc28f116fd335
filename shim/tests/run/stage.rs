//! What the tests have in common: a shim to start, a server that keeps what it gets, a key to check with.

use procgate_identity::{
    Binding, Claims, KeyId, SigningKey, TrustedKeys, UnixNanos, UnverifiedToken,
    carrier::{
        header,
        opening::{Opening, Reader},
        proxy_v2,
    },
};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

pub(crate) const SUBJECT: &str = "spiffe://shop.example/host/here/container/app";
/// No step of a test takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Python itself, not a version manager's stand-in for it: the shim attests what runs.
pub(crate) fn python() -> &'static str {
    static PYTHON: LazyLock<String> = LazyLock::new(|| {
        let out = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    });
    &PYTHON
}

fn key() -> SigningKey {
    SigningKey::from_seed(KeyId::new("test").unwrap(), &Zeroizing::new([7; 32]))
}

/// How tokens travel, and how the shim gets at the program's sockets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) carrier: &'static str,
    pub(crate) mode: &'static str,
}

pub(crate) const PREFACES: [Way; 2] =
    [Way { carrier: "proxy-v2", mode: "pidfd" }, Way { carrier: "proxy-v2", mode: "own-socket" }];

/// All of them.
pub(crate) const WAYS: [Way; 4] = [
    Way { carrier: "header", mode: "pidfd" },
    Way { carrier: "header", mode: "own-socket" },
    PREFACES[0],
    PREFACES[1],
];

/// Those in which the shim begins TLS.
pub(crate) const CLIENT_HELLOS: [Way; 2] =
    [Way { carrier: "alpn", mode: "pidfd" }, Way { carrier: "alpn", mode: "own-socket" }];

/// A folder of one test, removed at its end.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("procgate-shim-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A program or library in C.
    pub(crate) fn compile(&self, name: &str, source: &str, options: &[&str]) -> PathBuf {
        let source = self.file(&format!("{name}.c"), source);
        let program = self.0.join(name);
        let built = Command::new("cc").args(options).arg(source).arg("-o").arg(&program).status().unwrap();
        assert!(built.success());
        program
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A shim that is about to be started.
#[derive(Debug)]
pub(crate) struct Shim {
    command: Command,
    _scratch: Scratch,
}

impl Shim {
    pub(crate) fn new() -> Self {
        let scratch = Scratch::new();
        let key = scratch.file("key.jwk", key().to_private_jwk().unwrap().as_bytes());
        let mut command = Command::new(env!("CARGO_BIN_EXE_procgate-shim"));
        command.args(["run", "--trust-domain", "shop.example", "--host", "here", "--container", "app"]);
        command.arg("--key").arg(key).stdin(Stdio::null());
        Self { command, _scratch: scratch }
    }

    /// A shim that intercepts connections to this address.
    pub(crate) fn capturing(address: SocketAddr) -> Self {
        Self::new().option("--capture", &address.to_string())
    }

    /// The same, with this carrier and in this mode.
    pub(crate) fn by(way: Way, address: SocketAddr) -> Self {
        Self::capturing(address).option("--carrier", way.carrier).option("--require", way.mode)
    }

    pub(crate) fn option(mut self, name: &str, value: &str) -> Self {
        self.command.args([name, value]);
        self
    }

    pub(crate) fn flag(mut self, name: &str) -> Self {
        self.command.arg(name);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// The command that runs this program.
    pub(crate) fn command(mut self, program: &[&str]) -> (Command, Scratch) {
        self.command.arg("--").args(program).stdout(Stdio::piped()).stderr(Stdio::piped());
        (self.command, self._scratch)
    }

    /// Runs a program to its end.
    pub(crate) fn run(self, program: &[&str]) -> Ran {
        let (mut command, _scratch) = self.command(program);
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: status.code(), out: text(&stdout), log: text(&stderr) }
    }

    /// Runs a Python program that finds the address to connect to in `HOST` and `PORT`.
    pub(crate) fn python(self, address: SocketAddr, program: &str) -> Ran {
        let (host, port) = (address.ip().to_string(), address.port());
        let program = format!("import socket, os, sys\nHOST, PORT = {host:?}, {port}\n{program}");
        self.run(&[python(), "-c", &program])
    }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) log: String,
}

/// A connection as the server saw it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) peer: SocketAddr,
    server: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

impl Seen {
    /// The identities in the preface, in the protocols of a ClientHello, and in the head of the first request.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let (tlvs, payload) = split(&self.bytes);
        let text = String::from_utf8_lossy(payload).into_owned();
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        let fields = head.split("\r\n").filter_map(|line| line.split_once(": "));
        let fields = fields.filter(|(name, _)| *name == header::NAME).map(|(_, value)| value.to_owned());
        let ahead = proxy_v2::decode(tlvs).unwrap();
        let named = opening(&self.bytes).and_then(|opening| opening.alpn_token);
        let others = ahead.map(<[u8]>::to_vec).into_iter().chain(named);
        others.map(|token| String::from_utf8(token).unwrap()).chain(fields).collect()
    }

    /// What came after the preface, if there was one.
    pub(crate) fn payload(&self) -> &[u8] {
        split(&self.bytes).1
    }

    /// What the one token claims, verified for exactly this connection.
    pub(crate) fn claims(&self) -> Claims {
        let tokens = self.tokens();
        assert_eq!(tokens.len(), 1, "{:?}", String::from_utf8_lossy(&self.bytes));
        claims(tokens[0].as_bytes(), self.peer, self.server)
    }
}

/// What a token claims, verified for exactly this connection.
pub(crate) fn claims(token: &[u8], source: SocketAddr, destination: SocketAddr) -> Claims {
    let mut trusted = TrustedKeys::new("shop.example".parse().unwrap());
    trusted.add(key().public().unwrap(), SUBJECT.parse().unwrap()).unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let token = UnverifiedToken::parse(token).unwrap();
    let binding = Binding::Connection { source, destination };
    token.verify(&trusted, UnixNanos(now.try_into().unwrap()), binding).unwrap().claims().clone()
}

/// The TLVs of a connection's preface, and what follows it. An incomplete one is followed by nothing.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21";
    if bytes.len() < SIGNATURE.len() || !bytes.starts_with(SIGNATURE) {
        return (&[], if SIGNATURE.starts_with(bytes) { &[] } else { bytes });
    }
    let Some(&[family, high, low]) = bytes.get(13..16) else { return (&[], &[]) };
    let end = 16 + usize::from(u16::from_be_bytes([high, low]));
    let addresses = if family == 0x11 { 12 } else { 36 };
    bytes.get(16 + addresses..end).map_or((&[], &[]), |tlvs| (tlvs, &bytes[end..]))
}

/// What a connection begins with that begins with TLS, once all of its ClientHello is there.
fn opening(bytes: &[u8]) -> Option<Opening> {
    let mut reader = Reader::default();
    let is_whole = bytes.starts_with(&[HANDSHAKE]) && reader.read(bytes).unwrap();
    is_whole.then(|| reader.finish().unwrap())
}

/// The first byte of TLS (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

/// A server that answers every request with `ok` and remembers it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Receiver<Seen>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::on("127.0.0.1:0")
    }

    pub(crate) fn on(address: &str) -> Self {
        Self::with(address, |stream| {
            let mut bytes = Vec::new();
            let mut piece = [0; 4_096];
            while !split(&bytes).1.windows(4).any(|end| end == b"\r\n\r\n") && opening(&bytes).is_none() {
                match stream.read(&mut piece) {
                    Ok(0) | Err(_) => break,
                    Ok(length) => bytes.extend_from_slice(&piece[..length]),
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
            bytes
        })
    }

    /// A server that serves each connection so, and remembers the bytes that this returns.
    pub(crate) fn with(
        address: &str,
        serve: impl Fn(&mut TcpStream) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, seen) = channel();
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            while let Ok((mut stream, peer)) = listener.accept() {
                let (serve, sender) = (Arc::clone(&serve), sender.clone());
                std::thread::spawn(move || {
                    let bytes = serve(&mut stream);
                    let _ = sender.send(Seen { peer, server: address, bytes });
                });
            }
        });
        Self { address, seen }
    }

    /// The next connection.
    pub(crate) fn next(&self) -> Seen {
        self.awaited().expect("a connection arrives")
    }

    /// The next connection, unless none comes for long.
    pub(crate) fn awaited(&self) -> Option<Seen> {
        self.seen.recv_timeout(PATIENCE).ok()
    }

    /// The connections that arrived besides.
    pub(crate) fn more(&self) -> Vec<Seen> {
        self.seen.try_iter().collect()
    }
}
