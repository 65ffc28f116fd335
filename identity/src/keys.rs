//! The keys that a verifier trusts, each for the subjects it may sign for.

use crate::jwk::KeyId;
use crate::public_key::PublicKey;
use crate::spiffe::{KeyScope, Subject, TrustDomain};
use core::fmt;
use std::collections::HashMap;

/// Keys in one set: two for each of some thousand containers, so that all can rotate at once.
pub const MAX_KEYS: usize = 8_192;

/// Public keys of one trust domain by name, each with its scope. The algorithm is the key's own: a
/// token has no say in it.
#[derive(Clone, Debug)]
pub struct TrustedKeys {
    domain: TrustDomain,
    keys: HashMap<String, TrustedKey>,
}

/// A key and the subjects it may sign for.
#[derive(Clone, Debug)]
pub(crate) struct TrustedKey {
    pub(crate) key: PublicKey,
    pub(crate) scope: KeyScope,
}

impl TrustedKeys {
    /// No keys yet, for this domain.
    #[must_use]
    pub fn new(domain: TrustDomain) -> Self {
        Self { domain, keys: HashMap::new() }
    }

    /// Trusts `key` to sign for `scope`.
    ///
    /// # Errors
    /// A name that another key has, a scope outside the domain, or more than [`MAX_KEYS`].
    pub fn add(&mut self, key: PublicKey, scope: KeyScope) -> Result<(), KeyError> {
        if !scope.is_within(&self.domain) {
            return Err(KeyError::OutsideDomain);
        }
        if self.keys.contains_key(key.id().as_str()) {
            return Err(KeyError::Repeated(key.id().clone()));
        }
        if self.keys.len() >= MAX_KEYS {
            return Err(KeyError::TooMany);
        }
        self.keys.insert(key.id().as_str().into(), TrustedKey { key, scope });
        Ok(())
    }

    /// The domain that subjects must belong to.
    #[must_use]
    pub const fn domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// Whether some key may sign for this subject.
    #[must_use]
    pub fn covers(&self, subject: &Subject) -> bool {
        self.keys.values().any(|trusted| trusted.scope.covers(subject))
    }

    pub(crate) fn get(&self, kid: &str) -> Option<&TrustedKey> {
        self.keys.get(kid)
    }
}

/// Why a key cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// Two keys of one name.
    Repeated(KeyId),
    /// The scope is not of this trust domain.
    OutsideDomain,
    /// More than [`MAX_KEYS`].
    TooMany,
}

impl fmt::Display for KeyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repeated(kid) => {
                write!(out, "two keys have the kid {}: give each its own", kid.as_str())
            }
            Self::OutsideDomain => {
                out.write_str("the scope is outside the trust domain: start it with spiffe://<trust domain>/")
            }
            Self::TooMany => write!(out, "more than {MAX_KEYS} keys: remove those no longer signing"),
        }
    }
}

impl core::error::Error for KeyError {}
