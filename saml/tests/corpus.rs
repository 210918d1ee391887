//! The committed documents that fuzzing starts from: each is accepted, and mutations of them break no property.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "properties/mod.rs"]
mod properties;

use properties::{ACS, IDP, NOW, PORTAL, REQUEST_ID, SERVICE};
use proptest::prelude::*;
use saml::binding::redirect::{Direction, signed_query, unsigned_query};
use saml::binding::{ecp, soap};
use saml::device::{DeviceStatement, Enrolment, Evidence, EvidenceGrade};
use saml::logout::{LogoutRequest, LogoutResponse};
use saml::metadata::{Binding, Endpoint, IdpMetadata, IndexedEndpoint, SpMetadata};
use saml::name::{Attribute, MessageId, NameId, NameIdFormat};
use saml::refusal::{Refusal, RefusalCode};
use saml::request::{AuthnRequest, Comparison, NameIdPolicy, RequestedAuthnContext};
use saml::response::{Assertion, Response, SigningIdentity, Status};
use saml::token::TokenId;
use std::path::{Path, PathBuf};

const CERTIFICATE: &[u8] = include_bytes!("keys/rsa2048.crt.der");

fn corpus_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn attribute(name: &str, value: &str) -> Attribute {
    Attribute { name: name.into(), values: vec![value.into()], ..Attribute::default() }
}

fn name_id() -> NameId {
    NameId { format: NameIdFormat::EmailAddress, value: "alice@example.com".into() }
}

fn request(key: &[u8]) -> AuthnRequest {
    AuthnRequest {
        destination: Some(PORTAL.into()),
        is_passive: true,
        respond_to: Some(SERVICE.parse().unwrap()),
        device: Some(DeviceStatement {
            sequence: 1,
            evidence: Evidence {
                grade: EvidenceGrade::Directory,
                source: "logind".into(),
                attributes: vec![attribute("urn:countersign:user:local-name", "alice")],
            },
            facts: vec![attribute("urn:countersign:device:hostname", "lt-0042")],
            enrolment: Some(Enrolment {
                token: TokenId::from_random([7; 10]),
                device_key_spki: key.to_vec(),
                token_signature: vec![9; 64],
            }),
            rotation: None,
        }),
        subject: Some(name_id()),
        name_id_policy: Some(NameIdPolicy {
            format: Some(NameIdFormat::EmailAddress),
            sp_name_qualifier: None,
            allow_create: true,
        }),
        requested_authn_context: Some(RequestedAuthnContext {
            comparison: Comparison::Minimum,
            decl_refs: Vec::new(),
            class_refs: vec!["urn:oasis:names:tc:SAML:2.0:ac:classes:X509".into()],
        }),
        requesters: vec![SERVICE.parse().unwrap()],
        ..AuthnRequest::new(MessageId::from_random(REQUEST_ID), NOW, "urn:countersign:device:7b0f3a52".parse().unwrap())
    }
}

fn response() -> Response {
    let in_response_to = Some(MessageId::from_random(REQUEST_ID));
    Response {
        id: MessageId::from_random([0x22; 20]),
        issue_instant: NOW,
        destination: Some(ACS.into()),
        in_response_to: in_response_to.clone(),
        issuer: IDP.parse().unwrap(),
        status: Status::success(),
        assertion: Some(Assertion {
            id: MessageId::from_random([0x33; 20]),
            issue_instant: NOW,
            issuer: IDP.parse().unwrap(),
            subject: name_id(),
            recipient: ACS.into(),
            in_response_to,
            not_before: NOW.plus_seconds(-90),
            not_on_or_after: NOW.plus_seconds(300),
            audience: SERVICE.parse().unwrap(),
            authn_instant: NOW,
            session_index: Some("_session".into()),
            session_not_on_or_after: Some(NOW.plus_seconds(36_000)),
            authn_context: "urn:oasis:names:tc:SAML:2.0:ac:classes:X509".into(),
            authenticating_authorities: Vec::new(),
            attributes: vec![attribute("urn:oid:0.9.2342.19200300.100.1.3", "alice@example.com")],
        }),
    }
}

fn without_first_signature(xml: &str) -> String {
    let (before, rest) = xml.split_once("<ds:Signature ").unwrap();
    format!("{before}{}", rest.split_once("</ds:Signature>").unwrap().1)
}

