//! What has to hold for every input: run by the fuzzer for hours and by a test for seconds.
#![expect(clippy::expect_used, reason = "a test's own constants are good")]

use saml::binding::ecp::PaosRequest;
use saml::binding::redirect::{RedirectedLogoutRequest, RedirectedLogoutResponse, RedirectedRequest};
use saml::canonical::{Canonicalization, canonicalize};
use saml::key::{Pkcs8Signer, SignatureAlgorithm, VerifyingKey};
use saml::logout::{UnverifiedLogoutRequest, UnverifiedLogoutResponse};
use saml::metadata::{IdpMetadata, SpMetadata};
use saml::name::{EntityId, MessageId};
use saml::request::{RequestExpectations, ServiceAlgorithms, UnverifiedRequest};
use saml::response::{Answer, InResponseTo, ResponseExpectations, UnverifiedResponse};
use saml::time::UtcTime;
use std::sync::LazyLock;

/// The instant at which the committed documents are valid.
pub(crate) const NOW: UtcTime = UtcTime::from_unix_seconds(1_795_300_370);
/// Where the committed requests go.
pub(crate) const PORTAL: &str = "https://cloud.example.net/saml/soap";
/// Where the committed responses go.
pub(crate) const ACS: &str = "https://service.example/acs";
/// Who receives the committed responses.
pub(crate) const SERVICE: &str = "https://service.example/metadata";
/// Who issues the committed responses.
pub(crate) const IDP: &str = "https://cloud.example.net/saml/metadata";
/// The `ID` of the committed request, which is the first thing asked.
pub(crate) const REQUEST_ID: [u8; 20] = [0x11; 20];

/// The key pair of the committed documents.
pub(crate) fn rsa_signer() -> Pkcs8Signer {
    signer(SignatureAlgorithm::RsaSha256, include_bytes!("../keys/rsa2048.pk8"))
}

/// The key pair of the committed device.
pub(crate) fn p256_signer() -> Pkcs8Signer {
    signer(SignatureAlgorithm::EcdsaP256Sha256, include_bytes!("../keys/p256.pk8"))
}

fn signer(algorithm: SignatureAlgorithm, pkcs8: &[u8]) -> Pkcs8Signer {
    Pkcs8Signer::new(algorithm, pkcs8, Box::new(ring::rand::SystemRandom::new())).expect("a committed key")
}

static KEYS: LazyLock<Vec<VerifyingKey>> = LazyLock::new(|| {
    [rsa_signer(), p256_signer()].iter().map(|signer| signer.verifying_key().expect("a key")).collect()
});

/// What the committed requests are expected to say.
pub(crate) const EXPECTED_OF_REQUESTS: RequestExpectations<'static> =
    RequestExpectations { destinations: &[PORTAL], now: NOW, max_age_seconds: 300, max_skew_seconds: 60 };

/// Canonicalising what was canonicalised changes nothing, and both mean the same to a second parse.
pub(crate) fn canonical(octets: &[u8]) {
    for method in [
        Canonicalization::Exclusive { inclusive_prefixes: "" },
        Canonicalization::Exclusive { inclusive_prefixes: "#default a saml xs" },
        Canonicalization::Inclusive,
    ] {
        let Ok(once) = canonicalize(octets, None, method) else { return };
        // Escaping makes documents longer, so that one just below the limit may come out above it.
        if once.len() > 256 * 1024 {
            return;
        }
        let twice = canonicalize(&once, None, method).expect("a canonical form is accepted");
        assert_eq!(String::from_utf8(once), String::from_utf8(twice));
    }
}

