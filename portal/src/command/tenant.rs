//! `countersign-portal tenant`: the customers of the cloud and their settings for sign-on.

use clap::{Subcommand, ValueEnum};
use saml::device::EvidenceGrade;
use serde_json::json;

use super::{CommandError, Context};
use crate::random;
use crate::store::audit;
use crate::store::tenant::{self, Tenant as Row};
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
            Self::Create { name } => create(context, name).await,
            Self::List { json } => list(context, json).await,
            Self::Set { name, settings } => set(context, &name, &settings).await,
        }
    }
}

async fn create(context: &Context, name: String) -> Result<String, CommandError> {
    let row = Row {
        id: random::row_id()?,
        name: name.clone(),
        idp_enabled: true,
        auto_provisioning: true,
        minimum_evidence: EvidenceGrade::Local,
        devices_per_user: 16,
        session_seconds: 3600,
        created_at: context.now,
    };
    let entry = context.entry("tenant.create", &name, Some(row.id.clone()), json!({}));
    let written = context
        .store
        .write(move |connection| {
            Box::pin(async move {
                tenant::insert(connection, &row).await?;
                audit::append(connection, entry).await
            })
        })
        .await;
    match written {
        Err(error) if error.is_duplicate() => Err(CommandError::Duplicate { noun: "tenant", name }),
        written => Ok(written.map(|()| format!("made the tenant {name}\n"))?),
    }
}

async fn set(context: &Context, name: &str, settings: &Settings) -> Result<String, CommandError> {
    let mut row = context.tenant(name).await?;
    let on = |switch: Option<Switch>, before| switch.map_or(before, |switch| matches!(switch, Switch::On));
    row.idp_enabled = on(settings.idp, row.idp_enabled);
    row.auto_provisioning = on(settings.auto_provisioning, row.auto_provisioning);
    row.devices_per_user = settings.devices_per_user.map_or(row.devices_per_user, i64::from);
    row.session_seconds = settings.session_seconds.map_or(row.session_seconds, i64::from);
    row.minimum_evidence = match settings.minimum_evidence {
        Some(Grade::Local) => EvidenceGrade::Local,
        Some(Grade::Managed) => EvidenceGrade::Managed,
        Some(Grade::Directory) => EvidenceGrade::Directory,
        None => row.minimum_evidence,
    };
    let detail = json!({
        "idp": row.idp_enabled,
        "auto_provisioning": row.auto_provisioning,
        "minimum_evidence": row.minimum_evidence.to_string(),
        "devices_per_user": row.devices_per_user,
        "session_seconds": row.session_seconds,
    });
    let entry = context.entry("tenant.set", name, Some(row.id.clone()), detail);
    context
        .store
        .write(move |connection| {
            Box::pin(async move {
                tenant::update_settings(connection, &row).await?;
                audit::append(connection, entry).await
            })
        })
        .await?;
    Ok(format!("changed the tenant {name}\n"))
}

async fn list(context: &Context, json: bool) -> Result<String, CommandError> {
    let tenants = tenant::list(&mut *context.store.read().await?).await?;
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
