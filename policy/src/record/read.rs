//! Reading records back.

use super::{Direction, MAX_RECORD_BYTES, RECORD_VERSION, Record, time};
use crate::raw::Mode;
use crate::reason::Reason;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use procgate_identity::{Carrier, Digest};
use serde::Deserialize;
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
struct Form {
    time: String,
    id: String,
    mode: String,
    decision: String,
    reason: String,
    detail: Option<String>,
    direction: String,
    carrier: Option<String>,
    sub: Option<String>,
    process: Option<String>,
    exe: Option<String>,
    code: Option<String>,
    stray: Option<StrayForm>,
    name: Option<String>,
    rule: Option<String>,
    nearest: Option<String>,
    #[serde(default)]
    destination: DestinationForm,
    method: Option<String>,
    path: Option<String>,
}

#[derive(Deserialize)]
struct StrayForm {
    path: String,
    digest: Option<String>,
}

#[derive(Default, Deserialize)]
struct DestinationForm {
    host: Option<String>,
    ip: Option<IpAddr>,
    port: Option<u16>,
    sni: Option<String>,
}

impl Record<'static> {
    /// Reads one JSON object as [`Record::to_json`] writes it.
    ///
    /// # Errors
    /// What in the text no record can have.
    pub fn parse(text: &str) -> Result<Self, RecordError> {
        if text.len() > MAX_RECORD_BYTES {
            return Err(RecordError::TooLong);
        }
        let version =
            serde_json::from_str::<Versioned>(text).map_err(|error| RecordError::Form(error.to_string()))?;
        if version.v != u64::from(RECORD_VERSION) {
            return Err(RecordError::Version(version.v));
        }
        let form: Form = serde_json::from_str(text).map_err(|error| RecordError::Form(error.to_string()))?;
        form.checked()
    }
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Versioned {
    v: u64,
}

impl Form {
    fn checked(self) -> Result<Record<'static>, RecordError> {
        let owned = |text: Option<String>| text.map(Cow::Owned);
        let stray = match self.stray {
            Some(stray) => Some((Cow::Owned(stray.path), digest("stray", stray.digest)?)),
            None => None,
        };
        let address = match (self.destination.ip, self.destination.port) {
            (Some(ip), Some(port)) => Some(SocketAddr::new(ip, port)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(RecordError::Field("destination")),
        };
        let record = Record {
            time: time::read(&self.time).ok_or(RecordError::Field("time"))?,
            id: Cow::Owned(self.id),
            mode: known("mode", &self.mode, [Mode::Audit, Mode::Enforce], Mode::code)?,
            reason: Reason::from_code(&self.reason).ok_or(RecordError::Field("reason"))?,
            detail: owned(self.detail),
            direction: known("direction", &self.direction, Direction::ALL, Direction::code)?,
            carrier: match self.carrier {
                Some(code) => Some(known("carrier", &code, Carrier::ALL, Carrier::code)?),
                None => None,
            },
            subject: owned(self.sub),
            process: owned(self.process),
            exe: digest("exe", self.exe)?,
            code: digest("code", self.code)?,
            stray,
            name: owned(self.name),
            rule: owned(self.rule),
            nearest: owned(self.nearest),
            host: owned(self.destination.host),
            address,
            sni: owned(self.destination.sni),
            method: owned(self.method),
            path: owned(self.path),
        };
        if record.decision() == self.decision { Ok(record) } else { Err(RecordError::Field("decision")) }
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

fn digest(field: &'static str, text: Option<String>) -> Result<Option<Digest>, RecordError> {
    text.map(|text| text.parse().map_err(|_| RecordError::Field(field))).transpose()
}
