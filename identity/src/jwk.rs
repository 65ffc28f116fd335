//! Keys as JSON Web Keys (RFC 7517, RFC 8037 for Ed25519).

use crate::base64url;
use crate::claims::Claims;
use crate::ed25519::Ed25519Key;
use crate::object::Object;
use crate::token::{self, MintError};
use core::fmt;
use ed25519_dalek::Signer as _;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Bytes of a key's name: it stands in every token.
const MAX_KEY_ID: usize = 64;
/// Bytes of a key file. A private Ed25519 JWK has about 170.
const MAX_JWK: usize = 4_096;

/// `kid`: a key's name, 1 to 64 printable ASCII characters without quotes, spaces or backslashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// A key's name.
    ///
    /// # Errors
    /// Empty, too long, or a character that would need escaping somewhere.
    pub fn new(text: &str) -> Result<Self, JwkError> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'\'');
        let fits = (1..=MAX_KEY_ID).contains(&text.len()) && text.bytes().all(plain);
        if fits { Ok(Self(text.into())) } else { Err(JwkError::KeyId) }
    }

    /// The name as it stands in a token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The members that an Ed25519 JWK may have. Others are refused: they would promise something
/// (`x5c`, `key_ops`, `nbf`) that nobody here looks at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwk {
    kty: String,
    crv: String,
    kid: String,
    x: String,
    #[serde(default)]
    d: Option<Zeroizing<String>>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
}

impl Jwk {
    fn parse(json: &[u8]) -> Result<Self, JwkError> {
        if json.len() > MAX_JWK {
            return Err(JwkError::Json(format!("longer than {MAX_JWK} bytes")));
        }
        let parsed = serde_json::from_slice(json).map(|Object(jwk)| jwk);
        parsed.map_err(|error| JwkError::Json(error.to_string()))
    }

    fn public(&self) -> Result<PublicKey, JwkError> {
        let signs = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let algorithm = self.alg.as_deref().is_none_or(|alg| alg == token::ED_DSA);
        if self.kty != "OKP" || self.crv != "Ed25519" || !signs || !algorithm {
            return Err(JwkError::Kind);
        }
        PublicKey::ed25519(&self.kid, &self.x)
    }
}

/// A key that tokens are checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    key: Ed25519Key,
}

impl PublicKey {
    /// An Ed25519 key from a JWK's `kid` and `x` (32 bytes, base64url).
    ///
    /// # Errors
    /// A name or coordinate out of form, and keys of small order.
    pub fn ed25519(kid: &str, x: &str) -> Result<Self, JwkError> {
        let bytes = base64url::decode_array(x.as_bytes()).ok_or(JwkError::Coordinate)?;
        let key = Ed25519Key::from_bytes(bytes).ok_or(JwkError::Weak)?;
        Ok(Self { id: KeyId::new(kid)?, key })
    }

    /// Reads a public JWK.
    ///
    /// # Errors
    /// Not a public Ed25519 JWK; a private one is refused loudly, it has no business here.
    pub fn from_jwk(json: &[u8]) -> Result<Self, JwkError> {
        let jwk = Jwk::parse(json)?;
        if jwk.d.is_some() {
            return Err(JwkError::PrivateWherePublic);
        }
        jwk.public()
    }

    /// The JWK, on one line.
    #[must_use]
    pub fn to_jwk(&self) -> String {
        let (kid, x) = (self.id.as_str(), self.x());
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}}"#)
    }

    /// The public coordinate, base64url.
    #[must_use]
    pub fn x(&self) -> String {
        base64url::encode(self.key.as_bytes())
    }

    /// The key's name.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    pub(crate) const fn ed25519_key(&self) -> &Ed25519Key {
        &self.key
    }
}

/// A key that signs tokens. Its bytes are wiped when it is dropped.
pub struct SigningKey {
    id: KeyId,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// The key that grows from 32 random bytes (RFC 8032 section 5.1.5).
    #[must_use]
    pub fn from_seed(id: KeyId, seed: &Zeroizing<[u8; 32]>) -> Self {
        Self { id, key: ed25519_dalek::SigningKey::from_bytes(seed) }
    }

    /// Reads a private JWK.
    ///
    /// # Errors
    /// Not a private Ed25519 JWK, or one whose two halves do not belong together.
    pub fn from_jwk(json: &[u8]) -> Result<Self, JwkError> {
        let jwk = Jwk::parse(json)?;
        let public = jwk.public()?;
        let d = jwk.d.as_ref().ok_or(JwkError::PublicWherePrivate)?;
        let seed = base64url::decode_array(d.as_bytes()).map(Zeroizing::new);
        let key = Self::from_seed(public.id, &seed.ok_or(JwkError::Coordinate)?);
        if key.key.verifying_key().as_bytes() == public.key.as_bytes() {
            Ok(key)
        } else {
            Err(JwkError::Mismatch)
        }
    }

    /// The private JWK, on one line.
    #[must_use]
    pub fn to_private_jwk(&self) -> Zeroizing<String> {
        let d = Zeroizing::new(base64url::encode(self.key.as_bytes()));
        let x = base64url::encode(self.key.verifying_key().as_bytes());
        let (kid, d) = (self.id.as_str(), d.as_str());
        Zeroizing::new(format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}","d":"{d}"}}"#))
    }

