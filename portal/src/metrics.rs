//! What the portal counts, in the text format that Prometheus reads (version 0.0.4).
//!
//! Names of people, devices and tenants are in no metric.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use saml::refusal::RefusalCode;
use saml::time::UtcTime;

/// Upper bounds of the classes of the time that an answer takes, in milliseconds.
const BOUNDS: [u64; 11] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000];

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// With an assertion.
    Granted,
    /// With a refusal.
    Refused(RefusalCode),
    /// With a fault: nothing could be read.
    Fault,
    /// Turned away at the door, or the database did not answer.
    Busy,
}

/// Counters since the start of the process.
pub struct Metrics {
    granted: AtomicU64,
    faults: AtomicU64,
    busy: AtomicU64,
    refused: [AtomicU64; RefusalCode::ALL.len()],
    classes: [AtomicU64; BOUNDS.len()],
    answers: AtomicU64,
    micros: AtomicU64,
    /// When the TLS certificate expires, in seconds since 1970; 0: not known.
    pub tls_not_after: AtomicI64,
}

/// What is read at the moment of asking.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauges {
    /// Requests that are being answered.
    pub in_flight: usize,
    /// Transactions that were committed.
    pub commits: u64,
    /// Pieces of work that were in them.
    pub committed: u64,
    /// Transactions that failed as a whole.
    pub failed_commits: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            granted: AtomicU64::default(),
            faults: AtomicU64::default(),
            busy: AtomicU64::default(),
            refused: std::array::from_fn(|_| AtomicU64::default()),
            classes: Default::default(),
            answers: AtomicU64::default(),
            micros: AtomicU64::default(),
            tls_not_after: AtomicI64::default(),
        }
    }
}

impl Metrics {
    /// Those of a process whose TLS certificate expires at `not_after`.
    #[must_use]
    pub fn of_tls(not_after: UtcTime) -> Self {
        Self { tls_not_after: AtomicI64::new(not_after.unix_seconds()), ..Self::default() }
    }

    /// Counts an answer that took `time`.
    pub fn count(&self, outcome: Outcome, time: Duration) {
        let counter = match outcome {
            Outcome::Granted => &self.granted,
            Outcome::Fault => &self.faults,
            Outcome::Busy => &self.busy,
            Outcome::Refused(code) => match RefusalCode::ALL.iter().position(|known| *known == code) {
                Some(place) => &self.refused[place],
                None => &self.faults,
            },
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        if let Some(class) = BOUNDS.iter().position(|bound| micros <= bound * 1000) {
            self.classes[class].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All of it as text.
    #[must_use]
    pub fn text(&self, gauges: &Gauges) -> String {
        let mut text = String::new();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut line = |line: std::fmt::Arguments<'_>| {
            // Writing to a string does not fail.
            let _ = text.write_fmt(line);
            text.push('\n');
        };
        line(format_args!("# HELP countersign_answers_total Answers to devices, by how they ended."));
        line(format_args!("# TYPE countersign_answers_total counter"));
        let ends = [("granted", &self.granted), ("fault", &self.faults), ("turned-away", &self.busy)];
        for (code, counter) in ends {
            line(format_args!("countersign_answers_total{{code=\"{code}\"}} {}", read(counter)));
        }
        for (code, counter) in RefusalCode::ALL.iter().zip(&self.refused) {
            line(format_args!("countersign_answers_total{{code=\"{code}\"}} {}", read(counter)));
        }
        line(format_args!("# HELP countersign_answer_seconds Time from a whole request to its answer."));
        line(format_args!("# TYPE countersign_answer_seconds histogram"));
        let mut below = 0;
        for (bound, class) in BOUNDS.iter().zip(&self.classes) {
            below += read(class);
            let seconds = Duration::from_millis(*bound).as_secs_f64();
            line(format_args!("countersign_answer_seconds_bucket{{le=\"{seconds}\"}} {below}"));
        }
        let answers = read(&self.answers);
        line(format_args!("countersign_answer_seconds_bucket{{le=\"+Inf\"}} {answers}"));
        let seconds = Duration::from_micros(read(&self.micros)).as_secs_f64();
        line(format_args!("countersign_answer_seconds_sum {seconds}"));
        line(format_args!("countersign_answer_seconds_count {answers}"));
        let Gauges { in_flight, commits, committed, failed_commits } = gauges;
        line(format_args!("# HELP countersign_in_flight Requests that are being answered."));
        line(format_args!("# TYPE countersign_in_flight gauge\ncountersign_in_flight {in_flight}"));
        line(format_args!("# HELP countersign_commits_total Transactions that were committed."));
        line(format_args!("# TYPE countersign_commits_total counter\ncountersign_commits_total {commits}"));
        line(format_args!("# HELP countersign_committed_work_total Pieces of work in them."));
        line(format_args!(
            "# TYPE countersign_committed_work_total counter\ncountersign_committed_work_total {committed}"
        ));
        let not_after = self.tls_not_after.load(Ordering::Relaxed);
        line(format_args!("# HELP countersign_tls_certificate_expiry_seconds When the TLS certificate expires."));
        line(format_args!("# TYPE countersign_tls_certificate_expiry_seconds gauge"));
        line(format_args!("countersign_tls_certificate_expiry_seconds {not_after}"));
        line(format_args!("# HELP countersign_failed_commits_total Transactions that failed as a whole."));
        line(format_args!(
            "# TYPE countersign_failed_commits_total counter\ncountersign_failed_commits_total {failed_commits}"
        ));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_comment_or_a_sample_and_classes_add_up() {
        let metrics = Metrics::default();
        metrics.count(Outcome::Granted, Duration::from_micros(900));
        metrics.count(Outcome::Refused(RefusalCode::DeviceLimit), Duration::from_millis(3));
        metrics.count(Outcome::Busy, Duration::from_secs(60));
        let text = metrics.text(&Gauges { in_flight: 7, ..Gauges::default() });
        for expected in [
            "countersign_answers_total{code=\"granted\"} 1",
            "countersign_answers_total{code=\"device-limit\"} 1",
            "countersign_answers_total{code=\"turned-away\"} 1",
            "countersign_answer_seconds_bucket{le=\"0.001\"} 1",
            "countersign_answer_seconds_bucket{le=\"0.005\"} 2",
            "countersign_answer_seconds_bucket{le=\"+Inf\"} 3",
            "countersign_in_flight 7",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected}\n{text}");
        }
        let sample = |line: &str| line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok());
        assert!(text.lines().all(|line| line.starts_with("# ") || sample(line)), "{text}");
    }
}
