//! The agent's own log: fields, not prose, in a private file that never grows beyond its cap; and what the service manager keeps.
//!
//! Levels: `error`, the agent can't do its work and somebody must act; `warn`, it works around something; `info`, what changed;
//! `debug`, each step, and the only level at which people are named; `trace`, for developers of the agent.

use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use platform::event_log::{EventLog, Severity};
use platform::log_file::LogFile;
use platform::paths::Paths;
use tracing::{Level, Metadata};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The directory of the agent's log.
#[must_use]
pub fn log_dir(paths: &Paths) -> PathBuf {
    paths.state_dir.join("log")
}

/// Begins to log: to standard error, as JSON where `json`, and always as JSON to the agent's own file. Where that can't be
/// opened the agent goes on without it, and says so. A `service` of Windows writes warnings and errors to the Event Log too.
pub fn begin(paths: &Paths, filter: Targets, json: bool, service: bool) {
    let plain = (!json).then(|| tracing_subscriber::fmt::layer().with_ansi(false).with_writer(io::stderr));
    let as_json = json.then(|| tracing_subscriber::fmt::layer().json().with_writer(io::stderr));
    let (file, error) = match LogFile::open(&log_dir(paths)) {
        Ok(file) => (Some(file), None),
        Err(error) => (None, Some(error)),
    };
    let kept = file.map(|file| tracing_subscriber::fmt::layer().json().with_writer(Mutex::new(file)));
    let all = plain.map(Layer::boxed).into_iter().chain(as_json.map(Layer::boxed));
    let events = if service { EventLog::open().ok() } else { None };
    let events = events.map(|log| {
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_level(false);
        lines.with_writer(EventLines(log)).with_filter(LevelFilter::WARN)
    });
    let all: Vec<_> = all.chain(kept.map(Layer::boxed)).chain(events.map(Layer::boxed)).collect();
    tracing_subscriber::registry().with(all).with(filter).init();
    if let Some(error) = error {
        tracing::warn!(error = &error as &dyn std::error::Error, "the log is not kept in a file");
    }
}

/// Each line as an entry of the Event Log, which has times and levels of its own.
struct EventLines(EventLog);

impl<'a> MakeWriter<'a> for EventLines {
    type Writer = EventLine<'a>;

    fn make_writer(&'a self) -> EventLine<'a> {
        EventLine { log: &self.0, severity: Severity::Information }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> EventLine<'a> {
        let severity = match *metadata.level() {
            Level::ERROR => Severity::Error,
            Level::WARN => Severity::Warning,
            _ => Severity::Information,
        };
        EventLine { log: &self.0, severity }
    }
}

struct EventLine<'a> {
    log: &'a EventLog,
    severity: Severity,
}

impl io::Write for EventLine<'_> {
    /// The formatter writes a whole line at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.log.report(self.severity, String::from_utf8_lossy(line).trim_end())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
