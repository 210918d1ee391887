//! Issuing: turns a decision into a signed Response.

use saml::device::EvidenceGrade;
use saml::key::SignError;
use saml::name::{Attribute, MessageId, NameIdFormat};
use saml::refusal::{Refusal, RefusalCode};
use saml::response::{Assertion, Response, Status};
use saml::time::UtcTime;

use crate::decision::{Decision, Grant};
use crate::random;
use crate::sign_on::Portal;
use crate::signing::SigningKeys;
use crate::store::signing_key::Purpose;

/// How long an assertion may be presented, in seconds.
const ASSERTION_LIFE_SECONDS: i64 = 300;
/// How far the beginning of an assertion lies back, in seconds, for services whose clocks are behind.
const NOT_BEFORE_SECONDS: i64 = 90;

/// Names of the attributes that the device's own session carries.
const GROUPS: &str = "urn:countersign:device:groups";
const EVIDENCE_GRADE: &str = "urn:countersign:user:evidence-grade";

/// The authentication context class that tells a service how good the evidence was.
#[must_use]
pub fn authn_context(grade: EvidenceGrade) -> &'static str {
    match grade {
        EvidenceGrade::Directory => "urn:countersign:1.0:ac:classes:directory",
        EvidenceGrade::Managed => "urn:countersign:1.0:ac:classes:managed",
        EvidenceGrade::Local => "urn:countersign:1.0:ac:classes:local",
    }
}

/// Signs the Response that says `decision`. Blocks for as long as the signatures take.
///
/// # Errors
/// [`SignError`] where a key can't sign or the system has no randomness.
pub fn issue(portal: &Portal, decision: Decision, now: UtcTime) -> Result<String, SignError> {
    let keys = portal.keys.now();
    let id = || random::bytes().map(MessageId::from_random).map_err(SignError::new);
    match decision {
        Decision::Granted(grant) => {
            let purpose = if grant.service.is_some() { Purpose::Service } else { Purpose::Agent };
            let response = granted((portal, &keys), *grant, [id()?, id()?, id()?], now);
            response.sign(&keys.identity(purpose))
        }
        Decision::Refused { in_response_to, code, elsewhere, retry_after } => {
            let time = (code == RefusalCode::ClockSkew).then_some(now);
            let mut status = Status::refused(Refusal { code, retry_after_seconds: retry_after, time });
            if let Some(address) = elsewhere {
                status.message = Some(format!("people of this domain sign on at {address}"));
            }
            let response = Response {
                id: id()?,
                issue_instant: now,
                destination: None,
                in_response_to: Some(in_response_to),
                issuer: portal.cloud.entity_id().clone(),
                status,
                assertion: None,
            };
            response.sign(&keys.identity(Purpose::Agent))
        }
    }
}

fn granted(
    (portal, keys): (&Portal, &SigningKeys),
    grant: Grant,
    [response_id, assertion_id, session]: [MessageId; 3],
    now: UtcTime,
) -> Response {
    // A service gets an answer to its own request, or to none: the device's request is nothing to it.
    let (recipient, audience, in_response_to) = match (&grant.service, &grant.awaited) {
        (Some(service), Some(awaited)) => {
            (awaited.acs_url.clone(), service.entity_id.clone(), Some(awaited.request_id.clone()))
        }
        (Some(service), None) => (service.acs_url.clone(), service.entity_id.clone(), None),
        (None, _) => (grant.device.as_str().to_owned(), grant.device.clone(), Some(grant.in_response_to.clone())),
    };
    // The portal copies nothing that the device says about itself into an assertion for somebody else.
    let attributes = if grant.service.is_none() {
        let own = [
            (saml::device::DEVICE_ID, vec![grant.device_id.to_string()]),
            (EVIDENCE_GRADE, vec![grant.grade.to_string()]),
            (saml::device::KEEP_ALIVE_INTERVAL, vec![portal.keep_alive_seconds.to_string()]),
        ];
        let ports = portal.sign_on_ports.iter().map(u16::to_string).collect::<Vec<_>>();
        let ports = Some((saml::device::SIGN_ON_PORTS, ports)).filter(|(_, ports)| !ports.is_empty());
        let groups = Some((GROUPS, grant.groups)).filter(|(_, groups)| !groups.is_empty());
        // Only the answer to a keep-alive: a device that is heard every few minutes learns of other keys soon enough.
        let keys = (grant.subject.format == NameIdFormat::Entity)
            .then(|| (saml::device::SIGNING_KEYS, vec![keys.digest().to_owned()]));
        let since = grant.key_since.map(|since| (saml::device::KEY_SINCE, vec![since.to_string()]));
        let life = Some(portal.key_life_seconds).filter(|seconds| grant.key_since.is_some() && *seconds > 0);
        let life = life.map(|seconds| (saml::device::KEY_LIFE, vec![seconds.to_string()]));
        own.into_iter()
            .chain(ports)
            .chain(groups)
            .chain(keys)
            .chain(since)
            .chain(life)
            .chain(grant.told.into_iter().map(|(name, value)| (name, vec![value])))
            .map(|(name, values)| attribute(name, values))
            .collect()
    } else {
        Vec::new()
    };
    let assertion = Assertion {
        id: assertion_id,
        issue_instant: now,
        issuer: portal.cloud.entity_id().clone(),
        subject: grant.subject,
        recipient: recipient.clone(),
        in_response_to: in_response_to.clone(),
        not_before: now.plus_seconds(-NOT_BEFORE_SECONDS),
        not_on_or_after: now.plus_seconds(ASSERTION_LIFE_SECONDS),
        audience,
        authn_instant: now,
        session_index: Some(session.as_str().to_owned()),
        session_not_on_or_after: Some(now.plus_seconds(grant.session_seconds)),
        authn_context: authn_context(grant.grade).to_owned(),
        attributes,
    };
    Response {
        id: response_id,
        issue_instant: now,
        destination: Some(recipient),
        in_response_to,
        issuer: portal.cloud.entity_id().clone(),
        status: Status::success(),
        assertion: Some(assertion),
    }
}

fn attribute(name: &str, values: Vec<String>) -> Attribute {
    Attribute { name: name.to_owned(), name_format: None, friendly_name: None, values }
}
