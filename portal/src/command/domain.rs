//! `countersign-portal domain`: which user domains belong to whom.

use clap::Subcommand;

use super::{CommandError, Context, domain_name};
use crate::admin;
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
            Self::Add { domain, tenant } => {
                let added = admin::domain::add(&context.admin, &tenant, &domain).await?;
                Ok(format!("{} belongs to {tenant}\n", added.name))
            }
            Self::Remove { domain } => {
                admin::domain::remove(&context.admin, &domain).await?;
                Ok(format!("{domain} belongs to nobody now\n"))
            }
            Self::List { json } => list(context, json).await,
        }
    }
}

async fn list(context: &Context, json: bool) -> Result<String, CommandError> {
    let domains = admin::domain::list(&context.admin).await?;
    if json {
        return Ok(super::json(&domains));
    }
    let tenants = admin::tenant::list(&context.admin).await?;
    let name_of = |id: &str| tenants.iter().find(|tenant| tenant.id == id).map_or("", |tenant| &tenant.name).to_owned();
    let rows: Vec<_> = domains.iter().map(|domain| [domain.name.clone(), name_of(&domain.tenant_id)]).collect();
    Ok(table(["DOMAIN", "TENANT"], &rows))
}
