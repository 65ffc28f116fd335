//! Destinations that are everywhere, or nearly.

use super::parts::adds_up;
use super::{Findings, LintId, Realm};
use crate::model::{Model, NamedDestination};
use crate::pattern::{Cidr, HostPattern};
use core::net::IpAddr;

/// Prefixes shorter than these hold more than any one network. 10.0.0.0/8 is the largest private one of IPv4
/// (RFC 1918); of IPv6, registries give the largest providers a /20 or so.
const LEAST: [(Cidr, u8); 2] = [(Cidr::EVERY_V4, 8), (Cidr::EVERY_V6, 16)];

/// Looks for them.
pub(super) fn destinations(model: &Model, is_shared: Option<fn(&str) -> bool>, found: &mut Findings) {
    for (place, destination) in model.destinations.iter().enumerate() {
        let path = format!("destinations[{place}]");
        for (index, host) in destination.hosts.iter().enumerate() {
            let path = format!("{path}.hosts[{index}]");
            match host {
                HostPattern::Any => {
                    let fix = "name the hosts, or their domain as *.domain";
                    found.add(LintId::AnyHost, path, "any host at all, whatever a client writes", fix);
                }
                HostPattern::Below(domain) => {
                    let is_shared = is_shared.is_some_and(|is_shared| is_shared(domain));
                    if let Some((id, problem, fix)) = width(domain, is_shared) {
                        found.add(id, path, problem, fix);
                    }
                }
                HostPattern::Exact(_) => {}
            }
        }
        LEAST.into_iter().for_each(|(family, least)| ranges(destination, &path, family, least, found));
    }
}

/// What is below a domain that is more than anybody has in mind.
fn width(domain: &str, is_shared: bool) -> Option<(LintId, String, &'static str)> {
    if is_shared {
        let problem = format!("strangers may have names below {domain}");
        return Some((LintId::WideHost, problem, "name the hosts, or the domains that are meant"));
    }
    Some(match Realm::below(domain)? {
        Realm::Cluster => {
            let problem = format!("all namespaces of a cluster are below {domain}");
            (LintId::WideHost, problem, "name the services that are meant")
        }
        Realm::Namespace => {
            let problem = format!("all services of a namespace are below {domain}, those to come as well");
            (LintId::WholeNamespace, problem, "name the services that are meant")
        }
    })
}

fn ranges(destination: &NamedDestination, path: &str, family: Cidr, least: u8, found: &mut Findings) {
    const FIX: &str = "write the ranges that are meant";
    let of_family = || destination.cidrs.iter().enumerate().filter(|(_, cidr)| family.covers(cidr));
    if of_family().any(|(_, cidr)| cidr.is_everything()) {
        for (index, _) in of_family().filter(|(_, cidr)| cidr.is_everything()) {
            let path = format!("{path}.cidrs[{index}]");
            found.add(LintId::AnyAddress, path, "every address there is", FIX);
        }
    } else if adds_up(&destination.cidrs, family) {
        let problem = format!("the ranges add up to {family}, every address there is");
        found.add(LintId::AnyAddress, format!("{path}.cidrs"), problem, FIX);
    } else {
        for (index, cidr) in of_family().filter(|(_, cidr)| cidr.length() < least && !is_private(cidr)) {
            let problem =
                format!("{cidr} holds more than any one network: its prefix is shorter than /{least}");
            found.add(LintId::WideRange, format!("{path}.cidrs[{index}]"), problem, FIX);
        }
    }
}

/// All private IPv6 networks are in fd00::/8 (RFC 4193), and nobody has more than one of them in mind.
fn is_private(cidr: &Cidr) -> bool {
    matches!(cidr.network(), IpAddr::V6(v6) if v6.octets().first() == Some(&0xfd)) && cidr.length() >= 8
}
