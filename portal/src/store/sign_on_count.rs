//! Sign-ons and enrolments by the hour and how they ended: what the charts are drawn from, however long the audit is.

use saml::time::UtcTime;
use sqlx::{AnyConnection, Row as _};

use super::{StoreError, doing};

const MILLIS_PER_HOUR: i64 = 3_600_000;

/// How often sign-ons ended in one way in one hour.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignOnCount {
    /// When the hour began.
    pub hour: UtcTime,
    /// `ok` or the refusal's code.
    pub result: String,
    /// How often.
    pub times: i64,
}

/// Counts one sign-on or enrolment of the tenant that ended at `now` with `result`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn add(
    connection: &mut AnyConnection,
    tenant_id: &str,
    now: UtcTime,
    result: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sign_on_count (tenant_id, hour, result, times) VALUES ($1, $2, $3, 1)
         ON CONFLICT (tenant_id, hour, result) DO UPDATE SET times = sign_on_count.times + 1",
    )
    .bind(tenant_id)
    .bind(now.unix_millis().div_euclid(MILLIS_PER_HOUR))
    .bind(result)
    .execute(connection)
    .await
    .map_err(doing("count the sign-on"))?;
    Ok(())
}

/// The tenant's counts of the hours from the one that holds `from` on, the oldest first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn since(
    connection: &mut AnyConnection,
    tenant_id: &str,
    from: UtcTime,
) -> Result<Vec<SignOnCount>, StoreError> {
    let rows = sqlx::query(
        "SELECT hour, result, times FROM sign_on_count WHERE tenant_id = $1 AND hour >= $2 ORDER BY hour, result",
    )
    .bind(tenant_id)
    .bind(from.unix_millis().div_euclid(MILLIS_PER_HOUR))
    .fetch_all(connection)
    .await
    .map_err(doing("read the counts of sign-ons"))?;
    let count = |row: &sqlx::any::AnyRow| {
        let read = || -> Result<SignOnCount, sqlx::Error> {
            let hour: i64 = row.try_get("hour")?;
            let hour = UtcTime::from_unix_millis(hour * MILLIS_PER_HOUR);
            Ok(SignOnCount { hour, result: row.try_get("result")?, times: row.try_get("times")? })
        };
        read().map_err(doing("read the counts of sign-ons"))
    };
    rows.iter().map(count).collect()
}
