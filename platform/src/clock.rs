//! The wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time as milliseconds since 1970-01-01T00:00:00Z, as this machine believes it.
///
/// The clock may be wrong by days, and may step; a negative number is a clock set before 1970. Durations belong to [`std::time::Instant`].
pub fn unix_millis() -> i64 {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    }
}

/// How long ago this machine was started; `None` where the system is not asked (macOS).
#[cfg_attr(windows, expect(unsafe_code, reason = "the operating system's interface"))]
pub fn since_boot() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        u64::try_from(rustix::system::sysinfo().uptime).ok().map(Duration::from_secs)
    }
    #[cfg(windows)]
    {
        // SAFETY: it takes nothing and always succeeds.
        Some(Duration::from_millis(unsafe { windows_sys::Win32::System::SystemInformation::GetTickCount64() }))
    }
    #[cfg(not(any(target_os = "linux", windows)))]
    {
        None
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn a_machine_that_runs_was_started_before() {
        assert!(super::since_boot().unwrap() > std::time::Duration::ZERO);
    }

    #[test]
    fn the_clock_is_after_this_code_was_written() {
        assert!(super::unix_millis() > 1_760_000_000_000);
    }
}
