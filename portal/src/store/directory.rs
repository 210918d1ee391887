//! What a directory says about people, and its groups.

use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::{Columns, json_text};
use super::directory_filter::Condition;
use super::page::{Bound, Select};
use super::person::Person;
use super::{StoreError, doing};

/// Rows that one statement writes at most.
const AT_ONCE: usize = 500;

/// A person as a directory knows them.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The person.
    pub person: Person,
    /// Their name as the directory spells it.
    pub user_name: String,
    /// The directory's own id for them; may be empty.
    pub external_id: String,
    /// What else it says, an object of SCIM attributes.
    pub attributes: serde_json::Value,
}

/// One value that lists of people are filtered by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Value {
    /// The attribute, in lower case; behind its schema where it is of an extension.
    pub attribute: String,
    /// The part of it, in lower case; empty where it has none.
    pub part: String,
    /// Parts with the same number are of the same value.
    pub element: i64,
    /// The value, in lower case unless upper and lower case differ.
    pub value: String,
}

/// A group of people.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Group {
    /// Random, stable.
    pub id: String,
    /// Whose it is.
    pub tenant_id: String,
    /// Its name, unique in the tenant whatever its case.
    pub display_name: String,
    /// The directory's own id for it; may be empty.
    pub external_id: String,
    /// Counts its changes.
    #[serde(skip)]
    pub revision: i64,
    /// When it was made.
    #[serde(serialize_with = "super::as_text")]
    pub created_at: UtcTime,
    /// When it was changed.
    #[serde(serialize_with = "super::as_text")]
    pub changed_at: UtcTime,
}

impl Group {
    /// Another one after every change, of its members too.
    #[must_use]
    pub fn version(&self) -> String {
        format!("W/\"{}\"", self.revision)
    }
}

/// Something with an id and a name.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Named {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
}

impl Profile {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "person_profile", row };
        Ok(Self {
            person: Person::from_row(row)?,
            user_name: columns.text("user_name")?,
            external_id: columns.text("external_id")?,
            attributes: columns.json("attributes")?,
        })
    }
}

impl Group {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "person_group", row };
        Ok(Self {
            id: columns.text("id")?,
            tenant_id: columns.text("tenant_id")?,
            display_name: columns.text("display_name")?,
            external_id: columns.text("external_id")?,
            revision: columns.integer("revision")?,
            created_at: columns.time("created_at")?,
            changed_at: columns.time("changed_at")?,
        })
    }
}

/// A portion of a list by number: so many after the first so many.
#[derive(Clone, Copy, Debug)]
pub struct Portion {
    /// How many are left out before it.
    pub skip: i64,
    /// How many there are in it at most.
    pub limit: i64,
}

/// The tenant's people that fit, by id.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn people(
    connection: &mut AnyConnection,
    tenant_id: &str,
    condition: &Condition,
    portion: Portion,
) -> Result<Vec<Profile>, StoreError> {
    let mut select = Select::new(
        "SELECT person.*, COALESCE(person_profile.user_name, person.name_id) AS user_name,
             COALESCE(person_profile.external_id, '') AS external_id,
             COALESCE(person_profile.attributes, '{}') AS attributes
         FROM person LEFT JOIN person_profile ON person_profile.person_id = person.id",
    );
    select.add(" WHERE person.tenant_id = ?", [tenant_id.into()]);
    condition.add_to(&mut select, tenant_id);
    select.add(" ORDER BY person.id LIMIT ? OFFSET ?", [portion.limit.into(), portion.skip.into()]);
    select.rows(connection).await?.iter().map(Profile::from_row).collect()
}

/// How many of the tenant's people fit.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn count_people(
    connection: &mut AnyConnection,
    tenant_id: &str,
    condition: &Condition,
) -> Result<i64, StoreError> {
    let mut select = Select::new("SELECT COUNT(*) AS number FROM person");
    select.add(" WHERE person.tenant_id = ?", [tenant_id.into()]);
    condition.add_to(&mut select, tenant_id);
    number(select, connection).await
}

async fn number(select: Select, connection: &mut AnyConnection) -> Result<i64, StoreError> {
    let rows = select.rows(connection).await?;
    let count = |row| Columns { table: "person", row }.integer("number");
    rows.first().map_or(Ok(0), count)
}

/// The person with that id, if they are the tenant's.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn profile(connection: &mut AnyConnection, tenant_id: &str, id: &str) -> Result<Option<Profile>, StoreError> {
    let wanted = Condition::id(id);
    let found = people(connection, tenant_id, &wanted, Portion { skip: 0, limit: 1 }).await?;
    Ok(found.into_iter().next())
}

/// What a directory says of the person, if it is wanted.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn wanted_profile(
    connection: &mut AnyConnection,
    person: &Person,
    is_wanted: bool,
) -> Result<Option<Profile>, StoreError> {
    if is_wanted { profile(connection, &person.tenant_id, &person.id).await } else { Ok(None) }
}

