//! `countersign-portal service`: the SAML service providers that may receive assertions.

use std::path::PathBuf;

use clap::Subcommand;
use saml::metadata::{Binding, SpMetadata};
use serde_json::json;

use super::{CommandError, Context};
use crate::files;
use crate::store::audit;
use crate::store::service_provider::{self, ServiceProvider};
use crate::table::table;

#[derive(Debug, Subcommand)]
pub(super) enum Service {
    /// Register a service by its metadata. Assertions go to the address that it names for POST, and nowhere else.
    Add {
        /// Whose people may use it.
        #[arg(long)]
        tenant: String,
        /// The service's SAML metadata.
        #[arg(long, value_name = "FILE")]
        metadata: PathBuf,
    },
    /// Show the services.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give a service no more assertions.
    Remove {
        /// Its entity ID.
        entity_id: String,
    },
}

impl Service {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::Add { tenant, metadata } => add(context, &tenant, metadata).await,
            Self::List { json } => list(context, json).await,
            Self::Remove { entity_id } => remove(context, entity_id).await,
        }
    }
}

async fn add(context: &Context, tenant: &str, path: PathBuf) -> Result<String, CommandError> {
    let tenant_id = context.tenant(tenant).await?.id;
    let bytes = files::read(&path)?;
    let described = SpMetadata::parse(&bytes).map_err(|rejection| CommandError::Metadata(rejection.to_string()))?;
    if described.valid_until.is_some_and(|until| until <= context.now) {
        return Err(CommandError::Metadata(
            "its `validUntil` has passed; ask the service for newer metadata".to_owned(),
        ));
    }
    let acs = described.default_acs(&Binding::Post);
    let acs =
        acs.ok_or_else(|| CommandError::Metadata("it names no assertion consumer service for POST".to_owned()))?;
    if !acs.location.starts_with("https://") && !is_loopback(&acs.location) {
        let why = format!("its assertion consumer service `{}` is not an `https://` address", acs.location);
        return Err(CommandError::Metadata(why));
    }
    let row = ServiceProvider {
        entity_id: described.entity_id.clone(),
        tenant_id: tenant_id.clone(),
        acs_url: acs.location.clone(),
        metadata: String::from_utf8_lossy(&bytes).into_owned(),
        created_at: context.now,
    };
    let (name, acs_url) = (row.entity_id.to_string(), row.acs_url.clone());
    let entry = context.entry("service.add", &name, Some(tenant_id), json!({ "acs": acs_url }));
    let written = context
        .store
        .write(move |connection| {
            Box::pin(async move {
                service_provider::insert(connection, &row).await?;
                audit::append(connection, entry).await
            })
        })
        .await;
    match written {
        Err(error) if error.is_duplicate() => Err(CommandError::Duplicate { noun: "service", name }),
        written => Ok(written.map(|()| format!("registered {name}; its Responses go to {acs_url}\n"))?),
    }
}

/// A service on the same machine may be reached without TLS: nothing leaves it.
fn is_loopback(url: &str) -> bool {
    ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"].iter().any(|prefix| url.starts_with(prefix))
}

async fn remove(context: &Context, entity_id: String) -> Result<String, CommandError> {
    let entry = context.entry("service.remove", &entity_id, None, json!({}));
    let service = entity_id.clone();
    let removed = context
        .store
        .write(move |connection| {
            Box::pin(async move {
                let removed = service_provider::delete(connection, &service).await?;
                if removed {
                    audit::append(connection, entry).await?;
                }
                Ok(removed)
            })
        })
        .await?;
    if !removed {
        return Err(CommandError::NotFound { noun: "service", name: entity_id, command: "service" });
    }
    Ok(format!("{entity_id} receives no more assertions\n"))
}

async fn list(context: &Context, json: bool) -> Result<String, CommandError> {
    let services = service_provider::list(&mut *context.store.read().await?).await?;
    if json {
        return Ok(super::json(&services));
    }
    let rows: Vec<_> =
        services.iter().map(|service| [service.entity_id.to_string(), service.acs_url.clone()]).collect();
    Ok(table(["SERVICE", "RESPONSES GO TO"], &rows))
}
