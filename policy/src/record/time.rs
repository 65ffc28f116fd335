//! Time as RFC 3339 writes it, in UTC with nine decimals: `2026-11-23T14:45:57.000000000Z`. Sorted
//! as text it is sorted by time.

use procgate_identity::UnixNanos;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const SECONDS_PER_DAY: u64 = 86_400;
/// The places of the digits, and what stands between them.
const FORM: &[u8; 30] = b"0000-00-00T00:00:00.000000000Z";

/// Writes the time. `u64` nanoseconds end in the year 2554, so a year has four digits.
#[inline]
pub(super) fn write(out: &mut String, time: UnixNanos) {
    let seconds = time.0 / NANOS_PER_SECOND;
    let (year, month, day) = civil(seconds / SECONDS_PER_DAY);
    let of_day = seconds % SECONDS_PER_DAY;
    let fields = [
        (year, 0..4),
        (month, 5..7),
        (day, 8..10),
        (of_day / 3_600, 11..13),
        (of_day / 60 % 60, 14..16),
        (of_day % 60, 17..19),
        (time.0 % NANOS_PER_SECOND, 20..29),
    ];
    let mut text = *FORM;
    for (value, places) in fields {
        // Each fits, and dividing 32 bits takes a third of the time of 64.
        let mut value = u32::try_from(value).unwrap_or_default();
        for place in text.get_mut(places).into_iter().flatten().rev() {
            *place = u8::try_from(value % 10).unwrap_or_default().wrapping_add(b'0');
            value /= 10;
        }
    }
    out.push_str(core::str::from_utf8(&text).unwrap_or_default());
}

/// Reads exactly what [`write()`] writes.
pub(super) fn read(text: &str) -> Option<UnixNanos> {
    let fits = text.len() == FORM.len()
        && text.bytes().zip(FORM).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == *form,
        });
    if !fits {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let days = days(year, month, day)?;
    if civil(days) != (year, month, day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let of_day = hour.checked_mul(3_600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
    let seconds = days.checked_mul(SECONDS_PER_DAY)?.checked_add(of_day)?;
    seconds.checked_mul(NANOS_PER_SECOND)?.checked_add(number(20, 29)?).map(UnixNanos)
}

/// The day since 1970-01-01 that a text names as `2026-11` or `2026-11-23`.
pub(crate) fn day_of(text: &str) -> Option<u64> {
    let mut parts = text.split('-');
    let mut number = |digits: usize| {
        let part = parts.next()?;
        (part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit())).then_some(part)?.parse().ok()
    };
    let (year, month) = (number(4)?, number(2)?);
    let day = if text.len() > 7 { number(2)? } else { 1 };
    let found = days(year, month, day).filter(|found| civil(*found) == (year, month, day));
    found.filter(|_| parts.next().is_none())
}

/// Year, month and day of a day since 1970-01-01; Howard Hinnant's `civil_from_days`, in which a
/// year begins in March so that the leap day ends it.
#[inline]
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days.saturating_add(719_468);
    let era = days / 146_097;
    let of_era = days % 146_097;
    let leaps = (of_era / 1_460).saturating_add(of_era / 146_096).saturating_sub(of_era / 36_524);
    let year_of_era = of_era.saturating_sub(leaps) / 365;
    let before =
        year_of_era.saturating_mul(365).saturating_add(year_of_era / 4).saturating_sub(year_of_era / 100);
    let of_year = of_era.saturating_sub(before);
    let march_month = of_year.saturating_mul(5).saturating_add(2) / 153;
    let day = of_year.saturating_sub(march_month.saturating_mul(153).saturating_add(2) / 5).saturating_add(1);
    let month = if march_month < 10 { march_month.saturating_add(3) } else { march_month.saturating_sub(9) };
    let year = year_of_era.saturating_add(era.saturating_mul(400)).saturating_add(u64::from(month <= 2));
    (year, month, day)
}

/// The inverse: Hinnant's `days_from_civil`.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1_970..=9_999).contains(&year) || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let march_year = year.checked_sub(u64::from(month <= 2))?;
    let march_month = if month > 2 { month.checked_sub(3)? } else { month.checked_add(9)? };
    let (era, year_of_era) = (march_year / 400, march_year % 400);
    let of_year = march_month.checked_mul(153)?.checked_add(2)? / 5;
    let of_year = of_year.checked_add(day)?.checked_sub(1)?;
    let of_era = year_of_era
        .checked_mul(365)?
        .checked_add(year_of_era / 4)?
        .checked_sub(year_of_era / 100)?
        .checked_add(of_year)?;
    era.checked_mul(146_097)?.checked_add(of_era)?.checked_sub(719_468)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may")]
mod tests {
    use super::*;

    fn written(seconds: u64) -> String {
        let mut text = String::new();
        write(&mut text, UnixNanos(seconds * NANOS_PER_SECOND));
        text
    }

    #[test]
    fn known_times_are_written_as_date_writes_them() {
        // As `date -u -d @N +%FT%T` prints them.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_400, "2000-02-29T00:00:00"),
            (1_709_251_199, "2024-02-29T23:59:59"),
            (1_795_445_157, "2026-11-23T14:45:57"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            (18_446_744_073, "2554-07-21T23:34:33"),
        ] {
            assert_eq!(written(seconds), format!("{text}.000000000Z"));
        }
    }

    #[test]
    fn every_day_is_read_back() {
        for day in 0..213_000 {
            let time = UnixNanos((day * SECONDS_PER_DAY + day % SECONDS_PER_DAY) * NANOS_PER_SECOND + day);
            let mut text = String::new();
            write(&mut text, time);
            assert_eq!(read(&text), Some(time), "{text}");
        }
    }

    #[test]
    fn a_day_is_found_in_a_name_that_is_one() {
        assert_eq!(day_of("1970-01-02"), Some(1));
        assert_eq!(day_of("1971-01"), Some(365));
        for text in
            ["", "2026", "2026-13", "2026-02-30", "2026-1-1", "2026-11-23-1", "x2026-11", "2026-11-", "key-1"]
        {
            assert_eq!(day_of(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for text in [
            "",
            "2026-11-23T14:45:57Z",
            "2026-02-29T00:00:00.000000000Z",
            "2026-13-01T00:00:00.000000000Z",
            "2026-00-01T00:00:00.000000000Z",
            "2026-01-00T00:00:00.000000000Z",
            "2026-01-01T24:00:00.000000000Z",
            "2026-01-01T00:60:00.000000000Z",
            "1969-12-31T23:59:59.000000000Z",
            "9999-12-31T23:59:59.000000000Z",
            "2026-01-01 00:00:00.000000000Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
