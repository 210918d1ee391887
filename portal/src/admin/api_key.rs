//! API keys: what programs show to administer over `/api/v1`.

use std::time::Duration;

use saml::time::UtcTime;
use serde_json::json;

use super::account::{hash_of, new_secret};
use super::password::same;
use super::{Actor, Admin, AdminError, Done, Noun, Right, Rights, maker};
use crate::random;
use crate::store::Store;
use crate::store::api_key::{self, ApiKey};

/// What every key begins with, so that scanners for leaked secrets know it.
const PREFIX: &str = "cs_api_";

/// What a new key is to be.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// A few words for the list.
    pub description: String,
    /// What it may do.
    pub scopes: Rights,
    /// The name of the one tenant that it may see and change; none: as far as its maker reaches.
    pub tenant: Option<String>,
    /// How long it opens the API; none: without end.
    pub life: Option<Duration>,
}

/// A key that was made. Its text is shown once, now: the portal keeps a hash of it.
pub struct CreatedApiKey {
    /// What the portal knows of it from now on.
    pub key: ApiKey,
    /// The key itself.
    pub text: String,
}

/// Makes an API key, which may do nothing that its maker may not.
///
/// # Errors
/// [`AdminError::Forbidden`], [`AdminError::Invalid`] where it may do nothing, [`AdminError::NotFound`] of the tenant.
pub async fn create(admin: &Admin, new: NewApiKey) -> Result<CreatedApiKey, AdminError> {
    if let Some(beyond) = new.scopes.iter().find(|right| !admin.rights.contain(*right)) {
        return Err(AdminError::Forbidden(beyond));
    }
    if new.scopes == Rights::default() {
        let wanted = "a list of scopes: name one at least, `read` for instance";
        return Err(AdminError::Invalid { field: "scopes", given: String::new(), wanted });
    }
    let tenant_id = match new.tenant.as_deref().filter(|tenant| !tenant.is_empty()) {
        Some(tenant) => Some(admin.tenant_id(tenant).await?),
        None => admin.reach.clone(),
    };
    let id = data_encoding::HEXLOWER.encode(&random::bytes::<6>()?);
    let (secret, hash) = new_secret()?;
    let lives_until = |life: Duration| admin.now.plus_seconds(i64::try_from(life.as_secs()).unwrap_or(i64::MAX));
    let row = ApiKey {
        id: id.clone(),
        tenant_id,
        hash,
        description: new.description.chars().take(200).collect(),
        scopes: new.scopes.iter().map(|right| right.name().to_owned()).collect(),
        created_by: admin.actor.to_string(),
        created_at: admin.now,
        expires_at: new.life.map(lives_until),
        last_used_at: None,
        revoked_at: None,
    };
    let work = admin.change("api-key.create", (Noun::ApiKey, &id), move |connection| {
        Box::pin(async move {
            api_key::insert(connection, &row).await?;
            let expires = row.expires_at.map(|time| time.to_string());
            let detail = json!({ "scopes": row.scopes, "expires": expires });
            Ok(Done { tenant_id: row.tenant_id.clone(), detail, value: row })
        })
    });
    Ok(CreatedApiKey { key: work.await?, text: format!("{PREFIX}{id}_{secret}") })
}

/// Lets the key open nothing from the next request on.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn revoke(admin: &Admin, id: &str) -> Result<(), AdminError> {
    let (key, now) = (id.to_owned(), admin.now);
    admin
        .change("api-key.revoke", (Noun::ApiKey, id), move |connection| {
            Box::pin(async move {
                let row = api_key::by_id(connection, &key).await?;
                let row = row.ok_or_else(|| AdminError::missing(Noun::ApiKey, &key))?;
                api_key::revoke(connection, &key, now).await?;
                Ok(Done { tenant_id: row.tenant_id, detail: json!({}), value: () })
            })
        })
        .await
}

/// The keys in reach, the newest first.
///
/// # Errors
/// [`AdminError::Forbidden`].
pub async fn list(admin: &Admin) -> Result<Vec<ApiKey>, AdminError> {
    admin.demand(Right::Administrators)?;
    let mut rows = api_key::list(&mut *admin.store.read().await?).await?;
    rows.retain(|row| admin.reach.is_none() || admin.reach == row.tenant_id);
    Ok(rows)
}

/// What somebody has shown.
pub enum Shown {
    /// No key of this portal.
    Unknown,
    /// A key that was revoked or has expired: whose it was, who may do nothing.
    Over(Admin),
    /// A key that is in force, and what it may do.
    InForce(Admin),
}

/// Who shows `text`; nobody where it is no key, or one that was revoked or has expired.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn authenticate(store: &Store, text: &str, now: UtcTime) -> Result<Option<Admin>, AdminError> {
    Ok(match examine(store, text, now).await? {
        Shown::InForce(admin) => Some(admin),
        Shown::Unknown | Shown::Over(_) => None,
    })
}

