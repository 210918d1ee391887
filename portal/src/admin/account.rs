//! Signing in to the pages, and what people change about their own account.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use saml::time::UtcTime;
use serde_json::json;

use super::{Actor, Admin, AdminError, Done, Noun, password, totp};
use crate::random::{self, NoRandomness};
use crate::store::administrator::{self, Administrator};
use crate::store::administrator_session::{self as sessions, Session};
use crate::store::audit::{self, Entry};
use crate::store::{Store, StoreError, administrator_idp, passkey, service_session};

/// How long a session lasts without being used, in seconds.
pub const IDLE_SECONDS: i64 = 30 * 60;
/// How long a session lasts at all, in seconds.
pub const LONGEST_SECONDS: i64 = 12 * 3600;
/// Wrong tries before an account waits, and how long it waits then, in seconds; each further one doubles it.
const FREE_FAILURES: i64 = 5;
const FIRST_WAIT_SECONDS: i64 = 30;
const LONGEST_WAIT_SECONDS: i64 = 15 * 60;

/// What somebody signs in with.
pub struct Credentials {
    /// The account's name.
    pub name: String,
    /// Its password.
    pub password: String,
    /// The authenticator's code; empty where the account has none.
    pub code: String,
}

/// A secret of 256 bits as text, and the hash by which the database knows it.
///
/// # Errors
/// [`NoRandomness`].
pub(crate) fn new_secret() -> Result<(String, String), NoRandomness> {
    let secret = URL_SAFE_NO_PAD.encode(random::bytes::<32>()?);
    let hash = hash_of(&secret);
    Ok((secret, hash))
}

/// How the database knows a secret of 256 bits.
pub(crate) fn hash_of(secret: &str) -> String {
    data_encoding::HEXLOWER.encode(digest(&SHA256, secret.as_bytes()).as_ref())
}

/// Signs somebody in; returns what their cookie holds, or nothing where anything was wrong: what it was is not told.
///
/// After five wrong tries the account waits half a minute, then twice as long each time, up to a quarter of an hour. A try
/// takes as long where there is no such account.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn sign_in(store: &Store, given: Credentials, now: UtcTime) -> Result<Option<String>, AdminError> {
    let name = given.name.trim().to_lowercase();
    let known = administrator::by_name(&mut *store.read().await?, &name).await?;
    let open = known.filter(|row| row.enabled && row.blocked_until.is_none_or(|until| until <= now));
    let kept = open.as_ref().and_then(|row| row.password.clone());
    let is_right = password::matches(kept.as_deref(), given.password).await?;
    let Some(known) = open else { return Ok(None) };

    let (secret, id) = new_secret()?;
    let (form_token, _) = new_secret()?;
    let session = Session {
        id,
        administrator_id: known.id,
        form_token,
        created_at: now,
        last_seen_at: now,
        ends_at: None,
        service_session: None,
    };
    let (password, code) = (kept.filter(|_| is_right), given.code);
    let begun = store.write(move |connection| {
        Box::pin(async move {
            let Some(mut row) = administrator::by_id(connection, &session.administrator_id).await? else {
                return Ok(false);
            };
            // Between the check and now the account may have been disabled or given another password.
            let still = row.enabled && password.is_some() && row.password == password;
            let signed_in = still && accept_code(&mut row, &code, now);
            if signed_in {
                (row.failures, row.blocked_until, row.last_sign_in_at) = (0, None, Some(now));
                sessions::insert(connection, &session).await?;
            } else {
                row.failures += 1;
                row.blocked_until = wait_after(row.failures).map(|seconds| now.plus_seconds(seconds));
            }
            administrator::update(connection, &row).await?;
            audit::append(connection, entry(&row, "account.sign-in", signed_in, now)).await?;
            Ok(signed_in)
        })
    });
    Ok(begun.await?.then_some(secret))
}

/// Whether `code` is what the account's authenticator shows now; notes that it was used.
fn accept_code(row: &mut Administrator, code: &str, now: UtcTime) -> bool {
    let Some(secret) = &row.totp_secret else { return true };
    let Some(step) = totp::accepted_step(secret, code, now, row.totp_used) else { return false };
    row.totp_used = step;
    true
}

