//! Hosts and addresses, sorted into classes that both policies take for the same destinations.

use super::both::Both;
use crate::fresh::fresh;
use crate::index::DestinationIndex;
use crate::pattern::{Cidr, Host, HostPattern};
use crate::policy::Policy;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use rustc_hash::{FxHashMap, FxHashSet};

/// The class without a host, and the class without an address: no entry matches it.
pub(super) const NOTHING: u32 = 0;

/// Hosts or addresses, by class. Which hosts and which addresses a connection has is independent, so
/// the two are sorted apart.
#[derive(Debug)]
pub(super) struct Classes<T> {
    /// One of each class; the first class is [`NOTHING`].
    samples: Vec<Option<T>>,
    /// The classes that go to each entry of a policy.
    of_entry: Both<Vec<Vec<u32>>>,
}

impl<T: Clone> Classes<T> {
    fn new(
        policies: Both<&Policy>,
        samples: Vec<T>,
        find: impl Fn(&DestinationIndex, &T) -> Vec<u32>,
    ) -> Self {
        let counts = policies.map(|policy| policy.model().destinations().len());
        let mut of_entry = counts.map(|count| vec![Vec::new(); count]);
        let mut classes: FxHashMap<Both<Vec<u32>>, u32> = FxHashMap::default();
        let mut kept = vec![None];
        for sample in samples {
            let entries = policies.map(|policy| find(&policy.index().destinations, &sample));
            let class = u32::try_from(kept.len()).unwrap_or(u32::MAX);
            if *classes.entry(entries.clone()).or_insert(class) != class {
                continue;
            }
            kept.push(Some(sample));
            file(&mut of_entry.before, &entries.before, class);
            file(&mut of_entry.after, &entries.after, class);
        }
        Self { samples: kept, of_entry }
    }

    /// One of this class.
    pub(super) fn sample(&self, class: u32) -> Option<T> {
        usize::try_from(class).ok().and_then(|at| self.samples.get(at)).cloned().flatten()
    }

    /// Every class but [`NOTHING`]; those that go to no entry come first, where there are any.
    pub(super) fn all(&self) -> impl Iterator<Item = u32> + Clone + use<T> {
        1..u32::try_from(self.samples.len()).unwrap_or(u32::MAX)
    }

    /// The classes that go to the entries of a policy.
    pub(super) const fn of_entry(&self) -> Both<&Vec<Vec<u32>>> {
        self.of_entry.as_ref()
    }
}

fn file(of_entry: &mut [Vec<u32>], entries: &[u32], class: u32) {
    for entry in entries {
        let classes = usize::try_from(*entry).ok().and_then(|at| of_entry.get_mut(at));
        classes.into_iter().for_each(|classes| classes.push(class));
    }
}

/// The hosts of both policies: one that no pattern but `*` has, every name, and one below every
/// wildcard that no longer pattern has.
pub(super) fn hosts(policies: Both<&Policy>) -> Classes<String> {
    let patterns = || each_entry(policies).flat_map(|entry| &entry.hosts);
    let mut labels: FxHashSet<&str> = FxHashSet::default();
    for pattern in patterns() {
        match pattern {
            HostPattern::Any => {}
            HostPattern::Exact(name) | HostPattern::Below(name) => labels.extend(name.split('.')),
        }
    }
    let label = fresh("any", |label| labels.contains(label));
    let mut samples: Vec<String> = Vec::new();
    for pattern in patterns() {
        match pattern {
            HostPattern::Any => {}
            HostPattern::Exact(name) => samples.push(name.clone()),
            HostPattern::Below(name) => samples.push(format!("{label}.{name}")),
        }
    }
    // A wildcard before a name of full length stands for nothing.
    samples.retain(|host| matches!(Host::parse(host), Host::Clear(_)));
    samples.sort_unstable();
    samples.dedup();
    samples.insert(0, format!("{label}.invalid"));
    Classes::new(policies, samples, |index, host| index.find(Some(host), None))
}

