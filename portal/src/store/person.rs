//! People, and from which devices they sign on.

use std::fmt;
use std::str::FromStr;

use saml::device::EvidenceGrade;
use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::device::Device;
use super::page::{Cursor, Page, Select};
use super::service_session::{self, Ending};
use super::{StoreError, as_optional_text, as_text, doing, domain_realm};
use crate::grade::{Assurance, Grade};

/// Where a person stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PersonState {
    /// May sign on.
    Active,
    /// An administrator has shut them out.
    Suspended,
}

impl fmt::Display for PersonState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        })
    }
}

impl FromStr for PersonState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "active" => Ok(Self::Active),
            "suspended" => Ok(Self::Suspended),
            _ => Err(()),
        }
    }
}

/// How a person came to be known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// By signing on.
    SignOn,
    /// An administrator has provisioned them.
    Administrator,
    /// A directory has provisioned them, or looks after them since.
    Directory,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SignOn => "sign-on",
            Self::Administrator => "administrator",
            Self::Directory => "directory",
        })
    }
}

impl FromStr for Origin {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "sign-on" => Ok(Self::SignOn),
            "administrator" => Ok(Self::Administrator),
            "directory" => Ok(Self::Directory),
            _ => Err(()),
        }
    }
}

/// A person that the portal signs in.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Person {
    /// Random, stable.
    pub id: String,
    /// Whose they are.
    pub tenant_id: String,
    /// `user@domain`, lower case.
    pub name_id: String,
    /// Where they stand.
    #[serde(serialize_with = "as_text")]
    pub state: PersonState,
    /// How they came to be known.
    #[serde(serialize_with = "as_text")]
    pub origin: Origin,
    /// When they were provisioned.
    #[serde(serialize_with = "as_text")]
    pub created_at: UtcTime,
    /// When their name, their state or what a directory says of them was changed.
    #[serde(serialize_with = "as_text")]
    pub changed_at: UtcTime,
    /// When they signed on last.
    #[serde(serialize_with = "as_optional_text")]
    pub last_sign_on_at: Option<UtcTime>,
}

impl Person {
    /// Somebody new, who may sign on.
    #[must_use]
    pub fn new(id: String, tenant_id: String, name_id: String, origin: Origin, now: UtcTime) -> Self {
        let state = PersonState::Active;
        Self { id, tenant_id, name_id, state, origin, created_at: now, changed_at: now, last_sign_on_at: None }
    }

    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "person", row };
        Ok(Self {
            id: columns.text("id")?,
            tenant_id: columns.text("tenant_id")?,
            name_id: columns.text("name_id")?,
            state: columns.parsed("state")?,
            origin: columns.parsed("origin")?,
            created_at: columns.time("created_at")?,
            changed_at: columns.time("changed_at")?,
            last_sign_on_at: columns.optional_time("last_sign_on_at")?,
        })
    }
}

/// Adds `person`.
///
/// # Errors
/// A [`StoreError::Statement`] that [`StoreError::is_duplicate`] where the name is taken.
pub async fn insert(connection: &mut AnyConnection, person: &Person) -> Result<(), StoreError> {
    let insert = "INSERT INTO person (id, tenant_id, name_id, state, created_at, origin, changed_at)
                  VALUES ($1, $2, $3, $4, $5, $6, $7)";
    sqlx::query(insert)
        .bind(&person.id)
        .bind(&person.tenant_id)
        .bind(&person.name_id)
        .bind(person.state.to_string())
        .bind(person.created_at.unix_millis())
        .bind(person.origin.to_string())
        .bind(person.changed_at.unix_millis())
        .execute(connection)
        .await
        .map_err(doing("provision the person"))?;
    Ok(())
}

/// The person of that name.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_name_id(connection: &mut AnyConnection, name_id: &str) -> Result<Option<Person>, StoreError> {
    let row = sqlx::query("SELECT * FROM person WHERE name_id = $1").bind(name_id).fetch_optional(connection).await;
    row.map_err(doing("look the person up"))?.as_ref().map(Person::from_row).transpose()
}

