//! What a connection begins with, read as it arrives: perhaps a PROXY v2 preface, then perhaps the
//! ClientHello of TLS, in whatever pieces segments and records cut them into.
//!
//! Every byte is looked at once. At most [`MAX_PREFACE`](proxy_v2::MAX_PREFACE) and
//! [`MAX_CLIENT_HELLO`](client_hello::MAX_CLIENT_HELLO) of them are kept, however they come.

use super::client_hello::{self, ClientHello};
use super::{Carrier, alpn, proxy_v2};
use crate::refusal::{Refusal, RefusalReason};

/// Bytes ahead of the contents of a TLS record (RFC 8446 section 5.1): type, version, length.
const RECORD_HEAD: usize = 5;
const HANDSHAKE: u8 = 22;
const MAJOR_VERSION: u8 = 3;
/// Bytes that a record may hold before it is encrypted.
const MAX_RECORD: usize = 16_384;

/// What a connection began with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// Bytes of the PROXY v2 preface, which is not for the server.
    pub preface: usize,
    /// The token in the preface.
    pub preface_token: Option<Vec<u8>>,
    /// The token in the protocols that a TLS client names.
    pub alpn_token: Option<Vec<u8>>,
    /// The server that a TLS client wants to reach.
    pub server_name: Option<String>,
}

/// An opening that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What was being read, and might have brought the identity.
    pub carrier: Carrier,
    /// What is wrong with it.
    pub refusal: Refusal,
}

/// Reads an [`Opening`].
#[derive(Debug, Default)]
pub struct Reader {
    phase: Phase,
    /// The part that is being read: a preface, or the head of a record.
    part: Vec<u8>,
    /// The ClientHello, without the heads of its records.
    message: Vec<u8>,
    opening: Opening,
}

/// What is being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Enough bytes to tell what they begin.
    #[default]
    Start,
    Preface,
    /// The head of a TLS record.
    Record,
    /// This many bytes of a record's contents.
    Contents(usize),
    /// Nothing any more.
    Done,
}

/// What a few bytes begin.
enum Beginning {
    Preface,
    Record,
    /// Something that brings no identity.
    Other,
    /// More bytes will tell.
    Unclear,
}

impl Beginning {
    fn of(bytes: &[u8]) -> Self {
        match bytes {
            // The first byte of a record's version never changes.
            [HANDSHAKE, MAJOR_VERSION, ..] => Self::Record,
            [HANDSHAKE] => Self::Unclear,
            _ if bytes == proxy_v2::SIGNATURE => Self::Preface,
            _ if proxy_v2::SIGNATURE.starts_with(bytes) => Self::Unclear,
            _ => Self::Other,
        }
    }
}

impl Reader {
    /// Takes the next bytes of the connection. Says whether the opening is complete: what follows it is not
    /// looked at.
    ///
    /// # Errors
    /// `malformed-identity`, `identity-too-large`, and `ambiguous-identity` for a second preface, a second
    /// list of protocols, a second token in one of them, and parts of a token that do not fit together.
    pub fn read(&mut self, mut bytes: &[u8]) -> Result<bool, Unreadable> {
        while self.phase != Phase::Done {
            let carrier = self.carrier();
            let next = self.step(&mut bytes).map_err(|refusal| Unreadable { carrier, refusal })?;
            let Some(next) = next else { return Ok(false) };
            self.phase = next;
        }
        Ok(true)
    }

    /// Bytes of the preface, as soon as all of it was read.
    #[must_use]
    pub const fn preface(&self) -> usize {
        self.opening.preface
    }

    /// What the connection began with, where this is all that comes of it.
    ///
    /// # Errors
    /// `malformed-identity` for half a preface or half a ClientHello.
    pub fn finish(self) -> Result<Opening, Unreadable> {
        let carrier = self.carrier();
        let what = match self.phase {
            // What may or may not begin a preface is none.
            Phase::Start | Phase::Done => return Ok(self.opening),
            Phase::Preface => "half a PROXY preface came, and no more in time",
            Phase::Record | Phase::Contents(_) => "half a ClientHello came, and no more in time",
        };
        Err(Unreadable { carrier, refusal: Refusal::malformed(what) })
    }

