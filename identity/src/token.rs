//! From untrusted bytes to a verified identity.

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::claims::Claims;
#[cfg(not(target_arch = "wasm32"))]
use crate::es256;
use crate::es256::Es256Check;
use crate::json::Object;
use crate::keys::{TrustedKey, TrustedKeys};
use crate::payload;
use crate::refusal::{Refusal, RefusalReason};
use crate::signing_key::SigningKey;
use crate::time::{CLOCK_SKEW_SECONDS, Lifetime, MAX_LIFE_SECONDS, UnixNanos};
use core::fmt;
use core::net::SocketAddr;

/// Bytes of a token. A usual one has 700 to 900; Envoy accepts 60 KiB of headers, and a bound well
/// below keeps what a peer can make the filter decode small.
pub const MAX_TOKEN_BYTES: usize = 4_096;
/// The one audience (`aud`) that tokens are made for.
pub const AUDIENCE: &str = "procgate";

/// The members of the JOSE header. Any other (`crit`, `jwk`, `jku`, `x5c`, `b64` …) asks the verifier to
/// behave differently, so it is refused and not ignored.
const JOSE_MEMBERS: [&str; 3] = ["alg", "kid", "typ"];

/// A token of sound form that nobody has vouched for yet.
#[derive(Debug)]
pub struct UnverifiedToken<'a> {
    signed: &'a [u8],
    payload: &'a [u8],
    signature: &'a [u8],
    algorithm: Algorithm,
    kid: String,
}

/// The connection that a token must have been made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The true peer and the original destination of the connection that brought the token.
    Connection {
        /// The peer's address as this end of the connection sees it.
        source: SocketAddr,
        /// The address that the peer connected to.
        destination: SocketAddr,
    },
    /// Another connection than this one: the sender's proxy has checked it, and forwards the token. Nothing
    /// may proceed on the result unless the peer is the [workload](crate::Subject::workload) of its subject.
    Forwarded,
    /// No connection: somebody inspects a token. Nothing may proceed on the result.
    Unbound,
}

impl<'a> UnverifiedToken<'a> {
    /// Looks at the form of a token: three base64url parts and a header with `alg`, `kid`, `typ`.
    ///
    /// # Errors
    /// `identity-too-large`, `malformed-identity`, `unsupported-algorithm`.
    pub fn parse(token: &'a [u8]) -> Result<Self, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            let detail = format!("{} bytes, at most {MAX_TOKEN_BYTES} are read", token.len());
            return Err(Refusal::new(RefusalReason::IdentityTooLarge, detail));
        }
        let dot = |text: &[u8]| text.iter().position(|byte| *byte == b'.');
        let parts = || {
            let (header, rest) = split(token, dot(token)?)?;
            let (payload, signature) = split(rest, dot(rest)?)?;
            let signed = token.get(..token.len().checked_sub(signature.len())?.checked_sub(1)?)?;
            Some((signed, header, payload, signature))
        };
        let (signed, header, payload, signature) =
            parts().ok_or_else(|| Refusal::malformed("not three parts with a dot between"))?;
        let header =
            base64url::decode(header).ok_or_else(|| Refusal::malformed("the header is not base64url"))?;
        let mut header = Object::parse(&header)?;
        if !header.has_only(&JOSE_MEMBERS) {
            return Err(Refusal::malformed("the header must hold alg, kid, typ and nothing else"));
        }
        if header.optional_text("typ")?.is_some_and(|typ| typ != "JWT") {
            return Err(Refusal::malformed("typ is not JWT"));
        }
        let algorithm = Algorithm::named(&header.text("alg")?).ok_or_else(|| {
            let detail = "the token asks for an algorithm that no key here has: sign with EdDSA or ES256";
            Refusal::new(RefusalReason::UnsupportedAlgorithm, detail)
        })?;
        let kid = header.text("kid")?.into_owned();
        Ok(Self { signed, payload, signature, algorithm, kid })
    }

    /// The name of the key that it says it was signed with. Nothing has been checked.
    #[must_use]
    pub fn claimed_key(&self) -> &str {
        &self.kid
    }

    /// Checks who signed it, what for, when, and for which connection.
    ///
    /// # Errors
    /// Any other reason of [`RefusalReason`] but `ambiguous-identity` and `replayed`, which are the
    /// carrier's and the memory's to find.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn verify(
        &self,
        keys: &TrustedKeys,
        now: UnixNanos,
        binding: Binding,
    ) -> Result<VerifiedIdentity, Refusal> {
        self.verify_with(es256::library::verifies, keys, now, binding)
    }

    /// The same, with somebody else's arithmetic for ES256.
    ///
    /// # Errors
    /// As [`UnverifiedToken::verify`].
    pub fn verify_with(
        &self,
        es256: Es256Check,
        keys: &TrustedKeys,
        now: UnixNanos,
        binding: Binding,
    ) -> Result<VerifiedIdentity, Refusal> {
        let trusted = self.signer(keys, es256)?;
        let json = base64url::decode(self.payload)
            .ok_or_else(|| Refusal::malformed("the payload is not base64url"))?;
        let claims = payload::decode(&json)?;
        if !trusted.scope.covers(&claims.subject) {
            let detail = format!("the key may sign for {} only", trusted.scope);
            return Err(Refusal::new(RefusalReason::OutsideKeyScope, detail));
        }
        check_time(claims.lifetime, now)?;
        check_binding(&claims, binding)?;
        Ok(VerifiedIdentity { claims, key_id: self.kid.clone() })
    }

    /// The key that signed this token.
    #[inline(never)]
    fn signer<'k>(&self, keys: &'k TrustedKeys, es256: Es256Check) -> Result<&'k TrustedKey, Refusal> {
        let trusted = keys.get(&self.kid).ok_or_else(|| {
            let detail = "no key of the policy has the token's kid: add the public key to trust.keys";
            Refusal::new(RefusalReason::UnknownKey, detail)
        })?;
        let (algorithm, named) = (trusted.key.algorithm(), self.algorithm.name());
        if algorithm != self.algorithm {
            let detail =
                format!("the token says {named}, and the key of its kid signs with {}", algorithm.name());
            return Err(Refusal::new(RefusalReason::UnsupportedAlgorithm, detail));
        }
        let signature = base64url::decode_array(self.signature)
            .ok_or_else(|| Refusal::malformed("the signature is not 64 bytes of base64url"))?;
        if trusted.key.verifies(self.signed, &signature, es256) {
            Ok(trusted)
        } else {
            let detail = "the signature is not this key's: the token was changed or forged";
            Err(Refusal::new(RefusalReason::BadSignature, detail))
        }
    }
}

