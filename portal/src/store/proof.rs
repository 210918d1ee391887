//! People who are asked to prove who they are, and the one-time codes that they may do it with.

use saml::name::{EntityId, MessageId};
use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::{StoreError, as_optional_text, as_text, doing};

/// Somebody who is asked to prove who they are, in the browser of one sign-on.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ProofRequest {
    /// Random.
    pub id: String,
    /// Whose device it is.
    pub tenant_id: String,
    /// The device that says who the person is.
    #[serde(serialize_with = "as_text")]
    pub device_id: EntityId,
    /// Its host name, as it says.
    pub hostname: String,
    /// The person, `user@domain`, as the device says.
    pub name_id: String,
    /// The id of the operating system's account.
    pub account: String,
    /// Where the device's request came from; may be empty.
    pub address: String,
    /// The service that the person has opened.
    pub service: String,
    /// The words that both sides of an approval show.
    pub words: String,
    /// The sign-on that the device could not end.
    #[serde(skip)]
    pub transaction_id: MessageId,
    /// The sign-on that goes on with it, once the person has proved who they are.
    #[serde(skip)]
    pub completion_id: Option<MessageId>,
    /// How they did.
    pub method: Option<String>,
    /// Wrong codes so far.
    #[serde(skip)]
    pub tries: i64,
    /// When they were asked.
    #[serde(serialize_with = "as_text")]
    pub created_at: UtcTime,
    /// When they did.
    #[serde(serialize_with = "as_optional_text")]
    pub proved_at: Option<UtcTime>,
    /// When their device has brought it back.
    #[serde(serialize_with = "as_optional_text")]
    pub used_at: Option<UtcTime>,
}

impl ProofRequest {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "proof_request", row };
        Ok(Self {
            id: columns.text("id")?,
            tenant_id: columns.text("tenant_id")?,
            device_id: columns.parsed("device_id")?,
            hostname: columns.text("hostname")?,
            name_id: columns.text("name_id")?,
            account: columns.text("account")?,
            address: columns.text("address")?,
            service: columns.text("service")?,
            words: columns.text("words")?,
            transaction_id: columns.parsed("transaction_id")?,
            completion_id: columns.optional_parsed("completion_id")?,
            method: columns.optional_text("method")?,
            tries: columns.integer("tries")?,
            created_at: columns.time("created_at")?,
            proved_at: columns.optional_time("proved_at")?,
            used_at: columns.optional_time("used_at")?,
        })
    }
}

/// Keeps that somebody is asked. The device's and person's earlier requests that nobody has answered end.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn insert(connection: &mut AnyConnection, row: &ProofRequest) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM proof_request WHERE tenant_id = $1 AND name_id = $2 AND device_id = $3 AND proved_at IS NULL AND created_at < $4")
        .bind(&row.tenant_id)
        .bind(&row.name_id)
        .bind(row.device_id.as_str())
        // Tabs that open together are asked together.
        .bind(row.created_at.plus_seconds(-60).unix_millis())
        .execute(&mut *connection)
        .await
        .map_err(doing("end earlier questions to the person"))?;
    sqlx::query(
        "INSERT INTO proof_request (id, tenant_id, device_id, hostname, name_id, account, address, service, words, transaction_id, tries, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11)",
    )
    .bind(&row.id)
    .bind(&row.tenant_id)
    .bind(row.device_id.as_str())
    .bind(&row.hostname)
    .bind(&row.name_id)
    .bind(&row.account)
    .bind(&row.address)
    .bind(&row.service)
    .bind(&row.words)
    .bind(row.transaction_id.as_str())
    .bind(row.created_at.unix_millis())
    .execute(connection)
    .await
    .map_err(doing("ask the person for a proof"))?;
    Ok(())
}

/// The request with that id.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<ProofRequest>, StoreError> {
    let row = sqlx::query("SELECT * FROM proof_request WHERE id = $1").bind(id).fetch_optional(connection).await;
    row.map_err(doing("look a proof up"))?.as_ref().map(ProofRequest::from_row).transpose()
}

/// The request that a sign-on has ended with.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_transaction(
    connection: &mut AnyConnection,
    transaction_id: &str,
) -> Result<Option<ProofRequest>, StoreError> {
    let row = sqlx::query("SELECT * FROM proof_request WHERE transaction_id = $1").bind(transaction_id);
    let row = row.fetch_optional(connection).await;
    row.map_err(doing("look a proof up"))?.as_ref().map(ProofRequest::from_row).transpose()
}

/// Ends the question: it can't be answered any more.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete(connection: &mut AnyConnection, id: &str) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM proof_request WHERE id = $1").bind(id).execute(connection).await;
    done.map_err(doing("end a question to a person"))?;
    Ok(())
}

/// Requests of the person that nobody has answered, made since `since`, the newest first, twenty at most.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn open_of_person(
    connection: &mut AnyConnection,
    tenant_id: &str,
    name_id: &str,
    since: UtcTime,
) -> Result<Vec<ProofRequest>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM proof_request WHERE tenant_id = $1 AND name_id = $2 AND proved_at IS NULL AND created_at >= $3
         ORDER BY created_at DESC, id LIMIT 20",
    );
    let rows = rows.bind(tenant_id).bind(name_id).bind(since.unix_millis()).fetch_all(connection).await;
    rows.map_err(doing("look for questions to the person"))?.iter().map(ProofRequest::from_row).collect()
}

