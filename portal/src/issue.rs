//! Issuing: turns a decision into a signed Response.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::key::SignError;
use saml::metadata::SpMetadata;
use saml::name::{Attribute, EntityId, MessageId, NameIdFormat};
use saml::refusal::{Refusal, RefusalCode};
use saml::response::{Assertion, Response, Status};
use saml::time::UtcTime;

use crate::decision::{Decision, Grant};
use crate::grade::Grade;
use crate::random;
use crate::service_answer;
use crate::sign_on::Portal;
use crate::signing::SigningKeys;
use crate::store::issuer::Issuer;
use crate::store::service_provider::{ServiceProvider, may_receive};
use crate::store::signing_key::Purpose;

/// How long an assertion may be presented, in seconds.
pub(crate) const ASSERTION_LIFE_SECONDS: i64 = 300;
/// How far the beginning of an assertion lies back, in seconds, for services whose clocks are behind.
pub(crate) const NOT_BEFORE_SECONDS: i64 = 90;

/// Names of the attributes that the device's own session carries.
const GROUPS: &str = "urn:countersign:device:groups";

/// The authentication context classes of all grades, the weakest first.
#[must_use]
pub fn authn_contexts() -> [&'static str; 4] {
    Grade::ALL.map(Grade::authn_context)
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
            let identity = match &grant.service {
                Some(service) => keys.issuer(grant.issuer, &service.tenant_id)?,
                None => keys.identity(Purpose::Agent),
            };
            granted((portal, &keys), *grant, [id()?, id()?], now).sign(&identity)
        }
        Decision::Unable { answer, .. } => service_answer::sign(portal, *answer, now).map(|(_, response)| response),
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

fn granted((portal, keys): (&Portal, &SigningKeys), mut grant: Grant, ids: [MessageId; 2], now: UtcTime) -> Response {
    if let Some(service) = grant.service.take() {
        let issuer = portal.cloud.issuer(grant.issuer, &service.tenant_id).entity_id;
        return for_service(&issuer, (grant, &service), ids, now);
    }
    let addressed = Addressed {
        recipient: grant.device.as_str().to_owned(),
        audience: grant.device.clone(),
        in_response_to: Some(grant.in_response_to.clone()),
    };
    grant.attributes = told(portal, keys, &mut grant);
    response(portal.cloud.entity_id(), (grant, addressed), ids, now)
}

/// The Response that a service gets, before it is signed. The portal copies nothing that the device says about itself into it.
#[must_use]
pub fn for_service(
    issuer: &EntityId,
    (grant, service): (Grant, &ServiceProvider),
    ids: [MessageId; 2],
    now: UtcTime,
) -> Response {
    // A service gets an answer to its own request, or to none: the device's request is nothing to it.
    let (recipient, in_response_to) = match &grant.awaited {
        Some(awaited) => (awaited.acs_url.clone(), Some(awaited.request_id.clone())),
        None => (service.acs_url.clone(), None),
    };
    let addressed = Addressed { recipient, audience: service.entity_id.clone(), in_response_to };
    response(issuer, (grant, addressed), ids, now)
}

/// What the device's own session says besides who the person is.
fn told(portal: &Portal, keys: &SigningKeys, grant: &mut Grant) -> Vec<Attribute> {
    let own = [
        (saml::device::DEVICE_ID, vec![grant.device_id.to_string()]),
        (saml::device::GRADE, vec![grant.assurance.grade.to_string()]),
        (saml::device::GRADE_ORIGIN, vec![grant.assurance.origin.clone()]),
        (saml::device::KEEP_ALIVE_INTERVAL, vec![portal.keep_alive_seconds.to_string()]),
    ];
    let ports = portal.sign_on_ports.iter().map(u16::to_string).collect::<Vec<_>>();
    let ports = Some((saml::device::SIGN_ON_PORTS, ports)).filter(|(_, ports)| !ports.is_empty());
    let services = grant.services.iter().map(described).collect::<Vec<_>>();
    let services = Some((saml::device::SERVICES, services)).filter(|(_, services)| !services.is_empty());
    let issuers = issuers(portal, keys, grant);
    let groups = Some((GROUPS, std::mem::take(&mut grant.groups))).filter(|(_, groups)| !groups.is_empty());
    // Only the answer to a keep-alive: a device that is heard every few minutes learns of other keys soon enough.
    let keys = (grant.subject.format == NameIdFormat::Entity)
        .then(|| (saml::device::SIGNING_KEYS, vec![keys.digest().to_owned()]));
    let since = grant.key_since.map(|since| (saml::device::KEY_SINCE, vec![since.to_string()]));
    let life = Some(portal.key_life_seconds).filter(|seconds| grant.key_since.is_some() && *seconds > 0);
    let life = life.map(|seconds| (saml::device::KEY_LIFE, vec![seconds.to_string()]));
    own.into_iter()
        .chain(ports)
        .chain(services)
        .chain(issuers)
        .chain(groups)
        .chain(keys)
        .chain(since)
        .chain(life)
        .chain(std::mem::take(&mut grant.told).into_iter().map(|(name, value)| (name, vec![value])))
        .filter(|(_, values)| !values.is_empty())
        .map(|(name, values)| attribute(name, values))
        .collect()
}

