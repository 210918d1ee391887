//! People and groups as a directory provisions them, in the one tenant that it reaches.

use saml::name::UserName;
use serde_json::json;
use sqlx::AnyConnection;

use super::{Admin, AdminError, Done, Noun, Right, domain_name, user};
use crate::random;
use crate::store::audit::{self, Entry};
use crate::store::directory::{self, Group, Named, Portion, Profile, Value};
use crate::store::directory_filter::Condition;
use crate::store::domain;
use crate::store::person::{self, Origin, Person, PersonState};

/// Whether something is said, and what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stated {
    /// It is.
    Is(bool),
    /// Nothing is said: it stays as it is.
    Nothing,
    /// It was said and is taken back: it is as if it had never been said.
    TakenBack,
}

/// What a directory says about a person.
#[derive(Clone, Debug)]
pub struct WantedPerson {
    /// Their name: `user@domain`, or the part before the `@` where the tenant has one domain.
    pub user_name: String,
    /// The directory's own id; may be empty.
    pub external_id: String,
    /// Whether they may sign on.
    pub active: Stated,
    /// What else it says, an object.
    pub attributes: serde_json::Value,
    /// The same as rows that lists are filtered by.
    pub values: Vec<Value>,
}

/// What a directory says about a group.
#[derive(Clone, Debug)]
pub struct WantedGroup {
    /// Its name.
    pub display_name: String,
    /// The directory's own id; may be empty.
    pub external_id: String,
    /// Ids of the people in it.
    pub members: Vec<String>,
}

/// One change of a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum GroupEdit {
    /// It has this name.
    Name(String),
    /// The directory has this id for it; may be empty.
    ExternalId(String),
    /// These people are in it, and nobody else.
    Members(Vec<String>),
    /// These people are in it, too.
    Add(Vec<String>),
    /// These people are not in it.
    Remove(Vec<String>),
}

/// Turns what is there into what is wanted; what it returns in the error is told to the directory.
pub type EditPerson = Box<dyn FnOnce(&Profile) -> Result<WantedPerson, AdminError> + Send>;
/// Turns what is there into the changes that are wanted.
pub type EditGroup = Box<dyn FnOnce(&Group) -> Result<Vec<GroupEdit>, AdminError> + Send>;

/// The one tenant that `admin` reaches.
///
/// # Errors
/// [`AdminError::Invalid`] where it is the whole cloud.
pub fn tenant_of(admin: &Admin) -> Result<String, AdminError> {
    let wanted = "a key for a directory: make one that reaches one tenant, with `--tenant`";
    admin.reach.clone().ok_or_else(|| AdminError::Invalid { field: "key", given: admin.actor.to_string(), wanted })
}

/// The people that fit, and how many there are in all.
///
/// # Errors
/// [`AdminError::Forbidden`], [`AdminError::Store`].
pub async fn people(admin: &Admin, condition: &Condition, portion: Portion) -> Result<(Vec<Profile>, i64), AdminError> {
    admin.demand(Right::Users)?;
    let tenant_id = tenant_of(admin)?;
    let mut connection = admin.store.read().await?;
    let found = directory::people(&mut connection, &tenant_id, condition, portion).await?;
    // A portion from the beginning that is not full is all there is.
    let length = i64::try_from(found.len()).unwrap_or(i64::MAX);
    if portion.skip == 0 && length < portion.limit {
        return Ok((found, length));
    }
    let all = directory::count_people(&mut connection, &tenant_id, condition).await?;
    Ok((found, all))
}

/// The person with that id.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Forbidden`].
pub async fn person(admin: &Admin, id: &str) -> Result<Profile, AdminError> {
    admin.demand(Right::Users)?;
    let tenant_id = tenant_of(admin)?;
    let found = directory::profile(&mut *admin.store.read().await?, &tenant_id, id).await?;
    found.ok_or_else(|| AdminError::missing(Noun::User, id))
}

