//! The receiver's end: each request brings the token that the sender's proxy has checked and forwards.
//!
//! That proxy uses one connection for the requests of many, so an identity is the request's and not the
//! connection's; and the token was made for a connection that is not this one. What binds it to the peer is
//! the peer's certificate: a workload forwards the identities of its own containers.

use super::{Known, Standing};
use crate::host;
use crate::plugin::Plugin;
use core::net::SocketAddr;
use procgate_identity::carrier::header;
use procgate_identity::{Binding, Carrier, Refusal, UnverifiedToken};
use std::rc::Rc;

/// The standing of a request with these values of the header carrier's field.
#[inline(never)]
pub(super) fn standing(plugin: &Plugin, fields: &[&[u8]]) -> Standing {
    let token = match header::decode(fields.iter().copied()) {
        Ok(Some(token)) => token,
        Ok(None) => return Standing::Absent,
        Err(refusal) => return Standing::Refused(Carrier::Header, refusal),
    };
    let Some(destination) = host::destination() else {
        return Standing::Fault("the proxy does not tell where the connection goes");
    };
    match verified(plugin, token, destination) {
        Ok(known) => match mismatch(&known) {
            Some(detail) => Standing::PeerMismatch(detail),
            None => Standing::Verified(known),
        },
        Err(refusal) => Standing::Refused(Carrier::Header, refusal),
    }
}

/// What the token says. Its signature is checked once in each worker, its time whenever it comes.
#[inline(never)]
fn verified(plugin: &Plugin, token: &[u8], destination: SocketAddr) -> Result<Rc<Known>, Refusal> {
    let now = host::now();
    let key = [destination.to_string().as_bytes(), token].concat();
    if let Some(known) = plugin.forwarded.borrow_mut().get(&key) {
        known.identity.check_time(now)?;
        return Ok(known);
    }
    let policy = &plugin.policy;
    let identity = UnverifiedToken::parse(token)?.verify_with(
        host::verifies_es256,
        policy.trusted_keys(),
        now,
        Binding::Forwarded,
    );
    plugin.metrics.verified(now, host::now());
    let known = Rc::new(Known::new(policy, Carrier::Header, identity?, destination));
    plugin.forwarded.borrow_mut().insert(key, Rc::clone(&known));
    Ok(known)
}

/// How the peer's certificate and the token differ, unless they name one workload.
#[inline(never)]
fn mismatch(known: &Known) -> Option<String> {
    let workload = known.identity.claims().subject.workload();
    match host::peer_principal() {
        Some(principal) if principal == workload => None,
        Some(principal) => {
            Some(format!("the token is of {workload}, and the peer's certificate of {principal}"))
        }
        None => Some(format!(
            "the token is of {workload}, and the peer has shown no certificate with a SPIFFE ID"
        )),
    }
}
