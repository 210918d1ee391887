//! Requests of the portal's own to other identity providers, until one answers, and which of them a browser has used last.

use saml::name::{EntityId, MessageId};
use saml::time::UtcTime;
use sqlx::AnyConnection;

use super::columns::Columns;
use super::{StoreError, doing};

/// A browser that was sent to another identity provider.
#[derive(Clone, Debug)]
pub struct ExternalSignOn {
    /// The ID of the portal's request, which the Response has to answer.
    pub id: MessageId,
    /// The sign-on that a service has begun.
    pub sign_on: MessageId,
    /// Whose service it is.
    pub tenant_id: String,
    /// What the tenant calls the identity provider.
    pub provider: String,
    /// Its entity ID.
    pub entity_id: EntityId,
    /// The service.
    pub service: EntityId,
    /// The browser that was sent on.
    pub browser_id: String,
    /// The question that the answer is a proof for; none: it is for the service.
    pub proof_request: Option<String>,
    /// When it was sent on.
    pub created_at: UtcTime,
    /// When the answer came.
    pub used_at: Option<UtcTime>,
}

/// Keeps a request that is about to be sent.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn insert(connection: &mut AnyConnection, row: &ExternalSignOn) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO external_sign_on (id, sign_on, tenant_id, provider, entity_id, service, browser_id, created_at, proof_request)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(row.id.as_str())
    .bind(row.sign_on.as_str())
    .bind(&row.tenant_id)
    .bind(&row.provider)
    .bind(row.entity_id.as_str())
    .bind(row.service.as_str())
    .bind(&row.browser_id)
    .bind(row.created_at.unix_millis())
    .bind(row.proof_request.as_deref())
    .execute(connection)
    .await
    .map_err(doing("keep a request to another identity provider"))?;
    Ok(())
}

/// The request with that ID.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<ExternalSignOn>, StoreError> {
    let row = sqlx::query("SELECT * FROM external_sign_on WHERE id = $1").bind(id).fetch_optional(connection).await;
    let row = row.map_err(doing("look a request to another identity provider up"))?;
    let read = |row| {
        let columns = Columns { table: "external_sign_on", row };
        Ok(ExternalSignOn {
            id: columns.parsed("id")?,
            sign_on: columns.parsed("sign_on")?,
            tenant_id: columns.text("tenant_id")?,
            provider: columns.text("provider")?,
            entity_id: columns.parsed("entity_id")?,
            service: columns.parsed("service")?,
            browser_id: columns.text("browser_id")?,
            proof_request: columns.optional_text("proof_request")?,
            created_at: columns.time("created_at")?,
            used_at: columns.optional_time("used_at")?,
        })
    };
    row.as_ref().map(read).transpose()
}

/// Marks the request as answered; says whether this was the first time.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn use_up(connection: &mut AnyConnection, id: &MessageId, now: UtcTime) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE external_sign_on SET used_at = $2 WHERE id = $1 AND used_at IS NULL")
        .bind(id.as_str())
        .bind(now.unix_millis())
        .execute(connection)
        .await;
    Ok(done.map_err(doing("use a request to another identity provider up"))?.rows_affected() == 1)
}

/// The services for which the browser was sent to the identity provider `entity_id` since `since`, and which no answer has ended: each time
/// with its instant.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn unanswered(
    connection: &mut AnyConnection,
    (browser, entity_id): (&str, &str),
    since: UtcTime,
) -> Result<Vec<(String, UtcTime)>, StoreError> {
    let rows = sqlx::query(
        "SELECT service, created_at FROM external_sign_on
         WHERE browser_id = $1 AND entity_id = $2 AND created_at >= $3 AND used_at IS NULL",
    )
    .bind(browser)
    .bind(entity_id)
    .bind(since.unix_millis())
    .fetch_all(connection)
    .await
    .map_err(doing("look for a circle of identity providers"))?;
    let read = |row| {
        let columns = Columns { table: "external_sign_on", row };
        Ok((columns.text("service")?, columns.time("created_at")?))
    };
    rows.iter().map(read).collect()
}

/// Forgets requests that were sent before `before`, and browsers' choices that were not used since `seen`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget_before(connection: &mut AnyConnection, before: UtcTime, seen: UtcTime) -> Result<(), StoreError> {
    let sent = sqlx::query("DELETE FROM external_sign_on WHERE created_at < $1").bind(before.unix_millis());
    sent.execute(&mut *connection).await.map_err(doing("forget requests to other identity providers"))?;
    let chosen = sqlx::query("DELETE FROM browser_provider WHERE seen_at < $1").bind(seen.unix_millis());
    chosen.execute(connection).await.map_err(doing("forget which identity providers browsers have used"))?;
    Ok(())
}

/// The identity provider that has signed somebody of the tenant in in this browser last.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn remembered(
    connection: &mut AnyConnection,
    (browser, tenant_id): (&str, &str),
) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT provider FROM browser_provider WHERE browser_id = $1 AND tenant_id = $2")
        .bind(browser)
        .bind(tenant_id)
        .fetch_optional(connection)
        .await
        .map_err(doing("look up which identity provider a browser has used"))?;
    row.as_ref().map(|row| Columns { table: "browser_provider", row }.text("provider")).transpose()
}

/// Remembers that `provider` has signed somebody of the tenant in in this browser.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn remember(
    connection: &mut AnyConnection,
    (browser, tenant_id): (&str, &str),
    provider: &str,
    now: UtcTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO browser_provider (browser_id, tenant_id, provider, seen_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (browser_id, tenant_id) DO UPDATE SET provider = excluded.provider, seen_at = excluded.seen_at",
    )
    .bind(browser)
    .bind(tenant_id)
    .bind(provider)
    .bind(now.unix_millis())
    .execute(connection)
    .await
    .map_err(doing("remember which identity provider a browser has used"))?;
    Ok(())
}

/// Forgets which identity providers the browser has used.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget_choice(connection: &mut AnyConnection, browser: &str) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM browser_provider WHERE browser_id = $1").bind(browser).execute(connection);
    done.await.map_err(doing("forget which identity providers a browser has used"))?;
    Ok(())
}
