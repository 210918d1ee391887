//! The documents that are measured, each of four kilobytes.

use super::properties::{ACS, IDP, NOW, PORTAL, REQUEST_ID, SERVICE};
use saml::device::{DeviceStatement, Evidence, EvidenceGrade};
use saml::name::{Attribute, MessageId, NameId, NameIdFormat};
use saml::request::AuthnRequest;
use saml::response::{Assertion, Response, Status};

const DOCUMENT_OCTETS: usize = 4096;

fn name_id() -> NameId {
    NameId { format: NameIdFormat::EmailAddress, value: "alice@example.com".into() }
}

fn attributes(count: usize, filler: usize) -> Vec<Attribute> {
    let value = |place| if place + 1 == count { "x".repeat(filler) } else { format!("value {place}") };
    let attribute = |place| Attribute {
        name: format!("urn:countersign:device:fact-{place}"),
        values: vec![value(place)],
        ..Attribute::default()
    };
    (0..count).map(attribute).collect()
}

/// A device's request with ten attributes.
pub(super) fn request(filler: usize) -> AuthnRequest {
    AuthnRequest {
        destination: Some(PORTAL.into()),
        is_passive: true,
        respond_to: Some(SERVICE.parse().expect("an entity ID")),
        device: Some(DeviceStatement {
            sequence: 1,
            evidence: Evidence {
                grade: EvidenceGrade::Directory,
                source: "logind".into(),
                attributes: attributes(2, 10),
            },
            facts: attributes(8, filler),
            enrolment: None,
            rotation: None,
        }),
        subject: Some(name_id()),
        ..AuthnRequest::new(
            MessageId::from_random(REQUEST_ID),
            NOW,
            "urn:countersign:device:7b0f3a52".parse().expect("an entity ID"),
        )
    }
}

/// The portal's answer for a service, with three attributes.
pub(super) fn response(filler: usize) -> Response {
    let in_response_to = Some(MessageId::from_random(REQUEST_ID));
    Response {
        id: MessageId::from_random([0x22; 20]),
        issue_instant: NOW,
        destination: Some(ACS.into()),
        in_response_to: in_response_to.clone(),
        issuer: IDP.parse().expect("an entity ID"),
        status: Status::success(),
        assertion: Some(Assertion {
            id: MessageId::from_random([0x33; 20]),
            issue_instant: NOW,
            issuer: IDP.parse().expect("an entity ID"),
            subject: name_id(),
            recipient: ACS.into(),
            in_response_to,
            not_before: NOW.plus_seconds(-90),
            not_on_or_after: NOW.plus_seconds(300),
            audience: SERVICE.parse().expect("an entity ID"),
            authn_instant: NOW,
            session_index: Some("_session".into()),
            session_not_on_or_after: None,
            authn_context: "urn:oasis:names:tc:SAML:2.0:ac:classes:X509".into(),
            authenticating_authorities: Vec::new(),
            attributes: attributes(3, filler),
        }),
    }
}

/// Grows the filler until the document has its size.
pub(super) fn sized(make: impl Fn(usize) -> String) -> String {
    let filler = DOCUMENT_OCTETS.saturating_sub(make(1).len()) + 1;
    make(filler)
}

pub(super) fn without_first_signature(xml: &str) -> String {
    let (before, rest) = xml.split_once("<ds:Signature ").expect("a signature");
    format!("{before}{}", rest.split_once("</ds:Signature>").expect("a signature").1)
}
