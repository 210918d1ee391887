//! An identity provider of the tests' own making: it says what it likes.

use platform::clock;
use ring::rand::SystemRandom;
use saml::binding::post;
use saml::key::{Pkcs8Signer, SignatureAlgorithm};
use saml::metadata::{Binding, Endpoint, IdpMetadata};
use saml::name::{EntityId, MessageId, NameId, NameIdFormat};
use saml::response::{Assertion, Response, SigningIdentity, Status};
use saml::time::UtcTime;

/// Its keys and its name.
pub struct OwnIdp {
    /// Its entity ID.
    pub entity_id: EntityId,
    signer: Pkcs8Signer,
    certificate: Vec<u8>,
}

impl OwnIdp {
    /// An identity provider `https://HOST/metadata` with new keys.
    ///
    /// # Panics
    /// Where no key can be made.
    #[must_use]
    pub fn new(host: &str) -> Self {
        let pair = rcgen::generate_simple_self_signed([host.to_owned()]).expect("a certificate");
        let pkcs8 = pair.signing_key.serialize_der();
        let signer = Pkcs8Signer::new(SignatureAlgorithm::EcdsaP256Sha256, &pkcs8, Box::new(SystemRandom::new()));
        Self {
            entity_id: format!("https://{host}/metadata").parse().expect("an entity ID"),
            signer: signer.expect("the key can be used"),
            certificate: pair.cert.der().to_vec(),
        }
    }

    /// What it says of itself: browsers come to `https://HOST/sso` by `binding`.
    #[must_use]
    pub fn metadata(&self, binding: Binding) -> String {
        let location = self.entity_id.as_str().replace("/metadata", "/sso");
        IdpMetadata {
            entity_id: self.entity_id.clone(),
            valid_until: None,
            signing_certificates: vec![self.certificate.clone()],
            sso: vec![Endpoint { binding, location }],
            slo: Vec::new(),
            want_authn_requests_signed: true,
        }
        .to_xml()
    }

    /// The Response to the portal's request `id` at `portal_url` that signs `name` in, as it should be.
    #[must_use]
    pub fn response(&self, portal_url: &str, id: &MessageId, name: &str) -> Response {
        let now = UtcTime::from_unix_millis(clock::unix_millis());
        let recipient = format!("{portal_url}/saml/acs");
        let new_id = || MessageId::from_random(platform::random::bytes());
        Response {
            id: new_id(),
            issue_instant: now,
            destination: Some(recipient.clone()),
            in_response_to: Some(id.clone()),
            issuer: self.entity_id.clone(),
            status: Status::success(),
            assertion: Some(Assertion {
                id: new_id(),
                issue_instant: now,
                issuer: self.entity_id.clone(),
                subject: NameId { format: NameIdFormat::EmailAddress, value: name.to_owned() },
                recipient,
                in_response_to: Some(id.clone()),
                not_before: now.plus_seconds(-30),
                not_on_or_after: now.plus_seconds(300),
                audience: format!("{portal_url}/saml/sp").parse().expect("an entity ID"),
                authn_instant: now.plus_seconds(-7),
                session_index: Some("_theirs".to_owned()),
                session_not_on_or_after: Some(now.plus_seconds(600)),
                authn_context: "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken".to_owned(),
                authenticating_authorities: Vec::new(),
                attributes: Vec::new(),
            }),
        }
    }

    /// `response` with its signatures.
    ///
    /// # Panics
    /// Where it can't be signed.
    #[must_use]
    pub fn sign(&self, response: &Response) -> String {
        let identity = SigningIdentity { signer: &self.signer, certificate_der: &self.certificate };
        response.sign(&identity).expect("it signs")
    }

    /// The form field with `response`, signed.
    #[must_use]
    pub fn field(&self, response: &Response) -> String {
        post::encode(&self.sign(response))
    }
}
