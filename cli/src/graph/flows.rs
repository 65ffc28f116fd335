//! Records put together: one flow for everything that one process, of one pod, did with one destination and
//! with one outcome.

use crate::records::Entry;
use procgate_policy::{Mode, Reason, Record};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Flows that are kept: a drawing of more is none. Records of further ones are counted.
const MAX_FLOWS: usize = 20_000;
/// Of what varies within a flow (requests, addresses, digests), so many are kept as examples.
const MAX_EXAMPLES: usize = 6;
/// Spans of time that counts are kept for, at most; at least half of it once the log is long enough.
const MAX_SPANS: u64 = 96;
/// The shortest span: a second.
const FIRST_SPAN: u64 = 1_000_000_000;

/// How a flow fared. Four kinds are drawn apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Allowed,
    Denied,
    /// Would have been denied, and proceeded since the policy was in mode audit.
    Audit,
    /// Without an identity that was accepted.
    Unidentified,
}

impl Outcome {
    /// In the words of the drawing.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Audit => "audit only",
            Self::Unidentified => "unidentified",
        }
    }

    fn of(record: &Record<'_>) -> Self {
        match (record.reason, record.mode) {
            _ if record.subject.is_none() => Self::Unidentified,
            (Reason::Allowed, _) => Self::Allowed,
            (_, Mode::Audit) => Self::Audit,
            (_, Mode::Enforce) => Self::Denied,
        }
    }
}

/// One flow.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) pod: String,
    /// The container's whole name; nothing for whoever is not identified.
    pub(super) subject: Option<String>,
    pub(super) process: String,
    pub(super) destination: String,
    pub(super) outcome: Outcome,
    pub(super) proceeded: bool,
    pub(super) count: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) reasons: BTreeMap<&'static str, u64>,
    pub(super) rules: Examples,
    pub(super) nearest: Examples,
    pub(super) details: Examples,
    pub(super) names: Examples,
    pub(super) exe: Examples,
    pub(super) code: Examples,
    pub(super) carriers: Examples,
    pub(super) addresses: Examples,
    pub(super) requests: Examples,
    /// Counts by span of time.
    pub(super) when: BTreeMap<u64, u64>,
    /// The first record, for a question to `policy explain`.
    pub(super) example: Record<'static>,
}

/// The first few of what varies.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Examples(Vec<String>);