/// The addresses of both policies: one between each two ends of ranges.
pub(super) fn addresses(policies: Both<&Policy>) -> Classes<IpAddr> {
    let ranges = || each_entry(policies).flat_map(|entry| &entry.cidrs);
    let (v4, v6): (Vec<&Cidr>, Vec<&Cidr>) = ranges().partition(|range| range.network().is_ipv4());
    let mut samples = Vec::new();
    for (first, last) in between(&v4, u128::from(u32::MAX)) {
        samples.push(IpAddr::V4(v4_sample(first, last)));
    }
    for (first, last) in between(&v6, u128::MAX) {
        samples.extend(v6_sample(first, last).map(IpAddr::V6));
    }
    let covered = |address: &IpAddr| ranges().any(|range| range.contains(*address));
    let outside = samples.iter().position(|address| !covered(address));
    if let Some(outside) = outside {
        samples.swap(0, outside);
    }
    Classes::new(policies, samples, |index, address| index.find(None, Some(*address)))
}

fn each_entry(policies: Both<&Policy>) -> impl Iterator<Item = &crate::model::NamedDestination> {
    policies.before.model().destinations().iter().chain(policies.after.model().destinations())
}

/// Addresses that no range begins or ends within: first and last.
fn between(ranges: &[&Cidr], last: u128) -> Vec<(u128, u128)> {
    let mut starts = vec![0];
    for range in ranges {
        let (first, end) = bounds(range);
        starts.push(first);
        starts.extend(end.checked_add(1).filter(|next| *next <= last));
    }
    starts.sort_unstable();
    starts.dedup();
    let ends = starts.iter().skip(1).map(|next| next.saturating_sub(1)).chain([last]);
    starts.iter().copied().zip(ends).collect()
}

fn bounds(range: &Cidr) -> (u128, u128) {
    let (first, bits) = match range.network() {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128_u32),
    };
    let host_bits = bits.saturating_sub(u32::from(range.length()));
    let size = 1_u128.checked_shl(host_bits).unwrap_or(0);
    (first, first.wrapping_add(size).wrapping_sub(1))
}

/// An address of documentation (RFC 5737) where it is among them, else a plausible one.
fn v4_sample(first: u128, last: u128) -> Ipv4Addr {
    let documentation = u128::from(Ipv4Addr::new(192, 0, 2, 1).to_bits());
    let address = plausible(first, last, documentation);
    Ipv4Addr::from_bits(u32::try_from(address).unwrap_or_default())
}

/// As [`v4_sample`] (RFC 3849). Addresses of IPv4 written as IPv6 are IPv4.
fn v6_sample(first: u128, last: u128) -> Option<Ipv6Addr> {
    const DOCUMENTATION: u128 = 0x2001_0db8 << 96 | 1;
    const BEHIND_MAPPED: u128 = 1 << 48;
    let address = Ipv6Addr::from_bits(plausible(first, last, DOCUMENTATION));
    if address.to_ipv4_mapped().is_none() {
        return Some(address);
    }
    (BEHIND_MAPPED <= last).then(|| Ipv6Addr::from_bits(BEHIND_MAPPED))
}

/// The wanted address, or the one behind the first: the first of a network is no machine's.
fn plausible(first: u128, last: u128, wanted: u128) -> u128 {
    if (first..=last).contains(&wanted) { wanted } else { first.saturating_add(1).min(last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut_where_ranges_begin_and_end() {
        let ranges: Vec<Cidr> =
            ["10.0.0.0/8", "10.4.0.0/16", "0.0.0.0/1"].map(|text| Cidr::parse(text).unwrap()).into();
        let ranges: Vec<&Cidr> = ranges.iter().collect();
        let cut = between(&ranges, u128::from(u32::MAX));
        assert_eq!(cut.len(), 6);
        assert!(cut.array_windows().all(|[(_, last), (first, _)]| last + 1 == *first));
        let everything = Cidr::parse("::/0").unwrap();
        assert_eq!(between(&[&everything], u128::MAX), [(0, u128::MAX)]);
    }

    #[test]
    fn no_sample_of_ipv6_is_an_address_of_ipv4() {
        let mapped = "::ffff:0.0.0.0".parse::<Ipv6Addr>().unwrap().to_bits();
        let last = "::ffff:255.255.255.255".parse::<Ipv6Addr>().unwrap().to_bits();
        assert_eq!(v6_sample(mapped, last), None);
        assert_eq!(v6_sample(mapped, u128::MAX / 2), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(v6_sample(mapped, last + 5), Some("::1:0:0:0".parse().unwrap()));
    }
}
