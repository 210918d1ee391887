//! The audit: who did what, and how it ended.

use super::{Admin, AdminError};
use crate::store::audit::{self, Row, Verdict};

/// The newest `limit` rows of the whole cloud, the oldest of them first.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn newest(admin: &Admin, limit: u32) -> Result<Vec<Row>, AdminError> {
    Ok(audit::newest(&mut *admin.store.read().await?, i64::from(limit)).await?)
}

/// Checks that no row was changed or taken away.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn verify(admin: &Admin) -> Result<Verdict, AdminError> {
    Ok(audit::verify(&mut *admin.store.read().await?).await?)
}
