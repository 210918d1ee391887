//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time as milliseconds since 1970-01-01T00:00:00Z, as this machine believes it.
///
/// The clock may be wrong by days, and may step; a negative number is a clock set before 1970. Durations belong to [`std::time::Instant`].
pub fn unix_millis() -> i64 {
    let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_clock_is_after_this_code_was_written() {
        assert!(super::unix_millis() > 1_760_000_000_000);
    }
}
