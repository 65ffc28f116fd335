//! HTTP as bytes: a client that chooses its source port and sends whatever a test wants sent.

pub mod frames;
mod h2;

pub use h2::Http2;

use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A TCP connection that is reset when it is dropped, so that its source port is free at once.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects from any port.
    #[must_use]
    pub fn open(to: SocketAddr) -> Self {
        Self::open_from(([127, 0, 0, 1], 0).into(), to)
    }

    /// Connects from this address.
    #[must_use]
    pub fn open_from(from: SocketAddr, to: SocketAddr) -> Self {
        Self { stream: BufReader::new(connect(from, to)) }
    }

    /// This end's address.
    #[must_use]
    pub fn source(&self) -> SocketAddr {
        self.stream.get_ref().local_addr().unwrap()
    }

    /// Sends these bytes and reads one answer, whose body has a length or is chunked.
    ///
    /// # Panics
    /// Where no whole answer comes.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request);
        self.read().expect("an answer")
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends these bytes to somebody who may have closed already.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.get_mut().write_all(bytes.as_ref());
    }

    /// Reads one answer; nothing where the connection ends before it is whole.
    pub fn read(&mut self) -> Option<Answer> {
        let status = self.line()?.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        answer.body = self.body(&answer)?;
        Some(answer)
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }

    fn body(&mut self, answer: &Answer) -> Option<Vec<u8>> {
        if answer.header("transfer-encoding") != Some("chunked") {
            return self
                .bytes(answer.header("content-length").map_or(Some(0), |length| length.parse().ok())?);
        }
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.line()?, 16).ok()?;
            body.extend(self.bytes(length)?);
            self.line()?;
            if length == 0 {
                return Some(body);
            }
        }
    }

    fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// A stream that is bound to this source, and reset when it is closed.
///
/// # Panics
/// Where there is no connection.
#[must_use]
pub fn connect(from: SocketAddr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    socket.bind(&from.into()).unwrap();
    socket.connect_timeout(&to.into(), PATIENCE).unwrap_or_else(|error| panic!("{from} to {to}: {error}"));
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// An answer, of either version of HTTP.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The reason that the plugin gives in its answer.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        Some(self.json().get("reason")?.as_str()?.to_owned())
    }
}

/// A GET over HTTP/1.1 with these further header lines, of which each ends with `\r\n`.
#[must_use]
pub fn get(path: &str, lines: &str) -> String {
    request("GET", path, lines, "")
}

/// A request over HTTP/1.1.
#[must_use]
pub fn request(method: &str, path: &str, lines: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nhost: {HOST}\r\n{lines}content-length: {length}\r\n\r\n{body}")
}

/// The host that requests are for.
pub const HOST: &str = "payments.shop.example";

/// The line that carries a token.
#[must_use]
pub fn token_line(token: &str) -> String {
    format!("{}: {token}\r\n", procgate_identity::carrier::header::NAME)
}

/// One GET on a connection of its own.
#[must_use]
pub fn fetch(to: SocketAddr, path: &str) -> Answer {
    Connection::open(to).ask(get(path, ""))
}
