//! The identity of a connection: established by the request that brings it, remembered for the rest.
//!
//! What Envoy remembers with the connection is the token itself and the time of its check, so that
//! every plugin that meets the connection later (after a policy update, after a restart of the VM)
//! verifies it again under its own keys: there is no way to a verified identity but verification. A
//! table beside it spares a worker that work for the connections it knows.

mod known;
mod memory;
mod receiver;

pub(crate) use known::{Answer, Connections, Known};

use crate::host;
use crate::plugin::Plugin;
use crate::replay;
use core::net::SocketAddr;
use memory::{Memory, Outcome};
use procgate_identity::carrier::header;
use procgate_identity::carrier::opening::{Opening, Unreadable};
use procgate_identity::{Binding, Carrier, Refusal, RefusalReason, UnixNanos, UnverifiedToken};
use procgate_policy::{Direction, Policy};
use std::borrow::Cow;
use std::rc::Rc;

/// What the current connection is known to be.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// It brought no identity.
    Absent,
    /// It brought an identity that was verified for this connection.
    Verified(Rc<Known>),
    /// It brought an identity that was not accepted.
    Refused(Carrier, Refusal),
    /// At the receiver: it brought the identity of another workload than its own. The text says which two.
    PeerMismatch(String),
    /// Its identity cannot be found out here.
    Fault(&'static str),
}

/// What a request, or the connection by itself, says about who it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offer<'a> {
    /// What the connection began with, where that was read.
    pub(crate) opening: Option<&'a Opening>,
    /// The values of the header carrier's field.
    pub(crate) fields: &'a [&'a [u8]],
    /// Whether a request says on whose behalf it comes, as a client may: then it is not known from
    /// where, unless a listener filter has kept the address.
    pub(crate) is_forwarded: bool,
}

/// The standing of the current request: at the sender that of its connection, at the receiver its own.
pub(crate) fn standing_of_request(plugin: &Plugin, offer: Offer<'_>) -> (Direction, Standing) {
    if let Some(memory) = host::connection_memory() {
        return (Direction::Outbound, remembered(plugin, memory, offer));
    }
    let direction = host::direction();
    let standing = match direction {
        Direction::Inbound => receiver::standing(plugin, offer.fields),
        Direction::Outbound => found(plugin, offer),
    };
    (direction, standing)
}

/// The standing of the current connection, which began with this. It has one at the sender only.
pub(crate) fn standing(plugin: &Plugin, opening: Result<Opening, Unreadable>) -> (Direction, Standing) {
    let direction = host::direction();
    let standing = match (direction, opening) {
        (Direction::Inbound, _) => Standing::Fault(
            "the network filter is attached to an inbound listener, where only requests bring a token: attach the HTTP filter there",
        ),
        (Direction::Outbound, Ok(opening)) => {
            found(plugin, Offer { opening: Some(&opening), ..Offer::default() })
        }
        (Direction::Outbound, Err(Unreadable { carrier, refusal })) => {
            establish(plugin, carrier, Err(refusal), Offer::default())
        }
    };
    (direction, standing)
}

/// The standing of a connection that nothing is remembered of.
fn found(plugin: &Plugin, offer: Offer<'_>) -> Standing {
    match find(offer) {
        None => Standing::Absent,
        Some((carrier, token)) => establish(plugin, carrier, token, offer),
    }
}

/// The standing of a connection of which this is remembered.
fn remembered(plugin: &Plugin, memory: Vec<u8>, offer: Offer<'_>) -> Standing {
    if !offer.fields.is_empty() && !repeats(&memory, offer.fields) {
        let detail = "the connection has an identity and this request brings another one";
        return Standing::Refused(Carrier::Header, Refusal::new(RefusalReason::AmbiguousIdentity, detail));
    }
    recall(plugin, memory, offer)
}

/// A token, unless it cannot be read.
type Token<'a> = Result<Cow<'a, [u8]>, Refusal>;

/// The token of a connection that nothing is remembered of, and what brings it.
fn find(offer: Offer<'_>) -> Option<(Carrier, Token<'_>)> {
    let borrowed = |token| Ok(Cow::Borrowed(token));
    let read = |token: fn(&Opening) -> Option<&[u8]>| offer.opening.and_then(token).map(borrowed);
    let header = header::decode(offer.fields.iter().copied()).transpose();
    let brought = [
        (Carrier::ProxyV2, host::preface_token().map(|token| Ok(Cow::Owned(token)))),
        (Carrier::ProxyV2, read(|opening| opening.preface_token.as_deref())),
        (Carrier::Alpn, read(|opening| opening.alpn_token.as_deref())),
        (Carrier::Header, header.map(|token| token.map(Cow::Borrowed))),
    ];
    let mut brought = brought.into_iter().filter_map(|(carrier, token)| Some((carrier, token?)));
    let (carrier, token) = brought.next()?;
    if brought.next().is_none() {
        return Some((carrier, token));
    }
    let detail = "two of the connection's preface, its ClientHello and its first request bring an identity";
    Some((carrier, Err(Refusal::new(RefusalReason::AmbiguousIdentity, detail))))
}

