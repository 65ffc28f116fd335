//! Ports and ranges of them.

use super::PatternError;
use core::fmt;

/// Ports from the first to the last, both included; port 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// The ports that share their leading bits: a block of 2^k ports at a multiple of 2^k. A range is at
/// most 30 of them, so looking a port up takes one step per length instead of one per range.
///
/// The value is the leading bits with a one before them, so that `1` is every port and
/// `0x1_0000 | port` is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PortPrefix(pub(crate) u32);

impl PortPrefix {
    /// Every port, and no port known.
    pub(crate) const ANY: Self = Self(1);
    /// Bits of a port.
    pub(crate) const FULL: u32 = 16;

    /// The block of this length that the port lies in.
    pub(crate) fn of(port: u16, length: u32) -> Self {
        let behind = Self::FULL.saturating_sub(length);
        Self((0x1_0000 | u32::from(port)) >> behind)
    }

    /// How many leading bits it fixes.
    pub(crate) const fn length(self) -> u32 {
        u32::BITS.saturating_sub(1).saturating_sub(self.0.leading_zeros())
    }
}

impl PortRange {
    /// One port.
    pub(crate) const fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// Reads `first-last`.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let bound = |text: &str| text.parse().ok().filter(|port| *port > 0);
        let ends = text.split_once('-').and_then(|(first, last)| Some((bound(first)?, bound(last)?)));
        let (first, last) = ends.ok_or_else(|| {
            PatternError::new(
                "not a range of ports",
                "write numbers from 1 to 65535, for example \"8000-8099\"",
            )
        })?;
        if first > last {
            let remedy = format!("write \"{last}-{first}\"");
            return Err(PatternError::new("a range that ends before it begins", remedy));
        }
        Ok(Self { first, last })
    }

    /// The first port of it.
    #[must_use]
    pub const fn first(&self) -> u16 {
        self.first
    }

    /// The last port of it.
    #[must_use]
    pub const fn last(&self) -> u16 {
        self.last
    }

    /// Whether the port is one of them.
    #[must_use]
    pub const fn contains(&self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// The blocks that make up the range, none twice.
    pub(crate) fn prefixes(self) -> Vec<PortPrefix> {
        let mut blocks = Vec::new();
        let (mut next, last) = (u32::from(self.first), u32::from(self.last));
        while next <= last {
            // The largest block that begins here and does not reach beyond the last port.
            let mut size_bits = next.trailing_zeros().min(PortPrefix::FULL);
            while next.saturating_add(1 << size_bits).saturating_sub(1) > last {
                size_bits = size_bits.saturating_sub(1);
            }
            blocks.push(PortPrefix((0x1_0000 | next) >> size_bits));
            next = next.saturating_add(1 << size_bits);
        }
        blocks
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(out, "{}", self.first)
        } else {
            write!(out, "{}-{}", self.first, self.last)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blocks_of_a_range_hold_exactly_its_ports() {
        for (first, last) in [
            (1, 65_535),
            (1, 1),
            (65_535, 65_535),
            (15_000, 15_020),
            (1, 65_534),
            (32_767, 32_768),
            (80, 8_080),
        ] {
            let blocks = PortRange { first, last }.prefixes();
            assert!(blocks.len() <= 30, "{first}-{last}: {}", blocks.len());
            for port in 0..=u16::MAX {
                let hits =
                    blocks.iter().filter(|block| PortPrefix::of(port, block.length()) == **block).count();
                assert_eq!(hits, usize::from((first..=last).contains(&port)), "{port} in {first}-{last}");
            }
        }
    }

    #[test]
    fn a_range_backwards_or_from_zero_is_refused() {
        for text in ["90-80", "0-80", "80-70000", "80", "-80", "80-", "a-b"] {
            assert!(PortRange::parse(text).is_err(), "{text}");
        }
        assert_eq!(PortRange::parse("80-80"), Ok(PortRange::one(80)));
    }
}
