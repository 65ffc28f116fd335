//! Expected verdicts, from a file.

use super::question::{Question, http};
use super::speaker;
use super::speaker::{Speaker, SpeakerArgs};
use crate::failure::{Failure, Problem};
use crate::files;
use core::fmt::Display;
use core::net::SocketAddr;
use procgate_identity::{Digest, DigestError};
use procgate_policy::{Model, Reason};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The JSON Schema (draft 2020-12) of a file of cases: exactly what is read here, but for keys written
/// twice.
pub(crate) const SCHEMA: &str = include_str!("../../cases.schema.json");

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    #[serde(rename = "version")]
    _version: Version,
    cases: Vec<Value>,
}

/// The one version there is.
#[derive(Debug)]
struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        match u64::deserialize(reader)? {
            1 => Ok(Self),
            other => {
                Err(de::Error::custom(format_args!("version {other} is not known here: write version: 1")))
            }
        }
    }
}

/// A connection, and what a policy should decide.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// What is expected, in words.
    pub(super) name: String,
    from: Who,
    #[serde(default)]
    to: Whereto,
    pub(super) expect: Decision,
    /// The reason, where it matters.
    #[serde(default, deserialize_with = "reason")]
    pub(super) reason: Option<Reason>,
    /// The rule that decides, where it matters.
    #[serde(default)]
    pub(super) rule: Option<String>,
}

/// What should come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Decision {
    Allow,
    Deny,
}

impl Decision {
    /// `allow` or `deny`.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// Who connects, with the words of a policy. Of a process that it names, the policy has the rest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Who {
    #[serde(default)]
    unidentified: bool,
    process: Option<String>,
    #[serde(default, deserialize_with = "digest")]
    exe: Option<Digest>,
    #[serde(default, deserialize_with = "digest")]
    code: Option<Digest>,
    #[serde(default, deserialize_with = "digest")]
    script: Option<Digest>,
    path: Option<String>,
    container: Option<String>,
    namespace: Option<String>,
    service_account: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Where to.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whereto {
    host: Option<String>,
    address: Option<SocketAddr>,
    method: Option<String>,
    path: Option<String>,
}

fn reason<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Reason>, D::Error> {
    let code = String::deserialize(reader)?;
    let unknown =
        || de::Error::custom(format_args!("{code} is no reason: write one as `policy explain` prints it"));
    Reason::from_code(&code).map(Some).ok_or_else(unknown)
}

fn digest<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Digest>, D::Error> {
    let text = String::deserialize(reader)?;
    text.parse().map(Some).map_err(|error: DigestError| de::Error::custom(error))
}

/// Reads a file of cases, YAML or JSON, which YAML contains.
pub(super) fn load(path: &Path) -> Result<Vec<Case>, Failure> {
    let text = files::read_text(path)?;
    // By way of JSON's types: YAML alone would take a number for a text.
    let document: Value = serde_saphyr::from_str(&text).map_err(|error| {
        let text = error.to_string();
        wrong(path, "", text.lines().next().unwrap_or_default())
    })?;
    let file: Cases = serde_json::from_value(document).map_err(|error| wrong(path, "", error))?;
    if file.cases.is_empty() {
        return Err(wrong(path, ": cases", "there is none, and so nothing is tested").into());
    }
    let case = |(number, case)| {
        let place = format!(": cases[{number}]");
        serde_json::from_value(case).map_err(|error| wrong(path, &place, error).into())
    };
    file.cases.into_iter().enumerate().map(case).collect()
}

fn wrong(path: &Path, place: &str, what: impl Display) -> Problem {
    let problem = Problem::new(what).at(format!("{}{place}", path.display()));
    problem.next("`procgate policy test --schema` prints what a file of cases may have")
}

impl Case {
    /// The connection, as a question to this policy.
    pub(super) fn question(&self, policy: &Model) -> Result<Question, Problem> {
        let Whereto { host, address, method, path } = &self.to;
        let question = |speaker| Question {
            speaker,
            host: host.clone(),
            address: *address,
            http: http(method.clone(), path.clone()),
            decided: None,
            unread: Vec::new(),
        };
        let speaker = self.from.speaker(policy, *address);
        speaker.map(question).map_err(|problem| problem.at(format!("the case {}", self.name)))
    }
}

impl Who {
    fn speaker(&self, policy: &Model, to: Option<SocketAddr>) -> Result<Speaker, Problem> {
        let others = self.process.is_some() || self.exe.is_some();
        if self.unidentified {
            let both = || Problem::new("both unidentified and somebody").next("keep one of the two");
            return if others { Err(both()) } else { Ok(Speaker::Absent) };
        }
        if !others {
            return Err(
                Problem::new("nobody connects").next("write process, exe or unidentified: true in from")
            );
        }
        let described = speaker::Described {
            process: self.process.clone(),
            exe: self.exe,
            code: self.code,
            script: self.script,
            name: self.path.clone(),
            container: self.container.clone(),
            namespace: self.namespace.clone(),
            service_account: self.service_account.clone(),
            labels: self.labels.clone().into_iter().collect(),
        };
        SpeakerArgs::from(described).resolve(policy, to)
    }
}
