//! How a token travels with its connection. One module a carrier, each with both directions.
//!
//! Exactly one identity belongs to a connection: a carrier that finds two tokens, or parts that do
//! not fit together, says `ambiguous-identity` and never picks one.

pub mod alpn;
pub mod client_hello;
pub mod header;
pub mod opening;
pub mod proxy_v2;

use core::fmt;

/// The ways a token can travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// A header field of the first request, HTTP/1.1 and HTTP/2.
    Header,
    /// A TLV of a PROXY protocol v2 preface, ahead of the application's bytes.
    ProxyV2,
    /// Protocol names in a TLS ClientHello.
    Alpn,
}

impl Carrier {
    /// Every carrier.
    pub const ALL: [Self; 3] = [Self::Header, Self::ProxyV2, Self::Alpn];

    /// The carrier's name in options, records and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::ProxyV2 => "proxy-v2",
            Self::Alpn => "alpn",
        }
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.code())
    }
}
