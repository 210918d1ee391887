//! Admission: how much work the portal takes on, and when those that it turns away come back.
//!
//! A portal that takes on everything answers nobody in time. Beyond its limit it says `busy`, with a time to come back
//! that is another one for each: as many a second are asked back as it has answered lately, so that the crowd that made
//! it busy does not come back as a crowd.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Answers a second that are assumed at the least: a portal that has just started has answered nobody yet.
const SLOWEST: f64 = 50.0;
/// The longest time that anybody is sent away for.
const LONGEST: Duration = Duration::from_secs(900);
/// The shortest, so that nobody comes back into the moment that was too much.
const SHORTEST: Duration = Duration::from_secs(1);

/// Counts requests that are being answered.
pub struct Admission {
    limit: usize,
    in_flight: AtomicUsize,
    pace: Mutex<Pace>,
}

struct Pace {
    /// When the next one that is turned away is asked back.
    next: Instant,
    window: Instant,
    answered: u32,
    rate: f64,
}

/// One request that was let in; it counts until it is dropped.
pub struct Permit<'a> {
    admission: &'a Admission,
}

impl Admission {
    /// Lets `limit` requests in at the same time.
    #[must_use]
    pub fn new(limit: usize, now: Instant) -> Self {
        let pace = Pace { next: now, window: now, answered: 0, rate: SLOWEST };
        Self { limit, in_flight: AtomicUsize::new(0), pace: Mutex::new(pace) }
    }

    /// Lets one more in; none where there are too many: then [`Admission::come_back`] says when.
    #[must_use]
    pub fn enter(&self) -> Option<Permit<'_>> {
        let counted = self.in_flight.fetch_add(1, Ordering::AcqRel);
        // From here on dropping it takes it out of the count.
        let permit = Permit { admission: self };
        (counted < self.limit).then_some(permit)
    }

    /// How many are being answered.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Notes that somebody was answered.
    pub fn answered(&self, now: Instant) {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.answered += 1;
        let window = now.saturating_duration_since(pace.window).as_secs_f64();
        if window >= 1.0 {
            pace.rate = (pace.rate / 2.0 + f64::from(pace.answered) / window / 2.0).max(SLOWEST);
            (pace.window, pace.answered) = (now, 0);
        }
    }

    /// In how long a client that the portal can't serve now shall come back: the end of the line.
    pub fn come_back(&self, now: Instant) -> Duration {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let step = Duration::from_secs_f64(1.0 / pace.rate);
        pace.next = (pace.next.max(now + SHORTEST) + step).min(now + LONGEST);
        pace.next.saturating_duration_since(now)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.admission.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How often something may happen for each of many names: a burst, and so many a second after it.
///
/// Names are those that a signature has proven: behind one address there may be a whole company. Only for what nothing proves it is the address.
pub struct Buckets<K> {
    burst: f64,
    per_second: f64,
    levels: Mutex<HashMap<K, (f64, Instant)>>,
}

/// Names that are remembered before those that are at rest are forgotten.
const REMEMBERED: usize = 65_536;

impl<K: Eq + Hash> Buckets<K> {
    /// A burst of `burst`, then `per_second`.
    #[must_use]
    pub fn new(burst: u32, per_second: u32) -> Self {
        Self { burst: f64::from(burst), per_second: f64::from(per_second.max(1)), levels: Mutex::new(HashMap::new()) }
    }

    /// Takes one for `name`, or says in how long there is one.
    ///
    /// # Errors
    /// The time until then.
    pub fn take(&self, name: K, now: Instant) -> Result<(), Duration> {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |(level, at): (f64, Instant)| {
            let more = now.saturating_duration_since(at).as_secs_f64() * self.per_second;
            (level + more).min(self.burst)
        };
        if levels.len() >= REMEMBERED {
            levels.retain(|_, level| filled(*level) < self.burst);
        }
        let level = levels.get(&name).map_or(self.burst, |level| filled(*level));
        if level < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - level) / self.per_second));
        }
        levels.insert(name, (level - 1.0, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_let_in_than_the_limit_and_each_that_leaves_makes_room() {
        let now = Instant::now();
        let admission = Admission::new(2, now);
        let (one, two) = (admission.enter(), admission.enter());
        assert!(one.is_some() && two.is_some() && admission.enter().is_none());
        drop(one);
        assert_eq!(admission.in_flight(), 1, "who was turned away does not count");
        assert!(admission.enter().is_some());
    }

    #[test]
    fn a_crowd_that_is_turned_away_comes_back_in_a_line() {
        let now = Instant::now();
        let admission = Admission::new(0, now);
        let waits: Vec<_> = (0..1000).map(|_| admission.come_back(now)).collect();
        assert!(waits.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(waits[0] > SHORTEST && waits[999] < Duration::from_secs(22), "50 a second: {:?}", waits[999]);
    }

    #[test]
    fn the_faster_the_portal_answers_the_sooner_it_asks_back() {
        let now = Instant::now();
        let admission = Admission::new(0, now);
        for second in 1..=6 {
            (0..1000).for_each(|_| admission.answered(now));
            admission.answered(now + Duration::from_secs(second));
        }
        let last = (0..1000).map(|_| admission.come_back(now)).last();
        assert!(last.is_some_and(|wait| wait < Duration::from_secs(7)), "{last:?}");
    }

    #[test]
    fn nobody_is_sent_away_for_longer_than_a_quarter_of_an_hour() {
        let now = Instant::now();
        let admission = Admission::new(0, now);
        assert!((0..200_000).map(|_| admission.come_back(now)).all(|wait| wait <= LONGEST));
    }

    #[test]
    fn each_name_has_its_own_burst_and_its_own_rate() {
        let now = Instant::now();
        let buckets = Buckets::new(2, 1);
        assert!(buckets.take("a", now).is_ok() && buckets.take("a", now).is_ok());
        assert!(buckets.take("a", now).is_err_and(|wait| wait <= Duration::from_secs(1)));
        assert!(buckets.take("b", now).is_ok());
        assert!(buckets.take("a", now + Duration::from_secs(1)).is_ok());
    }
}
