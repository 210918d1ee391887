//! `countersign-portal service`: the SAML service providers that may receive assertions.

use std::path::PathBuf;

use clap::Subcommand;

use super::{CommandError, Context};
use crate::table::table;
use crate::{admin, files};

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
            Self::Add { tenant, metadata } => {
                let added = admin::service::add(&context.admin, &tenant, &files::read(&metadata)?).await?;
                Ok(format!("registered {}; its Responses go to {}\n", added.entity_id, added.acs_url))
            }
            Self::List { json } => list(context, json).await,
            Self::Remove { entity_id } => {
                admin::service::remove(&context.admin, &entity_id).await?;
                Ok(format!("{entity_id} receives no more assertions\n"))
            }
        }
    }
}

async fn list(context: &Context, json: bool) -> Result<String, CommandError> {
    let services = admin::service::list(&context.admin).await?;
    if json {
        return Ok(super::json(&services));
    }
    let rows: Vec<_> =
        services.iter().map(|service| [service.entity_id.to_string(), service.acs_url.clone()]).collect();
    Ok(table(["SERVICE", "RESPONSES GO TO"], &rows))
}
