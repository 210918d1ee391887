//! Another identity provider as a factor: somebody who is asked to prove who they are signs in there, under the very name that their device claims.
//!
//! The domain need not be mapped to it: nothing follows from its word but that the claimed name is right. The tenant has to have listed it for that.

use saml::metadata::Binding;
use saml::name::{MessageId, NameIdFormat};
use saml::refusal::RefusalCode;
use saml::request::{AuthnRequest, NameIdPolicy};
use saml::response::Assertion;
use saml::time::UtcTime;
use serde_json::json;
use sqlx::AnyConnection;

use super::Leaving;
use super::decision::{Question, names_this_portal, note, person_name};
use super::leaving::{MOST_PROXIES, destination, take_along};
use crate::browser::NotBegun;
use crate::cloud::Cloud;
use crate::grade::{Assurance, Grade};
use crate::proof::browser::{Asked, open, proved};
use crate::random;
use crate::sign_on::{Portal, SKEW_SECONDS};
use crate::store::external_sign_on::{self, ExternalSignOn};
use crate::store::{StoreError, seen_request, tenant};

/// For how long a sign-in at the identity provider counts as the person's own, in seconds: as long as a day's work. What is older may be a session
/// that somebody has left open.
const RECENT_SECONDS: i64 = 12 * 3600;

/// Why what an identity provider says is no proof, as the page that asks names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoProof {
    /// It names somebody else.
    OtherName,
    /// The person signed in there too long ago.
    TooOld,
    /// It has only a device's word itself.
    TooWeak,
}

impl NoProof {
    /// The word in the page's address and in the audit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OtherName => "other-name",
            Self::TooOld => "too-old",
            Self::TooWeak => "too-weak",
        }
    }
}

/// Sends the browser that was asked to the identity provider `name`; `is_anew`: an earlier sign-in there does not count.
///
/// # Errors
/// [`NotBegun`].
pub(crate) async fn leave(
    portal: &Portal,
    asked: &Asked,
    (name, is_anew): (&str, bool),
    now: UtcTime,
) -> Result<Leaving, NotBegun> {
    let closed = |why: String| NotBegun::Refused(RefusalCode::IdpDisabled, why);
    if !asked.idps.iter().any(|usable| usable == name) {
        return Err(closed("your organisation takes no proof from there".to_owned()));
    }
    let tenant = tenant::by_id(&mut *portal.store.read().await?, &asked.request.tenant_id).await?;
    let tenant = tenant.ok_or_else(|| closed("its tenant is gone".to_owned()))?;
    let (entity_id, endpoint) = destination(&tenant, name, now).map_err(closed)?;
    let browser_id = asked.waiting.browser_id.clone().unwrap_or_default();
    if portal.cloud.is_own_issuer(&entity_id) {
        return Err(NotBegun::Refused(RefusalCode::SignOnLoop, format!("`{name}` is this portal itself")));
    }
    let id = MessageId::from_random(random::bytes().map_err(|_| StoreError::Stopping)?);
    // No `Subject`: some identity providers refuse a request that has one.
    let request = AuthnRequest {
        destination: Some(endpoint.location.clone()),
        force_authn: is_anew,
        acs_url: Some(portal.cloud.acs_url().to_owned()),
        protocol_binding: Some(Binding::Post.uri().to_owned()),
        name_id_policy: Some(NameIdPolicy {
            format: Some(NameIdFormat::EmailAddress),
            sp_name_qualifier: None,
            allow_create: true,
        }),
        proxy_count: Some(MOST_PROXIES),
        ..AuthnRequest::new(id.clone(), now, portal.cloud.sp_entity_id().clone())
    };
    let leaving = take_along(portal, &endpoint, &request)?;
    let row = ExternalSignOn {
        id,
        sign_on: asked.waiting.id.clone(),
        tenant_id: tenant.id,
        provider: name.to_owned(),
        entity_id,
        service: asked.waiting.service.clone(),
        browser_id,
        proof_request: Some(asked.request.id.clone()),
        created_at: now,
        used_at: None,
    };
    let kept =
        portal.store.write(move |connection| Box::pin(async move { external_sign_on::insert(connection, &row).await }));
    kept.await?;
    Ok(leaving)
}

/// What comes of an answer.
pub(super) enum Decided {
    /// The sign-on that goes on with the person's device.
    Proved(MessageId),
    /// The question stays open.
    NotProved(NoProof),
    /// There is no question to go back to.
    Over(RefusalCode),
}

/// Takes what an identity provider has said, which is verified, as a proof for the question `proof_request`; uses the answer up however it ends.
///
/// # Errors
/// [`StoreError`]; then nothing was written.
pub(super) async fn decide(
    connection: &mut AnyConnection,
    question: Question,
    proof_request: &str,
) -> Result<Decided, StoreError> {
    let mut person = String::new();
    let decided = settle(connection, &question, proof_request, &mut person).await?;
    let Question { sent, assertion, now, .. } = question;
    let (result, why) = match &decided {
        Decided::Proved(_) => ("ok".to_owned(), None),
        Decided::NotProved(why) => (RefusalCode::ProofRefused.to_string(), Some(why.as_str())),
        Decided::Over(code) => (code.to_string(), None),
    };
    let detail = json!({
        "proof": true, "why": why, "context": assertion.authn_context, "at": assertion.authn_instant.to_string(),
    });
    note((&sent, &person), &result, detail, now).keep(connection).await?;
    Ok(decided)
}

async fn settle(
    connection: &mut AnyConnection,
    question: &Question,
    proof_request: &str,
    person: &mut String,
) -> Result<Decided, StoreError> {
    let Question { cloud, sent, assertion, now } = question;
    let forgotten_at = assertion.not_on_or_after.plus_seconds(2 * SKEW_SECONDS);
    let is_new = external_sign_on::use_up(connection, &sent.id, *now).await?
        && seen_request::remember(connection, &assertion.issuer, &assertion.id, forgotten_at).await?;
    if !is_new {
        return Ok(Decided::Over(RefusalCode::Replayed));
    }
    let asked = open(connection, proof_request, *now).await?;
    let asked = asked.filter(|asked| asked.waiting.browser_id.as_deref() == Some(sent.browser_id.as_str()));
    let Some(asked) = asked else { return Ok(Decided::Over(RefusalCode::SignOnOver)) };
    if !asked.idps.contains(&sent.provider) {
        return Ok(Decided::Over(RefusalCode::IdpDisabled));
    }
    let name = person_name(&assertion.subject).map(|name| name.name_id);
    name.clone().unwrap_or_default().clone_into(person);
    if let Some(why) = objection(cloud, sent, assertion, *now) {
        return Ok(Decided::NotProved(why));
    }
    if name.as_deref() != Some(asked.request.name_id.as_str()) {
        return Ok(Decided::NotProved(NoProof::OtherName));
    }
    let completion = proved(connection, &asked, &format!("idp:{}", sent.provider), *now).await?;
    Ok(completion.map_or(Decided::Over(RefusalCode::SignOnOver), Decided::Proved))
}

/// What makes the assertion worth nothing here, no matter which person it names.
fn objection(cloud: &Cloud, sent: &ExternalSignOn, assertion: &Assertion, now: UtcTime) -> Option<NoProof> {
    let assurance = Assurance::of_identity_provider(&sent.provider, &assertion.authn_context);
    // What this portal had a part in would vouch for itself.
    if assurance.grade < Grade::Proved || names_this_portal(cloud, assertion) {
        return Some(NoProof::TooWeak);
    }
    (assertion.authn_instant < now.plus_seconds(-RECENT_SECONDS)).then_some(NoProof::TooOld)
}
