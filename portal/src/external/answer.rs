//! What another identity provider answers: verified with the keys of its metadata, decided, and turned into the portal's own Response.

use saml::binding::post;
use saml::key::{SignError, VerifyingKey};
use saml::name::{EntityId, MessageId};
use saml::refusal::{RefusalCode, SecondLevelStatus};
use saml::rejection::RejectionReason;
use saml::response::{Answer, Assertion, InResponseTo, ResponseExpectations, UnverifiedResponse};
use saml::time::UtcTime;

use super::decision::{Decided, Granted, Question, decide, note};
use super::leaving::usable;
use super::proof::{self, NoProof};
use super::{LIFE_SECONDS, unsigned};
use crate::browser::NotBegun;
use crate::identity_provider::Kind;
use crate::issue::{ASSERTION_LIFE_SECONDS, NOT_BEFORE_SECONDS, carrying};
use crate::post_form::PostForm;
use crate::random;
use crate::service_answer;
use crate::sign_on::{Portal, SKEW_SECONDS};
use crate::store::external_sign_on::{self, ExternalSignOn};
use crate::store::{StoreError, tenant};

type Refusal = (RefusalCode, String);

/// What comes of an answer.
#[derive(Debug)]
pub enum Answered {
    /// The form with the portal's own Response to the service.
    Form(PostForm),
    /// The person has proved who they are: the sign-on that goes on with their device.
    Proved(MessageId),
    /// What it says is no proof: the question that stays open, and why.
    NotProved {
        /// The proof request's id.
        request: String,
        /// What was wrong.
        why: NoProof,
    },
}

/// Takes the field `SAMLResponse` that the browser `browser_id` has posted; returns what its sign-on, or its question, goes on with.
///
/// # Errors
/// [`NotBegun`]; a refusal that concerns a request of the portal's or an identity provider of a tenant's has its row in the audit.
pub async fn answer(
    portal: &Portal,
    field: &str,
    browser_id: Option<&str>,
    now: UtcTime,
) -> Result<Answered, NotBegun> {
    let response = UnverifiedResponse::parse_post(field)?;
    let Some(id) = response.claimed_in_response_to() else {
        return Err(unsolicited(portal, response.claimed_issuer(), now).await?);
    };
    let sent = external_sign_on::by_id(&mut *portal.store.read().await?, id.as_str()).await?;
    let over = || NotBegun::Refused(RefusalCode::SignOnOver, "this answers no request of the portal's".to_owned());
    let sent = sent.ok_or_else(over)?;
    match check(portal, response, (&sent, browser_id), now).await? {
        Ok(assertion) => {
            let proof_request = sent.proof_request.clone();
            let question = Question { cloud: portal.cloud.clone(), sent, assertion, now };
            if let Some(request) = proof_request {
                return answer_for_proof(portal, question, request).await;
            }
            let decided = portal.store.write(move |connection| Box::pin(decide(connection, question))).await?;
            let form = match decided {
                Decided::Granted(granted) => issue(portal, *granted, now),
                Decided::Unable(answer) => service_answer::form(portal, *answer, now),
                Decided::Refused(code, why) => return Err(NotBegun::Refused(code, why)),
            };
            form.map(Answered::Form).map_err(|error| unsigned(&error))
        }
        Err((code, why)) => {
            let entry = note((&sent, ""), &code.to_string(), serde_json::json!({ "why": why }), now);
            let own_browser = browser_id.filter(|id| *id == sent.browser_id).map(str::to_owned);
            let noted = portal.store.write(move |connection| {
                Box::pin(async move {
                    if let Some(browser) = own_browser {
                        external_sign_on::forget_choice(connection, &browser).await?;
                    }
                    entry.keep(connection).await
                })
            });
            noted.await?;
            Err(NotBegun::Refused(code, why))
        }
    }
}

async fn answer_for_proof(portal: &Portal, question: Question, request: String) -> Result<Answered, NotBegun> {
    let id = request.clone();
    let decided =
        portal.store.write(move |connection| Box::pin(async move { proof::decide(connection, question, &id).await }));
    match decided.await? {
        proof::Decided::Proved(completion) => Ok(Answered::Proved(completion)),
        proof::Decided::NotProved(why) => Ok(Answered::NotProved { request, why }),
        proof::Decided::Over(code) => Err(NotBegun::Refused(code, String::new())),
    }
}

