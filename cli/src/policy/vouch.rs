//! Identities without the token that proved them.

use crate::failure::Problem;
use procgate_identity::{
    Binding, Claims, KeyId, KeyScope, Refusal, RefusalReason, SigningKey, TrustedKeys, UnixNanos,
    UnverifiedToken, VerifiedIdentity,
};
use zeroize::Zeroizing;

/// The identity that a shim with one of the policy's keys would have shown. Only verifying makes one,
/// so a token is signed here with a key that is trusted in this function alone, and need not be
/// secret therefore.
pub(super) fn vouch(
    claims: Claims,
    keys: &TrustedKeys,
    now: UnixNanos,
) -> Result<Result<VerifiedIdentity, Refusal>, Problem> {
    if !keys.covers(&claims.subject) {
        let detail = format!(
            "no key of the policy may sign for {}: add one to trust.keys, or widen a scope",
            claims.subject
        );
        return Ok(Err(Refusal::new(RefusalReason::OutsideKeyScope, detail)));
    }
    let key = SigningKey::from_seed(KeyId::new("explain").map_err(Problem::new)?, &Zeroizing::new([0; 32]));
    let mut trusted = TrustedKeys::new(keys.domain().clone());
    let scope: KeyScope = format!("{}/", keys.domain()).parse().map_err(Problem::new)?;
    trusted.add(key.public().map_err(Problem::new)?, scope).map_err(Problem::new)?;
    let token = key.sign_token(&claims).map_err(Problem::new)?;
    Ok(verify(&token, &trusted, now, Binding::Unbound))
}

/// As the filter does it.
pub(super) fn verify(
    token: &str,
    keys: &TrustedKeys,
    now: UnixNanos,
    binding: Binding,
) -> Result<VerifiedIdentity, Refusal> {
    UnverifiedToken::parse(token.as_bytes())?.verify(keys, now, binding)
}
