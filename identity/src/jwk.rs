//! Keys as JSON Web Keys (RFC 7517; RFC 8037 for Ed25519, RFC 7518 section 6.2 for P-256).

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::object::Object;
use core::fmt;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Bytes of a key's name: it stands in every token.
const MAX_KEY_ID: usize = 64;
/// Bytes of a key file. A private JWK has about 170 or 220.
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

/// The members that a JWK may have. Others are refused: they would promise something (`x5c`, `key_ops`,
/// `nbf`) that nobody here looks at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Jwk {
    kty: String,
    crv: String,
    pub(crate) kid: String,
    x: String,
    #[serde(default)]
    y: Option<String>,
    #[serde(default)]
    d: Option<Zeroizing<String>>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
}

impl Jwk {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, JwkError> {
        if json.len() > MAX_JWK {
            return Err(JwkError::Json(format!("longer than {MAX_JWK} bytes")));
        }
        let parsed = serde_json::from_slice(json).map(|Object(jwk)| jwk);
        parsed.map_err(|error| JwkError::Json(error.to_string()))
    }

    /// Its kind and public coordinates.
    pub(crate) fn public(&self) -> Result<Coordinates, JwkError> {
        let is_of = |algorithm: &Algorithm| {
            let named = self.alg.as_deref().is_none_or(|alg| alg == algorithm.name());
            named && self.kty == algorithm.key_type() && self.crv == algorithm.curve()
        };
        let signs = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let algorithm = Algorithm::ALL.into_iter().find(is_of).filter(|_| signs).ok_or(JwkError::Kind)?;
        match (algorithm, &self.y) {
            (Algorithm::EdDsa, None) => Ok(Coordinates::Ed25519(coordinate(&self.x)?)),
            (Algorithm::Es256, Some(y)) => Ok(Coordinates::P256(coordinate(&self.x)?, coordinate(y)?)),
            (Algorithm::EdDsa, Some(_)) | (Algorithm::Es256, None) => Err(JwkError::Kind),
        }
    }

    /// The private half, where there is one.
    pub(crate) fn private(&self) -> Result<Option<Zeroizing<[u8; 32]>>, JwkError> {
        self.d.as_deref().map(|d| coordinate(d).map(Zeroizing::new)).transpose()
    }

    pub(crate) const fn is_private(&self) -> bool {
        self.d.is_some()
    }
}

/// What makes a public key, by its kind; P-256 has x and y.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Coordinates {
    Ed25519([u8; 32]),
    P256([u8; 32], [u8; 32]),
}

/// The 32 bytes of a coordinate or a private half.
pub(crate) fn coordinate(text: &str) -> Result<[u8; 32], JwkError> {
    base64url::decode_array(text.as_bytes()).ok_or(JwkError::Coordinate)
}

/// The members of a public JWK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicJwk {
    /// `OKP` or `EC`.
    pub kty: &'static str,
    /// `Ed25519` or `P-256`.
    pub crv: &'static str,
    /// The key's name.
    pub kid: String,
    /// 32 bytes, base64url.
    pub x: String,
    /// 32 bytes, base64url, on P-256 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
}

impl fmt::Display for PublicJwk {
    /// JSON on one line. No member needs escaping: see [`KeyId`].
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kty, crv, kid, x, y } = self;
        write!(out, r#"{{"kty":"{kty}","crv":"{crv}","kid":"{kid}","x":"{x}""#)?;
        if let Some(y) = y {
            write!(out, r#","y":"{y}""#)?;
        }
        out.write_str("}")
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
    /// `x`, `y` or `d` are not 32 bytes of base64url.
    Coordinate,
    /// No point of the curve, or one of small order; no scalar that makes one.
    Weak,
    /// The public half is not that of `d`.
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
                "not a signing key: kty must be OKP with crv Ed25519, or EC with crv P-256 and y; alg (if given) EdDSA or ES256 to match, use (if given) sig",
            ),
            Self::KeyId => write!(
                out,
                "kid must be 1 to {MAX_KEY_ID} printable ASCII characters without spaces, quotes or backslashes"
            ),
            Self::Coordinate => {
                out.write_str("x, y and d must be 32 bytes each, base64url without padding (43 characters)")
            }
            Self::Weak => out.write_str("not a usable key: make a new one with `procgate keygen`"),
            Self::Mismatch => out.write_str("the public half is not that of d: the file was edited or mixed up"),
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
