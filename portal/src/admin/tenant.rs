//! Tenants: the customers of the cloud and what each has decided about sign-on.

use saml::device::EvidenceGrade;
use serde_json::json;
use sqlx::AnyConnection;

use super::{Admin, AdminError, Done, Noun};
use crate::grade::Grade;
use crate::identity_provider::{Kind, Provider, Providers};
use crate::policy::Policy;
use crate::random;
use crate::store::issuer::Issuer;
use crate::store::service_provider;
use crate::store::tenant::{self, Tenant};

/// What a tenant changes; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether the portal signs this tenant's people in at all.
    pub idp_enabled: Option<bool>,
    /// Whether somebody new is provisioned at their first sign-on.
    pub auto_provisioning: Option<bool>,
    /// The least grade that signs somebody in.
    pub minimum_evidence: Option<Grade>,
    /// The least kind of the claim that a device may make about its person.
    pub minimum_claim: Option<EvidenceGrade>,
    /// Whether a claim is enough to give somebody the tenant knows to a device on which they have not signed on before.
    pub known_by_claim: Option<bool>,
    /// For how many days a proof holds, 1 to 3,650.
    pub proof_days: Option<u16>,
    /// Names of the tenant's identity providers at which people may prove who they are.
    pub proof_idps: Option<Vec<String>>,
    /// How many devices one person may have, 1 to 65,535.
    pub devices_per_user: Option<u16>,
    /// Life of an agent's own session, in seconds, 60 to 604,800.
    pub session_seconds: Option<u32>,
    /// Which issuer vouches for its people towards services that have not asked another.
    pub issuer: Option<Issuer>,
}

