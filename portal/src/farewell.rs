//! Good-byes over the SOAP binding: a device signs its person out, or leaves the cloud itself (Core §3.7, Profiles §4.4).
//!
//! A `LogoutRequest` goes the way of a sign-on: parse → device → signature → replay → device state → audit, the last three in
//! one transaction, and the answer is a signed `LogoutResponse` with the same codes.

use std::sync::Arc;

use saml::binding::soap;
use saml::device::DEREGISTER;
use saml::key::VerifyingKey;
use saml::logout::{LogoutRequest, LogoutResponse, UnverifiedLogoutRequest, VerifiedLogoutRequest};
use saml::name::{EntityId, MessageId, NameIdFormat};
use saml::refusal::{Refusal, RefusalCode};
use saml::request::RequestExpectations;
use saml::response::Status;
use saml::time::UtcTime;
use sqlx::AnyConnection;

use crate::copied_key::{self, Shown};
use crate::metrics::Outcome;
use crate::random;
use crate::sign_on::{Answer, Arrival, Portal, REQUEST_LIFE_SECONDS, SKEW_SECONDS, busy};
use crate::store::audit::{self, Entry};
use crate::store::device::{self, Device, DeviceState, Facts};
use crate::store::device_clone::Why;
use crate::store::device_key::{self, KeyRole};
use crate::store::service_session::{self, Ending, SIGNED_OUT};
use crate::store::signing_key::Purpose;
use crate::store::{StoreError, seen_request};

/// Answers the `LogoutRequest` in `body` at `now`; none where the body holds something else.
pub async fn farewell(portal: &Arc<Portal>, body: &[u8], arrival: Arrival) -> Option<Answer> {
    let request = UnverifiedLogoutRequest::parse_soap(body).ok()?;
    // The permit is held until the answer is there.
    let Some(_permit) = portal.admission.enter() else { return Some(busy(portal, arrival.instant)) };
    let now = arrival.now;
    let (id, device) = (request.claimed_id().clone(), request.claimed_issuer().clone());
    let result = match verify(portal, request, now).await {
        Ok(Ok(verified)) => portal.store.write(move |connection| Box::pin(decide(connection, verified, arrival))).await,
        Ok(Err(code)) => Ok(Err(code)),
        Err(error) => Err(error),
    };
    Some(match result.map(|result| answer(portal, id, device, result, now)) {
        Ok(Some(answer)) => answer,
        Ok(None) => busy(portal, arrival.instant),
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "could not answer a deregistration or a sign-out"
            );
            busy(portal, arrival.instant)
        }
    })
}

/// Checks the signature with the registered key of the device that the request names.
async fn verify(
    portal: &Portal,
    request: UnverifiedLogoutRequest,
    now: UtcTime,
) -> Result<Result<VerifiedLogoutRequest, RefusalCode>, StoreError> {
    let known = device_key::by_key(&mut *portal.store.read().await?, request.claimed_issuer().as_str()).await?;
    let Some(known) = known else { return Ok(Err(RefusalCode::DeviceUnknown)) };
    let key = VerifyingKey::from_spki_der(&known.public_key)
        .map_err(|_| StoreError::Unreadable { table: "device", column: "public_key" })?;
    let expect = RequestExpectations {
        destinations: &[portal.cloud.soap_url()],
        now,
        max_age_seconds: REQUEST_LIFE_SECONDS,
        max_skew_seconds: SKEW_SECONDS,
    };
    Ok(request.verify(&[key], &expect).map_err(|rejection| {
        tracing::info!(code = %rejection.code(), why = %rejection, "refused a deregistration or a sign-out before any state was read");
        rejection.code()
    }))
}

/// What a logout request is about: a person's sign-out, or the device's deregistration.
enum Farewell<'a> {
    Person(&'a str),
    Device,
}

impl<'a> Farewell<'a> {
    fn of(content: &'a LogoutRequest) -> Option<Self> {
        let name = &content.name_id;
        let leaves = name.format == NameIdFormat::Entity
            && name.value == content.issuer.as_str()
            && content.reason.as_deref() == Some(DEREGISTER);
        if leaves {
            return Some(Self::Device);
        }
        (name.format == NameIdFormat::EmailAddress).then_some(Self::Person(&name.value))
    }
}

