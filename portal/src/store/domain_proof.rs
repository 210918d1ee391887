//! Domains that a tenant's administrators have asked for and not proven yet.

use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::{StoreError, as_text, doing};

/// A domain with what proves it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct DomainProof {
    /// The domain.
    pub name: String,
    /// Who wants it.
    pub tenant_id: String,
    /// What the TXT record has to hold.
    pub value: String,
    /// When it was asked for.
    #[serde(serialize_with = "as_text")]
    pub created_at: UtcTime,
}

impl DomainProof {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "domain_proof", row };
        Ok(Self {
            name: columns.text("name")?,
            tenant_id: columns.text("tenant_id")?,
            value: columns.text("value")?,
            created_at: columns.time("created_at")?,
        })
    }
}

/// Adds `proof`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn insert(connection: &mut AnyConnection, proof: &DomainProof) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO domain_proof (tenant_id, name, value, created_at) VALUES ($1, $2, $3, $4)")
        .bind(&proof.tenant_id)
        .bind(&proof.name)
        .bind(&proof.value)
        .bind(proof.created_at.unix_millis())
        .execute(connection)
        .await
        .map_err(doing("keep what proves a domain"))?;
    Ok(())
}

/// Forgets what the tenant has to prove about `name`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete(connection: &mut AnyConnection, tenant_id: &str, name: &str) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM domain_proof WHERE tenant_id = $1 AND name = $2").bind(tenant_id).bind(name);
    done.execute(connection).await.map_err(doing("forget what proves a domain"))?;
    Ok(())
}

/// What the tenant has still to prove, by domain.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn of_tenant(connection: &mut AnyConnection, tenant_id: &str) -> Result<Vec<DomainProof>, StoreError> {
    let rows = sqlx::query("SELECT * FROM domain_proof WHERE tenant_id = $1 ORDER BY name").bind(tenant_id);
    let rows = rows.fetch_all(connection).await.map_err(doing("list what proves domains"))?;
    rows.iter().map(DomainProof::from_row).collect()
}
