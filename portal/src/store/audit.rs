//! The audit: who did what to which, and how it ended. Rows are only ever added, and each carries a hash over itself and
//! the row before, so that a changed or missing row is found.

use ring::digest::{SHA256, digest};
use saml::time::UtcTime;
use serde_json::Value;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::page::{Cursor, Page, Select};
use super::{StoreError, as_text, doing};

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When.
    pub at: UtcTime,
    /// In which tenant, where it is known.
    pub tenant_id: Option<String>,
    /// Who: a device's entity ID or the account that ran a command.
    pub actor: String,
    /// What, for example `sign-on`, `enrol`, `token.create`.
    pub action: &'static str,
    /// The object or the person that it was done to.
    pub subject: String,
    /// `ok` or the refusal's code.
    pub result: String,
    /// More, as an object. Never a secret.
    pub detail: Value,
}

/// An [`Entry`] as it stands in the chain.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Row {
    /// Counts from 1 without gaps.
    pub sequence: i64,
    /// When.
    #[serde(serialize_with = "as_text")]
    pub at: UtcTime,
    /// In which tenant.
    #[serde(rename = "tenant")]
    pub tenant_id: Option<String>,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// The object or the person that it was done to.
    pub subject: String,
    /// `ok` or the refusal's code.
    pub result: String,
    /// More.
    pub detail: Value,
    /// Hash of the row before; 64 zeros for the first.
    pub previous_hash: String,
    /// Hash of this row.
    pub hash: String,
}

impl Row {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "audit", row };
        Ok(Self {
            sequence: columns.integer("sequence")?,
            at: columns.time("at")?,
            tenant_id: columns.optional_text("tenant_id")?,
            actor: columns.text("actor")?,
            action: columns.text("action")?,
            subject: columns.text("subject")?,
            result: columns.text("result")?,
            detail: columns.json("detail")?,
            previous_hash: columns.text("previous_hash")?,
            hash: columns.text("hash")?,
        })
    }

    /// The hash that this row must carry: SHA-256 over a JSON array of its other columns, in hexadecimal.
    fn computed_hash(&self) -> String {
        let content = serde_json::json!([
            self.sequence,
            self.at.unix_millis(),
            self.tenant_id,
            self.actor,
            self.action,
            self.subject,
            self.result,
            self.detail,
            self.previous_hash
        ]);
        data_encoding::HEXLOWER.encode(digest(&SHA256, content.to_string().as_bytes()).as_ref())
    }
}

/// Adds `entry` to the chain.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn append(connection: &mut AnyConnection, entry: Entry) -> Result<(), StoreError> {
    let last = sqlx::query("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1");
    let last = last.fetch_optional(&mut *connection).await.map_err(doing("read the audit"))?;
    let (sequence, previous_hash) = match &last {
        Some(row) => {
            let columns = Columns { table: "audit", row };
            (columns.integer("sequence")? + 1, columns.text("hash")?)
        }
        None => (1, "0".repeat(64)),
    };
    let mut row = Row {
        sequence,
        at: entry.at,
        tenant_id: entry.tenant_id,
        actor: entry.actor,
        action: entry.action.to_owned(),
        subject: entry.subject,
        result: entry.result,
        detail: entry.detail,
        previous_hash,
        hash: String::new(),
    };
    row.hash = row.computed_hash();
    sqlx::query(
        "INSERT INTO audit (sequence, at, tenant_id, actor, action, subject, result, detail, previous_hash, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(row.sequence)
    .bind(row.at.unix_millis())
    .bind(row.tenant_id)
    .bind(row.actor)
    .bind(row.action)
    .bind(row.subject)
    .bind(row.result)
    .bind(row.detail.to_string())
    .bind(row.previous_hash)
    .bind(row.hash)
    .execute(connection)
    .await
    .map_err(doing("write the audit"))?;
    Ok(())
}

/// The newest `limit` rows, the oldest of them first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn newest(connection: &mut AnyConnection, limit: i64) -> Result<Vec<Row>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM audit ORDER BY sequence DESC LIMIT $1").bind(limit).fetch_all(connection).await;
    let rows = rows.map_err(doing("read the audit"))?;
    rows.iter().rev().map(Row::from_row).collect()
}

/// Rows after the one with that sequence number, the oldest first, `limit` at most.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn after(connection: &mut AnyConnection, sequence: i64, limit: i64) -> Result<Vec<Row>, StoreError> {
    let rows = sqlx::query("SELECT * FROM audit WHERE sequence > $1 ORDER BY sequence LIMIT $2");
    let rows = rows.bind(sequence).bind(limit).fetch_all(connection).await.map_err(doing("read the audit"))?;
    rows.iter().map(Row::from_row).collect()
}

