//! The message that a TLS client begins with (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2), as a proxy
//! that does not terminate TLS sees it: the server that it is for and the protocols that it names.
//!
//! Stricter than a server has to be: what a server might read differently is no message here.

use crate::refusal::{Refusal, RefusalReason};

/// Bytes of a message, its 4-byte head included. BoringSSL takes no more either; a usual one has 300 to
/// 2,000, and the largest token takes 4,300.
pub const MAX_CLIENT_HELLO: usize = 16_384;
/// Bytes of a server name (RFC 1035 section 2.3.4).
const MAX_SERVER_NAME: usize = 255;
/// Extensions of one message: browsers send about 20. Each is compared with those before it.
const MAX_EXTENSIONS: usize = 64;

/// Type and length, ahead of the message's body.
pub(super) const HEAD: usize = 4;
const CLIENT_HELLO: u8 = 1;
const MAJOR_VERSION: u8 = 3;
const RANDOM: usize = 32;
const MAX_SESSION_ID: usize = 32;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
const PROTOCOLS: u16 = 16;

/// What a client asks for before anything is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    server_name: Option<String>,
    /// The list as it came: each name after a byte with its length, which was looked at.
    protocols: Vec<u8>,
}

impl ClientHello {
    /// The message with this head and body.
    ///
    /// # Errors
    /// `malformed-identity` for what is no such message from its first to its last byte,
    /// `ambiguous-identity` where the list of protocols is there twice.
    pub fn parse(message: &[u8]) -> Result<Self, Refusal> {
        let length = message.first_chunk().map(length).transpose()?;
        if length != Some(message.len()) {
            return Err(malformed("its length is not that of the message"));
        }
        let body = message.get(HEAD..).unwrap_or_default();
        let extensions = extensions(body).ok_or_else(|| malformed("its fields do not add up"))?;
        Self::with(extensions)
    }

    fn with(mut extensions: &[u8]) -> Result<Self, Refusal> {
        let mut hello = Self::default();
        let mut seen = Vec::new();
        while !extensions.is_empty() {
            let (kind, contents);
            (kind, contents, extensions) =
                extension(extensions).ok_or_else(|| malformed("an extension is cut off"))?;
            if seen.contains(&kind) {
                return Err(repeated(kind));
            }
            if seen.len() >= MAX_EXTENSIONS {
                return Err(malformed("it has more extensions than any client sends"));
            }
            seen.push(kind);
            match kind {
                SERVER_NAME => {
                    let name = server_name(contents).ok_or_else(|| malformed("its server name is none"))?;
                    hello.server_name = Some(name.into());
                }
                PROTOCOLS => {
                    let names = names(contents).ok_or_else(|| malformed("its list of protocols is none"))?;
                    hello.protocols = names.into();
                }
                _ => {}
            }
        }
        Ok(hello)
    }

    /// The server that the client wants to reach, as it wrote it.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The protocols that the client names, in its order.
    pub fn protocols(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.protocols.as_slice();
        core::iter::from_fn(move || {
            let (name, after) = short(rest)?;
            rest = after;
            Some(name)
        })
    }
}

/// Bytes of the message that has this head.
///
/// # Errors
/// `malformed-identity` where it is another message, `identity-too-large`.
pub(super) fn length(head: &[u8; HEAD]) -> Result<usize, Refusal> {
    let [kind, high, middle, low] = *head;
    if kind != CLIENT_HELLO {
        return Err(malformed("the handshake begins with another message"));
    }
    let length = usize::from(u16::from_be_bytes([middle, low])).saturating_add(HEAD);
    if high == 0 && length <= MAX_CLIENT_HELLO {
        return Ok(length);
    }
    let detail = format!("the ClientHello has more than the {MAX_CLIENT_HELLO} bytes that are read");
    Err(Refusal::new(RefusalReason::IdentityTooLarge, detail))
}