/// Provisions a person.
///
/// # Errors
/// [`AdminError::Invalid`], [`AdminError::Duplicate`], [`AdminError::Forbidden`].
pub async fn add_person(admin: &Admin, wanted: WantedPerson) -> Result<Profile, AdminError> {
    let tenant_id = tenant_of(admin)?;
    let name_id = name_id(admin, &tenant_id, &wanted.user_name).await?;
    let person = Person::new(random::row_id()?, tenant_id, name_id.clone(), Origin::Directory, admin.now);
    admin
        .change("user.add", (Noun::User, &name_id), move |connection| {
            Box::pin(async move {
                person::insert(connection, &person).await?;
                if wanted.active == Stated::Is(false) {
                    person::set_state(connection, &person.name_id, PersonState::Suspended, person.created_at).await?;
                }
                let profile = keep(connection, person, wanted).await?;
                let active = profile.person.state == PersonState::Active;
                let detail = json!({ "external id": profile.external_id, "active": active });
                Ok(Done { tenant_id: Some(profile.person.tenant_id.clone()), detail, value: profile })
            })
        })
        .await
}

async fn keep(connection: &mut AnyConnection, mut person: Person, wanted: WantedPerson) -> Result<Profile, AdminError> {
    let WantedPerson { user_name, external_id, active, mut attributes, values } = wanted;
    match active {
        Stated::Is(true) => person.state = PersonState::Active,
        Stated::Is(false) => person.state = PersonState::Suspended,
        Stated::Nothing => {}
        Stated::TakenBack => {
            person.state = PersonState::Active;
            attributes["active"] = serde_json::Value::Null;
        }
    }
    let profile = Profile { person, user_name, external_id, attributes };
    directory::keep_profile(connection, &profile, &values).await?;
    Ok(profile)
}

/// Changes a person as `edit` says, in the transaction that read them.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Invalid`], [`AdminError::Duplicate`], and what `edit` returns.
pub async fn edit_person(admin: &Admin, id: &str, edit: EditPerson) -> Result<Profile, AdminError> {
    let before = person(admin, id).await?.person;
    let tenant_id = before.tenant_id;
    let domains = own_domains(admin, &tenant_id).await?;
    let (id, entry, now) = (id.to_owned(), admin.entry("user.suspend", ""), admin.now);
    admin
        .change("user.set", (Noun::User, &before.name_id), move |connection| {
            Box::pin(async move {
                let there = directory::profile(connection, &tenant_id, &id).await?;
                let there = there.ok_or_else(|| AdminError::missing(Noun::User, &id))?;
                let wanted = edit(&there)?;
                let name_id = name_in(&domains, &wanted.user_name)?;
                let before = there.person;
                let person = Person { name_id, origin: Origin::Directory, changed_at: now, ..before.clone() };
                person::hand_over(connection, &person, &before.name_id).await?;
                let profile = keep(connection, person, wanted).await?;
                let after = &profile.person;
                if after.state != before.state {
                    person::set_state(connection, &after.name_id, after.state, now).await?;
                    let action = user::action_of(after.state);
                    let (tenant_id, subject) = (Some(tenant_id.clone()), after.name_id.clone());
                    audit::append(connection, Entry { tenant_id, subject, action, detail: json!({}), ..entry }).await?;
                }
                let renamed = (after.name_id != before.name_id).then(|| after.name_id.clone());
                let detail = json!({ "external id": profile.external_id, "new name": renamed });
                Ok(Done { tenant_id: Some(tenant_id), detail, value: profile })
            })
        })
        .await
}

/// Deletes a person with their devices, if `check` lets it.
///
/// # Errors
/// [`AdminError::NotFound`], and what `check` returns.
pub async fn delete_person(
    admin: &Admin,
    id: &str,
    check: impl FnOnce(&Profile) -> Result<(), AdminError> + Send + 'static,
) -> Result<(), AdminError> {
    let there = person(admin, id).await?;
    check(&there)?;
    user::delete(admin, &there.person.name_id).await.map(drop)
}

/// `user@domain` in lower case. A name without a domain gets the tenant's, where it has one alone.
async fn name_id(admin: &Admin, tenant_id: &str, given: &str) -> Result<String, AdminError> {
    name_in(&own_domains(admin, tenant_id).await?, given)
}

