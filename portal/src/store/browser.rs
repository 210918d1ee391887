//! Browsers that were sent on to a device: whether one has answered there, and on which port.

use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::{StoreError, doing};

/// A browser, known by what its cookie holds. It says nothing about a person.
#[derive(Clone, Debug)]
pub struct Browser {
    /// What the cookie holds.
    pub id: String,
    /// The port on which a device answered last.
    pub port: Option<u16>,
    /// When one did.
    pub answered_at: Option<UtcTime>,
    /// When it was sent on for the first time since then.
    pub asked_at: Option<UtcTime>,
    /// How often it was sent on since then.
    pub tries: i64,
}

impl Browser {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "browser", row };
        Ok(Self {
            id: columns.text("id")?,
            port: columns.optional_integer("port")?.and_then(|port| u16::try_from(port).ok()),
            answered_at: columns.optional_time("answered_at")?,
            asked_at: columns.optional_time("asked_at")?,
            tries: columns.integer("tries")?,
        })
    }
}

/// The browser with that ID.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<Browser>, StoreError> {
    let row = sqlx::query("SELECT * FROM browser WHERE id = $1").bind(id).fetch_optional(connection);
    row.await.map_err(doing("look a browser up"))?.as_ref().map(Browser::from_row).transpose()
}

/// Notes that the browser is sent on.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn ask(connection: &mut AnyConnection, id: &str, now: UtcTime) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO browser (id, asked_at, tries, seen_at) VALUES ($1, $2, 1, $2)
         ON CONFLICT (id) DO UPDATE SET asked_at = COALESCE(browser.asked_at, excluded.asked_at),
             tries = browser.tries + 1, seen_at = excluded.seen_at",
    )
    .bind(id)
    .bind(now.unix_millis())
    .execute(connection)
    .await
    .map_err(doing("note that a browser is sent on"))?;
    Ok(())
}

/// Notes that a device has answered the browser on `port`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn answered(connection: &mut AnyConnection, id: &str, port: u16, now: UtcTime) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE browser SET port = $2, answered_at = $3, seen_at = $3, asked_at = NULL, tries = 0 WHERE id = $1",
    )
    .bind(id)
    .bind(i64::from(port))
    .bind(now.unix_millis())
    .execute(connection)
    .await
    .map_err(doing("note that a browser was answered"))?;
    Ok(())
}

/// Forgets browsers that were last seen before `before`; says how many.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget_seen_before(connection: &mut AnyConnection, before: UtcTime) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM browser WHERE seen_at < $1").bind(before.unix_millis());
    Ok(done.execute(connection).await.map_err(doing("forget browsers"))?.rows_affected())
}
