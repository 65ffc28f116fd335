//! A line of a summary: its fields, and what they mean.

use super::evidence::{Evidence, hour};
use super::flows::Stray;
use super::lesson::{Aside, Lesson};
use super::paths::is_told;
use super::pods::Pod;
use super::route::{Path, Route, Whereto};
use crate::escape::escape_json;
use crate::records::Speaker;
use core::net::{IpAddr, SocketAddr};
use procgate_identity::{Digest, UnixNanos};
use procgate_policy::{Direction, Mode, Reason, Record};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The version of the form that is written and read here.
const VERSION: u32 = 1;
/// The class of lines that are no connections: of all hours from the first to the last there are records.
const COVERED: &str = "covered";
/// One line. Whatever is absent is left out when written, and may be null when read.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Row {
    summary: u32,
    /// `flow`, why it is set aside, or the reason for which the identity did not verify.
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    /// Instead of `class`, as records have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stray: Option<String>,
    /// When there first was a file beyond the list; without it, the first time of the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    stray_first: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    /// The greatest address that the host had, where `ip` is the least of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_to: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// As a record has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Instead of `path`, where names were folded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
    count: u64,
    first: String,
    last: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pods: Vec<String>,
    /// Whether there were more pods than are named.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    more_pods: bool,
    /// Connections in each hour since 1970, of the first ones and the last two days; without it, all count to the last hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    hours: Option<BTreeMap<u64, u64>>,
}

impl Row {
    /// A line with this evidence.
    pub(super) fn of(evidence: &Evidence, class: &str) -> Self {
        Self {
            summary: VERSION,
            class: Some(class.into()),
            count: evidence.count,
            first: Record::write_time(evidence.first),
            last: Record::write_time(evidence.last),
            pods: evidence.pod_names().map(Into::into).collect(),
            more_pods: evidence.pods().1,
            hours: Some(evidence.hours().collect()),
            ..Self::default()
        }
    }

    /// A line that says of which hours there are records.
    pub(super) fn covered(first: UnixNanos, last: UnixNanos) -> Self {
        let (class, count) = (Some(COVERED.into()), hour(last).saturating_sub(hour(first)).saturating_add(1));
        let (first, last) = (Record::write_time(first), Record::write_time(last));
        Self { summary: VERSION, class, count, first, last, ..Self::default() }
    }

    pub(super) fn is_covered(&self) -> bool {
        self.class.as_deref() == Some(COVERED)
    }

    /// Says who.
    pub(super) fn speaker(&mut self, speaker: &Speaker, stray: Option<&Stray>) {
        let text = |digest: Option<Digest>| digest.map(|digest| digest.to_string());
        self.sub = Some(speaker.subject.clone());
        self.name = Some(speaker.name.clone()).filter(|name| !name.is_empty());
        self.exe = text(Some(speaker.exe));
        self.code = text(speaker.code);
        self.script = text(speaker.script);
        self.labels = Some(speaker.labels.iter().cloned().collect())
            .filter(|labels: &BTreeMap<_, _>| !labels.is_empty());
        self.stray = stray.map(|stray| stray.path.clone());
        self.stray_first = stray.map(|stray| Record::write_time(stray.first));
    }

    /// Says where to.
    pub(super) fn route(&mut self, route: &Route, path: &[String]) {
        if let Whereto::Host(host) = &route.whereto {
            self.host = Some(host.clone());
        }
        (self.ip, self.ip_to) = route.ends();
        self.port = route.port;
        self.method.clone_from(&route.method);
        self.pattern = route.method.as_ref().map(|_| format!("/{}", path.join("/")));
    }

    /// The line, with its end.
    pub(super) fn line(&self) -> Box<str> {
        // Of texts and numbers, JSON can always be made.
        (escape_json(&serde_json::to_string(self).unwrap_or_default()) + "\n").into()
    }
}

/// What only the version can be wrong about.
#[derive(Deserialize)]
struct Versioned {
    summary: Option<u64>,
}

fn borrowed(text: &Option<String>) -> Option<Cow<'_, str>> {
    text.as_deref().map(Cow::Borrowed)
}

fn digest(text: &Option<String>) -> Result<Option<Digest>, String> {
    let parsed = text.as_ref().map(|text| text.parse().map_err(|error| format!("has {text}: {error}")));
    parsed.transpose()
}

