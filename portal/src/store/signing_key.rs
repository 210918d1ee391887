//! Certificates of the portal's signing keys. The private halves are files, see `crate::signing`.

use std::fmt;
use std::str::FromStr;

use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::{Columns, base64_text};
use super::{StoreError, doing};

/// What a signing key signs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Responses for service providers: RSA, because most of them accept nothing else.
    Service,
    /// Responses for the portal's own agents: P-256, because it is faster and no third party reads it.
    Agent,
}

impl fmt::Display for Purpose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Service => "service",
            Self::Agent => "agent",
        })
    }
}

impl FromStr for Purpose {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "service" => Ok(Self::Service),
            "agent" => Ok(Self::Agent),
            _ => Err(()),
        }
    }
}

/// The public side of a signing key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SigningKey {
    /// Random; the stem of the file with the private half.
    pub id: String,
    /// What it signs.
    pub purpose: Purpose,
    /// The tenant whose issuer signs with it; none: the cloud's.
    pub tenant_id: Option<String>,
    /// DER of the self-signed certificate that carries it in metadata.
    pub certificate: Vec<u8>,
    /// When it was made.
    pub created_at: UtcTime,
    /// When it stops signing and being listed, where that is decided.
    pub retires_at: Option<UtcTime>,
}

impl SigningKey {
    /// Whether it is in force at `now`.
    #[must_use]
    pub fn holds(&self, now: UtcTime) -> bool {
        self.retires_at.is_none_or(|retires_at| now < retires_at)
    }

    /// Whether the cloud itself signs with it for `purpose`, or will when its turn comes.
    #[must_use]
    pub fn is_of_cloud(&self, purpose: Purpose, now: UtcTime) -> bool {
        self.purpose == purpose && self.tenant_id.is_none() && self.holds(now)
    }

    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "signing_key", row };
        Ok(Self {
            id: columns.text("id")?,
            purpose: columns.parsed("purpose")?,
            tenant_id: columns.optional_text("tenant_id")?,
            certificate: columns.bytes("certificate")?,
            created_at: columns.time("created_at")?,
            retires_at: columns.optional_time("retires_at")?,
        })
    }
}

/// Adds `key` as the active one of its purpose.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn insert(connection: &mut AnyConnection, key: &SigningKey) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO signing_key (id, purpose, certificate, state, created_at, tenant_id)
         VALUES ($1, $2, $3, 'active', $4, $5)",
    )
    .bind(&key.id)
    .bind(key.purpose.to_string())
    .bind(base64_text(&key.certificate))
    .bind(key.created_at.unix_millis())
    .bind(&key.tenant_id)
    .execute(connection)
    .await
    .map_err(doing("add the signing key"))?;
    Ok(())
}

/// Every key, retired ones too, the oldest first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn list(connection: &mut AnyConnection) -> Result<Vec<SigningKey>, StoreError> {
    let rows = sqlx::query("SELECT * FROM signing_key ORDER BY created_at, id");
    let rows = rows.fetch_all(connection).await;
    rows.map_err(doing("read the signing keys"))?.iter().map(SigningKey::from_row).collect()
}

/// Has the key `id` retire at `at`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn retire(connection: &mut AnyConnection, id: &str, at: UtcTime) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE signing_key SET retires_at = $2 WHERE id = $1").bind(id).bind(at.unix_millis());
    done.execute(connection).await.map_err(doing("retire the signing key"))?;
    Ok(())
}
