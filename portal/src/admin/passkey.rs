//! Passkeys of administrators: registering one, signing in with one, taking one away.
//!
//! A passkey signs in alone. It is bound to the pages' own host, so no other site can ask for it, and it is used after the authenticator has verified who
//! holds it: that is two factors already. It is for accounts that have a password, which stays the way back in, and goes with it when an owner sets the
//! account up anew.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use saml::time::UtcTime;
use serde_json::json;

use super::account::{SignedIn, hash_of, knows_password, new_secret};
use super::{Actor, Admin, AdminError, Done, Noun, Right};
use crate::random;
use crate::store::administrator::{self, Administrator};
use crate::store::administrator_session::{self as sessions, Session};
use crate::store::audit::{self, Entry};
use crate::store::passkey::{self, Passkey};
use crate::store::{Store, StoreError};
use crate::webauthn::{self, Asserted, Assertion, NotBelieved, RelyingParty};

/// How long a challenge can be answered, in seconds.
pub const CHALLENGE_SECONDS: i64 = 300;
/// An account has so many passkeys at most.
const MOST: usize = 20;

/// A challenge for the holder of `held`, as text for the page.
///
/// # Errors
/// [`AdminError::Store`], [`AdminError::Random`].
pub async fn challenge(store: &Store, held: &str, now: UtcTime) -> Result<String, AdminError> {
    let challenge: [u8; 32] = random::bytes()?;
    let (id, bound_to) = (sha256(&challenge), hash_of(held));
    let kept = store.write(move |connection| {
        Box::pin(async move { passkey::insert_challenge(connection, (&id, &bound_to), now).await })
    });
    kept.await?;
    Ok(URL_SAFE_NO_PAD.encode(challenge))
}

fn sha256(octets: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(digest(&SHA256, octets).as_ref())
}

/// Whether somebody may register a passkey: a person who took over a session has to know the password, too. Returns a challenge.
///
/// # Errors
/// [`AdminError::Store`], [`AdminError::Random`].
pub async fn begin(signed_in: &SignedIn, current: String) -> Result<Option<String>, AdminError> {
    if !knows_password(signed_in, current).await? {
        return Ok(None);
    }
    let admin = &signed_in.admin;
    Ok(Some(challenge(&admin.store, &signed_in.session.id, admin.now).await?))
}

/// The passkeys of the own account, the oldest first.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn own(signed_in: &SignedIn) -> Result<Vec<Passkey>, AdminError> {
    let mut connection = signed_in.admin.store.read().await?;
    Ok(passkey::of(&mut connection, &signed_in.account.id).await?)
}

/// The ids of the administrators who have passkeys.
///
/// # Errors
/// [`AdminError::Forbidden`].
pub async fn owners(admin: &Admin) -> Result<Vec<String>, AdminError> {
    admin.demand(Right::Administrators)?;
    Ok(passkey::owners(&mut *admin.store.read().await?).await?)
}

/// What a browser sends that has made a passkey.
#[derive(Clone, Debug)]
pub struct NewPasskey {
    /// What its owner calls it.
    pub name: String,
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `attestationObject`.
    pub attestation_object: Vec<u8>,
}

/// Registers a passkey that answers a challenge of [`begin`].
///
/// # Errors
/// [`AdminError::Passkey`] where it is not to be believed; [`AdminError::Duplicate`].
pub async fn register(signed_in: &SignedIn, party: &RelyingParty, new: NewPasskey) -> Result<(), AdminError> {
    let (admin, now) = (&signed_in.admin, signed_in.admin.now);
    let name: String = new.name.trim().chars().filter(|character| !character.is_control()).take(60).collect();
    let name = if name.is_empty() { "Passkey".to_owned() } else { name };
    let challenge = webauthn::claimed_challenge(&new.client_data)?;
    if !answered(&admin.store, &challenge, &signed_in.session.id, now).await? {
        return Err(NotBelieved::Challenge.into());
    }
    let made = webauthn::verify_registration(party, &challenge, &new.client_data, &new.attestation_object)?;
    let row = Passkey {
        id: URL_SAFE_NO_PAD.encode(&made.credential_id),
        administrator_id: signed_in.account.id.clone(),
        name: name.clone(),
        public_key: made.public_key,
        sign_count: made.sign_count,
        is_backed_up: made.is_backed_up,
        created_at: now,
        last_used_at: None,
    };
    admin
        .change("account.passkey-add", (Noun::Passkey, &name), move |connection| {
            Box::pin(async move {
                let account = administrator::by_id(connection, &row.administrator_id).await?;
                let account = account.filter(|account| account.enabled && account.password.is_some());
                let account = account.ok_or_else(|| AdminError::missing(Noun::Administrator, "your account"))?;
                if passkey::of(connection, &account.id).await?.len() >= MOST {
                    let wanted = "room for another passkey: remove one first";
                    return Err(AdminError::Invalid { field: "name", given: row.name, wanted });
                }
                passkey::insert(connection, &row).await?;
                let detail = json!({ "id": row.id, "backed up": row.is_backed_up });
                Ok(Done { tenant_id: account.tenant_id, detail, value: () })
            })
        })
        .await
}

