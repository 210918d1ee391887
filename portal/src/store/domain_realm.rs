//! Which directories (Kerberos realms, UPN suffixes) speak for a user domain, and which of them a person is of.

use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::{StoreError, as_text, doing};

/// A realm that speaks for a user domain.
#[derive(Clone, Debug, serde::Serialize)]
pub struct DomainRealm {
    /// The part behind the `@`, lower case.
    pub domain: String,
    /// The realm, lower case.
    pub realm: String,
    /// `claim`: learnt at the first sign-on; `administrator`: set.
    pub origin: String,
    /// Since when it is there.
    #[serde(serialize_with = "as_text")]
    pub created_at: UtcTime,
}

impl DomainRealm {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "domain_realm", row };
        Ok(Self {
            domain: columns.text("domain")?,
            realm: columns.text("realm")?,
            origin: columns.text("origin")?,
            created_at: columns.time("created_at")?,
        })
    }
}

/// Adds a realm; says whether it is new.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn insert(connection: &mut AnyConnection, row: &DomainRealm) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO domain_realm (domain, realm, origin, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (domain, realm) DO NOTHING",
    )
    .bind(&row.domain)
    .bind(&row.realm)
    .bind(&row.origin)
    .bind(row.created_at.unix_millis())
    .execute(connection)
    .await
    .map_err(doing("add the realm"))?;
    Ok(done.rows_affected() > 0)
}

/// The realms of a domain, by name.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn of_domain(connection: &mut AnyConnection, domain: &str) -> Result<Vec<DomainRealm>, StoreError> {
    let rows = sqlx::query("SELECT * FROM domain_realm WHERE domain = $1 ORDER BY realm").bind(domain);
    let rows = rows.fetch_all(connection).await.map_err(doing("list the realms"))?;
    rows.iter().map(DomainRealm::from_row).collect()
}

/// Takes a realm away from a domain, and lets go of the people that it had; says whether it was there.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete(connection: &mut AnyConnection, domain: &str, realm: &str) -> Result<bool, StoreError> {
    sqlx::query("DELETE FROM person_realm WHERE realm = $2 AND name_id LIKE '%@' || $1")
        .bind(domain)
        .bind(realm)
        .execute(&mut *connection)
        .await
        .map_err(doing("let go of the realm's people"))?;
    let done = sqlx::query("DELETE FROM domain_realm WHERE domain = $1 AND realm = $2").bind(domain).bind(realm);
    Ok(done.execute(connection).await.map_err(doing("remove the realm"))?.rows_affected() > 0)
}

/// Forgets all realms of a domain that has gone, and of its people.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget_domain(connection: &mut AnyConnection, domain: &str) -> Result<(), StoreError> {
    for statement in
        ["DELETE FROM person_realm WHERE name_id LIKE '%@' || $1", "DELETE FROM domain_realm WHERE domain = $1"]
    {
        let done = sqlx::query(statement).bind(domain).execute(&mut *connection).await;
        done.map_err(doing("forget the realms of the domain"))?;
    }
    Ok(())
}

/// The realm that the person is of; the first one asked about becomes it.
///
/// # Errors
/// [`StoreError::Statement`], [`StoreError::Unreadable`].
pub async fn of_person(
    connection: &mut AnyConnection,
    name_id: &str,
    realm: &str,
    now: UtcTime,
) -> Result<String, StoreError> {
    sqlx::query(
        "INSERT INTO person_realm (name_id, realm, created_at) VALUES ($1, $2, $3) ON CONFLICT (name_id) DO NOTHING",
    )
    .bind(name_id)
    .bind(realm)
    .bind(now.unix_millis())
    .execute(&mut *connection)
    .await
    .map_err(doing("keep the person's realm"))?;
    let row = sqlx::query("SELECT * FROM person_realm WHERE name_id = $1").bind(name_id).fetch_one(connection).await;
    let row = row.map_err(doing("look the person's realm up"))?;
    Columns { table: "person_realm", row: &row }.text("realm")
}

/// Has the person's realm under the name that they have from now on.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn rename_person(connection: &mut AnyConnection, before: &str, after: &str) -> Result<(), StoreError> {
    let forget = sqlx::query("DELETE FROM person_realm WHERE name_id = $1").bind(after);
    forget.execute(&mut *connection).await.map_err(doing("rename the person's realm"))?;
    let rename = sqlx::query("UPDATE person_realm SET name_id = $2 WHERE name_id = $1").bind(before).bind(after);
    rename.execute(connection).await.map_err(doing("rename the person's realm"))?;
    Ok(())
}
