//! Single things to add to a policy.

use crate::raw::{
    MAX_DESTINATIONS, MAX_DIGESTS, MAX_METHODS, MAX_PATHS, MAX_PORTS, MAX_PROCESSES, MAX_RULES,
    RawDestination, RawPolicy, RawPort, RawProcess, RawRule, RawTo,
};
use procgate_identity::Digest;

/// Something to add to one of the policy's lists. Names say whose list, so that it can be added to a part of the policy
/// as to the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Addition {
    Process(RawProcess),
    Destination(RawDestination),
    Rule(RawRule),
    Digest { process: String, list: DigestList, digest: Digest },
    Port { rule: String, port: u16 },
    Method { rule: String, method: String },
    Path { rule: String, path: String },
}

/// A list of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DigestList {
    Exe,
    Code,
    Script,
}

impl DigestList {
    const fn name(self) -> &'static str {
        match self {
            Self::Exe => "exe",
            Self::Code => "code",
            Self::Script => "script",
        }
    }

    const fn of(self, process: &RawProcess) -> &Vec<Digest> {
        match self {
            Self::Exe => &process.exe,
            Self::Code => &process.code,
            Self::Script => &process.script,
        }
    }

    const fn of_mut(self, process: &mut RawProcess) -> &mut Vec<Digest> {
        match self {
            Self::Exe => &mut process.exe,
            Self::Code => &mut process.code,
            Self::Script => &mut process.script,
        }
    }
}

impl Addition {
    /// Where the list stands in the policy; nothing where the policy has no such list or it is full.
    pub(super) fn list_in(&self, policy: &RawPolicy) -> Option<String> {
        let in_rule = |name: &str, list: &str, has: fn(&RawTo) -> usize, most| {
            let place = policy.rules.iter().position(|rule| rule.name == *name)?;
            let to = policy.rules.get(place)?.to.as_ref()?;
            Some((format!("rules[{place}].allow.to.{list}"), has(to), most))
        };
        let (at, length, most) = match self {
            Self::Process(_) => ("processes".into(), policy.processes.len(), MAX_PROCESSES),
            Self::Destination(_) => ("destinations".into(), policy.destinations.len(), MAX_DESTINATIONS),
            Self::Rule(_) => ("rules".into(), policy.rules.len(), MAX_RULES),
            Self::Digest { process: name, list, .. } => {
                let place = policy.processes.iter().position(|process| process.name == *name)?;
                let process = policy.processes.get(place)?;
                (format!("processes[{place}].{}", list.name()), list.of(process).len(), MAX_DIGESTS)
            }
            Self::Port { rule, .. } => in_rule(rule, "ports", |to| to.ports.len(), MAX_PORTS)?,
            Self::Method { rule, .. } => in_rule(rule, "methods", |to| to.methods.len(), MAX_METHODS)?,
            Self::Path { rule, .. } => in_rule(rule, "paths", |to| to.paths.len(), MAX_PATHS)?,
        };
        (length < most).then_some(at)
    }

    /// The name of the rule or process that the list belongs to, where it belongs to one.
    pub(super) fn owner(&self) -> Option<&str> {
        match self {
            Self::Process(_) | Self::Destination(_) | Self::Rule(_) => None,
            Self::Digest { process: name, .. }
            | Self::Port { rule: name, .. }
            | Self::Method { rule: name, .. }
            | Self::Path { rule: name, .. } => Some(name),
        }
    }

    /// What is added, as JSON.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        match self {
            Self::Process(process) => serde_json::to_string(process),
            Self::Destination(destination) => serde_json::to_string(destination),
            Self::Rule(rule) => serde_json::to_string(rule),
            Self::Digest { digest, .. } => serde_json::to_string(&digest.to_string()),
            Self::Port { port, .. } => serde_json::to_string(port),
            Self::Method { method: text, .. } | Self::Path { path: text, .. } => serde_json::to_string(text),
        }
    }

    /// Adds it, where the policy has the list.
    pub(super) fn add_to(&self, policy: &mut RawPolicy) {
        match self {
            Self::Process(process) => policy.processes.push(process.clone()),
            Self::Destination(destination) => policy.destinations.push(destination.clone()),
            Self::Rule(rule) => policy.rules.push(rule.clone()),
            Self::Digest { process: name, list, digest } => {
                let process = policy.processes.iter_mut().find(|process| process.name == *name);
                process.into_iter().for_each(|process| list.of_mut(process).push(*digest));
            }
            Self::Port { rule, port } => {
                to_of(policy, rule).into_iter().for_each(|to| to.ports.push(RawPort::One(*port)));
            }
            Self::Method { rule, method } => {
                to_of(policy, rule).into_iter().for_each(|to| to.methods.push(method.clone()));
            }
            Self::Path { rule, path } => {
                to_of(policy, rule).into_iter().for_each(|to| to.paths.push(path.clone()));
            }
        }
    }
}

fn to_of<'p>(policy: &'p mut RawPolicy, name: &str) -> Option<&'p mut RawTo> {
    policy.rules.iter_mut().find(|rule| rule.name == name)?.to.as_mut()
}
