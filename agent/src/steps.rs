//! The steps of a sign-in, told as they happen: `countersign run --steps` prints them for people who want to watch.

use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;

/// One finished step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Its stable name.
    pub step: &'static str,
    /// What came of it. May name the person: it goes to the caller that asked for the steps, never to the log.
    pub detail: String,
    /// How long it took, in milliseconds.
    pub ms: f64,
}

type Listener = Box<dyn Fn(&Step) + Send + Sync>;

/// Where steps are told, with the time since the one before.
pub struct Steps {
    listener: Option<Listener>,
    last: Mutex<Instant>,
}

impl Steps {
    /// Steps that nobody listens to.
    #[must_use]
    pub fn silent() -> Self {
        Self { listener: None, last: Mutex::new(Instant::now()) }
    }

    /// Steps that `listener` hears, each as soon as it is done.
    #[must_use]
    pub fn told_to(listener: impl Fn(&Step) + Send + Sync + 'static) -> Self {
        Self { listener: Some(Box::new(listener)), last: Mutex::new(Instant::now()) }
    }

    /// Begins to measure the next step now.
    pub fn begin(&self) {
        *self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Instant::now();
    }

    /// Tells that `step` is done, and begins to measure the next one.
    pub fn done(&self, step: &'static str, detail: impl FnOnce() -> String) {
        let Some(listener) = &self.listener else { return };
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        let ms = now.duration_since(*last).as_secs_f64() * 1000.0;
        *last = now;
        listener(&Step { step, detail: detail(), ms: (ms * 1000.0).round() / 1000.0 });
    }
}
