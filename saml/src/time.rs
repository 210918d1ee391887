//! Instants as SAML writes them: `xs:dateTime` in UTC (Core 1.3.3).

use std::fmt;
use std::str::FromStr;

/// An instant in UTC, to the millisecond, as a count since 1970.
///
/// Core 1.3.3 says that implementations should not rely on a finer resolution than milliseconds; digits beyond the third are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcTime {
    millis: i64,
}

/// The text is not an `xs:dateTime` in UTC between the years 1 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an instant of the form 2026-11-21T22:32:50Z")]
pub struct NotAnInstant;

const MILLIS_PER_DAY: i64 = 86_400_000;

impl UtcTime {
    /// The instant `seconds` after 1970 began; out-of-range values saturate.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self { millis: seconds.saturating_mul(1000) }
    }

    /// The instant `millis` milliseconds after 1970 began.
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self { millis }
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.millis.div_euclid(1000)
    }

    /// Milliseconds since 1970.
    pub const fn unix_millis(self) -> i64 {
        self.millis
    }

    /// This instant moved by `seconds`, which may be negative; saturates.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self { millis: self.millis.saturating_add(seconds.saturating_mul(1000)) }
    }

    /// Whole seconds from `earlier` to this instant, rounded down; negative when `earlier` is later.
    pub const fn seconds_since(self, earlier: Self) -> i64 {
        self.millis.saturating_sub(earlier.millis).div_euclid(1000)
    }
}

impl FromStr for UtcTime {
    type Err = NotAnInstant;

    /// Reads `YYYY-MM-DDThh:mm:ss[.f…]Z`; another zone, a missing zone, a leap second and hour 24 are refused.
    fn from_str(text: &str) -> Result<Self, NotAnInstant> {
        let bytes = text.as_bytes();
        let (head, rest) = bytes.split_at_checked(19).ok_or(NotAnInstant)?;
        for (place, mark) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
            if head[place] != mark {
                return Err(NotAnInstant);
            }
        }
        let (year, month, day) = (number(&head[..4])?, number(&head[5..7])?, number(&head[8..10])?);
        let (hour, minute, second) = (number(&head[11..13])?, number(&head[14..16])?, number(&head[17..19])?);
        let in_range = year >= 1 && (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
        if !in_range || hour > 23 || minute > 59 || second > 59 {
            return Err(NotAnInstant);
        }
        let seconds = hour * 3600 + minute * 60 + second;
        Ok(Self { millis: days_from_civil(year, month, day) * MILLIS_PER_DAY + seconds * 1000 + fraction(rest)? })
    }
}

/// Milliseconds of `Z` or `.digitsZ`.
fn fraction(rest: &[u8]) -> Result<i64, NotAnInstant> {
    match rest {
        [b'Z'] => Ok(0),
        [b'.', digits @ .., b'Z'] if (1..=20).contains(&digits.len()) => {
            number(digits.get(..digits.len().min(18)).unwrap_or_default())?;
            number(digits.get(18..).filter(|tail| !tail.is_empty()).unwrap_or(b"0"))?;
            let mut millis = 0;
            for place in 0..3 {
                millis = millis * 10 + digits.get(place).map_or(0, |digit| i64::from(digit - b'0'));
            }
            Ok(millis)
        }
        _ => Err(NotAnInstant),
    }
}

fn number(digits: &[u8]) -> Result<i64, NotAnInstant> {
    digits.iter().try_fold(0_i64, |sum, digit| match digit {
        b'0'..=b'9' => Ok(sum * 10 + i64::from(digit - b'0')),
        _ => Err(NotAnInstant),
    })
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar; years begin in March so that the leap day comes last.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

impl fmt::Display for UtcTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.millis.div_euclid(MILLIS_PER_DAY));
        let of_day = self.millis.rem_euclid(MILLIS_PER_DAY);
        let (seconds, millis) = (of_day / 1000, of_day % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if millis != 0 {
            write!(out, ".{millis:03}")?;
        }
        out.write_str("Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_the_same_text() {
        for text in [
            "2026-11-21T22:32:50Z",
            "1970-01-01T00:00:00Z",
            "2000-02-29T23:59:59.123Z",
            "1969-12-31T23:59:59.999Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ] {
            assert_eq!(text.parse::<UtcTime>().unwrap().to_string(), text);
        }
        assert_eq!("2026-11-21T22:32:50Z".parse::<UtcTime>().unwrap().unix_seconds(), 1_795_300_370);
    }

    #[test]
    fn every_day_of_a_long_span_survives_the_round_trip() {
        for day in -200_000..200_000 {
            let (year, month, date) = civil_from_days(day);
            assert_eq!(days_from_civil(year, month, date), day);
        }
    }

    #[test]
    fn keeps_milliseconds_and_drops_what_is_finer() {
        assert_eq!("1970-01-01T00:00:00.5Z".parse::<UtcTime>().unwrap().unix_millis(), 500);
        assert_eq!("1970-01-01T00:00:00.1239999Z".parse::<UtcTime>().unwrap().unix_millis(), 123);
    }

    #[test]
    fn refuses_what_is_not_a_utc_instant() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T22:32:50",
            "2026-11-21T22:32:50+00:00",
            "2026-11-21t22:32:50Z",
            "2026-13-21T22:32:50Z",
            "2026-02-29T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T22:32:60Z",
            "2026-11-21T22:32:50.Z",
            "2026-11-21T22:32:50.1xZ",
            "2026-11-21T22:32:50.1111111111111111111xZ",
            " 2026-11-21T22:32:50Z",
            "0000-01-01T00:00:00Z",
            "+026-11-21T22:32:50Z",
            "2026-11-21T22:32:5٠Z",
        ] {
            assert!(text.parse::<UtcTime>().is_err(), "{text}");
        }
    }

    #[test]
    fn differences_round_down() {
        let base = UtcTime::from_unix_millis(1_500);
        assert_eq!(base.seconds_since(UtcTime::from_unix_seconds(0)), 1);
        assert_eq!(UtcTime::from_unix_seconds(0).seconds_since(base), -2);
        assert_eq!(UtcTime::from_unix_seconds(i64::MAX).plus_seconds(1).unix_millis(), i64::MAX);
    }
}
