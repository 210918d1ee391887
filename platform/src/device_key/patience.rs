//! A limit on how long a call may take, where the system has no way to end one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// More calls than this that have not come back, and no other is made: a provider that hangs takes a thread each time.
const MOST: usize = 4;

/// How long to wait, and how many calls have not come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    limit: Duration,
    outstanding: &'static AtomicUsize,
}

impl Patience {
    pub(super) const fn new(limit: Duration, outstanding: &'static AtomicUsize) -> Self {
        Self { limit, outstanding }
    }

    /// Does `work` on a thread of its own; `None` where it has not ended within the limit. It goes on then, and what it gives is dropped.
    pub(super) fn wait_for<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let place = Place::take(self.outstanding)?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let work = move || {
            let result = work();
            drop(place);
            // Nobody may be waiting any more.
            let _ = sender.send(result);
        };
        thread::Builder::new().name("key-store".to_owned()).spawn(work).ok()?;
        receiver.recv_timeout(self.limit).ok()
    }
}

/// One call that has not come back.
struct Place(&'static AtomicUsize);

impl Place {
    fn take(outstanding: &'static AtomicUsize) -> Option<Self> {
        let taken = outstanding.fetch_add(1, Ordering::Relaxed);
        let place = Self(outstanding);
        (taken < MOST).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_hangs_is_not_waited_for_and_only_some_may_hang() {
        static OUTSTANDING: AtomicUsize = AtomicUsize::new(0);
        let short = Patience::new(Duration::from_millis(20), &OUTSTANDING);
        let long = Patience::new(Duration::from_secs(60), &OUTSTANDING);
        assert_eq!(long.wait_for(|| 7), Some(7));
        let mut ends = Vec::new();
        for _ in 0..MOST {
            let (end, wait) = mpsc::channel::<()>();
            ends.push(end);
            assert!(short.wait_for(move || wait.recv()).is_none());
        }
        assert_eq!(long.wait_for(|| 7), None, "another thread would hang");
        drop(ends);
        while OUTSTANDING.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
        assert_eq!(long.wait_for(|| 7), Some(7));
    }
}
