//! `countersign-portal key`: the keys that sign Responses.

use clap::Subcommand;
use serde_json::json;

use super::{CommandError, Context};
use crate::signing;
use crate::store::audit;
use crate::store::signing_key::{self, Purpose, SigningKey};
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
            Self::Create => create(context).await,
            Self::List => list(context).await,
        }
    }
}

async fn create(context: &Context) -> Result<String, CommandError> {
    let active = signing_key::active(&mut *context.store.read().await?).await?;
    let mut text = String::new();
    for purpose in [Purpose::Service, Purpose::Agent] {
        if active.iter().any(|key| key.purpose == purpose) {
            continue;
        }
        let (directory, now) = (context.keys_dir(), context.now);
        let made = tokio::task::spawn_blocking(move || signing::create(purpose, &directory, "Countersign portal", now));
        let key = made
            .await
            .map_err(|error| CommandError::Serve { doing: "make a key".to_owned(), source: error.into() })??;
        text.push_str(&format!("made the {purpose} signing key {}\n", key.id));
        let entry = context.entry("key.create", &key.id, None, json!({ "purpose": purpose.to_string() }));
        context.store.write(move |connection| Box::pin(insert(connection, key, entry))).await?;
    }
    if text.is_empty() {
        text.push_str("the portal has its signing keys already\n");
    }
    Ok(text)
}

async fn insert(
    connection: &mut sqlx::AnyConnection,
    key: SigningKey,
    entry: audit::Entry,
) -> Result<(), crate::store::StoreError> {
    signing_key::insert(connection, &key).await?;
    audit::append(connection, entry).await
}

async fn list(context: &Context) -> Result<String, CommandError> {
    let active = signing_key::active(&mut *context.store.read().await?).await?;
    let rows: Vec<_> =
        active.iter().map(|key| [key.id.clone(), key.purpose.to_string(), key.created_at.to_string()]).collect();
    Ok(table(["KEY", "SIGNS FOR", "CREATED"], &rows))
}
