//! What a token says.

use crate::digest::Digest;
use crate::labels::Labels;
use crate::spiffe::Subject;
use crate::time::{Lifetime, Serial};
use core::net::SocketAddr;

/// Bytes of an executable's path in a token. Longer ones are cut: the path is for people only.
pub const MAX_NAME: usize = 512;

/// The claims of one token: which process opened which connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `sub`, and through its trust domain `iss`: the container that speaks.
    pub subject: Subject,
    /// `iat` and `exp`.
    pub lifetime: Lifetime,
    /// `jti`.
    pub serial: Serial,
    /// The running executable.
    pub exe: Digest,
    /// The code DNA: digest of the code list that covers every file the process has mapped
    /// executable. Absent without a list, or where anything mapped is not on it.
    pub code: Option<Digest>,
    /// The first mapped file that is not on the list, for people and `explain`.
    pub stray: Option<Stray>,
    /// The program that an interpreter was started with, where the shim knows it.
    pub script: Option<Digest>,
    /// The executable's path, for people, never for matching.
    pub name: String,
    /// Labels from the manifest.
    pub labels: Labels,
    /// The connection's source as the kernel sees it there ([`canonical`](crate::canonical)).
    pub source: SocketAddr,
    /// The connection's destination as the kernel sees it at the source.
    pub destination: SocketAddr,
}

/// A file that is mapped executable and not on the code list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Its path, for people.
    pub path: String,
    /// Its digest, where it could be read.
    pub digest: Option<Digest>,
}
