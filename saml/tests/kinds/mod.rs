//! One document of every kind under every algorithm that other verifiers know.

use super::properties::{ACS, IDP, NOW, PORTAL, REQUEST_ID, SERVICE};
use libtest_mimic::Failed;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use saml::key::{Pkcs8Signer, SignatureAlgorithm, Signer};
use saml::logout::{LogoutRequest, LogoutResponse};
use saml::metadata::{Binding, Endpoint, IdpMetadata};
use saml::name::{Attribute, MessageId, NameId, NameIdFormat};
use saml::refusal::{Refusal, RefusalCode};
use saml::request::AuthnRequest;
use saml::response::{Assertion, Response, SigningIdentity, Status};

const CERTIFICATE: &[u8] = include_bytes!("../keys/rsa2048.crt.der");

/// A signed document and the key that it is verified with.
pub(crate) struct Signed {
    pub(crate) name: String,
    pub(crate) octets: Vec<u8>,
    pub(crate) spki: Vec<u8>,
}

fn signers() -> Result<Vec<Pkcs8Signer>, Failed> {
    let random = || Box::new(SystemRandom::new());
    let p384 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new())?;
    let rsa = |algorithm| Pkcs8Signer::new(algorithm, include_bytes!("../keys/rsa2048.pk8"), random());
    Ok(vec![
        rsa(SignatureAlgorithm::RsaSha256)?,
        rsa(SignatureAlgorithm::RsaSha384)?,
        rsa(SignatureAlgorithm::RsaSha512)?,
        Pkcs8Signer::new(SignatureAlgorithm::EcdsaP256Sha256, include_bytes!("../keys/p256.pk8"), random())?,
        Pkcs8Signer::new(SignatureAlgorithm::EcdsaP384Sha384, p384.as_ref(), random())?,
    ])
}

/// Every kind under every algorithm.
pub(crate) fn signed_documents() -> Result<Vec<Signed>, Failed> {
    let mut documents = Vec::new();
    for signer in &signers()? {
        let spki = signer.verifying_key()?.spki_der().to_vec();
        for (kind, xml) in documents_of(signer)? {
            let name = format!("{kind} {:?}", signer.algorithm());
            documents.push(Signed { name, octets: xml.into_bytes(), spki: spki.clone() });
        }
    }
    Ok(documents)
}

fn name_id() -> NameId {
    NameId { format: NameIdFormat::EmailAddress, value: "alice@example.com".into() }
}

fn documents_of(signer: &Pkcs8Signer) -> Result<Vec<(&'static str, String)>, Failed> {
    let identity = SigningIdentity { signer, certificate_der: CERTIFICATE };
    let id = || MessageId::from_random(REQUEST_ID);
    let request = AuthnRequest {
        destination: Some(PORTAL.into()),
        subject: Some(name_id()),
        ..AuthnRequest::new(id(), NOW, SERVICE.parse()?)
    };
    let response = response()?;
    let doubly_signed = response.sign(&identity)?;
    let (before, rest) = doubly_signed.split_once("<ds:Signature ").ok_or("a signature")?;
    let assertion_signed = format!("{before}{}", rest.split_once("</ds:Signature>").ok_or("a signature")?.1);
    let refusal = Refusal { code: RefusalCode::Busy, retry_after_seconds: Some(7), time: None };
    let refused = Response { assertion: None, status: Status::refused(refusal), ..response };
    let logout = LogoutRequest {
        id: id(),
        issue_instant: NOW,
        destination: Some(PORTAL.into()),
        issuer: SERVICE.parse()?,
        not_on_or_after: None,
        reason: None,
        name_id: name_id(),
        session_indexes: vec!["_session".into()],
    };
    let logged_out = LogoutResponse {
        id: id(),
        issue_instant: NOW,
        destination: Some(PORTAL.into()),
        in_response_to: Some(id()),
        issuer: SERVICE.parse()?,
        status: Status::success(),
    };
    let metadata = IdpMetadata {
        entity_id: IDP.parse()?,
        valid_until: Some(NOW.plus_seconds(86_400)),
        signing_certificates: vec![CERTIFICATE.to_vec()],
        sso: vec![Endpoint { binding: Binding::Soap, location: PORTAL.into() }],
        slo: vec![],
        want_authn_requests_signed: true,
    };
    Ok(vec![
        ("AuthnRequest", request.sign(signer)?.xml().to_owned()),
        ("Response, doubly signed", doubly_signed),
        ("Response, assertion signed", assertion_signed),
        ("Response, refusing", refused.sign(&identity)?),
        ("LogoutRequest", logout.sign(&identity)?),
        ("LogoutResponse", logged_out.sign(&identity)?),
        ("EntityDescriptor", metadata.to_signed_xml(&identity)?),
    ])
}

fn response() -> Result<Response, Failed> {
    let mail =
        Attribute { name: "mail".into(), values: vec!["alice & <\"älice\">\r\n\t".into()], ..Attribute::default() };
    Ok(Response {
        id: MessageId::from_random([0x22; 20]),
        issue_instant: NOW,
        destination: Some(ACS.into()),
        in_response_to: Some(MessageId::from_random(REQUEST_ID)),
        issuer: IDP.parse()?,
        status: Status::success(),
        assertion: Some(Assertion {
            id: MessageId::from_random([0x33; 20]),
            issue_instant: NOW,
            issuer: IDP.parse()?,
            subject: name_id(),
            recipient: ACS.into(),
            in_response_to: None,
            not_before: NOW.plus_seconds(-90),
            not_on_or_after: NOW.plus_seconds(300),
            audience: SERVICE.parse()?,
            authn_instant: NOW,
            session_index: None,
            session_not_on_or_after: None,
            authn_context: "urn:oasis:names:tc:SAML:2.0:ac:classes:X509".into(),
            authenticating_authorities: Vec::new(),
            attributes: vec![mail],
        }),
    })
}