impl Row {
    /// Reads a line.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let row: Self = serde_json::from_slice(line).map_err(|error| {
            let version = serde_json::from_slice::<Versioned>(line).ok().and_then(|row| row.summary);
            match version {
                Some(version) if version != u64::from(VERSION) => of_version(version),
                _ => format!("is no line of a summary ({error})"),
            }
        })?;
        if row.summary == VERSION { Ok(row) } else { Err(of_version(row.summary.into())) }
    }

    /// Whether this is a line of a summary, of whatever version.
    pub(super) fn is_one(line: &[u8]) -> bool {
        serde_json::from_slice::<Versioned>(line).is_ok_and(|row| row.summary.is_some())
    }

    /// How often, when, in which pods.
    pub(super) fn evidence(&self) -> Result<Evidence, String> {
        let time = |text: &str| Record::read_time(text).ok_or_else(|| format!("has no time in {text}"));
        let (first, last) = (time(&self.first)?, time(&self.last)?);
        if self.count == 0 || first > last {
            return Err("has no count, or ends before it begins".into());
        }
        let pods = self.pods.iter().map(|name| Pod::new(name));
        let hours = match &self.hours {
            // Engines differ in how they round.
            Some(hours) => {
                hours.iter().map(|(at, count)| ((*at).clamp(hour(first), hour(last)), *count)).collect()
            }
            None => vec![(hour(last), self.count)],
        };
        Ok(Evidence::told(self.count, (first, last), pods, self.more_pods, hours))
    }

    /// When there first was a file beyond the list, if there was.
    pub(super) fn strayed_first(&self, first: UnixNanos) -> Result<UnixNanos, String> {
        let Some(text) = &self.stray_first else { return Ok(first) };
        Record::read_time(text).ok_or_else(|| format!("has no time in {text}"))
    }

    /// An address that the host had, beside that of the record.
    pub(super) const fn another_address(&self) -> Option<IpAddr> {
        self.ip_to
    }

    /// What it can teach.
    pub(super) fn lesson(&self, record: &Record<'_>) -> Result<Lesson, String> {
        let Some(class) = &self.class else { return Ok(Lesson::of(record)) };
        let unverified = || match Reason::from_code(class)? {
            reason @ (Reason::Identity(_) | Reason::PeerMismatch | Reason::Internal) => {
                Some(Lesson::Unverified(reason.code()))
            }
            Reason::Allowed
            | Reason::UnknownProcess
            | Reason::WrongContainer
            | Reason::CodeChanged
            | Reason::DeniedByRule
            | Reason::NoMatchingRule => None,
        };
        let known = match class.as_str() {
            "flow" => Some(Lesson::Flow),
            code => Aside::from_code(code).map(Lesson::Aside).or_else(unverified),
        };
        let lesson = known.ok_or_else(|| format!("has the class {class}, which is none"))?;
        let anonymous = self.sub.is_none() || self.exe.is_none();
        if anonymous && !matches!(lesson, Lesson::Unverified(_)) {
            return Err(format!("has the class {class}, and no sub and exe"));
        }
        Ok(lesson)
    }

    /// The path, as a record or a summary tells it.
    pub(super) fn path(&self) -> Result<Option<Path<'_>>, String> {
        let Some(pattern) = &self.pattern else { return Ok(self.path.as_deref().map(Path::Whole)) };
        let segments = pattern.strip_prefix('/').filter(|segments| is_told(segments));
        let segments = segments.ok_or_else(|| {
            format!(
                "has the pattern {pattern}, which is no clear path with \\id, \\any or, at its end, \\rest"
            )
        })?;
        Ok(Some(Path::Folded(segments)))
    }

    /// A record of such a connection, as far as learning looks at it.
    pub(super) fn record(&self, time: UnixNanos) -> Result<Record<'_>, String> {
        let mode = match self.mode.as_deref() {
            None | Some("audit") => Mode::Audit,
            Some("enforce") => Mode::Enforce,
            Some(other) => return Err(format!("has the mode {other}, which is none")),
        };
        let reason = match &self.reason {
            Some(code) => {
                Reason::from_code(code).ok_or_else(|| format!("has the reason {code}, which is none"))?
            }
            None if self.class.is_some() => Reason::Allowed,
            None => return Err("has neither class nor reason".into()),
        };
        // Where only the port is known, the address plays no part.
        let ip = self.ip.or(self.port.map(|_| IpAddr::from([0, 0, 0, 0])));
        Ok(Record {
            time,
            id: Cow::Borrowed(""),
            mode,
            reason,
            detail: None,
            direction: Direction::Outbound,
            carrier: None,
            subject: borrowed(&self.sub),
            process: None,
            exe: digest(&self.exe)?,
            code: digest(&self.code)?,
            stray: self.stray.as_deref().map(|path| (Cow::Borrowed(path), None)),
            script: digest(&self.script)?,
            name: borrowed(&self.name),
            labels: self.labels.iter().flatten().map(|(name, value)| (name.into(), value.into())).collect(),
            rule: None,
            nearest: None,
            host: borrowed(&self.host),
            address: ip.map(|ip| SocketAddr::new(ip, self.port.unwrap_or_default())),
            sni: None,
            method: borrowed(&self.method),
            path: borrowed(&self.path),
        })
    }
}

fn of_version(version: u64) -> String {
    format!("is of version {version}, and this program reads version {VERSION}")
}
