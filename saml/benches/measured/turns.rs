//! Measuring in short turns: every case runs for a few milliseconds of its thread's CPU time, then the next, round after round. What another
//! program does to the machine meets neighbours alike, so that ratios hold where rates don't.

use std::time::Duration;

/// How long a case runs before it is the next one's turn.
const TURN: Duration = Duration::from_millis(3);

/// CPU time of this thread, to the nanosecond; elsewhere than on Unix the time that has passed.
#[cfg(unix)]
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(not(unix))]
fn cpu_time() -> Duration {
    static ORIGIN: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    ORIGIN.elapsed()
}

pub(super) struct Case<'a> {
    pub(super) name: &'static str,
    pub(super) run: Box<dyn Fn() + 'a>,
    /// Operations in one turn.
    count: u32,
    /// Operations per CPU-second, one for each round.
    rates: Vec<f64>,
}

impl<'a> Case<'a> {
    pub(super) fn new(name: &'static str, run: impl Fn() + 'a) -> Self {
        Self { name, run: Box::new(run), count: 1, rates: Vec::new() }
    }

    /// The time for its operations, after one that brings its code and data back into the caches, where the case before it has left its own.
    fn turn(&self) -> Duration {
        (self.run)();
        let begun = cpu_time();
        for _ in 0..self.count {
            (self.run)();
        }
        cpu_time() - begun
    }

    /// Finds how many operations fill a turn.
    fn calibrate(&mut self) {
        while self.turn() < TURN {
            self.count *= 2;
        }
    }

    fn rate(&self) -> f64 {
        f64::from(self.count) / self.turn().as_secs_f64()
    }

    pub(super) fn median(&self) -> f64 {
        median(self.rates.clone())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs all cases, one turn each, `rounds` times over.
pub(super) fn take_turns(cases: &mut [Case<'_>], rounds: usize) {
    cases.iter_mut().for_each(Case::calibrate);
    for _ in 0..rounds {
        for case in &mut *cases {
            let rate = case.rate();
            case.rates.push(rate);
        }
    }
}

/// One rate by another.
pub(super) fn ratio(cases: &[Case<'_>], ours: &str, raw: &str) -> Ratio {
    let rates = |name: &str| cases.iter().find(|case| case.name == name).map_or(&[][..], |case| &case.rates);
    let (ours, raw) = (rates(ours), rates(raw));
    let ratios = ours.iter().zip(raw).map(|(ours, raw)| ours / raw).collect();
    Ratio { median: median(ratios), undisturbed: upper_tenth(ours) / upper_tenth(raw) }
}

/// The rate that a tenth of the rounds reached.
fn upper_tenth(rates: &[f64]) -> f64 {
    let mut rates = rates.to_vec();
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() * 9 / 10).copied().unwrap_or(f64::NAN)
}

/// How one rate stands to another.
pub(super) struct Ratio {
    /// Of the ratios of all rounds: both rates of a round were measured within a few hundredths of a second.
    pub(super) median: f64,
    /// Of the rates that the fastest tenth of the turns reached, when nothing else had the caches and the other thread of the core.
    pub(super) undisturbed: f64,
}

impl Ratio {
    pub(super) fn times(self, factor: f64) -> Self {
        Self { median: self.median * factor, undisturbed: self.undisturbed * factor }
    }
}
