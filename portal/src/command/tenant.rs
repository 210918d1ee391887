//! `countersign-portal tenant`: the customers of the cloud and their settings for sign-on.

use clap::{Subcommand, ValueEnum};
use saml::device::EvidenceGrade;

use super::{CommandError, Context};
use crate::admin;
use crate::store::tenant::Tenant as Row;
use crate::table::table;

#[derive(Debug, Subcommand)]
pub(super) enum Tenant {
    /// Add a tenant.
    Create {
        /// Its name, unique in this cloud.
        name: String,
    },
    /// Show the tenants and their settings.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change what a tenant has decided about sign-on; it holds from the next request on.
    Set {
        /// The tenant.
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(super) struct Settings {
    /// Whether the portal signs this tenant's people in at all.
    #[arg(long, value_name = "ON|OFF")]
    idp: Option<Switch>,
    /// Whether somebody new is provisioned at their first sign-on.
    #[arg(long, value_name = "ON|OFF")]
    auto_provisioning: Option<Switch>,
    /// The least evidence of who the person is that signs them in.
    #[arg(long, value_name = "GRADE")]
    minimum_evidence: Option<Grade>,
    /// How many devices one person may have.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    devices_per_user: Option<u16>,
    /// Life of an agent's own session, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(60..=604_800))]
    session_seconds: Option<u32>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Grade {
    /// The name of a local account is enough.
    Local,
    /// The device's management must name the person.
    Managed,
    /// A directory must name the person.
    Directory,
}

impl Tenant {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::Create { name } => {
                admin::tenant::create(&context.admin, &name).await?;
                Ok(format!("made the tenant {name}\n"))
            }
            Self::List { json } => list(context, json).await,
            Self::Set { name, settings } => {
                admin::tenant::set(&context.admin, &name, settings.into()).await?;
                Ok(format!("changed the tenant {name}\n"))
            }
        }
    }
}

impl From<Settings> for admin::tenant::Settings {
    fn from(given: Settings) -> Self {
        let on = |switch: Option<Switch>| switch.map(|switch| matches!(switch, Switch::On));
        Self {
            idp_enabled: on(given.idp),
            auto_provisioning: on(given.auto_provisioning),
            minimum_evidence: given.minimum_evidence.map(|grade| match grade {
                Grade::Local => EvidenceGrade::Local,
                Grade::Managed => EvidenceGrade::Managed,
                Grade::Directory => EvidenceGrade::Directory,
            }),
            devices_per_user: given.devices_per_user,
            session_seconds: given.session_seconds,
        }
    }
}

async fn list(context: &Context, json: bool) -> Result<String, CommandError> {
    let tenants = admin::tenant::list(&context.admin).await?;
    if json {
        return Ok(super::json(&tenants));
    }
    let on = |switch| if switch { "on" } else { "off" }.to_owned();
    let row = |tenant: &Row| {
        [
            tenant.name.clone(),
            on(tenant.idp_enabled),
            on(tenant.auto_provisioning),
            tenant.minimum_evidence.to_string(),
            tenant.devices_per_user.to_string(),
            format!("{} s", tenant.session_seconds),
        ]
    };
    let rows: Vec<_> = tenants.iter().map(row).collect();
    Ok(table(["TENANT", "SIGN-ON", "AUTO-PROVISIONING", "LEAST EVIDENCE", "DEVICES PER USER", "SESSION"], &rows))
}
