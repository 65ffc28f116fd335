//! The policy: who may reach what.
//!
//! The way through this crate is the way of a policy, and then of a connection:
//!
//! 1. a document becomes a [`RawPolicy`] of the right shape (`document`, `raw`), as
//!    `policy.schema.json` describes it, or [`Mistakes`] with place and remedy;
//! 2. `check` makes of it a [`Model`] whose every part means something, and `index` makes that ready
//!    to be asked: together a [`Policy`];
//! 3. [`judge`] looks up the two ends of a connection and finds the rule that decides: a
//!    [`Judgement`], which alone holds the [`Permit`] to proceed, and is written down as a [`Record`].
//!
//! Who asks about one connection is served by a [`CheckedPolicy`]: [`explain`](mod@explain) and [`edit`] judge by the part
//! of it that concerns the connection.
//!
//! There is no clock, no I/O and no environment in here.

mod check;
mod checked;
mod connection;
pub mod diff;
mod document;
pub mod edit;
pub mod explain;
mod fresh;
mod index;
mod judge;
pub mod lint;
mod mistake;
mod model;
mod pattern;
mod policy;
mod raw;
mod reason;
mod record;
mod resolve;

pub use checked::CheckedPolicy;
pub use connection::{Destination, Http, Presented};
pub use document::MAX_POLICY_BYTES;
pub use judge::{Denial, Finding, Judgement, Permit, Verdict, judge};
pub use mistake::{MAX_MISTAKES, Mistake, Mistakes};
pub use model::{Key, Model, NamedDestination, Needs, Process, Rule, Selector, Source};
pub use pattern::{Cidr, HostPattern, MAX_SEGMENTS, PathPattern, PortRange, Segment, clear_path, host_name};
pub use policy::Policy;
pub use raw::{
    Effect, MAX_CIDRS, MAX_DESTINATIONS, MAX_DIGESTS, MAX_HOSTS, MAX_METHODS, MAX_NAMES, MAX_PATHS,
    MAX_PORTS, MAX_PROCESSES, MAX_RULES, MAX_SUPPRESSIONS, MAX_TEXT, Mode, RawDestination, RawFrom, RawJwk,
    RawKey, RawLint, RawPolicy, RawPort, RawProcess, RawRule, RawSelector, RawSuppression, RawTo, RawTrust,
    is_method,
};
pub use reason::Reason;
pub use record::{Direction, Event, MAX_RECORD_BYTES, RECORD_VERSION, Record, RecordError, RecordTemplate};
pub use resolve::{ResolvedDestination, ResolvedIdentity};

/// The JSON Schema (draft 2020-12) of version 1: exactly the documents that [`RawPolicy::from_json`]
/// reads, but for keys written twice, which JSON Schema cannot see, and the size of the whole.
pub const SCHEMA: &str = include_str!("../policy.schema.json");
