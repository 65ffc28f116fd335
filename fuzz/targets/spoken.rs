//! Any bytes that a program begins with, where the shim begins TLS: once it is known what is spoken, nothing that
//! follows changes it; the host is the one that the head names, and names once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use procgate_fuzz::tls::{Spoken, authority, spoken};

/// Each prefix is looked at.
const MOST: usize = 1_024;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fuzz_target!(|input: &[u8]| {
    let input = &input[..input.len().min(MOST)];
    let whole = spoken(input);
    if let Some(earlier) = (0..input.len()).find_map(|cut| spoken(&input[..cut])) {
        assert_eq!(whole.as_ref(), Some(&earlier), "what follows matters");
    }
    let Some(Spoken { protocol, host }) = whole else { return };
    match protocol.as_deref() {
        Some(b"h2") => {
            let frames = input.strip_prefix(PREFACE).expect("nothing else is HTTP/2");
            assert_eq!(authority(frames), Some(host));
        }
        Some(b"http/1.1") => {
            if let Some(host) = host {
                assert_eq!(hosts(input), [host.as_bytes()]);
            }
        }
        protocol => assert_eq!((protocol, host), (None, None)),
    }
});

/// The values of a request head's `host` fields, line by line.
fn hosts(head: &[u8]) -> Vec<&[u8]> {
    let lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let fields = lines.skip(1).take_while(|line| !line.is_empty()).filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        line[..colon].eq_ignore_ascii_case(b"host").then(|| line[colon + 1..].trim_ascii())
    });
    fields.collect()
}