/// Whether a later request repeats the connection's own token: a program that carries its token
/// itself may put it on each request.
fn repeats(memory: &[u8], fields: &[&[u8]]) -> bool {
    let Memory { carrier, outcome } = Memory::decode(memory);
    carrier == Carrier::Header
        && matches!((outcome, fields), (Outcome::Accepted { token, .. }, [field]) if token == *field)
}

/// Checks the first identity of a connection, and remembers the outcome either way.
#[inline(never)]
fn establish(plugin: &Plugin, carrier: Carrier, token: Token<'_>, offer: Offer<'_>) -> Standing {
    let now = host::now();
    let checked = token.and_then(|token| {
        let known = verify(&plugin.policy, carrier, &token, now, offer)?;
        replay::admit(known.identity.claims(), now)?;
        Ok((Memory { carrier, outcome: Outcome::Accepted { at: now, token: &token } }.encode(), known))
    });
    plugin.metrics.verified(now, host::now());
    match checked {
        Ok((memory, known)) => {
            host::remember(&memory);
            match offer.opening {
                // A network filter decides once, and is not asked about the connection again.
                Some(_) => Standing::Verified(Rc::new(known)),
                None => learn(plugin, memory, known),
            }
        }
        Err(refusal) => {
            host::remember(&Memory { carrier, outcome: Outcome::Refused(refusal.clone()) }.encode());
            Standing::Refused(carrier, refusal)
        }
    }
}

/// The standing of a connection that was checked before.
fn recall(plugin: &Plugin, memory: Vec<u8>, offer: Offer<'_>) -> Standing {
    if let Some(known) = plugin.connections.borrow_mut().get(&memory) {
        return Standing::Verified(known);
    }
    let Memory { carrier, outcome } = Memory::decode(&memory);
    match outcome {
        Outcome::Refused(refusal) => Standing::Refused(carrier, refusal),
        Outcome::Accepted { at, token } => match verify(&plugin.policy, carrier, token, at, offer) {
            Ok(known) => learn(plugin, memory, known),
            Err(refusal) => Standing::Refused(carrier, refusal),
        },
    }
}

/// Puts a verified identity into the worker's table.
fn learn(plugin: &Plugin, memory: Vec<u8>, known: Known) -> Standing {
    let known = Rc::new(known);
    plugin.connections.borrow_mut().insert(memory, Rc::clone(&known));
    Standing::Verified(known)
}

/// Verifies a token for the current connection, as of `at`.
fn verify(
    policy: &Policy,
    carrier: Carrier,
    token: &[u8],
    at: UnixNanos,
    offer: Offer<'_>,
) -> Result<Known, Refusal> {
    let unverified = UnverifiedToken::parse(token)?;
    let (source, destination) = endpoints(carrier, offer)?;
    let binding = Binding::Connection { source, destination };
    let identity = unverified.verify_with(host::verifies_es256, policy.trusted_keys(), at, binding)?;
    let known = Known::new(policy, carrier, identity, destination);
    Ok(if policy.forwards() { known.forwarding(token) } else { known })
}

/// The connection's two ends: the peer's own address and the address that it connected to.
fn endpoints(carrier: Carrier, offer: Offer<'_>) -> Result<(SocketAddr, SocketAddr), Refusal> {
    let unknown = |reason, detail| Refusal::new(reason, detail);
    let source = host::direct_source().or_else(|| unclaimed_source(carrier, offer)).ok_or_else(|| {
        unknown(
            RefusalReason::WrongSource,
            "the proxy does not tell the peer's own address: add the set_filter_state listener filter for procgate.source",
        )
    })?;
    let destination = host::destination().ok_or_else(|| {
        unknown(RefusalReason::WrongDestination, "the proxy does not tell the connection's destination")
    })?;
    Ok((source, destination))
}

/// The source as Envoy tells it, where no listener filter has kept the peer's own. A client can choose
/// it, by the field `x-forwarded-for` or in a PROXY preface: it is good for requests without that field only.
fn unclaimed_source(carrier: Carrier, offer: Offer<'_>) -> Option<SocketAddr> {
    if offer.is_forwarded || carrier != Carrier::Header { None } else { host::source() }
}
