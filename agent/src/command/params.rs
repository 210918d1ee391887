//! `countersign params`: the effective options, where each comes from, and changing one without installing again.

use std::fmt::Write as _;
use std::path::Path;

use clap::Subcommand;
use installer_options::{OPTIONS, OptionName, Origin};
use platform::files;
use platform::paths::Paths;
use zeroize::Zeroizing;

use super::configure::{LARGEST_TOKEN, reload};
use super::{CommandError, Outcome};
use crate::config::{self, ConfigError};
use crate::written;

#[derive(Debug, Subcommand)]
pub(super) enum Params {
    /// Show every option, its value (secrets are not shown) and its origin.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one option.
    Get {
        /// Its name, as `countersign params list` shows it.
        #[arg(value_name = "OPTION")]
        option: String,
        /// As JSON, with its origin.
        #[arg(long)]
        json: bool,
    },
    /// Set one option for this device, over what the installer and the configuration file say; a running agent works with
    /// it at once.
    Set {
        /// Its name, as `countersign params list` shows it.
        #[arg(value_name = "OPTION")]
        option: String,
        /// Its value. Other accounts can see a command line: give a secret with `--file`.
        #[arg(allow_hyphen_values = true, required_unless_present = "file")]
        value: Option<String>,
        /// Read the value from this file, `-` for standard input.
        #[arg(long, value_name = "FILE", conflicts_with = "value")]
        file: Option<String>,
    },
    /// Take back what `params set` said about an option.
    Unset {
        /// Its name, as `countersign params list` shows it.
        #[arg(value_name = "OPTION")]
        option: String,
    },
}

/// One option for people.
struct Row {
    option: &'static str,
    value: String,
    origin: Origin,
}

impl Params {
    pub(super) async fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        match self {
            Self::List { json } => list(paths, json),
            Self::Get { option, json } => get(paths, named(&option)?, json),
            Self::Set { option, value, file } => {
                let option = named(&option)?;
                let value = match file {
                    Some(file) => read_value(&file)?,
                    None => Zeroizing::new(value.unwrap_or_default()),
                };
                config::set(paths, option, &value)?;
                told(paths, format!("`{option}` is set")).await
            }
            Self::Unset { option } => {
                let option = named(&option)?;
                if config::unset(paths, option)? {
                    return told(paths, format!("`{option}` is no longer set by `params set`")).await;
                }
                Ok(Outcome::success(format!("`{option}` was not set by `params set`: nothing has changed\n")))
            }
        }
    }
}

fn named(name: &str) -> Result<OptionName, CommandError> {
    OptionName::from_canonical(name).ok_or_else(|| {
        let near = OPTIONS.iter().find(|spec| spec.canonical.eq_ignore_ascii_case(name));
        let hint = near.map_or_else(
            || "see `countersign params list`".to_owned(),
            |spec| format!("did you mean `{}`?", spec.canonical),
        );
        // What stands where a name belongs may be a secret, so it is not repeated.
        CommandError::Config(ConfigError::Faults(vec![format!("no option has that name: {hint}")]))
    })
}

fn read_value(file: &str) -> Result<Zeroizing<String>, CommandError> {
    let bytes = match file {
        "-" => Some(files::read_stdin(LARGEST_TOKEN)?),
        path => files::read(Path::new(path), LARGEST_TOKEN)?.map(Into::into),
    };
    let fault = |why: String| CommandError::Config(ConfigError::Faults(vec![why]));
    let bytes = bytes.ok_or_else(|| fault(format!("`{file}` is not there")))?;
    let text = written::text(&bytes).map_err(|why| fault(format!("`{file}` {why}")))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

async fn told(paths: &Paths, what: String) -> Result<Outcome, CommandError> {
    let taken_up = if reload(paths).await? { "the agent works with that now" } else { "the agent is not running" };
    Ok(Outcome::success(format!("{what}; {taken_up}\n")))
}

fn rows(paths: &Paths) -> Result<Vec<Row>, CommandError> {
    let options = config::effective(paths)?;
    let row = |(option, value, origin): (OptionName, Option<&str>, &Origin)| Row {
        option: option.spec().canonical,
        value: value.unwrap_or_default().to_owned(),
        origin: origin.clone(),
    };
    Ok(options.effective().filter(|(option, ..)| option.spec().stored).map(row).collect())
}

impl Row {
    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "option": self.option,
            "value": self.value,
            "origin": self.origin.to_string(),
            "locked": self.origin.is_locked(),
        })
    }
}

fn get(paths: &Paths, option: OptionName, json: bool) -> Result<Outcome, CommandError> {
    let found = rows(paths)?.into_iter().find(|row| row.option == option.spec().canonical);
    let row = found.ok_or_else(|| {
        CommandError::Config(ConfigError::Faults(vec![format!(
            "`{option}` is an option of installers and is not kept"
        )]))
    })?;
    Ok(if json { Outcome::json(&row.json(), 0) } else { Outcome::success(format!("{}\n", row.value)) })
}

fn list(paths: &Paths, json: bool) -> Result<Outcome, CommandError> {
    let rows = rows(paths)?;
    if json {
        return Ok(Outcome::json(&rows.iter().map(Row::json).collect::<Vec<_>>(), 0));
    }
    let names = rows.iter().map(|row| row.option.len()).max().unwrap_or(0);
    let values = rows.iter().map(|row| row.value.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for Row { option, value, origin } in &rows {
        let locked = if origin.is_locked() { ", locked" } else { "" };
        let _ = writeln!(text, "{option:names$}  {value:values$}  {origin}{locked}");
    }
    Ok(Outcome::success(text))
}
