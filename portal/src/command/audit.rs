//! `countersign-portal audit`: who did what, and how it ended.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;

use super::serve::failed;
use super::{CommandError, Context};
use crate::admin::{self, Right};
use crate::audit_head::{self, Finding, Line};
use crate::files;
use crate::signing::SigningKeys;
use crate::store::audit::{Row, Verdict};
use crate::table::table;

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Show the newest rows, the oldest of them first.
    List {
        /// As JSON lines, for a SIEM.
        #[arg(long)]
        json: bool,
        /// How many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Write rows as JSON lines, the oldest first, for a SIEM.
    Export {
        /// Begin after the row with this sequence number.
        #[arg(long, value_name = "SEQUENCE", default_value_t = 0)]
        after: i64,
        /// Go on with the rows that come, until the reader goes away.
        #[arg(long)]
        follow: bool,
        /// End with a head that a key of the portal's has signed. Keep it where nobody changes it: `audit verify --against` compares.
        #[arg(long, conflicts_with = "follow")]
        signed: bool,
    },
    /// Cut off rows that are older than this; what is left is still one chain. Export them first.
    Cut {
        /// The age, for example `400d`.
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        older_than: Duration,
    },
    /// Check that no row was changed or taken away.
    Verify {
        /// Signed heads of earlier exports, or whole exports: they show what was cut off at the end, or made anew.
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
    },
}

impl Audit {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::List { json, limit } => {
                let rows = admin::audit::newest(&context.admin, limit).await?;
                if json {
                    let line = |row| serde_json::to_string(row).unwrap_or_default() + "\n";
                    return Ok(rows.iter().map(line).collect());
                }
                let cells = |row: &Row| {
                    let columns = [&row.action, &row.subject, &row.result, &row.actor].map(Clone::clone);
                    let [action, subject, result, actor] = columns;
                    [row.at.to_string(), action, subject, result, actor]
                };
                let rows: Vec<_> = rows.iter().map(cells).collect();
                Ok(table(["AT", "ACTION", "SUBJECT", "RESULT", "BY"], &rows))
            }
            Self::Export { after, follow, signed } => {
                export(context, after, follow).await?;
                if signed { head(context).await } else { Ok(String::new()) }
            }
            Self::Cut { older_than } => {
                let seconds = i64::try_from(older_than.as_secs()).unwrap_or(i64::MAX);
                let before = context.admin.now.plus_seconds(seconds.saturating_neg());
                let gone = admin::audit::cut(&context.admin, before).await?;
                Ok(format!("cut off {gone} rows from before {before}\n"))
            }
            Self::Verify { against } => match admin::audit::verify(&context.admin).await? {
                Verdict::Intact(last) => {
                    let intact = format!("the audit is intact up to row {last}\n");
                    match against {
                        Some(file) => compare(context, &file).await.map(|compared| intact + &compared),
                        None => Ok(intact),
                    }
                }
                Verdict::BrokenAt(row) => Err(CommandError::AuditBroken(row)),
            },
        }
    }
}

/// The signed head as a line.
async fn head(context: &Context) -> Result<String, CommandError> {
    let admin = &context.admin;
    admin.demand(Right::Audit)?;
    let keys = SigningKeys::load(&admin.store, &context.keys_dir(), admin.now).await?;
    let mut connection = admin.store.read().await?;
    let signed = audit_head::sign(&mut connection, &keys, admin.now).await?;
    let signed = signed.map_err(|error| failed("sign the head of the audit".to_owned(), error.into()))?;
    Ok(signed.map_or_else(String::new, |line| serde_json::to_string(&line).unwrap_or_default() + "\n"))
}

/// Compares the audit with the heads in `file`; fails where one of them doesn't hold.
async fn compare(context: &Context, file: &Path) -> Result<String, CommandError> {
    let text = String::from_utf8_lossy(&files::read(file)?).into_owned();
    let heads: Vec<Line> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let mut connection = context.admin.store.read().await?;
    let (mut told, mut failures) = (String::new(), Vec::new());
    for Line { head } in &heads {
        let (row, at) = (head.sequence, &head.at);
        match audit_head::compare(&mut connection, head).await? {
            Finding::Holds => told.push_str(&format!("the head of {at} holds: row {row}\n")),
            Finding::CutByAge => {
                told.push_str(&format!("the head of {at} is older than what was cut off: row {row}\n"));
            }
            Finding::CutOff => failures.push(format!("the audit was cut off: row {row}, signed at {at}, is gone")),
            Finding::Remade => {
                failures.push(format!("the audit was made anew: row {row} is not the one signed at {at}"));
            }
            Finding::NotSigned => {
                failures.push(format!("no key of this portal has signed the head of {at}, row {row}"));
            }
        }
    }
    if heads.is_empty() {
        failures.push(format!("`{}` holds no signed head: make one with `audit export --signed`", file.display()));
    }
    if failures.is_empty() { Ok(told) } else { Err(CommandError::Several(told + &failures.join("\n"))) }
}

/// Rows that are read at a time, and how long nothing new is waited for.
const PORTION: u32 = 500;
const PAUSE: Duration = Duration::from_secs(1);

async fn export(context: &Context, mut after: i64, follow: bool) -> Result<String, CommandError> {
    loop {
        let rows = admin::audit::after(&context.admin, after, PORTION).await?;
        let Some(last) = rows.last() else {
            if !follow {
                return Ok(String::new());
            }
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        after = last.sequence;
        let lines: String = rows.iter().map(|row| serde_json::to_string(row).unwrap_or_default() + "\n").collect();
        let mut output = std::io::stdout();
        if output.write_all(lines.as_bytes()).and_then(|()| output.flush()).is_err() {
            // The reader went away.
            return Ok(String::new());
        }
    }
}
