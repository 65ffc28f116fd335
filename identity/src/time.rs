//! Points in time and spans between them, as the token writes them. All time is an argument.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// A token's life unless the shim is told otherwise. It is checked once, when its connection starts,
/// and so only has to outlive an application's connect timeout (Linux gives up after 127 s).
pub const TOKEN_LIFE_SECONDS: u64 = 150;
/// The longest life a verifier accepts: a stolen key must not sign for years ahead.
pub const MAX_LIFE_SECONDS: u64 = 3_600;
/// How far the clocks of source and receiver may be apart. Inside a pod it is one clock; between
/// nodes that keep time by NTP the difference is some milliseconds.
pub const CLOCK_SKEW_SECONDS: u64 = 10;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Seconds since 1970-01-01T00:00:00Z (RFC 7519's NumericDate, whole seconds only).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub u64);

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixNanos(pub u64);

impl UnixNanos {
    /// The whole seconds of it.
    #[must_use]
    pub const fn seconds(self) -> UnixSeconds {
        UnixSeconds(self.0.saturating_div(NANOS_PER_SECOND))
    }

    /// The time when this much has passed.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl UnixSeconds {
    /// The first nanosecond of it.
    #[must_use]
    pub const fn nanos(self) -> UnixNanos {
        UnixNanos(self.0.saturating_mul(NANOS_PER_SECOND))
    }
}

/// When a token was made and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lifetime {
    /// `iat`.
    pub issued_at: UnixSeconds,
    /// `exp`.
    pub expires_at: UnixSeconds,
}

impl Lifetime {
    /// A life of `seconds` from `now` on.
    #[must_use]
    pub const fn starting(now: UnixNanos, seconds: u64) -> Self {
        let issued_at = now.seconds();
        Self { issued_at, expires_at: UnixSeconds(issued_at.0.saturating_add(seconds)) }
    }
}

/// `jti`: the mint time in nanoseconds, strictly increasing per shim, written as 16 hex digits.
/// Replay protection compares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(pub u64);

impl fmt::Display for Serial {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

impl FromStr for Serial {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let canonical =
            text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !canonical {
            return Err(());
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_sixteen_lower_case_hex_digits_and_nothing_else() {
        let serial = Serial(0x18a_0000_0000_00ff);
        assert_eq!(serial.to_string(), "018a0000000000ff");
        assert_eq!(serial.to_string().parse(), Ok(serial));
        for text in ["", "18a00000000000ff", "018A0000000000FF", "+18a0000000000ff", "0018a0000000000ff"] {
            let refused = text.len() != 16 || text.contains(['A', '+']);
            assert_eq!(text.parse::<Serial>().is_err(), refused, "{text}");
        }
    }

    #[test]
    fn a_life_near_the_end_of_time_does_not_wrap() {
        let life = Lifetime::starting(UnixNanos(u64::MAX), u64::MAX);
        assert!(life.expires_at > life.issued_at);
    }
}
