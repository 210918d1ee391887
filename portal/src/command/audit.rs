//! `countersign-portal audit`: who did what, and how it ended.

use std::io::Write as _;
use std::time::Duration;

use clap::Subcommand;

use super::{CommandError, Context};
use crate::admin;
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
    },
    /// Cut off rows that are older than this; what is left is still one chain. Export them first.
    Cut {
        /// The age, for example `400d`.
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        older_than: Duration,
    },
    /// Check that no row was changed or taken away.
    Verify,
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
            Self::Export { after, follow } => export(context, after, follow).await,
            Self::Cut { older_than } => {
                let seconds = i64::try_from(older_than.as_secs()).unwrap_or(i64::MAX);
                let before = context.admin.now.plus_seconds(seconds.saturating_neg());
                let gone = admin::audit::cut(&context.admin, before).await?;
                Ok(format!("cut off {gone} rows from before {before}\n"))
            }
            Self::Verify => match admin::audit::verify(&context.admin).await? {
                Verdict::Intact(last) => Ok(format!("the audit is intact up to row {last}\n")),
                Verdict::BrokenAt(row) => Err(CommandError::AuditBroken(row)),
            },
        }
    }
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
