//! Signing in to the pages, and what people change about their own account.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use saml::time::UtcTime;
use serde_json::json;
use sqlx::AnyConnection;

use super::{Actor, Admin, AdminError, Done, Noun, Right, maker, password, totp, unknown_names};
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
    let tried = match known {
        Some(row) => count_try(store, &row.id, now).await?,
        None => {
            if unknown_names::may_try(&name, now) {
                password::matches(None, given.password).await?;
            }
            return Ok(None);
        }
    };
    let Some(known) = tried else { return Ok(None) };
    let kept = known.password.clone();
    let is_right = password::matches(kept.as_deref(), given.password).await?;

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
            }
            administrator::update(connection, &row).await?;
            audit::append(connection, entry(&row, "account.sign-in", signed_in, now)).await?;
            Ok(signed_in)
        })
    });
    Ok(begun.await?.then_some(secret))
}

/// Counts a try at the password of the account `id`, before anything is hashed: of any number that come at once, as many are looked at as may be.
/// Returns the account, or none where it is disabled or has to wait.
async fn count_try(store: &Store, id: &str, now: UtcTime) -> Result<Option<Administrator>, AdminError> {
    let id = id.to_owned();
    let counted = store.write(move |connection| {
        Box::pin(async move {
            let row = administrator::by_id(connection, &id).await?;
            let open = |row: &Administrator| row.enabled && row.blocked_until.is_none_or(|until| until <= now);
            let Some(mut row) = row.filter(open) else { return Ok(None) };
            row.failures += 1;
            row.blocked_until = wait_after(row.failures).map(|seconds| now.plus_seconds(seconds));
            administrator::update(connection, &row).await?;
            Ok(Some(row))
        })
    });
    Ok(counted.await?)
}

/// Whether `current` is the password of who is signed in: a session that was taken over is not enough to change what signs in. Wrong ones are counted as
/// at the door.
///
/// # Errors
/// [`AdminError::Store`], [`AdminError::Busy`].
pub(super) async fn knows_password(signed_in: &SignedIn, current: String) -> Result<bool, AdminError> {
    let store = &signed_in.admin.store;
    let Some(row) = count_try(store, &signed_in.account.id, signed_in.admin.now).await? else { return Ok(false) };
    let is_right = password::matches(row.password.as_deref(), current).await?;
    if is_right {
        let forgiven = store.write(move |connection| {
            Box::pin(async move {
                let Some(mut row) = administrator::by_id(connection, &row.id).await? else { return Ok(()) };
                (row.failures, row.blocked_until) = (0, None);
                administrator::update(connection, &row).await
            })
        });
        forgiven.await?;
    }
    Ok(is_right)
}

/// Whether `code` is what the account's authenticator shows now; notes that it was used.
fn accept_code(row: &mut Administrator, code: &str, now: UtcTime) -> bool {
    let Some(secret) = &row.totp_secret else { return true };
    let Some(step) = totp::accepted_step(secret, code, now, row.totp_used) else { return false };
    row.totp_used = step;
    true
}

pub(super) fn wait_after(failures: i64) -> Option<i64> {
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
    /// What they may do, where, and under which name it is recorded.
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
    let mut connection = store.read().await?;
    let row = administrator::by_invitation(&mut connection, &hash_of(secret)).await?;
    let Some(row) = row.filter(|row| row.enabled) else { return Ok(None) };
    Ok(if still_invited(&mut connection, &row, now).await? { Some(row) } else { None })
}

/// Whether the invitation's time is not over, and who has made it may still do that and all that the invited may.
async fn still_invited(connection: &mut AnyConnection, row: &Administrator, now: UtcTime) -> Result<bool, StoreError> {
    let Some(until) = row.invitation_until.filter(|until| *until > now) else { return Ok(false) };
    let Some(by) = &row.invited_by else { return Ok(true) };
    let made_at = until.plus_seconds(-super::administrator::INVITATION_SECONDS);
    let rights = maker::rights_of(connection, by, made_at, now).await?;
    Ok(rights.is_some_and(|may| may.contain(Right::Administrators) && may.contain_all(row.role.rights())))
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
            if !still_invited(connection, &row, now).await? {
                return Ok(false);
            }
            row.invited_by = None;
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
    if !knows_password(signed_in, current).await? {
        return Ok(false);
    }
    let kept = password::hash(&signed_in.account.name, new).await?;
    let session = signed_in.session.clone();
    change_own(signed_in, "account.password", Some(session), move |row| row.password = Some(kept)).await?;
    Ok(true)
}

