//! Service providers: who may receive assertions, and where.

use saml::name::EntityId;
use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::{Columns, json_text};
use super::{StoreError, as_text, doing};
use crate::service_settings::ServiceSettings;

/// A registered SAML service provider.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ServiceProvider {
    /// Its entity ID.
    #[serde(serialize_with = "as_text")]
    pub entity_id: EntityId,
    /// Whose people may use it.
    pub tenant_id: String,
    /// The assertion consumer service that Responses go to, and the only one.
    pub acs_url: String,
    /// Its metadata as it was given.
    #[serde(skip)]
    pub metadata: String,
    /// When it was registered.
    #[serde(serialize_with = "as_text")]
    pub created_at: UtcTime,
    /// Where its metadata came from, if it was fetched.
    pub metadata_url: Option<String>,
    /// Who may open it, and what it is told about them.
    pub settings: ServiceSettings,
}

impl ServiceProvider {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "service_provider", row };
        Ok(Self {
            entity_id: columns.parsed("entity_id")?,
            tenant_id: columns.text("tenant_id")?,
            acs_url: columns.text("acs_url")?,
            metadata: columns.text("metadata")?,
            created_at: columns.time("created_at")?,
            metadata_url: columns.optional_text("metadata_url")?,
            settings: columns.json("settings")?,
        })
    }
}

/// Whether assertions may be sent to `url`: over TLS, or to this machine itself, which nothing leaves.
#[must_use]
pub fn may_receive(url: &str) -> bool {
    crate::web_address::is_https_or_here(url)
}

/// Adds `service`.
///
/// # Errors
/// A [`StoreError::Statement`] that [`StoreError::is_duplicate`] where the tenant has registered the entity ID already.
pub async fn insert(connection: &mut AnyConnection, service: &ServiceProvider) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO service_provider (entity_id, tenant_id, acs_url, metadata, created_at, metadata_url, settings)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(service.entity_id.as_str())
    .bind(&service.tenant_id)
    .bind(&service.acs_url)
    .bind(&service.metadata)
    .bind(service.created_at.unix_millis())
    .bind(&service.metadata_url)
    .bind(json_text(&service.settings))
    .execute(connection)
    .await
    .map_err(doing("register the service"))?;
    Ok(())
}

/// Writes metadata, its consequences and the settings of `service`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn update(connection: &mut AnyConnection, service: &ServiceProvider) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE service_provider SET acs_url = $3, metadata = $4, metadata_url = $5, settings = $6
         WHERE tenant_id = $1 AND entity_id = $2",
    )
    .bind(&service.tenant_id)
    .bind(service.entity_id.as_str())
    .bind(&service.acs_url)
    .bind(&service.metadata)
    .bind(&service.metadata_url)
    .bind(json_text(&service.settings))
    .execute(connection)
    .await
    .map_err(doing("change the service"))?;
    Ok(())
}

/// Removes the tenant's service; says whether it was there.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete(connection: &mut AnyConnection, tenant_id: &str, entity_id: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM service_provider WHERE tenant_id = $1 AND entity_id = $2")
        .bind(tenant_id)
        .bind(entity_id)
        .execute(connection)
        .await;
    Ok(done.map_err(doing("remove the service"))?.rows_affected() > 0)
}

/// The tenant's service with that entity ID.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_entity_id(
    connection: &mut AnyConnection,
    tenant_id: &str,
    entity_id: &str,
) -> Result<Option<ServiceProvider>, StoreError> {
    let row = sqlx::query("SELECT * FROM service_provider WHERE tenant_id = $1 AND entity_id = $2")
        .bind(tenant_id)
        .bind(entity_id)
        .fetch_optional(connection)
        .await;
    row.map_err(doing("look the service up"))?.as_ref().map(ServiceProvider::from_row).transpose()
}

/// The service with that entity ID of a tenant that the cloud's shared issuer vouches for; among those it is the only one.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn shared(connection: &mut AnyConnection, entity_id: &str) -> Result<Option<ServiceProvider>, StoreError> {
    let row = sqlx::query(
        "SELECT service_provider.* FROM service_provider JOIN tenant ON tenant.id = service_provider.tenant_id
         WHERE service_provider.entity_id = $1 AND tenant.issuer = 'shared'
         ORDER BY service_provider.created_at LIMIT 1",
    )
    .bind(entity_id)
    .fetch_optional(connection)
    .await;
    row.map_err(doing("look the service up"))?.as_ref().map(ServiceProvider::from_row).transpose()
}

/// The services with that entity ID, of any tenant, the oldest first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn all_of(connection: &mut AnyConnection, entity_id: &str) -> Result<Vec<ServiceProvider>, StoreError> {
    let rows = sqlx::query("SELECT * FROM service_provider WHERE entity_id = $1 ORDER BY created_at, tenant_id")
        .bind(entity_id)
        .fetch_all(connection)
        .await;
    rows.map_err(doing("look the service up"))?.iter().map(ServiceProvider::from_row).collect()
}

/// The services of a tenant by entity ID, the first `most` of them.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn of_tenant(
    connection: &mut AnyConnection,
    tenant_id: &str,
    most: i64,
) -> Result<Vec<ServiceProvider>, StoreError> {
    let rows = sqlx::query("SELECT * FROM service_provider WHERE tenant_id = $1 ORDER BY entity_id LIMIT $2")
        .bind(tenant_id)
        .bind(most)
        .fetch_all(connection)
        .await;
    rows.map_err(doing("list the tenant's services"))?.iter().map(ServiceProvider::from_row).collect()
}

/// All services by entity ID.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn list(connection: &mut AnyConnection) -> Result<Vec<ServiceProvider>, StoreError> {
    let rows = sqlx::query("SELECT * FROM service_provider ORDER BY entity_id, tenant_id").fetch_all(connection).await;
    rows.map_err(doing("list the services"))?.iter().map(ServiceProvider::from_row).collect()
}
