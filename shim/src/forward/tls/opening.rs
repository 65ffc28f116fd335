//! What a program speaks, by its first bytes.

use super::authority::{self, Authority};
use crate::inject::http1::{RequestLine, request_line};
use crate::inject::http2::PREFACE;

/// Bytes of a request head that are waited for: Envoy's default limit.
const MAX_HEAD: usize = 60 * 1_024;
/// Fields of a request head that are read.
const MAX_FIELDS: usize = 128;

/// What is spoken on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// HTTP/1, to the host that the request names.
    Http1(Option<String>),
    /// HTTP/2 with prior knowledge.
    Http2(Option<String>),
    /// The program's own TLS.
    Tls,
    /// Something else.
    Other,
    /// What the command line names; nothing for a protocol without a name.
    Named(Option<Vec<u8>>),
}

impl Opening {
    /// The protocol's name (RFC 7301 section 6).
    pub(super) fn protocol(&self) -> Option<&[u8]> {
        match self {
            Self::Http1(_) => Some(b"http/1.1"),
            Self::Http2(_) => Some(b"h2"),
            Self::Named(name) => name.as_deref(),
            Self::Tls | Self::Other => None,
        }
    }

    /// The host that the program wants to reach, as far as it has said.
    pub(super) fn host(&self) -> Option<&str> {
        match self {
            Self::Http1(host) | Self::Http2(host) => host.as_deref(),
            Self::Tls | Self::Other | Self::Named(_) => None,
        }
    }
}

/// What these bytes begin; nothing if more could tell. Where the server's name is known, the request's host is not
/// waited for: some HTTP/2 clients send no request before the server has greeted them.
pub(super) fn look(bytes: &[u8], named: bool) -> Option<Opening> {
    match bytes {
        [] | [0x16] => return None,
        // A record of handshake messages, of any version so far (RFC 8446 section 5.1).
        [0x16, 3, ..] => return Some(Opening::Tls),
        _ => {}
    }
    if let Some(frames) = bytes.strip_prefix(PREFACE) {
        return match authority::find(frames) {
            Authority::Known(host) => Some(Opening::Http2(host)),
            Authority::Ahead => (named || bytes.len() > MAX_HEAD).then_some(Opening::Http2(None)),
        };
    }
    if PREFACE.starts_with(bytes) {
        return None;
    }
    match request_line(bytes) {
        RequestLine::Incomplete => None,
        RequestLine::None => Some(Opening::Other),
        RequestLine::Ends(_) => {
            head(bytes).or_else(|| (named || bytes.len() > MAX_HEAD).then_some(Opening::Http1(None)))
        }
    }
}

/// What these bytes begin if no more are to be waited for.
pub(super) fn guess(bytes: &[u8]) -> Opening {
    if bytes.starts_with(PREFACE) {
        return Opening::Http2(None);
    }
    match request_line(bytes) {
        RequestLine::Ends(_) => Opening::Http1(None),
        RequestLine::Incomplete | RequestLine::None => Opening::Other,
    }
}

/// The head of a request, once it is complete.
fn head(bytes: &[u8]) -> Option<Opening> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => None,
        Ok(httparse::Status::Complete(_)) => Some(Opening::Http1(host(request.headers))),
        // The server will say what it thinks of it.
        Err(_) => Some(Opening::Http1(None)),
    }
}

/// The one host that the request is for.
fn host(fields: &[httparse::Header<'_>]) -> Option<String> {
    let mut hosts = fields.iter().filter(|field| field.name.eq_ignore_ascii_case("host"));
    let host = hosts.next().filter(|_| hosts.next().is_none())?;
    core::str::from_utf8(host.value).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(bytes: &[u8]) -> Option<Opening> {
        super::look(bytes, false)
    }

    fn http1(host: Option<&str>) -> Option<Opening> {
        Some(Opening::Http1(host.map(str::to_owned)))
    }

    #[test]
    fn a_request_is_for_the_one_host_that_it_names() {
        let head = b"GET / HTTP/1.1\r\naccept: *\r\nHost: payments:8443\r\n\r\nbody";
        let end = head.len() - b"body".len();
        assert!((0..end).all(|length| look(&head[..length]).is_none()));
        assert_eq!(look(head), http1(Some("payments:8443")));
        assert_eq!(super::look(b"GET / HTTP/1.1\r\n", true), http1(None));
        assert_eq!(look(b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"), http1(None));
        assert_eq!(look(b"GET / HTTP/1.0\r\n\r\n"), http1(None));
        assert_eq!(look(b"GET / HTTP/1.1\r\nhost\r\n\r\n"), http1(None));
    }

    #[test]
    fn what_is_no_http_is_known_by_its_first_bytes() {
        assert_eq!(look(b"\x16\x03\x01"), Some(Opening::Tls));
        assert_eq!(super::look(PREFACE, true), Some(Opening::Http2(None)));
        assert!((0..=PREFACE.len()).all(|length| look(&PREFACE[..length]).is_none()));
        assert_eq!(look(b"EHLO a\r\n"), Some(Opening::Other));
        assert_eq!(look(b"\x00\x00\x00\x08\x04\xd2\x16\x2f"), Some(Opening::Other));
    }

    #[test]
    fn a_head_without_end_is_not_waited_for() {
        let endless = [&b"GET / HTTP/1.1\r\n"[..], &b"a: b\r\n".repeat(MAX_HEAD / 6)].concat();
        assert_eq!(look(&endless), http1(None));
        assert_eq!(guess(b"GET / HTTP/1.1\r\nhost: a\r\n"), Opening::Http1(None));
        assert_eq!(guess(PREFACE), Opening::Http2(None));
        assert_eq!(guess(b"GET"), Opening::Other);
    }
}
