//! The keys that sign Responses.

use std::path::Path;

use saml::time::UtcTime;
use serde_json::json;

use super::{Admin, AdminError, Done, Noun, Rights};
use crate::signing;
use crate::store::signing_key::{self, Purpose, SigningKey};
use crate::store::tenant::{self, Tenant};

/// Makes the signing keys that are missing, their private halves in `directory`; returns what was made.
///
/// # Errors
/// [`AdminError::Signing`].
pub async fn create_missing(admin: &Admin, directory: &Path) -> Result<Vec<SigningKey>, AdminError> {
    let keys = list(admin).await?;
    let mut made = Vec::new();
    for purpose in [Purpose::Service, Purpose::Agent] {
        if keys.iter().any(|key| key.is_of_cloud(purpose, admin.now)) {
            continue;
        }
        made.push(make(admin, directory, New { action: "key.create", purpose, tenant_id: None }).await?);
    }
    Ok(made)
}

/// Makes a key for the own issuer of each tenant that `wanted` names and that has none, as a part of making the tenant: it takes no right of its
/// own. Returns what was made.
///
/// # Errors
/// [`AdminError::Signing`].
pub async fn create_missing_of_tenants(
    admin: &Admin,
    directory: &Path,
    wanted: impl Fn(&Tenant) -> bool,
) -> Result<Vec<SigningKey>, AdminError> {
    let (keys, tenants) = {
        let mut connection = admin.store.read().await?;
        (signing_key::list(&mut connection).await?, tenant::list(&mut connection).await?)
    };
    let by_itself = Admin { rights: Rights::all(), ..admin.clone() };
    let mut made = Vec::new();
    for tenant in tenants.into_iter().filter(|tenant| wanted(tenant)) {
        if has_key(&keys, &tenant.id, admin) {
            continue;
        }
        let new = New { action: "key.create", purpose: Purpose::Service, tenant_id: Some(tenant.id) };
        match make(&by_itself, directory, new).await {
            Ok(key) => made.push(key),
            // Another process was faster.
            Err(AdminError::Duplicate { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(made)
}

fn has_key(keys: &[SigningKey], tenant_id: &str, admin: &Admin) -> bool {
    keys.iter().any(|key| key.tenant_id.as_deref() == Some(tenant_id) && key.holds(admin.now))
}

/// Makes one more signing key for `purpose`, or for the own issuer of `tenant`. It is listed from now on, and signs when those that are older have
/// retired.
///
/// # Errors
/// [`AdminError::Signing`], [`AdminError::Forbidden`]; [`AdminError::NotFound`] of the tenant.
pub async fn add(
    admin: &Admin,
    directory: &Path,
    (purpose, tenant): (Purpose, Option<&str>),
) -> Result<SigningKey, AdminError> {
    let tenant_id = match tenant {
        Some(name) => Some(admin.tenant_id(name).await?),
        None => None,
    };
    if tenant_id.is_some() && purpose == Purpose::Agent {
        let wanted = "`service`: agents know the cloud's keys alone";
        return Err(AdminError::Invalid { field: "purpose", given: purpose.to_string(), wanted });
    }
    make(admin, directory, New { action: "key.add", purpose, tenant_id }).await
}

/// A key that is to be made.
struct New {
    action: &'static str,
    purpose: Purpose,
    tenant_id: Option<String>,
}

async fn make(admin: &Admin, directory: &Path, new: New) -> Result<SigningKey, AdminError> {
    let New { action, purpose, tenant_id } = new;
    let (into, now) = (directory.to_owned(), admin.now);
    let making = tokio::task::spawn_blocking(move || signing::create(purpose, &into, "Countersign portal", now));
    let key = making.await.map_err(|source| AdminError::Thread { doing: "make a key", source })??;
    let key = SigningKey { tenant_id, ..key };
    let name = key.id.clone();
    let own = admin.clone();
    let storing = admin.change(action, (Noun::Key, &name), move |connection| {
        Box::pin(async move {
            let first_of = key.tenant_id.as_deref().filter(|_| action == "key.create");
            if let Some(tenant_id) = first_of
                && has_key(&signing_key::list(connection).await?, tenant_id, &own)
            {
                return Err(AdminError::Duplicate { noun: Noun::Key, name: key.id });
            }
            signing_key::insert(connection, &key).await?;
            let detail = json!({ "purpose": purpose.to_string() });
            Ok(Done { tenant_id: key.tenant_id.clone(), detail, value: key })
        })
    });
    storing.await.inspect_err(|_| signing::discard(directory, &name))
}

/// Has the signing key `id` retire at `at`: from then on it neither signs nor is listed. Another one of its purpose must be there for the time after.
///
/// # Errors
/// [`AdminError::NotFound`]; [`AdminError::Invalid`] where it has retired already, or no other one would be left.
pub async fn retire(admin: &Admin, id: &str, at: UtcTime) -> Result<SigningKey, AdminError> {
    let (name, now, reach) = (id.to_owned(), admin.now, admin.reach.clone());
    let change = admin.change("key.retire", (Noun::Key, id), move |connection| {
        Box::pin(async move {
            let keys = signing_key::list(connection).await?;
            let key = keys.iter().find(|key| key.id == name && is_visible(key, reach.as_deref()));
            let key = key.ok_or_else(|| AdminError::missing(Noun::Key, &name))?;
            let invalid = |wanted| AdminError::Invalid { field: "key", given: name.clone(), wanted };
            if !key.holds(now) {
                return Err(invalid("a key that is still in force"));
            }
            let is_of_same = |other: &SigningKey| other.purpose == key.purpose && other.tenant_id == key.tenant_id;
            if !keys.iter().any(|other| other.id != key.id && is_of_same(other) && other.holds(at)) {
                return Err(invalid(
                    "a key that can go: no other one for its purpose is left then; make one first with `countersign-portal key add`",
                ));
            }
            signing_key::retire(connection, &key.id, at).await?;
            let detail = json!({ "purpose": key.purpose.to_string(), "retires_at": at.to_string() });
            let tenant_id = key.tenant_id.clone();
            Ok(Done { tenant_id, detail, value: SigningKey { retires_at: Some(at), ..key.clone() } })
        })
    });
    change.await
}

/// Every signing key in reach, retired ones too, the oldest first: the cloud's, and those of tenants.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn list(admin: &Admin) -> Result<Vec<SigningKey>, AdminError> {
    let mut keys = signing_key::list(&mut *admin.store.read().await?).await?;
    keys.retain(|key| is_visible(key, admin.reach.as_deref()));
    Ok(keys)
}

/// Everybody may know the cloud's keys; a tenant's are nobody else's business.
fn is_visible(key: &SigningKey, reach: Option<&str>) -> bool {
    reach.is_none() || key.tenant_id.is_none() || key.tenant_id.as_deref() == reach
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Actor;
    use crate::store::testing;

    #[tokio::test]
    async fn a_key_retires_only_where_another_is_left_and_the_oldest_signs() {
        let (dir, store) = testing::store().await;
        let now = UtcTime::from_unix_seconds(1_700_000_000);
        let admin = Admin::whole(store.clone(), Actor::CommandLine, now);
        let keys_dir = dir.path().join("keys");
        let first = create_missing(&admin, &keys_dir).await.unwrap().pop().unwrap();
        assert_eq!(first.purpose, Purpose::Agent);
        assert!(matches!(retire(&admin, &first.id, now).await, Err(AdminError::Invalid { .. })), "the only one stays");
        assert!(matches!(retire(&admin, "nothing", now).await, Err(AdminError::NotFound { .. })));
        let later = Admin { now: now.plus_seconds(60), ..admin.clone() };
        let second = add(&later, &keys_dir, (Purpose::Agent, None)).await.unwrap();
        let end = now.plus_seconds(3600);
        retire(&later, &first.id, end).await.unwrap();
        assert!(matches!(retire(&later, &second.id, end).await, Err(AdminError::Invalid { .. })), "nobody is left");
        let signer = async |at| signing::SigningKeys::load(&store, &keys_dir, at).await.unwrap();
        assert_eq!(signer(end.plus_seconds(-1)).await.id(Purpose::Agent), first.id);
        assert_eq!(signer(end.plus_seconds(-1)).await.certificates(Some(Purpose::Agent)).len(), 2);
        assert_eq!(signer(end).await.id(Purpose::Agent), second.id);
        assert_eq!(signer(end).await.certificates(Some(Purpose::Agent)).len(), 1);
        let ended = Admin { now: end, ..admin.clone() };
        assert!(matches!(retire(&ended, &first.id, end).await, Err(AdminError::Invalid { .. })), "it has gone");
    }
}