/// What the portal knows of somebody on one device, from earlier sign-ons.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OnDevice {
    /// What they have proved there, if they have.
    pub proof: Option<Proof>,
}

/// That somebody has proved who they are, for one device and one account of its operating system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proof {
    /// How: `code`, `passkey`, `approval`, `idp:NAME`.
    pub method: String,
    /// The account's id, as the device states it.
    pub account: String,
    /// When.
    pub proved_at: UtcTime,
    /// Until when it holds.
    pub ends_at: UtcTime,
}

/// The person of that name, and what is known of them on the device; none where they have not signed on from it.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn with_device(
    connection: &mut AnyConnection,
    name_id: &str,
    device_id: &str,
) -> Result<Option<(Person, Option<OnDevice>)>, StoreError> {
    let row = sqlx::query(
        "SELECT person.*, device_person.device_id AS device_id, device_person.proof_method AS proof_method,
             device_person.proof_account AS proof_account, device_person.proved_at AS proved_at,
             device_person.proof_ends_at AS proof_ends_at
         FROM person LEFT JOIN device_person ON device_person.person_id = person.id AND device_person.device_id = $2
         WHERE person.name_id = $1",
    );
    let row = row.bind(name_id).bind(device_id).fetch_optional(connection).await;
    let read = |row: &AnyRow| {
        let columns = Columns { table: "device_person", row };
        let was_there = columns.optional_text("device_id")?.is_some();
        let method = columns.optional_text("proof_method")?.zip(columns.optional_text("proof_account")?);
        let times = columns.optional_time("proved_at")?.zip(columns.optional_time("proof_ends_at")?);
        let proof = method.zip(times);
        let proof =
            proof.map(|((method, account), (proved_at, ends_at))| Proof { method, account, proved_at, ends_at });
        Ok((Person::from_row(row)?, was_there.then_some(OnDevice { proof })))
    };
    row.map_err(doing("look the person up"))?.as_ref().map(read).transpose()
}

/// Keeps what the person has proved on the device, on which they have signed on.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn keep_proof(
    connection: &mut AnyConnection,
    device_id: &str,
    person_id: &str,
    proof: &Proof,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE device_person SET proof_method = $3, proof_account = $4, proved_at = $5, proof_ends_at = $6
         WHERE device_id = $1 AND person_id = $2",
    )
    .bind(device_id)
    .bind(person_id)
    .bind(&proof.method)
    .bind(&proof.account)
    .bind(proof.proved_at.unix_millis())
    .bind(proof.ends_at.unix_millis())
    .execute(connection)
    .await
    .map_err(doing("keep what a person has proved"))?;
    Ok(())
}

/// Forgets what anybody has proved on the device: it is another one now, or shut out.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn void_proofs(connection: &mut AnyConnection, device_id: &str) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE device_person SET proof_method = NULL, proof_account = NULL, proved_at = NULL, proof_ends_at = NULL
         WHERE device_id = $1 AND proof_method IS NOT NULL",
    );
    done.bind(device_id).execute(connection).await.map_err(doing("forget what was proved on a device"))?;
    Ok(())
}

/// Forgets what the person has proved on the device; says whether they have signed on from it.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn void_proof(connection: &mut AnyConnection, device_id: &str, person_id: &str) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE device_person SET proof_method = NULL, proof_account = NULL, proved_at = NULL, proof_ends_at = NULL
         WHERE device_id = $1 AND person_id = $2",
    );
    let done = done.bind(device_id).bind(person_id).execute(connection).await;
    Ok(done.map_err(doing("forget what a person has proved"))?.rows_affected() == 1)
}

