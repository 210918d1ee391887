//! What somebody sees and does at their own page.

use saml::name::EntityId;
use saml::time::UtcTime;
use serde_json::{Value, json};
use sqlx::AnyConnection;

use crate::admin::account::hash_of;
use crate::proof::{self, Approved, Approver, Choice, Open, code};
use crate::sign_on::Portal;
use crate::store::StoreError;
use crate::store::audit::{self, Entry};
use crate::store::person::{self, DeviceUse, Person, PersonState, UsesOf};
use crate::store::person_passkey::{self, PersonPasskey};
use crate::store::person_session::{self, PersonSession};
use crate::store::proof::ProofCode;
use crate::store::service_session::{self, Ending, SIGNED_OUT};

/// For how long a code lives that somebody has made for another device of theirs, in seconds.
const CODE_SECONDS: i64 = 600;

/// Somebody at their own page.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) session: PersonSession,
    pub(crate) person: Person,
    /// The device on which the browser runs.
    pub(crate) device_id: EntityId,
}

impl Visitor {
    pub(crate) fn approver(&self) -> Approver<'_> {
        Approver {
            tenant_id: &self.session.tenant_id,
            name_id: &self.person.name_id,
            device_id: self.device_id.as_str(),
        }
    }

    /// A row of the audit about something that the person has done.
    pub(super) fn entry(&self, action: &'static str, subject: &str, detail: Value, now: UtcTime) -> Entry {
        Entry {
            at: now,
            tenant_id: Some(self.session.tenant_id.clone()),
            actor: self.person.name_id.clone(),
            action,
            subject: subject.to_owned(),
            result: "ok".to_owned(),
            detail,
        }
    }
}

/// Who the holder of the cookie's `secret` is, as long as the session that their device has opened is open, and what they have proved there holds.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn visitor(portal: &Portal, secret: &str, now: UtcTime) -> Result<Option<Visitor>, StoreError> {
    let mut connection = portal.store.read().await?;
    let session = person_session::by_id(&mut connection, &hash_of(secret)).await?;
    let Some(session) = session.filter(|session| now < session.ends_at) else { return Ok(None) };
    let Some(opened) = service_session::open(&mut connection, &session.service_session).await? else {
        return Ok(None);
    };
    let known = person::with_device(&mut connection, &opened.person, opened.opened_by.as_str()).await?;
    let Some((person, Some(on_device))) = known else { return Ok(None) };
    let is_proved =
        on_device.proof.is_some_and(|proof| now < proof.ends_at) || session.grade > crate::grade::Grade::Proved;
    let is_sound = is_proved && person.tenant_id == session.tenant_id && person.state == PersonState::Active;
    Ok(is_sound.then_some(Visitor { session, person, device_id: opened.opened_by }))
}

/// What the page shows.
pub(crate) struct View {
    /// How the grade of the session came about.
    pub(crate) origin: String,
    pub(crate) devices: Vec<DeviceUse>,
    pub(crate) passkeys: Vec<PersonPasskey>,
    pub(crate) open: Vec<Open>,
}

/// What `visitor`'s page shows.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn view(portal: &Portal, visitor: &Visitor, now: UtcTime) -> Result<View, StoreError> {
    let mut connection = portal.store.read().await?;
    let id = &visitor.person.id;
    let mut devices = person::uses(&mut connection, UsesOf::Person(id)).await?;
    devices.retain(|device| device.device_state == "registered");
    let last = person::last_evidence(&mut connection, visitor.device_id.as_str(), id).await?;
    Ok(View {
        origin: last.map(|last| last.assurance.origin).unwrap_or_default(),
        devices,
        passkeys: person_passkey::of(&mut connection, id).await?,
        open: proof::open(&mut connection, &visitor.approver(), now).await?,
    })
}

/// Whether there was something to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    Yes,
    NotThere,
}

/// Signs the person out of the device: what they have proved there counts no more, and the sessions that it has opened for them end.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn end_at(
    portal: &Portal,
    visitor: &Visitor,
    device_id: &str,
    now: UtcTime,
) -> Result<Ended, StoreError> {
    let (visitor, device_id) = (visitor.clone(), device_id.to_owned());
    let ended = portal.store.write(move |connection| {
        Box::pin(async move {
            if !person::void_proof(connection, &device_id, &visitor.person.id).await? {
                return Ok(Ended::NotThere);
            }
            let ending = Ending::PersonAt(&visitor.person.name_id, &device_id);
            service_session::end(connection, ending, SIGNED_OUT).await?;
            let detail = json!({ "by": visitor.device_id.as_str() });
            audit::append(connection, visitor.entry("user.device-sign-out", &device_id, detail, now)).await?;
            Ok(Ended::Yes)
        })
    });
    ended.await
}

/// Ends the visitor's session at this page.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn sign_out(portal: &Portal, visitor: &Visitor) -> Result<(), StoreError> {
    let id = visitor.session.id.clone();
    let ended =
        portal.store.write(move |connection| Box::pin(async move { person_session::delete(connection, &id).await }));
    ended.await
}

/// A one-time code for another device of the visitor's; earlier codes of theirs end.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn make_code(portal: &Portal, visitor: &Visitor, now: UtcTime) -> Result<String, StoreError> {
    let code = code::new().map_err(|_| StoreError::Stopping)?;
    let row = ProofCode {
        id: code::digest_of(&code),
        tenant_id: visitor.session.tenant_id.clone(),
        name_id: visitor.person.name_id.clone(),
        made_by: visitor.person.name_id.clone(),
        created_at: now,
        expires_at: now.plus_seconds(CODE_SECONDS),
    };
    let entry = visitor.entry("user.code", &row.name_id, json!({ "by": visitor.device_id.as_str() }), now);
    let kept = portal.store.write(move |connection| {
        Box::pin(async move {
            crate::store::proof::insert_code(connection, &row).await?;
            audit::append(connection, entry).await
        })
    });
    kept.await?;
    Ok(code)
}

/// Takes the visitor's choice for the question `id`, which was put to them on another device.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn approve(
    portal: &Portal,
    visitor: &Visitor,
    (id, choice): (&str, Choice),
    now: UtcTime,
) -> Result<Approved, StoreError> {
    let (visitor, id) = (visitor.clone(), id.to_owned());
    let approved = portal.store.write(move |connection: &mut AnyConnection| {
        Box::pin(async move { proof::approve(connection, &visitor.approver(), (&id, &choice), now).await })
    });
    approved.await
}
