//! From what was seen to what is proposed: only as far as the evidence goes.

use super::evidence::{Evidence, Seen};
use super::paths::{Place, is_mark, is_rest};
use super::route::Whereto;
use crate::policy::suffix;
use core::net::IpAddr;
use core::ops::RangeInclusive;
use procgate_policy::lint::Realm;
use std::collections::{BTreeMap, BTreeSet};

/// Hosts under one domain, from which on the domain is proposed: three might be three servers, four
/// with one process asking all for the same are a pattern.
const MIN_HOSTS: usize = 4;
/// Addresses in one network, from which on the network is proposed.
const MIN_ADDRESSES: usize = 8;
/// Path patterns of one method at one place; of more, the largest branches become prefixes.
const MAX_PATTERNS: usize = 128;
/// Ports that are listed one by one; more of a range become the range, if half of it was seen.
const MAX_LISTED_PORTS: usize = 8;

/// Where rules lead: a host pattern or an address range, and what it was made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Hosts(String),
    Range(String),
}

/// The targets of places that one process reaches.
pub(super) fn targets(places: &BTreeSet<Whereto>) -> BTreeMap<Whereto, Target> {
    let mut families: BTreeMap<String, Vec<&Whereto>> = BTreeMap::new();
    for place in places {
        families.entry(family(place).unwrap_or_default()).or_default().push(place);
    }
    let mut targets = BTreeMap::new();
    for (family, members) in families {
        for place in &members {
            let target = match place {
                Whereto::Host(_) if !family.is_empty() && members.len() >= MIN_HOSTS => {
                    Target::Hosts(format!("*.{family}"))
                }
                Whereto::Address(_) if members.len() >= MIN_ADDRESSES => Target::Range(family.clone()),
                Whereto::Host(host) => Target::Hosts(host.clone()),
                Whereto::Address(address) => Target::Range(address.to_string()),
            };
            targets.insert((*place).clone(), target);
        }
    }
    targets
}

/// What a place may share with others: the domain above, or the network around. A domain below which
/// strangers may have names is none, and no namespace of a cluster, which has services of all kinds.
fn family(place: &Whereto) -> Option<String> {
    match place {
        Whereto::Host(host) => {
            let (_, above) = host.split_once('.').filter(|_| host.parse::<IpAddr>().is_err())?;
            let is_one = above.contains('.') && Realm::below(above).is_none() && !suffix::is_shared(above);
            is_one.then(|| above.into())
        }
        Whereto::Address(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            Some(format!("{a}.{b}.{c}.0/24"))
        }
        Whereto::Address(IpAddr::V6(address)) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Some(format!("{}/64", core::net::Ipv6Addr::from_bits(network)))
        }
    }
}

/// A path pattern and what was seen of it.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    segments: Vec<String>,
    tail: bool,
    pub(super) evidence: Evidence,
}

impl Pattern {
    /// Whether it stands for more than one path.
    pub(super) fn is_general(&self) -> bool {
        self.tail || self.segments.iter().any(|segment| segment == "*")
    }
}

impl core::fmt::Display for Pattern {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.segments.iter().try_for_each(|segment| write!(out, "/{segment}"))?;
        out.write_str(if self.tail { "/**" } else { "" })
    }
}

/// The patterns of all paths of a tree.
pub(super) fn patterns(tree: &Place) -> Vec<Pattern> {
    let mut all = Vec::new();
    tree.each(&mut Vec::new(), &mut |path, evidence| {
        let tail = path.last().is_some_and(|last| is_rest(last));
        let names = path.iter().filter(|name| !is_rest(name));
        let segments = names.map(|name| if is_mark(name) { "*".into() } else { name.clone() }).collect();
        all.push(Pattern { segments, tail, evidence: evidence.clone() });
    });
    collapse(all)
}

/// While there are too many, the longest ones are cut to a prefix.
fn collapse(mut all: Vec<Pattern>) -> Vec<Pattern> {
    while all.len() > MAX_PATTERNS {
        let longest = all.iter().map(|pattern| pattern.segments.len()).max().unwrap_or_default();
        let Some(kept) = longest.checked_sub(1) else { break };
        let mut shorter: BTreeMap<(Vec<String>, bool), Evidence> = BTreeMap::new();
        for mut pattern in all {
            let cut = pattern.segments.len() > kept;
            pattern.segments.truncate(kept);
            let tail = pattern.tail || cut;
            shorter.entry((pattern.segments, tail)).or_default().add(Seen::Before(&pattern.evidence));
        }
        all = shorter
            .into_iter()
            .map(|((segments, tail), evidence)| Pattern { segments, tail, evidence })
            .collect();
    }
    all
}

