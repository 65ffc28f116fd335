//! The policy: who may reach what.
//!
//! There is no clock, no I/O and no environment in here.

mod check;
mod document;
mod mistake;
mod model;
mod pattern;
mod raw;
mod reason;

pub use document::MAX_POLICY_BYTES;
pub use mistake::{MAX_MISTAKES, Mistake, Mistakes};
pub use model::{Key, Model, NamedDestination, Process, Rule, Selector, Source};
pub use pattern::{Cidr, HostPattern, MAX_SEGMENTS, PathPattern, PortRange, Segment};
pub use raw::{
    Effect, MAX_CIDRS, MAX_DESTINATIONS, MAX_DIGESTS, MAX_HOSTS, MAX_METHODS, MAX_NAMES, MAX_PATHS,
    MAX_PORTS, MAX_PROCESSES, MAX_RULES, MAX_TEXT, Mode, RawDestination, RawFrom, RawJwk, RawKey, RawPolicy,
    RawPort, RawProcess, RawRule, RawSelector, RawTo, RawTrust,
};
pub use reason::Reason;
