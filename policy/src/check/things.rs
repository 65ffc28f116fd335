//! Processes and destinations.

use super::each;
use crate::model::{NamedDestination, Process};
use crate::pattern::{Cidr, HostPattern, PatternError};
use crate::raw::reader::{At, Reader, quoted};
use crate::raw::{RawDestination, RawProcess};
use procgate_identity::Labels;

/// A process; all that could be wrong with it is a name that no subject can have.
pub(super) fn process(reader: &mut Reader, at: At<'_>, raw: &RawProcess) -> Option<Process> {
    for (field, name) in [
        ("container", &raw.container),
        ("namespace", &raw.namespace),
        ("serviceAccount", &raw.service_account),
    ] {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if name.as_ref().is_some_and(|name| !name.bytes().all(plain) || matches!(name.as_str(), "." | "..")) {
            reader.mistake(
                at.field(field),
                "a name that no identity can have",
                "write it as in the pod: letters, digits, '.', '-' and '_'; there are no patterns here",
            );
        }
    }
    Some(Process {
        name: raw.name.clone(),
        container: raw.container.clone(),
        namespace: raw.namespace.clone(),
        service_account: raw.service_account.clone(),
        exe: raw.exe.clone(),
        code: raw.code.clone(),
        script: raw.script.clone(),
        path: raw.path.clone(),
    })
}

/// A destination.
pub(super) fn destination(reader: &mut Reader, at: At<'_>, raw: &RawDestination) -> Option<NamedDestination> {
    let at_hosts = at.field("hosts");
    let hosts =
        each(&raw.hosts, |index, text| pattern(reader, at_hosts.item(index), text, HostPattern::parse));
    let at_cidrs = at.field("cidrs");
    let cidrs = each(&raw.cidrs, |index, text| pattern(reader, at_cidrs.item(index), text, Cidr::parse));
    let labels = labels(reader, at.field("labels"), &raw.labels);
    Some(NamedDestination { name: raw.name.clone(), hosts: hosts?, cidrs: cidrs?, labels: labels? })
}

/// A pattern, or a mistake that repeats it.
pub(super) fn pattern<T>(
    reader: &mut Reader,
    at: At<'_>,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, PatternError>,
) -> Option<T> {
    parse(text)
        .map_err(|error| reader.mistake(at, format!("{}: {}", quoted(text), error.problem), error.remedy))
        .ok()
}

/// Labels whose parts tokens can hold too.
pub(super) fn labels(reader: &mut Reader, at: At<'_>, pairs: &[(String, String)]) -> Option<Labels> {
    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Labels::from_pairs(pairs)
        .map_err(|error| {
            let text = error.to_string();
            let (problem, remedy) = text.split_once(": ").unwrap_or((&text, "shorten it"));
            reader.mistake(at, problem, remedy);
        })
        .ok()
}
