//! Tenants: the customers of one cloud, and what each has decided.

use saml::device::EvidenceGrade;
use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::grade::Grade;
use crate::identity_provider::Providers;
use crate::policy::Policy;

use super::columns::{Columns, json_text};
use super::issuer::Issuer;
use super::{StoreError, as_text, doing};

/// A customer of the cloud, with its settings for sign-on.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Tenant {
    /// Random, stable.
    pub id: String,
    /// Chosen by the administrator, unique in the cloud.
    pub name: String,
    /// Whether the portal signs anybody of this tenant in.
    pub idp_enabled: bool,
    /// Whether a person that the portal has not met is created at the first sign-on.
    pub auto_provisioning: bool,
    /// The least grade that signs somebody in.
    #[serde(serialize_with = "as_text")]
    pub minimum_evidence: Grade,
    /// The least kind of a claim that a device may make about its person.
    #[serde(serialize_with = "as_text")]
    pub minimum_claim: EvidenceGrade,
    /// Whether a claim is enough to give somebody the tenant knows to a device on which they have not signed on before.
    pub known_by_claim: bool,
    /// For how many days a proof holds.
    pub proof_days: i64,
    /// The tenant's names of the identity providers at which people may prove who they are.
    pub proof_idps: Vec<String>,
    /// Registered devices that one person may have.
    pub devices_per_user: i64,
    /// Life of the agent's own session, in seconds.
    pub session_seconds: i64,
    /// What it demands of people and devices.
    pub policy: Policy,
    /// Who answers for which of its people; changed by activating a draft only.
    #[serde(skip)]
    pub providers: Providers,
    /// How many drafts were activated.
    pub provider_version: i64,
    /// Which issuer vouches for its people towards services that have not asked another.
    #[serde(serialize_with = "as_text")]
    pub issuer: Issuer,
    /// When it was made.
    #[serde(serialize_with = "as_text")]
    pub created_at: UtcTime,
}

impl Tenant {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "tenant", row };
        Ok(Self {
            id: columns.text("id")?,
            name: columns.text("name")?,
            idp_enabled: columns.flag("idp_enabled")?,
            auto_provisioning: columns.flag("auto_provisioning")?,
            minimum_evidence: columns.parsed("minimum_evidence")?,
            minimum_claim: columns.parsed("minimum_claim")?,
            known_by_claim: columns.flag("known_by_claim")?,
            proof_days: columns.integer("proof_days")?,
            proof_idps: columns.json("proof_idps")?,
            devices_per_user: columns.integer("devices_per_user")?,
            session_seconds: columns.integer("session_seconds")?,
            policy: columns.json::<Policy>("policy")?.upgraded(),
            providers: columns.json("providers")?,
            provider_version: columns.integer("provider_version")?,
            issuer: columns.parsed("issuer")?,
            created_at: columns.time("created_at")?,
        })
    }
}

/// Adds `tenant`.
///
/// # Errors
/// A [`StoreError::Statement`] that [`StoreError::is_duplicate`] where the name is taken.
pub async fn insert(connection: &mut AnyConnection, tenant: &Tenant) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO tenant (id, name, idp_enabled, auto_provisioning, minimum_evidence, devices_per_user, session_seconds, created_at, policy,
             minimum_claim, known_by_claim, proof_days, proof_idps, issuer)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(&tenant.id)
    .bind(&tenant.name)
    .bind(i64::from(tenant.idp_enabled))
    .bind(i64::from(tenant.auto_provisioning))
    .bind(tenant.minimum_evidence.to_string())
    .bind(tenant.devices_per_user)
    .bind(tenant.session_seconds)
    .bind(tenant.created_at.unix_millis())
    .bind(json_text(&tenant.policy))
    .bind(tenant.minimum_claim.to_string())
    .bind(i64::from(tenant.known_by_claim))
    .bind(tenant.proof_days)
    .bind(json_text(&tenant.proof_idps))
    .bind(tenant.issuer.to_string())
    .execute(connection)
    .await
    .map_err(doing("add the tenant"))?;
    Ok(())
}

/// Writes the settings of `tenant` (not its name).
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn update_settings(connection: &mut AnyConnection, tenant: &Tenant) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE tenant SET idp_enabled = $2, auto_provisioning = $3, minimum_evidence = $4, devices_per_user = $5, session_seconds = $6, policy = $7,
             minimum_claim = $8, known_by_claim = $9, proof_days = $10, proof_idps = $11, issuer = $12
         WHERE id = $1",
    )
    .bind(&tenant.id)
    .bind(i64::from(tenant.idp_enabled))
    .bind(i64::from(tenant.auto_provisioning))
    .bind(tenant.minimum_evidence.to_string())
    .bind(tenant.devices_per_user)
    .bind(tenant.session_seconds)
    .bind(json_text(&tenant.policy))
    .bind(tenant.minimum_claim.to_string())
    .bind(i64::from(tenant.known_by_claim))
    .bind(tenant.proof_days)
    .bind(json_text(&tenant.proof_idps))
    .bind(tenant.issuer.to_string())
    .execute(connection)
    .await
    .map_err(doing("change the tenant"))?;
    Ok(())
}

/// The tenant of that name.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_name(connection: &mut AnyConnection, name: &str) -> Result<Option<Tenant>, StoreError> {
    let row = sqlx::query("SELECT * FROM tenant WHERE name = $1").bind(name).fetch_optional(connection).await;
    row.map_err(doing("look the tenant up"))?.as_ref().map(Tenant::from_row).transpose()
}

/// The tenant with that id.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<Tenant>, StoreError> {
    let row = sqlx::query("SELECT * FROM tenant WHERE id = $1").bind(id).fetch_optional(connection).await;
    row.map_err(doing("look the tenant up"))?.as_ref().map(Tenant::from_row).transpose()
}

/// All tenants by name.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn list(connection: &mut AnyConnection) -> Result<Vec<Tenant>, StoreError> {
    let rows = sqlx::query("SELECT * FROM tenant ORDER BY name").fetch_all(connection).await;
    rows.map_err(doing("list the tenants"))?.iter().map(Tenant::from_row).collect()
}