/// Adds the tenant `name`, with settings that let its people sign on. The key of its issuer is made by
/// [`super::key::create_missing_of_tenants`].
///
/// # Errors
/// [`AdminError::Invalid`] where the name can't stand in an address, [`AdminError::Duplicate`].
pub async fn create(admin: &Admin, name: &str) -> Result<Tenant, AdminError> {
    let sound = (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && !name.starts_with('.');
    if !sound {
        let wanted = "a tenant's name: up to 63 letters, digits, `-`, `_` and `.`";
        return Err(AdminError::Invalid { field: "name", given: name.to_owned(), wanted });
    }
    let row = Tenant {
        id: random::row_id()?,
        name: name.to_owned(),
        idp_enabled: true,
        auto_provisioning: true,
        minimum_evidence: Grade::Claimed,
        minimum_claim: EvidenceGrade::Local,
        known_by_claim: false,
        proof_days: 90,
        proof_idps: Vec::new(),
        devices_per_user: 16,
        session_seconds: 3600,
        policy: Policy::default(),
        providers: Providers::default(),
        provider_version: 0,
        issuer: Issuer::Own,
        created_at: admin.now,
    };
    admin
        .change("tenant.create", (Noun::Tenant, name), move |connection| {
            Box::pin(async move {
                tenant::insert(connection, &row).await?;
                Ok(Done { tenant_id: Some(row.id.clone()), detail: json!({}), value: row })
            })
        })
        .await
}

/// Changes what the tenant `name` has decided; it holds from the next request on.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Invalid`].
pub async fn set(admin: &Admin, name: &str, settings: Settings) -> Result<Tenant, AdminError> {
    if let Some(seconds) = settings.session_seconds.filter(|seconds| !(60..=604_800).contains(seconds)) {
        let wanted = "the life of a session: 60 to 604800 seconds";
        return Err(AdminError::Invalid { field: "session_seconds", given: seconds.to_string(), wanted });
    }
    if settings.devices_per_user == Some(0) {
        let wanted = "a limit of devices: 1 at least";
        return Err(AdminError::Invalid { field: "devices_per_user", given: "0".to_owned(), wanted });
    }
    if let Some(days) = settings.proof_days.filter(|days| !(1..=3650).contains(days)) {
        let wanted = "for how long a proof holds: 1 to 3650 days";
        return Err(AdminError::Invalid { field: "proof_days", given: days.to_string(), wanted });
    }
    let (tenant, is_confined) = (name.to_owned(), admin.reach.is_some());
    admin
        .change("tenant.set", (Noun::Tenant, name), move |connection| {
            Box::pin(async move {
                let row = tenant::by_name(connection, &tenant).await?;
                let mut row = row.ok_or_else(|| AdminError::missing(Noun::Tenant, &tenant))?;
                check_proof_idps(&row, &settings)?;
                if settings.issuer == Some(Issuer::Shared) && row.issuer == Issuer::Own {
                    check_shared(connection, &row, is_confined).await?;
                }
                apply(&mut row, &settings);
                tenant::update_settings(connection, &row).await?;
                Ok(Done { tenant_id: Some(row.id.clone()), detail: detail(&row), value: row })
            })
        })
        .await
}

/// People prove who they are at identity providers that the tenant has recorded and activated.
fn check_proof_idps(row: &Tenant, settings: &Settings) -> Result<(), AdminError> {
    let is_external = |name: &String| {
        let external = |one: &&Provider| matches!(one.kind, Kind::External { .. });
        row.providers.list.iter().filter(external).any(|one| one.name == *name)
    };
    match settings.proof_idps.iter().flatten().find(|name| !is_external(name)) {
        Some(name) => {
            let wanted = "another identity provider of the tenant: `idp list` shows them, `idp activate` lets one hold";
            Err(AdminError::Invalid { field: "proof_idps", given: name.clone(), wanted })
        }
        None => Ok(()),
    }
}

/// A tenant goes back to the issuer that others share only where none of its services has the name of one of theirs.
async fn check_shared(connection: &mut AnyConnection, row: &Tenant, is_confined: bool) -> Result<(), AdminError> {
    let refused = |wanted| AdminError::Invalid { field: "issuer", given: "shared".to_owned(), wanted };
    if is_confined {
        return Err(refused("`own`: only owners of the whole cloud take a tenant back to the shared issuer"));
    }
    for service in service_provider::of_tenant(connection, &row.id, i64::MAX).await? {
        if service_provider::shared(connection, service.entity_id.as_str()).await?.is_some() {
            return Err(refused("`own`: a tenant with the shared issuer has a service of the same entity ID"));
        }
    }
    Ok(())
}

fn apply(row: &mut Tenant, settings: &Settings) {
    row.idp_enabled = settings.idp_enabled.unwrap_or(row.idp_enabled);
    row.auto_provisioning = settings.auto_provisioning.unwrap_or(row.auto_provisioning);
    row.minimum_evidence = settings.minimum_evidence.unwrap_or(row.minimum_evidence);
    row.minimum_claim = settings.minimum_claim.unwrap_or(row.minimum_claim);
    row.known_by_claim = settings.known_by_claim.unwrap_or(row.known_by_claim);
    row.proof_days = settings.proof_days.map_or(row.proof_days, i64::from);
    if let Some(names) = &settings.proof_idps {
        row.proof_idps.clone_from(names);
    }
    row.devices_per_user = settings.devices_per_user.map_or(row.devices_per_user, i64::from);
    row.session_seconds = settings.session_seconds.map_or(row.session_seconds, i64::from);
    row.issuer = settings.issuer.unwrap_or(row.issuer);
}

fn detail(row: &Tenant) -> serde_json::Value {
    json!({
        "idp": row.idp_enabled,
        "auto_provisioning": row.auto_provisioning,
        "minimum_evidence": row.minimum_evidence.to_string(),
        "minimum_claim": row.minimum_claim.to_string(),
        "known_by_claim": row.known_by_claim,
        "proof_days": row.proof_days,
        "proof_idps": row.proof_idps,
        "devices_per_user": row.devices_per_user,
        "session_seconds": row.session_seconds,
        "issuer": row.issuer.to_string(),
    })
}

/// The tenant `name`.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn named(admin: &Admin, name: &str) -> Result<Tenant, AdminError> {
    let row = tenant::by_name(&mut *admin.store.read().await?, name).await?;
    admin.within(row, |tenant| &tenant.id, Noun::Tenant, name)
}

/// The tenants in reach, by name.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn list(admin: &Admin) -> Result<Vec<Tenant>, AdminError> {
    let mut tenants = tenant::list(&mut *admin.store.read().await?).await?;
    tenants.retain(|tenant| admin.reach.as_deref().is_none_or(|reach| reach == tenant.id));
    Ok(tenants)
}