/// Writes the corpus anew, where its making has changed: `cargo test -p saml --test corpus -- --ignored`.
#[test]
#[ignore = "writes the committed corpus"]
#[expect(clippy::disallowed_methods, reason = "a test that writes test files")]
fn write_corpus() {
    let (rsa, p256) = (properties::rsa_signer(), properties::p256_signer());
    let identity = SigningIdentity { signer: &rsa, certificate_der: CERTIFICATE };
    let key = p256.verifying_key().unwrap();
    let signed = request(key.spki_der()).sign(&p256).unwrap();
    let response_xml = response().sign(&identity).unwrap();
    let refusal = Refusal { code: RefusalCode::ClockSkew, retry_after_seconds: Some(5), time: Some(NOW) };
    let refused = Response { status: Status::refused(refusal), assertion: None, ..response() }.sign(&identity).unwrap();
    let logout = LogoutRequest {
        id: MessageId::from_random([0x44; 20]),
        issue_instant: NOW,
        destination: Some(PORTAL.into()),
        issuer: SERVICE.parse().unwrap(),
        not_on_or_after: None,
        reason: None,
        name_id: name_id(),
        session_indexes: vec!["_session".into()],
    };
    let logged_out = LogoutResponse {
        id: MessageId::from_random([0x55; 20]),
        issue_instant: NOW,
        destination: Some(PORTAL.into()),
        in_response_to: Some(logout.id.clone()),
        issuer: SERVICE.parse().unwrap(),
        status: Status::success(),
    };
    let idp = IdpMetadata {
        entity_id: IDP.parse().unwrap(),
        valid_until: Some(NOW.plus_seconds(86_400)),
        signing_certificates: vec![CERTIFICATE.to_vec()],
        sso: vec![Endpoint { binding: Binding::Soap, location: PORTAL.into() }],
        slo: vec![Endpoint { binding: Binding::Redirect, location: PORTAL.into() }],
        want_authn_requests_signed: true,
    };
    let sp = SpMetadata {
        entity_id: SERVICE.parse().unwrap(),
        valid_until: None,
        signing_certificates: vec![CERTIFICATE.to_vec()],
        acs: vec![IndexedEndpoint { binding: Binding::Post, location: ACS.into(), index: 0, is_default: Some(true) }],
        slo: vec![],
        want_assertions_signed: true,
        authn_requests_signed: true,
        name_id_formats: vec![NameIdFormat::EmailAddress, NameIdFormat::Persistent],
        display_name: None,
        request_initiator: None,
    };
    let awkward = "<a:r xmlns:a='urn:a' xmlns='urn:d' xml:lang=\"de\" z='1' a:y=\"2\"><b xmlns=''/>x &amp; &#13;&gt;\r\n<a:c\n xmlns:a='urn:b'  q='\t&quot;'/></a:r>";
    let unsigned = request(key.spki_der()).to_unsigned_xml();
    let query = |direction, xml: &str| signed_query(direction, xml, Some("state & more"), &rsa).unwrap();
    for (path, content) in [
        ("canonical/awkward.xml", awkward.to_owned()),
        ("canonical/request.xml", signed.xml().to_owned()),
        ("verify/request.xml", signed.xml().to_owned()),
        ("verify/request-soap.xml", signed.to_soap()),
        ("verify/response.xml", response_xml.clone()),
        ("verify/response-soap.xml", soap::envelope(&response_xml)),
        ("verify/response-assertion-signed.xml", without_first_signature(&response_xml)),
        ("verify/response-ecp.xml", ecp::response_envelope(ACS, &response_xml)),
        ("verify/refusal.xml", refused),
        ("verify/logout-request.xml", logout.sign(&identity).unwrap()),
        ("verify/logout-response.xml", logged_out.sign(&identity).unwrap()),
        ("redirect/request.txt", query(Direction::Request, &unsigned)),
        ("redirect/request-unsigned.txt", unsigned_query(Direction::Request, &unsigned, None)),
        ("redirect/logout-request.txt", query(Direction::Request, &logout.to_unsigned_xml())),
        ("redirect/logout-response.txt", query(Direction::Response, &logged_out.to_unsigned_xml())),
        ("metadata/idp.xml", idp.to_xml()),
        ("metadata/idp-signed.xml", idp.to_signed_xml(&identity).unwrap()),
        ("metadata/sp.xml", sp.to_xml()),
    ] {
        let path = corpus_dir().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test that reads its files")]
fn documents(target: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(corpus_dir().join(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// The committed documents are good ones: a corpus of refused documents would fuzz the first check only.
#[test]
fn the_corpus_is_accepted() {
    use saml::request::{ServiceAlgorithms, UnverifiedRequest};
    let keys = [properties::p256_signer().verifying_key().unwrap(), properties::rsa_signer().verifying_key().unwrap()];
    let expect = &properties::EXPECTED_OF_REQUESTS;
    let accepted = documents("verify")
        .into_iter()
        .filter(|octets| UnverifiedRequest::parse(octets).is_ok_and(|request| request.verify(&keys, expect).is_ok()));
    assert_eq!(accepted.count(), 1);
    let redirected = documents("redirect").into_iter().filter(|octets| {
        let query = std::str::from_utf8(octets).unwrap();
        let parsed = saml::binding::redirect::RedirectedRequest::parse(query);
        parsed.is_ok_and(|request| request.verify(&keys, ServiceAlgorithms::Current, expect).is_ok())
    });
    assert_eq!(redirected.count(), 1);
    for octets in documents("metadata") {
        assert!(IdpMetadata::parse(&octets).is_ok() || SpMetadata::parse(&octets).is_ok());
    }
}

/// One change to a document: what a fuzzer does, without its feedback.
#[derive(Clone, Debug)]
enum Change {
    Replace(usize, u8),
    Delete(usize, usize),
    Repeat(usize, usize, usize),
    Insert(usize, &'static str),
}

const PIECES: &[&str] = &[
    "<!-- c -->",
    "<?p?>",
    "<![CDATA[x]]>",
    "&#x41;",
    "&amp;",
    "&x;",
    "<a>",
    "</a>",
    "<a/>",
    " xmlns=\"urn:x\"",
    " ID=\"_1\"",
    "\r\n",
    "\u{fffe}",
    "<!DOCTYPE a>",
    "\"",
    "'",
    ">",
    "]]>",
    "%",
    "=",
    "&",
    "<ds:Signature>",
    "<saml:Assertion>",
    "\u{202e}",
    "\0",
];

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<usize>(), 1..200_usize).prop_map(|(at, length)| Change::Delete(at, length)),
        (any::<usize>(), any::<usize>(), 1..400_usize).prop_map(|(from, to, length)| Change::Repeat(from, to, length)),
        (any::<usize>(), proptest::sample::select(PIECES)).prop_map(|(at, piece)| Change::Insert(at, piece)),
    ];
    proptest::collection::vec(change, 1..6)
}

fn apply(document: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut octets = document.to_vec();
    for change in changes {
        let length = octets.len().max(1);
        match *change {
            Change::Replace(at, byte) => {
                if let Some(place) = octets.get_mut(at % length) {
                    *place = byte;
                }
            }
            Change::Delete(at, count) => {
                let at = (at % length).min(octets.len());
                octets.drain(at..(at + count).min(octets.len()));
            }
            Change::Repeat(from, to, count) => {
                let from = (from % length).min(octets.len());
                let piece = octets[from..(from + count).min(octets.len())].to_vec();
                let to = (to % length).min(octets.len());
                octets.splice(to..to, piece);
            }
            Change::Insert(at, piece) => {
                let at = (at % length).min(octets.len());
                octets.splice(at..at, piece.bytes());
            }
        }
    }
    octets
}

fn mutate(target: &str, property: fn(&[u8])) {
    let documents = documents(target);
    documents.iter().for_each(|document| property(document));
    let config = ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() };
    let strategy = (proptest::sample::select(documents), changes());
    proptest::test_runner::TestRunner::new(config)
        .run(&strategy, |(document, changes)| {
            property(&apply(&document, &changes));
            Ok(())
        })
        .unwrap();
}

#[test]
fn mutated_documents_have_one_canonical_form() {
    mutate("canonical", properties::canonical);
    mutate("verify", properties::canonical);
}

#[test]
fn mutated_messages_are_believed_only_as_signed() {
    mutate("verify", properties::verify);
}

#[test]
fn mutated_queries_are_believed_only_as_signed() {
    mutate("redirect", properties::redirect);
}

#[test]
fn mutated_metadata_is_read_back() {
    mutate("metadata", properties::metadata);
}
