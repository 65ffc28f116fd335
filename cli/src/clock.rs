//! Points in time as people write them, and the one look at the clock.

use core::time::Duration;
use procgate_identity::{UnixNanos, UnixSeconds};
use std::time::SystemTime;

/// The present.
pub(crate) fn now() -> UnixNanos {
    nanos(SystemTime::now()).unwrap_or(UnixNanos(0))
}

/// Reads `2026-11-23T14:00:00Z` or seconds since 1970.
///
/// # Errors
/// What to write instead.
pub(crate) fn parse(text: &str) -> Result<UnixNanos, String> {
    let seconds = text.parse().ok().filter(|seconds| UnixSeconds(*seconds).nanos().0 < u64::MAX);
    seconds
        .map(|seconds| UnixSeconds(seconds).nanos())
        .or_else(|| humantime::parse_rfc3339(text).ok().and_then(nanos))
        .ok_or_else(|| "write a time as 2026-11-23T14:00:00Z or as seconds since 1970".into())
}

/// The time as `2026-11-23T14:00:00Z`; as a number where it lies beyond the year 9999.
pub(crate) fn format(time: UnixSeconds) -> String {
    /// 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
    const LAST: u64 = 253_402_300_799;
    let written = Some(time.0).filter(|seconds| *seconds <= LAST).and_then(|seconds| {
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
        Some(humantime::format_rfc3339_seconds(time).to_string())
    });
    written.unwrap_or_else(|| time.0.to_string())
}

fn nanos(time: SystemTime) -> Option<UnixNanos> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok().map(UnixNanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_a_time_mean_the_same() {
        let time = parse("2026-11-23T14:00:00Z").unwrap();
        assert_eq!(time.seconds(), UnixSeconds(1_795_442_400));
        assert_eq!(parse("1795442400"), Ok(time));
        assert_eq!(format(time.seconds()), "2026-11-23T14:00:00Z");
    }

    #[test]
    fn a_time_that_cannot_be_held_is_refused_and_not_wrapped() {
        for text in
            ["", "tomorrow", "-1", "18446744073709551615", "1969-01-01T00:00:00Z", "9999-01-01T00:00:00Z"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(format(UnixSeconds(u64::MAX)), u64::MAX.to_string());
    }
}
