//! The judgement as slowly and obviously as it can be written: one rule after the other, straight
//! from the words of the policy. The real judge is compared with it on generated input.
//!
//! Nothing here may use the matching code of `procgate-policy`: not its patterns, not its order of
//! rules, not its look-ups. Where the two differ, one of them is wrong.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "only tests use it, and it should be plain rather than careful"
)]

use procgate_identity::Claims;
use procgate_policy::{
    Destination, Effect, RawDestination, RawFrom, RawPolicy, RawPort, RawProcess, RawRule, RawSelector, RawTo,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a connection presents, as the oracle needs to know it.
#[derive(Clone, Copy, Debug)]
pub enum Speaker<'a> {
    /// A verified identity.
    Known(&'a Claims),
    /// Nothing.
    Nobody,
    /// Something that is denied with this code before any rule.
    Rejected(&'static str),
}

/// What the judge must say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The reason's code.
    pub reason: &'static str,
    /// The deciding rule.
    pub rule: Option<String>,
    /// The nearest rule.
    pub nearest: Option<String>,
    /// The process's name.
    pub process: Option<String>,
}

/// Judges one connection.
#[must_use]
pub fn judge(policy: &RawPolicy, speaker: Speaker<'_>, destination: &Destination<'_>) -> Expected {
    let (claims, processes) = match speaker {
        Speaker::Rejected(reason) => return Expected { reason, ..Expected::default() },
        Speaker::Nobody => (None, Vec::new()),
        Speaker::Known(claims) => match recognise(policy, claims) {
            Ok(processes) => (Some(claims), processes),
            Err(rejected) => return rejected,
        },
    };
    let source = Source { claims, processes };
    let mut matching = Vec::new();
    let mut same_ends = Vec::new();
    let mut same_source = Vec::new();
    for (place, rule) in policy.rules.iter().enumerate() {
        if !source.may_be(rule) {
            continue;
        }
        if rule.effect == Effect::Allow {
            same_source.push((place, rule));
        }
        if !reaches(policy, &source, rule, destination) {
            continue;
        }
        if rule.effect == Effect::Allow {
            same_ends.push((place, rule));
        }
        if asks_for(rule, destination) {
            matching.push((place, rule));
        }
    }
    let rule = first(matching);
    let nearest = match rule {
        Some(_) => None,
        None => first(same_ends).or_else(|| first(same_source)),
    };
    let reason = match (rule.map(|rule| rule.effect), claims) {
        (Some(Effect::Allow), _) => "allowed",
        (_, None) => "no-identity",
        (Some(Effect::Deny), Some(_)) => "denied-by-rule",
        (None, Some(_)) => "no-matching-rule",
    };
    Expected {
        reason,
        rule: rule.map(|rule| rule.name.clone()),
        nearest: nearest.map(|rule| rule.name.clone()),
        process: source.processes.first().map(|process| process.name.clone()),
    }
}

struct Source<'a> {
    claims: Option<&'a Claims>,
    processes: Vec<&'a RawProcess>,
}

/// The processes that the claims are, or the denial.
fn recognise<'a>(policy: &'a RawPolicy, claims: &Claims) -> Result<Vec<&'a RawProcess>, Expected> {
    let at_home = |process: &&RawProcess| {
        let subject = &claims.subject;
        let is = |wanted: &Option<String>, name: Option<&str>| wanted.is_none() || wanted.as_deref() == name;
        is(&process.container, Some(subject.container()))
            && is(&process.namespace, subject.namespace())
            && is(&process.service_account, subject.service_account())
    };
    let denied = |reason, process: Option<&RawProcess>| {
        Err(Expected { reason, process: process.map(|process| process.name.clone()), ..Expected::default() })
    };
    let same_exe: Vec<_> =
        policy.processes.iter().filter(|process| process.exe.contains(&claims.exe)).collect();
    if same_exe.is_empty() {
        let same_path = |process: &&RawProcess| process.path.as_deref() == Some(claims.name.as_str());
        return match policy.processes.iter().filter(at_home).find(same_path) {
            Some(process) => denied("code-changed", Some(process)),
            None => denied("unknown-process", None),
        };
    }
    let here: Vec<_> = same_exe.into_iter().filter(at_home).collect();
    let Some(first) = here.first().copied() else { return denied("wrong-container", None) };
    let unchanged = |process: &&RawProcess| {
        (process.code.is_empty() || claims.code.is_some_and(|code| process.code.contains(&code)))
            && (process.script.is_empty()
                || claims.script.is_some_and(|script| process.script.contains(&script)))
    };
    let accepted: Vec<_> = here.into_iter().filter(unchanged).collect();
    if accepted.is_empty() { denied("code-changed", Some(first)) } else { Ok(accepted) }
}