async fn own_domains(admin: &Admin, tenant_id: &str) -> Result<Vec<String>, AdminError> {
    let domains = domain::list(&mut *admin.store.read().await?).await?;
    Ok(domains.into_iter().filter(|domain| domain.tenant_id == tenant_id).map(|one| one.name).collect())
}

fn name_in(own: &[String], given: &str) -> Result<String, AdminError> {
    let invalid = |wanted| AdminError::Invalid { field: "userName", given: given.to_owned(), wanted };
    let name = given.trim().to_ascii_lowercase();
    let (user, domain) = match (name.split_once('@'), own) {
        (Some((user, domain)), _) => (user.to_owned(), domain_name(domain)?),
        (None, [only]) => (name, only.clone()),
        (None, _) => return Err(invalid("a name of the form `user@example.com`")),
    };
    if UserName::parse(&format!("{user}@{domain}")).is_none() {
        return Err(invalid(UserName::FORM));
    }
    if !own.contains(&domain) {
        return Err(invalid("a name in a domain of this tenant: add its domain to the tenant first"));
    }
    Ok(format!("{user}@{domain}"))
}

/// The groups that fit, and how many there are in all.
///
/// # Errors
/// [`AdminError::Forbidden`], [`AdminError::Store`].
pub async fn groups(admin: &Admin, condition: &Condition, portion: Portion) -> Result<(Vec<Group>, i64), AdminError> {
    admin.demand(Right::Users)?;
    let tenant_id = tenant_of(admin)?;
    let mut connection = admin.store.read().await?;
    let found = directory::groups(&mut connection, &tenant_id, condition, portion).await?;
    let length = i64::try_from(found.len()).unwrap_or(i64::MAX);
    if portion.skip == 0 && length < portion.limit {
        return Ok((found, length));
    }
    let all = directory::count_groups(&mut connection, &tenant_id, condition).await?;
    Ok((found, all))
}

/// The group with that id.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Forbidden`].
pub async fn group(admin: &Admin, id: &str) -> Result<Group, AdminError> {
    admin.demand(Right::Users)?;
    let tenant_id = tenant_of(admin)?;
    let found = directory::group(&mut *admin.store.read().await?, &tenant_id, id).await?;
    found.ok_or_else(|| AdminError::missing(Noun::Group, id))
}

/// Up to `limit` people of a group.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn members(admin: &Admin, group: &Group, limit: i64) -> Result<Vec<Named>, AdminError> {
    Ok(directory::members(&mut *admin.store.read().await?, &group.id, limit).await?)
}

/// The groups that these people are in: pairs of a person's id and a group.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn groups_of(admin: &Admin, people: &[String]) -> Result<Vec<(String, Named)>, AdminError> {
    Ok(directory::groups_of(&mut *admin.store.read().await?, people).await?)
}

/// Groups that [`list_groups`] shows at most.
pub const MOST_GROUPS: i64 = 1000;

/// The tenant's groups by name, each with how many people are in it; [`MOST_GROUPS`] at most.
///
/// # Errors
/// [`AdminError::NotFound`] of the tenant, [`AdminError::Forbidden`].
pub async fn list_groups(admin: &Admin, tenant: &str) -> Result<Vec<(Group, i64)>, AdminError> {
    admin.demand(Right::Read)?;
    let tenant_id = admin.tenant_id(tenant).await?;
    Ok(directory::groups_by_name(&mut *admin.store.read().await?, &tenant_id, MOST_GROUPS).await?)
}

