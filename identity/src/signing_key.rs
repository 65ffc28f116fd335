//! A key that signs tokens.

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::claims::Claims;
use crate::jwk::{Coordinates, Jwk, JwkError, KeyId};
use crate::public_key::PublicKey;
use crate::token::{self, MintError};
use core::fmt;
use ed25519_dalek::Signer as _;
use zeroize::Zeroizing;

/// A private key and its name. Its bytes lie in this value and nowhere else, and are wiped when it is
/// dropped.
pub struct SigningKey {
    id: KeyId,
    secret: Secret,
}

enum Secret {
    Ed25519(ed25519_dalek::SigningKey),
    #[cfg(not(target_arch = "wasm32"))]
    Es256(p256::ecdsa::SigningKey),
}

impl SigningKey {
    /// The Ed25519 key that grows from 32 random bytes (RFC 8032 section 5.1.5).
    #[must_use]
    pub fn from_seed(id: KeyId, seed: &Zeroizing<[u8; 32]>) -> Self {
        Self { id, secret: Secret::Ed25519(ed25519_dalek::SigningKey::from_bytes(seed)) }
    }

    /// The ES256 key with this private number of 32 random bytes, big-endian. Not in wasm.
    ///
    /// # Errors
    /// [`JwkError::Weak`] for zero and for what is not below the order of P-256, one in four billion.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn es256(id: KeyId, scalar: &Zeroizing<[u8; 32]>) -> Result<Self, JwkError> {
        let key = p256::ecdsa::SigningKey::from_slice(scalar.as_slice()).map_err(|_| JwkError::Weak)?;
        Ok(Self { id, secret: Secret::Es256(key) })
    }

    /// Reads a private JWK.
    ///
    /// # Errors
    /// Not a private JWK of a signing key, or one whose two halves do not belong together.
    pub fn from_jwk(json: &[u8]) -> Result<Self, JwkError> {
        let jwk = Jwk::parse(json)?;
        let coordinates = jwk.public()?;
        let public = PublicKey::from_coordinates(&jwk.kid, coordinates)?;
        let secret = jwk.private()?.ok_or(JwkError::PublicWherePrivate)?;
        let id = public.id().clone();
        let key = match coordinates {
            Coordinates::Ed25519(_) => Self::from_seed(id, &secret),
            #[cfg(not(target_arch = "wasm32"))]
            Coordinates::P256(..) => Self::es256(id, &secret)?,
            #[cfg(target_arch = "wasm32")]
            Coordinates::P256(..) => return Err(JwkError::Kind),
        };
        if key.public()? == public { Ok(key) } else { Err(JwkError::Mismatch) }
    }

    /// The private JWK, on one line.
    ///
    /// # Errors
    /// As [`SigningKey::public`].
    pub fn to_private_jwk(&self) -> Result<Zeroizing<String>, JwkError> {
        let secret = match &self.secret {
            Secret::Ed25519(key) => Zeroizing::new(key.to_bytes()),
            #[cfg(not(target_arch = "wasm32"))]
            Secret::Es256(key) => Zeroizing::new(key.to_bytes().into()),
        };
        let d = Zeroizing::new(base64url::encode(secret.as_slice()));
        let public = self.public()?.to_jwk();
        let members = public.strip_suffix('}').unwrap_or_default();
        Ok(Zeroizing::new([members, r#","d":""#, &d, r#""}"#].concat()))
    }

    /// The key that its tokens are checked against.
    ///
    /// # Errors
    /// [`JwkError::Weak`], which no key that was made here can be: its private number is never zero.
    pub fn public(&self) -> Result<PublicKey, JwkError> {
        let coordinates = match &self.secret {
            Secret::Ed25519(key) => Coordinates::Ed25519(key.verifying_key().to_bytes()),
            #[cfg(not(target_arch = "wasm32"))]
            Secret::Es256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let (x, y) = point.x().zip(point.y()).ok_or(JwkError::Weak)?;
                Coordinates::P256((*x).into(), (*y).into())
            }
        };
        PublicKey::from_coordinates(self.id.as_str(), coordinates)
    }

    /// The key's name.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// What it signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match &self.secret {
            Secret::Ed25519(_) => Algorithm::EdDsa,
            #[cfg(not(target_arch = "wasm32"))]
            Secret::Es256(_) => Algorithm::Es256,
        }
    }

    /// The token for these claims.
    ///
    /// # Errors
    /// Claims that make a token longer than a verifier accepts.
    pub fn sign_token(&self, claims: &Claims) -> Result<String, MintError> {
        token::mint(self, claims)
    }

    /// The signature as JWS writes it, R and S side by side. Neither algorithm takes random numbers:
    /// ES256 is made as RFC 6979 says.
    pub(crate) fn sign(&self, text: &[u8]) -> [u8; 64] {
        match &self.secret {
            Secret::Ed25519(key) => key.sign(text).to_bytes(),
            #[cfg(not(target_arch = "wasm32"))]
            Secret::Es256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(text);
                signature.to_bytes().into()
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A.1.
    const PRIVATE: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"a","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    /// RFC 7515 appendix A.3.1, with a name.
    const P256: &str = r#"{"kty":"EC","crv":"P-256","kid":"p","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

    #[test]
    fn a_private_key_survives_being_written_and_read() {
        for private in [PRIVATE, P256] {
            let key = SigningKey::from_jwk(private.as_bytes()).unwrap();
            let again = SigningKey::from_jwk(key.to_private_jwk().unwrap().as_bytes()).unwrap();
            assert_eq!(key.public(), again.public());
            let public = key.public().unwrap();
            assert_eq!(PublicKey::from_jwk(public.to_jwk().as_bytes()), Ok(public));
        }
        assert_eq!(*SigningKey::from_jwk(P256.as_bytes()).unwrap().to_private_jwk().unwrap(), P256);
    }

    #[test]
    fn a_key_is_never_printed() {
        for (private, secret) in [(PRIVATE, "nWGx"), (P256, "jpsQ")] {
            let key = SigningKey::from_jwk(private.as_bytes()).unwrap();
            assert!(!format!("{key:?}").contains(secret));
        }
    }

    #[test]
    fn each_mistake_in_a_key_on_p_256_is_named() {
        let private =
            |from: &str, to: &str| SigningKey::from_jwk(P256.replace(from, to).as_bytes()).unwrap_err();
        assert_eq!(private("P-256", "P-384"), JwkError::Kind);
        assert_eq!(private(r#""kid""#, r#""alg":"EdDSA","kid""#), JwkError::Kind);
        assert_eq!(private("EC", "OKP"), JwkError::Kind);
        assert_eq!(private("x_FE", "x_F"), JwkError::Coordinate);
        assert_eq!(private("x_FE", "x_FF"), JwkError::Weak);
        assert_eq!(private("jpsQ", "jpsR"), JwkError::Mismatch);
        assert_eq!(private("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI", &"A".repeat(43)), JwkError::Weak);
        let id = KeyId::new("p").unwrap();
        assert_eq!(SigningKey::es256(id, &Zeroizing::new([0xff; 32])).unwrap_err(), JwkError::Weak);
    }

    #[test]
    fn es256_signatures_are_those_of_rfc_6979() {
        // RFC 6979 appendix A.2.5, P-256 with SHA-256, message "sample".
        let hex = |text: &str| -> Vec<u8> {
            let byte = |pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
            text.as_bytes().chunks(2).map(byte).collect()
        };
        let scalar = hex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721");
        let scalar = Zeroizing::new(scalar.try_into().unwrap());
        let key = SigningKey::es256(KeyId::new("p").unwrap(), &scalar).unwrap();
        let expected = "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716\
                        F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8";
        assert_eq!(key.sign(b"sample").to_vec(), hex(expected));
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
