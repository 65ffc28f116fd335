//! Reading records back.

use super::{Direction, MAX_RECORD_BYTES, RECORD_VERSION, Record, time};
use crate::raw::Mode;
use crate::reason::Reason;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use procgate_identity::{Carrier, Digest, MAX_LABELS};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;

/// Why a text is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Longer than [`MAX_RECORD_BYTES`].
    TooLong,
    /// Not a JSON object with the fields of a record.
    Form(String),
    /// Of another version.
    Version(u64),
    /// The field of this name has a value that it cannot have.
    Field(&'static str),
}

impl fmt::Display for RecordError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => {
                write!(out, "longer than {MAX_RECORD_BYTES} bytes: this is no record of procgate")
            }
            Self::Form(what) => write!(out, "not a record: {what}: give the object that the filter logged"),
            Self::Version(version) => write!(
                out,
                "a record of version {version}, and this program reads version {RECORD_VERSION}: use the release that belongs to the filter"
            ),
            Self::Field(name) => write!(out, "{name} has a value that no record has: was the log edited?"),
        }
    }
}

impl core::error::Error for RecordError {}

/// Unknown fields are left aside: a later release may add some without a new version.
#[derive(Deserialize)]
struct Form<'a> {
    v: u64,
    #[serde(borrow)]
    time: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    mode: Text<'a>,
    #[serde(borrow)]
    decision: Text<'a>,
    #[serde(borrow)]
    reason: Text<'a>,
    #[serde(borrow)]
    detail: Option<Text<'a>>,
    #[serde(borrow)]
    direction: Text<'a>,
    #[serde(borrow)]
    carrier: Option<Text<'a>>,
    #[serde(borrow)]
    sub: Option<Text<'a>>,
    #[serde(borrow)]
    process: Option<Text<'a>>,
    #[serde(borrow)]
    exe: Option<Text<'a>>,
    #[serde(borrow)]
    code: Option<Text<'a>>,
    #[serde(borrow)]
    stray: Option<StrayForm<'a>>,
    #[serde(borrow)]
    script: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    labels: LabelsForm<'a>,
    #[serde(borrow)]
    rule: Option<Text<'a>>,
    #[serde(borrow)]
    nearest: Option<Text<'a>>,
    #[serde(borrow, default)]
    destination: DestinationForm<'a>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(borrow)]
    path: Option<Text<'a>>,
}

/// A text that stays where it was read unless something in it is escaped: most of a million records
/// a second would be copies otherwise.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct StrayForm<'a> {
    #[serde(borrow)]
    path: Text<'a>,
    #[serde(borrow)]
    digest: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
struct DestinationForm<'a> {
    #[serde(borrow)]
    host: Option<Text<'a>>,
    ip: Option<IpAddr>,
    port: Option<u16>,
    #[serde(borrow)]
    sni: Option<Text<'a>>,
}

/// The members of an object in the order in which they stand.
#[derive(Default)]
struct LabelsForm<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for LabelsForm<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = LabelsForm<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut labels = Vec::new();
                while let Some((Text(name), Text(value))) = map.next_entry()? {
                    labels.push((name, value));
                }
                Ok(LabelsForm(labels))
            }
        }
        from.deserialize_map(Members)
    }
}

impl<'a> Record<'a> {
    /// Reads one JSON object as [`Record::to_json`] writes it. Texts are the given one's own where
    /// nothing in them is escaped.
    ///
    /// # Errors
    /// What in the text no record can have.
    pub fn parse(text: &'a str) -> Result<Self, RecordError> {
        if text.len() > MAX_RECORD_BYTES {
            return Err(RecordError::TooLong);
        }
        let form: Form<'a> = serde_json::from_str(text).map_err(|error| {
            // Another version may have another form, and that it is one is the better thing to say.
            match serde_json::from_str::<Versioned>(text) {
                Ok(Versioned { v }) if v != u64::from(RECORD_VERSION) => RecordError::Version(v),
                Ok(_) | Err(_) => RecordError::Form(error.to_string()),
            }
        })?;
        if form.v != u64::from(RECORD_VERSION) {
            return Err(RecordError::Version(form.v));
        }
        form.checked()
    }

    /// The same, independent of the text that it was read from.
    #[must_use]
    pub fn into_owned(self) -> Record<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let maybe = |text: Option<Cow<'_, str>>| text.map(owned);
        Record {
            time: self.time,
            id: owned(self.id),
            mode: self.mode,
            reason: self.reason,
            detail: maybe(self.detail),
            direction: self.direction,
            carrier: self.carrier,
            subject: maybe(self.subject),
            process: maybe(self.process),
            exe: self.exe,
            code: self.code,
            stray: self.stray.map(|(path, digest)| (owned(path), digest)),
            script: self.script,
            name: maybe(self.name),
            labels: self.labels.into_iter().map(|(name, value)| (owned(name), owned(value))).collect(),
            rule: maybe(self.rule),
            nearest: maybe(self.nearest),
            host: maybe(self.host),
            address: self.address,
            sni: maybe(self.sni),
            method: maybe(self.method),
            path: maybe(self.path),
        }
    }
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Versioned {
    v: u64,
}

impl<'a> Form<'a> {
    fn checked(self) -> Result<Record<'a>, RecordError> {
        let inner = |text: Option<Text<'a>>| text.map(|Text(text)| text);
        let stray = match self.stray {
            Some(StrayForm { path, digest: given }) => Some((path.0, digest("stray", given)?)),
            None => None,
        };
        let address = match (self.destination.ip, self.destination.port) {
            (Some(ip), Some(port)) => Some(SocketAddr::new(ip, port)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(RecordError::Field("destination")),
        };
        if self.labels.0.len() > MAX_LABELS {
            return Err(RecordError::Field("labels"));
        }
        let record = Record {
            time: time::read(&self.time.0).ok_or(RecordError::Field("time"))?,
            id: self.id.0,
            mode: known("mode", &self.mode.0, [Mode::Audit, Mode::Enforce], Mode::code)?,
            reason: Reason::from_code(&self.reason.0).ok_or(RecordError::Field("reason"))?,
            detail: inner(self.detail),
            direction: known("direction", &self.direction.0, Direction::ALL, Direction::code)?,
            carrier: match self.carrier {
                Some(Text(code)) => Some(known("carrier", &code, Carrier::ALL, Carrier::code)?),
                None => None,
            },
            subject: inner(self.sub),
            process: inner(self.process),
            exe: digest("exe", self.exe)?,
            code: digest("code", self.code)?,
            stray,
            script: digest("script", self.script)?,
            name: inner(self.name),
            labels: self.labels.0,
            rule: inner(self.rule),
            nearest: inner(self.nearest),
            host: inner(self.destination.host),
            address,
            sni: inner(self.destination.sni),
            method: inner(self.method),
            path: inner(self.path),
        };
        if record.decision() == self.decision.0 { Ok(record) } else { Err(RecordError::Field("decision")) }
    }
}

fn known<T: Copy, const N: usize>(
    field: &'static str,
    text: &str,
    all: [T; N],
    code: impl Fn(T) -> &'static str,
) -> Result<T, RecordError> {
    all.into_iter().find(|value| code(*value) == text).ok_or(RecordError::Field(field))
}

fn digest(field: &'static str, text: Option<Text<'_>>) -> Result<Option<Digest>, RecordError> {
    text.map(|Text(text)| text.parse().map_err(|_| RecordError::Field(field))).transpose()
}