/// Switches the authenticator on, if `code` shows that the app holds `secret`; says whether it does, or nothing where `current` is not the
/// account's password.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn switch_totp_on(
    signed_in: &SignedIn,
    current: String,
    secret: String,
    code: &str,
) -> Result<Option<bool>, AdminError> {
    if !knows_password(signed_in, current).await? {
        return Ok(None);
    }
    let Some(step) = totp::accepted_step(&secret, code, signed_in.admin.now, 0) else { return Ok(Some(false)) };
    let set = move |row: &mut Administrator| (row.totp_secret, row.totp_used) = (Some(secret), step);
    change_own(signed_in, "account.totp-on", None, set).await?;
    Ok(Some(true))
}

/// Switches the authenticator off; says whether `current` was the account's password.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn switch_totp_off(signed_in: &SignedIn, current: String) -> Result<bool, AdminError> {
    if !knows_password(signed_in, current).await? {
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
    async fn of_guesses_that_come_at_once_five_are_looked_at() {
        let now = UtcTime::from_unix_seconds(1_700_000_000);
        let (_dir, store) = store_with_ada(now).await;
        let mut guesses = tokio::task::JoinSet::new();
        for number in 0..61 {
            let store = store.clone();
            guesses.spawn(async move { try_with(&store, &format!("guess number {number}"), "", now).await });
        }
        assert!(guesses.join_all().await.iter().all(Option::is_none));
        let rows = audit::newest(&mut store.read().await.unwrap(), 100).await.unwrap();
        let looked_at = rows.iter().filter(|row| row.action == "account.sign-in" && row.result == "refused").count();
        assert_eq!(looked_at, usize::try_from(FREE_FAILURES).unwrap());
        assert!(try_with(&store, PASSWORD, "", now).await.is_none(), "and the right one waits");
    }

    #[tokio::test]
    async fn an_invitation_ends_with_the_account_that_made_it() {
        let now = UtcTime::from_unix_seconds(1_700_000_000);
        let (_dir, store) = store_with_ada(now).await;
        let whole = Admin::whole(store.clone(), Actor::CommandLine, now);
        let ada = Admin { actor: Actor::Administrator("ada".to_owned()), ..whole.clone() };
        let new = |name: &str| accounts::NewAdministrator { name: name.to_owned(), role: Role::Owner, tenant: None };
        let bea = accounts::create(&ada, new("bea")).await.unwrap();
        let carl = accounts::create(&whole, new("carl")).await.unwrap();
        assert!(invited(&store, &bea.invitation, now).await.unwrap().is_some());
        accounts::set_role(&whole, "ada", Role::Support).await.unwrap();
        assert!(invited(&store, &bea.invitation, now).await.unwrap().is_none());
        assert!(!accept_invitation(&store, &bea.invitation, PASSWORD.to_owned(), now).await.unwrap());
        assert!(accept_invitation(&store, &carl.invitation, PASSWORD.to_owned(), now).await.unwrap());
    }

    #[tokio::test]
    async fn with_an_authenticator_the_password_alone_is_not_enough_and_a_code_is_good_once() {
        let now = UtcTime::from_unix_seconds(1_700_000_000);
        let (_dir, store) = store_with_ada(now).await;
        let secret = try_with(&store, PASSWORD, "", now).await.unwrap();
        let ada = signed_in(&store, &secret, now).await.unwrap().unwrap();
        let totp = totp::new_secret().unwrap();
        let on = async |password: &str, code: &str| {
            switch_totp_on(&ada, password.to_owned(), totp.clone(), code).await.unwrap()
        };
        let shown = totp::current_code(&totp, now).unwrap();
        assert_eq!(on("not the password", &shown).await, None, "who took over a session alone adds no factor");
        assert_eq!(on(PASSWORD, "000000x").await, Some(false));
        assert_eq!(on(PASSWORD, &shown).await, Some(true));
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
