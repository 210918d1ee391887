//! The keys that sign Responses.

use std::path::Path;

use serde_json::json;

use super::{Admin, AdminError, Done, Noun};
use crate::signing;
use crate::store::signing_key::{self, Purpose, SigningKey};

/// Makes the signing keys that are missing, their private halves in `directory`; returns what was made.
///
/// # Errors
/// [`AdminError::Signing`].
pub async fn create_missing(admin: &Admin, directory: &Path) -> Result<Vec<SigningKey>, AdminError> {
    let active = list(admin).await?;
    let mut made = Vec::new();
    for purpose in [Purpose::Service, Purpose::Agent] {
        if active.iter().any(|key| key.purpose == purpose) {
            continue;
        }
        let (directory, now) = (directory.to_owned(), admin.now);
        let making =
            tokio::task::spawn_blocking(move || signing::create(purpose, &directory, "Countersign portal", now));
        let key = making.await.map_err(|source| AdminError::Thread { doing: "make a key", source })??;
        let name = key.id.clone();
        made.push(
            admin
                .change("key.create", (Noun::Key, &name), move |connection| {
                    Box::pin(async move {
                        signing_key::insert(connection, &key).await?;
                        Ok(Done { tenant_id: None, detail: json!({ "purpose": purpose.to_string() }), value: key })
                    })
                })
                .await?,
        );
    }
    Ok(made)
}

/// The active signing keys.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn list(admin: &Admin) -> Result<Vec<SigningKey>, AdminError> {
    Ok(signing_key::active(&mut *admin.store.read().await?).await?)
}