    const fn carrier(&self) -> Carrier {
        match self.phase {
            Phase::Start | Phase::Preface => Carrier::ProxyV2,
            Phase::Record | Phase::Contents(_) | Phase::Done => Carrier::Alpn,
        }
    }

    /// Reads on, and says what comes next; nothing where the bytes do not reach that far.
    fn step(&mut self, bytes: &mut &[u8]) -> Result<Option<Phase>, Refusal> {
        match self.phase {
            Phase::Start => self.read_start(bytes),
            Phase::Preface => self.read_preface(bytes),
            Phase::Record => self.read_record(bytes),
            Phase::Contents(left) => self.read_contents(bytes, left),
            Phase::Done => Ok(None),
        }
    }

    fn read_start(&mut self, bytes: &mut &[u8]) -> Result<Option<Phase>, Refusal> {
        loop {
            match Beginning::of(&self.part) {
                Beginning::Preface if self.opening.preface > 0 => {
                    let detail = "one PROXY preface follows another: a connection has one identity";
                    return Err(Refusal::new(RefusalReason::AmbiguousIdentity, detail));
                }
                Beginning::Preface => return Ok(Some(Phase::Preface)),
                Beginning::Record => return Ok(Some(Phase::Record)),
                Beginning::Other => return Ok(Some(Phase::Done)),
                Beginning::Unclear => {
                    let one_more = self.part.len().saturating_add(1);
                    if !fill(&mut self.part, bytes, one_more) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn read_preface(&mut self, bytes: &mut &[u8]) -> Result<Option<Phase>, Refusal> {
        fill(&mut self.part, bytes, proxy_v2::HEAD);
        let Some(head) = self.part.first_chunk() else { return Ok(None) };
        let length = proxy_v2::length(head)?;
        if !fill(&mut self.part, bytes, length) {
            return Ok(None);
        }
        self.opening.preface = length;
        self.opening.preface_token = proxy_v2::token(&self.part)?.map(Into::into);
        self.part.clear();
        Ok(Some(Phase::Start))
    }

    fn read_record(&mut self, bytes: &mut &[u8]) -> Result<Option<Phase>, Refusal> {
        fill(&mut self.part, bytes, RECORD_HEAD);
        let Some([kind, major, _, high, low]) = self.part.first_chunk::<RECORD_HEAD>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *kind != HANDSHAKE || *major != MAJOR_VERSION || !(1..=MAX_RECORD).contains(&length) {
            return Err(Refusal::malformed("a TLS record that holds no part of a ClientHello"));
        }
        self.part.clear();
        Ok(Some(Phase::Contents(length)))
    }

    fn read_contents(&mut self, bytes: &mut &[u8], left: usize) -> Result<Option<Phase>, Refusal> {
        // First the message's head, then as much as it says.
        let wanted = self.message.first_chunk().map_or(Ok(client_hello::HEAD), client_hello::length)?;
        let before = self.message.len();
        fill(&mut self.message, bytes, wanted.min(before.saturating_add(left)));
        let left = left.saturating_sub(self.message.len().saturating_sub(before));
        let is_whole = self.message.len() == wanted && before >= client_hello::HEAD;
        match left {
            0 if is_whole => self.read_hello().map(Some),
            _ if is_whole => Err(Refusal::malformed("something follows the ClientHello in its TLS record")),
            0 => Ok(Some(Phase::Record)),
            _ if self.message.len() == before => Ok(None),
            _ => Ok(Some(Phase::Contents(left))),
        }
    }

    fn read_hello(&mut self) -> Result<Phase, Refusal> {
        let hello = ClientHello::parse(&self.message)?;
        self.opening.alpn_token = alpn::decode(hello.protocols())?;
        self.opening.server_name = hello.server_name().map(Into::into);
        Ok(Phase::Done)
    }
}

/// Moves bytes until there are so many; says whether there are.
fn fill(part: &mut Vec<u8>, bytes: &mut &[u8], wanted: usize) -> bool {
    let missing = wanted.saturating_sub(part.len()).min(bytes.len());
    if let Some((next, rest)) = bytes.split_at_checked(missing) {
        part.extend_from_slice(next);
        *bytes = rest;
    }
    part.len() >= wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use RefusalReason::{AmbiguousIdentity, IdentityTooLarge, MalformedIdentity};
    use client_hello::tests::{hello, name, protocols};
    use proptest::prelude::*;

    const TOKEN: &str = "a.b.c";

    fn preface(token: &str) -> Vec<u8> {
        proxy_v2::preface(([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 2).into(), token).unwrap()
    }

    fn record(contents: &[u8]) -> Vec<u8> {
        let length = u16::try_from(contents.len()).unwrap().to_be_bytes();
        [&[HANDSHAKE, MAJOR_VERSION, 1][..], &length, contents].concat()
    }

    fn message() -> Vec<u8> {
        let names = [vec![b"h2".to_vec()], alpn::encode(&TOKEN.repeat(100))].concat();
        hello(&[name("pay.example"), protocols(&names)])
    }

    fn read(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<Opening, Unreadable> {
        let mut reader = Reader::default();
        for piece in pieces {
            reader.read(piece.as_ref())?;
        }
        reader.finish()
    }

    fn reason(bytes: &[u8]) -> (Carrier, RefusalReason) {
        let unreadable = read([bytes]).unwrap_err();
        assert_eq!(read(bytes.chunks(1)), Err(unreadable.clone()), "whatever the pieces");
        (unreadable.carrier, unreadable.refusal.reason)
    }

    #[test]
    fn a_preface_and_a_client_hello_are_found_alone_and_together() {
        let (preface, hello) = (preface(TOKEN), record(&message()));
        for (bytes, has_preface, has_hello) in [
            (&preface, true, false),
            (&hello, false, true),
            (&[preface.clone(), hello.clone()].concat(), true, true),
            (&[preface.clone(), b"GET / HTTP/1.1\r\n".to_vec()].concat(), true, false),
        ] {
            let opening = read([bytes]).unwrap();
            assert_eq!(opening.preface, if has_preface { preface.len() } else { 0 });
            assert_eq!(opening.preface_token.is_some_and(|token| token == TOKEN.as_bytes()), has_preface);
            assert_eq!(opening.server_name.is_some_and(|name| name == "pay.example"), has_hello);
            let repeated = TOKEN.repeat(100).into_bytes();
            assert_eq!(opening.alpn_token.is_some_and(|token| token == repeated), has_hello);
        }
    }

    #[test]
    fn what_follows_the_opening_is_not_looked_at_and_nothing_waited_for() {
        let mut reader = Reader::default();
        assert_eq!(reader.read(&[record(&message()), vec![0; 100_000]].concat()), Ok(true));
        for bytes in [&b"\x80\x2e\x01\0\x02"[..], b"SSH-2.0-x", b"\x16\x02", b"\r\n\r\nx", b"PROXY TCP4 "] {
            assert_eq!(Reader::default().read(bytes), Ok(true), "{bytes:?}");
            assert_eq!(read([bytes]), Ok(Opening::default()));
        }
    }

    #[test]
    fn a_connection_that_ends_before_it_is_clear_what_it_begins_brings_nothing() {
        for bytes in [&b""[..], b"\x16", &proxy_v2::SIGNATURE[..11]] {
            assert_eq!(read([bytes]), Ok(Opening::default()), "{bytes:?}");
        }
    }

    #[test]
    fn half_of_either_is_malformed_at_every_byte() {
        let (preface, hello) = (preface(TOKEN), record(&message()));
        for length in 12..preface.len() {
            assert_eq!(reason(&preface[..length]), (Carrier::ProxyV2, MalformedIdentity), "{length}");
        }
        for length in 2..hello.len() {
            assert_eq!(reason(&hello[..length]), (Carrier::Alpn, MalformedIdentity), "{length}");
        }
    }

    #[test]
    fn a_second_preface_is_ambiguous() {
        let stacked = [preface(""), preface(TOKEN)].concat();
        assert_eq!(reason(&stacked), (Carrier::ProxyV2, AmbiguousIdentity));
    }

    #[test]
    fn prefaces_that_no_shim_writes_are_malformed() {
        for (place, byte) in [(12, 0x20), (12, 0x11), (12, 0x31), (12, 0x2f), (13, 0), (13, 0x12), (13, 0x31)]
        {
            let mut preface = preface(TOKEN);
            preface[place] = byte;
            assert_eq!(reason(&preface), (Carrier::ProxyV2, MalformedIdentity), "{place} {byte}");
        }
        for length in [0_u16, 11, 13, 19] {
            let mut preface = preface(TOKEN);
            preface[14..16].copy_from_slice(&length.to_be_bytes());
            assert_eq!(reason(&preface), (Carrier::ProxyV2, MalformedIdentity), "{length}");
        }
    }

    #[test]
    fn a_preface_is_refused_for_its_size_before_it_has_come() {
        let head = |length: u16| [&preface("")[..14], &length.to_be_bytes()].concat();
        assert_eq!(reason(&head(u16::MAX)), (Carrier::ProxyV2, IdentityTooLarge));
        assert_eq!(reason(&preface(&"t".repeat(60_000))), (Carrier::ProxyV2, IdentityTooLarge));
        assert_eq!(reason(&preface(&"t".repeat(4_097))), (Carrier::ProxyV2, IdentityTooLarge));
    }

    #[test]
    fn a_client_hello_is_refused_for_its_size_before_it_has_come() {
        for length in [[0, 0x40, 0], [0, 0xff, 0xff], [1, 0, 0]] {
            let head = [&[1][..], &length].concat();
            assert_eq!(reason(&record(&[&head[..], &[3]].concat())), (Carrier::Alpn, IdentityTooLarge));
        }
    }

    #[test]
    fn records_that_hold_no_part_of_a_client_hello_are_malformed() {
        let message = message();
        let start = record(&message[..100]);
        for next in [
            &b"\x16\x03\x01\0\0"[..],
            b"\x17\x03\x03\0\x01x",
            b"\x16\x02\x01\0\x01x",
            b"\x16\x03\x03\x40\x01x",
        ] {
            assert_eq!(reason(&[&start[..], next].concat()), (Carrier::Alpn, MalformedIdentity), "{next:?}");
        }
        let longer = record(&[&message[..], &[0]].concat());
        assert_eq!(reason(&longer), (Carrier::Alpn, MalformedIdentity));
        assert_eq!(reason(&record(&[2, 0, 0, 1, 0])), (Carrier::Alpn, MalformedIdentity));
    }

    #[test]
    fn a_reader_keeps_no_more_than_its_bounds() {
        let padding = [&[0, 21, 60, 0][..], &[0; 15_360]].concat();
        let records = hello(&[protocols(&["h2"]), padding]).chunks(1).flat_map(record).collect::<Vec<_>>();
        let mut reader = Reader::default();
        for byte in [preface(&"t".repeat(4_096)), records].concat() {
            reader.read(&[byte]).unwrap();
            assert!(reader.part.len() <= proxy_v2::MAX_PREFACE);
            assert!(reader.message.len() <= client_hello::MAX_CLIENT_HELLO);
        }
        assert_eq!(reader.phase, Phase::Done);
    }

    proptest! {
        #[test]
        fn an_opening_is_the_same_however_it_is_cut(
            records in prop::collection::vec(1..400usize, 0..40),
            segments in prop::collection::vec(1..400usize, 0..40),
            has_preface: bool,
        ) {
            let cut = |mut bytes: &[u8], lengths: &[usize]| {
                let mut pieces = Vec::new();
                for length in lengths {
                    let (piece, rest) = bytes.split_at((*length).min(bytes.len()));
                    pieces.push(piece.to_vec());
                    bytes = rest;
                }
                pieces.push(bytes.to_vec());
                pieces.retain(|piece| !piece.is_empty());
                pieces
            };
            let message = message();
            let records = cut(&message, &records).iter().flat_map(|piece| record(piece)).collect::<Vec<_>>();
            let preface = if has_preface { preface(TOKEN) } else { Vec::new() };
            let whole = read([&preface, &record(&message)]).unwrap();
            prop_assert_eq!(read(cut(&[preface, records].concat(), &segments)), Ok(whole));
        }

        #[test]
        fn no_bytes_whatsoever_break_it(bytes: Vec<u8>, at: prop::sample::Index) {
            let _ = read([&bytes]);
            let mut likely = [preface(TOKEN), record(&message())].concat();
            let at = at.index(likely.len());
            likely.splice(at.., bytes);
            prop_assert_eq!(read([&likely]), read(likely.chunks(7)));
        }
    }
}
