//! Which destinations the proxy intercepts. Only their connections carry a token: anybody else would
//! read it as payload. The rules mirror those of the mesh.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;
use std::collections::BTreeSet;

/// Bits ahead of the IPv4 address in a v4-mapped one, ::ffff:0:0/96 (RFC 4291, section 2.5.5.2).
const MAPPED_BITS: u32 = 96;

/// A range of addresses, with a port or with any: `10.0.0.0/8`, `127.0.0.1:15001`, `[::1]:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    network: IpAddr,
    prefix: u32,
    port: Option<u16>,
}

impl Range {
    const LOOPBACK: [Self; 2] = [
        Self { network: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), prefix: 8, port: None },
        Self { network: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix: 128, port: None },
    ];

    /// Whether this address and port are in the range.
    pub(crate) fn has(&self, address: SocketAddr) -> bool {
        self.contains(address.ip(), Some(address.port()))
    }

    /// With no port: whether the range contains every port of this address.
    fn contains(&self, ip: IpAddr, port: Option<u16>) -> bool {
        self.covers(ip) && self.port.is_none_or(|own| port == Some(own))
    }

    /// Whether the address is in the network, whatever the port.
    fn covers(&self, ip: IpAddr) -> bool {
        match (self.network, ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let host_bits = u32::BITS.saturating_sub(self.prefix);
                (network.to_bits() ^ ip.to_bits()).checked_shr(host_bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let host_bits = u128::BITS.saturating_sub(self.prefix);
                (network.to_bits() ^ ip.to_bits()).checked_shr(host_bits).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// As it is read.
impl fmt::Display for Range {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, prefix, port } = self;
        match port {
            None => write!(out, "{network}/{prefix}"),
            Some(port) if network.is_ipv4() => write!(out, "{network}/{prefix}:{port}"),
            Some(port) => write!(out, "[{network}/{prefix}]:{port}"),
        }
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let remedy = || {
            format!(
                "{text:?} is no address range: write 10.0.0.0/8, 10.0.0.0/8:443, 127.0.0.1:15001 or [fd00::/8]:443"
            )
        };
        let (network, port) =
            if let Some((network, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
                (
                    network,
                    rest.strip_prefix(':')
                        .map(Some)
                        .or_else(|| rest.is_empty().then_some(None))
                        .ok_or_else(remedy)?,
                )
            } else if text.matches(':').count() == 1 {
                text.split_once(':').map(|(network, port)| (network, Some(port))).ok_or_else(remedy)?
            } else {
                (text, None)
            };
        let (network, prefix) =
            network.split_once('/').map_or((network, None), |(network, prefix)| (network, Some(prefix)));
        let network: IpAddr = network.parse().map_err(|_| remedy())?;
        let longest = if network.is_ipv4() { 32 } else { 128 };
        let prefix: u32 = prefix
            .map_or(Ok(longest), str::parse)
            .ok()
            .filter(|prefix| *prefix <= longest)
            .ok_or_else(remedy)?;
        let port = port.map(str::parse).transpose().map_err(|_| remedy())?;
        // Destinations are compared as the IPv4 addresses that they are.
        match network.to_canonical() {
            IpAddr::V4(inner) if network.is_ipv6() => {
                let prefix = prefix.checked_sub(MAPPED_BITS).ok_or_else(remedy)?;
                Ok(Self { network: inner.into(), prefix, port })
            }
            IpAddr::V4(_) | IpAddr::V6(_) => Ok(Self { network, prefix, port }),
        }
    }
}

/// What the rules say of a destination, and which of them says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Intercepted, as everything is that is not exempt.
    Intercepted,
    /// Intercepted because of this `--capture`.
    Captured(Range),
    /// Not intercepted because of this `--exempt`.
    Exempt(Range),
    /// Not intercepted, as loopback is not unless captured.
    Loopback(Range),
}

impl Verdict {
    /// Whether a connection there carries a token.
    pub(crate) const fn is_intercepted(self) -> bool {
        match self {
            Self::Intercepted | Self::Captured(_) => true,
            Self::Exempt(_) | Self::Loopback(_) => false,
        }
    }
}

/// The rules of one shim.
#[derive(Clone, Debug)]
pub(crate) struct Destinations {
    exempt: Vec<Range>,
    capture: Vec<Range>,
}

impl Destinations {
    /// Loopback is exempt besides the ranges given: who adds one does not mean to send tokens to the
    /// pod's own services. `capture` takes ranges back from the exempt.
    pub(crate) const fn new(exempt: Vec<Range>, capture: Vec<Range>) -> Self {
        Self { exempt, capture }
    }

    /// What becomes of a connection to this address.
    pub(crate) fn judge(&self, address: SocketAddr) -> Verdict {
        self.verdict(address.ip(), Some(address.port()))
    }

    /// What becomes of connections to this address at any port but the named ones.
    pub(crate) fn judge_other_ports(&self, ip: IpAddr) -> Verdict {
        self.verdict(ip, None)
    }

    /// The ports of this address that rules name.
    pub(crate) fn named_ports(&self, ip: IpAddr) -> BTreeSet<u16> {
        let ip = ip.to_canonical();
        let rules = self.capture.iter().chain(&self.exempt);
        rules.filter(|range| range.covers(ip)).filter_map(|range| range.port).collect()
    }

    fn verdict(&self, ip: IpAddr, port: Option<u16>) -> Verdict {
        let ip = ip.to_canonical();
        let first = |ranges: &[Range]| ranges.iter().find(|range| range.contains(ip, port)).copied();
        first(&self.capture)
            .map(Verdict::Captured)
            .or_else(|| first(&self.exempt).map(Verdict::Exempt))
            .or_else(|| first(&Range::LOOPBACK).map(Verdict::Loopback))
            .unwrap_or(Verdict::Intercepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intercepted(exempt: &[&str], capture: &[&str], address: &str) -> bool {
        let ranges = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Destinations::new(ranges(exempt), ranges(capture)).judge(address.parse().unwrap()).is_intercepted()
    }

    #[test]
    fn loopback_is_exempt_unless_captured() {
        assert!(!intercepted(&[], &[], "127.9.0.1:80"));
        assert!(!intercepted(&[], &[], "[::1]:80"));
        assert!(!intercepted(&[], &[], "[::ffff:127.0.0.1]:80"));
        assert!(intercepted(&[], &[], "128.0.0.1:80"));
        assert!(intercepted(&[], &["127.0.0.1:15001"], "127.0.0.1:15001"));
        assert!(!intercepted(&[], &["127.0.0.1:15001"], "127.0.0.1:15002"));
        assert!(!intercepted(&["10.0.0.0/8"], &[], "127.0.0.1:80"));
    }

    #[test]
    fn ranges_have_prefixes_and_ports() {
        assert!(!intercepted(&["10.0.0.0/8:443"], &[], "10.255.0.1:443"));
        assert!(intercepted(&["10.0.0.0/8:443"], &[], "10.255.0.1:80"));
        assert!(!intercepted(&["fd00::/8"], &[], "[fdff::1]:1"));
        assert!(!intercepted(&["[fd00::/8]:53"], &[], "[fd00::1]:53"));
        assert!(!intercepted(&["0.0.0.0/0"], &[], "1.2.3.4:1"));
        assert!(intercepted(&["0.0.0.0/0"], &[], "[2001:db8::1]:1"));
    }

    #[test]
    fn a_range_is_shown_as_it_is_read() {
        for text in ["10.0.0.0/8", "10.0.0.0/8:443", "fd00::/8", "[fd00::/8]:53"] {
            assert_eq!(text.parse::<Range>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_range_of_v4_mapped_addresses_is_one_of_ipv4() {
        for range in ["::ffff:10.0.0.0/104", "[::ffff:10.0.0.0/104]:80"] {
            assert!(!intercepted(&[range], &[], "10.255.0.1:80"), "{range}");
            assert!(!intercepted(&[range], &[], "[::ffff:10.255.0.1]:80"), "{range}");
            assert!(intercepted(&[range], &[], "11.0.0.1:80"), "{range}");
        }
        assert!(!intercepted(&["::ffff:10.0.0.1"], &[], "10.0.0.1:80"));
        assert!(!intercepted(&["::ffff:0:0/96"], &[], "10.0.0.1:80"));
    }

    #[test]
    fn what_is_no_range_is_refused_with_a_remedy() {
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "::ffff:0:0/95",
            "10.0.0.0/8:x",
            "[::1",
            "[::1]80",
            "example.org",
            "10.0.0.1:99999",
        ] {
            assert!(text.parse::<Range>().unwrap_err().contains("write 10.0.0.0/8"), "{text}");
        }
    }
}
