//! A key that tokens are checked against.

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::ed25519::Ed25519Key;
use crate::es256::{Es256Check, Es256Key};
use crate::jwk::{Coordinates, Jwk, JwkError, KeyId, PublicJwk, coordinate};

/// A public key and its name. Its algorithm is its own: a token has no say in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Ed25519(Ed25519Key),
    Es256(Es256Key),
}

impl PublicKey {
    /// An Ed25519 key from a JWK's `kid` and `x` (32 bytes, base64url).
    ///
    /// # Errors
    /// A name or coordinate out of form, no point, and points of small order.
    pub fn ed25519(kid: &str, x: &str) -> Result<Self, JwkError> {
        Self::from_coordinates(kid, Coordinates::Ed25519(coordinate(x)?))
    }

    /// An ES256 key from a JWK's `kid`, `x` and `y` (32 bytes each, base64url).
    ///
    /// # Errors
    /// A name or coordinate out of form, and natively what is no point of P-256: in wasm no signature
    /// of such a key is good.
    pub fn es256(kid: &str, x: &str, y: &str) -> Result<Self, JwkError> {
        Self::from_coordinates(kid, Coordinates::P256(coordinate(x)?, coordinate(y)?))
    }

    /// Reads a public JWK.
    ///
    /// # Errors
    /// Not a public JWK of a signing key; a private one is refused loudly, it has no business here.
    pub fn from_jwk(json: &[u8]) -> Result<Self, JwkError> {
        let jwk = Jwk::parse(json)?;
        if jwk.is_private() {
            return Err(JwkError::PrivateWherePublic);
        }
        Self::from_coordinates(&jwk.kid, jwk.public()?)
    }

    pub(crate) fn from_coordinates(kid: &str, coordinates: Coordinates) -> Result<Self, JwkError> {
        let kind = match coordinates {
            Coordinates::Ed25519(x) => Ed25519Key::from_bytes(x).map(Kind::Ed25519),
            Coordinates::P256(x, y) => Es256Key::from_coordinates(x, y).map(Kind::Es256),
        };
        Ok(Self { id: KeyId::new(kid)?, kind: kind.ok_or(JwkError::Weak)? })
    }

    /// The members of its JWK.
    #[must_use]
    pub fn jwk(&self) -> PublicJwk {
        let (x, y) = match &self.kind {
            Kind::Ed25519(key) => (key.as_bytes(), None),
            Kind::Es256(key) => {
                let (x, y) = key.coordinates();
                (x, Some(y))
            }
        };
        let algorithm = self.algorithm();
        PublicJwk {
            kty: algorithm.key_type(),
            crv: algorithm.curve(),
            kid: self.id.as_str().into(),
            x: base64url::encode(x),
            y: y.map(|y| base64url::encode(y)),
        }
    }

    /// The JWK, on one line.
    #[must_use]
    pub fn to_jwk(&self) -> String {
        self.jwk().to_string()
    }

    /// The key's name.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The one algorithm that it signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match &self.kind {
            Kind::Ed25519(_) => Algorithm::EdDsa,
            Kind::Es256(_) => Algorithm::Es256,
        }
    }

    /// Whether `signature` is this key's over `text`.
    pub(crate) fn verifies(&self, text: &[u8], signature: &[u8; 64], es256: Es256Check) -> bool {
        match &self.kind {
            Kind::Ed25519(key) => key.verifies(text, signature),
            Kind::Es256(key) => es256(&key.signature(text, signature)),
        }
    }
}
