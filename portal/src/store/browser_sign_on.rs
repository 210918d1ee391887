//! Sign-on that a service has begun, until a device ends it.

use saml::name::{EntityId, MessageId, NameIdFormat};
use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::{Columns, json_text};
use super::issuer::Issuer;
use super::{StoreError, doing};
use crate::demands::Demands;

/// A sign-on that a service has begun.
#[derive(Clone, Debug)]
pub struct BrowserSignOn {
    /// What the portal's own request to the device is called.
    pub id: MessageId,
    /// Whose service it is.
    pub tenant_id: String,
    /// The issuer that the service has asked, and that answers it.
    pub issuer: Issuer,
    /// The service.
    pub service: EntityId,
    /// The ID of the service's request, which the Response answers.
    pub request_id: MessageId,
    /// The registered address that the Response goes to.
    pub acs_url: String,
    /// What the service gets back untouched.
    pub relay_state: Option<String>,
    /// What the request says about being passed on.
    pub scope: Scope,
    /// The tenant's name of the identity provider that answers for the person, where their device has said so; empty: none does.
    pub elsewhere: Option<String>,
    /// Whether nobody may be asked anything on the way.
    pub is_passive: bool,
    /// In which format the service wants the person named, where it says so.
    pub name_format: Option<NameIdFormat>,
    /// What the person has proved in this browser to go on with it, if they were asked to: a proof request's id.
    pub proof_request: Option<String>,
    /// Which person the service asks for, and how they have to have signed in.
    pub demands: Demands,
    /// The browser that was sent on, if there is one.
    pub browser_id: Option<String>,
    /// The port that it was sent to.
    pub port: Option<u16>,
    /// When the service began it.
    pub created_at: UtcTime,
    /// Until when a device may end it; none before the browser was sent on.
    pub deadline: Option<UtcTime>,
    /// When a device did.
    pub used_at: Option<UtcTime>,
}

/// What a service's request says about being passed on to another identity provider (Core §3.4.1.2).
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(default)]
pub struct Scope {
    /// The requesters on whose behalf the service asks, if it asks for others.
    pub requesters: Vec<String>,
    /// How many identity providers may pass it on; none: as many as need be.
    pub proxy_count: Option<u32>,
    /// Whether an earlier sign-in does not count.
    pub force_authn: bool,
}

impl BrowserSignOn {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "browser_sign_on", row };
        Ok(Self {
            id: columns.parsed("id")?,
            tenant_id: columns.text("tenant_id")?,
            issuer: columns.parsed("issuer")?,
            service: columns.parsed("service")?,
            request_id: columns.parsed("request_id")?,
            acs_url: columns.text("acs_url")?,
            relay_state: columns.optional_text("relay_state")?,
            scope: columns.json("scope")?,
            elsewhere: columns.optional_text("elsewhere")?,
            is_passive: columns.integer("is_passive")? != 0,
            name_format: columns.optional_text("name_format")?.as_deref().map(NameIdFormat::from_uri),
            proof_request: columns.optional_text("proof_request")?,
            demands: columns.json("demands")?,
            browser_id: columns.optional_text("browser_id")?,
            port: columns.optional_integer("port")?.and_then(|port| u16::try_from(port).ok()),
            created_at: columns.time("created_at")?,
            deadline: columns.optional_time("deadline")?,
            used_at: columns.optional_time("used_at")?,
        })
    }
}

/// Keeps a sign-on that has just begun.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn insert(connection: &mut AnyConnection, row: &BrowserSignOn) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO browser_sign_on
             (id, tenant_id, service, request_id, acs_url, relay_state, created_at, deadline, scope, is_passive, name_format,
              proof_request, demands, issuer)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(row.id.as_str())
    .bind(&row.tenant_id)
    .bind(row.service.as_str())
    .bind(row.request_id.as_str())
    .bind(&row.acs_url)
    .bind(row.relay_state.as_deref())
    .bind(row.created_at.unix_millis())
    .bind(row.deadline.map(UtcTime::unix_millis))
    .bind(json_text(&row.scope))
    .bind(i64::from(row.is_passive))
    .bind(row.name_format.as_ref().map(NameIdFormat::uri))
    .bind(row.proof_request.as_deref())
    .bind(json_text(&row.demands))
    .bind(row.issuer.to_string())
    .execute(connection)
    .await
    .map_err(doing("keep a sign-on that a service has begun"))?;
    Ok(())
}

/// The sign-on with that ID.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<BrowserSignOn>, StoreError> {
    let row = sqlx::query("SELECT * FROM browser_sign_on WHERE id = $1").bind(id).fetch_optional(connection);
    row.await.map_err(doing("look a sign-on up"))?.as_ref().map(BrowserSignOn::from_row).transpose()
}

/// Notes that `browser` is sent to its device on `port` and has until `deadline`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn send_on(
    connection: &mut AnyConnection,
    id: &MessageId,
    (browser, port): (&str, u16),
    deadline: UtcTime,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE browser_sign_on SET browser_id = $2, port = $3, deadline = $4 WHERE id = $1")
        .bind(id.as_str())
        .bind(browser)
        .bind(i64::from(port))
        .bind(deadline.unix_millis())
        .execute(connection)
        .await
        .map_err(doing("note that a browser is sent on"))?;
    Ok(())
}

/// Marks the sign-on as used; says whether this was the first time.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn use_up(connection: &mut AnyConnection, id: &MessageId, now: UtcTime) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE browser_sign_on SET used_at = $2 WHERE id = $1 AND used_at IS NULL")
        .bind(id.as_str())
        .bind(now.unix_millis())
        .execute(connection)
        .await;
    Ok(done.map_err(doing("use a sign-on up"))?.rows_affected() == 1)
}

/// Notes in the tenant's sign-on who answers for the person, as their device was told: the tenant's name of an identity provider, or nothing for nobody.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn answered_elsewhere(
    connection: &mut AnyConnection,
    (id, tenant_id): (&MessageId, &str),
    provider: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE browser_sign_on SET elsewhere = $3 WHERE id = $1 AND tenant_id = $2")
        .bind(id.as_str())
        .bind(tenant_id)
        .bind(provider)
        .execute(connection)
        .await
        .map_err(doing("note who answers for the person"))?;
    Ok(())
}

/// Ends the sign-on by what another identity provider has answered; says whether nothing had ended it before.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn end_elsewhere(connection: &mut AnyConnection, id: &MessageId, now: UtcTime) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE browser_sign_on SET used_at = $2, elsewhere = NULL
         WHERE id = $1 AND (used_at IS NULL OR elsewhere IS NOT NULL)",
    )
    .bind(id.as_str())
    .bind(now.unix_millis())
    .execute(connection)
    .await;
    Ok(done.map_err(doing("end a sign-on"))?.rows_affected() == 1)
}

/// Forgets sign-ons that were begun before `before`; says how many.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget_begun_before(connection: &mut AnyConnection, before: UtcTime) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM browser_sign_on WHERE created_at < $1").bind(before.unix_millis());
    Ok(done.execute(connection).await.map_err(doing("forget old sign-ons"))?.rows_affected())
}
