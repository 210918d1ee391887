//! `countersign-portal audit`: who did what, and how it ended.

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
            Self::Verify => match admin::audit::verify(&context.admin).await? {
                Verdict::Intact(rows) => Ok(format!("the audit is intact: {rows} rows\n")),
                Verdict::BrokenAt(row) => Err(CommandError::AuditBroken(row)),
            },
        }
    }
}