/// Notes that the person has proved who they are by `method`, and which sign-on goes on; says whether it was the first time.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn prove(
    connection: &mut AnyConnection,
    id: &str,
    method: &str,
    completion_id: &MessageId,
    now: UtcTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE proof_request SET method = $2, completion_id = $3, proved_at = $4 WHERE id = $1 AND proved_at IS NULL",
    );
    let done = done.bind(id).bind(method).bind(completion_id.as_str()).bind(now.unix_millis()).execute(connection);
    Ok(done.await.map_err(doing("keep a proof"))?.rows_affected() == 1)
}

/// Counts a wrong code in the request's form; returns how many there were.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn count_try(connection: &mut AnyConnection, id: &str) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE proof_request SET tries = tries + 1 WHERE id = $1").bind(id).execute(connection);
    done.await.map_err(doing("count a wrong code"))?;
    Ok(())
}

/// Marks the proof as brought back by the device; says whether this was the first time.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn use_up(connection: &mut AnyConnection, id: &str, now: UtcTime) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE proof_request SET used_at = $2 WHERE id = $1 AND used_at IS NULL AND proved_at IS NOT NULL",
    );
    let done = done.bind(id).bind(now.unix_millis()).execute(connection).await;
    Ok(done.map_err(doing("use a proof up"))?.rows_affected() == 1)
}

/// Forgets requests that were made before `before`, codes that ended before, and wrong codes of then.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget_before(connection: &mut AnyConnection, before: UtcTime) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM proof_request WHERE created_at < $1",
        "DELETE FROM proof_code WHERE expires_at < $1",
        "DELETE FROM proof_failure WHERE since < $1",
    ] {
        let done = sqlx::query(statement).bind(before.unix_millis()).execute(&mut *connection).await;
        done.map_err(doing("forget old proofs"))?;
    }
    Ok(())
}

/// A one-time code, of which the portal keeps the SHA-256.
#[derive(Clone, Debug)]
pub struct ProofCode {
    /// The SHA-256 of the code, in hexadecimal.
    pub id: String,
    /// Whose person it is for.
    pub tenant_id: String,
    /// The person, `user@domain`.
    pub name_id: String,
    /// Who made it.
    pub made_by: String,
    /// When.
    pub created_at: UtcTime,
    /// Until when it is good.
    pub expires_at: UtcTime,
}

/// Keeps a code; the person's earlier ones end.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn insert_code(connection: &mut AnyConnection, code: &ProofCode) -> Result<(), StoreError> {
    revoke_codes(connection, &code.tenant_id, &code.name_id).await?;
    sqlx::query(
        "INSERT INTO proof_code (id, tenant_id, name_id, made_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&code.id)
    .bind(&code.tenant_id)
    .bind(&code.name_id)
    .bind(&code.made_by)
    .bind(code.created_at.unix_millis())
    .bind(code.expires_at.unix_millis())
    .execute(connection)
    .await
    .map_err(doing("keep a one-time code"))?;
    Ok(())
}

/// Ends the person's codes that nobody has used.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn revoke_codes(connection: &mut AnyConnection, tenant_id: &str, name_id: &str) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM proof_code WHERE tenant_id = $1 AND name_id = $2 AND used_at IS NULL");
    let done = done.bind(tenant_id).bind(name_id).execute(connection).await;
    done.map_err(doing("end one-time codes"))?;
    Ok(())
}

/// Uses the person's code with that digest up; says whether it was good.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn use_code(
    connection: &mut AnyConnection,
    id: &str,
    tenant_id: &str,
    name_id: &str,
    now: UtcTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE proof_code SET used_at = $4
         WHERE id = $1 AND tenant_id = $2 AND name_id = $3 AND used_at IS NULL AND expires_at > $4",
    );
    let done = done.bind(id).bind(tenant_id).bind(name_id).bind(now.unix_millis()).execute(connection).await;
    Ok(done.map_err(doing("use a one-time code up"))?.rows_affected() == 1)
}

/// How many wrong codes `subject` has given since `since`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn failures(connection: &mut AnyConnection, subject: &str, since: UtcTime) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT times FROM proof_failure WHERE subject = $1 AND since >= $2");
    let row = row.bind(subject).bind(since.unix_millis()).fetch_optional(connection).await;
    let row = row.map_err(doing("count wrong codes"))?;
    row.as_ref().map_or(Ok(0), |row| Columns { table: "proof_failure", row }.integer("times"))
}

/// Counts a wrong code of `subject`, from anew where the last ones were before `since`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn count_failure(
    connection: &mut AnyConnection,
    subject: &str,
    since: UtcTime,
    now: UtcTime,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO proof_failure (subject, times, since) VALUES ($1, 1, $3)
         ON CONFLICT (subject) DO UPDATE SET
             times = CASE WHEN proof_failure.since < $2 THEN 1 ELSE proof_failure.times + 1 END,
             since = CASE WHEN proof_failure.since < $2 THEN excluded.since ELSE proof_failure.since END",
    );
    let done = done.bind(subject).bind(since.unix_millis()).bind(now.unix_millis()).execute(connection).await;
    done.map_err(doing("count a wrong code"))?;
    Ok(())
}