fn wait_after(failures: i64) -> Option<i64> {
    let doublings = u32::try_from(failures - FREE_FAILURES).ok()?.min(10);
    Some((FIRST_WAIT_SECONDS << doublings).min(LONGEST_WAIT_SECONDS))
}

fn entry(row: &Administrator, action: &'static str, is_good: bool, now: UtcTime) -> Entry {
    Entry {
        at: now,
        tenant_id: row.tenant_id.clone(),
        actor: Actor::Administrator(row.name.clone()).to_string(),
        action,
        subject: row.name.clone(),
        result: if is_good { "ok" } else { "refused" }.to_owned(),
        detail: json!({}),
    }
}

/// Somebody who is signed in.
#[derive(Clone)]
pub struct SignedIn {
    /// What they may do, where, as whom.
    pub admin: Admin,
    /// Their account.
    pub account: Administrator,
    /// Their session.
    pub session: Session,
}

/// Who the holder of `secret`, a cookie's content, is; nobody where the session has ended.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn signed_in(store: &Store, secret: &str, now: UtcTime) -> Result<Option<SignedIn>, AdminError> {
    let mut connection = store.read().await?;
    let Some(session) = sessions::by_id(&mut connection, &hash_of(secret)).await? else { return Ok(None) };
    let idle = now.seconds_since(session.last_seen_at);
    if idle >= IDLE_SECONDS || now.seconds_since(session.created_at) >= LONGEST_SECONDS {
        return Ok(None);
    }
    if session.ends_at.is_some_and(|end| end <= now) {
        return Ok(None);
    }
    if let Some(opened) = &session.service_session
        && service_session::open(&mut connection, opened).await?.is_none()
    {
        // The device was shut out, or its person has signed out there.
        return Ok(None);
    }
    let account = administrator::by_id(&mut connection, &session.administrator_id).await?;
    let Some(account) = account.filter(|account| account.enabled) else { return Ok(None) };
    drop(connection);
    if idle >= 60 {
        let id = session.id.clone();
        store.write(move |connection| Box::pin(async move { sessions::touch(connection, &id, now).await })).await?;
    }
    let admin = Admin {
        store: store.clone(),
        actor: Actor::Administrator(account.name.clone()),
        reach: account.tenant_id.clone(),
        rights: account.role.rights(),
        now,
    };
    Ok(Some(SignedIn { admin, account, session }))
}

/// Ends the session, or every session of the same person.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn sign_out(signed_in: &SignedIn, everywhere: bool) -> Result<(), AdminError> {
    let (session, row, now) = (signed_in.session.clone(), signed_in.account.clone(), signed_in.admin.now);
    let work = signed_in.admin.store.write(move |connection| {
        Box::pin(async move {
            if everywhere {
                sessions::delete_of(connection, &session.administrator_id).await?;
            } else {
                sessions::delete(connection, &session.id).await?;
            }
            audit::append(connection, entry(&row, "account.sign-out", true, now)).await
        })
    });
    Ok(work.await?)
}

/// Forgets sessions that have ended by themselves, and sign-ins that were never finished; says how many sessions.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_ended_sessions(store: &Store, now: UtcTime) -> Result<u64, StoreError> {
    let (idle, begun) = (now.plus_seconds(-IDLE_SECONDS), now.plus_seconds(-LONGEST_SECONDS));
    let asked = now.plus_seconds(-crate::console::LIFE_SECONDS);
    let challenged = now.plus_seconds(-super::passkey::CHALLENGE_SECONDS);
    store
        .write(move |connection| {
            Box::pin(async move {
                administrator_idp::forget_before(connection, asked).await?;
                passkey::forget_challenges(connection, challenged).await?;
                sessions::forget_ended(connection, idle, begun).await
            })
        })
        .await
}

/// The account whose invitation `secret` is, as long as it can be used.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn invited(store: &Store, secret: &str, now: UtcTime) -> Result<Option<Administrator>, AdminError> {
    let row = administrator::by_invitation(&mut *store.read().await?, &hash_of(secret)).await?;
    Ok(row.filter(|row| row.enabled && row.invitation_until.is_some_and(|until| until > now)))
}

