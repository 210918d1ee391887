//! Retention of the audit: old rows are cut off, and what is left is still one chain, which hangs on the last row cut off.

use saml::time::UtcTime;
use sqlx::AnyConnection;

use super::audit::{self, Entry};
use super::columns::Columns;
use super::{StoreError, doing};

/// Rows that one transaction cuts off.
pub const PORTION: usize = 1000;

/// Number and hash of the last row that was cut off; 0 and 64 zeros where none was.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn anchor(connection: &mut AnyConnection) -> Result<(i64, String), StoreError> {
    let row = sqlx::query("SELECT sequence, hash FROM audit_anchor ORDER BY sequence DESC LIMIT 1");
    let row = row.fetch_optional(connection).await.map_err(doing("read where the audit was cut"))?;
    let Some(row) = row else { return Ok((0, "0".repeat(64))) };
    let columns = Columns { table: "audit_anchor", row: &row };
    Ok((columns.integer("sequence")?, columns.text("hash")?))
}

/// Cuts off rows from before `before`, a portion of them; says how many. The newest row always stays.
///
/// The cut itself is in the audit, with the number and the hash of the last row that went: compare it with what was
/// exported before.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn cut(
    connection: &mut AnyConnection,
    before: UtcTime,
    actor: String,
    now: UtcTime,
) -> Result<usize, StoreError> {
    let (begins_after, _) = anchor(connection).await?;
    let oldest = audit::after(connection, begins_after, PORTION as i64 + 1).await?;
    let candidates = &oldest[..oldest.len().saturating_sub(1)];
    let old: Vec<_> = candidates.iter().take_while(|row| row.at < before).collect();
    let Some(last) = old.last() else { return Ok(0) };
    let keep = sqlx::query("INSERT INTO audit_anchor (sequence, hash, cut_at) VALUES ($1, $2, $3)");
    let kept = keep.bind(last.sequence).bind(&last.hash).bind(now.unix_millis()).execute(&mut *connection).await;
    kept.map_err(doing("note where the audit is cut"))?;
    let gone =
        sqlx::query("DELETE FROM audit WHERE sequence <= $1").bind(last.sequence).execute(&mut *connection).await;
    gone.map_err(doing("cut the audit"))?;
    let detail = serde_json::json!({ "rows": old.len(), "last": last.sequence, "hash": last.hash });
    let entry = Entry {
        at: now,
        tenant_id: None,
        actor,
        action: "audit.cut",
        subject: format!("before {before}"),
        result: "ok".to_owned(),
        detail,
    };
    audit::append(connection, entry).await?;
    Ok(old.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::audit::{Verdict, verify};
    use crate::store::testing;

    async fn cut_after_rows(number: i64, before: i64) -> (tempfile::TempDir, crate::store::Store, usize) {
        let (dir, store) = testing::store().await;
        for second in 0..number {
            let entry = Entry {
                at: UtcTime::from_unix_seconds(second),
                tenant_id: None,
                actor: "test".to_owned(),
                action: "sign-on",
                subject: second.to_string(),
                result: "ok".to_owned(),
                detail: serde_json::json!({}),
            };
            store.write(move |connection| Box::pin(audit::append(connection, entry))).await.unwrap();
        }
        let time = UtcTime::from_unix_seconds;
        let cutting =
            store.write(move |connection| Box::pin(cut(connection, time(before), "test".to_owned(), time(99))));
        let gone = cutting.await.unwrap();
        (dir, store, gone)
    }

    #[tokio::test]
    async fn what_is_left_after_a_cut_is_one_chain_that_hangs_on_the_last_row_cut_off() {
        let (_dir, store, gone) = cut_after_rows(6, 3).await;
        assert_eq!(gone, 3);
        let mut connection = store.read().await.unwrap();
        assert_eq!(verify(&mut connection).await.unwrap(), Verdict::Intact(7), "the last number, the cut's own row");
        assert_eq!(audit::newest(&mut connection, 99).await.unwrap().len(), 4);
        sqlx::query("DELETE FROM audit WHERE sequence = 4").execute(&mut *connection).await.unwrap();
        assert_eq!(verify(&mut connection).await.unwrap(), Verdict::BrokenAt(5), "a row that somebody else took");
    }

    #[tokio::test]
    async fn the_newest_row_stays_and_a_cut_of_nothing_leaves_no_row() {
        let (_dir, store, gone) = cut_after_rows(2, 1000).await;
        assert_eq!(gone, 1);
        let again = store.write(move |connection| {
            Box::pin(cut(connection, UtcTime::from_unix_seconds(0), "test".to_owned(), UtcTime::from_unix_seconds(99)))
        });
        assert_eq!(again.await.unwrap(), 0);
        assert_eq!(verify(&mut store.read().await.unwrap()).await.unwrap(), Verdict::Intact(3));
    }
}
