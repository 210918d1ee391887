//! Authentication domains: which tenant a user domain belongs to.

use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::{StoreError, as_text, doing, domain_realm};

/// A user domain and its tenant.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Domain {
    /// The part behind the `@`, lower case.
    pub name: String,
    /// Whose it is.
    pub tenant_id: String,
    /// When it was added.
    #[serde(serialize_with = "as_text")]
    pub created_at: UtcTime,
}

impl Domain {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "authentication_domain", row };
        Ok(Self {
            name: columns.text("name")?,
            tenant_id: columns.text("tenant_id")?,
            created_at: columns.time("created_at")?,
        })
    }
}

/// Adds `domain`.
///
/// # Errors
/// A [`StoreError::Statement`] that [`StoreError::is_duplicate`] where a tenant has it already.
pub async fn insert(connection: &mut AnyConnection, domain: &Domain) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO authentication_domain (name, tenant_id, created_at) VALUES ($1, $2, $3)")
        .bind(&domain.name)
        .bind(&domain.tenant_id)
        .bind(domain.created_at.unix_millis())
        .execute(connection)
        .await
        .map_err(doing("add the domain"))?;
    Ok(())
}

/// Takes the domain `name` away from its tenant; says whether it was there.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete(connection: &mut AnyConnection, name: &str) -> Result<bool, StoreError> {
    domain_realm::forget_domain(connection, name).await?;
    let done = sqlx::query("DELETE FROM authentication_domain WHERE name = $1").bind(name).execute(connection).await;
    Ok(done.map_err(doing("remove the domain"))?.rows_affected() > 0)
}

/// The domain `name`, if any tenant has it.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_name(connection: &mut AnyConnection, name: &str) -> Result<Option<Domain>, StoreError> {
    let row = sqlx::query("SELECT * FROM authentication_domain WHERE name = $1").bind(name).fetch_optional(connection);
    row.await.map_err(doing("look the domain up"))?.as_ref().map(Domain::from_row).transpose()
}

/// All domains by name.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn list(connection: &mut AnyConnection) -> Result<Vec<Domain>, StoreError> {
    let rows = sqlx::query("SELECT * FROM authentication_domain ORDER BY name").fetch_all(connection).await;
    rows.map_err(doing("list the domains"))?.iter().map(Domain::from_row).collect()
}