impl Source<'_> {
    fn label(&self, name: &str) -> Option<&str> {
        self.claims.and_then(|claims| claims.labels.get(name))
    }

    /// Whether the rule is about this source.
    fn may_be(&self, rule: &RawRule) -> bool {
        match (&rule.from, rule.effect) {
            (None, Effect::Deny) => true,
            (None, Effect::Allow) => self.claims.is_some(),
            (Some(RawFrom::Unidentified), _) => self.claims.is_none(),
            (Some(RawFrom::Selected(selector)), _) => {
                self.claims.is_some()
                    && (selector.names.is_empty()
                        || self.processes.iter().any(|process| selector.names.contains(&process.name)))
                    && selector.labels.iter().all(|(name, value)| self.label(name) == Some(value))
                    && selector.same.as_ref().is_none_or(|name| self.label(name).is_some())
            }
        }
    }
}

/// Whether one destination entry meets all that the rule says of destinations.
fn reaches(policy: &RawPolicy, source: &Source<'_>, rule: &RawRule, destination: &Destination<'_>) -> bool {
    let Some(RawTo { selector, .. }) = &rule.to else { return true };
    if *selector == RawSelector::default() {
        return true;
    }
    policy.destinations.iter().filter(|entry| is_entry(entry, destination)).any(|entry| {
        let label = |name: &str| {
            entry.labels.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
        };
        (selector.names.is_empty() || selector.names.contains(&entry.name))
            && selector.labels.iter().all(|(name, value)| label(name) == Some(value))
            && selector.same.as_ref().is_none_or(|name| label(name) == source.label(name))
    })
}

/// Whether the connection goes to this entry.
fn is_entry(entry: &RawDestination, destination: &Destination<'_>) -> bool {
    let by_host =
        destination.host.is_some_and(|host| entry.hosts.iter().any(|pattern| host_is(pattern, host)));
    let by_address = destination
        .address
        .is_some_and(|address| entry.cidrs.iter().any(|range| in_range(range, address.ip())));
    by_host || by_address
}

fn host_is(pattern: &str, host: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let Some(host) = plain_host(host) else { return false };
    match pattern.strip_prefix("*.") {
        Some(rest) => {
            let ending = format!(".{}", rest.to_ascii_lowercase());
            host.len() > ending.len() && host.ends_with(&ending) && host.parse::<IpAddr>().is_err()
        }
        None => plain_host(pattern) == Some(host),
    }
}

/// The host without port, brackets, trailing dot and capitals; nothing if it is none.
fn plain_host(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let digits = |port: &str| port.chars().all(|letter| letter.is_ascii_digit());
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, behind) = rest.split_once(']')?;
        let port_or_nothing = behind.is_empty() || behind.strip_prefix(':').is_some_and(digits);
        return port_or_nothing.then(|| inside.parse().ok()).flatten().map(shortest);
    }
    if text.matches(':').count() > 1 {
        return text.parse().ok().map(shortest);
    }
    let (mut name, port) = text.split_once(':').unwrap_or((&text, ""));
    if !digits(port) {
        return None;
    }
    name = name.strip_suffix('.').unwrap_or(name);
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return Some(address.to_string());
    }
    let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let labels =
        name.split('.').all(|label| !label.is_empty() && label.len() < 64 && label.chars().all(letter));
    (labels && name.len() < 254).then(|| name.to_string())
}

fn shortest(address: Ipv6Addr) -> String {
    match address.to_ipv4_mapped() {
        Some(address) => address.to_string(),
        None => address.to_string(),
    }
}

/// Compares the addresses as rows of binary digits.
fn in_range(range: &str, address: IpAddr) -> bool {
    let row = |address: IpAddr| match address {
        IpAddr::V4(address) => format!("{:032b}", u32::from(address)),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => format!("{:032b}", u32::from(address)),
            None => format!("{:0128b}", u128::from(address)),
        },
    };
    let (network, length) = range.split_once('/').unwrap_or((range, "128"));
    let network = row(network.parse().unwrap());
    let length = length.parse::<usize>().unwrap().min(network.len());
    let address = row(address);
    address.len() == network.len() && address.starts_with(&network[..length])
}

