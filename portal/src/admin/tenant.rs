//! Tenants: the customers of the cloud and what each has decided about sign-on.

use saml::device::EvidenceGrade;
use serde_json::json;

use super::{Admin, AdminError, Done, Noun};
use crate::identity_provider::Providers;
use crate::policy::Policy;
use crate::random;
use crate::store::tenant::{self, Tenant};

/// What a tenant changes; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether the portal signs this tenant's people in at all.
    pub idp_enabled: Option<bool>,
    /// Whether somebody new is provisioned at their first sign-on.
    pub auto_provisioning: Option<bool>,
    /// The least evidence of who the person is that signs them in.
    pub minimum_evidence: Option<EvidenceGrade>,
    /// How many devices one person may have, 1 to 65,535.
    pub devices_per_user: Option<u16>,
    /// Life of an agent's own session, in seconds, 60 to 604,800.
    pub session_seconds: Option<u32>,
}

/// Adds the tenant `name`, with settings that let its people sign on.
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
        minimum_evidence: EvidenceGrade::Local,
        devices_per_user: 16,
        session_seconds: 3600,
        policy: Policy::default(),
        providers: Providers::default(),
        provider_version: 0,
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
    let tenant = name.to_owned();
    admin
        .change("tenant.set", (Noun::Tenant, name), move |connection| {
            Box::pin(async move {
                let row = tenant::by_name(connection, &tenant).await?;
                let mut row = row.ok_or_else(|| AdminError::missing(Noun::Tenant, &tenant))?;
                apply(&mut row, &settings);
                tenant::update_settings(connection, &row).await?;
                Ok(Done { tenant_id: Some(row.id.clone()), detail: detail(&row), value: row })
            })
        })
        .await
}

fn apply(row: &mut Tenant, settings: &Settings) {
    row.idp_enabled = settings.idp_enabled.unwrap_or(row.idp_enabled);
    row.auto_provisioning = settings.auto_provisioning.unwrap_or(row.auto_provisioning);
    row.minimum_evidence = settings.minimum_evidence.unwrap_or(row.minimum_evidence);
    row.devices_per_user = settings.devices_per_user.map_or(row.devices_per_user, i64::from);
    row.session_seconds = settings.session_seconds.map_or(row.session_seconds, i64::from);
}

fn detail(row: &Tenant) -> serde_json::Value {
    json!({
        "idp": row.idp_enabled,
        "auto_provisioning": row.auto_provisioning,
        "minimum_evidence": row.minimum_evidence.to_string(),
        "devices_per_user": row.devices_per_user,
        "session_seconds": row.session_seconds,
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