/// The extensions in a message's body. TLS 1.2 leaves the list out where it is empty.
fn extensions(body: &[u8]) -> Option<&[u8]> {
    let ([major, _], body) = body.split_first_chunk()?;
    let (_random, body) = body.split_at_checked(RANDOM)?;
    let (session, body) = short(body)?;
    let (ciphers, body) = long(body)?;
    let (compressions, body) = short(body)?;
    let holds = *major == MAJOR_VERSION
        && session.len() <= MAX_SESSION_ID
        && !ciphers.is_empty()
        && ciphers.len().is_multiple_of(2)
        && !compressions.is_empty();
    let extensions = if body.is_empty() { Some(body) } else { only(long(body)?) };
    extensions.filter(|_| holds)
}

fn extension(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (kind, rest) = bytes.split_first_chunk()?;
    let (contents, rest) = long(rest)?;
    Some((u16::from_be_bytes(*kind), contents, rest))
}

/// The one host name of the extension (RFC 6066 section 3). Characters that no host has are refused: they
/// would go into the record.
fn server_name(contents: &[u8]) -> Option<&str> {
    let (kind, name) = only(long(contents)?)?.split_first()?;
    let name = only(long(name)?)?;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let holds =
        *kind == HOST_NAME && (1..=MAX_SERVER_NAME).contains(&name.len()) && name.iter().all(is_plain);
    core::str::from_utf8(name).ok().filter(|_| holds)
}

/// The names of the extension (RFC 7301 section 3.1): at least one, none empty.
fn names(contents: &[u8]) -> Option<&[u8]> {
    let names = only(long(contents)?)?;
    let mut rest = names;
    while !rest.is_empty() {
        let (name, after) = short(rest)?;
        rest = Some(after).filter(|_| !name.is_empty())?;
    }
    Some(names).filter(|names| !names.is_empty())
}

/// A vector with its length in one byte, and what follows it.
fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// A vector with its length in two bytes, and what follows it.
fn long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// A vector that nothing follows.
fn only<'a>((vector, rest): (&'a [u8], &'a [u8])) -> Option<&'a [u8]> {
    rest.is_empty().then_some(vector)
}

fn malformed(what: &str) -> Refusal {
    Refusal::malformed(["no ClientHello of TLS: ", what].concat())
}