/// Forgets what the person has proved on any device; says on how many.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn void_proofs_of(connection: &mut AnyConnection, person_id: &str) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "UPDATE device_person SET proof_method = NULL, proof_account = NULL, proved_at = NULL, proof_ends_at = NULL
         WHERE person_id = $1 AND proof_method IS NOT NULL",
    );
    let done = done.bind(person_id).execute(connection).await;
    Ok(done.map_err(doing("forget what a person has proved"))?.rows_affected())
}

/// All people by name.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn list(connection: &mut AnyConnection) -> Result<Vec<Person>, StoreError> {
    let rows = sqlx::query("SELECT * FROM person ORDER BY name_id").fetch_all(connection).await;
    rows.map_err(doing("list the people"))?.iter().map(Person::from_row).collect()
}

/// Moves the person `name_id` to `state`; says whether there is such a person.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn set_state(
    connection: &mut AnyConnection,
    name_id: &str,
    state: PersonState,
    now: UtcTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE person SET state = $2, changed_at = $3 WHERE name_id = $1").bind(name_id);
    let done = done.bind(state.to_string()).bind(now.unix_millis()).execute(&mut *connection).await;
    let changed = done.map_err(doing("change the person"))?.rows_affected() > 0;
    if state == PersonState::Suspended {
        service_session::end(connection, Ending::Person(name_id), "user suspended").await?;
    }
    Ok(changed)
}

/// Has a directory look after the person from `now` on, by the name that `person` has; `before` is the name until now.
///
/// # Errors
/// A [`StoreError::Statement`] that [`StoreError::is_duplicate`] where somebody else has the name.
pub async fn hand_over(connection: &mut AnyConnection, person: &Person, before: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE person SET name_id = $2, origin = $3, changed_at = $4 WHERE id = $1")
        .bind(&person.id)
        .bind(&person.name_id)
        .bind(Origin::Directory.to_string())
        .bind(person.changed_at.unix_millis())
        .execute(&mut *connection)
        .await
        .map_err(doing("change the person"))?;
    if before != person.name_id {
        service_session::rename(connection, before, &person.name_id).await?;
        domain_realm::rename_person(connection, before, &person.name_id).await?;
    }
    Ok(())
}

/// The devices that are the person's: those that they were the first to use.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn own_devices(connection: &mut AnyConnection, person_id: &str) -> Result<Vec<Device>, StoreError> {
    let rows = sqlx::query(
        "SELECT device.* FROM device_person JOIN device ON device.id = device_person.device_id
         WHERE device_person.person_id = $1 AND device.owner_id = $1 ORDER BY device.id",
    );
    let rows = rows.bind(person_id).fetch_all(connection).await.map_err(doing("look for the person's devices"))?;
    rows.iter().map(Device::from_row).collect()
}

/// Forgets the person, whose sessions end; what a directory has said of them is to be forgotten before.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete(connection: &mut AnyConnection, person: &Person) -> Result<(), StoreError> {
    service_session::end(connection, Ending::Person(&person.name_id), "user deleted").await?;
    for statement in [
        "UPDATE device SET owner_id = NULL
         WHERE owner_id = $1 AND id IN (SELECT device_id FROM device_person WHERE person_id = $1)",
        "DELETE FROM person_passkey WHERE person_id = $1",
        "DELETE FROM device_person WHERE person_id = $1",
        "DELETE FROM person_realm WHERE name_id = (SELECT name_id FROM person WHERE id = $1)",
        "DELETE FROM person WHERE id = $1",
    ] {
        let done = sqlx::query(statement).bind(&person.id).execute(&mut *connection).await;
        done.map_err(doing("delete the person"))?;
    }
    Ok(())
}

/// How many registered devices other than `device_id` the person signs on from.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn count_other_devices(
    connection: &mut AnyConnection,
    person_id: &str,
    device_id: &str,
) -> Result<i64, StoreError> {
    sqlx::query_scalar(
        "SELECT COUNT(*) FROM device_person JOIN device ON device.id = device_person.device_id
         WHERE device_person.person_id = $1 AND device.id <> $2 AND device.state = 'registered'",
    )
    .bind(person_id)
    .bind(device_id)
    .fetch_one(connection)
    .await
    .map_err(doing("count the person's devices"))
}