/// Uses the challenge up; says whether it was given to the holder of `held`, and lately.
pub(crate) async fn answered(store: &Store, challenge: &[u8], held: &str, now: UtcTime) -> Result<bool, StoreError> {
    let (id, bound_to, since) = (sha256(challenge), hash_of(held), now.plus_seconds(-CHALLENGE_SECONDS));
    store
        .write(move |connection| {
            Box::pin(async move { passkey::use_challenge(connection, (&id, &bound_to), since).await })
        })
        .await
}

/// Removes a passkey of the own account; says whether `current` was the account's password.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn remove(signed_in: &SignedIn, id: &str, current: String) -> Result<bool, AdminError> {
    if !knows_password(signed_in, current).await? {
        return Ok(false);
    }
    let (id, account) = (id.to_owned(), signed_in.account.clone());
    let name = id.clone();
    signed_in
        .admin
        .change("account.passkey-remove", (Noun::Passkey, &name), move |connection| {
            Box::pin(async move {
                if !passkey::delete(connection, (&id, &account.id)).await? {
                    return Err(AdminError::missing(Noun::Passkey, &id));
                }
                Ok(Done { tenant_id: account.tenant_id, detail: json!({}), value: true })
            })
        })
        .await
}

/// What a browser sends in which somebody has used a passkey.
#[derive(Clone, Debug)]
pub struct Used {
    /// The credential's ID.
    pub credential_id: Vec<u8>,
    /// `userHandle`: whose the authenticator says it is.
    pub user_handle: Vec<u8>,
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `authenticatorData`.
    pub authenticator_data: Vec<u8>,
    /// `signature`.
    pub signature: Vec<u8>,
}

/// Signs somebody in with a passkey that answers a challenge of [`challenge`] for `held`; returns what their cookie holds, or nothing where anything was
/// wrong: the audit says what, where the passkey is known.
///
/// # Errors
/// [`AdminError::Store`], [`AdminError::Random`].
pub async fn sign_in(
    store: &Store,
    (party, held): (&RelyingParty, &str),
    used: Used,
    now: UtcTime,
) -> Result<Option<String>, AdminError> {
    let Ok(challenge) = webauthn::claimed_challenge(&used.client_data) else { return Ok(None) };
    let challenge = answered(store, &challenge, held, now).await?.then_some(challenge);
    let (secret, id) = new_secret()?;
    let (form_token, _) = new_secret()?;
    let party = party.clone();
    let begun = store.write(move |connection| {
        Box::pin(async move {
            let known = passkey::by_id(connection, &URL_SAFE_NO_PAD.encode(&used.credential_id)).await?;
            let Some(mut known) = known else { return Ok(false) };
            let account = administrator::by_id(connection, &known.administrator_id).await?;
            let Some(mut account) = account else { return Ok(false) };
            let checked = check(&party, challenge.as_deref(), &used, (&known, &account));
            let is_good = checked.is_ok();
            audit::append(connection, entry(&known, &account, checked.as_ref().err(), now)).await?;
            if let Ok(asserted) = checked {
                (known.sign_count, known.is_backed_up) = (asserted.sign_count, asserted.is_backed_up);
                passkey::note_use(connection, &known, now).await?;
                account.last_sign_in_at = Some(now);
                administrator::update(connection, &account).await?;
                let session = Session {
                    id,
                    administrator_id: account.id,
                    form_token,
                    created_at: now,
                    last_seen_at: now,
                    ends_at: None,
                    service_session: None,
                };
                sessions::insert(connection, &session).await?;
            }
            Ok(is_good)
        })
    });
    Ok(begun.await?.then_some(secret))
}

/// Whether it is the account's own passkey, in answer to `challenge`, if that was ours; else why not.
fn check(
    party: &RelyingParty,
    challenge: Option<&[u8]>,
    used: &Used,
    (known, account): (&Passkey, &Administrator),
) -> Result<Asserted, String> {
    let challenge = challenge.ok_or_else(|| NotBelieved::Challenge.to_string())?;
    if used.user_handle != account.id.as_bytes() {
        return Err("it is another account's".to_owned());
    }
    if !account.enabled {
        return Err("the account is disabled".to_owned());
    }
    let assertion = Assertion {
        client_data: &used.client_data,
        authenticator_data: &used.authenticator_data,
        signature: &used.signature,
    };
    let kept = (known.public_key.as_slice(), known.sign_count);
    webauthn::verify_assertion(party, challenge, assertion, kept).map_err(|error| error.to_string())
}

/// The row of the audit about a sign-in, and why it was refused, if it was.
fn entry(known: &Passkey, account: &Administrator, why: Option<&String>, now: UtcTime) -> Entry {
    let result = if why.is_none() { "ok" } else { "refused" };
    Entry {
        at: now,
        tenant_id: account.tenant_id.clone(),
        actor: Actor::Administrator(account.name.clone()).to_string(),
        action: "account.sign-in",
        subject: account.name.clone(),
        result: result.to_owned(),
        detail: json!({ "passkey": known.name, "why": why }),
    }
}