/// Gives the invited account its password and uses the invitation up; says whether it could be used.
///
/// # Errors
/// [`AdminError::Invalid`] where the password can't be one.
pub async fn accept_invitation(
    store: &Store,
    secret: &str,
    password: String,
    now: UtcTime,
) -> Result<bool, AdminError> {
    let Some(account) = invited(store, secret, now).await? else { return Ok(false) };
    let kept = password::hash(&account.name, password).await?;
    let hash = hash_of(secret);
    let done = store.write(move |connection| {
        Box::pin(async move {
            let row = administrator::by_invitation(connection, &hash).await?;
            let Some(mut row) = row.filter(|row| row.enabled) else { return Ok(false) };
            (row.password, row.invitation, row.invitation_until) = (Some(kept), None, None);
            (row.failures, row.blocked_until) = (0, None);
            administrator::update(connection, &row).await?;
            audit::append(connection, entry(&row, "account.accept", true, now)).await?;
            Ok(true)
        })
    });
    Ok(done.await?)
}

/// Changes the own password, and ends every other session of the same person. Says whether `current` was right.
///
/// # Errors
/// [`AdminError::Invalid`] where `new` can't be a password.
pub async fn change_password(signed_in: &SignedIn, current: String, new: String) -> Result<bool, AdminError> {
    if !password::matches(signed_in.account.password.as_deref(), current).await? {
        return Ok(false);
    }
    let kept = password::hash(&signed_in.account.name, new).await?;
    let session = signed_in.session.clone();
    change_own(signed_in, "account.password", Some(session), move |row| row.password = Some(kept)).await?;
    Ok(true)
}

/// Switches the authenticator on, if `code` shows that the app holds `secret`; says whether it does.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn switch_totp_on(signed_in: &SignedIn, secret: String, code: &str) -> Result<bool, AdminError> {
    let Some(step) = totp::accepted_step(&secret, code, signed_in.admin.now, 0) else { return Ok(false) };
    let set = move |row: &mut Administrator| (row.totp_secret, row.totp_used) = (Some(secret), step);
    change_own(signed_in, "account.totp-on", None, set).await?;
    Ok(true)
}

/// Switches the authenticator off; says whether `current` was the account's password.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn switch_totp_off(signed_in: &SignedIn, current: String) -> Result<bool, AdminError> {
    if !password::matches(signed_in.account.password.as_deref(), current).await? {
        return Ok(false);
    }
    change_own(signed_in, "account.totp-off", None, |row| row.totp_secret = None).await?;
    Ok(true)
}

