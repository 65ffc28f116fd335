//! What an edit allows beside the connection that it is for.

use super::addition::Addition;
use crate::model::{Model, NamedDestination, Rule, Selector, Source};
use crate::pattern::{Cidr, HostPattern, PathPattern, PortRange, Segment};
use core::net::IpAddr;

/// A list of a rule.
#[derive(Clone, Copy, Debug)]
pub(super) enum List {
    Ports,
    Methods,
    Paths,
}

impl List {
    /// Whether it is the list that this is added to.
    const fn gains(self, addition: &Addition) -> bool {
        match self {
            Self::Ports => matches!(addition, Addition::Port { .. }),
            Self::Methods => matches!(addition, Addition::Method { .. }),
            Self::Paths => matches!(addition, Addition::Path { .. }),
        }
    }

    /// What a rule without this list is about.
    pub(super) const fn any(self) -> &'static str {
        match self {
            Self::Ports => "any port",
            Self::Methods => "any method, and what is not HTTP",
            Self::Paths => "any path, and what is not HTTP",
        }
    }

    /// What a rule is about of which this list has more than one thing.
    const fn several(self) -> &'static str {
        match self {
            Self::Ports => "more than one port",
            Self::Methods => "more than one method",
            Self::Paths => "more than one path",
        }
    }
}

/// What a rule is about beside the connection, of which all holds but the list that this is added to: what that
/// gains, it gains for everything that the rule is about otherwise.
pub(super) fn of_rule(model: &Model, rule: &Rule, addition: &Addition) -> Vec<String> {
    let lists = [
        (List::Ports, extent(&rule.ports, is_one_port)),
        (List::Methods, extent(&rule.methods, |_| true)),
        (List::Paths, extent(&rule.paths, is_one_path)),
    ];
    let others = lists.into_iter().filter(|(list, _)| !list.gains(addition));
    let lists = others.filter_map(|(list, extent)| match extent {
        Extent::Any => Some(list.any().into()),
        Extent::Several => Some(list.several().into()),
        Extent::One => None,
    });
    let about = source(&rule.from).into_iter().chain(target(&rule.to)).chain(lists);
    let mut broad: Vec<String> =
        about.map(|what: String| format!("the rule {} is about {what}", rule.name)).collect();
    if let [place] = rule.to.names.as_slice() {
        broad.extend(model.destinations.get(*place).and_then(of_destination));
    }
    broad
}

fn source(from: &Source) -> Option<String> {
    match from {
        Source::Process(from) if from.names.len() == 1 => None,
        Source::Process(from) if from.names.is_empty() => Some(format!("any process{}", labelled(from))),
        Source::Process(from) => Some(format!("{} processes", from.names.len())),
        Source::Anyone | Source::Unidentified => Some("connections without identity".into()),
    }
}

fn target(to: &Selector) -> Option<String> {
    match to.names.len() {
        0 => Some(format!("any destination{}", labelled(to))),
        1 => None,
        several => Some(format!("{several} destinations")),
    }
}

fn labelled(selector: &Selector) -> &'static str {
    if selector.is_any() { "" } else { " with its labels" }
}

/// How much a list leaves open.
enum Extent {
    Any,
    Several,
    One,
}

fn extent<T: PartialEq>(list: &[T], is_one: impl Fn(&T) -> bool) -> Extent {
    match list.split_first() {
        None => Extent::Any,
        Some((first, others)) if is_one(first) && others.iter().all(|other| other == first) => Extent::One,
        Some(_) => Extent::Several,
    }
}

const fn is_one_port(range: &PortRange) -> bool {
    range.first() == range.last()
}

fn is_one_path(path: &PathPattern) -> bool {
    !path.has_tail() && !path.segments().contains(&Segment::One)
}

/// Whether a destination is more than one host or one address.
pub(super) fn of_destination(entry: &NamedDestination) -> Option<String> {
    let one_host = |host: &HostPattern| matches!(host, HostPattern::Exact(_));
    let one_address = |range: &Cidr| match range.network() {
        IpAddr::V4(_) => range.length() == 32,
        IpAddr::V6(_) => range.length() == 128,
    };
    let single = entry.hosts.len().saturating_add(entry.cidrs.len()) == 1
        && entry.hosts.iter().all(one_host)
        && entry.cidrs.iter().all(one_address);
    (!single).then(|| format!("the destination {} is more than this host or address", entry.name))
}
