//! `countersign-portal key`: the keys that sign Responses.

use clap::Subcommand;

use super::{CommandError, Context};
use crate::admin;
use crate::store::signing_key::SigningKey;
use crate::table::table;

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Make the signing keys that are missing: RSA for services, P-256 for agents.
    Create,
    /// Show the active signing keys.
    List,
}

impl Key {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::Create => {
                let made = admin::key::create_missing(&context.admin, &context.keys_dir()).await?;
                if made.is_empty() {
                    return Ok("the portal has its signing keys already\n".to_owned());
                }
                let line = |key: &SigningKey| format!("made the {} signing key {}\n", key.purpose, key.id);
                Ok(made.iter().map(line).collect())
            }
            Self::List => {
                let keys = admin::key::list(&context.admin).await?;
                let row = |key: &SigningKey| [key.id.clone(), key.purpose.to_string(), key.created_at.to_string()];
                let rows: Vec<_> = keys.iter().map(row).collect();
                Ok(table(["KEY", "SIGNS FOR", "CREATED"], &rows))
            }
        }
    }
}
