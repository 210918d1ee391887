//! `countersign-portal domain`: which user domains belong to whom.

use clap::Subcommand;
use serde_json::json;

use super::{CommandError, Context, domain_name};
use crate::store::domain::{self, Domain as Row};
use crate::store::{audit, tenant};
use crate::table::table;

#[derive(Debug, Subcommand)]
pub(super) enum Domain {
    /// Give a user domain to a tenant: its people may then sign on.
    Add {
        /// The part behind the `@`.
        #[arg(value_parser = domain_name)]
        domain: String,
        /// Whose it is.
        #[arg(long)]
        tenant: String,
    },
    /// Take a user domain away: its people can't sign on any more.
    Remove {
        /// The part behind the `@`.
        #[arg(value_parser = domain_name)]
        domain: String,
    },
    /// Show the user domains.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

impl Domain {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::Add { domain, tenant } => add(context, domain, &tenant).await,
            Self::Remove { domain } => remove(context, domain).await,
            Self::List { json } => list(context, json).await,
        }
    }
}

async fn add(context: &Context, name: String, tenant: &str) -> Result<String, CommandError> {
    let tenant_id = context.tenant(tenant).await?.id;
    let entry = context.entry("domain.add", &name, Some(tenant_id.clone()), json!({}));
    let row = Row { name: name.clone(), tenant_id, created_at: context.now };
    let written = context
        .store
        .write(move |connection| {
            Box::pin(async move {
                domain::insert(connection, &row).await?;
                audit::append(connection, entry).await
            })
        })
        .await;
    match written {
        Err(error) if error.is_duplicate() => Err(CommandError::Duplicate { noun: "domain", name }),
        written => Ok(written.map(|()| format!("{name} belongs to {tenant}\n"))?),
    }
}

async fn remove(context: &Context, name: String) -> Result<String, CommandError> {
    let entry = context.entry("domain.remove", &name, None, json!({}));
    let domain = name.clone();
    let removed = context
        .store
        .write(move |connection| {
            Box::pin(async move {
                let removed = domain::delete(connection, &domain).await?;
                if removed {
                    audit::append(connection, entry).await?;
                }
                Ok(removed)
            })
        })
        .await?;
    if !removed {
        return Err(CommandError::NotFound { noun: "domain", name, command: "domain" });
    }
    Ok(format!("{name} belongs to nobody now\n"))
}

async fn list(context: &Context, json: bool) -> Result<String, CommandError> {
    let mut connection = context.store.read().await?;
    let domains = domain::list(&mut connection).await?;
    if json {
        return Ok(super::json(&domains));
    }
    let tenants = tenant::list(&mut connection).await?;
    let name_of = |id: &str| tenants.iter().find(|tenant| tenant.id == id).map_or("", |tenant| &tenant.name).to_owned();
    let rows: Vec<_> = domains.iter().map(|domain| [domain.name.clone(), name_of(&domain.tenant_id)]).collect();
    Ok(table(["DOMAIN", "TENANT"], &rows))
}
