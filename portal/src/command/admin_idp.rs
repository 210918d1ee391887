//! `countersign-portal admin idp`: what may sign administrators in besides their passwords.

use std::path::PathBuf;

use clap::Subcommand;
use saml::metadata::Role;

use super::tenant::Grade;
use super::{CommandError, Context};
use crate::admin::administrator_idp::{self, what};
use crate::admin::metadata::one_entity;
use crate::cloud::Cloud;
use crate::console;
use crate::store::administrator_idp::AdministratorIdp;
use crate::store::signing_key::Purpose;
use crate::table::table;
use crate::{admin, files};

#[derive(Debug, Subcommand)]
pub(super) enum Idp {
    /// Record one. It signs in the accounts that `admin link` links with it, and nobody else.
    Add {
        /// What the sign-in page calls it.
        name: String,
        /// A file with the SAML metadata of another identity provider, `-` for standard input.
        #[arg(long, value_name = "FILE", required_unless_present = "devices_of", conflicts_with = "devices_of")]
        metadata: Option<PathBuf>,
        /// The entity ID of the one that is meant, where the metadata describes several.
        #[arg(long, value_name = "ID", requires = "metadata")]
        entity_id: Option<String>,
        /// The tenant whose devices sign people in: "Sign in with this device".
        #[arg(long, value_name = "TENANT", requires = "public_url")]
        devices_of: Option<String>,
        /// The least grade that the person at the device has to have.
        #[arg(long, value_name = "GRADE", default_value = "proved", requires = "devices_of")]
        minimum_evidence: Grade,
        /// The portal's own address, as `serve` is given it: with it the pages become a service of the tenant.
        #[arg(long, value_name = "URL")]
        public_url: Option<String>,
        /// The one tenant whose accounts it may speak for; not given: those of the whole cloud, and of every tenant.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Remove one: it signs nobody in any more, and the sessions of the accounts that were linked with it end.
    Remove {
        /// Its name.
        name: String,
    },
    /// Show them.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the metadata of the pages as a service provider, for other identity providers.
    ServiceProvider {
        /// The portal's own address, as `serve` is given it.
        #[arg(long, value_name = "URL")]
        public_url: String,
    },
}

impl Idp {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        let admin = &context.admin;
        match self {
            Self::Add { name, metadata: Some(metadata), tenant, entity_id, .. } => {
                let metadata =
                    if metadata.as_os_str() == "-" { files::read_standard_input()? } else { files::read(&metadata)? };
                let metadata = one_entity(&metadata, Role::IdentityProvider, entity_id.as_deref())?;
                let row = administrator_idp::add_external(admin, &name, tenant.as_deref(), &metadata).await?;
                Ok(added(&row))
            }
            Self::Add { name, devices_of, minimum_evidence, public_url, tenant, .. } => {
                let cloud = Cloud::new(&public_url.unwrap_or_default())?;
                let devices_of = devices_of.unwrap_or_default();
                if tenant.as_ref().is_some_and(|tenant| *tenant != devices_of) {
                    let wanted = "the tenant whose devices they are: devices speak for its accounts, or for those of the whole cloud";
                    let given = tenant.unwrap_or_default();
                    return Err(admin::AdminError::Invalid { field: "tenant", given, wanted }.into());
                }
                let (named, everybody) = ((name.as_str(), devices_of.as_str()), tenant.is_none());
                let row = administrator_idp::add_devices(admin, &cloud, named, minimum_evidence.into(), everybody);
                Ok(added(&row.await?))
            }
            Self::Remove { name } => {
                administrator_idp::remove(admin, &name).await?;
                Ok(format!("{name} signs nobody in any more\n"))
            }
            Self::List { json } => {
                let rows = administrator_idp::list(admin).await?;
                if json {
                    return Ok(super::json(&rows));
                }
                let rows: Vec<_> = rows.iter().map(|row| [row.name.clone(), what(row), reach(row)]).collect();
                Ok(table(["NAME", "WHAT IT IS", "SPEAKS FOR"], &rows))
            }
            Self::ServiceProvider { public_url } => {
                let cloud = Cloud::new(&public_url)?;
                let keys = admin::key::list(admin).await?;
                let keys = keys.into_iter().filter(|key| key.is_of_cloud(Purpose::Service, admin.now));
                let certificates = keys.map(|key| key.certificate).collect();
                Ok(format!("{}\n", console::service_provider(&cloud, certificates).to_xml()))
            }
        }
    }
}

fn added(row: &AdministratorIdp) -> String {
    format!("{} signs in the accounts that `admin link` links with it\n", row.name)
}

fn reach(row: &AdministratorIdp) -> String {
    row.tenant_id.as_ref().map_or("whole cloud", |_| "one tenant").to_owned()
}