async fn decide(
    connection: &mut AnyConnection,
    request: VerifiedLogoutRequest,
    arrival: Arrival,
) -> Result<Result<(), RefusalCode>, StoreError> {
    let now = arrival.now;
    let content = request.request();
    let known = device_key::by_key(connection, content.issuer.as_str()).await?;
    let is_copy = known.as_ref().is_some_and(|known| known.role == KeyRole::Former);
    let device = known.map(|known| known.device);
    let forgotten_at = content.issue_instant.plus_seconds(REQUEST_LIFE_SECONDS + 2 * SKEW_SECONDS);
    let is_new = seen_request::remember(connection, &content.issuer, &content.id, forgotten_at).await?;
    let about = Farewell::of(content);
    let result = match (&device, &about) {
        (None, _) => Err(RefusalCode::DeviceUnknown),
        _ if !is_new => Err(RefusalCode::Replayed),
        (_, None) => Err(RefusalCode::Malformed),
        (Some(device), _) if is_copy => {
            stop_copied(connection, device, content, arrival).await?;
            Err(RefusalCode::DeviceCloned)
        }
        // While nobody knows which of two holders it is, neither ends anything.
        (Some(device), _) if device.state == DeviceState::Cloned => Err(RefusalCode::DeviceCloned),
        // A device that is shut out may not leave that state by itself: an enrolment would bring it back.
        (Some(device), _) if device.state == DeviceState::Quarantined => Err(RefusalCode::DeviceQuarantined),
        (Some(device), Some(Farewell::Device)) if device.state == DeviceState::Removed => Ok(()),
        (Some(device), Some(Farewell::Device)) => {
            device::move_to(connection, device.id.as_str(), DeviceState::Unregistered, "it has left by itself").await?;
            Ok(())
        }
        (Some(device), Some(Farewell::Person(name))) => match device.state {
            DeviceState::Registered => {
                let name = name.to_ascii_lowercase();
                let ending = Ending::PersonAt(&name, device.id.as_str());
                service_session::end(connection, ending, SIGNED_OUT).await?;
                Ok(())
            }
            DeviceState::Pending => Err(RefusalCode::DevicePending),
            DeviceState::Quarantined => Err(RefusalCode::DeviceQuarantined),
            DeviceState::Cloned => Err(RefusalCode::DeviceCloned),
            DeviceState::Unregistered | DeviceState::RemovalPending | DeviceState::Removed => {
                Err(RefusalCode::DeviceRemoved)
            }
        },
    };
    let (action, subject) = match about {
        Some(Farewell::Person(name)) => ("sign-out", name.to_owned()),
        Some(Farewell::Device) | None => ("deregister", content.issuer.as_str().to_owned()),
    };
    let actor = device.as_ref().map_or(&content.issuer, |device| &device.id).to_string();
    let entry = Entry {
        at: now,
        tenant_id: device.map(|device| device.tenant_id),
        actor,
        action,
        subject,
        result: result.as_ref().err().map_or_else(|| "ok".to_owned(), ToString::to_string),
        detail: serde_json::json!({ "request": content.id.as_str(), "sessions": content.session_indexes }),
    };
    audit::append(connection, entry).await?;
    Ok(result)
}

/// A farewell that a key has signed which `device` has replaced: it is not on the device any more.
async fn stop_copied(
    connection: &mut AnyConnection,
    device: &Device,
    content: &LogoutRequest,
    arrival: Arrival,
) -> Result<(), StoreError> {
    let shown = Shown {
        // A farewell has no number.
        sequence: 0,
        issued_at: content.issue_instant,
        enrols: false,
        facts: &Facts::new(),
        address: arrival.address,
        now: arrival.now,
    };
    copied_key::stop(connection, device, Why::FormerKey, shown).await
}

fn answer(
    portal: &Portal,
    in_response_to: MessageId,
    device: EntityId,
    result: Result<(), RefusalCode>,
    now: UtcTime,
) -> Option<Answer> {
    let (status, outcome) = match result {
        Ok(()) => (Status::success(), Outcome::Granted),
        Err(code) => {
            let time = (code == RefusalCode::ClockSkew).then_some(now);
            (Status::refused(Refusal { code, retry_after_seconds: None, time }), Outcome::Refused(code))
        }
    };
    let response = LogoutResponse {
        id: MessageId::from_random(random::bytes().ok()?),
        issue_instant: now,
        destination: Some(device.as_str().to_owned()),
        in_response_to: Some(in_response_to),
        issuer: portal.cloud.entity_id().clone(),
        status,
    };
    let xml = response.sign(&portal.keys.now().identity(Purpose::Agent)).ok()?;
    Some(Answer { status: 200, body: soap::envelope(&xml), retry_after: None, outcome })
}
