//! Devices: one row for each registered key.

use std::collections::BTreeMap;

use saml::name::EntityId;
use saml::time::UtcTime;
use saml::token::TokenId;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::{Columns, base64_text, json_text};
use super::page::{Cursor, Page, Select};
use super::person;
use super::service_session::{self, Ending};
use super::token::People;
use super::{StoreError, as_text, doing};
use crate::evidence;

pub use super::device_state::{DeviceState, Move};

/// What a device says about itself: names of facts with their values. A claim, not a finding.
pub type Facts = BTreeMap<String, Vec<String>>;

/// A registered device.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Device {
    /// Its entity ID, made from the first of its public keys.
    #[serde(serialize_with = "as_text")]
    pub id: EntityId,
    /// Whose it is.
    pub tenant_id: String,
    /// The token that enrolled it.
    #[serde(serialize_with = "as_text")]
    pub token_id: TokenId,
    /// DER of the SubjectPublicKeyInfo.
    #[serde(skip)]
    pub public_key: Vec<u8>,
    /// What its requests call it: the entity ID that is made from its present key.
    #[serde(serialize_with = "as_text")]
    pub key_name: EntityId,
    /// Since when it has that key.
    #[serde(serialize_with = "as_text")]
    pub key_since: UtcTime,
    /// The key that it has brought and not used yet.
    #[serde(skip)]
    pub next_key: Option<NextKey>,
    /// Where it stands.
    #[serde(serialize_with = "as_text")]
    pub state: DeviceState,
    /// Whether it is to delete its key and its state when it hears that it is removed.
    pub wipe: bool,
    /// Why it stands there, where there is more to say.
    pub state_note: String,
    /// The highest sequence number that it has sent.
    pub sequence: i64,
    /// What it said about itself last.
    pub facts: Facts,
    /// What it is recognised by when it comes back with another key; may be empty.
    pub fingerprint: String,
    /// Groups that its token gave it.
    pub groups: Vec<String>,
    /// The people that it may sign in by its word alone, as its token says.
    #[serde(serialize_with = "as_text")]
    pub people: People,
    /// The person who first used it.
    pub owner_id: Option<String>,
    /// When it was enrolled (again, after a removal).
    #[serde(serialize_with = "as_text")]
    pub enrolled_at: UtcTime,
    /// When it was heard last.
    #[serde(serialize_with = "as_text")]
    pub last_seen_at: UtcTime,
}

/// The key that a device has brought and not used yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NextKey {
    /// The entity ID that is made from it.
    pub name: EntityId,
    /// DER of the SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
}

impl Device {
    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "device", row };
        let next = columns.optional_parsed("next_key_name")?.zip(columns.optional_bytes("next_public_key")?);
        Ok(Self {
            key_name: columns.parsed("key_name")?,
            key_since: columns.time("key_since")?,
            next_key: next.map(|(name, public_key)| NextKey { name, public_key }),
            id: columns.parsed("id")?,
            tenant_id: columns.text("tenant_id")?,
            token_id: columns.parsed("token_id")?,
            public_key: columns.bytes("public_key")?,
            state: columns.parsed("state")?,
            sequence: columns.integer("sequence")?,
            facts: columns.json("facts")?,
            wipe: columns.flag("wipe")?,
            state_note: columns.text("state_note")?,
            fingerprint: columns.text("fingerprint")?,
            groups: columns.json("device_groups")?,
            people: columns.parsed("people")?,
            owner_id: columns.optional_text("owner_id")?,
            enrolled_at: columns.time("enrolled_at")?,
            last_seen_at: columns.time("last_seen_at")?,
        })
    }

    /// The host name as it is searched for: lower case.
    fn hostname(&self) -> String {
        self.fact(evidence::HOSTNAME).to_lowercase()
    }

    /// The value of a fact, the first one where there are several, or nothing.
    #[must_use]
    pub fn fact(&self, name: &str) -> &str {
        self.facts.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }
}

