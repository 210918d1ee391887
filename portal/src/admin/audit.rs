//! The audit: who did what, and how it ended.

use saml::time::UtcTime;

use super::{Admin, AdminError, Right};
use crate::store::audit::{self, AuditFilter, Row, Verdict};
use crate::store::audit_retention;
use crate::store::page::{Cursor, Page};

/// The newest `limit` rows of the whole cloud, the oldest of them first.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn newest(admin: &Admin, limit: u32) -> Result<Vec<Row>, AdminError> {
    admin.demand(Right::Audit)?;
    Ok(audit::newest(&mut *admin.store.read().await?, i64::from(limit)).await?)
}

/// Checks that no row was changed or taken away.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn verify(admin: &Admin) -> Result<Verdict, AdminError> {
    admin.demand(Right::Audit)?;
    Ok(audit::verify(&mut *admin.store.read().await?).await?)
}

/// Rows after the one with that sequence number, the oldest first, `limit` at most: for programs that read on from where
/// they were.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn after(admin: &Admin, sequence: i64, limit: u32) -> Result<Vec<Row>, AdminError> {
    admin.demand(Right::Audit)?;
    Ok(audit::after(&mut *admin.store.read().await?, sequence, i64::from(limit)).await?)
}

/// Cuts off rows from before `before`; what is left is still one chain. Says how many went.
///
/// # Errors
/// [`AdminError::Store`]; what was cut off before stays so.
pub async fn cut(admin: &Admin, before: UtcTime) -> Result<usize, AdminError> {
    let mut gone = 0;
    loop {
        let (actor, now) = (admin.actor.to_string(), admin.now);
        let portion =
            admin.store.write(move |connection| Box::pin(audit_retention::cut(connection, before, actor, now)));
        let more = portion.await?;
        gone += more;
        if more < audit_retention::PORTION {
            return Ok(gone);
        }
    }
}

/// A portion of a tenant's audit, the newest rows first.
///
/// # Errors
/// [`AdminError::NotFound`] of the tenant, [`AdminError::Forbidden`].
pub async fn page(
    admin: &Admin,
    tenant: &str,
    filter: &AuditFilter,
    after: Option<&Cursor>,
    limit: u16,
) -> Result<Page<Row>, AdminError> {
    admin.demand(Right::Audit)?;
    let tenant_id = admin.tenant_id(tenant).await?;
    Ok(audit::page(&mut *admin.store.read().await?, Some(&tenant_id), filter, after, limit).await?)
}