/// Believes the Response if it is the awaited identity provider's, for this portal, this request and this browser.
async fn check(
    portal: &Portal,
    response: UnverifiedResponse,
    (sent, browser_id): (&ExternalSignOn, Option<&str>),
    now: UtcTime,
) -> Result<Result<Assertion, Refusal>, StoreError> {
    let refused = |code, why: &str| Ok(Err((code, why.to_owned())));
    if browser_id != Some(sent.browser_id.as_str()) {
        return refused(RefusalCode::SignOnOver, "it was begun in another browser, or this one has dropped its cookie");
    }
    if sent.used_at.is_some() {
        return refused(RefusalCode::Replayed, "");
    }
    if now > sent.created_at.plus_seconds(LIFE_SECONDS) {
        return refused(RefusalCode::SignOnOver, "the identity provider took too long");
    }
    let tenant = tenant::by_id(&mut *portal.store.read().await?, &sent.tenant_id).await?;
    let metadata = tenant.ok_or_else(|| "its tenant is gone".to_owned());
    let metadata = match metadata.and_then(|tenant| usable(&tenant, &sent.provider, now)) {
        Ok(metadata) if metadata.entity_id == sent.entity_id => metadata,
        Ok(_) => return refused(RefusalCode::IdpDisabled, "another identity provider has its name now"),
        Err(why) => return refused(RefusalCode::IdpDisabled, &why),
    };
    let keys = match metadata.signing_keys() {
        Ok(keys) => keys,
        Err(error) => return refused(RefusalCode::BadSignature, &error.to_string()),
    };
    let expect = ResponseExpectations {
        issuer: &sent.entity_id,
        audience: portal.cloud.sp_entity_id(),
        recipient: portal.cloud.acs_url(),
        in_response_to: InResponseTo::Exactly(&sent.id),
        now,
        max_skew_seconds: SKEW_SECONDS,
    };
    Ok(believe(response, &keys, &expect))
}

/// What the Response says, if one of `keys` has signed it and it is the expected one; else why not.
pub(crate) fn believe(
    response: UnverifiedResponse,
    keys: &[VerifyingKey],
    expect: &ResponseExpectations<'_>,
) -> Result<Assertion, Refusal> {
    match response.verify(keys, expect) {
        Ok(Answer::Verified(verified)) => Ok(verified.into_assertion()),
        Ok(Answer::Refused(refusal)) => {
            let status = refusal.status();
            let code = status.second.as_ref().map_or_else(|| status.top.uri().to_owned(), SecondLevelStatus::uri);
            let said = status.message.as_deref().unwrap_or_default().chars().take(200).collect::<String>();
            Err((RefusalCode::IdpRefused, format!("it says: {code} {said}").trim_end().to_owned()))
        }
        // Nothing is lost by believing an unsigned “no” so far as to show it: the request stays open.
        Err(rejection) if rejection.reason() == RejectionReason::UnauthenticatedRefusal => {
            Err((RefusalCode::IdpRefused, rejection.to_string()))
        }
        Err(rejection) => Err((rejection.code(), rejection.to_string())),
    }
}

/// A Response that names no request: in the audit of every tenant that has recorded an identity provider of that name.
async fn unsolicited(portal: &Portal, issuer: Option<EntityId>, now: UtcTime) -> Result<NotBegun, StoreError> {
    let refusal = NotBegun::Refused(RefusalCode::ResponseUnsolicited, String::new());
    let Some(issuer) = issuer else { return Ok(refusal) };
    let tenants = tenant::list(&mut *portal.store.read().await?).await?;
    let is_its = |kind: &Kind| matches!(kind, Kind::External { entity_id, .. } if entity_id == issuer.as_str());
    let concerned = tenants.into_iter().filter(|tenant| tenant.providers.list.iter().any(|one| is_its(&one.kind)));
    for tenant in concerned {
        let result = RefusalCode::ResponseUnsolicited.to_string();
        let entry = super::decision::Note {
            at: now,
            tenant_id: tenant.id,
            actor: issuer.to_string(),
            person: String::new(),
            result,
            detail: serde_json::json!({}),
        };
        portal.store.write(move |connection| Box::pin(entry.keep(connection))).await?;
    }
    Ok(refusal)
}

/// The portal's own Response to the service's request.
fn issue(portal: &Portal, granted: Granted, now: UtcTime) -> Result<PostForm, SignError> {
    let id = || random::bytes().map(MessageId::from_random).map_err(SignError::new);
    let Granted { assertion: theirs, begun, attributes, session, context } = granted;
    // The issuer of this assertion is not named among those who had a part in it (Core §2.7.2.2).
    let authorities = theirs.authenticating_authorities.into_iter().chain([theirs.issuer]).collect();
    let assertion = Assertion {
        id: id()?,
        issue_instant: now,
        issuer: portal.cloud.issuer(begun.issuer, &begun.tenant_id).entity_id,
        subject: session.name_id,
        recipient: begun.acs_url.clone(),
        in_response_to: Some(begun.request_id),
        not_before: now.plus_seconds(-NOT_BEFORE_SECONDS),
        not_on_or_after: now.plus_seconds(ASSERTION_LIFE_SECONDS),
        audience: begun.service.clone(),
        authn_instant: theirs.authn_instant,
        session_index: Some(session.id.as_str().to_owned()),
        session_not_on_or_after: Some(session.ends_at),
        authn_context: context,
        authenticating_authorities: authorities,
        attributes,
    };
    let response = carrying(id()?, assertion);
    let signed = response.sign(&portal.keys.now().issuer(begun.issuer, &begun.tenant_id)?)?;
    Ok(PostForm {
        action: begun.acs_url,
        field: "SAMLResponse",
        value: post::encode(&signed),
        relay_state: begun.relay_state,
    })
}