/// Adds `device`, or registers it anew where it was removed.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn register(connection: &mut AnyConnection, device: &Device) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO device (id, tenant_id, token_id, public_key, state, sequence, facts, enrolled_at, last_seen_at,
             state_note, fingerprint, device_groups, owner_id, hostname, platform, key_protection, agent_version, key_name, key_since, people)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
         ON CONFLICT (id) DO UPDATE SET tenant_id = excluded.tenant_id, token_id = excluded.token_id, state = excluded.state,
             sequence = excluded.sequence, facts = excluded.facts, enrolled_at = excluded.enrolled_at, last_seen_at = excluded.last_seen_at,
             state_note = excluded.state_note, fingerprint = excluded.fingerprint, device_groups = excluded.device_groups,
             owner_id = excluded.owner_id, hostname = excluded.hostname, platform = excluded.platform,
             key_protection = excluded.key_protection, agent_version = excluded.agent_version, people = excluded.people",
    )
    .bind(device.id.as_str())
    .bind(&device.tenant_id)
    .bind(device.token_id.to_string())
    .bind(base64_text(&device.public_key))
    .bind(device.state.to_string())
    .bind(device.sequence)
    .bind(json_text(&device.facts))
    .bind(device.enrolled_at.unix_millis())
    .bind(device.last_seen_at.unix_millis())
    .bind(&device.state_note)
    .bind(&device.fingerprint)
    .bind(json_text(&device.groups))
    .bind(&device.owner_id)
    .bind(device.hostname())
    .bind(device.fact(evidence::PLATFORM))
    .bind(device.fact(evidence::KEY_PROTECTION))
    .bind(device.fact(evidence::AGENT_VERSION))
    .bind(device.key_name.as_str())
    .bind(device.key_since.unix_millis())
    .bind(device.people.to_string())
    .execute(connection)
    .await
    .map_err(doing("register the device"))?;
    Ok(())
}

/// Notes that `device` was heard: its sequence number, facts, owner and time.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn note_seen(connection: &mut AnyConnection, device: &Device) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE device SET sequence = $2, facts = $3, last_seen_at = $4, fingerprint = $5, owner_id = $6, hostname = $7,
             platform = $8, key_protection = $9, agent_version = $10
         WHERE id = $1",
    )
    .bind(device.id.as_str())
    .bind(device.sequence)
    .bind(json_text(&device.facts))
    .bind(device.last_seen_at.unix_millis())
    .bind(&device.fingerprint)
    .bind(&device.owner_id)
    .bind(device.hostname())
    .bind(device.fact(evidence::PLATFORM))
    .bind(device.fact(evidence::KEY_PROTECTION))
    .bind(device.fact(evidence::AGENT_VERSION))
    .execute(connection)
    .await
    .map_err(doing("note that the device was seen"))?;
    Ok(())
}

/// Moves the device `id` to `state` for the reason `note`; says whether there is such a device.
///
/// Who comes out of the queue has no owner: the next person is meant.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn move_to(
    connection: &mut AnyConnection,
    id: &str,
    state: DeviceState,
    note: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE device SET owner_id = CASE WHEN state = 'pending' THEN NULL ELSE owner_id END, state = $2, state_note = $3
         WHERE id = $1",
    );
    let done = done.bind(id).bind(state.to_string()).bind(note).execute(&mut *connection).await;
    let changed = done.map_err(doing("change the device"))?.rows_affected() > 0;
    if !matches!(state, DeviceState::Registered | DeviceState::Pending) {
        service_session::end(connection, Ending::Device(id), &format!("device {state}")).await?;
        person::void_proofs(connection, id).await?;
    }
    Ok(changed)
}

/// Notes whether the device `id` is to delete its key and its state when it hears that it is removed.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn set_wipe(connection: &mut AnyConnection, id: &str, wipe: bool) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE device SET wipe = $2 WHERE id = $1").bind(id).bind(i64::from(wipe));
    done.execute(connection).await.map_err(doing("note the device's wipe"))?;
    Ok(())
}

/// Whether a machine with that fingerprint is in quarantine in the tenant. An empty fingerprint is nobody's.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn is_quarantined(
    connection: &mut AnyConnection,
    tenant_id: &str,
    fingerprint: &str,
) -> Result<bool, StoreError> {
    if fingerprint.is_empty() {
        return Ok(false);
    }
    let found = sqlx::query(
        "SELECT id FROM device WHERE tenant_id = $1 AND fingerprint = $2 AND state = 'quarantined' LIMIT 1",
    );
    let found = found.bind(tenant_id).bind(fingerprint).fetch_optional(connection).await;
    Ok(found.map_err(doing("look for a quarantine"))?.is_some())
}

