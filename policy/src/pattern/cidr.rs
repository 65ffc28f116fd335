//! Address ranges.

use super::PatternError;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address range in CIDR notation (RFC 4632). IPv4 and IPv6 are apart, even where an address of
/// one is written within the other: such addresses are made IPv4 before they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    network: IpAddr,
    length: u8,
}

impl Cidr {
    /// Reads `10.4.0.0/16` or `fd00::/8`; an address alone is the range of that one.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
        let network: IpAddr = address.parse().map_err(|_| {
            PatternError::new(
                "not an address range",
                "write an address, a slash and the length, for example 10.4.0.0/16",
            )
        })?;
        if network.to_canonical() != network {
            return Err(PatternError::new("an IPv4 address written as IPv6", as_ipv4(network, length)));
        }
        let bits = bits(network);
        let plain = |text: &&str| !text.starts_with('+') && (*text == "0" || !text.starts_with('0'));
        let length = match length {
            None => bits,
            Some(length) => Some(length)
                .filter(plain)
                .and_then(|length| length.parse().ok())
                .filter(|length| *length <= bits)
                .ok_or_else(|| {
                    PatternError::new("not a prefix length", format!("write a number from 0 to {bits}"))
                })?,
        };
        let range = Self { network: masked(network, length), length };
        if range.network == network {
            Ok(range)
        } else {
            Err(PatternError::new("bits set behind the prefix", format!("write {range}")))
        }
    }

    /// Whether the address lies within.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        bits(address) == bits(self.network) && masked(address, self.length) == self.network
    }

    /// Whether every address of `other` lies within.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.length <= other.length && self.contains(other.network)
    }

    /// Whether it is every address of its family.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.length == 0
    }

    /// Its lower and its upper half; nothing of a single address.
    pub(crate) fn halves(&self) -> Option<[Self; 2]> {
        let length = self.length.checked_add(1).filter(|length| *length <= bits(self.network))?;
        let bit = u32::from(bits(self.network).saturating_sub(length));
        let upper = match self.network {
            IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() | 1_u32.checked_shl(bit)?)),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() | 1_u128.checked_shl(bit)?)),
        };
        Some([self.network, upper].map(|network| Self { network, length }))
    }

    /// The range of this length that it lies in, if that is a shorter one.
    pub(crate) fn shortened(&self, length: u8) -> Self {
        let length = length.min(self.length);
        Self { network: masked(self.network, length), length }
    }

    /// Every address of IPv4.
    pub(crate) const EVERY_V4: Self = Self { network: IpAddr::V4(Ipv4Addr::UNSPECIFIED), length: 0 };
    /// Every address of IPv6.
    pub(crate) const EVERY_V6: Self = Self { network: IpAddr::V6(Ipv6Addr::UNSPECIFIED), length: 0 };

    /// Its first address.
    #[must_use]
    pub const fn network(&self) -> IpAddr {
        self.network
    }

    /// How many leading bits it fixes.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }
}

/// How to write the range of this length, or the address alone, of an IPv4 address within IPv6.
fn as_ipv4(network: IpAddr, length: Option<&str>) -> String {
    let address = network.to_canonical();
    let within = |length: &str| length.parse::<u8>().ok()?.checked_sub(MAPPED).filter(|length| *length <= 32);
    match length.map(within) {
        None => format!("write {address}"),
        Some(Some(length)) => format!("write {}", Cidr { network: masked(address, length), length }),
        Some(None) => format!("write {address}, a slash and a number from 0 to 32"),
    }
}

/// The bits ahead of an IPv4 address within IPv6 (RFC 4291 section 2.5.5.2).
const MAPPED: u8 = 96;

impl fmt::Display for Cidr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.network, self.length)
    }
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with every bit behind the first `length` cleared.
pub(crate) fn masked(address: IpAddr, length: u8) -> IpAddr {
    let behind = u32::from(bits(address).saturating_sub(length));
    match address {
        IpAddr::V4(v4) => {
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(behind).unwrap_or_default()))
        }
        IpAddr::V6(v6) => {
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(behind).unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_its_addresses_and_no_other() {
        for (range, inside, outside) in [
            ("10.4.0.0/16", "10.4.255.255", "10.5.0.0"),
            ("10.4.0.0/16", "::ffff:10.4.0.1", "::ffff:10.5.0.1"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("::/0", "ffff::", "10.0.0.1"),
            ("fd00::/8", "fdff::1", "fe00::"),
            ("10.0.0.1", "10.0.0.1", "10.0.0.2"),
            ("10.0.0.1/32", "10.0.0.1", "10.0.0.0"),
            ("::1/128", "::1", "::2"),
        ] {
            let range = Cidr::parse(range).unwrap();
            assert!(range.contains(inside.parse().unwrap()), "{range} {inside}");
            assert!(!range.contains(outside.parse().unwrap()), "{range} {outside}");
        }
    }

    #[test]
    fn each_mistake_names_its_remedy() {
        for (text, remedy) in [
            ("10.4.1.0/16", "10.4.0.0/16"),
            ("fd00::1/8", "fd00::/8"),
            ("10.4.0.0/33", "0 to 32"),
            ("10.4.0.0/016", "0 to 32"),
            ("10.4.0.0/+8", "0 to 32"),
            ("10.4.0.0/", "0 to 32"),
            ("10.4/16", "for example"),
            ("pay.example", "for example"),
            ("::ffff:10.0.0.0/104", "write 10.0.0.0/8"),
            ("::ffff:10.1.2.3/104", "write 10.0.0.0/8"),
            ("::ffff:0:0/96", "write 0.0.0.0/0"),
            ("::ffff:10.0.0.0/95", "write 10.0.0.0, a slash and a number from 0 to 32"),
            ("::ffff:10.0.0.1/129", "write 10.0.0.1, a slash and a number from 0 to 32"),
            ("::ffff:10.0.0.1", "write 10.0.0.1"),
        ] {
            let error = Cidr::parse(text).unwrap_err();
            assert!(error.remedy.contains(remedy), "{text}: {error:?}");
        }
    }

    #[test]
    fn a_range_is_its_two_halves() {
        for (whole, halves) in [
            ("0.0.0.0/0", Some(["0.0.0.0/1", "128.0.0.0/1"])),
            ("10.0.0.2/31", Some(["10.0.0.2/32", "10.0.0.3/32"])),
            ("fd00::/127", Some(["fd00::/128", "fd00::1/128"])),
            ("10.0.0.1/32", None),
        ] {
            let found = Cidr::parse(whole).unwrap().halves();
            assert_eq!(found, halves.map(|halves| halves.map(|half| Cidr::parse(half).unwrap())), "{whole}");
        }
    }

    #[test]
    fn a_shorter_prefix_covers_a_longer_one_of_its_own() {
        let range = |text: &str| Cidr::parse(text).unwrap();
        assert!(range("10.0.0.0/8").covers(&range("10.4.0.0/16")));
        assert!(!range("10.4.0.0/16").covers(&range("10.0.0.0/8")));
        assert!(!range("0.0.0.0/0").covers(&range("fd00::/8")));
    }
}
