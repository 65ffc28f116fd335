//! Any frames behind HTTP/2's preface, where the shim begins TLS: the host that it reads in the first header block is
//! the one that another decoder reads there, and is read as soon as the block begins and not before.
#![no_main]

use fluke_hpack::{Decoder, Encoder};
use libfuzzer_sys::fuzz_target;
use procgate_fuzz::tls::authority;

const HEADERS: u8 = 1;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;
/// RFC 7541 section 6.3.
const LONG_TABLE_SIZE: u8 = 0x3f;
const NAME: &[u8] = b":authority";

fuzz_target!(|frames: &[u8]| {
    let Some((end, block)) = first_block(frames) else {
        assert_eq!(authority(frames), None, "there is no header block yet");
        return;
    };
    let host = authority(&frames[..end]).expect("it is there");
    assert_eq!(authority(frames).as_ref(), Some(&host), "what follows matters");
    assert!((0..end).all(|cut| authority(&frames[..cut]).is_none()), "half of it was enough");
    // The decoder panics where the table's size, in more than one byte, is cut off.
    let block = block.filter(|block| !block.contains(&LONG_TABLE_SIZE));
    let Some(fields) = block.and_then(|block| Decoder::new().decode(block).ok()) else { return };
    let mut named = fields.iter().filter(|(name, _)| name == NAME).map(|(_, value)| &**value);
    match host.as_deref() {
        Some("") => assert_eq!(named.next(), Some(&b""[..])),
        // The table has an empty one, which is none.
        Some(host) => assert_eq!(named.find(|value| !value.is_empty()), Some(host.as_bytes())),
        None => {}
    }
    written_anew(&fields);
});

/// The same fields, as another encoder writes them: their host is found.
fn written_anew(fields: &[(Vec<u8>, Vec<u8>)]) {
    let named: Vec<_> = fields.iter().filter(|(name, _)| name == NAME).collect();
    let [(_, host)] = named[..] else { return };
    let block = Encoder::new().encode(fields.iter().map(|(name, value)| (&**name, &**value)));
    let length = u32::try_from(block.len()).unwrap().to_be_bytes();
    let frame = [&length[1..], &[HEADERS, 4, 0, 0, 0, 1], &block].concat();
    if let Ok(host) = String::from_utf8(host.clone())
        && !host.is_empty()
    {
        assert_eq!(authority(&frame), Some(Some(host)));
    }
}

/// Where the first HEADERS frame ends, and its part of a header block (RFC 9113 section 6.2), if it has the lengths that
/// it says.
fn first_block(frames: &[u8]) -> Option<(usize, Option<&[u8]>)> {
    let mut at = 0;
    loop {
        let head = frames.get(at..at + 9)?;
        let end = at + 9 + (usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]));
        let payload = frames.get(at + 9..end)?;
        if head[3] == HEADERS {
            return Some((end, block(payload, head[4])));
        }
        at = end;
    }
}

fn block(payload: &[u8], flags: u8) -> Option<&[u8]> {
    let (padding, rest) =
        if flags & PADDED == 0 { (0, payload) } else { (usize::from(*payload.first()?), payload.get(1..)?) };
    let rest = rest.get(..rest.len().checked_sub(padding)?)?;
    if flags & PRIORITY == 0 { Some(rest) } else { rest.get(5..) }
}
