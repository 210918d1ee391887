//! `countersign-portal idp`: who answers for which of a tenant's people.

use std::path::PathBuf;

use base64::Engine as _;
use clap::{Subcommand, ValueEnum};
use saml::metadata::Role;
use saml::name::NameIdFormat;

use super::metadata::{CaFile, client};
use super::{CommandError, Context};
use crate::admin::metadata::{Given, one_entity};
use crate::admin::{Right, idp, key};
use crate::cloud::Cloud;
use crate::external;
use crate::identity_provider::{Domains, Provider, Repository};
use crate::signing::SigningError;
use crate::store::signing_key::Purpose;
use crate::table::table;

#[derive(Debug, Subcommand)]
pub(super) enum Idp {
    /// Show the identity providers, and what the draft would change.
    List {
        /// Whose.
        #[arg(long)]
        tenant: String,
        /// Show those of the draft.
        #[arg(long)]
        draft: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Add an identity provider to the draft: another one by its metadata, or the portal.
    Add {
        /// A name of your own for it.
        name: String,
        /// Whose.
        #[arg(long)]
        tenant: String,
        /// Its metadata; not given: the portal.
        #[arg(long, value_name = "FILE")]
        metadata: Option<PathBuf>,
        /// Where its metadata is.
        #[arg(long, value_name = "URL", conflicts_with = "metadata")]
        metadata_url: Option<String>,
        /// The entity ID of the one that is meant, where the metadata describes several.
        #[arg(long, value_name = "ID")]
        entity_id: Option<String>,
        #[command(flatten)]
        ca: CaFile,
        #[command(flatten)]
        changes: Changes,
    },
    /// Put newer metadata of an identity provider into the draft: other keys, other addresses, the same entity ID.
    Update {
        /// Its name.
        name: String,
        /// Whose.
        #[arg(long)]
        tenant: String,
        /// Its metadata.
        #[arg(long, value_name = "FILE", required_unless_present = "metadata_url")]
        metadata: Option<PathBuf>,
        /// Where its metadata is.
        #[arg(long, value_name = "URL", conflicts_with = "metadata")]
        metadata_url: Option<String>,
        /// The entity ID of the one that is meant, where the metadata describes several.
        #[arg(long, value_name = "ID")]
        entity_id: Option<String>,
        #[command(flatten)]
        ca: CaFile,
    },
    /// Change an identity provider in the draft.
    Set {
        /// Its name.
        name: String,
        /// Whose.
        #[arg(long)]
        tenant: String,
        #[command(flatten)]
        changes: Changes,
    },
    /// Make an identity provider the default in the draft, which clears its mapping.
    Default {
        /// Its name.
        name: String,
        /// Whose.
        #[arg(long)]
        tenant: String,
    },
    /// Take an identity provider out of the draft.
    Remove {
        /// Its name.
        name: String,
        /// Whose.
        #[arg(long)]
        tenant: String,
    },
    /// Say in the draft who keeps the people.
    Repository {
        /// Who.
        keeper: Keeper,
        /// Whose.
        #[arg(long)]
        tenant: String,
    },
    /// Print the portal's metadata as a service provider, for other identity providers.
    ServiceProvider {
        /// The portal's own address, as `serve` is given it.
        #[arg(long, value_name = "URL")]
        public_url: String,
        /// Only the lines to paste: entity ID, address, certificate.
        #[arg(long)]
        facts: bool,
    },
    /// Show what the draft would change.
    Diff {
        /// Whose.
        #[arg(long)]
        tenant: String,
    },
    /// Let the draft hold from the next request on.
    Activate {
        /// Whose.
        #[arg(long)]
        tenant: String,
    },
    /// Throw the draft away.
    Discard {
        /// Whose.
        #[arg(long)]
        tenant: String,
    },
    /// Show the versions that hold or have held.
    Versions {
        /// Whose.
        #[arg(long)]
        tenant: String,
    },
    /// Make an earlier version the draft.
    BringBack {
        /// Its number.
        version: i64,
        /// Whose.
        #[arg(long)]
        tenant: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Changes {
    /// A domain that is mapped to it; may be repeated; the ones before are replaced.
    #[arg(long = "domain", value_name = "DOMAIN")]
    domains: Vec<String>,
    /// Map every domain to it that no other is mapped to.
    #[arg(long, conflicts_with_all = ["domains", "no_domain"])]
    any: bool,
    /// Map no domain to it.
    #[arg(long, conflicts_with = "domains")]
    no_domain: bool,
    /// Whether it answers.
    #[arg(long, value_name = "ON|OFF")]
    status: Option<Switch>,
    /// Whether somebody new is provisioned by signing on.
    #[arg(long, value_name = "ON|OFF")]
    auto_provisioning: Option<Switch>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Keeper {
    /// The portal.
    Hosted,
    /// A directory, which tells the portal.
    Synchronised,
}

impl From<Changes> for idp::Changes {
    fn from(given: Changes) -> Self {
        let on = |switch: Option<Switch>| switch.map(|switch| matches!(switch, Switch::On));
        let given_some = given.no_domain || !given.domains.is_empty();
        let domains = if given.any { Some(Domains::Any) } else { given_some.then_some(Domains::Only(given.domains)) };
        Self { domains, enabled: on(given.status), auto_provisioning: on(given.auto_provisioning) }
    }
}

impl Idp {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        let admin = &context.admin;
        let tenant = match self {
            Self::List { tenant, draft, json } => return list(context, &tenant, draft, json).await,
            Self::Versions { tenant } => return versions(context, &tenant).await,
            Self::ServiceProvider { public_url, facts } => return service_provider(context, &public_url, facts).await,
            Self::Activate { tenant } => {
                let (version, difference) = idp::activate(admin, &tenant).await?;
                return Ok(format!("version {version} holds now\n{}", lines(&difference)));
            }
            Self::Discard { tenant } => {
                idp::discard(admin, &tenant).await?;
                return Ok("the draft is gone\n".to_owned());
            }
            Self::Diff { tenant } => tenant,
            Self::Add { name, tenant, metadata: None, metadata_url: None, changes, .. } => {
                idp::add_portal(admin, &tenant, &name, changes.into()).await?;
                tenant
            }
            Self::Add { name, tenant, metadata, metadata_url, entity_id, ca, changes } => {
                let document = document(context, metadata, metadata_url, &ca).await?;
                let document = one_entity(&document, Role::IdentityProvider, entity_id.as_deref())?;
                idp::add_external(admin, &tenant, &name, &document, changes.into()).await?;
                tenant
            }
            Self::Update { name, tenant, metadata, metadata_url, entity_id, ca } => {
                let document = document(context, metadata, metadata_url, &ca).await?;
                let document = one_entity(&document, Role::IdentityProvider, entity_id.as_deref())?;
                idp::set_metadata(admin, &tenant, &name, &document).await?;
                tenant
            }
            Self::Set { name, tenant, changes } => {
                idp::set(admin, &tenant, &name, changes.into()).await?;
                tenant
            }
            Self::Default { name, tenant } => {
                idp::make_default(admin, &tenant, &name).await?;
                tenant
            }
            Self::Remove { name, tenant } => {
                idp::remove(admin, &tenant, &name).await?;
                tenant
            }
            Self::Repository { keeper, tenant } => {
                let repository = match keeper {
                    Keeper::Hosted => Repository::Hosted,
                    Keeper::Synchronised => Repository::Synchronised,
                };
                idp::set_repository(admin, &tenant, repository).await?;
                tenant
            }
            Self::BringBack { version, tenant } => {
                idp::bring_back(admin, &tenant, version).await?;
                tenant
            }
        };
        let difference = idp::standing(admin, &tenant).await?.difference;
        if difference.is_empty() {
            return Ok("the draft changes nothing\n".to_owned());
        }
        Ok(format!("`countersign-portal idp activate --tenant {tenant}` will change:\n{}", lines(&difference)))
    }
}

/// The metadata that is given, or that is where it is said to be.
async fn document(
    context: &Context,
    file: Option<PathBuf>,
    url: Option<String>,
    ca: &CaFile,
) -> Result<Vec<u8>, CommandError> {
    if let Some(file) = file {
        return Ok(crate::files::read(&file)?);
    }
    let url = url.unwrap_or_default();
    Ok(Given::fetch(&context.admin, Right::Policy, (&client(ca)?, &url)).await?.document)
}

fn lines(difference: &[String]) -> String {
    difference.iter().map(|line| format!("{line}\n")).collect()
}

async fn list(context: &Context, tenant: &str, draft: bool, json: bool) -> Result<String, CommandError> {
    let standing = idp::standing(&context.admin, tenant).await?;
    let shown = match standing.draft {
        Some(prepared) if draft => prepared.providers,
        _ => standing.active,
    };
    if json {
        return Ok(super::json(&shown));
    }
    let on = |switch| if switch { "on" } else { "off" }.to_owned();
    let row = |one: &Provider| {
        [one.name.clone(), one.domains_text(), on(one.enabled), on(one.auto_provisioning), one.kind_text()]
    };
    let rows: Vec<_> = shown.list.iter().map(row).collect();
    let mut text = table(["IDENTITY PROVIDER", "DOMAINS", "STATUS", "AUTO-PROVISIONING", "IS"], &rows);
    if !standing.difference.is_empty() && !draft {
        text.push_str(&format!("\nnot activated yet:\n{}", lines(&standing.difference)));
    }
    Ok(text)
}

async fn service_provider(context: &Context, public_url: &str, facts: bool) -> Result<String, CommandError> {
    let cloud = Cloud::new(public_url)?;
    let mut keys = key::list(&context.admin).await?;
    keys.retain(|key| key.is_of_cloud(Purpose::Service, context.admin.now));
    let certificates: Vec<_> = keys.into_iter().map(|key| key.certificate).collect();
    if certificates.is_empty() {
        return Err(SigningError::Missing(Purpose::Service).into());
    }
    let text = |certificate: &Vec<u8>| base64::engine::general_purpose::STANDARD.encode(certificate);
    let lines: Vec<_> = certificates.iter().map(|one| format!("certificate  {}\n", text(one))).collect();
    if !facts {
        return Ok(external::service_provider(&cloud, certificates).to_xml() + "\n");
    }
    let (id, acs, format) = (cloud.sp_entity_id(), cloud.acs_url(), NameIdFormat::EmailAddress);
    Ok(format!(
        "metadata     {id}\nentity ID    {id}\nACS (POST)   {acs}\nname ID      {}\n{}",
        format.uri(),
        lines.concat()
    ))
}

async fn versions(context: &Context, tenant: &str) -> Result<String, CommandError> {
    let versions = idp::versions(&context.admin, tenant).await?;
    let row = |one: &crate::store::provider::Version| {
        [
            one.version.to_string(),
            one.activated_at.to_string(),
            one.activated_by.clone(),
            one.providers.list.len().to_string(),
        ]
    };
    let rows: Vec<_> = versions.iter().map(row).collect();
    Ok(table(["VERSION", "ACTIVATED", "BY", "PROVIDERS"], &rows))
}
