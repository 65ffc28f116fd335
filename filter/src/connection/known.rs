//! What a worker knows of the connections that brought an identity.

use crate::head::Head;
use crate::host::Metric;
use core::net::SocketAddr;
use procgate_identity::{Carrier, VerifiedIdentity};
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

/// A verified identity and what this plugin's policy makes of it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) carrier: Carrier,
    pub(crate) identity: VerifiedIdentity,
    pub(crate) resolved: ResolvedIdentity,
    pub(crate) destination: SocketAddr,
    /// The token, where requests take it along.
    pub(crate) forwarded: Option<Vec<u8>>,
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
    pub(super) fn new(
        policy: &Policy,
        carrier: Carrier,
        identity: VerifiedIdentity,
        destination: SocketAddr,
    ) -> Self {
        let resolved = policy.resolve_identity(Presented::Verified(&identity));
        let (forwarded, route, answered) = Default::default();
        Self { carrier, identity, resolved, destination, forwarded, route, answered }
    }

    /// With the token for requests to take along.
    pub(super) fn forwarding(self, token: &[u8]) -> Self {
        Self { forwarded: Some(token.to_vec()), ..self }
    }

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
    #[inline(never)]
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
    pub(super) fn get(&mut self, memory: &[u8]) -> Option<Rc<Known>> {
        let tail = memory.last_chunk()?;
        if let Some(remembered) = self.recent.get(tail) {
            return (remembered.memory == memory).then(|| Rc::clone(&remembered.known));
        }
        let Remembered { memory, known } = self.older.remove(tail).filter(|older| older.memory == memory)?;
        self.insert(memory, Rc::clone(&known));
        Some(known)
    }

    pub(super) fn insert(&mut self, memory: Vec<u8>, known: Rc<Known>) {
        if self.recent.len() >= GENERATION {
            self.older = core::mem::take(&mut self.recent);
        }
        if let Some(tail) = memory.last_chunk() {
            self.recent.insert(*tail, Remembered { memory, known });
        }
    }
}