/// What `text` is, and whose.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn examine(store: &Store, text: &str, now: UtcTime) -> Result<Shown, AdminError> {
    let parts = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_'));
    let Some((id, secret)) = parts else { return Ok(Shown::Unknown) };
    let Some(row) = api_key::by_id(&mut *store.read().await?, id).await? else { return Ok(Shown::Unknown) };
    if !same(row.hash.as_bytes(), hash_of(secret).as_bytes()) {
        return Ok(Shown::Unknown);
    }
    let made = maker::rights_of(&mut *store.read().await?, &row.created_by, row.created_at, now).await?;
    let scopes: Rights = row.scopes.iter().filter_map(|scope| scope.parse::<Right>().ok()).collect();
    let rights = made.map_or_else(Rights::default, |made| maker::both(made, scopes));
    let admin = Admin { store: store.clone(), actor: Actor::ApiKey(row.id.clone()), reach: row.tenant_id, rights, now };
    if made.is_none() || row.revoked_at.is_some() || row.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Ok(Shown::Over(Admin { rights: Rights::default(), ..admin }));
    }
    if row.last_used_at.is_none_or(|last| now.seconds_since(last) >= 60) {
        let id = row.id;
        store.write(move |connection| Box::pin(async move { api_key::touch(connection, &id, now).await })).await?;
    }
    Ok(Shown::InForce(admin))
}

/// Reads scopes as people write them: `read,devices`.
///
/// # Errors
/// [`AdminError::Invalid`] with the first that is none.
pub fn parse_scopes<'a>(given: impl IntoIterator<Item = &'a str>) -> Result<Rights, AdminError> {
    let wanted = "a scope: `read`, `audit`, `devices`, `users`, `tokens`, `services`, `domains`, `policy`, `tenants`, \
                  `administrators`, `keys` or `scim`";
    let read = |scope: &str| {
        let invalid = || AdminError::Invalid { field: "scopes", given: scope.to_owned(), wanted };
        scope.trim().parse::<Right>().map_err(|()| invalid())
    };
    given.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Role;

    async fn admin() -> (tempfile::TempDir, Admin) {
        let (dir, store) = crate::store::testing::store().await;
        (dir, Admin::whole(store, Actor::CommandLine, UtcTime::from_unix_seconds(1_700_000_000)))
    }

    fn new(scopes: Rights, life: Option<Duration>) -> NewApiKey {
        NewApiKey { description: String::new(), scopes, tenant: None, life }
    }

    #[tokio::test]
    async fn a_key_opens_until_it_expires_or_is_revoked_and_a_changed_one_opens_nothing() {
        let (_dir, admin) = admin().await;
        let scopes = parse_scopes(["read", "devices"]).unwrap();
        let made = create(&admin, new(scopes, Some(Duration::from_secs(3600)))).await.unwrap();
        let opens = async |text: &str, seconds| {
            authenticate(&admin.store, text, admin.now.plus_seconds(seconds)).await.unwrap().map(|by| by.rights)
        };
        assert_eq!(opens(&made.text, 0).await, Some(scopes));
        assert_eq!(opens(&made.text, 3600).await, None);
        assert_eq!(opens(&format!("{}x", made.text), 0).await, None);
        assert_eq!(opens(&format!("cs_api_{}_{}", made.key.id, made.key.hash), 0).await, None);
        revoke(&admin, &made.key.id).await.unwrap();
        assert_eq!(opens(&made.text, 0).await, None);
    }

    #[tokio::test]
    async fn a_key_ends_with_its_makers_account_and_shrinks_with_their_role() {
        use crate::admin::administrator::{self as accounts, NewAdministrator};
        let (_dir, admin) = admin().await;
        for name in ["ada", "bea"] {
            let new = NewAdministrator { name: name.to_owned(), role: Role::Owner, tenant: None };
            accounts::create(&admin, new).await.unwrap();
        }
        let ada = Admin { actor: Actor::Administrator("ada".to_owned()), ..admin.clone() };
        let scopes = parse_scopes(["read", "devices", "administrators"]).unwrap();
        let made = create(&ada, new(scopes, None)).await.unwrap();
        let its = Admin { actor: Actor::ApiKey(made.key.id.clone()), rights: scopes, ..admin.clone() };
        let second = create(&its, new(scopes, None)).await.unwrap();
        let opens = async |text: &str| authenticate(&admin.store, text, admin.now).await.unwrap().map(|by| by.rights);
        assert_eq!((opens(&made.text).await, opens(&second.text).await), (Some(scopes), Some(scopes)));
        accounts::set_role(&admin, "ada", Role::Auditor).await.unwrap();
        let left = Some(parse_scopes(["read"]).unwrap());
        assert_eq!((opens(&made.text).await, opens(&second.text).await), (left, left));
        accounts::set_enabled(&admin, "ada", false).await.unwrap();
        assert_eq!((opens(&made.text).await, opens(&second.text).await), (None, None));
    }

    #[tokio::test]
    async fn nobody_makes_a_key_that_may_do_more_than_they_may() {
        let (_dir, admin) = admin().await;
        let rights = Role::Support.rights().iter().chain([Right::Administrators]).collect();
        let helper = Admin { rights, ..admin };
        let refused = create(&helper, new(parse_scopes(["tokens"]).unwrap(), None)).await;
        assert!(matches!(refused, Err(AdminError::Forbidden(Right::Tokens))));
    }
}