/// The `number` registered devices other than `device_id` that the person has not used for the longest time.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn oldest_other_devices(
    connection: &mut AnyConnection,
    person_id: &str,
    device_id: &str,
    number: i64,
) -> Result<Vec<Device>, StoreError> {
    let rows = sqlx::query(
        "SELECT device.* FROM device_person JOIN device ON device.id = device_person.device_id
         WHERE device_person.person_id = $1 AND device.id <> $2 AND device.state = 'registered'
         ORDER BY device_person.last_at, device.id LIMIT $3",
    );
    let rows = rows.bind(person_id).bind(device_id).bind(number).fetch_all(connection).await;
    rows.map_err(doing("look for the person's oldest device"))?.iter().map(Device::from_row).collect()
}

/// A sign-on of `person_id` from `device_id`, as it is noted.
#[derive(Clone, Debug)]
pub struct SignOnNote<'a> {
    /// The device's entity ID.
    pub device_id: &'a str,
    /// The person.
    pub person_id: &'a str,
    /// The evidence's source and attributes, as JSON.
    pub evidence: String,
    /// The kind of the device's claim.
    pub claim: EvidenceGrade,
    /// What they were signed in by.
    pub assurance: &'a Assurance,
    /// When.
    pub now: UtcTime,
}

/// Notes that the person has signed on from the device.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn note_sign_on(connection: &mut AnyConnection, note: &SignOnNote<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO device_person (device_id, person_id, evidence, grade, first_at, last_at, claim, origin)
         VALUES ($1, $2, $3, $4, $5, $5, $6, $7)
         ON CONFLICT (device_id, person_id) DO UPDATE SET evidence = excluded.evidence, grade = excluded.grade, last_at = excluded.last_at,
             claim = excluded.claim, origin = excluded.origin",
    )
    .bind(note.device_id)
    .bind(note.person_id)
    .bind(&note.evidence)
    .bind(note.assurance.grade.to_string())
    .bind(note.now.unix_millis())
    .bind(note.claim.to_string())
    .bind(&note.assurance.origin)
    .execute(&mut *connection)
    .await
    .map_err(doing("note the sign-on"))?;
    note_seen(connection, note.person_id, note.now).await
}

/// Notes that the person has signed on, from wherever.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn note_seen(connection: &mut AnyConnection, person_id: &str, now: UtcTime) -> Result<(), StoreError> {
    sqlx::query("UPDATE person SET last_sign_on_at = $2 WHERE id = $1")
        .bind(person_id)
        .bind(now.unix_millis())
        .execute(connection)
        .await
        .map_err(doing("note the sign-on"))?;
    Ok(())
}

/// What was offered for a person when they signed on from a device last.
#[derive(Clone, Debug)]
pub struct LastEvidence {
    /// Source and attributes, as JSON.
    pub evidence: String,
    /// The kind of the claim.
    pub claim: EvidenceGrade,
    /// What they were signed in by.
    pub assurance: Assurance,
    /// When.
    pub at: UtcTime,
}

/// What `device_id` has offered last for `person_id`; none where they have not signed on from it.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn last_evidence(
    connection: &mut AnyConnection,
    device_id: &str,
    person_id: &str,
) -> Result<Option<LastEvidence>, StoreError> {
    let row = sqlx::query(
        "SELECT evidence, grade, origin, claim, last_at FROM device_person WHERE device_id = $1 AND person_id = $2",
    )
    .bind(device_id)
    .bind(person_id)
    .fetch_optional(connection)
    .await;
    let row = row.map_err(doing("look the person's evidence up"))?;
    let read = |row: &AnyRow| {
        let columns = Columns { table: "device_person", row };
        let assurance = Assurance { grade: columns.parsed::<Grade>("grade")?, origin: columns.text("origin")? };
        let (evidence, claim) = (columns.text("evidence")?, columns.parsed("claim")?);
        Ok(LastEvidence { evidence, claim, assurance, at: columns.time("last_at")? })
    };
    row.as_ref().map(read).transpose()
}

