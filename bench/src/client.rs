//! The load: a few kept-alive connections, or a connection for each request, from one thread.

use crate::fixture::Fixture;
use procgate_identity::carrier::proxy_v2;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Connections that are kept in flight together, so that Envoy finds more than one request a wake-up.
const CONNECTIONS: usize = 16;

/// The number in the path of a connection's first request, of as many digits as all later ones.
const FIRST_ITEM: usize = 1_000;

/// When a connection's token goes along.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Never,
    FirstRequest,
    EveryRequest,
    /// Ahead of the first.
    Preface,
}

/// One connection and the token made for it.
struct Connection {
    stream: TcpStream,
    token: String,
}

impl Connection {
    fn open(address: SocketAddr, fixture: &Fixture) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let token = fixture.token(stream.local_addr()?, address);
        Ok(Self { stream, token })
    }

    /// The connection's first request, and what is ahead of it.
    fn begin(&mut self, token: Token) -> io::Result<()> {
        if token == Token::Preface {
            let (source, destination) = (self.stream.local_addr()?, self.stream.peer_addr()?);
            let preface = proxy_v2::preface(source, destination, &self.token).expect("the token is small");
            self.stream.write_all(&preface)?;
        }
        self.send(matches!(token, Token::FirstRequest | Token::EveryRequest), FIRST_ITEM)
    }

    fn send(&mut self, with_token: bool, item: usize) -> io::Result<()> {
        let token =
            if with_token { format!("x-process-identity: {}\r\n", self.token) } else { String::new() };
        let request = format!(
            "GET /charge/{item} HTTP/1.1\r\nhost: d0.shop.example\r\nuser-agent: bench/1\r\naccept: */*\r\n\
             content-type: application/json\r\nx-request-id: 6f3e\r\n{token}\r\n"
        );
        self.stream.write_all(request.as_bytes())
    }

    fn receive(&mut self) -> io::Result<()> {
        let (mut buffer, mut length) = ([0; 4_096], 0);
        while !buffer[..length].ends_with(b"\r\n\r\n") {
            let read = self.stream.read(&mut buffer[length..])?;
            if read == 0 {
                return Err(io::Error::other("Envoy closed the connection"));
            }
            length += read;
        }
        if buffer.starts_with(b"HTTP/1.1 200") {
            return Ok(());
        }
        let head = String::from_utf8_lossy(&buffer[..length.min(200)]).into_owned();
        Err(io::Error::other(format!("the request was not answered with 200 but: {head}")))
    }
}

/// Kept-alive connections whose first request has been answered.
pub(crate) struct Pool {
    connections: Vec<Connection>,
    token: Token,
    changes: bool,
}

impl Pool {
    /// `changes`: whether each request asks for another path than the one before.
    pub(crate) fn open(
        address: SocketAddr,
        fixture: &Fixture,
        token: Token,
        changes: bool,
    ) -> io::Result<Self> {
        let mut connections =
            (0..CONNECTIONS).map(|_| Connection::open(address, fixture)).collect::<io::Result<Vec<_>>>()?;
        for connection in &mut connections {
            connection.begin(token)?;
            connection.receive()?;
        }
        Ok(Self { connections, token, changes })
    }

    /// Makes this many requests, each connection taking its turn.
    pub(crate) fn run(&mut self, requests: usize) -> io::Result<()> {
        for turn in 0..requests / CONNECTIONS {
            let item = FIRST_ITEM + if self.changes { turn } else { 0 };
            for connection in &mut self.connections {
                connection.send(self.token == Token::EveryRequest, item)?;
            }
            for connection in &mut self.connections {
                connection.receive()?;
            }
        }
        Ok(())
    }
}

/// Makes this many requests, each on a connection of its own.
pub(crate) fn run_new_connections(
    address: SocketAddr,
    fixture: &Fixture,
    token: Token,
    requests: usize,
) -> io::Result<()> {
    for _ in 0..requests / CONNECTIONS {
        let mut batch =
            (0..CONNECTIONS).map(|_| Connection::open(address, fixture)).collect::<io::Result<Vec<_>>>()?;
        for connection in &mut batch {
            connection.begin(token)?;
        }
        for connection in &mut batch {
            connection.receive()?;
        }
    }
    Ok(())
}