    /// The key that its tokens are checked against.
    ///
    /// # Errors
    /// [`JwkError::Weak`], which no key from a seed can be: the clamped scalar is never zero.
    pub fn public(&self) -> Result<PublicKey, JwkError> {
        let key = Ed25519Key::from_bytes(self.key.verifying_key().to_bytes());
        Ok(PublicKey { id: self.id.clone(), key: key.ok_or(JwkError::Weak)? })
    }

    /// The key's name.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The token for these claims.
    ///
    /// # Errors
    /// Claims that make a token longer than a verifier accepts.
    pub fn sign_token(&self, claims: &Claims) -> Result<String, MintError> {
        token::mint(self, claims)
    }

    pub(crate) fn sign(&self, text: &[u8]) -> [u8; 64] {
        self.key.sign(text).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a text is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwkError {
    /// Not JSON, or not the members of a JWK.
    Json(String),
    /// A key of another kind or for another purpose.
    Kind,
    /// A name that is empty, too long or would need escaping.
    KeyId,
    /// `x` or `d` are not 32 bytes of base64url.
    Coordinate,
    /// No point of the curve, or one of small order.
    Weak,
    /// `x` is not the public half of `d`.
    Mismatch,
    /// A private key where a public one belongs.
    PrivateWherePublic,
    /// A public key where a private one is needed.
    PublicWherePrivate,
}

impl fmt::Display for JwkError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(what) => write!(out, "not a JWK: {what}; make one with `procgate keygen`"),
            Self::Kind => out.write_str(
                "not an Ed25519 signing key: kty must be OKP, crv Ed25519, alg (if given) EdDSA, use (if given) sig",
            ),
            Self::KeyId => write!(
                out,
                "kid must be 1 to {MAX_KEY_ID} printable ASCII characters without spaces, quotes or backslashes"
            ),
            Self::Coordinate => {
                out.write_str("x and d must be 32 bytes each, base64url without padding (43 characters)")
            }
            Self::Weak => out.write_str("x is not a usable Ed25519 key: make a new one with `procgate keygen`"),
            Self::Mismatch => out.write_str("x is not the public half of d: the file was edited or mixed up"),
            Self::PrivateWherePublic => out.write_str(
                "a private key (it has d): remove d here, and replace the key, since it has been shown",
            ),
            Self::PublicWherePrivate => {
                out.write_str("a public key (it has no d): give the private file that `procgate keygen` wrote")
            }
        }
    }
}

impl core::error::Error for JwkError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A.1.
    const PRIVATE: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"a","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    #[test]
    fn a_private_key_survives_being_written_and_read() {
        let key = SigningKey::from_jwk(PRIVATE.as_bytes()).unwrap();
        let again = SigningKey::from_jwk(key.to_private_jwk().as_bytes()).unwrap();
        assert_eq!(key.public(), again.public());
        let public = key.public().unwrap();
        assert_eq!(PublicKey::from_jwk(public.to_jwk().as_bytes()), Ok(public));
    }

    #[test]
    fn a_key_is_never_printed() {
        let key = SigningKey::from_jwk(PRIVATE.as_bytes()).unwrap();
        assert!(!format!("{key:?}").contains("nWGx"));
    }

    #[test]
    fn each_mistake_in_a_key_is_named() {
        let private =
            |from: &str, to: &str| SigningKey::from_jwk(PRIVATE.replace(from, to).as_bytes()).unwrap_err();
        assert_eq!(private("OKP", "EC"), JwkError::Kind);
        assert_eq!(private("Ed25519", "X25519"), JwkError::Kind);
        assert_eq!(private(r#""kid":"a""#, r#""kid":"""#), JwkError::KeyId);
        assert_eq!(private("11qY", "11q="), JwkError::Coordinate);
        assert_eq!(private("nWGx", "nWGy"), JwkError::Mismatch);
        assert!(matches!(private("kty", "key"), JwkError::Json(_)));
        let public = SigningKey::from_jwk(PRIVATE.as_bytes()).unwrap().public().unwrap().to_jwk();
        assert_eq!(SigningKey::from_jwk(public.as_bytes()).unwrap_err(), JwkError::PublicWherePrivate);
        assert_eq!(PublicKey::from_jwk(PRIVATE.as_bytes()), Err(JwkError::PrivateWherePublic));
        assert!(matches!(PublicKey::from_jwk(&[b' '; 5_000]), Err(JwkError::Json(_))));
    }

    #[test]
    fn keys_of_small_order_and_second_encodings_are_refused() {
        // The eight points of small order and their non-canonical encodings ("Taming the many
        // EdDSAs", table 1), by y coordinate in little-endian hex.
        for y in [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ] {
            let mut bytes = [0; 32];
            for (byte, pair) in bytes.iter_mut().zip(y.as_bytes().chunks(2)) {
                *byte = u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
            }
            assert_eq!(PublicKey::ed25519("weak", &base64url::encode(&bytes)), Err(JwkError::Weak), "{y}");
        }
    }
}
