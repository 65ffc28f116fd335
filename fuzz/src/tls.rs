//! What the shim reads of a program for which it begins TLS, in types that targets see.

#[path = "../../shim/src/forward/tls/authority.rs"]
mod authority;
#[allow(dead_code, reason = "the shim has more to ask of an opening")]
#[path = "../../shim/src/forward/tls/opening.rs"]
mod opening;

use authority::Authority;

/// The host of the first request in frames behind HTTP/2's preface, if it names one; nothing where more frames could
/// tell.
pub fn authority(frames: &[u8]) -> Option<Option<String>> {
    match authority::find(frames) {
        Authority::Ahead => None,
        Authority::Known(host) => Some(host),
    }
}

/// What a connection speaks.
#[derive(Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The protocol's name in TLS, if it has one.
    pub protocol: Option<Vec<u8>>,
    /// The host that the first request is for, if it names one.
    pub host: Option<String>,
}

/// What these first bytes of a connection say; nothing where more could tell.
pub fn spoken(bytes: &[u8]) -> Option<Spoken> {
    let opening = opening::look(bytes, false)?;
    let (protocol, host) = (opening.protocol().map(Into::into), opening.host().map(Into::into));
    Some(Spoken { protocol, host })
}
