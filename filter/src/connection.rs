//! The identity of a connection: established by the request that brings it, remembered for the rest.
//!
//! What Envoy remembers with the connection is the token itself and the time of its check, so that
//! every plugin that meets the connection later (after a policy update, after a restart of the VM)
//! verifies it again under its own keys: there is no way to a verified identity but verification. A
//! table beside it spares a worker that work for the connections it knows.

use crate::head::Head;
use crate::host::{self, Metric};
use crate::metrics::Metrics;
use crate::replay;
use core::net::SocketAddr;
use procgate_identity::carrier::header;
use procgate_identity::{Binding, Refusal, RefusalReason, UnixNanos, UnverifiedToken, VerifiedIdentity};
use procgate_policy::{
    Destination, Permit, Policy, Presented, RecordTemplate, ResolvedDestination, ResolvedIdentity,
};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::rc::Rc;

/// Identities in one generation of a worker's table, about 2 kB each. Connections beyond two
/// generations that were idle in between are verified once more, which takes some 100 us.
const GENERATION: usize = 2_048;

/// Bytes of a request's authority, method and path that are remembered for the next request.
const MAX_QUESTION: usize = 512;

/// What the current connection is known to be.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// It brought no identity.
    Absent,
    /// It brought an identity that was verified for this connection.
    Verified(Rc<Known>),
    /// It brought an identity that was not accepted.
    Refused(Refusal),
    /// Its identity cannot be found out here.
    Fault(&'static str),
}

/// A verified identity and what this plugin's policy makes of it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) identity: VerifiedIdentity,
    pub(crate) resolved: ResolvedIdentity,
    pub(crate) destination: SocketAddr,
    route: RefCell<Option<Route>>,
    answered: RefCell<Option<(Question, Rc<Answer>)>>,
}

/// Where the last request of a connection went: most connections serve one authority.
#[derive(Debug)]
struct Route {
    authority: String,
    resolved: Rc<ResolvedDestination>,
}

/// What a request of this connection asked for.
#[derive(Debug)]
struct Question {
    authority: String,
    method: String,
    path: String,
}

/// What it came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) permit: Permit,
    pub(crate) record: RecordTemplate,
    pub(crate) counter: Option<Metric>,
}

impl Question {
    fn is_of(&self, head: &Head<'_>) -> bool {
        self.path == head.path && self.authority == head.authority && self.method == head.method
    }
}

impl Known {
    /// What the connection's last request came to, if this one asks for the same: many clients call
    /// one method again and again.
    pub(crate) fn answered(&self, head: &Head<'_>) -> Option<Rc<Answer>> {
        let answered = self.answered.borrow();
        answered.as_ref().filter(|(question, _)| question.is_of(head)).map(|(_, answer)| Rc::clone(answer))
    }

    /// Remembers what a request came to.
    pub(crate) fn answer(&self, head: &Head<'_>, answer: Answer) {
        let text = |text: &str| text.to_owned();
        let Head { authority, method, path, .. } = head;
        let length = authority.len().saturating_add(method.len()).saturating_add(path.len());
        let question = || Question { authority: text(authority), method: text(method), path: text(path) };
        *self.answered.borrow_mut() = (length <= MAX_QUESTION).then(|| (question(), Rc::new(answer)));
    }

    /// The destination in terms of the policy, looked up unless it is that of the last request.
    pub(crate) fn route(&self, policy: &Policy, destination: &Destination<'_>) -> Rc<ResolvedDestination> {
        let authority = destination.host.unwrap_or_default();
        let mut route = self.route.borrow_mut();
        if let Some(Route { resolved, .. }) = route.as_ref().filter(|route| route.authority == authority) {
            return Rc::clone(resolved);
        }
        let resolved = Rc::new(policy.resolve_destination(destination));
        *route = Some(Route { authority: authority.into(), resolved: Rc::clone(&resolved) });
        resolved
    }
}

/// The identities of a worker's connections, as one plugin's policy sees them.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    recent: FxHashMap<Tail, Remembered>,
    older: FxHashMap<Tail, Remembered>,
}

/// The last bytes of a memory are those of a signature: as good as random, and enough to find it by.
/// Only verified ones get in, so that nobody can choose many that collide.
type Tail = [u8; 8];

#[derive(Debug)]
struct Remembered {
    memory: Vec<u8>,
    known: Rc<Known>,
}

impl Connections {
    fn get(&mut self, memory: &[u8]) -> Option<Rc<Known>> {
        let tail = memory.last_chunk()?;
        if let Some(remembered) = self.recent.get(tail) {
            return (remembered.memory == memory).then(|| Rc::clone(&remembered.known));
        }
        let Remembered { memory, known } = self.older.remove(tail).filter(|older| older.memory == memory)?;
        self.insert(memory, Rc::clone(&known));
        Some(known)
    }

    fn insert(&mut self, memory: Vec<u8>, known: Rc<Known>) {
        if self.recent.len() >= GENERATION {
            self.older = core::mem::take(&mut self.recent);
        }
        if let Some(tail) = memory.last_chunk() {
            self.recent.insert(*tail, Remembered { memory, known });
        }
    }
}

/// The standing of the connection that the current request came on. Takes the carrier's fields out of
/// the request, which the upstream never sees.
pub(crate) fn standing(
    policy: &Policy,
    connections: &RefCell<Connections>,
    metrics: &Metrics,
    head: &Head<'_>,
) -> Standing {
    if !head.identities.is_empty() {
        host::remove_request_field(header::NAME);
    }
    let Some(memory) = host::connection_memory() else {
        if host::is_inbound() {
            return Standing::Fault(
                "the plugin is attached to an inbound listener: attach it to outbound ones",
            );
        }
        if head.identities.is_empty() {
            return Standing::Absent;
        }
        return establish(policy, connections, metrics, head);
    };
    if !head.identities.is_empty() && !repeats(&memory, &head.identities) {
        let detail = "the connection has an identity and this request brings another one";
        return Standing::Refused(Refusal::new(RefusalReason::AmbiguousIdentity, detail));
    }
    recall(policy, connections, memory, head)
}