/// Adds a group.
///
/// # Errors
/// [`AdminError::Duplicate`], [`AdminError::Invalid`].
pub async fn add_group(admin: &Admin, wanted: WantedGroup) -> Result<Group, AdminError> {
    let WantedGroup { display_name, external_id, members } = wanted;
    let display_name = group_name(&display_name)?;
    let group = Group {
        id: random::row_id()?,
        tenant_id: tenant_of(admin)?,
        display_name: display_name.clone(),
        external_id,
        revision: 1,
        created_at: admin.now,
        changed_at: admin.now,
    };
    admin
        .change("group.add", (Noun::Group, &display_name), move |connection| {
            Box::pin(async move {
                directory::keep_group(connection, &group).await?;
                must_be_known(connection, &group.tenant_id, &members).await?;
                directory::add_members(connection, &group, &members).await?;
                let detail = json!({ "members": members.len() });
                Ok(Done { tenant_id: Some(group.tenant_id.clone()), detail, value: group })
            })
        })
        .await
}

fn group_name(given: &str) -> Result<String, AdminError> {
    let name = given.trim();
    let sound = (1..=255).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    let wanted = "the name of a group: 1 to 255 characters";
    let invalid = || AdminError::Invalid { field: "displayName", given: given.chars().take(80).collect(), wanted };
    sound.then(|| name.to_owned()).ok_or_else(invalid)
}

async fn must_be_known(connection: &mut AnyConnection, tenant_id: &str, ids: &[String]) -> Result<(), AdminError> {
    let unknown = directory::unknown_people(connection, tenant_id, ids).await?;
    let Some(given) = unknown.into_iter().next() else { return Ok(()) };
    let wanted = "the id of a user of this tenant: add the user first";
    Err(AdminError::Invalid { field: "members", given, wanted })
}

/// Changes a group as `edit` says, in the transaction that read it.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Duplicate`], [`AdminError::Invalid`], and what `edit` returns.
pub async fn edit_group(admin: &Admin, id: &str, edit: EditGroup) -> Result<Group, AdminError> {
    let before = group(admin, id).await?;
    let (tenant_id, id, now) = (before.tenant_id, before.id, admin.now);
    admin
        .change("group.set", (Noun::Group, &before.display_name), move |connection| {
            Box::pin(async move {
                let there = directory::group(connection, &tenant_id, &id).await?;
                let mut group = there.ok_or_else(|| AdminError::missing(Noun::Group, &id))?;
                let edits = edit(&group)?;
                let (mut added, mut removed) = (0, 0);
                for edit in edits {
                    match edit {
                        GroupEdit::Name(name) => group.display_name = group_name(&name)?,
                        GroupEdit::ExternalId(id) => group.external_id = id,
                        GroupEdit::Members(ids) => {
                            must_be_known(connection, &tenant_id, &ids).await?;
                            directory::clear_members(connection, &group).await?;
                            directory::add_members(connection, &group, &ids).await?;
                            added += ids.len();
                        }
                        GroupEdit::Add(ids) => {
                            must_be_known(connection, &tenant_id, &ids).await?;
                            directory::add_members(connection, &group, &ids).await?;
                            added += ids.len();
                        }
                        GroupEdit::Remove(ids) => {
                            directory::remove_members(connection, &group, &ids).await?;
                            removed += ids.len();
                        }
                    }
                }
                group.revision += 1;
                group.changed_at = now;
                directory::keep_group(connection, &group).await?;
                let detail = json!({ "name": group.display_name, "added": added, "removed": removed });
                Ok(Done { tenant_id: Some(tenant_id), detail, value: group })
            })
        })
        .await
}

/// Deletes a group, if `check` lets it; the people stay.
///
/// # Errors
/// [`AdminError::NotFound`], and what `check` returns.
pub async fn delete_group(
    admin: &Admin,
    id: &str,
    check: impl FnOnce(&Group) -> Result<(), AdminError> + Send + 'static,
) -> Result<(), AdminError> {
    let before = group(admin, id).await?;
    let (tenant_id, id) = (before.tenant_id, before.id);
    admin
        .change("group.delete", (Noun::Group, &before.display_name), move |connection| {
            Box::pin(async move {
                let there = directory::group(connection, &tenant_id, &id).await?;
                check(&there.ok_or_else(|| AdminError::missing(Noun::Group, &id))?)?;
                directory::forget_group(connection, &id).await?;
                Ok(Done { tenant_id: Some(tenant_id), detail: json!({}), value: () })
            })
        })
        .await
}
