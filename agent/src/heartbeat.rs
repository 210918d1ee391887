//! When the device tells the portal next that it is alive: pure, like the state machine of a session. Its back-off is its own.

use saml::time::UtcTime;

use crate::machine::{Moment, pause_seconds, spread};

/// The plan for the next keep-alive.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Heartbeat {
    next_at: Option<UtcTime>,
    attempt: u32,
}

impl Heartbeat {
    /// The first one, at some time within `seconds`: a fleet that starts together does not come together.
    pub fn begin(&mut self, seconds: i64, at: Moment) {
        *self = Self { next_at: Some(at.now.plus_seconds(spread(seconds, at.jitter))), attempt: 0 };
    }

    /// The portal has just heard the device, and wants to hear it again after `interval_seconds`. Up to a tenth of it is added,
    /// so that a fleet that woke up together does not stay together.
    pub fn heard(&mut self, interval_seconds: i64, at: Moment) {
        let next_at = at.now.plus_seconds(interval_seconds + spread(interval_seconds / 10, at.jitter));
        *self = Self { next_at: Some(next_at), attempt: 0 };
    }

    /// It could not be told.
    pub fn failed(&mut self, retry_after: Option<u32>, at: Moment) {
        self.next_at = Some(at.now.plus_seconds(pause_seconds(self.attempt, retry_after, at.jitter)));
        self.attempt = self.attempt.saturating_add(1);
    }

    /// The portal refused for a reason that somebody has to correct: it is asked again now and then.
    pub fn refused(&mut self, at: Moment) {
        let longest = crate::machine::LONGEST_PAUSE_SECONDS;
        *self = Self { next_at: Some(at.now.plus_seconds(longest + spread(longest, at.jitter))), attempt: 0 };
    }

    /// Whether one is due; then it counts as on its way until it is heard, failed or refused.
    pub fn take_due(&mut self, now: UtcTime) -> bool {
        let due = self.next_at.is_some_and(|next_at| next_at <= now);
        if due {
            self.next_at = None;
        }
        due
    }

    /// When the next one is due; none while one is on its way or none is planned.
    #[must_use]
    pub fn wake_at(self) -> Option<UtcTime> {
        self.next_at
    }

    /// None is to be sent any more.
    pub fn stop(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, jitter: u32) -> Moment {
        Moment { now: UtcTime::from_unix_seconds(seconds), jitter }
    }

    #[test]
    fn one_is_sent_once_and_the_next_after_the_interval() {
        let mut heartbeat = Heartbeat::default();
        assert!(!heartbeat.take_due(UtcTime::from_unix_seconds(1_000_000)), "none is planned before the enrolment");
        heartbeat.heard(300, at(0, 0));
        assert!(!heartbeat.take_due(UtcTime::from_unix_seconds(299)));
        assert!(heartbeat.take_due(UtcTime::from_unix_seconds(300)));
        assert!(!heartbeat.take_due(UtcTime::from_unix_seconds(301)), "one is on its way");
    }

    #[test]
    fn a_fleet_does_not_stay_together_and_failures_wait_longer() {
        let mut heartbeat = Heartbeat::default();
        heartbeat.heard(300, at(0, u32::MAX));
        assert_eq!(heartbeat.wake_at(), Some(UtcTime::from_unix_seconds(330)));
        for _ in 0..40 {
            heartbeat.failed(None, at(0, u32::MAX));
        }
        assert_eq!(heartbeat.wake_at(), Some(UtcTime::from_unix_seconds(900)));
        heartbeat.failed(Some(120), at(0, 0));
        assert_eq!(heartbeat.wake_at(), Some(UtcTime::from_unix_seconds(121)));
        heartbeat.refused(at(0, 0));
        assert_eq!(heartbeat.wake_at(), Some(UtcTime::from_unix_seconds(900)));
    }
}