/// Changes the own account; where `only` is given, that session stays and all others end.
async fn change_own(
    signed_in: &SignedIn,
    action: &'static str,
    only: Option<Session>,
    set: impl FnOnce(&mut Administrator) + Send + 'static,
) -> Result<(), AdminError> {
    let (id, name) = (signed_in.account.id.clone(), signed_in.account.name.clone());
    let noun = (Noun::Administrator, name.clone());
    signed_in
        .admin
        .change(action, (noun.0, &noun.1), move |connection| {
            Box::pin(async move {
                let row = administrator::by_id(connection, &id).await?;
                let mut row = row.ok_or_else(|| AdminError::missing(Noun::Administrator, &name))?;
                set(&mut row);
                administrator::update(connection, &row).await?;
                if let Some(only) = only {
                    sessions::delete_of(connection, &row.id).await?;
                    sessions::insert(connection, &only).await?;
                }
                Ok(Done { tenant_id: row.tenant_id, detail: json!({}), value: () })
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{Role, administrator as accounts};

    const PASSWORD: &str = "correct horse battery";

    async fn store_with_ada(now: UtcTime) -> (tempfile::TempDir, Store) {
        let (dir, store) = crate::store::testing::store().await;
        let admin = Admin::whole(store.clone(), Actor::CommandLine, now);
        let new = accounts::NewAdministrator { name: "Ada".to_owned(), role: Role::Owner, tenant: None };
        let made = accounts::create(&admin, new).await.unwrap();
        assert!(accept_invitation(&store, &made.invitation, PASSWORD.to_owned(), now).await.unwrap());
        assert!(!accept_invitation(&store, &made.invitation, PASSWORD.to_owned(), now).await.unwrap(), "it is used up");
        (dir, store)
    }

    async fn try_with(store: &Store, password: &str, code: &str, now: UtcTime) -> Option<String> {
        let given = Credentials { name: "ada".to_owned(), password: password.to_owned(), code: code.to_owned() };
        sign_in(store, given, now).await.unwrap()
    }

    #[tokio::test]
    async fn a_session_ends_when_it_is_idle_and_when_it_is_old() {
        let now = UtcTime::from_unix_seconds(1_700_000_000);
        let (_dir, store) = store_with_ada(now).await;
        let secret = try_with(&store, PASSWORD, "", now).await.unwrap();
        let at = async |seconds| signed_in(&store, &secret, now.plus_seconds(seconds)).await.unwrap().is_some();
        assert!(
            signed_in(&store, &hash_of(&secret), now).await.unwrap().is_none(),
            "the database's hash opens nothing"
        );
        for minutes in 1..12 * 60 / 25 {
            assert!(at(minutes * 25 * 60).await, "used every 25 minutes it lasts");
        }
        assert!(!at(LONGEST_SECONDS).await);
        let other = try_with(&store, PASSWORD, "", now).await.unwrap();
        assert!(signed_in(&store, &other, now.plus_seconds(IDLE_SECONDS)).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn after_five_wrong_tries_even_the_right_password_waits() {
        let now = UtcTime::from_unix_seconds(1_700_000_000);
        let (_dir, store) = store_with_ada(now).await;
        for _ in 0..FREE_FAILURES {
            assert!(try_with(&store, "wrong", "", now).await.is_none());
        }
        assert!(try_with(&store, PASSWORD, "", now.plus_seconds(FIRST_WAIT_SECONDS - 1)).await.is_none());
        assert!(try_with(&store, PASSWORD, "", now.plus_seconds(FIRST_WAIT_SECONDS)).await.is_some());
        assert_eq!(wait_after(FREE_FAILURES + 60), Some(LONGEST_WAIT_SECONDS));
    }

    #[tokio::test]
    async fn with_an_authenticator_the_password_alone_is_not_enough_and_a_code_is_good_once() {
        let now = UtcTime::from_unix_seconds(1_700_000_000);
        let (_dir, store) = store_with_ada(now).await;
        let secret = try_with(&store, PASSWORD, "", now).await.unwrap();
        let ada = signed_in(&store, &secret, now).await.unwrap().unwrap();
        let totp = totp::new_secret().unwrap();
        assert!(!switch_totp_on(&ada, totp.clone(), "000000x").await.unwrap());
        assert!(switch_totp_on(&ada, totp.clone(), &totp::current_code(&totp, now).unwrap()).await.unwrap());
        let later = now.plus_seconds(60);
        let code = totp::current_code(&totp, later).unwrap();
        assert!(try_with(&store, PASSWORD, "", later).await.is_none());
        assert!(try_with(&store, PASSWORD, &code, later).await.is_some());
        assert!(try_with(&store, PASSWORD, &code, later).await.is_none());
    }

    #[tokio::test]
    async fn a_new_password_ends_the_other_sessions() {
        let now = UtcTime::from_unix_seconds(1_700_000_000);
        let (_dir, store) = store_with_ada(now).await;
        let other = try_with(&store, PASSWORD, "", now).await.unwrap();
        let mine = try_with(&store, PASSWORD, "", now).await.unwrap();
        let ada = signed_in(&store, &mine, now).await.unwrap().unwrap();
        assert!(!change_password(&ada, "wrong".to_owned(), "another long one".to_owned()).await.unwrap());
        assert!(change_password(&ada, PASSWORD.to_owned(), "another long one".to_owned()).await.unwrap());
        assert!(signed_in(&store, &other, now).await.unwrap().is_none());
        assert!(signed_in(&store, &mine, now).await.unwrap().is_some());
        sign_out(&ada, true).await.unwrap();
        assert!(signed_in(&store, &mine, now).await.unwrap().is_none());
    }
}
