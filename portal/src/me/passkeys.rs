//! The person's passkeys: made and removed on their own page, where they have proved who they are.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use saml::time::UtcTime;
use serde_json::{Value, json};

use super::session::{Ended, Visitor};
use crate::admin::AdminError;
use crate::admin::passkey::{CHALLENGE_SECONDS, NewPasskey, answered, challenge};
use crate::sign_on::Portal;
use crate::store::person_passkey::{self, PersonPasskey};
use crate::store::{StoreError, audit};
use crate::webauthn::{self, ALGORITHMS, NotBelieved, RelyingParty};

/// A person has so many passkeys at most.
const MOST: usize = 10;

/// Why a passkey was not added.
pub(crate) enum NotAdded {
    /// It is not to be believed.
    NotBelieved(NotBelieved),
    /// There are as many as there may be.
    TooMany,
    /// It is registered already.
    Known,
    Failed(StoreError),
}

impl From<NotBelieved> for NotAdded {
    fn from(error: NotBelieved) -> Self {
        Self::NotBelieved(error)
    }
}

impl From<StoreError> for NotAdded {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl NotAdded {
    /// What the page says; a failure of the database is passed on.
    pub(crate) fn told(self) -> Result<String, StoreError> {
        match self {
            Self::NotBelieved(error) => Ok(format!("The passkey was not added: {error}.")),
            Self::TooMany => Ok(format!("You have {MOST} passkeys: remove one first.")),
            Self::Known => Ok("That passkey is registered already.".to_owned()),
            Self::Failed(error) => Err(error),
        }
    }
}

/// What the page's script hands to the browser that is to make a passkey.
///
/// # Errors
/// [`AdminError`].
pub(crate) async fn begin_passkey(portal: &Portal, visitor: &Visitor, now: UtcTime) -> Result<Value, AdminError> {
    let challenge = challenge(&portal.store, &visitor.session.id, now).await?;
    let known = person_passkey::of(&mut *portal.store.read().await?, &visitor.person.id).await?;
    let known: Vec<Value> = known.iter().map(|key| json!({ "type": "public-key", "id": key.id })).collect();
    let party = RelyingParty::of(portal.cloud.base());
    let algorithms: Vec<Value> = ALGORITHMS.iter().map(|alg| json!({ "type": "public-key", "alg": alg })).collect();
    let (id, name) = (URL_SAFE_NO_PAD.encode(visitor.person.id.as_bytes()), &visitor.person.name_id);
    Ok(json!({
        "challenge": challenge,
        "rp": { "id": party.id, "name": format!("Countersign {}", party.id) },
        "user": { "id": id, "name": name, "displayName": name },
        "pubKeyCredParams": algorithms,
        "authenticatorSelection": {
            "residentKey": "required", "requireResidentKey": true, "userVerification": "required",
        },
        "attestation": "none",
        "excludeCredentials": known,
        "timeout": CHALLENGE_SECONDS * 1000,
    }))
}

/// Registers a passkey that answers a challenge of [`begin_passkey`].
///
/// # Errors
/// [`NotAdded`].
pub(crate) async fn add_passkey(
    portal: &Portal,
    visitor: &Visitor,
    new: NewPasskey,
    now: UtcTime,
) -> Result<(), NotAdded> {
    let party = RelyingParty::of(portal.cloud.base());
    let name: String = new.name.trim().chars().filter(|character| !character.is_control()).take(60).collect();
    let challenge = webauthn::claimed_challenge(&new.client_data)?;
    if !answered(&portal.store, &challenge, &visitor.session.id, now).await? {
        return Err(NotBelieved::Challenge.into());
    }
    let made = webauthn::verify_registration(&party, &challenge, &new.client_data, &new.attestation_object)?;
    let row = PersonPasskey {
        id: URL_SAFE_NO_PAD.encode(&made.credential_id),
        person_id: visitor.person.id.clone(),
        name: if name.is_empty() { "Passkey".to_owned() } else { name },
        public_key: made.public_key,
        sign_count: made.sign_count,
        is_backed_up: made.is_backed_up,
        created_at: now,
        last_used_at: None,
    };
    let detail = json!({ "name": row.name, "backed up": row.is_backed_up, "by": visitor.device_id.as_str() });
    let entry = visitor.entry("user.passkey-add", &row.id, detail, now);
    let added = portal.store.write(move |connection| {
        Box::pin(async move {
            if person_passkey::of(connection, &row.person_id).await?.len() >= MOST {
                return Ok(Err(NotAdded::TooMany));
            }
            if person_passkey::by_id(connection, &row.id).await?.is_some() {
                return Ok(Err(NotAdded::Known));
            }
            person_passkey::insert(connection, &row).await?;
            audit::append(connection, entry).await?;
            Ok(Ok(()))
        })
    });
    added.await?
}

/// Removes a passkey of the visitor's.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn remove_passkey(
    portal: &Portal,
    visitor: &Visitor,
    id: &str,
    now: UtcTime,
) -> Result<Ended, StoreError> {
    let (id, person_id) = (id.to_owned(), visitor.person.id.clone());
    let entry = visitor.entry("user.passkey-remove", &id, json!({ "by": visitor.device_id.as_str() }), now);
    let removed = portal.store.write(move |connection| {
        Box::pin(async move {
            if !person_passkey::delete(connection, (&id, &person_id)).await? {
                return Ok(Ended::NotThere);
            }
            audit::append(connection, entry).await?;
            Ok(Ended::Yes)
        })
    });
    removed.await
}