/// Which rows of the audit are listed.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// All, refusals, or what administrators changed.
    pub kind: AuditKind,
    /// Those by this actor.
    pub actor: Option<String>,
    /// Those about this subject.
    pub subject: Option<String>,
}

/// A kind of row of the audit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AuditKind {
    /// Every one.
    #[default]
    All,
    /// What was refused.
    Refusals,
    /// Everything but sign-ons and enrolments.
    Changes,
}

/// A portion of the audit, the newest rows first: the tenant's, or the whole cloud's.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn page(
    connection: &mut AnyConnection,
    tenant_id: Option<&str>,
    filter: &AuditFilter,
    after: Option<&Cursor>,
    limit: u16,
) -> Result<Page<Row>, StoreError> {
    let mut select = Select::new("SELECT * FROM audit WHERE 1 = 1");
    if let Some(tenant_id) = tenant_id {
        select.add(" AND tenant_id = ?", [tenant_id.into()]);
    }
    match filter.kind {
        AuditKind::All => {}
        AuditKind::Refusals => select.add(" AND result <> 'ok'", []),
        AuditKind::Changes => select.add(" AND action <> 'sign-on' AND action <> 'enrol'", []),
    }
    if let Some(actor) = &filter.actor {
        select.add(" AND actor = ?", [actor.as_str().into()]);
    }
    if let Some(subject) = &filter.subject {
        select.add(" AND subject = ?", [subject.as_str().into()]);
    }
    if let Some(after) = after {
        select.add(" AND sequence < ?", [after.number.into()]);
    }
    select.add(" ORDER BY sequence DESC", []);
    let place = |row: &Row| Cursor { number: row.sequence, text: String::new(), id: String::new() };
    select.page(connection, limit, Row::from_row, place).await
}

/// What [`verify`] found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Every row is what it was when it was written; how many there are.
    Intact(i64),
    /// The row with this sequence number was changed, or one before it was taken away.
    BrokenAt(i64),
}

/// Checks the chain from its beginning, or from where older rows were cut off, in portions of a thousand rows.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn verify(connection: &mut AnyConnection) -> Result<Verdict, StoreError> {
    let (mut checked, mut previous_hash) = super::audit_retention::anchor(connection).await?;
    loop {
        let rows = sqlx::query("SELECT * FROM audit WHERE sequence > $1 ORDER BY sequence LIMIT 1000")
            .bind(checked)
            .fetch_all(&mut *connection)
            .await
            .map_err(doing("read the audit"))?;
        if rows.is_empty() {
            return Ok(Verdict::Intact(checked));
        }
        for row in &rows {
            let row = Row::from_row(row)?;
            let intact =
                row.sequence == checked + 1 && row.previous_hash == previous_hash && row.hash == row.computed_hash();
            if !intact {
                return Ok(Verdict::BrokenAt(row.sequence));
            }
            checked = row.sequence;
            previous_hash = row.hash;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    fn entry(subject: &str) -> Entry {
        Entry {
            at: UtcTime::from_unix_seconds(1_700_000_000),
            tenant_id: None,
            actor: "test".to_owned(),
            action: "sign-on",
            subject: subject.to_owned(),
            result: "ok".to_owned(),
            detail: serde_json::json!({ "service": null }),
        }
    }

    /// A database with three audit rows, on which `tampering` is then done from outside.
    async fn verdict_after(tampering: Option<&'static str>) -> Verdict {
        let (_dir, store) = testing::store().await;
        for subject in ["a@example.test", "b@example.test", "c@example.test"] {
            store.write(move |connection| Box::pin(append(connection, entry(subject)))).await.unwrap();
        }
        if let Some(statement) = tampering {
            sqlx::query(statement).execute(&mut *store.read().await.unwrap()).await.unwrap();
        }
        verify(&mut store.read().await.unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_chain_that_nobody_touched_is_intact() {
        assert_eq!(verdict_after(None).await, Verdict::Intact(3));
    }

    #[tokio::test]
    async fn a_changed_row_is_found() {
        let tampering = "UPDATE audit SET subject = 'nobody' WHERE sequence = 2";
        assert_eq!(verdict_after(Some(tampering)).await, Verdict::BrokenAt(2));
    }

    #[tokio::test]
    async fn a_missing_row_is_found() {
        assert_eq!(verdict_after(Some("DELETE FROM audit WHERE sequence = 2")).await, Verdict::BrokenAt(3));
    }

    #[tokio::test]
    async fn rows_that_change_places_are_found() {
        let tampering = "UPDATE audit SET sequence = CASE sequence WHEN 1 THEN 12 ELSE 11 END WHERE sequence IN (1, 2)";
        assert_eq!(verdict_after(Some(tampering)).await, Verdict::BrokenAt(3));
    }
}
