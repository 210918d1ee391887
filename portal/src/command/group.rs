//! `countersign-portal group`: the groups of people that a directory keeps.

use clap::Subcommand;
use serde_json::json;

use super::{CommandError, Context};
use crate::admin::directory;
use crate::table::table;

#[derive(Debug, Subcommand)]
pub(super) enum Group {
    /// Show a tenant's groups, the first 1000 by name.
    List {
        /// Whose.
        #[arg(long)]
        tenant: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

impl Group {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        let Self::List { tenant, json: as_json } = self;
        let groups = directory::list_groups(&context.admin, &tenant).await?;
        if as_json {
            let rows: Vec<_> = groups
                .iter()
                .map(|(group, members)| {
                    let mut row = json!(group);
                    row["members"] = json!(members);
                    row
                })
                .collect();
            return Ok(super::json(&rows));
        }
        let row = |(group, members): &(crate::store::directory::Group, i64)| {
            [group.display_name.clone(), members.to_string(), group.changed_at.to_string(), group.id.clone()]
        };
        let rows: Vec<_> = groups.iter().map(row).collect();
        Ok(table(["GROUP", "PEOPLE", "CHANGED", "ID"], &rows))
    }
}