/// The issuers whose Responses a device may take to services, and the certificates of the tenant's own, which the signature of the device's own
/// session vouches for.
fn issuers(portal: &Portal, keys: &SigningKeys, grant: &Grant) -> [(&'static str, Vec<String>); 2] {
    let name = |issuer| portal.cloud.issuer(issuer, &grant.tenant_id).entity_id.to_string();
    let names = match grant.issuer {
        // Its services may have been given the new metadata already.
        Issuer::Shared => vec![name(Issuer::Shared), name(Issuer::Own)],
        Issuer::Own => vec![name(Issuer::Own)],
    };
    let certificates = keys.issuer_certificates(Issuer::Own, &grant.tenant_id);
    let certificates = certificates.iter().map(|der| STANDARD.encode(der)).collect();
    [(saml::device::SERVICE_ISSUERS, names), (saml::device::SERVICE_CERTIFICATES, certificates)]
}

/// Who a Response is for.
struct Addressed {
    recipient: String,
    audience: EntityId,
    in_response_to: Option<MessageId>,
}

fn response(
    issuer: &EntityId,
    (grant, addressed): (Grant, Addressed),
    [response_id, assertion_id]: [MessageId; 2],
    now: UtcTime,
) -> Response {
    let Addressed { recipient, audience, in_response_to } = addressed;
    let assertion = Assertion {
        id: assertion_id,
        issue_instant: now,
        issuer: issuer.clone(),
        subject: grant.subject,
        recipient,
        in_response_to,
        not_before: now.plus_seconds(-NOT_BEFORE_SECONDS),
        not_on_or_after: now.plus_seconds(ASSERTION_LIFE_SECONDS),
        audience,
        authn_instant: now,
        session_index: Some(grant.session_index.as_str().to_owned()),
        session_not_on_or_after: Some(now.plus_seconds(grant.session_seconds)),
        authn_context: grant.authn_context.unwrap_or_else(|| grant.assurance.grade.authn_context().to_owned()),
        authenticating_authorities: Vec::new(),
        attributes: grant.attributes,
    };
    carrying(response_id, assertion)
}

/// The Response around `assertion`: the same issuer, time, request and place.
pub(crate) fn carrying(id: MessageId, assertion: Assertion) -> Response {
    Response {
        id,
        issue_instant: assertion.issue_instant,
        destination: Some(assertion.recipient.clone()),
        in_response_to: assertion.in_response_to.clone(),
        issuer: assertion.issuer.clone(),
        status: Status::success(),
        assertion: Some(assertion),
    }
}

/// A service as it is listed for a person.
fn described(service: &ServiceProvider) -> String {
    // Metadata that could be read when it was given can be read now.
    let metadata = SpMetadata::parse(service.metadata.as_bytes()).ok();
    let (name, initiator) = metadata.map(|said| (said.display_name, said.request_initiator)).unwrap_or_default();
    let initiator = initiator.filter(|url| may_receive(url));
    let mut listed = serde_json::json!({ "entity_id": service.entity_id.as_str() });
    for (key, value) in [("name", name), ("initiator", initiator)] {
        if let Some(value) = value {
            listed[key] = value.into();
        }
    }
    listed.to_string()
}

fn attribute(name: &str, values: Vec<String>) -> Attribute {
    Attribute { name: name.to_owned(), name_format: None, friendly_name: None, values }
}
