//! Any values of the header's field, and any token written as one: as other readers of HTTP read it.
#![no_main]

use fluke_hpack::Decoder;
use libfuzzer_sys::fuzz_target;
use procgate_identity::carrier::header;
use procgate_identity::{MAX_TOKEN_BYTES, RefusalReason};

/// Stands between the values of an input, and in none of them.
const SEPARATOR: u8 = 0x1e;

fuzz_target!(|input: &[u8]| {
    let values: Vec<&[u8]> = input.split(|byte| *byte == SEPARATOR).collect();
    match header::decode(values.iter().copied()) {
        Ok(token) => {
            let token = token.expect("there is a value");
            assert_eq!(values, [token], "one of several values was chosen");
            assert!(token.len() <= MAX_TOKEN_BYTES);
            written_as_read(std::str::from_utf8(token).expect("a token is ASCII"));
        }
        Err(refusal) => {
            let ambiguous = values.len() > 1 || input.contains(&b',');
            assert_eq!(refusal.reason == RefusalReason::AmbiguousIdentity, ambiguous);
        }
    }
});

fn written_as_read(token: &str) {
    let head = [b"GET / HTTP/1.1\r\n", &*header::http1_line(token), b"\r\n"].concat();
    let mut fields = [httparse::EMPTY_HEADER; 2];
    let mut request = httparse::Request::new(&mut fields);
    assert_eq!(request.parse(&head), Ok(httparse::Status::Complete(head.len())));
    let [field] = &*request.headers else { panic!("{} fields", request.headers.len()) };
    assert_eq!((field.name, field.value), (header::NAME, token.as_bytes()));
    let fields = Decoder::new().decode(&header::hpack_field(token)).expect("HPACK");
    assert_eq!(fields, [(header::NAME.as_bytes().to_vec(), token.as_bytes().to_vec())]);
}
