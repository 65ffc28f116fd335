//! Decisions that change, told apart by who, where to and why.

use super::Change;
use crate::clock;
use crate::escape::escape;
use crate::records::Entry;
use core::fmt;
use procgate_identity::UnixNanos;
use procgate_policy::{Finding, Reason};
use serde::{Serialize, Serializer};
use std::collections::{BTreeSet, HashMap};

/// Kinds of flips that are told apart. A peer can make up hosts without end; more are counted only.
const MAX_KINDS: usize = 10_000;
/// Pods that are told apart of one kind.
const MAX_PODS: usize = 1_000;

/// All flips so far.
#[derive(Debug, Default)]
pub(super) struct Flips {
    kinds: HashMap<Kind, Seen>,
    untold: u64,
}

/// What flips of one kind have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
struct Kind {
    change: Change,
    /// The process of the candidate, or else of the policy before, or else the executable's path.
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// Host or address.
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    before: Verdict,
    after: Verdict,
}

/// Why, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
struct Verdict {
    #[serde(serialize_with = "code")]
    reason: Reason,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
}

fn code<S: Serializer>(reason: &Reason, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(reason.code())
}

/// How often, when and by whom.
#[derive(Debug)]
struct Seen {
    count: u64,
    first: UnixNanos,
    last: UnixNanos,
    pods: BTreeSet<String>,
    example: Example,
}

/// The first one, to look it up in the log.
#[derive(Debug, Serialize)]
struct Example {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

/// A kind of flip and how often it was seen.
#[derive(Debug, Serialize)]
pub(super) struct Flip {
    #[serde(flatten)]
    kind: Kind,
    count: u64,
    first: String,
    last: String,
    pods: usize,
    example: Example,
}

impl Flips {
    /// Notes the decision if it changes, and says how.
    pub(super) fn add(&mut self, entry: &Entry<'_>, after: &Finding<'_>) -> Option<Change> {
        let record = &entry.record;
        let change = match (record.reason == Reason::Allowed, after.reason == Reason::Allowed) {
            (true, false) => Change::NewlyDenied,
            (false, true) => Change::NewlyAllowed,
            (true, true) | (false, false) => return None,
        };
        let owned = |text: Option<&str>| text.map(String::from);
        let address = record.address.map(|address| address.ip().to_string());
        let kind = Kind {
            change,
            process: owned(after.process.or(record.process.as_deref()).or(record.name.as_deref())),
            subject: owned(record.subject.as_deref()),
            destination: owned(record.host.as_deref().or(record.sni.as_deref())).or(address),
            port: record.address.map(|address| address.port()),
            method: owned(record.method.as_deref()),
            before: Verdict { reason: record.reason, rule: owned(record.rule.as_deref()) },
            after: Verdict { reason: after.reason, rule: owned(after.rule) },
        };
        if self.kinds.len() >= MAX_KINDS && !self.kinds.contains_key(&kind) {
            self.untold = self.untold.saturating_add(1);
            return Some(change);
        }
        let seen = self.kinds.entry(kind).or_insert_with(|| Seen {
            count: 0,
            first: record.time,
            last: record.time,
            pods: BTreeSet::new(),
            example: Example { id: record.id.to_string(), path: owned(record.path.as_deref()) },
        });
        seen.count = seen.count.saturating_add(1);
        seen.first = seen.first.min(record.time);
        seen.last = seen.last.max(record.time);
        if seen.pods.len() < MAX_PODS && !seen.pods.contains(entry.pod) {
            seen.pods.insert(entry.pod.into());
        }
        Some(change)
    }

    /// The kinds, the most frequent first, and how many flips are of none of them.
    pub(super) fn sorted(self) -> (Vec<Flip>, u64) {
        let mut kinds: Vec<(Kind, Seen)> = self.kinds.into_iter().collect();
        kinds.sort_by(|(a, seen_a), (b, seen_b)| seen_b.count.cmp(&seen_a.count).then_with(|| a.cmp(b)));
        let flip = |(kind, seen): (Kind, Seen)| Flip {
            kind,
            count: seen.count,
            first: clock::format(seen.first.seconds()),
            last: clock::format(seen.last.seconds()),
            pods: seen.pods.len(),
            example: seen.example,
        };
        (kinds.into_iter().map(flip).collect(), self.untold)
    }
}

impl fmt::Display for Flip {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kind { change, process, subject, destination, port, method, before, after } = &self.kind;
        let process = process.as_deref().unwrap_or("no identity");
        write!(out, "{} {}: {}", self.count, change.words(), escape(process))?;
        if let Some(subject) = subject {
            write!(out, " ({})", escape(subject))?;
        }
        write!(out, " to {}", escape(destination.as_deref().unwrap_or("an unknown destination")))?;
        if let Some(port) = port {
            write!(out, ", port {port}")?;
        }
        if let Some(method) = method {
            write!(out, ", {}", escape(method))?;
        }
        write!(out, ": {before} before, now {after}; {} to {}", self.first, self.last)?;
        write!(out, ", {} pods, for example {}", self.pods, escape(&self.example.id))?;
        self.example.path.as_ref().map_or(Ok(()), |path| write!(out, " {}", escape(path)))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.reason.code())?;
        self.rule.as_ref().map_or(Ok(()), |rule| write!(out, " by {}", escape(rule)))
    }
}
