//! The keys that sign Responses.

use std::path::Path;

use saml::time::UtcTime;
use serde_json::json;

use super::{Admin, AdminError, Done, Noun};
use crate::signing;
use crate::store::signing_key::{self, Purpose, SigningKey};

/// Makes the signing keys that are missing, their private halves in `directory`; returns what was made.
///
/// # Errors
/// [`AdminError::Signing`].
pub async fn create_missing(admin: &Admin, directory: &Path) -> Result<Vec<SigningKey>, AdminError> {
    let keys = list(admin).await?;
    let mut made = Vec::new();
    for purpose in [Purpose::Service, Purpose::Agent] {
        if keys.iter().any(|key| key.purpose == purpose && key.holds(admin.now)) {
            continue;
        }
        made.push(make(admin, directory, ("key.create", purpose)).await?);
    }
    Ok(made)
}

/// Makes one more signing key for `purpose`. It is listed from now on, and signs when those that are older have retired.
///
/// # Errors
/// [`AdminError::Signing`], [`AdminError::Forbidden`].
pub async fn add(admin: &Admin, directory: &Path, purpose: Purpose) -> Result<SigningKey, AdminError> {
    make(admin, directory, ("key.add", purpose)).await
}

async fn make(
    admin: &Admin,
    directory: &Path,
    (action, purpose): (&'static str, Purpose),
) -> Result<SigningKey, AdminError> {
    let (directory, now) = (directory.to_owned(), admin.now);
    let making = tokio::task::spawn_blocking(move || signing::create(purpose, &directory, "Countersign portal", now));
    let key = making.await.map_err(|source| AdminError::Thread { doing: "make a key", source })??;
    let name = key.id.clone();
    let storing = admin.change(action, (Noun::Key, &name), move |connection| {
        Box::pin(async move {
            signing_key::insert(connection, &key).await?;
            Ok(Done { tenant_id: None, detail: json!({ "purpose": purpose.to_string() }), value: key })
        })
    });
    storing.await
}

/// Has the signing key `id` retire at `at`: from then on it neither signs nor is listed. Another one of its purpose must be there for the time after.
///
/// # Errors
/// [`AdminError::NotFound`]; [`AdminError::Invalid`] where it has retired already, or no other one would be left.
pub async fn retire(admin: &Admin, id: &str, at: UtcTime) -> Result<SigningKey, AdminError> {
    let (name, now) = (id.to_owned(), admin.now);
    let change = admin.change("key.retire", (Noun::Key, id), move |connection| {
        Box::pin(async move {
            let keys = signing_key::list(connection).await?;
            let key = keys.iter().find(|key| key.id == name).ok_or_else(|| AdminError::missing(Noun::Key, &name))?;
            let invalid = |wanted| AdminError::Invalid { field: "key", given: name.clone(), wanted };
            if !key.holds(now) {
                return Err(invalid("a key that is still in force"));
            }
            if !keys.iter().any(|other| other.id != key.id && other.purpose == key.purpose && other.holds(at)) {
                return Err(invalid(
                    "a key that can go: no other one for its purpose is left then; make one first with `countersign-portal key add`",
                ));
            }
            signing_key::retire(connection, &key.id, at).await?;
            let detail = json!({ "purpose": key.purpose.to_string(), "retires_at": at.to_string() });
            Ok(Done { tenant_id: None, detail, value: SigningKey { retires_at: Some(at), ..key.clone() } })
        })
    });
    change.await
}

/// Every signing key, retired ones too, the oldest first.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn list(admin: &Admin) -> Result<Vec<SigningKey>, AdminError> {
    Ok(signing_key::list(&mut *admin.store.read().await?).await?)
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
        let second = add(&later, &keys_dir, Purpose::Agent).await.unwrap();
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