/// Whether port, method and path are what the rule asks for.
fn asks_for(rule: &RawRule, destination: &Destination<'_>) -> bool {
    let Some(to) = &rule.to else { return true };
    let port_fits = |port: u16| {
        to.ports.iter().any(|wanted| match wanted {
            RawPort::One(one) => *one == port,
            RawPort::Range(text) => {
                let (first, last) = text.split_once('-').unwrap();
                first.parse::<u16>().unwrap() <= port && port <= last.parse::<u16>().unwrap()
            }
        })
    };
    let ports = to.ports.is_empty() || destination.address.is_some_and(|address| port_fits(address.port()));
    let methods = to.methods.is_empty()
        || destination.http.is_some_and(|http| to.methods.iter().any(|method| method == http.method));
    let paths = to.paths.is_empty()
        || destination.http.is_some_and(|http| match segments(http.path) {
            Some(path) => to.paths.iter().any(|pattern| path_is(pattern, &path)),
            None => rule.effect == Effect::Deny,
        });
    ports && methods && paths
}

/// The path's segments with needless encodings undone; nothing if it is unclear.
fn segments(path: &str) -> Option<Vec<String>> {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let mut bytes = path[..end].bytes();
    if bytes.next() != Some(b'/') || end > 8_193 {
        return None;
    }
    let mut segments = vec![String::new()];
    while let Some(byte) = bytes.next() {
        if byte == b'/' {
            segments.push(String::new());
            continue;
        }
        let segment = segments.last_mut().unwrap();
        if byte != b'%' {
            if byte <= b' ' || byte >= 0x7f || byte == b'\\' {
                return None;
            }
            segment.push(char::from(byte));
            continue;
        }
        let digits = [char::from(bytes.next()?), char::from(bytes.next()?)];
        let value = digits[0].to_digit(16)? * 16 + digits[1].to_digit(16)?;
        let letter = char::from_u32(value).unwrap();
        if letter.is_ascii_alphanumeric() || "-._~".contains(letter) {
            segment.push(letter);
        } else if letter == '/' || letter == '\\' || value < 32 || value == 127 {
            return None;
        } else {
            segment.push_str(&format!("%{value:02X}"));
        }
    }
    let count = segments.len();
    for (index, segment) in segments.iter().enumerate() {
        let name = segment.split(';').next().unwrap();
        if name == "." || name == ".." || (segment.is_empty() && index + 1 < count) {
            return None;
        }
    }
    Some(segments)
}

fn path_is(pattern: &str, path: &[String]) -> bool {
    let mut wanted: Vec<&str> = pattern[1..].split('/').collect();
    let open = wanted.last() == Some(&"**");
    if open {
        wanted.pop();
    }
    if path.len() < wanted.len() || (path.len() > wanted.len() && !open) {
        return false;
    }
    wanted.iter().zip(path).all(|(wanted, segment)| match *wanted {
        "*" => !segment.is_empty(),
        text => segments(&format!("/{text}")).unwrap()[0] == *segment,
    })
}

/// The rule that wins: denies first, then the most specific, then the first written.
fn first(mut rules: Vec<(usize, &RawRule)>) -> Option<&RawRule> {
    rules.sort_by_key(|(place, rule)| {
        let to = rule.to.clone().unwrap_or_default();
        let count = |selector: &RawSelector| {
            [
                usize::from(!selector.names.is_empty()),
                selector.labels.len(),
                usize::from(selector.same.is_some()),
            ]
        };
        let from = match (&rule.from, rule.effect) {
            (None, Effect::Deny) => [0, 0, 0, 0],
            (None, Effect::Allow) | (Some(RawFrom::Unidentified), _) => [1, 0, 0, 0],
            (Some(RawFrom::Selected(selector)), _) => {
                let [names, labels, same] = count(selector);
                [1, names, labels, same]
            }
        };
        let ports: usize = to.ports.iter().map(port_count).sum();
        let widest_path = to.paths.iter().map(|path| path_weight(path)).min();
        (
            rule.effect == Effect::Allow,
            std::cmp::Reverse(from),
            std::cmp::Reverse(count(&to.selector)),
            if to.ports.is_empty() { usize::MAX } else { ports },
            if to.methods.is_empty() { usize::MAX } else { to.methods.len() },
            std::cmp::Reverse(widest_path),
            *place,
        )
    });
    rules.first().map(|(_, rule)| *rule)
}

fn port_count(port: &RawPort) -> usize {
    match port {
        RawPort::One(_) => 1,
        RawPort::Range(text) => {
            let (first, last) = text.split_once('-').unwrap();
            last.parse::<usize>().unwrap() - first.parse::<usize>().unwrap() + 1
        }
    }
}

/// Exact segments, then segments, then whether it ends.
fn path_weight(pattern: &str) -> (usize, usize, bool) {
    let wanted: Vec<&str> = pattern[1..].split('/').filter(|segment| *segment != "**").collect();
    (wanted.iter().filter(|segment| **segment != "*").count(), wanted.len(), !pattern.ends_with("/**"))
}
