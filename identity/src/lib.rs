//! The process identity token: what it claims, who may sign it, how it is checked and carried.
//!
//! A token is a JWT (JWS compact serialisation, RFC 7515 and RFC 7519) that says which container and
//! which code opened one connection. The way through this crate is the way of a token:
//!
//! 1. the shim fills in [`Claims`] and a [`SigningKey`] turns them into a token;
//! 2. a [`Carrier`] takes the token along with the connection and gives its bytes back;
//! 3. [`UnverifiedToken::parse`] looks at its form, and [`UnverifiedToken::verify`] makes of it a
//!    [`VerifiedIdentity`], or a [`Refusal`] from the closed vocabulary of reasons.
//!
//! ```
//! use procgate_identity::*;
//! use zeroize::Zeroizing;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SigningKey::from_seed(KeyId::new("2026-11")?, &Zeroizing::new([7; 32]));
//! let now = UnixNanos(1_800_000_000_000_000_000);
//! let claims = Claims {
//!     subject: "spiffe://shop.example/ns/shop/sa/checkout/container/app".parse()?,
//!     lifetime: Lifetime::starting(now, TOKEN_LIFE_SECONDS),
//!     serial: Serial(now.0),
//!     exe: Digest::of(b"the executable's bytes"),
//!     code: None,
//!     stray: None,
//!     script: None,
//!     name: "/app/server".into(),
//!     labels: Labels::default(),
//!     source: "10.0.0.9:40000".parse()?,
//!     destination: "10.0.0.1:8080".parse()?,
//! };
//! let token = key.sign_token(&claims)?;
//!
//! let mut trusted = TrustedKeys::new("shop.example".parse()?);
//! trusted.add(key.public()?, "spiffe://shop.example/ns/shop/sa/checkout/container/".parse()?)?;
//! let binding = Binding::Connection { source: claims.source, destination: claims.destination };
//! let identity = UnverifiedToken::parse(token.as_bytes())?.verify(&trusted, now, binding)?;
//! assert_eq!(identity.claims(), &claims);
//! # Ok(())
//! # }
//! ```
//!
//! There is no clock, no I/O and no environment in here: time, addresses and keys are arguments.

mod address;
mod algorithm;
mod base64url;
pub mod carrier;
mod claims;
mod code_list;
mod digest;
mod ed25519;
mod es256;
mod json;
mod jwk;
mod keys;
mod labels;
mod object;
mod payload;
mod public_key;
mod refusal;
mod signing_key;
mod spiffe;
mod time;
mod token;

pub use address::canonical;
pub use algorithm::Algorithm;
pub use carrier::Carrier;
pub use claims::{Claims, MAX_NAME, Stray};
pub use code_list::{CodeList, CodeListError, MAX_CODE_LIST};
pub use digest::{Digest, DigestError, Hasher};
pub use es256::{Es256Check, Es256Signature};
pub use jwk::{JwkError, KeyId, PublicJwk};
pub use keys::{KeyError, MAX_KEYS, TrustedKeys};
pub use labels::{LabelError, Labels, MAX_LABEL_NAME, MAX_LABEL_VALUE, MAX_LABELS};
pub use public_key::PublicKey;
pub use refusal::{Refusal, RefusalReason};
pub use signing_key::SigningKey;
pub use spiffe::{KeyScope, MAX_SUBJECT, SpiffeError, Subject, TrustDomain};
pub use time::{
    CLOCK_SKEW_SECONDS, Lifetime, MAX_LIFE_SECONDS, Serial, TOKEN_LIFE_SECONDS, UnixNanos, UnixSeconds,
};
pub use token::{AUDIENCE, Binding, MAX_TOKEN_BYTES, MintError, UnverifiedToken, VerifiedIdentity};
