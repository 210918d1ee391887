//! Sessions that assertions have opened at services, and which of them are to end there.

use saml::name::{EntityId, MessageId, NameId, NameIdFormat};
use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::issuer::Issuer;
use super::{StoreError, doing};

/// Why the sessions of somebody end who has signed out; every other reason is the administrator's.
pub const SIGNED_OUT: &str = "the person has signed out";

/// A session that an assertion has opened at a service.
#[derive(Clone, Debug)]
pub struct ServiceSession {
    /// The `SessionIndex`.
    pub id: MessageId,
    /// Whose service it is.
    pub tenant_id: String,
    /// The issuer of the assertion that has opened it.
    pub issuer: Issuer,
    /// The service.
    pub service: EntityId,
    /// The portal's name for the person.
    pub person: String,
    /// Who has vouched for the person: the device, as the portal calls it, or another identity provider.
    pub opened_by: EntityId,
    /// What the service was told.
    pub name_id: NameId,
    /// The browser in which it was opened, if it was one.
    pub browser_id: Option<String>,
    /// When it ends by itself.
    pub ends_at: UtcTime,
    /// Why it is to end before that.
    pub logout_why: Option<String>,
    /// How often the back channel was tried.
    pub tries: u32,
}

impl ServiceSession {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "service_session", row };
        let format = NameIdFormat::from_uri(&columns.text("name_format")?);
        Ok(Self {
            id: columns.parsed("id")?,
            tenant_id: columns.text("tenant_id")?,
            issuer: columns.parsed("issuer")?,
            service: columns.parsed("service")?,
            person: columns.text("person")?,
            opened_by: columns.parsed("opened_by")?,
            name_id: NameId { format, value: columns.text("name_id")? },
            browser_id: columns.optional_text("browser_id")?,
            ends_at: columns.time("ends_at")?,
            logout_why: columns.optional_text("logout_why")?,
            tries: u32::try_from(columns.integer("tries")?).unwrap_or_default(),
        })
    }
}

/// Keeps a session that an assertion is about to open.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn insert(connection: &mut AnyConnection, row: &ServiceSession) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO service_session (id, tenant_id, service, person, opened_by, name_id, name_format, browser_id, ends_at,
             issuer, next_try_at, tries)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0)",
    )
    .bind(row.id.as_str())
    .bind(&row.tenant_id)
    .bind(row.service.as_str())
    .bind(&row.person)
    .bind(row.opened_by.as_str())
    .bind(&row.name_id.value)
    .bind(row.name_id.format.uri())
    .bind(row.browser_id.as_deref())
    .bind(row.ends_at.unix_millis())
    .bind(row.issuer.to_string())
    .execute(connection)
    .await
    .map_err(doing("keep a service's session"))?;
    Ok(())
}

/// Whose sessions are to end.
#[derive(Clone, Copy, Debug)]
pub enum Ending<'a> {
    /// Everybody's on the device with this entity ID.
    Device(&'a str),
    /// The person's of this name, on every device.
    Person(&'a str),
    /// The person's on this device.
    PersonAt(&'a str, &'a str),
}

/// Has these sessions ended at their services, because of `why`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn end(connection: &mut AnyConnection, ending: Ending<'_>, why: &str) -> Result<(), StoreError> {
    let (device, person) = match ending {
        Ending::Device(device) => (device, ""),
        Ending::Person(person) => ("", person),
        Ending::PersonAt(person, device) => (device, person),
    };
    sqlx::query(
        "UPDATE service_session SET logout_why = $1
         WHERE logout_why IS NULL AND ($2 = '' OR opened_by = $2) AND ($3 = '' OR person = $3)",
    )
    .bind(why)
    .bind(device)
    .bind(person)
    .execute(connection)
    .await
    .map_err(doing("have sessions of services ended"))?;
    Ok(())
}

/// Has the sessions of the person `before` be those of `after`, who is the same under another name.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn rename(connection: &mut AnyConnection, before: &str, after: &str) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE service_session SET person = $2 WHERE person = $1").bind(before).bind(after);
    done.execute(connection).await.map_err(doing("rename a person's sessions"))?;
    Ok(())
}

