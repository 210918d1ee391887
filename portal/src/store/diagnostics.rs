//! Diagnostics that devices were asked for, and the bundles that came.

use saml::name::EntityId;
use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::{Columns, base64_text};
use super::{StoreError, as_text, doing};

/// How long a request waits for its device, in seconds.
pub const REQUEST_SECONDS: i64 = 7 * 86_400;
/// How long a bundle or a refusal is kept, in seconds.
pub const RETENTION_SECONDS: i64 = 30 * 86_400;

/// A request for a device's diagnostics.
#[derive(Clone, Debug, serde::Serialize)]
pub struct DiagnosticsRequest {
    /// 128 random bits in hexadecimal.
    pub id: String,
    /// The device.
    pub device_id: String,
    /// Whose it is.
    pub tenant_id: String,
    /// `asked`, `refused` or `kept`.
    pub state: String,
    /// Who asked.
    pub asked_by: String,
    /// When.
    #[serde(serialize_with = "as_text")]
    pub asked_at: UtcTime,
    /// When it is forgotten, with the bundle.
    #[serde(serialize_with = "as_text")]
    pub expires_at: UtcTime,
    /// The size of the bundle.
    pub octets: Option<i64>,
}

impl DiagnosticsRequest {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "diagnostics_request", row };
        Ok(Self {
            id: columns.text("id")?,
            device_id: columns.text("device_id")?,
            tenant_id: columns.text("tenant_id")?,
            state: columns.text("state")?,
            asked_by: columns.text("asked_by")?,
            asked_at: columns.time("asked_at")?,
            expires_at: columns.time("expires_at")?,
            octets: columns.optional_integer("octets")?,
        })
    }
}

/// Adds a request that nobody has answered.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn ask(connection: &mut AnyConnection, request: &DiagnosticsRequest) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO diagnostics_request (id, device_id, tenant_id, state, asked_by, asked_at, expires_at)
         VALUES ($1, $2, $3, 'asked', $4, $5, $6)",
    );
    let done = done.bind(&request.id).bind(&request.device_id).bind(&request.tenant_id).bind(&request.asked_by);
    let done = done.bind(request.asked_at.unix_millis()).bind(request.expires_at.unix_millis());
    done.execute(connection).await.map_err(doing("ask for diagnostics"))?;
    Ok(())
}

/// The request that the device `id` has not answered.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn open_of(
    connection: &mut AnyConnection,
    id: &str,
    now: UtcTime,
) -> Result<Option<DiagnosticsRequest>, StoreError> {
    let row = sqlx::query(
        "SELECT * FROM diagnostics_request WHERE device_id = $1 AND state = 'asked' AND expires_at > $2
         ORDER BY asked_at LIMIT 1",
    );
    let row = row.bind(id).bind(now.unix_millis()).fetch_optional(connection).await;
    row.map_err(doing("look for a request for diagnostics"))?.as_ref().map(DiagnosticsRequest::from_row).transpose()
}

/// The request with that id.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<DiagnosticsRequest>, StoreError> {
    let row = sqlx::query("SELECT * FROM diagnostics_request WHERE id = $1").bind(id).fetch_optional(connection).await;
    row.map_err(doing("look a request for diagnostics up"))?.as_ref().map(DiagnosticsRequest::from_row).transpose()
}

/// All requests, the newest first; those for one device where it is named.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn list(connection: &mut AnyConnection, device: Option<&str>) -> Result<Vec<DiagnosticsRequest>, StoreError> {
    let rows = match device {
        Some(device) => {
            let rows = sqlx::query("SELECT * FROM diagnostics_request WHERE device_id = $1 ORDER BY asked_at DESC, id");
            rows.bind(device).fetch_all(connection).await
        }
        None => sqlx::query("SELECT * FROM diagnostics_request ORDER BY asked_at DESC, id").fetch_all(connection).await,
    };
    rows.map_err(doing("list the requests for diagnostics"))?.iter().map(DiagnosticsRequest::from_row).collect()
}

/// Keeps the bundle that answers the request `id`; says whether it was waited for.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn keep(connection: &mut AnyConnection, id: &str, bundle: &[u8], now: UtcTime) -> Result<bool, StoreError> {
    let octets = i64::try_from(bundle.len()).unwrap_or(i64::MAX);
    let done = sqlx::query(
        "UPDATE diagnostics_request SET state = 'kept', answered_at = $2, octets = $3, expires_at = $4
         WHERE id = $1 AND state = 'asked'",
    );
    let done = done.bind(id).bind(now.unix_millis()).bind(octets);
    let done = done.bind(now.plus_seconds(RETENTION_SECONDS).unix_millis()).execute(&mut *connection).await;
    if done.map_err(doing("note that diagnostics came"))?.rows_affected() == 0 {
        return Ok(false);
    }
    let done = sqlx::query("INSERT INTO diagnostics_bundle (request_id, content) VALUES ($1, $2)");
    done.bind(id).bind(base64_text(bundle)).execute(connection).await.map_err(doing("keep the diagnostics"))?;
    Ok(true)
}

