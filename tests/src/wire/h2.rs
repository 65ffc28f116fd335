//! HTTP/2 with prior knowledge, from a chosen source port.

use super::Answer;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::fmt;
use std::net::SocketAddr;
use tokio::runtime::Runtime;

/// One HTTP/2 connection.
pub struct Http2 {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
    source: SocketAddr,
}

impl fmt::Debug for Http2 {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Http2 from {}", self.source)
    }
}

impl Http2 {
    /// Connects from any port.
    #[must_use]
    pub fn open(to: SocketAddr) -> Self {
        let stream = super::connect(([127, 0, 0, 1], 0).into(), to);
        let source = stream.local_addr().unwrap();
        stream.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sender = runtime.block_on(async {
            let stream = TokioIo::new(tokio::net::TcpStream::from_std(stream).unwrap());
            let (sender, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender, source }
    }

    /// This end's address.
    #[must_use]
    pub fn source(&self) -> SocketAddr {
        self.source
    }

    /// One GET with these further headers.
    pub fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(format!("http://{}{path}", super::HOST));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::default()).unwrap();
        self.runtime.block_on(async {
            let (head, body) = self.sender.send_request(request).await.unwrap().into_parts();
            let headers = head.headers.iter();
            Answer {
                status: head.status.as_u16(),
                headers: headers
                    .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
                    .collect(),
                body: body.collect().await.unwrap().to_bytes().into(),
            }
        })
    }
}
