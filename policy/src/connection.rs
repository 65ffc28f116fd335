//! What is judged: who speaks, and where to.

use core::net::SocketAddr;
use procgate_identity::{Refusal, VerifiedIdentity};

/// The identity that a connection presents.
#[derive(Clone, Copy, Debug)]
pub enum Presented<'a> {
    /// A token that verified.
    Verified(&'a VerifiedIdentity),
    /// No carrier brought anything.
    Absent,
    /// A carrier brought something that was refused, or two carriers did.
    Refused(&'a Refusal),
    /// At the receiver: the token verified, but names another workload than the mTLS certificate.
    /// The text says which two, for people.
    PeerMismatch(&'a str),
    /// Who speaks could not be found out, by a fault of our own. The text says which, for people.
    Fault(&'a str),
}

/// Where a connection or request goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Destination<'a> {
    /// The host as the peer wrote it: the authority of the request, with a port or without, or the
    /// server name of the TLS handshake.
    pub host: Option<&'a str>,
    /// The original destination. Address ranges and ports of the policy are compared with it alone,
    /// since a peer can write any host.
    pub address: Option<SocketAddr>,
    /// The request, where it is HTTP.
    pub http: Option<Http<'a>>,
}

/// Method and path of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http<'a> {
    /// The method, compared byte by byte.
    pub method: &'a str,
    /// The path with its query, as the proxy will forward it. Bytes that are no UTF-8 may be replaced by anything
    /// beyond ASCII: such a path is unclear either way.
    pub path: &'a str,
}