/// The bytes before and after the one at `at`.
fn split(text: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    Some((text.get(..at)?, text.get(at.checked_add(1)?..)?))
}

#[inline(never)]
fn check_time(lifetime: Lifetime, now: UnixNanos) -> Result<(), Refusal> {
    let Lifetime { issued_at, expires_at } = lifetime;
    let now = now.seconds().0;
    match expires_at.0.checked_sub(issued_at.0) {
        None | Some(0) => return Err(Refusal::malformed("the token ends before it starts")),
        Some(life) if life > MAX_LIFE_SECONDS => {
            let detail = format!("a life of {life} s, at most {MAX_LIFE_SECONDS} s are accepted");
            return Err(Refusal::malformed(detail));
        }
        Some(_) => {}
    }
    let early = issued_at.0.saturating_sub(now);
    if early > CLOCK_SKEW_SECONDS {
        let detail =
            format!("made {early} s in the future: set the clocks, {CLOCK_SKEW_SECONDS} s are allowed");
        return Err(Refusal::new(RefusalReason::NotYetValid, detail));
    }
    if now >= expires_at.0.saturating_add(CLOCK_SKEW_SECONDS) {
        let late = now.saturating_sub(expires_at.0);
        let detail = format!("ended {late} s ago: {CLOCK_SKEW_SECONDS} s of clock difference are allowed");
        return Err(Refusal::new(RefusalReason::Expired, detail));
    }
    Ok(())
}

#[inline(never)]
fn check_binding(claims: &Claims, binding: Binding) -> Result<(), Refusal> {
    let Binding::Connection { source, destination } = binding else { return Ok(()) };
    let (source, destination) = (crate::canonical(source), crate::canonical(destination));
    if claims.source != source {
        let detail = format!("made for a connection from {}, this one is from {source}", claims.source);
        return Err(Refusal::new(RefusalReason::WrongSource, detail));
    }
    if claims.destination != destination {
        let detail = format!("made for a connection to {}, this one is to {destination}", claims.destination);
        return Err(Refusal::new(RefusalReason::WrongDestination, detail));
    }
    Ok(())
}

/// An identity that a trusted key vouched for. Only [`UnverifiedToken::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedIdentity {
    claims: Claims,
    key_id: String,
}

impl VerifiedIdentity {
    /// What was vouched for.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Checks once more whether it counts at this time, for a token that comes with each request.
    ///
    /// # Errors
    /// `expired` and `not-yet-valid`.
    pub fn check_time(&self, now: UnixNanos) -> Result<(), Refusal> {
        check_time(self.claims.lifetime, now)
    }

    /// The name of the key that vouched for it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }
}

/// Claims that no token can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MintError {
    /// The token would have this many bytes, more than [`MAX_TOKEN_BYTES`].
    TooLarge(usize),
    /// The claims could not be written as JSON.
    Encoding,
}

impl fmt::Display for MintError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(bytes) => write!(
                out,
                "the token would have {bytes} bytes, {MAX_TOKEN_BYTES} at most are read: use fewer or shorter labels"
            ),
            Self::Encoding => out.write_str("the claims cannot be written as JSON"),
        }
    }
}

impl core::error::Error for MintError {}

/// The token for `claims`, signed with `key`.
pub(crate) fn mint(key: &SigningKey, claims: &Claims) -> Result<String, MintError> {
    let (alg, kid) = (key.algorithm().name(), key.id().as_str());
    let header = format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"JWT"}}"#);
    let payload = payload::encode(claims).map_err(|_| MintError::Encoding)?;
    let mut token = base64url::encode(header.as_bytes());
    token.push('.');
    token.push_str(&base64url::encode(&payload));
    let signature = base64url::encode(&key.sign(token.as_bytes()));
    token.push('.');
    token.push_str(&signature);
    if token.len() > MAX_TOKEN_BYTES { Err(MintError::TooLarge(token.len())) } else { Ok(token) }
}
