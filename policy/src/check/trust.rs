//! Trust domain and keys.

use super::each;
use crate::model::Key;
use crate::raw::reader::{At, Reader, quoted};
use crate::raw::{RawJwk, RawKey, RawTrust};
use procgate_identity::{JwkError, KeyError, KeyScope, PublicKey, SpiffeError, TrustDomain, TrustedKeys};

/// The keys, once for verifying and once as a list.
#[inline(never)]
pub(super) fn trust(reader: &mut Reader, at: At<'_>, raw: &RawTrust) -> Option<(TrustedKeys, Vec<Key>)> {
    let domain: Option<TrustDomain> = raw.domain.parse().ok();
    if domain.is_none() {
        reader.mistake(
            at.field("domain"),
            format!("{} is no trust domain", quoted(&raw.domain)),
            "write lower-case letters, digits, '.', '-' and '_', for example shop.example",
        );
    }
    let at_keys = at.field("keys");
    let keys = each(&raw.keys, |index, raw| key(reader, at_keys.item(index), raw));
    let mut trusted = TrustedKeys::new(domain?);
    let keys = keys?;
    for (index, Key { key, scope }) in keys.iter().enumerate() {
        if let Err(error) = trusted.add(key.clone(), scope.clone()) {
            refused(reader, at_keys.item(index), &error, trusted.domain());
        }
    }
    Some((trusted, keys))
}

fn refused(reader: &mut Reader, at: At<'_>, error: &KeyError, domain: &TrustDomain) {
    let at_jwk = at.field("jwk");
    match error {
        KeyError::Repeated(kid) => reader.mistake(
            at_jwk.field("kid"),
            format!("another key has the kid {} too", quoted(kid.as_str())),
            "give each key its own kid",
        ),
        KeyError::OutsideDomain => {
            reader.mistake(at.field("scope"), "outside the trust domain", format!("begin it with {domain}/"))
        }
        KeyError::TooMany => {
            reader.mistake(at, "too many keys", "remove those that sign no longer");
        }
    }
}

fn key(reader: &mut Reader, at: At<'_>, raw: &RawKey) -> Option<Key> {
    let RawJwk { kid, x, y } = &raw.jwk;
    let key = match y {
        Some(y) => PublicKey::es256(kid, x, y),
        None => PublicKey::ed25519(kid, x),
    };
    if let Err(error) = &key {
        let at_jwk = at.field("jwk");
        let (name, remedy) = match error {
            JwkError::KeyId => {
                ("kid", "write 1 to 64 printable ASCII characters without spaces, quotes and backslashes")
            }
            JwkError::Weak => {
                ("x", "make a new key with `procgate keygen`: this is no point anybody could sign with")
            }
            JwkError::Coordinate
            | JwkError::Json(_)
            | JwkError::Kind
            | JwkError::Mismatch
            | JwkError::PrivateWherePublic
            | JwkError::PublicWherePrivate => {
                ("x", "write the 43 characters of base64url that `procgate keygen` printed")
            }
        };
        reader.mistake(at_jwk.field(name), "not a usable public key", remedy);
    }
    let scope: Result<KeyScope, SpiffeError> = raw.scope.parse();
    if let Err(error) = &scope {
        let text = error.to_string();
        let (problem, remedy) = text.split_once(": ").unwrap_or((&text, "correct it"));
        let hint = if raw.scope.ends_with('/') { "" } else { "; a prefix of several subjects ends in /" };
        reader.mistake(at.field("scope"), problem, format!("{remedy}{hint}"));
    }
    Some(Key { key: key.ok()?, scope: scope.ok()? })
}
