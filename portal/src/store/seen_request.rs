//! Request IDs that have been believed: the memory that makes a second use of a request a replay.

use saml::name::{EntityId, MessageId};
use saml::time::UtcTime;
use sqlx::AnyConnection;

use super::{StoreError, doing};

/// Remembers the request until `expires_at`; says whether it is new.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn remember(
    connection: &mut AnyConnection,
    issuer: &EntityId,
    request: &MessageId,
    expires_at: UtcTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO seen_request (issuer, request_id, expires_at) VALUES ($1, $2, $3) ON CONFLICT (issuer, request_id) DO NOTHING",
    )
    .bind(issuer.as_str())
    .bind(request.as_str())
    .bind(expires_at.unix_millis())
    .execute(connection)
    .await;
    Ok(done.map_err(doing("remember the request"))?.rows_affected() == 1)
}

/// Forgets requests that would be refused for their age by now; says how many.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget_expired(connection: &mut AnyConnection, now: UtcTime) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM seen_request WHERE expires_at < $1").bind(now.unix_millis());
    Ok(done.execute(connection).await.map_err(doing("forget old requests"))?.rows_affected())
}
