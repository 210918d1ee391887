//! What a device has said about the person: verified like any service's Response, and a session at their own page.

use saml::key::VerifyingKey;
use saml::name::EntityId;
use saml::refusal::RefusalCode;
use saml::response::{Assertion, InResponseTo, ResponseExpectations, UnverifiedResponse};
use saml::time::UtcTime;
use serde_json::json;
use sqlx::AnyConnection;

use super::{LIFE_SECONDS, acs_url, ends_at, name};
use crate::admin::account::{hash_of, new_secret};
use crate::admin::password::same;
use crate::browser::NotBegun;
use crate::console::own_issuer;
use crate::external::believe;
use crate::grade::Grade;
use crate::sign_on::{Portal, SKEW_SECONDS};
use crate::store::audit::{self, Entry};
use crate::store::person_session::{self, PersonSession, PersonSignOn};
use crate::store::service_session;
use crate::store::{StoreError, seen_request};

type Refusal = (RefusalCode, String);

/// Somebody who is at their own page now.
pub(crate) struct SignedIn {
    /// What the session's cookie holds.
    pub(crate) secret: String,
    /// The tenant's row id, which the browser keeps.
    pub(crate) tenant_id: String,
}

/// Takes the field `SAMLResponse`, which came from the browser whose cookie holds `browser`; begins a session, and ends the one that the browser's
/// cookie `earlier` holds.
///
/// # Errors
/// [`NotBegun`]; a refusal of an answer to a request of the page's own has its row in the audit.
pub(crate) async fn answer(
    portal: &Portal,
    field: &str,
    (browser, earlier): (Option<&str>, Option<&str>),
    now: UtcTime,
) -> Result<SignedIn, NotBegun> {
    let response = UnverifiedResponse::parse_post(field)?;
    let Some(id) = response.claimed_in_response_to() else {
        return Err(NotBegun::Refused(RefusalCode::ResponseUnsolicited, String::new()));
    };
    let sent = person_session::sign_on(&mut *portal.store.read().await?, id.as_str()).await?;
    let over = || NotBegun::Refused(RefusalCode::SignOnOver, "this answers no request of this page".to_owned());
    let sent = sent.ok_or_else(over)?;
    let checked = match own_issuer(portal, &sent.tenant_id).await? {
        Ok(known) => check(portal, response, (&sent, browser), (known, now)),
        Err(refusal) => Err(refusal),
    };
    let assertion = match checked {
        Ok(assertion) => assertion,
        Err((code, why)) => {
            let entry = entry(&sent, ("", &code.to_string()), json!({ "why": why }), now);
            portal.store.write(move |connection| Box::pin(audit::append(connection, entry))).await?;
            return Err(NotBegun::Refused(code, why));
        }
    };
    let (secret, id) = new_secret().map_err(|_| StoreError::Stopping)?;
    let (form_token, _) = new_secret().map_err(|_| StoreError::Stopping)?;
    let earlier = earlier.map(hash_of).unwrap_or_default();
    let tenant_id = sent.tenant_id.clone();
    let decided = portal.store.write(move |connection| {
        Box::pin(async move {
            let mut person = String::new();
            let opened = open(connection, (&sent, &assertion), &mut person, now).await?;
            let result = opened.as_ref().map_or_else(ToString::to_string, |_| "ok".to_owned());
            let detail = json!({ "context": assertion.authn_context, "session": assertion.session_index });
            audit::append(connection, entry(&sent, (&person, &result), detail, now)).await?;
            let (grade, ends_at, service_session) = match opened {
                Ok(opened) => opened,
                Err(code) => return Ok(Err(code)),
            };
            person_session::delete(connection, &earlier).await?;
            let tenant_id = sent.tenant_id;
            let row = PersonSession { id, tenant_id, grade, form_token, created_at: now, ends_at, service_session };
            person_session::insert(connection, &row).await?;
            Ok(Ok(()))
        })
    });
    match decided.await? {
        Ok(()) => Ok(SignedIn { secret, tenant_id }),
        Err(code) => Err(NotBegun::Refused(code, String::new())),
    }
}

/// Believes the Response if it is the portal's own, for this page, this request and this browser.
fn check(
    portal: &Portal,
    response: UnverifiedResponse,
    (sent, browser): (&PersonSignOn, Option<&str>),
    ((issuer, keys), now): ((EntityId, Vec<VerifyingKey>), UtcTime),
) -> Result<Assertion, Refusal> {
    let refused = |code, why: &str| Err((code, why.to_owned()));
    let held = browser.map(hash_of).unwrap_or_default();
    if !same(held.as_bytes(), sent.browser.as_bytes()) {
        return refused(RefusalCode::SignOnOver, "it was begun in another browser, or this one has dropped its cookie");
    }
    if sent.used_at.is_some() {
        return refused(RefusalCode::Replayed, "");
    }
    if now > sent.created_at.plus_seconds(LIFE_SECONDS) {
        return refused(RefusalCode::SignOnOver, "it took too long");
    }
    let Some(audience) = name(&portal.cloud, &sent.tenant_id) else {
        return refused(RefusalCode::ServiceUnknown, "its tenant has no page");
    };
    let expect = ResponseExpectations {
        issuer: &issuer,
        audience: &audience,
        recipient: &acs_url(&portal.cloud),
        in_response_to: InResponseTo::Exactly(&sent.id),
        now,
        max_skew_seconds: SKEW_SECONDS,
    };
    believe(response, &keys, &expect)
}

/// Grade, end and name of the session that the device has opened.
type Opened = (Grade, UtcTime, String);

async fn open(
    connection: &mut AnyConnection,
    (sent, assertion): (&PersonSignOn, &Assertion),
    person: &mut String,
    now: UtcTime,
) -> Result<Result<Opened, RefusalCode>, StoreError> {
    let forgotten_at = assertion.not_on_or_after.plus_seconds(2 * SKEW_SECONDS);
    let is_new = person_session::use_up(connection, &sent.id, now).await?
        && seen_request::remember(connection, &assertion.issuer, &assertion.id, forgotten_at).await?;
    if !is_new {
        return Ok(Err(RefusalCode::Replayed));
    }
    let index = assertion.session_index.as_deref().unwrap_or_default();
    let Some(opened) = service_session::open(connection, index).await? else {
        return Ok(Err(RefusalCode::SignOnOver));
    };
    person.clone_from(&opened.person);
    let grade = Grade::of_authn_context(&assertion.authn_context);
    let grade = grade.filter(|grade| *grade >= Grade::Proved && assertion.authenticating_authorities.is_empty());
    let Some(grade) = grade else { return Ok(Err(RefusalCode::EvidenceTooWeak)) };
    Ok(Ok((grade, ends_at(now, opened.ends_at), opened.id.as_str().to_owned())))
}

/// A row of the audit about an answer to `sent`.
fn entry(sent: &PersonSignOn, (person, result): (&str, &str), mut detail: serde_json::Value, now: UtcTime) -> Entry {
    detail["request"] = json!(sent.id.as_str());
    Entry {
        at: now,
        tenant_id: Some(sent.tenant_id.clone()),
        actor: person.to_owned(),
        action: "user.own-page",
        subject: person.to_owned(),
        result: result.to_owned(),
        detail,
    }
}