impl Examples {
    fn add(&mut self, text: Option<impl AsRef<str>>) {
        let Some(text) = text else { return };
        if self.0.len() < MAX_EXAMPLES && !self.0.iter().any(|known| known == text.as_ref()) {
            self.0.push(text.as_ref().to_owned());
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &String> {
        self.0.iter()
    }
}

/// All flows of some logs.
#[derive(Debug)]
pub(super) struct Flows {
    pub(super) list: Vec<Flow>,
    /// By pod, subject, process, destination and outcome, divided by bytes that none of them has.
    known: HashMap<String, usize>,
    key: String,
    /// Nanoseconds of one span of time.
    pub(super) span: u64,
    /// The first and the last span with a record.
    pub(super) spans: Option<(u64, u64)>,
    /// Records of flows beyond [`MAX_FLOWS`].
    pub(super) left_out: u64,
}

impl Default for Flows {
    fn default() -> Self {
        let (list, known, key) = Default::default();
        Self { list, known, key, span: FIRST_SPAN, spans: None, left_out: 0 }
    }
}

impl Flows {
    /// Counts a record.
    pub(super) fn add(&mut self, Entry { record, pod, .. }: Entry<'_>) {
        let outcome = Outcome::of(&record);
        let proceeded = record.reason == Reason::Allowed || record.mode == Mode::Audit;
        let (process, destination) = (process_of(&record), destination_of(&record));
        self.key.clear();
        let subject = record.subject.as_deref().unwrap_or_default();
        for part in [pod, subject, &process, &destination, outcome.word(), if proceeded { "1" } else { "0" }]
        {
            self.key.push_str(part);
            self.key.push('\0');
        }
        let place = match self.known.get(&self.key) {
            Some(place) => *place,
            None if self.list.len() >= MAX_FLOWS => {
                self.left_out = self.left_out.saturating_add(1);
                return;
            }
            None => {
                let place = self.list.len();
                self.known.insert(self.key.clone(), place);
                let parts = (pod.to_owned(), process, destination);
                self.list.push(Flow::new(parts, outcome, proceeded, Record::clone(&record).into_owned()));
                place
            }
        };
        let span = self.span_of(record.time.0);
        if let Some(flow) = self.list.get_mut(place) {
            flow.count(&record, span);
        }
    }

    /// Notes a record's span of time, after making spans longer until they are few enough.
    fn span_of(&mut self, time: u64) -> u64 {
        loop {
            let at = time.checked_div(self.span).unwrap_or_default();
            let (first, last) = self.spans.unwrap_or((at, at));
            let (first, last) = (first.min(at), last.max(at));
            self.spans = Some((first, last));
            if last.saturating_sub(first) < MAX_SPANS {
                return at;
            }
            self.span = self.span.saturating_mul(2);
            self.spans = Some((half(first), half(last)));
            self.list.iter_mut().for_each(Flow::widen);
        }
    }
}

/// Where a span ends up when two become one.
const fn half(span: u64) -> u64 {
    span >> 1
}

impl Flow {
    fn new(
        (pod, process, destination): (String, String, String),
        outcome: Outcome,
        proceeded: bool,
        example: Record<'static>,
    ) -> Self {
        let (rules, nearest, details, names, exe, code, carriers) = Default::default();
        let (addresses, requests, reasons, when) = Default::default();
        let (first, last) = (example.time.0, example.time.0);
        let subject = example.subject.as_deref().map(String::from);
        Self {
            pod,
            subject,
            process,
            destination,
            outcome,
            proceeded,
            count: 0,
            first,
            last,
            reasons,
            rules,
            nearest,
            details,
            names,
            exe,
            code,
            carriers,
            addresses,
            requests,
            when,
            example,
        }
    }

    fn widen(&mut self) {
        for (span, count) in core::mem::take(&mut self.when) {
            let wider = self.when.entry(half(span)).or_default();
            *wider = wider.saturating_add(count);
        }
    }

    fn count(&mut self, record: &Record<'_>, span: u64) {
        self.count = self.count.saturating_add(1);
        self.first = self.first.min(record.time.0);
        self.last = self.last.max(record.time.0);
        let more = |count: &mut u64| *count = count.saturating_add(1);
        more(self.reasons.entry(record.reason.code()).or_default());
        more(self.when.entry(span).or_default());
        self.rules.add(record.rule.as_deref());
        self.nearest.add(record.nearest.as_deref());
        self.details.add(record.detail.as_deref());
        self.names.add(record.name.as_deref());
        self.exe.add(record.exe.map(|digest| digest.to_string()));
        self.code.add(record.code.map(|digest| digest.to_string()));
        self.carriers.add(record.carrier.map(procgate_identity::Carrier::code));
        self.addresses.add(record.address.map(|address| address.to_string()));
        let path = record.path.as_deref().unwrap_or_default();
        self.requests.add(record.method.as_deref().map(|method| format!("{method} {path}")));
    }
}

/// What a process is called: by the policy, or else by its path, or by its digest.
fn process_of(record: &Record<'_>) -> String {
    if record.subject.is_none() {
        return "unidentified".into();
    }
    let named = record.process.as_deref().or(record.name.as_deref());
    named.map_or_else(|| record.exe.map_or_else(String::new, |exe| exe.to_string()), String::from)
}

/// What a destination is called: by its name and port, or else by its address.
fn destination_of(record: &Record<'_>) -> String {
    let name = record.host.as_deref().or(record.sni.as_deref());
    match (name, record.address) {
        (Some(name), Some(address)) if !name.contains(':') => format!("{name}:{}", address.port()),
        (Some(name), _) => name.into(),
        (None, Some(address)) => address.to_string(),
        (None, None) => "unknown destination".into(),
    }
}
