//! Which destinations of the policy a connection goes to.

use crate::model::NamedDestination;
use crate::pattern::{Host, HostPattern, masked};
use core::net::IpAddr;
use rustc_hash::FxHashMap;

/// Finds destinations by host and by address.
#[derive(Debug, Default)]
pub(crate) struct DestinationIndex {
    any_host: Vec<u32>,
    exact: FxHashMap<Box<str>, Vec<u32>>,
    below: FxHashMap<Box<str>, Vec<u32>>,
    /// The most labels that a name behind a wildcard has.
    below_labels: usize,
    v4: Ranges,
    v6: Ranges,
}

/// Address ranges of one family, by prefix.
#[derive(Debug, Default)]
struct Ranges {
    /// Lengths that occur, none twice.
    lengths: Vec<u8>,
    networks: FxHashMap<(u8, IpAddr), Vec<u32>>,
}

impl DestinationIndex {
    /// Files all destinations.
    #[inline(never)]
    pub(super) fn new(destinations: &[NamedDestination]) -> Self {
        let mut index = Self::default();
        for (number, destination) in (0..).zip(destinations) {
            for host in &destination.hosts {
                match host {
                    HostPattern::Any => index.any_host.push(number),
                    HostPattern::Exact(name) => {
                        index.exact.entry(name.as_str().into()).or_default().push(number);
                    }
                    HostPattern::Below(name) => {
                        index.below_labels = index.below_labels.max(name.split('.').count());
                        index.below.entry(name.as_str().into()).or_default().push(number);
                    }
                }
            }
            for cidr in &destination.cidrs {
                let ranges = if cidr.network().is_ipv4() { &mut index.v4 } else { &mut index.v6 };
                if !ranges.lengths.contains(&cidr.length()) {
                    ranges.lengths.push(cidr.length());
                }
                ranges.networks.entry((cidr.length(), cidr.network())).or_default().push(number);
            }
        }
        index
    }

    /// The destinations with a pattern for this host or a range around this address, none twice.
    pub(crate) fn find(&self, host: Option<&str>, address: Option<IpAddr>) -> Vec<u32> {
        let mut found = Vec::new();
        if let Some(host) = host.filter(|_| self.looks_at_hosts()) {
            found.extend(&self.any_host);
            if let Host::Clear(name) = Host::parse(host) {
                found.extend(self.exact.get(&*name).into_iter().flatten());
                self.find_below(&name, &mut found);
            }
        }
        if let Some(address) = address {
            let address = address.to_canonical();
            let ranges = if address.is_ipv4() { &self.v4 } else { &self.v6 };
            for length in &ranges.lengths {
                let network = masked(address, *length);
                found.extend(ranges.networks.get(&(*length, network)).into_iter().flatten());
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// One lookup for each label of the name, as far as names behind wildcards reach.
    fn find_below(&self, name: &str, found: &mut Vec<u32>) {
        // An address has dots too, but no labels.
        if self.below.is_empty() || name.contains(':') || name.parse::<IpAddr>().is_ok() {
            return;
        }
        let dots = name.rmatch_indices('.').map(|(at, _)| at);
        for rest in dots.take(self.below_labels).filter_map(|at| name.get(at.saturating_add(1)..)) {
            found.extend(self.below.get(rest).into_iter().flatten());
        }
    }

    /// Whether any destination has host patterns.
    fn looks_at_hosts(&self) -> bool {
        !(self.any_host.is_empty() && self.exact.is_empty() && self.below.is_empty())
    }
}
