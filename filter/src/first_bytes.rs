//! One TCP connection whose first bytes say who opened it: protocols of a ClientHello, or a PROXY v2 preface
//! that no listener filter has taken off (docs/decisions/0015-first-bytes.md).
//!
//! Envoy keeps the bytes and shows the filters behind this one nothing of the connection until it is decided.

use crate::connection::{self, Standing};
use crate::host;
use crate::network;
use crate::plugin::Plugin;
use core::time::Duration;
use procgate_identity::UnixNanos;
use procgate_identity::carrier::opening::{Opening, Reader, Unreadable};
use proxy_wasm::traits::{Context, StreamContext};
use proxy_wasm::types::Action;
use std::cell::RefCell;
use std::rc::{Rc, Weak};

/// How long a client may take for its first bytes: a JVM loads its classes for TLS between connecting and the
/// ClientHello. Whoever waits for the server to speak first is decided then, as without any bytes.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same behind a preface, which has all that is needed where the server speaks first. Envoy's own inspectors
/// wait as long in tcp.yaml.
const PATIENCE_AFTER_PREFACE: Duration = Duration::from_secs(1);
/// How often the clock is looked at for these.
pub(crate) const TICK: Duration = Duration::from_millis(250);
/// Bytes that are copied at once. Nearly every opening has fewer.
const CHUNK: usize = 4_096;

/// What comes of a connection whose first bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It is judged.
    Judge,
    /// Its requests are, by the HTTP filter in the connection manager behind this filter.
    HandOn,
}

/// Connections that are being read, of one plugin in one worker.
pub(crate) type Waiting = RefCell<Vec<Weak<FirstBytes>>>;

/// A connection of which the first bytes are read.
#[derive(Debug)]
pub(crate) struct FirstBytes {
    plugin: Rc<Plugin>,
    /// Envoy's number for it.
    id: u32,
    then: Then,
    phase: RefCell<Phase>,
}

#[derive(Debug)]
enum Phase {
    Reading(Reading),
    Passing,
    Refused,
}

#[derive(Debug)]
struct Reading {
    reader: Reader,
    /// Bytes in Envoy's buffer that the reader has seen.
    seen: usize,
    /// Whether Envoy's buffer is without the preface.
    is_stripped: bool,
    until: UnixNanos,
}

impl FirstBytes {
    /// A connection that has just arrived, and is decided in time.
    pub(crate) fn new(plugin: Rc<Plugin>, id: u32, then: Then) -> Rc<Self> {
        let until = host::now().after(PATIENCE);
        let reading = Reading { reader: Reader::default(), seen: 0, is_stripped: false, until };
        let connection = Rc::new(Self { plugin, id, then, phase: RefCell::new(Phase::Reading(reading)) });
        connection.plugin.waiting.borrow_mut().push(Rc::downgrade(&connection));
        connection
    }

    /// Reads on in the bytes that Envoy has, and decides as soon as they suffice or there will be no more.
    fn arrived(&self, size: usize, is_end: bool) -> Action {
        let mut phase = self.phase.borrow_mut();
        if let Phase::Reading(reading) = &mut *phase {
            let opening = match reading.take(size) {
                Ok(false) if !is_end => return Action::Pause,
                Ok(_) => core::mem::take(&mut reading.reader).finish(),
                Err(unreadable) => Err(unreadable),
            };
            *phase = self.decide(opening);
        }
        match *phase {
            Phase::Passing => Action::Continue,
            Phase::Reading(_) | Phase::Refused => Action::Pause,
        }
    }

    /// Whether it is still to be waited for. If not, it is decided by what has come.
    fn waits(&self, now: UnixNanos) -> bool {
        let mut phase = self.phase.borrow_mut();
        let Phase::Reading(reading) = &mut *phase else { return false };
        if now < reading.until {
            return true;
        }
        host::speak_for(self.id);
        *phase = self.decide(core::mem::take(&mut reading.reader).finish());
        if matches!(*phase, Phase::Passing) {
            host::resume_downstream();
        }
        false
    }

    fn decide(&self, opening: Result<Opening, Unreadable>) -> Phase {
        let plugin = &*self.plugin;
        let is_readable = opening.is_ok();
        let server_name = opening.as_ref().ok().and_then(|opening| opening.server_name.clone());
        let (direction, standing) = connection::standing(plugin, opening);
        let hands_on = self.then == Then::HandOn && is_readable && !matches!(standing, Standing::Fault(_));
        if hands_on
            || network::decide(plugin, direction, &standing, server_name.as_deref()) == Action::Continue
        {
            Phase::Passing
        } else {
            Phase::Refused
        }
    }
}

impl Reading {
    /// Has the reader see this many bytes of Envoy's buffer. Says whether it has seen enough.
    fn take(&mut self, size: usize) -> Result<bool, Unreadable> {
        let outcome = self.read(size);
        let preface = self.reader.preface();
        if preface > 0 && !self.is_stripped {
            host::drop_downstream(preface);
            self.is_stripped = true;
            self.seen = self.seen.saturating_sub(preface);
            self.until = self.until.min(host::now().after(PATIENCE_AFTER_PREFACE));
        }
        outcome
    }

    fn read(&mut self, size: usize) -> Result<bool, Unreadable> {
        while let missing @ 1.. = size.saturating_sub(self.seen) {
            let bytes = host::downstream_data(self.seen, missing.min(CHUNK));
            if bytes.is_empty() {
                break;
            }
            self.seen = self.seen.saturating_add(bytes.len());
            if self.reader.read(&bytes)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Decides the connections whose first bytes have not come in time.
pub(crate) fn decide_overdue(waiting: &Waiting) {
    let now = host::now();
    let mut connections = waiting.take();
    connections.retain(|connection| connection.upgrade().is_some_and(|connection| connection.waits(now)));
    waiting.borrow_mut().append(&mut connections);
}

/// What Envoy holds for a connection whose first bytes are read.
#[derive(Debug)]
pub(crate) struct Held(pub(crate) Rc<FirstBytes>);

impl Context for Held {}

impl StreamContext for Held {
    fn on_new_connection(&mut self) -> Action {
        Action::Pause
    }

    fn on_downstream_data(&mut self, size: usize, is_end: bool) -> Action {
        self.0.arrived(size, is_end)
    }
}
