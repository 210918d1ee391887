//! `countersign-portal backup` and `restore`.

use std::path::{Path, PathBuf};

use super::{CommandError, Context};
use crate::backup;

#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    /// A directory that is made for it.
    to: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    /// The directory of the backup.
    from: PathBuf,
}

impl Backup {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        let taken = backup::take(&context.admin.store, &context.data_dir, &self.to, context.admin.now).await?;
        let rows = if taken.has_database {
            "the database and"
        } else {
            "no rows (take those of PostgreSQL with `pg_dump` at the same time), but"
        };
        let keys = taken.files.keys().filter(|name| name.starts_with("keys/")).count();
        Ok(format!("`{}` holds {rows} {keys} private signing keys: keep it as you keep those\n", self.to.display()))
    }
}

impl Restore {
    pub(super) async fn run(self, data_dir: &Path) -> Result<String, CommandError> {
        let backup = backup::bring_back(&self.from, data_dir).await?;
        let rows = if backup.has_database { "its audit is intact" } else { "restore the rows with `pg_restore`" };
        Ok(format!("brought back what was taken at {}: {rows}\n", backup.taken_at))
    }
}
