//! A policy as it is written: of the right shape, its meaning not yet checked.
//!
//! The shape is what `policy.schema.json` says; a test holds the two together. Types here carry the
//! words of the document, so that tools can read, change and write policies. Serializing gives the
//! document back, with absent fields left out.

mod bounds;
mod lint;
mod lists;
mod part;
mod read;
mod read_rule;
pub(crate) mod reader;
mod rule;
mod spelling;
mod write;

pub use bounds::{
    MAX_CIDRS, MAX_DESTINATIONS, MAX_DIGESTS, MAX_HOSTS, MAX_METHODS, MAX_NAMES, MAX_PATHS, MAX_PORTS,
    MAX_PROCESSES, MAX_RULES, MAX_SUPPRESSIONS, MAX_TEXT,
};
pub use lint::{RawLint, RawSuppression};
pub use read_rule::is_method;
pub use rule::{Effect, RawFrom, RawPort, RawRule, RawSelector, RawTo};

use crate::document;
use crate::mistake::Mistakes;
use procgate_identity::Digest;
use serde::Serialize;

/// What happens to a connection that no rule allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It proceeds, and the record says that it would have been denied.
    Audit,
    /// It is denied.
    Enforce,
}

impl Mode {
    /// `audit` or `enforce`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Enforce => "enforce",
        }
    }
}

/// A whole policy, version 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPolicy {
    /// What happens to what no rule allows.
    pub mode: Mode,
    /// Whether requests take their token along, for the receiver to check.
    pub forward: bool,
    /// Whose identities count.
    pub trust: RawTrust,
    /// The processes that rules name.
    pub processes: Vec<RawProcess>,
    /// The destinations that rules name.
    pub destinations: Vec<RawDestination>,
    /// Who may reach what.
    pub rules: Vec<RawRule>,
    /// What lint finds and need not say.
    pub lint: RawLint,
}

/// Trust domain and keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RawTrust {
    /// `shop.example` or `spiffe://shop.example`.
    pub domain: String,
    /// At least one.
    pub keys: Vec<RawKey>,
}

/// A public key and what it may sign for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RawKey {
    /// The public key.
    pub jwk: RawJwk,
    /// A subject, or a prefix of subjects that ends in `/`.
    pub scope: String,
}

/// A public key as a JWK: on P-256 where it has a `y` (RFC 7518), on Ed25519 where it has none (RFC 8037).
/// So `kty` and `crv` say nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawJwk {
    /// Its name.
    pub kid: String,
    /// 32 bytes, base64url.
    pub x: String,
    /// 32 bytes, base64url.
    pub y: Option<String>,
}

/// A process: an executable, and where it must run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RawProcess {
    /// Its name in rules and records.
    pub name: String,
    /// The container it must run in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The namespace it must run in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The service account it must run under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// Digests of its executable, at least one; several during a rollout.
    #[serde(serialize_with = "write::digests")]
    pub exe: Vec<Digest>,
    /// Digests of its code list; none pins nothing.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "write::digests")]
    pub code: Vec<Digest>,
    /// Digests of the script an interpreter runs; none pins nothing.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "write::digests")]
    pub script: Vec<Digest>,
    /// Its path in the container. Never matched: it tells changed code from an unknown process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Somewhere a connection can go: any of its hosts, or any of its address ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RawDestination {
    /// Its name in rules.
    pub name: String,
    /// Host patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Address ranges, `10.4.0.0/16` or `fd00::/8`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cidrs: Vec<String>,
    /// Labels that rules select by.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "write::labels")]
    pub labels: Vec<(String, String)>,
}

impl RawPolicy {
    /// Reads JSON.
    ///
    /// # Errors
    /// Every mistake of form; what a well-formed document means is checked by
    /// [`Policy::new`](crate::Policy::new).
    pub fn from_json(bytes: &[u8]) -> Result<Self, Mistakes> {
        read::policy(|items| document::from_json(bytes, items))
    }

    /// Reads YAML, of which JSON is a part.
    ///
    /// # Errors
    /// As [`RawPolicy::from_json`].
    #[cfg(feature = "yaml")]
    pub fn from_yaml(bytes: &[u8]) -> Result<Self, Mistakes> {
        read::policy(|items| document::from_yaml(bytes, items))
    }
}
