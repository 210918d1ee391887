//! `countersign logs`: the agent's own log, for people.

use platform::log_file::read_tail;
use platform::paths::Paths;
use serde_json::Value;

use super::{CommandError, Outcome};
use crate::logs::log_dir;

/// The longest part of the log that is read, in octets: all that is kept.
const LONGEST: u64 = 8 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Logs {
    /// How many lines from the end.
    #[arg(long, short = 'n', value_name = "LINES", default_value_t = 50)]
    lines: usize,
    /// Only lines of this level and above: `error`, `warn`, `info`, `debug`.
    #[arg(long, value_name = "LEVEL", default_value = "trace")]
    level: tracing::Level,
    /// The lines as they are kept: one JSON object each.
    #[arg(long)]
    json: bool,
}

impl Logs {
    pub(super) fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        let log = read_tail(&log_dir(paths), LONGEST)?.unwrap_or_default();
        let wanted: Vec<_> =
            log.lines().filter(|line| level_of(line).is_none_or(|level| level <= self.level)).collect();
        let last = wanted.into_iter().rev().take(self.lines).collect::<Vec<_>>().into_iter().rev();
        let text = last.map(|line| if self.json { line.to_owned() } else { for_people(line) } + "\n").collect();
        Ok(Outcome::success(text))
    }
}

fn level_of(line: &str) -> Option<tracing::Level> {
    serde_json::from_str::<Value>(line).ok()?.get("level")?.as_str()?.parse().ok()
}

/// `time LEVEL message field=value …`; what is no line of ours stays as it is.
fn for_people(line: &str) -> String {
    let Ok(Value::Object(event)) = serde_json::from_str(line) else { return line.to_owned() };
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let fields = event.get("fields").and_then(Value::as_object);
    let message = fields.and_then(|fields| fields.get("message")).and_then(Value::as_str).unwrap_or_default();
    let mut shown = format!("{} {:<5} {message}", text("timestamp"), text("level"));
    for (name, value) in fields.into_iter().flatten().filter(|(name, _)| *name != "message") {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        shown.push_str(&format!(" {name}={value:?}"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_people_has_time_level_message_and_fields() {
        let line = r#"{"timestamp":"2026-01-01T00:00:00Z","level":"WARN","fields":{"message":"nobody was signed in","code":"busy","n":3},"target":"x"}"#;
        assert_eq!(for_people(line), "2026-01-01T00:00:00Z WARN  nobody was signed in code=\"busy\" n=\"3\"");
        assert_eq!(level_of(line), Some(tracing::Level::WARN));
        assert_eq!(for_people("not JSON"), "not JSON");
    }
}