/// Entity IDs of the tenant's devices on the machine with that fingerprint.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn on_machine(
    connection: &mut AnyConnection,
    tenant_id: &str,
    fingerprint: &str,
) -> Result<Vec<String>, StoreError> {
    if fingerprint.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query("SELECT id FROM device WHERE tenant_id = $1 AND fingerprint = $2 ORDER BY id");
    let rows = rows.bind(tenant_id).bind(fingerprint).fetch_all(connection).await;
    let rows = rows.map_err(doing("look for the machine's devices"))?;
    rows.iter().map(|row| Columns { table: "device", row }.text("id")).collect()
}

/// The tenant's registered devices that were not heard since `before`, the one heard first first, `limit` at most.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn not_heard_since(
    connection: &mut AnyConnection,
    tenant_id: &str,
    before: UtcTime,
    limit: i64,
) -> Result<Vec<Device>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM device WHERE tenant_id = $1 AND state = 'registered' AND last_seen_at < $2
         ORDER BY last_seen_at, id LIMIT $3",
    );
    let rows = rows.bind(tenant_id).bind(before.unix_millis()).bind(limit).fetch_all(connection).await;
    rows.map_err(doing("look for devices that were not heard"))?.iter().map(Device::from_row).collect()
}

/// Removes every device that `token` enrolled and that is registered or waits; says how many.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn remove_of_token(connection: &mut AnyConnection, token: &TokenId) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "UPDATE device SET state = 'removed', state_note = 'its token was revoked with its devices'
         WHERE token_id = $1 AND state IN ('registered', 'pending', 'cloned')",
    );
    let done = done.bind(token.to_string()).execute(connection).await;
    Ok(done.map_err(doing("remove the devices of the token"))?.rows_affected())
}

/// The device with that entity ID.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<Device>, StoreError> {
    let row = sqlx::query("SELECT * FROM device WHERE id = $1").bind(id).fetch_optional(connection).await;
    row.map_err(doing("look the device up"))?.as_ref().map(Device::from_row).transpose()
}

/// All devices, the one heard last first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn list(connection: &mut AnyConnection) -> Result<Vec<Device>, StoreError> {
    let rows = sqlx::query("SELECT * FROM device ORDER BY last_seen_at DESC, id").fetch_all(connection).await;
    rows.map_err(doing("list the devices"))?.iter().map(Device::from_row).collect()
}

/// Which devices of a tenant are listed.
#[derive(Clone, Debug, Default)]
pub struct DeviceFilter {
    /// Those in this state.
    pub state: Option<DeviceState>,
    /// Those of this platform.
    pub platform: Option<String>,
    /// Those whose key is protected like this.
    pub key_protection: Option<String>,
    /// Those with this version of the agent.
    pub agent_version: Option<String>,
    /// Those that this token enrolled.
    pub token_id: Option<String>,
    /// Those whose host name begins with this, lower case; or those of the person of this name, if it holds an `@`; or
    /// those whose entity ID begins with this, if it begins like one.
    pub search: Option<String>,
}

/// A portion of the tenant's devices: the one enrolled last first, or by host name where one is searched for.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn page(
    connection: &mut AnyConnection,
    tenant_id: &str,
    filter: &DeviceFilter,
    after: Option<&Cursor>,
    limit: u16,
) -> Result<Page<Device>, StoreError> {
    let mut select = Select::new("SELECT * FROM device WHERE 1 = 1");
    select.add(" AND tenant_id = ?", [tenant_id.into()]);
    if let Some(state) = filter.state {
        select.add(" AND state = ?", [state.to_string().into()]);
    }
    for (condition, value) in [
        (" AND platform = ?", &filter.platform),
        (" AND key_protection = ?", &filter.key_protection),
        (" AND agent_version = ?", &filter.agent_version),
        (" AND token_id = ?", &filter.token_id),
    ] {
        if let Some(value) = value {
            select.add(condition, [value.as_str().into()]);
        }
    }
    let mut by_hostname = false;
    match filter.search.as_deref() {
        None => {}
        Some(id) if id.starts_with("urn:") => select.begins_with("id", id),
        Some(name) if name.contains('@') => select.add(
            " AND id IN (SELECT device_id FROM device_person JOIN person ON person.id = device_person.person_id
                         WHERE person.name_id = ?)",
            [name.into()],
        ),
        Some(hostname) => {
            by_hostname = true;
            select.begins_with("hostname", hostname);
        }
    }
    match (by_hostname, after) {
        (true, Some(after)) => {
            select.add(" AND (hostname, id) > (?, ?)", [after.text.as_str().into(), after.id.as_str().into()]);
        }
        (false, Some(after)) => {
            select.add(" AND (enrolled_at, id) < (?, ?)", [after.number.into(), after.id.as_str().into()]);
        }
        (_, None) => {}
    }
    select.add(if by_hostname { " ORDER BY hostname, id" } else { " ORDER BY enrolled_at DESC, id DESC" }, []);
    let place = |device: &Device| Cursor {
        number: device.enrolled_at.unix_millis(),
        text: device.hostname(),
        id: device.id.to_string(),
    };
    select.page(connection, limit, Device::from_row, place).await
}