/// Nothing that the keys did not sign is ever believed: whatever is accepted says what the committed documents say.
pub(crate) fn verify(octets: &[u8]) {
    let keys = &KEYS;
    for parsed in [UnverifiedRequest::parse(octets), UnverifiedRequest::parse_soap(octets)].into_iter().flatten() {
        if let Ok(verified) = parsed.clone().verify(keys, &EXPECTED_OF_REQUESTS) {
            assert_eq!(verified.id, MessageId::from_random(REQUEST_ID));
            assert_eq!(verified.subject.as_ref().map(|subject| subject.value.as_str()), Some("alice@example.com"));
        }
        let _ = parsed.verify_from_service(keys, ServiceAlgorithms::CurrentAndRsaSha1, &EXPECTED_OF_REQUESTS);
    }
    let (issuer, audience): (EntityId, EntityId) = (IDP.parse().expect("an ID"), SERVICE.parse().expect("an ID"));
    let request = MessageId::from_random(REQUEST_ID);
    for in_response_to in [InResponseTo::Exactly(&request), InResponseTo::Unsolicited] {
        let expect = ResponseExpectations {
            issuer: &issuer,
            audience: &audience,
            recipient: ACS,
            in_response_to,
            now: NOW,
            max_skew_seconds: 60,
        };
        for parsed in [UnverifiedResponse::parse(octets), UnverifiedResponse::parse_soap(octets)].into_iter().flatten()
        {
            if let Ok(Answer::Verified(verified)) = parsed.verify(keys, &expect) {
                assert_eq!(verified.assertion().subject.value, "alice@example.com");
                assert_eq!(in_response_to, InResponseTo::Exactly(&request));
            }
        }
    }
    for parsed in
        [UnverifiedLogoutRequest::parse(octets), UnverifiedLogoutRequest::parse_soap(octets)].into_iter().flatten()
    {
        let _ = parsed.verify(keys, &EXPECTED_OF_REQUESTS);
    }
    if let Ok(parsed) = UnverifiedLogoutResponse::parse(octets) {
        let _ = parsed.verify(keys, &EXPECTED_OF_REQUESTS);
    }
    let _ = UnverifiedRequest::parse(octets).and_then(|request| request.accept_unsigned(&EXPECTED_OF_REQUESTS));
    if let Ok(request) = PaosRequest::parse(octets) {
        let _ = UnverifiedRequest::parse_soap(request.for_identity_provider().as_bytes());
        let _ = request.answer(octets);
    }
}

/// A query never panics and is believed only as it was signed.
pub(crate) fn redirect(octets: &[u8]) {
    let Ok(query) = std::str::from_utf8(octets) else { return };
    let algorithms = ServiceAlgorithms::Current;
    if let Ok(request) = RedirectedRequest::parse(query) {
        if let Ok(received) = request.clone().verify(&KEYS, algorithms, &EXPECTED_OF_REQUESTS) {
            assert_eq!(received.message.id, MessageId::from_random(REQUEST_ID));
            assert_eq!(received.relay_state.as_deref(), Some("state & more"));
        }
        let _ = request.accept_unsigned(&EXPECTED_OF_REQUESTS);
    }
    if let Ok(request) = RedirectedLogoutRequest::parse(query) {
        let _ = request.verify(&KEYS, algorithms, &EXPECTED_OF_REQUESTS);
    }
    if let Ok(response) = RedirectedLogoutResponse::parse(query) {
        let _ = response.verify(&KEYS, algorithms, &EXPECTED_OF_REQUESTS);
    }
}

/// What was read from metadata is read again from what is written of it.
pub(crate) fn metadata(octets: &[u8]) {
    if let Ok(read) = IdpMetadata::parse(octets) {
        let again = IdpMetadata::parse(read.to_xml().as_bytes()).map(|again| again.to_xml());
        assert_eq!(again.ok(), Some(read.to_xml()));
        let _ = read.signing_keys();
        let _ = IdpMetadata::parse_signed(octets, &KEYS, NOW);
    }
    if let Ok(read) = SpMetadata::parse(octets) {
        let again = SpMetadata::parse(read.to_xml().as_bytes()).map(|again| again.to_xml());
        assert_eq!(again.ok(), Some(read.to_xml()));
        let _ = read.signing_keys();
        let _ = SpMetadata::parse_signed(octets, &KEYS, NOW);
    }
}
