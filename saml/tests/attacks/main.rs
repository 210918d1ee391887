//! Attacks that have broken other implementations, each refused for the reason it should be.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod keys;
mod shape;
mod text;
mod wrapping;

#[path = "../properties/mod.rs"]
#[expect(dead_code, reason = "the keys and expectations are used here")]
mod properties;

use properties::{ACS, EXPECTED_OF_REQUESTS, IDP, NOW, REQUEST_ID, SERVICE, p256_signer, rsa_signer};
use saml::key::{Pkcs8Signer, SignatureAlgorithm, VerifyingKey};
use saml::name::{EntityId, MessageId};
use saml::rejection::RejectionReason as Reason;
use saml::request::UnverifiedRequest;
use saml::response::{
    Answer, Assertion, InResponseTo, Response, ResponseExpectations, SigningIdentity, UnverifiedResponse,
};

const RESPONSE: &str = include_str!("../../fuzz/corpus/verify/response.xml");
const ASSERTION_SIGNED: &str = include_str!("../../fuzz/corpus/verify/response-assertion-signed.xml");
const REQUEST: &str = include_str!("../../fuzz/corpus/verify/request.xml");
const CERTIFICATE: &[u8] = include_bytes!("../keys/rsa2048.crt.der");

fn keys() -> [VerifyingKey; 1] {
    [rsa_signer().verifying_key().unwrap()]
}

/// The assertion that is believed, or why none is.
fn believe(octets: &[u8]) -> Result<Assertion, Reason> {
    let (issuer, audience): (EntityId, EntityId) = (IDP.parse().unwrap(), SERVICE.parse().unwrap());
    let request = MessageId::from_random(REQUEST_ID);
    let expect = ResponseExpectations {
        issuer: &issuer,
        audience: &audience,
        recipient: ACS,
        in_response_to: InResponseTo::Exactly(&request),
        now: NOW,
        max_skew_seconds: 60,
    };
    let answer = UnverifiedResponse::parse(octets).and_then(|response| response.verify(&keys(), &expect));
    match answer.map_err(|rejection| rejection.reason())? {
        Answer::Verified(verified) => Ok(verified.into_assertion()),
        Answer::Refused(_) => Err(Reason::NoAssertion),
    }
}

fn believe_request(octets: &[u8]) -> Result<(), Reason> {
    let key = p256_signer().verifying_key().unwrap();
    let verified = UnverifiedRequest::parse(octets).and_then(|request| request.verify(&[key], &EXPECTED_OF_REQUESTS));
    verified.map(|_| ()).map_err(|rejection| rejection.reason())
}

#[track_caller]
fn refused(name: &str, document: &str, reason: Reason) {
    match believe(document.as_bytes()) {
        Err(actual) => assert_eq!(actual, reason, "{name}"),
        Ok(_) => panic!("{name} was believed"),
    }
}

/// `text` with the only or first occurrence of `from` replaced, which has to be there.
#[track_caller]
fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

/// The part of `text` from `start` to the first `end` after it.
fn part<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).unwrap();
    let to = from + text[from..].find(end).unwrap() + end.len();
    &text[from..to]
}

fn assertion(text: &str) -> &str {
    part(text, "<saml:Assertion ", "</saml:Assertion>")
}

fn signature(text: &str) -> &str {
    part(text, "<ds:Signature ", "</ds:Signature>")
}

/// The assertion as an attacker would like it: another subject, another ID, no signature.
fn evil_assertion() -> String {
    let original = assertion(ASSERTION_SIGNED);
    original.replace(signature(original), "").replace("alice@", "mallory@").replace("_3333", "_evil")
}

/// As above, with the signature of the original.
fn evil_assertion_with_signature() -> String {
    with(&evil_assertion(), "</saml:Issuer>", &format!("</saml:Issuer>{}", signature(ASSERTION_SIGNED)))
}

#[test]
fn the_documents_themselves_are_believed() {
    assert_eq!(believe(RESPONSE.as_bytes()).unwrap().subject.value, "alice@example.com");
    assert_eq!(believe(ASSERTION_SIGNED.as_bytes()).unwrap().subject.value, "alice@example.com");
    assert_eq!(believe_request(REQUEST.as_bytes()), Ok(()));
}

#[test]
fn what_the_unsigned_envelope_can_do_is_have_it_refused() {
    let status = "urn:oasis:names:tc:SAML:2.0:status:Success";
    for (from, to, reason) in [
        (status, "urn:oasis:names:tc:SAML:2.0:status:Responder", Reason::UnauthenticatedRefusal),
        (status, "urn:oasis:names:tc:SAML:2.0:status:success", Reason::BadValue),
        (
            "Destination=\"https://service.example/acs\"",
            "Destination=\"https://evil.example/acs\"",
            Reason::WrongDestination,
        ),
        ("InResponseTo=\"_1111", "InResponseTo=\"_2111", Reason::WrongInResponseTo),
        (
            "<saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">https://cloud",
            "<saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">https://evil",
            Reason::WrongIssuer,
        ),
        ("Version=\"2.0\"", "Version=\"1.1\"", Reason::Version),
    ] {
        refused(to, &with(ASSERTION_SIGNED, from, to), reason);
    }
    let renamed = ASSERTION_SIGNED.replacen("ID=\"_2222", "ID=\"_9222", 1);
    assert_eq!(believe(renamed.as_bytes()), believe(ASSERTION_SIGNED.as_bytes()));
}

#[test]
fn encrypted_content_is_not_read() {
    let encrypted = with(
        RESPONSE,
        "<saml:Assertion ",
        "<saml:EncryptedAssertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"></saml:EncryptedAssertion><saml:Assertion ",
    );
    refused("an encrypted assertion beside", &encrypted, Reason::Encrypted);
}

#[test]
fn truncated_anywhere() {
    for document in [RESPONSE, REQUEST] {
        for length in 0..document.len() {
            let cut = &document.as_bytes()[..length];
            assert!(believe(cut).is_err() && believe_request(cut).is_err(), "{length} octets were believed");
        }
    }
}

/// Changing any one octet leaves a document that is refused, or one that means the same.
#[test]
fn changed_anywhere() {
    let honest = believe(RESPONSE.as_bytes()).unwrap();
    for place in 0..RESPONSE.len() {
        let mut octets = RESPONSE.as_bytes().to_vec();
        octets[place] ^= 1;
        if let Ok(believed) = believe(&octets) {
            assert_eq!(believed, honest, "octet {place}");
        }
    }
}

/// The memory for a document grows as the document; that the work does too is shown in `saml/src/xml/work.rs`, where it can be counted.
#[test]
fn memory_grows_with_the_document() {
    let octets_for = |document: &str| {
        allocation_counter::measure(|| {
            let _ = UnverifiedResponse::parse(document.as_bytes());
        })
        .bytes_total
    };
    let grown = |unit: &str, count: usize| {
        with(
            RESPONSE,
            "<samlp:Status>",
            &format!("<samlp:Extensions>{}</samlp:Extensions><samlp:Status>", unit.repeat(count)),
        )
    };
    for unit in ["<a/>", "<a b=\"c\" d=\"e\"/>", "<a>&amp;&#65;</a>", "<a xmlns=\"urn:x\"/>", "text &lt; "] {
        let (one, eight) = (octets_for(&grown(unit, 400)), octets_for(&grown(unit, 3200)));
        assert!(eight < 16 * one, "{unit}: {one} octets grew to {eight}");
    }
}