/// Sessions that are to end and whose next try is due, the longest due first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn due(connection: &mut AnyConnection, now: UtcTime) -> Result<Vec<ServiceSession>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM service_session WHERE logout_why IS NOT NULL AND next_try_at <= $1 ORDER BY next_try_at LIMIT 50",
    )
    .bind(now.unix_millis())
    .fetch_all(connection)
    .await;
    rows.map_err(doing("look for sessions that are to end"))?.iter().map(ServiceSession::from_row).collect()
}

/// Takes the next try of a session for this process, if no other has; after `next_try_at` it is due again.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn take_try(
    connection: &mut AnyConnection,
    session: &ServiceSession,
    next_try_at: UtcTime,
) -> Result<bool, StoreError> {
    let done =
        sqlx::query("UPDATE service_session SET tries = tries + 1, next_try_at = $3 WHERE id = $1 AND tries = $2")
            .bind(session.id.as_str())
            .bind(i64::from(session.tries))
            .bind(next_try_at.unix_millis())
            .execute(connection)
            .await;
    Ok(done.map_err(doing("begin to end a session"))?.rows_affected() == 1)
}

/// Sessions in this browser that are to end, and that no browser was sent to end yet.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn ending_in_browser(
    connection: &mut AnyConnection,
    browser: &str,
) -> Result<Vec<ServiceSession>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM service_session WHERE browser_id = $1 AND logout_why IS NOT NULL AND request_id IS NULL ORDER BY id",
    )
    .bind(browser)
    .fetch_all(connection)
    .await;
    rows.map_err(doing("look for sessions that a browser is to end"))?.iter().map(ServiceSession::from_row).collect()
}

/// Notes that a browser is sent to end the session with the request `request_id`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn send_browser(connection: &mut AnyConnection, id: &MessageId, request_id: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE service_session SET request_id = $2 WHERE id = $1")
        .bind(id.as_str())
        .bind(request_id)
        .execute(connection)
        .await
        .map_err(doing("send a browser to end a session"))?;
    Ok(())
}

/// The session that a browser was sent to end with this request.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_request(connection: &mut AnyConnection, id: &str) -> Result<Option<ServiceSession>, StoreError> {
    let row = sqlx::query("SELECT * FROM service_session WHERE request_id = $1").bind(id).fetch_optional(connection);
    row.await.map_err(doing("look a session up"))?.as_ref().map(ServiceSession::from_row).transpose()
}

/// The session that is called so, unless it is to end.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn open(connection: &mut AnyConnection, id: &str) -> Result<Option<ServiceSession>, StoreError> {
    let row = sqlx::query("SELECT * FROM service_session WHERE id = $1 AND logout_why IS NULL").bind(id);
    let row = row.fetch_optional(connection).await.map_err(doing("look a session up"))?;
    row.as_ref().map(ServiceSession::from_row).transpose()
}

/// The sessions of somebody at a service of the tenant.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn of_name(
    connection: &mut AnyConnection,
    tenant_id: &str,
    service: &EntityId,
    name_id: &NameId,
) -> Result<Vec<ServiceSession>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM service_session WHERE service = $1 AND name_id = $2 AND name_format = $3 AND tenant_id = $4",
    )
    .bind(service.as_str())
    .bind(&name_id.value)
    .bind(name_id.format.uri())
    .bind(tenant_id)
    .fetch_all(connection)
    .await;
    rows.map_err(doing("look sessions up"))?.iter().map(ServiceSession::from_row).collect()
}

/// Forgets a session: it has ended, or can't be ended.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget(connection: &mut AnyConnection, id: &MessageId) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM service_session WHERE id = $1").bind(id.as_str()).execute(connection).await;
    done.map_err(doing("forget a service's session"))?;
    Ok(())
}

/// Forgets sessions that have ended by themselves before `before`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget_ended_before(connection: &mut AnyConnection, before: UtcTime) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM service_session WHERE ends_at < $1").bind(before.unix_millis());
    done.execute(connection).await.map_err(doing("forget sessions that have ended"))?;
    Ok(())
}
