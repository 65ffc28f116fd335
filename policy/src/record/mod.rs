//! The record of a decision: one JSON object per decision, made for the access log and read by every
//! tool that works from one.
//!
//! Absent fields are left out. Everything a peer chose is bounded, cut with `…` where it was longer,
//! and written in ASCII with all else escaped, so that no log, terminal or viewer is deceived.

mod read;
mod time;
mod write;

pub use read::RecordError;
pub(crate) use time::day_of;
pub use write::RecordTemplate;

use crate::connection::{Destination, Http};
use crate::judge::Finding;
use crate::raw::Mode;
use crate::reason::Reason;
use core::net::SocketAddr;
use procgate_identity::{Carrier, Digest, UnixNanos, VerifiedIdentity};
use std::borrow::Cow;

/// The version of the form that is written and read here.
pub const RECORD_VERSION: u32 = 1;
/// Bytes of a record that is read. What is written stays below: the texts have 3 KiB at most and the
/// labels 5 KiB, and sixfold where every byte of them must be escaped.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;

/// Bytes of a request's path, a process's path, a detail: enough to recognise, little enough to log
/// for every request.
const MAX_LONG: usize = 512;
/// Bytes of an id, a host, a server name, a method.
const MAX_SHORT: usize = 256;

/// Which side of a connection the proxy stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// At the receiver.
    Inbound,
    /// At the sender.
    Outbound,
}

impl Direction {
    /// `inbound` or `outbound`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }

    const ALL: [Self; 2] = [Self::Inbound, Self::Outbound];
}

/// What a proxy knows of a decision beside what the policy says.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// When.
    pub time: UnixNanos,
    /// What the answer and other logs call it too, for example the request id.
    pub id: &'a str,
    /// Where.
    pub direction: Direction,
    /// What brought the identity.
    pub carrier: Option<Carrier>,
    /// The identity, where one verified.
    pub identity: Option<&'a VerifiedIdentity>,
    /// Where to.
    pub destination: Destination<'a>,
    /// The server name of the TLS handshake, where it was not already the host.
    pub sni: Option<&'a str>,
}

/// A decision, for the log. Texts are as they are read back: bounded, otherwise unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// `time`: RFC 3339 in UTC with nine decimals.
    pub time: UnixNanos,
    /// `id`
    pub id: Cow<'a, str>,
    /// `mode`: under `audit` a decision `deny` proceeded.
    pub mode: Mode,
    /// `reason`; `decision` is `allow` for `allowed` and `deny` for any other.
    pub reason: Reason,
    /// `detail`
    pub detail: Option<Cow<'a, str>>,
    /// `direction`
    pub direction: Direction,
    /// `carrier`
    pub carrier: Option<Carrier>,
    /// `sub`: the verified subject.
    pub subject: Option<Cow<'a, str>>,
    /// `process`: the policy's name for it.
    pub process: Option<Cow<'a, str>>,
    /// `exe`
    pub exe: Option<Digest>,
    /// `code`
    pub code: Option<Digest>,
    /// `stray`: path and digest of a mapped file that is not on the code list.
    pub stray: Option<(Cow<'a, str>, Option<Digest>)>,
    /// `script`: the digest of what an interpreter runs.
    pub script: Option<Digest>,
    /// `name`: the executable's path.
    pub name: Option<Cow<'a, str>>,
    /// `labels`: all of the identity's, names and values, whole: rules select by them.
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// `rule`: the rule that decided.
    pub rule: Option<Cow<'a, str>>,
    /// `nearest`: the rule that came near.
    pub nearest: Option<Cow<'a, str>>,
    /// `destination.host`: as the peer wrote it.
    pub host: Option<Cow<'a, str>>,
    /// `destination.ip` and `destination.port`: the original destination.
    pub address: Option<SocketAddr>,
    /// `destination.sni`
    pub sni: Option<Cow<'a, str>>,
    /// `method`
    pub method: Option<Cow<'a, str>>,
    /// `path`, without its query.
    pub path: Option<Cow<'a, str>>,
}

impl<'a> Record<'a> {
    /// The record of what a policy found.
    #[inline]
    #[must_use]
    pub fn of(finding: &'a Finding<'_>, event: &Event<'a>) -> Self {
        let claims = event.identity.map(VerifiedIdentity::claims);
        let http = event.destination.http;
        let path = http.and_then(|Http { path, .. }| path.split(['?', '#']).next());
        let given = |text: &'a str| (!text.is_empty()).then(|| cut(text, MAX_LONG));
        Self {
            time: event.time,
            id: cut(event.id, MAX_SHORT),
            mode: finding.mode,
            reason: finding.reason,
            detail: finding.detail.as_deref().map(|detail| cut(detail, MAX_LONG)),
            direction: event.direction,
            carrier: event.carrier,
            subject: claims.map(|claims| Cow::Borrowed(claims.subject.as_str())),
            process: finding.process.map(Cow::Borrowed),
            exe: claims.map(|claims| claims.exe),
            code: claims.and_then(|claims| claims.code),
            stray: claims
                .and_then(|claims| claims.stray.as_ref())
                .map(|stray| (cut(&stray.path, MAX_LONG), stray.digest)),
            script: claims.and_then(|claims| claims.script),
            name: claims.and_then(|claims| given(&claims.name)),
            labels: claims
                .into_iter()
                .flat_map(|claims| claims.labels.iter())
                .map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)))
                .collect(),
            rule: finding.rule.map(Cow::Borrowed),
            nearest: finding.nearest.map(Cow::Borrowed),
            host: event.destination.host.map(|host| cut(host, MAX_SHORT)),
            address: event.destination.address,
            sni: event.sni.map(|sni| cut(sni, MAX_SHORT)),
            method: http.filter(|http| !http.method.is_empty()).map(|http| cut(http.method, MAX_SHORT)),
            path: path.and_then(given),
        }
    }

    /// The time as a record writes it: sorted as text it is sorted by time.
    #[must_use]
    pub fn write_time(time: UnixNanos) -> String {
        let mut text = String::new();
        time::write(&mut text, time);
        text
    }

    /// Reads a time as a record writes it.
    #[must_use]
    pub fn read_time(text: &str) -> Option<UnixNanos> {
        time::read(text)
    }

    /// `allow` or `deny`.
    #[inline]
    #[must_use]
    pub fn decision(&self) -> &'static str {
        if self.reason == Reason::Allowed { "allow" } else { "deny" }
    }
}

/// The text, or its beginning and `…`.
#[inline]
fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let kept = text.floor_char_boundary(most.saturating_sub('…'.len_utf8()));
    let mut kept = text.get(..kept).unwrap_or_default().to_owned();
    kept.push('…');
    Cow::Owned(kept)
}
