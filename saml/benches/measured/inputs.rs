//! The documents and keys of one run, and what is measured on them.

use super::documents::{request, response, sized, without_first_signature};
use super::properties::{self, ACS, IDP, NOW, REQUEST_ID, SERVICE};
use saml::key::{Pkcs8Signer, VerifyingKey};
use saml::name::{EntityId, MessageId};
use saml::request::UnverifiedRequest;
use saml::response::{InResponseTo, Response, ResponseExpectations, SigningIdentity, UnverifiedResponse};
use std::hint::black_box;

const CERTIFICATE: &[u8] = include_bytes!("../../tests/keys/rsa2048.crt.der");

/// The documents and keys of one run.
pub(super) struct Inputs {
    pub(super) rsa: Pkcs8Signer,
    pub(super) p256: Pkcs8Signer,
    pub(super) request_xml: String,
    pub(super) single_xml: String,
    pub(super) double_xml: String,
    pub(super) double: Response,
    pub(super) request_keys: [VerifyingKey; 1],
    pub(super) response_keys: [VerifyingKey; 1],
    pub(super) issuer: EntityId,
    pub(super) audience: EntityId,
    pub(super) asked: MessageId,
}

impl Inputs {
    pub(super) fn new() -> Self {
        let (rsa, p256) = (properties::rsa_signer(), properties::p256_signer());
        let identity = SigningIdentity { signer: &rsa, certificate_der: CERTIFICATE };
        let signed = |filler| response(filler).sign(&identity).expect("signed");
        Self {
            request_xml: sized(|filler| request(filler).sign(&p256).expect("signed").xml().to_owned()),
            double_xml: sized(signed),
            single_xml: sized(|filler| without_first_signature(&signed(filler))),
            double: response(100),
            request_keys: [p256.verifying_key().expect("a key")],
            response_keys: [rsa.verifying_key().expect("a key")],
            issuer: IDP.parse().expect("an ID"),
            audience: SERVICE.parse().expect("an ID"),
            asked: MessageId::from_random(REQUEST_ID),
            rsa,
            p256,
        }
    }

    pub(super) fn verify_request(&self) {
        let parsed = UnverifiedRequest::parse(black_box(self.request_xml.as_bytes())).expect("parsed");
        black_box(parsed.verify(&self.request_keys, &properties::EXPECTED_OF_REQUESTS).expect("verified"));
    }

    pub(super) fn verify_response(&self, xml: &str) {
        let expect = ResponseExpectations {
            issuer: &self.issuer,
            audience: &self.audience,
            recipient: ACS,
            in_response_to: InResponseTo::Exactly(&self.asked),
            now: NOW,
            max_skew_seconds: 60,
        };
        let parsed = UnverifiedResponse::parse(black_box(xml.as_bytes())).expect("parsed");
        black_box(parsed.verify(&self.response_keys, &expect).expect("verified"));
    }

    pub(super) fn issue(&self) {
        let identity = SigningIdentity { signer: &self.rsa, certificate_der: CERTIFICATE };
        black_box(self.double.sign(&identity).expect("signed"));
    }

    pub(super) fn parse(&self) {
        black_box(UnverifiedResponse::parse(black_box(self.double_xml.as_bytes())).expect("parsed"));
    }
}
