//! What an edit allows beside the connection that it is for.

use crate::model::{NamedDestination, Rule, Source};
use crate::pattern::HostPattern;
use core::net::IpAddr;

/// What a rule is about beside one process and one destination: a list of it that gains an entry gains
/// it for all of them.
pub(super) fn of_rule(rule: &Rule) -> Vec<String> {
    let mut broad = Vec::new();
    let name = &rule.name;
    match &rule.from {
        Source::Process(from) if from.names.len() == 1 => {}
        Source::Process(from) if from.names.is_empty() => {
            broad.push(format!("the rule {name} is about any process{}", labelled(from.is_any())));
        }
        Source::Process(from) => {
            broad.push(format!("the rule {name} is about {} processes", from.names.len()));
        }
        Source::Anyone | Source::Unidentified => {
            broad.push(format!("the rule {name} is about connections without identity"));
        }
    }
    if rule.to.names.len() != 1 {
        broad.push(format!("the rule {name} is about more than one destination"));
    }
    broad
}

const fn labelled(any: bool) -> &'static str {
    if any { "" } else { " with its labels" }
}

/// Whether a destination is more than one host or one address.
pub(super) fn of_destination(entry: &NamedDestination) -> Option<String> {
    let one_host = |host: &HostPattern| matches!(host, HostPattern::Exact(_));
    let one_address = |range: &crate::pattern::Cidr| match range.network() {
        IpAddr::V4(_) => range.length() == 32,
        IpAddr::V6(_) => range.length() == 128,
    };
    let single = entry.hosts.len().saturating_add(entry.cidrs.len()) == 1
        && entry.hosts.iter().all(one_host)
        && entry.cidrs.iter().all(one_address);
    (!single).then(|| format!("the destination {} is more than this host or address", entry.name))
}