/// Keeps what the directory says about the person beyond their name and state, and what lists are filtered by.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn keep_profile(
    connection: &mut AnyConnection,
    profile: &Profile,
    values: &[Value],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO person_profile (person_id, user_name, external_id, attributes) VALUES ($1, $2, $3, $4)
         ON CONFLICT (person_id) DO UPDATE SET user_name = excluded.user_name, external_id = excluded.external_id,
             attributes = excluded.attributes",
    )
    .bind(&profile.person.id)
    .bind(&profile.user_name)
    .bind(&profile.external_id)
    .bind(json_text(&profile.attributes))
    .execute(&mut *connection)
    .await
    .map_err(doing("keep what the directory says"))?;
    let gone = sqlx::query("DELETE FROM person_value WHERE person_id = $1").bind(&profile.person.id);
    gone.execute(&mut *connection).await.map_err(doing("keep what the directory says"))?;
    for some in values.chunks(AT_ONCE) {
        let mut insert =
            Select::new("INSERT INTO person_value (person_id, tenant_id, attribute, part, element, value) VALUES ");
        for (index, value) in some.iter().enumerate() {
            let row = if index == 0 { "(?, ?, ?, ?, ?, ?)" } else { ", (?, ?, ?, ?, ?, ?)" };
            let Value { attribute, part, element, value } = value.clone();
            let person = &profile.person;
            insert.add(
                row,
                [
                    person.id.as_str().into(),
                    person.tenant_id.as_str().into(),
                    attribute.into(),
                    part.into(),
                    element.into(),
                    value.into(),
                ],
            );
        }
        insert.rows(connection).await?;
    }
    Ok(())
}

/// The tenant's groups that fit, by id.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn groups(
    connection: &mut AnyConnection,
    tenant_id: &str,
    condition: &Condition,
    portion: Portion,
) -> Result<Vec<Group>, StoreError> {
    let mut select = Select::new("SELECT person_group.* FROM person_group");
    select.add(" WHERE person_group.tenant_id = ?", [tenant_id.into()]);
    condition.add_to(&mut select, tenant_id);
    select.add(" ORDER BY person_group.id LIMIT ? OFFSET ?", [portion.limit.into(), portion.skip.into()]);
    select.rows(connection).await?.iter().map(Group::from_row).collect()
}

/// How many of the tenant's groups fit.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn count_groups(
    connection: &mut AnyConnection,
    tenant_id: &str,
    condition: &Condition,
) -> Result<i64, StoreError> {
    let mut select = Select::new("SELECT COUNT(*) AS number FROM person_group");
    select.add(" WHERE person_group.tenant_id = ?", [tenant_id.into()]);
    condition.add_to(&mut select, tenant_id);
    number(select, connection).await
}

/// The tenant's groups by name, each with how many are in it.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn groups_by_name(
    connection: &mut AnyConnection,
    tenant_id: &str,
    limit: i64,
) -> Result<Vec<(Group, i64)>, StoreError> {
    let rows = sqlx::query(
        "SELECT person_group.*, (SELECT COUNT(*) FROM person_group_member WHERE group_id = person_group.id) AS members
         FROM person_group WHERE tenant_id = $1 ORDER BY name_key LIMIT $2",
    );
    let rows = rows.bind(tenant_id).bind(limit).fetch_all(connection).await.map_err(doing("list the groups"))?;
    let read = |row: &AnyRow| Ok((Group::from_row(row)?, Columns { table: "person_group", row }.integer("members")?));
    rows.iter().map(read).collect()
}

/// The group with that id, if it is the tenant's.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn group(connection: &mut AnyConnection, tenant_id: &str, id: &str) -> Result<Option<Group>, StoreError> {
    let wanted = Condition::id(id).of_groups();
    let found = groups(connection, tenant_id, &wanted, Portion { skip: 0, limit: 1 }).await?;
    Ok(found.into_iter().next())
}

/// Adds the group, or changes its name and the directory's id for it.
///
/// # Errors
/// A [`StoreError::Statement`] that [`StoreError::is_duplicate`] where another group has the name.
pub async fn keep_group(connection: &mut AnyConnection, group: &Group) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO person_group (id, tenant_id, display_name, name_key, external_id, revision, created_at, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET display_name = excluded.display_name, name_key = excluded.name_key,
             external_id = excluded.external_id, revision = excluded.revision, changed_at = excluded.changed_at",
    )
    .bind(&group.id)
    .bind(&group.tenant_id)
    .bind(&group.display_name)
    .bind(group.display_name.to_lowercase())
    .bind(&group.external_id)
    .bind(group.revision)
    .bind(group.created_at.unix_millis())
    .bind(group.changed_at.unix_millis())
    .execute(connection)
    .await
    .map_err(doing("keep the group"))?;
    Ok(())
}

/// Those of `ids` that are nobody's of the tenant.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn unknown_people(
    connection: &mut AnyConnection,
    tenant_id: &str,
    ids: &[String],
) -> Result<Vec<String>, StoreError> {
    let mut unknown = Vec::new();
    for some in ids.chunks(AT_ONCE) {
        let mut select = Select::new("SELECT id FROM person");
        select.add(" WHERE tenant_id = ?", [tenant_id.into()]);
        select.one_of(" AND id IN (", some);
        let rows = select.rows(connection).await?;
        let known = rows.iter().map(|row| Columns { table: "person", row }.text("id"));
        let known = known.collect::<Result<std::collections::HashSet<_>, _>>()?;
        unknown.extend(some.iter().filter(|id| !known.contains(*id)).cloned());
    }
    Ok(unknown)
}