/// Ports, given in their order, as rules list them: one by one, and as ranges where they lie close. Those that do not
/// are divided where they lie furthest apart, until each part is one or the other.
pub(super) fn ports(seen: impl Iterator<Item = u16>) -> Vec<RangeInclusive<u16>> {
    let seen: Vec<u16> = seen.collect();
    let (mut listed, mut parts) = (Vec::new(), vec![seen.as_slice()]);
    while let Some(part) = parts.pop() {
        let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
        let span = usize::from(last.saturating_sub(*first)).saturating_add(1);
        let dense = part.len() > MAX_LISTED_PORTS && span <= part.len().saturating_mul(2);
        if dense || part.len() == 1 {
            listed.push(*first..=*last);
            continue;
        }
        let steps = part.iter().zip(part.iter().skip(1)).map(|(one, next)| next.saturating_sub(*one));
        let widest = steps.max().unwrap_or_default();
        parts.extend(part.chunk_by(|one, next| next.saturating_sub(*one) < widest));
    }
    listed.sort_unstable_by_key(|range| *range.start());
    listed
}

#[cfg(test)]
mod tests {
    use super::super::pods::Pod;
    use super::*;
    use procgate_identity::UnixNanos;

    fn proposed(hosts: &[&str]) -> BTreeSet<String> {
        let place = |host: &&str| match host.parse() {
            Ok(address) => Whereto::Address(address),
            Err(_) => Whereto::Host((*host).into()),
        };
        let targets = targets(&hosts.iter().map(place).collect());
        let text = |target: Target| match target {
            Target::Hosts(text) | Target::Range(text) => text,
        };
        targets.into_values().map(text).collect()
    }

    #[test]
    fn several_hosts_under_one_domain_are_the_domain() {
        let four = ["a.pay.example", "b.pay.example", "c.pay.example", "d.pay.example"];
        assert_eq!(proposed(&four), ["*.pay.example".into()].into());
        assert_eq!(proposed(&four[..3]).len(), 3);
        let replicas = [
            "db-0.db.shop.svc.cluster.local",
            "db-1.db.shop.svc.cluster.local",
            "db-2.db.shop.svc.cluster.local",
            "db-3.db.shop.svc.cluster.local",
        ];
        assert_eq!(proposed(&replicas), ["*.db.shop.svc.cluster.local".into()].into());
    }

    #[test]
    fn a_domain_that_strangers_share_is_never_proposed() {
        let shared = ["com", "co.uk", "s3.amazonaws.com", "github.io", "amazonaws.com", "core.windows.net"];
        let realms = [
            "shop.svc.cluster.local",
            "shop.svc.corp.internal",
            "shop.pod.cluster.local",
            "svc.cluster.local",
        ];
        for above in shared.into_iter().chain(realms).chain(["shop.svc", "shop"]) {
            let hosts: Vec<String> = (0..9).map(|index| format!("h{index}.{above}")).collect();
            let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
            assert_eq!(proposed(&hosts).len(), 9, "{above}");
        }
    }

    #[test]
    fn many_addresses_of_one_network_are_the_network() {
        let eight: Vec<String> = (1..9).map(|index| format!("10.4.0.{index}")).collect();
        let eight: Vec<&str> = eight.iter().map(String::as_str).collect();
        assert_eq!(proposed(&eight), ["10.4.0.0/24".into()].into());
        assert_eq!(proposed(&["10.4.0.1", "fd00::1"]), ["10.4.0.1".into(), "fd00::1".into()].into());
    }

    #[test]
    fn ports_are_listed_and_a_dense_range_is_a_range() {
        let listed = |seen: &[u16]| ports(seen.iter().copied());
        assert_eq!(listed(&[443, 8443]), [443..=443, 8443..=8443]);
        assert_eq!(ports((30_000..30_040).step_by(2)), [30_000..=30_038]);
        assert_eq!(ports(1..=65_535), [1..=65_535]);
        assert!(listed(&[]).is_empty());
    }

    #[test]
    fn ports_that_lie_apart_are_no_range_however_many_they_are() {
        let sparse: Vec<u16> = (1..65_000).step_by(230).collect();
        let one_by_one: Vec<_> = sparse.iter().map(|port| *port..=*port).collect();
        assert_eq!(ports(sparse.into_iter()), one_by_one);
        let both = [443].into_iter().chain((30_000..30_010).chain([30_013])).chain(50_000..50_010);
        assert_eq!(ports(both), [443..=443, 30_000..=30_013, 50_000..=50_009]);
    }

    #[test]
    fn too_many_paths_become_prefixes_and_none_is_lost() {
        let (mut tree, pod) = (Place::default(), Pod::new("p"));
        for first in 'a'..'q' {
            for second in 'a'..'q' {
                let path = format!("api/{first}x/{second}x");
                tree.add(path.split('/'), Seen::Once(UnixNanos(1), &pod));
            }
        }
        let patterns = patterns(&tree);
        assert_eq!(patterns.len(), 16);
        assert_eq!(patterns[0].to_string(), "/api/ax/**");
        assert_eq!(patterns.iter().map(|pattern| pattern.evidence.count).sum::<u64>(), 256);
    }
}
