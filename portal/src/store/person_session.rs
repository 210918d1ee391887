//! Sessions of people at their own page, and the requests to their device that begin one.

use saml::name::MessageId;
use saml::time::UtcTime;
use sqlx::AnyConnection;

use super::columns::Columns;
use super::{StoreError, doing};
use crate::grade::Grade;

/// A session of somebody at their own page. Who it is, and on which device, the session says that the device has opened.
#[derive(Clone, Debug)]
pub struct PersonSession {
    /// The SHA-256 of what the cookie holds.
    pub id: String,
    /// Whose person it is.
    pub tenant_id: String,
    /// How far the portal had checked who they are.
    pub grade: Grade,
    /// What every form of the session carries.
    pub form_token: String,
    /// When it began.
    pub created_at: UtcTime,
    /// When it ends at the latest.
    pub ends_at: UtcTime,
    /// The session that the device has opened, with which it ends.
    pub service_session: String,
}

/// A request of the page's own, to the device on which the browser runs.
#[derive(Clone, Debug)]
pub struct PersonSignOn {
    /// The request's ID, which the Response has to answer.
    pub id: MessageId,
    /// The tenant whose devices may answer.
    pub tenant_id: String,
    /// The SHA-256 of what the browser's cookie holds.
    pub browser: String,
    /// When it was made.
    pub created_at: UtcTime,
    /// When it was answered.
    pub used_at: Option<UtcTime>,
}

/// Keeps a session that has just begun.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn insert(connection: &mut AnyConnection, row: &PersonSession) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO person_session (id, tenant_id, grade, form_token, created_at, ends_at, service_session)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&row.id)
    .bind(&row.tenant_id)
    .bind(row.grade.as_str())
    .bind(&row.form_token)
    .bind(row.created_at.unix_millis())
    .bind(row.ends_at.unix_millis())
    .bind(&row.service_session)
    .execute(connection)
    .await
    .map_err(doing("begin a person's session"))?;
    Ok(())
}

/// The session with that id.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<PersonSession>, StoreError> {
    let row = sqlx::query("SELECT * FROM person_session WHERE id = $1").bind(id).fetch_optional(connection).await;
    let row = row.map_err(doing("look a person's session up"))?;
    let read = |row| {
        let columns = Columns { table: "person_session", row };
        Ok(PersonSession {
            id: columns.text("id")?,
            tenant_id: columns.text("tenant_id")?,
            grade: columns.parsed("grade")?,
            form_token: columns.text("form_token")?,
            created_at: columns.time("created_at")?,
            ends_at: columns.time("ends_at")?,
            service_session: columns.text("service_session")?,
        })
    };
    row.as_ref().map(read).transpose()
}

/// Ends the session.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete(connection: &mut AnyConnection, id: &str) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM person_session WHERE id = $1").bind(id).execute(connection).await;
    done.map_err(doing("end a person's session"))?;
    Ok(())
}

/// Keeps a request that is about to be sent.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn insert_sign_on(connection: &mut AnyConnection, row: &PersonSignOn) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO person_sign_on (id, tenant_id, browser, created_at) VALUES ($1, $2, $3, $4)")
        .bind(row.id.as_str())
        .bind(&row.tenant_id)
        .bind(&row.browser)
        .bind(row.created_at.unix_millis())
        .execute(connection)
        .await
        .map_err(doing("keep a request of a person's own page"))?;
    Ok(())
}

/// The request with that ID.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn sign_on(connection: &mut AnyConnection, id: &str) -> Result<Option<PersonSignOn>, StoreError> {
    let row = sqlx::query("SELECT * FROM person_sign_on WHERE id = $1").bind(id).fetch_optional(connection).await;
    let row = row.map_err(doing("look a request of a person's own page up"))?;
    let read = |row| {
        let columns = Columns { table: "person_sign_on", row };
        Ok(PersonSignOn {
            id: columns.parsed("id")?,
            tenant_id: columns.text("tenant_id")?,
            browser: columns.text("browser")?,
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
    let done = sqlx::query("UPDATE person_sign_on SET used_at = $2 WHERE id = $1 AND used_at IS NULL")
        .bind(id.as_str())
        .bind(now.unix_millis())
        .execute(connection)
        .await;
    Ok(done.map_err(doing("use a request of a person's own page up"))?.rows_affected() == 1)
}

/// Forgets requests that were made, and sessions that ended, before `before`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget_before(connection: &mut AnyConnection, before: UtcTime) -> Result<(), StoreError> {
    for statement in
        ["DELETE FROM person_sign_on WHERE created_at < $1", "DELETE FROM person_session WHERE ends_at < $1"]
    {
        let done = sqlx::query(statement).bind(before.unix_millis()).execute(&mut *connection).await;
        done.map_err(doing("forget people's sessions"))?;
    }
    Ok(())
}