fn repeated(kind: u16) -> Refusal {
    if kind == PROTOCOLS {
        let detail = "the ClientHello has two lists of protocols: a connection has one identity";
        return Refusal::new(RefusalReason::AmbiguousIdentity, detail);
    }
    malformed("an extension is there twice")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use RefusalReason::{AmbiguousIdentity, IdentityTooLarge, MalformedIdentity};

    fn long(bytes: &[u8]) -> Vec<u8> {
        [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
    }

    fn extension(kind: u16, contents: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &long(contents)].concat()
    }

    /// The extension with a server's name.
    pub(in crate::carrier) fn name(name: &str) -> Vec<u8> {
        extension(SERVER_NAME, &long(&[&[HOST_NAME][..], &long(name.as_bytes())].concat()))
    }

    /// The extension with these protocols.
    pub(in crate::carrier) fn protocols(names: &[impl AsRef<[u8]>]) -> Vec<u8> {
        let name = |name: &_| {
            let name = AsRef::<[u8]>::as_ref(name);
            [&[u8::try_from(name.len()).unwrap()], name].concat()
        };
        extension(PROTOCOLS, &long(&names.iter().flat_map(name).collect::<Vec<_>>()))
    }

    fn message(body: &[u8]) -> Vec<u8> {
        let [_, length @ ..] = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[CLIENT_HELLO][..], &length, body].concat()
    }

    /// Everything up to the extensions.
    fn start() -> Vec<u8> {
        [&[3, 3][..], &[7; RANDOM], &[0], &[0, 2, 0x13, 1], &[1, 0]].concat()
    }

    /// A message with these extensions.
    pub(in crate::carrier) fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
        message(&[start(), long(&extensions.concat())].concat())
    }

    fn reason(message: &[u8]) -> RefusalReason {
        ClientHello::parse(message).unwrap_err().reason
    }

    #[test]
    fn the_server_s_name_and_the_protocols_are_found_in_any_order() {
        let unknown = extension(0xfe0d, b"contents of its own");
        for extensions in [
            [name("pay.example"), protocols(&["h2", "http/1.1"]), unknown.clone()],
            [unknown, protocols(&["h2", "http/1.1"]), name("pay.example")],
        ] {
            let hello = ClientHello::parse(&hello(&extensions)).unwrap();
            assert_eq!(hello.server_name(), Some("pay.example"));
            assert!(hello.protocols().eq([&b"h2"[..], b"http/1.1"]));
        }
    }

    #[test]
    fn a_message_may_have_neither_and_no_extensions_at_all() {
        for message in [message(&start()), hello(&[])] {
            let hello = ClientHello::parse(&message).unwrap();
            assert_eq!((hello.server_name(), hello.protocols().count()), (None, 0));
        }
    }

    #[test]
    fn every_truncation_and_every_byte_too_many_is_malformed() {
        let whole = hello(&[name("pay.example"), protocols(&["h2"])]);
        for length in 0..whole.len() {
            assert_eq!(reason(&whole[..length]), MalformedIdentity, "{length}");
            if length > HEAD + start().len() {
                let shorter = message(&whole[HEAD..length]);
                assert_eq!(reason(&shorter), MalformedIdentity, "{length}");
            }
        }
        assert_eq!(reason(&message(&[&whole[HEAD..], &[0]].concat())), MalformedIdentity);
    }

    #[test]
    fn an_extension_that_is_there_twice_is_refused_and_protocols_twice_are_ambiguous() {
        assert_eq!(reason(&hello(&[protocols(&["h2"]), protocols(&["h2"])])), AmbiguousIdentity);
        assert_eq!(reason(&hello(&[name("a.example"), name("b.example")])), MalformedIdentity);
        assert_eq!(reason(&hello(&[extension(5, b""), extension(5, b"")])), MalformedIdentity);
    }

    #[test]
    fn server_names_that_no_host_has_are_malformed() {
        for text in ["", "a\0b", "a b", "ä.example", "a\r\n", &"a".repeat(256)] {
            assert_eq!(reason(&hello(&[name(text)])), MalformedIdentity, "{text:?}");
        }
        let two = [&[HOST_NAME][..], &long(b"a"), &[HOST_NAME], &long(b"b")].concat();
        let other_kind = [&[1][..], &long(b"a")].concat();
        for list in [two, other_kind, Vec::new()] {
            assert_eq!(reason(&hello(&[extension(SERVER_NAME, &long(&list))])), MalformedIdentity);
        }
    }

    #[test]
    fn lists_of_protocols_without_a_name_or_with_an_empty_one_are_malformed() {
        for list in [&b""[..], b"\0", b"\x02h2\0", b"\x03h2"] {
            assert_eq!(reason(&hello(&[extension(PROTOCOLS, &long(list))])), MalformedIdentity, "{list:?}");
        }
        assert_eq!(reason(&hello(&[extension(PROTOCOLS, b"\0\x03\x02h2x")])), MalformedIdentity);
    }

    #[test]
    fn fields_of_another_form_are_malformed() {
        let start = start();
        for (at, byte) in [(0, 2), (34, 33), (36, 0), (36, 1), (39, 0)] {
            let mut body = start.clone();
            body[at] = byte;
            assert_eq!(reason(&message(&body)), MalformedIdentity, "{at} {byte}");
        }
        let mut server_hello = message(&start);
        server_hello[0] = 2;
        assert_eq!(reason(&server_hello), MalformedIdentity);
    }

    #[test]
    fn more_than_the_bounds_is_refused() {
        let padding = |length: usize| extension(21, &vec![0; length]);
        let rest = hello(&[padding(0)]).len();
        assert!(ClientHello::parse(&hello(&[padding(MAX_CLIENT_HELLO - rest)])).is_ok());
        assert_eq!(reason(&hello(&[padding(MAX_CLIENT_HELLO - rest + 1)])), IdentityTooLarge);
        assert_eq!(reason(&hello(&[padding(65_000)])), IdentityTooLarge);
        let many = |count: u16| hello(&(0..count).map(|kind| extension(kind + 100, b"")).collect::<Vec<_>>());
        assert!(ClientHello::parse(&many(64)).is_ok());
        assert_eq!(reason(&many(65)), MalformedIdentity);
    }
}
