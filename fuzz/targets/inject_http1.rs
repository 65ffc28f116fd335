//! Any stream through the shim's injector: what comes out is the stream, with at most the field line in one
//! place, where another reader of HTTP sees it as the first field of the first request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use procgate_fuzz::stream::{TOKEN, pieces, split, whole};
use procgate_identity::carrier::header;

/// What the injector waits for, in bytes: see the shim's inject/http1.rs.
const MAX_REQUEST_LINE: usize = 60 * 1_024;
const MAX_METHOD: usize = 32;
/// Fields of a head that is looked at.
const MAX_FIELDS: usize = 64;

fuzz_target!(|input: &[u8]| {
    let (lengths, stream) = split(input);
    if stream.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") {
        return;
    }
    let out = whole(stream);
    assert_eq!(pieces(stream, lengths.iter().copied()), out, "it matters how the stream arrives");
    let head = head(stream, MAX_FIELDS);
    if out == stream {
        let plain = |method: &str| method.len() <= MAX_METHOD;
        let missed = head.is_some_and(|head| {
            plain(&head.method) && !stream.starts_with(b"\r\n") && !stream.starts_with(b"\n")
        });
        assert!(!missed || stream.len() > MAX_REQUEST_LINE, "a request has no token");
        return;
    }
    let line = header::http1_line(TOKEN);
    let at = stream.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    assert_eq!(out, [&stream[..at], &line, &stream[at..]].concat(), "other bytes have changed");
    if let Some(before) = head {
        let after = self::head(&out, MAX_FIELDS + 1).expect("it was a request before");
        assert_eq!((&after.method, &after.path), (&before.method, &before.path));
        let (first, rest) = after.fields.split_first().expect("there is a field more");
        assert_eq!(*first, (header::NAME.to_owned(), TOKEN.as_bytes().to_vec()));
        assert_eq!(rest, before.fields);
    }
});

struct Head {
    method: String,
    path: String,
    fields: Vec<(String, Vec<u8>)>,
}

/// The request head at the start, where there is a whole one with at most so many fields.
fn head(stream: &[u8], most: usize) -> Option<Head> {
    let mut fields = vec![httparse::EMPTY_HEADER; most];
    let mut request = httparse::Request::new(&mut fields);
    request.parse(stream).ok().filter(httparse::Status::is_complete)?;
    Some(Head {
        method: request.method?.to_owned(),
        path: request.path?.to_owned(),
        fields: request.headers.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect(),
    })
}