/// Puts these people of the tenant into the group.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn add_members(connection: &mut AnyConnection, group: &Group, ids: &[String]) -> Result<(), StoreError> {
    for some in ids.chunks(AT_ONCE) {
        let mut insert = Select::new("INSERT INTO person_group_member (group_id, person_id)");
        let (id, tenant): (Bound, Bound) = (group.id.as_str().into(), group.tenant_id.as_str().into());
        insert.add(" SELECT ?, id FROM person WHERE tenant_id = ?", [id, tenant]);
        insert.one_of(" AND id IN (", some);
        insert.add(" ON CONFLICT (group_id, person_id) DO NOTHING", []);
        insert.rows(connection).await?;
    }
    Ok(())
}

/// Takes these people out of the group.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn remove_members(connection: &mut AnyConnection, group: &Group, ids: &[String]) -> Result<(), StoreError> {
    for some in ids.chunks(AT_ONCE) {
        let mut delete = Select::new("DELETE FROM person_group_member");
        delete.add(" WHERE group_id = ?", [group.id.as_str().into()]);
        delete.one_of(" AND person_id IN (", some);
        delete.rows(connection).await?;
    }
    Ok(())
}

/// Takes everybody out of the group.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn clear_members(connection: &mut AnyConnection, group: &Group) -> Result<(), StoreError> {
    let gone = sqlx::query("DELETE FROM person_group_member WHERE group_id = $1").bind(&group.id);
    gone.execute(connection).await.map_err(doing("change the group's members"))?;
    Ok(())
}

/// Forgets the group.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget_group(connection: &mut AnyConnection, id: &str) -> Result<(), StoreError> {
    for statement in ["DELETE FROM person_group_member WHERE group_id = $1", "DELETE FROM person_group WHERE id = $1"] {
        sqlx::query(statement).bind(id).execute(&mut *connection).await.map_err(doing("delete the group"))?;
    }
    Ok(())
}

/// Up to `limit` people in the group.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn members(connection: &mut AnyConnection, group_id: &str, limit: i64) -> Result<Vec<Named>, StoreError> {
    let rows = sqlx::query(
        "SELECT person.id AS id, person.name_id AS name FROM person_group_member
         JOIN person ON person.id = person_group_member.person_id
         WHERE person_group_member.group_id = $1 ORDER BY person_group_member.person_id LIMIT $2",
    );
    let rows = rows.bind(group_id).bind(limit).fetch_all(connection).await.map_err(doing("list the members"))?;
    rows.iter().map(named).collect()
}

fn named(row: &AnyRow) -> Result<Named, StoreError> {
    let columns = Columns { table: "person_group", row };
    Ok(Named { id: columns.text("id")?, name: columns.text("name")? })
}

/// The groups that these people are in: pairs of a person's id and a group, by the groups' names.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn groups_of(connection: &mut AnyConnection, people: &[String]) -> Result<Vec<(String, Named)>, StoreError> {
    let mut found = Vec::new();
    for some in people.chunks(AT_ONCE) {
        let mut select = Select::new(
            "SELECT person_group_member.person_id AS person_id, person_group.id AS id, person_group.display_name AS name
             FROM person_group_member JOIN person_group ON person_group.id = person_group_member.group_id",
        );
        select.one_of(" WHERE person_group_member.person_id IN (", some);
        select.add(" ORDER BY person_group.name_key", []);
        for row in &select.rows(connection).await? {
            found.push((Columns { table: "person_group_member", row }.text("person_id")?, named(row)?));
        }
    }
    Ok(found)
}

/// The names of the groups that the person is in, by name.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn group_names(connection: &mut AnyConnection, person_id: &str) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar(
        "SELECT person_group.display_name FROM person_group_member
         JOIN person_group ON person_group.id = person_group_member.group_id
         WHERE person_group_member.person_id = $1 ORDER BY person_group.name_key",
    )
    .bind(person_id)
    .fetch_all(connection)
    .await
    .map_err(doing("list the person's groups"))
}

/// Forgets what a directory has said of the person, who leaves their groups.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget_person(connection: &mut AnyConnection, id: &str, now: UtcTime) -> Result<(), StoreError> {
    let changed = sqlx::query(
        "UPDATE person_group SET revision = revision + 1, changed_at = $2
         WHERE id IN (SELECT group_id FROM person_group_member WHERE person_id = $1)",
    );
    let changed = changed.bind(id).bind(now.unix_millis()).execute(&mut *connection).await;
    changed.map_err(doing("take the person out of groups"))?;
    for statement in [
        "DELETE FROM person_group_member WHERE person_id = $1",
        "DELETE FROM person_value WHERE person_id = $1",
        "DELETE FROM person_profile WHERE person_id = $1",
    ] {
        sqlx::query(statement).bind(id).execute(&mut *connection).await.map_err(doing("forget the person"))?;
    }
    Ok(())
}
