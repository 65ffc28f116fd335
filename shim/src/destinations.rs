//! Which destinations the proxy intercepts. Only their connections carry a token: anybody else would
//! read it as payload. The rules mirror those of the mesh.

use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;
use procgate_identity::canonical;

/// A range of addresses, with a port or with any: `10.0.0.0/8`, `127.0.0.1:15001`, `[::1]:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    network: IpAddr,
    prefix: u32,
    port: Option<u16>,
}

impl Range {
    const LOOPBACK_V4: Self =
        Self { network: IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), prefix: 8, port: None };
    const LOOPBACK_V6: Self =
        Self { network: IpAddr::V6(core::net::Ipv6Addr::LOCALHOST), prefix: 128, port: None };

    fn contains(&self, address: SocketAddr) -> bool {
        let same = match (self.network, address.ip()) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let host_bits = u32::BITS.saturating_sub(self.prefix);
                (network.to_bits() ^ ip.to_bits()).checked_shr(host_bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let host_bits = u128::BITS.saturating_sub(self.prefix);
                (network.to_bits() ^ ip.to_bits()).checked_shr(host_bits).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        };
        same && self.port.is_none_or(|port| port == address.port())
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
        let prefix = prefix
            .map_or(Ok(longest), str::parse)
            .ok()
            .filter(|prefix| *prefix <= longest)
            .ok_or_else(remedy)?;
        let port = port.map(str::parse).transpose().map_err(|_| remedy())?;
        Ok(Self { network, prefix, port })
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
    pub(crate) fn new(mut exempt: Vec<Range>, capture: Vec<Range>) -> Self {
        exempt.extend([Range::LOOPBACK_V4, Range::LOOPBACK_V6]);
        Self { exempt, capture }
    }

    /// Whether the proxy intercepts connections to this address.
    pub(crate) fn are_intercepted(&self, address: SocketAddr) -> bool {
        let address = canonical(address);
        let among = |ranges: &[Range]| ranges.iter().any(|range| range.contains(address));
        among(&self.capture) || !among(&self.exempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intercepted(exempt: &[&str], capture: &[&str], address: &str) -> bool {
        let ranges = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Destinations::new(ranges(exempt), ranges(capture)).are_intercepted(address.parse().unwrap())
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
    fn what_is_no_range_is_refused_with_a_remedy() {
        for text in
            ["", "10.0.0.0/33", "::/129", "10.0.0.0/8:x", "[::1", "[::1]80", "example.org", "10.0.0.1:99999"]
        {
            assert!(text.parse::<Range>().unwrap_err().contains("write 10.0.0.0/8"), "{text}");
        }
    }
}