/// Notes that the request `id` was refused at the device `device`; says whether it was waiting.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn refuse(
    connection: &mut AnyConnection,
    id: &str,
    device: &EntityId,
    now: UtcTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE diagnostics_request SET state = 'refused', answered_at = $3, expires_at = $4
         WHERE id = $1 AND device_id = $2 AND state = 'asked'",
    );
    let done = done.bind(id).bind(device.as_str()).bind(now.unix_millis());
    let done = done.bind(now.plus_seconds(RETENTION_SECONDS).unix_millis()).execute(connection).await;
    Ok(done.map_err(doing("note that diagnostics were refused"))?.rows_affected() > 0)
}

/// The bundle that answered the request `id`.
///
/// # Errors
/// [`StoreError::Statement`], [`StoreError::Unreadable`].
pub async fn bundle(connection: &mut AnyConnection, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT content FROM diagnostics_bundle WHERE request_id = $1").bind(id);
    let row = row.fetch_optional(connection).await.map_err(doing("read the diagnostics"))?;
    row.map(|row| Columns { table: "diagnostics_bundle", row: &row }.bytes("content")).transpose()
}

/// Deletes the request `id` with its bundle.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete(connection: &mut AnyConnection, id: &str) -> Result<(), StoreError> {
    for statement in
        ["DELETE FROM diagnostics_bundle WHERE request_id = $1", "DELETE FROM diagnostics_request WHERE id = $1"]
    {
        let done = sqlx::query(statement).bind(id).execute(&mut *connection).await;
        done.map_err(doing("delete the diagnostics"))?;
    }
    Ok(())
}

/// Deletes what has been kept for long enough; says how much.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget_old(connection: &mut AnyConnection, now: UtcTime) -> Result<u64, StoreError> {
    let bundles = sqlx::query(
        "DELETE FROM diagnostics_bundle WHERE request_id IN (SELECT id FROM diagnostics_request WHERE expires_at <= $1)",
    );
    bundles.bind(now.unix_millis()).execute(&mut *connection).await.map_err(doing("delete old diagnostics"))?;
    let done = sqlx::query("DELETE FROM diagnostics_request WHERE expires_at <= $1").bind(now.unix_millis());
    Ok(done.execute(connection).await.map_err(doing("delete old requests for diagnostics"))?.rows_affected())
}

#[cfg(test)]
mod tests {
    use saml::token::{TokenId, TokenPublicKey};

    use super::*;
    use crate::admin::{Actor, Admin};
    use crate::store::device::{self, Device, DeviceState};
    use crate::store::testing;
    use crate::store::token::{self, Token};

    const NOW: UtcTime = UtcTime::from_unix_seconds(1_800_000_000);

    #[tokio::test]
    async fn a_bundle_is_kept_once_and_for_its_time() {
        let (_dir, store) = testing::store().await;
        let admin = Admin::whole(store, Actor::CommandLine, NOW);
        let tenant_id = crate::admin::tenant::create(&admin, "acme").await.unwrap().id;
        let token_id = TokenId::from_random([7; 10]);
        let token = Token::new(token_id.clone(), tenant_id.clone(), TokenPublicKey::from_bytes([1; 32]), NOW);
        let name: EntityId = "urn:countersign:device:1".parse().unwrap();
        let device = Device {
            people: token::People::Any,
            id: name.clone(),
            tenant_id: tenant_id.clone(),
            token_id,
            public_key: vec![1],
            key_name: name.clone(),
            key_since: NOW,
            next_key: None,
            state: DeviceState::Registered,
            wipe: false,
            state_note: String::new(),
            sequence: 1,
            facts: device::Facts::new(),
            fingerprint: String::new(),
            groups: Vec::new(),
            people: token::People::Any,
            owner_id: None,
            enrolled_at: NOW,
            last_seen_at: NOW,
        };
        let written = admin.store.write(move |connection| {
            Box::pin(async move {
                token::insert(connection, &token).await?;
                device::register(connection, &device).await?;
                let request = DiagnosticsRequest {
                    id: "r".to_owned(),
                    device_id: name.to_string(),
                    tenant_id,
                    state: "asked".to_owned(),
                    asked_by: "somebody".to_owned(),
                    asked_at: NOW,
                    expires_at: NOW.plus_seconds(REQUEST_SECONDS),
                    octets: None,
                };
                ask(connection, &request).await?;
                assert!(open_of(connection, name.as_str(), NOW).await?.is_some());
                assert!(keep(connection, "r", b"bundle", NOW).await?);
                assert!(!keep(connection, "r", b"another", NOW).await?, "it was answered");
                assert!(!refuse(connection, "r", &name, NOW).await?);
                assert!(open_of(connection, name.as_str(), NOW).await?.is_none());
                assert_eq!(bundle(connection, "r").await?.as_deref(), Some(&b"bundle"[..]));
                assert_eq!(forget_old(connection, NOW.plus_seconds(RETENTION_SECONDS - 1)).await?, 0);
                assert_eq!(forget_old(connection, NOW.plus_seconds(RETENTION_SECONDS)).await?, 1);
                assert_eq!(bundle(connection, "r").await?, None);
                Ok(())
            })
        });
        written.await.unwrap();
    }
}
