//! The agent's own log: fields, not prose, in a private file that never grows beyond its cap; and what the service manager keeps.
//!
//! Levels: `error`, the agent can't do its work and somebody must act; `warn`, it works around something; `info`, what changed;
//! `debug`, each step, and the only level at which people are named; `trace`, for whoever works on the agent.

use std::path::PathBuf;
use std::sync::Mutex;

use platform::log_file::LogFile;
use platform::paths::Paths;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

/// The directory of the agent's log.
#[must_use]
pub fn log_dir(paths: &Paths) -> PathBuf {
    paths.state_dir.join("log")
}

/// Begins to log: to standard error, as JSON where `json`, and always as JSON to the agent's own file. Where that can't be
/// opened the agent goes on without it, and says so.
pub fn begin(paths: &Paths, filter: EnvFilter, json: bool) {
    let plain = (!json).then(|| tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr));
    let as_json = json.then(|| tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr));
    let (file, error) = match LogFile::open(&log_dir(paths)) {
        Ok(file) => (Some(file), None),
        Err(error) => (None, Some(error)),
    };
    let kept = file.map(|file| tracing_subscriber::fmt::layer().json().with_writer(Mutex::new(file)));
    let all = plain.map(Layer::boxed).into_iter().chain(as_json.map(Layer::boxed));
    let all: Vec<_> = all.chain(kept.map(Layer::boxed)).collect();
    tracing_subscriber::registry().with(all).with(filter).init();
    if let Some(error) = error {
        tracing::warn!(error = &error as &dyn std::error::Error, "the log is not kept in a file");
    }
}
