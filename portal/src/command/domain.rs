//! `countersign-portal domain`: which user domains belong to which tenant.

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
    /// Which directories speak for a user domain.
    #[command(subcommand)]
    Realm(Realm),
    /// Show the user domains.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Realm {
    /// Let a directory speak for a user domain, beside those that do: somebody of the same name in two is still one of the two alone.
    Add {
        /// The part behind the `@`.
        #[arg(value_parser = domain_name)]
        domain: String,
        /// The directory's Kerberos realm or, for Entra ID, the suffix of its names.
        realm: String,
    },
    /// Let a directory speak for a user domain no longer. A domain without any learns the next one that a device names.
    Remove {
        /// The part behind the `@`.
        #[arg(value_parser = domain_name)]
        domain: String,
        /// The directory's realm.
        realm: String,
    },
    /// Show the directories that speak for a user domain.
    List {
        /// The part behind the `@`.
        #[arg(value_parser = domain_name)]
        domain: String,
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
            Self::Realm(realm) => realm.run(context).await,
            Self::List { json } => list(context, json).await,
        }
    }
}

impl Realm {
    async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::Add { domain, realm } => {
                let added = admin::domain_realm::add(&context.admin, &domain, &realm).await?;
                Ok(format!("{} speaks for {domain}\n", added.realm))
            }
            Self::Remove { domain, realm } => {
                admin::domain_realm::remove(&context.admin, &domain, &realm).await?;
                Ok(format!("{realm} speaks for {domain} no longer\n"))
            }
            Self::List { domain, json } => {
                let realms = admin::domain_realm::list(&context.admin, &domain).await?;
                if json {
                    return Ok(super::json(&realms));
                }
                let row = |one: &crate::store::domain_realm::DomainRealm| {
                    [one.realm.clone(), one.origin.clone(), one.created_at.to_string()]
                };
                Ok(table(["REALM", "SET BY", "SINCE"], &realms.iter().map(row).collect::<Vec<_>>()))
            }
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