/// A portion of the tenant's people by name, all of them or those whose name begins with `search`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn page(
    connection: &mut AnyConnection,
    tenant_id: &str,
    search: Option<&str>,
    after: Option<&Cursor>,
    limit: u16,
) -> Result<Page<Person>, StoreError> {
    let mut select = Select::new("SELECT * FROM person WHERE 1 = 1");
    select.add(" AND tenant_id = ?", [tenant_id.into()]);
    if let Some(search) = search {
        select.begins_with("name_id", search);
    }
    if let Some(after) = after {
        select.add(" AND name_id > ?", [after.id.as_str().into()]);
    }
    select.add(" ORDER BY name_id", []);
    let place = |person: &Person| Cursor { number: 0, text: String::new(), id: person.name_id.clone() };
    select.page(connection, limit, Person::from_row, place).await
}

/// One person's use of one device.
#[derive(Clone, Debug, serde::Serialize)]
pub struct DeviceUse {
    /// The device's entity ID.
    pub device_id: String,
    /// The device's host name, lower case; may be empty.
    pub hostname: String,
    /// Where the device stands.
    pub device_state: String,
    /// The person's name.
    pub name_id: String,
    /// Where the person stands.
    pub person_state: String,
    /// The grade of the last sign-on.
    pub grade: String,
    /// How that grade came about.
    pub origin: String,
    /// Until when what they have proved there holds, if they have.
    #[serde(serialize_with = "as_optional_text")]
    pub proof_ends_at: Option<UtcTime>,
    /// When they signed on from it first.
    #[serde(serialize_with = "as_text")]
    pub first_at: UtcTime,
    /// When they signed on from it last.
    #[serde(serialize_with = "as_text")]
    pub last_at: UtcTime,
}

/// Who uses which device: the hundred latest of a device or of a person.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn uses(connection: &mut AnyConnection, of: UsesOf<'_>) -> Result<Vec<DeviceUse>, StoreError> {
    let mut select = Select::new(
        "SELECT device.id AS device_id, device.hostname AS hostname, device.state AS device_state,
             person.name_id AS name_id, person.state AS person_state, device_person.grade AS grade, device_person.origin AS origin,
             device_person.proof_ends_at AS proof_ends_at,
             device_person.first_at AS first_at, device_person.last_at AS last_at
         FROM device_person JOIN person ON person.id = device_person.person_id
             JOIN device ON device.id = device_person.device_id",
    );
    match of {
        UsesOf::Device(id) => select.add(" WHERE device_person.device_id = ?", [id.into()]),
        UsesOf::Person(id) => select.add(" WHERE device_person.person_id = ?", [id.into()]),
    }
    select.add(" ORDER BY device_person.last_at DESC LIMIT 100", []);
    let read = |row: &AnyRow| {
        let columns = Columns { table: "device_person", row };
        Ok(DeviceUse {
            device_id: columns.text("device_id")?,
            hostname: columns.text("hostname")?,
            device_state: columns.text("device_state")?,
            name_id: columns.text("name_id")?,
            person_state: columns.text("person_state")?,
            grade: columns.text("grade")?,
            origin: columns.text("origin")?,
            proof_ends_at: columns.optional_time("proof_ends_at")?,
            first_at: columns.time("first_at")?,
            last_at: columns.time("last_at")?,
        })
    };
    select.rows(connection).await?.iter().map(read).collect()
}

/// Whose uses are asked for.
#[derive(Clone, Copy, Debug)]
pub enum UsesOf<'a> {
    /// Those of the device with this entity ID.
    Device(&'a str),
    /// Those of the person with this row id.
    Person(&'a str),
}
