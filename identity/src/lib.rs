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
//! There is no clock, no I/O and no environment in here: time, addresses and keys are arguments.

mod address;
mod base64url;
pub mod carrier;
mod claims;
mod code_list;
mod digest;
mod ed25519;
mod jwk;
mod keys;
mod labels;
mod payload;
mod refusal;
mod spiffe;
mod time;
mod token;

pub use address::canonical;
pub use carrier::Carrier;
pub use claims::{Claims, MAX_NAME, Stray};
pub use code_list::{CodeList, CodeListError, MAX_CODE_LIST};
pub use digest::{Digest, DigestError, Hasher};
pub use jwk::{JwkError, KeyId, PublicKey, SigningKey};
pub use keys::{KeyError, MAX_KEYS, TrustedKeys};
pub use labels::{LabelError, Labels, MAX_LABEL_NAME, MAX_LABEL_VALUE, MAX_LABELS};
pub use refusal::{Refusal, RefusalReason};
pub use spiffe::{KeyScope, MAX_SUBJECT, SpiffeError, Subject, TrustDomain};
pub use time::{
    CLOCK_SKEW_SECONDS, Lifetime, MAX_LIFE_SECONDS, Serial, TOKEN_LIFE_SECONDS, UnixNanos, UnixSeconds,
};
pub use token::{AUDIENCE, Binding, MAX_TOKEN_BYTES, MintError, UnverifiedToken, VerifiedIdentity};
