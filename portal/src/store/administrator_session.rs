//! Sessions of administrators in the pages. They are in the database so that every portal process knows them.

use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::{StoreError, doing};

/// Somebody who is signed in to the pages.
#[derive(Clone, Debug)]
pub struct Session {
    /// SHA-256 of what the cookie holds, hexadecimal.
    pub id: String,
    /// Who.
    pub administrator_id: String,
    /// What every form of theirs carries.
    pub form_token: String,
    /// When they signed in.
    pub created_at: UtcTime,
    /// When they were heard last, to the minute.
    pub last_seen_at: UtcTime,
    /// When it ends at the latest, where an assertion has said so.
    pub ends_at: Option<UtcTime>,
    /// The session that a device has opened for it, with which it ends.
    pub service_session: Option<String>,
}

impl Session {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "administrator_session", row };
        Ok(Self {
            id: columns.text("id")?,
            administrator_id: columns.text("administrator_id")?,
            form_token: columns.text("form_token")?,
            created_at: columns.time("created_at")?,
            last_seen_at: columns.time("last_seen_at")?,
            ends_at: columns.optional_time("ends_at")?,
            service_session: columns.optional_text("service_session")?,
        })
    }
}

/// Adds `session`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn insert(connection: &mut AnyConnection, session: &Session) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO administrator_session (id, administrator_id, form_token, created_at, last_seen_at, ends_at, service_session)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&session.id)
    .bind(&session.administrator_id)
    .bind(&session.form_token)
    .bind(session.created_at.unix_millis())
    .bind(session.last_seen_at.unix_millis())
    .bind(session.ends_at.map(UtcTime::unix_millis))
    .bind(&session.service_session)
    .execute(connection)
    .await
    .map_err(doing("begin the session"))?;
    Ok(())
}

/// The session with that id, whether or not it has ended.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<Session>, StoreError> {
    let row = sqlx::query("SELECT * FROM administrator_session WHERE id = $1").bind(id).fetch_optional(connection);
    row.await.map_err(doing("look the session up"))?.as_ref().map(Session::from_row).transpose()
}

/// Notes that the session was used at `now`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn touch(connection: &mut AnyConnection, id: &str, now: UtcTime) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE administrator_session SET last_seen_at = $2 WHERE id = $1").bind(id);
    done.bind(now.unix_millis()).execute(connection).await.map_err(doing("note the session's use"))?;
    Ok(())
}

/// Ends the session.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete(connection: &mut AnyConnection, id: &str) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM administrator_session WHERE id = $1").bind(id).execute(connection).await;
    done.map_err(doing("end the session"))?;
    Ok(())
}

/// Ends every session of the administrator; says how many.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete_of(connection: &mut AnyConnection, administrator_id: &str) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM administrator_session WHERE administrator_id = $1").bind(administrator_id);
    Ok(done.execute(connection).await.map_err(doing("end the sessions"))?.rows_affected())
}

/// Ends every session of the administrators that the identity provider `idp_id` may sign in.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete_of_idp(connection: &mut AnyConnection, idp_id: &str) -> Result<(), StoreError> {
    let done = sqlx::query(
        "DELETE FROM administrator_session
         WHERE administrator_id IN (SELECT id FROM administrator WHERE idp_id = $1)",
    );
    done.bind(idp_id).execute(connection).await.map_err(doing("end the sessions"))?;
    Ok(())
}

/// Forgets sessions that were heard last before `idle_since` or began before `begun_before`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget_ended(
    connection: &mut AnyConnection,
    idle_since: UtcTime,
    begun_before: UtcTime,
) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM administrator_session WHERE last_seen_at < $1 OR created_at < $2")
        .bind(idle_since.unix_millis())
        .bind(begun_before.unix_millis());
    Ok(done.execute(connection).await.map_err(doing("forget old sessions"))?.rows_affected())
}
