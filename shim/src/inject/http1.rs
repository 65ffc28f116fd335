//! Recognising an HTTP/1 request line (RFC 9112 section 3).

/// Bytes of a request line that are waited for: Envoy's default limit for a whole request head.
const MAX_REQUEST_LINE: usize = 60 * 1_024;
/// Bytes of a method. The longest registered one has 17 (UPDATEREDIRECTREF).
const MAX_METHOD: usize = 32;

/// What the first bytes of a connection are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RequestLine {
    /// They could become a request line.
    Incomplete,
    /// They are none, and no more bytes can change that.
    None,
    /// A request line of so many bytes, its line feed included.
    Ends(usize),
}

/// Looks for `method SP target SP HTTP/1.x CRLF` at the start of `bytes`.
pub(crate) fn request_line(bytes: &[u8]) -> RequestLine {
    let method = bytes.iter().take_while(|byte| is_token(**byte)).count();
    match bytes.get(method) {
        _ if method > MAX_METHOD => return RequestLine::None,
        None => return RequestLine::Incomplete,
        Some(b' ') if method > 0 => {}
        Some(_) => return RequestLine::None,
    }
    let Some(feed) = bytes.iter().position(|byte| *byte == b'\n') else {
        let plain = bytes.iter().all(|byte| matches!(byte, b' '..=0xff) || *byte == b'\r');
        let hopeful = plain && bytes.len() <= MAX_REQUEST_LINE;
        return if hopeful { RequestLine::Incomplete } else { RequestLine::None };
    };
    let line = bytes.get(..feed).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if feed <= MAX_REQUEST_LINE && is_request(line) {
        RequestLine::Ends(feed.saturating_add(1))
    } else {
        RequestLine::None
    }
}

/// The line without its end: two spaces, a target between them, a version of HTTP/1 at the end.
fn is_request(line: &[u8]) -> bool {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(_), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    !target.is_empty()
        && target.iter().all(|byte| !byte.is_ascii_control())
        && matches!(version, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9'])
}

/// The characters of a method (RFC 9110 section 5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_ends_at_its_line_feed() {
        assert_eq!(request_line(b"GET / HTTP/1.1\r\nhost: a\r\n"), RequestLine::Ends(16));
        assert_eq!(request_line(b"M-SEARCH * HTTP/1.0\nx"), RequestLine::Ends(20));
        assert_eq!(request_line(b"CONNECT a:1 HTTP/1.1\r\n"), RequestLine::Ends(22));
    }

    #[test]
    fn every_beginning_of_a_request_line_is_waited_for() {
        let line = b"POST /charge?a=b HTTP/1.1\r\n";
        for length in 0..line.len() {
            assert_eq!(request_line(&line[..length]), RequestLine::Incomplete, "{length}");
        }
    }

    #[test]
    fn other_protocols_are_recognised_at_once() {
        let tls = b"\x16\x03\x01\x02\x00";
        let postgres = b"\x00\x00\x00\x08\x04\xd2\x16\x2f";
        for bytes in [
            &tls[..],
            postgres,
            b"*1\r\n$4\r\nPING\r\n",
            b"EHLO a\r\n",
            b" GET / HTTP/1.1\r\n",
            b"\r\nGET",
            b"GET / HTTP/2.0\r\n",
            b"GET /  HTTP/1.1\r\n",
            b"GET  HTTP/1.1\r\n",
            b"GET /\0 HTTP/1.1\r\n",
            b"SSH-2.0-x\r\n",
        ] {
            assert_eq!(request_line(bytes), RequestLine::None, "{bytes:?}");
        }
        assert_eq!(request_line(&[b'A'; MAX_METHOD + 1]), RequestLine::None);
        let endless = [b"GET /".as_slice(), &vec![b'a'; MAX_REQUEST_LINE]].concat();
        assert_eq!(request_line(&endless), RequestLine::None);
    }
}