/// How many registered devices of the tenant are believed about who their person is.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn count_believed(connection: &mut AnyConnection, tenant_id: &str) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar(
        "SELECT COUNT(*) FROM device WHERE tenant_id = $1 AND state = 'registered' AND people = 'any'",
    );
    count.bind(tenant_id).fetch_one(connection).await.map_err(doing("count the devices"))
}

/// What devices can be counted by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Facet {
    /// Their state.
    State,
    /// Their platform.
    Platform,
    /// What protects their key.
    KeyProtection,
    /// The version of their agent.
    AgentVersion,
}

/// How many devices of the tenant there are of each kind, the most frequent first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn count_by(
    connection: &mut AnyConnection,
    tenant_id: &str,
    facet: Facet,
) -> Result<Vec<(String, i64)>, StoreError> {
    let statement = match facet {
        Facet::State => "SELECT state AS kind, COUNT(*) AS times FROM device WHERE tenant_id = $1 GROUP BY state",
        Facet::Platform => {
            "SELECT platform AS kind, COUNT(*) AS times FROM device WHERE tenant_id = $1 GROUP BY platform"
        }
        Facet::KeyProtection => {
            "SELECT key_protection AS kind, COUNT(*) AS times FROM device WHERE tenant_id = $1 GROUP BY key_protection"
        }
        Facet::AgentVersion => {
            "SELECT agent_version AS kind, COUNT(*) AS times FROM device WHERE tenant_id = $1 GROUP BY agent_version"
        }
    };
    let rows = sqlx::query(statement).bind(tenant_id).fetch_all(connection).await;
    let rows = rows.map_err(doing("count the devices"))?;
    let count = |row: &AnyRow| {
        let columns = Columns { table: "device", row };
        Ok::<_, StoreError>((columns.text("kind")?, columns.integer("times")?))
    };
    let mut counts = rows.iter().map(count).collect::<Result<Vec<_>, _>>()?;
    counts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    Ok(counts)
}

/// The kinds of devices that the tenant has, in their order, thirty at most. It looks each up in the index and does not
/// pass over the devices, however many there are.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn kinds(connection: &mut AnyConnection, tenant_id: &str, facet: Facet) -> Result<Vec<String>, StoreError> {
    let statement = match facet {
        Facet::State => "SELECT MIN(state) AS kind FROM device WHERE tenant_id = $1 AND state > $2",
        Facet::Platform => "SELECT MIN(platform) AS kind FROM device WHERE tenant_id = $1 AND platform > $2",
        Facet::KeyProtection => {
            "SELECT MIN(key_protection) AS kind FROM device WHERE tenant_id = $1 AND key_protection > $2"
        }
        Facet::AgentVersion => {
            "SELECT MIN(agent_version) AS kind FROM device WHERE tenant_id = $1 AND agent_version > $2"
        }
    };
    let mut kinds: Vec<String> = Vec::new();
    while kinds.len() < 30 {
        let last = kinds.last().map_or("", String::as_str);
        let row = sqlx::query(statement).bind(tenant_id).bind(last).fetch_one(&mut *connection).await;
        let row = row.map_err(doing("list the kinds of devices"))?;
        match (Columns { table: "device", row: &row }).optional_text("kind")? {
            Some(kind) => kinds.push(kind),
            None => break,
        }
    }
    Ok(kinds)
}
