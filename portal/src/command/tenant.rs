//! `countersign-portal tenant`: the customers of the cloud and their settings for sign-on.

use clap::{Subcommand, ValueEnum};
use saml::device::EvidenceGrade;

use super::{CommandError, Context};
use crate::admin;
use crate::grade;
use crate::store::issuer::Issuer;
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
    /// The least grade that signs somebody in: how far the portal itself has checked who they are.
    #[arg(long, value_name = "GRADE")]
    minimum_evidence: Option<Grade>,
    /// The least kind of the claim that a device may make about its person. It is the device's word: root on the device can write any.
    #[arg(long, value_name = "KIND")]
    minimum_claim: Option<Claim>,
    /// Whether a device's claim is enough for somebody the tenant knows and who has not signed on from the device before. On: root on any
    /// device whose claims are believed can sign in as any of them.
    #[arg(long, value_name = "ON|OFF")]
    known_by_claim: Option<Switch>,
    /// For how many days somebody who has proved who they are on a device is signed in there silently.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=3650))]
    proof_days: Option<u16>,
    /// Another identity provider of the tenant at which people may prove who they are; may be repeated; `none` for no one.
    #[arg(long = "prove-at", value_name = "IDP")]
    proof_idps: Vec<String>,
    /// How many devices one person may have.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    devices_per_user: Option<u16>,
    /// Life of an agent's own session, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(60..=604_800))]
    session_seconds: Option<u32>,
    /// Which issuer vouches for its people towards services: `own`, or the cloud's `shared` one. Says what services have to be given, and changes
    /// nothing before `--services-know` is given too.
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<IssuerGiven>,
    /// The tenant's services have the metadata of that issuer: change it now.
    #[arg(long, requires = "issuer")]
    services_know: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum IssuerGiven {
    /// The tenant's own, with keys and metadata of its own.
    Own,
    /// The cloud's, which tenants share that are older than their own.
    Shared,
}

impl From<IssuerGiven> for Issuer {
    fn from(given: IssuerGiven) -> Self {
        match given {
            IssuerGiven::Own => Self::Own,
            IssuerGiven::Shared => Self::Shared,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// How far the portal itself has checked who somebody is.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Grade {
    /// The device's word is enough: root on a device can name anybody the device may sign in.
    Claimed,
    /// An administrator has assigned the device to the person.
    Assigned,
    /// The person has proved who they are once, for the device and their account on it.
    Proved,
    /// The directory or another identity provider vouches for the person in the request itself.
    Verified,
}

impl From<Grade> for grade::Grade {
    fn from(given: Grade) -> Self {
        match given {
            Grade::Claimed => Self::Claimed,
            Grade::Assigned => Self::Assigned,
            Grade::Proved => Self::Proved,
            Grade::Verified => Self::Verified,
        }
    }
}

/// What a device claims about its person's account.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Claim {
    /// A local account.
    Local,
    /// The device's management has named the person.
    Managed,
    /// The account is a directory's, and the device is joined to it.
    Directory,
}

impl From<Claim> for EvidenceGrade {
    fn from(given: Claim) -> Self {
        match given {
            Claim::Local => Self::Local,
            Claim::Managed => Self::Managed,
            Claim::Directory => Self::Directory,
        }
    }
}

impl Tenant {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::Create { name } => {
                let made = admin::tenant::create(&context.admin, &name).await?;
                admin::key::create_missing_of_tenants(&context.admin, &context.keys_dir(), |row| row.id == made.id)
                    .await?;
                Ok(format!("made the tenant {name}\n"))
            }
            Self::List { json } => list(context, json).await,
            Self::Set { name, settings } => {
                if let Some(said) = announced(context, &name, &settings).await? {
                    return Ok(said);
                }
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
            minimum_evidence: given.minimum_evidence.map(Into::into),
            minimum_claim: given.minimum_claim.map(Into::into),
            known_by_claim: on(given.known_by_claim),
            proof_days: given.proof_days,
            proof_idps: Some(given.proof_idps)
                .filter(|names| !names.is_empty())
                .map(|names| names.into_iter().filter(|name| name != "none").collect()),
            devices_per_user: given.devices_per_user,
            session_seconds: given.session_seconds,
            issuer: given.issuer.map(Issuer::from),
        }
    }
}

/// What another issuer asks of the tenant's services, where nobody has said yet that they know; then nothing is changed.
async fn announced(context: &Context, name: &str, settings: &Settings) -> Result<Option<String>, CommandError> {
    let Some(wanted) = settings.issuer.map(Issuer::from).filter(|_| !settings.services_know) else { return Ok(None) };
    let tenant = admin::tenant::named(&context.admin, name).await?;
    let services = admin::service::of_tenant(&context.admin, name).await?;
    if tenant.issuer == wanted || services.is_empty() {
        return Ok(None);
    }
    let path = match wanted {
        Issuer::Own => format!("{}{}/metadata", saml::device::TENANTS_PATH, tenant.id),
        Issuer::Shared => "/saml/metadata".to_owned(),
    };
    let listed: String = services.iter().map(|service| format!("  {}\n", service.entity_id)).collect();
    Ok(Some(format!(
        "nothing is changed yet\n\
         With the {wanted} issuer these services take no more assertions before they have its metadata, at `{path}` of the portal's address:\n\
         {listed}\
         It answers there already: give it to each of them, update the agents, then say\n  \
         countersign-portal tenant set {name} --issuer {wanted} --services-know\n"
    )))
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
            if tenant.known_by_claim { "by claim" } else { "by proof" }.to_owned(),
            tenant.devices_per_user.to_string(),
            format!("{} s", tenant.session_seconds),
            tenant.issuer.to_string(),
        ]
    };
    let rows: Vec<_> = tenants.iter().map(row).collect();
    Ok(table(
        [
            "TENANT",
            "SIGN-ON",
            "AUTO-PROVISIONING",
            "LEAST GRADE",
            "KNOWN USER, NEW DEVICE",
            "DEVICES PER USER",
            "SESSION",
            "ISSUER",
        ],
        &rows,
    ))
}