/// Whether a later request repeats the connection's own token: a program that carries its token
/// itself may put it on each request.
fn repeats(memory: &[u8], values: &[&[u8]]) -> bool {
    matches!((Memory::decode(memory), values), (Memory::Accepted { token, .. }, [value]) if token == *value)
}

/// Checks the first identity of a connection, and remembers the outcome either way.
fn establish(
    policy: &Policy,
    connections: &RefCell<Connections>,
    metrics: &Metrics,
    head: &Head<'_>,
) -> Standing {
    let now = host::now();
    let checked = header::decode(head.identities.iter().copied()).and_then(|token| {
        let token = token.unwrap_or_default();
        let known = verify(policy, token, now, head)?;
        replay::admit(known.identity.claims(), now)?;
        Ok((Memory::Accepted { at: now, token }.encode(), known))
    });
    metrics.verified(now, host::now());
    match checked {
        Ok((memory, known)) => {
            host::remember(&memory);
            let known = Rc::new(known);
            connections.borrow_mut().insert(memory, Rc::clone(&known));
            Standing::Verified(known)
        }
        Err(refusal) => {
            host::remember(&Memory::Refused(refusal.clone()).encode());
            Standing::Refused(refusal)
        }
    }
}

/// The standing of a connection that was checked before.
fn recall(policy: &Policy, connections: &RefCell<Connections>, memory: Vec<u8>, head: &Head<'_>) -> Standing {
    if let Some(known) = connections.borrow_mut().get(&memory) {
        return Standing::Verified(known);
    }
    match Memory::decode(&memory) {
        Memory::Refused(refusal) => Standing::Refused(refusal),
        Memory::Accepted { at, token } => match verify(policy, token, at, head) {
            Ok(known) => {
                let known = Rc::new(known);
                connections.borrow_mut().insert(memory, Rc::clone(&known));
                Standing::Verified(known)
            }
            Err(refusal) => Standing::Refused(refusal),
        },
    }
}

/// Verifies a token for the current connection, as of `at`.
fn verify(policy: &Policy, token: &[u8], at: UnixNanos, head: &Head<'_>) -> Result<Known, Refusal> {
    let token = UnverifiedToken::parse(token)?;
    let (source, destination) = endpoints(head)?;
    let identity = token.verify(policy.trusted_keys(), at, Binding::Connection { source, destination })?;
    let resolved = policy.resolve_identity(Presented::Verified(&identity));
    Ok(Known { identity, resolved, destination, route: RefCell::default(), answered: RefCell::default() })
}

/// The connection's two ends: the peer's own address and the address that it connected to.
fn endpoints(head: &Head<'_>) -> Result<(SocketAddr, SocketAddr), Refusal> {
    let unknown = |reason, detail| Refusal::new(reason, detail);
    let source = host::direct_source().or_else(|| forwarded_free_source(head)).ok_or_else(|| {
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

/// The source as the HTTP connection manager tells it, where no listener filter has kept the peer's
/// own. A client can choose it with `x-forwarded-for`, so a request that has the field has no source.
fn forwarded_free_source(head: &Head<'_>) -> Option<SocketAddr> {
    if head.is_forwarded { None } else { host::source() }
}

/// What Envoy keeps with a connection: the outcome of the one check of its identity.
#[derive(Debug, PartialEq, Eq)]
enum Memory<'a> {
    /// Accepted at this time.
    Accepted {
        at: UnixNanos,
        token: &'a [u8],
    },
    Refused(Refusal),
}

const ACCEPTED: u8 = 1;
const REFUSED: u8 = 0;

impl<'a> Memory<'a> {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Accepted { at, token } => [&[ACCEPTED][..], &at.0.to_le_bytes(), token].concat(),
            Self::Refused(refusal) => {
                let place = RefusalReason::ALL.iter().position(|reason| *reason == refusal.reason);
                let place = place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX);
                [&[REFUSED, place], refusal.detail.as_bytes()].concat()
            }
        }
    }

    /// Reads it back; whatever else another filter may have put there is a refusal.
    fn decode(bytes: &'a [u8]) -> Self {
        let foreign = || Self::Refused(Refusal::new(RefusalReason::MalformedIdentity, "foreign memory"));
        match bytes.split_first() {
            Some((&ACCEPTED, rest)) => rest.split_first_chunk().map_or_else(foreign, |(at, token)| {
                Self::Accepted { at: UnixNanos(u64::from_le_bytes(*at)), token }
            }),
            Some((&REFUSED, [place, detail @ ..])) => {
                let reason = RefusalReason::ALL.get(usize::from(*place));
                reason.map_or_else(foreign, |reason| {
                    Self::Refused(Refusal::new(*reason, String::from_utf8_lossy(detail)))
                })
            }
            _ => foreign(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_comes_back() {
        let accepted = Memory::Accepted { at: UnixNanos(7), token: b"a.b.c" };
        assert_eq!(Memory::decode(&accepted.encode()), accepted);
        for reason in RefusalReason::ALL {
            let refused = Memory::Refused(Refusal::new(reason, "why"));
            assert_eq!(Memory::decode(&refused.encode()), refused);
        }
    }

    #[test]
    fn foreign_bytes_are_a_refusal() {
        for bytes in [&b""[..], b"\x01short", b"\x00", b"\x00\xffx", b"\x02abc"] {
            assert!(matches!(Memory::decode(bytes), Memory::Refused(_)), "{bytes:?}");
        }
    }
}
