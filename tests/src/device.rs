//! A device of the tests' own making: it sends what it likes, signed with a real key.

use platform::clock;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use saml::device::{DeviceStatement, Enrolment, Evidence, EvidenceGrade, entity_id_of_key};
use saml::key::{Pkcs8Signer, SignatureAlgorithm, VerifyingKey};
use saml::name::{Attribute, EntityId, MessageId, NameId, NameIdFormat};
use saml::request::{AuthnRequest, NameIdPolicy};
use saml::time::UtcTime;
use saml::token::{DeviceToken, EnrolmentProof};

use crate::https::{HttpAnswer, Https};
use crate::portal::Portal;

/// A device with a key.
pub struct Device {
    signer: Pkcs8Signer,
    /// DER of its SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// Its entity ID.
    pub id: EntityId,
}

impl Default for Device {
    fn default() -> Self {
        Self::new()
    }
}

impl Device {
    /// A device with a new key.
    #[must_use]
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key can be made");
        let signer = Pkcs8Signer::new(SignatureAlgorithm::EcdsaP256Sha256, pkcs8.as_ref(), Box::new(random));
        let signer = signer.expect("the key can be used");
        let key: VerifyingKey = signer.verifying_key().expect("it has a public half");
        let spki = key.spki_der().to_vec();
        let id = entity_id_of_key(&spki);
        Self { signer, spki, id }
    }

    /// What signs with its key.
    #[must_use]
    pub fn signer(&self) -> &Pkcs8Signer {
        &self.signer
    }

    /// A sign-in of `user@example.test` with the sequence number `sequence`, not signed yet.
    #[must_use]
    pub fn request(&self, portal: &Portal, user: &str, sequence: u64) -> AuthnRequest {
        let attribute = Attribute {
            name: "urn:countersign:user:local-name".to_owned(),
            name_format: None,
            friendly_name: None,
            values: vec![user.to_owned()],
        };
        let evidence = Evidence { grade: EvidenceGrade::Local, source: "test".to_owned(), attributes: vec![attribute] };
        let now = UtcTime::from_unix_millis(clock::unix_millis());
        AuthnRequest {
            destination: Some(portal.soap_url()),
            is_passive: true,
            device: Some(DeviceStatement { sequence, evidence, facts: Vec::new(), enrolment: None, rotation: None }),
            subject: Some(NameId { format: NameIdFormat::EmailAddress, value: format!("{user}@example.test") }),
            name_id_policy: Some(NameIdPolicy {
                format: Some(NameIdFormat::EmailAddress),
                sp_name_qualifier: None,
                allow_create: true,
            }),
            ..AuthnRequest::new(MessageId::from_random(platform::random::bytes()), now, self.id.clone())
        }
    }

    /// The same request, with the attribute `name` in the evidence of its person.
    #[must_use]
    pub fn stating(&self, mut request: AuthnRequest, name: &str, value: &str) -> AuthnRequest {
        let name = format!("urn:countersign:user:{name}");
        let evidence = &mut request.device.as_mut().expect("it has a device").evidence;
        evidence.attributes.push(Attribute { name, values: vec![value.to_owned()], ..Attribute::default() });
        request
    }

    /// The same request, with an enrolment by `token`.
    #[must_use]
    pub fn enrolling(&self, mut request: AuthnRequest, token: &str) -> AuthnRequest {
        let token = DeviceToken::parse(token).expect("it is a token");
        let proof = EnrolmentProof {
            token: token.id(),
            device_key_spki: &self.spki,
            request: &request.id,
            issue_instant: request.issue_instant,
            destination: request.destination.as_deref().unwrap_or_default(),
        };
        let token_signature = token.sign_enrolment(&proof).to_vec();
        let enrolment = Enrolment { token: token.id().clone(), device_key_spki: self.spki.clone(), token_signature };
        request.device.as_mut().expect("it has a device").enrolment = Some(enrolment);
        request
    }

    /// `request`, signed, in its envelope.
    #[must_use]
    pub fn sign(&self, request: &AuthnRequest) -> String {
        request.sign(&self.signer).expect("the key signs").to_soap()
    }

    /// Signs and sends `request`; returns the answer.
    #[must_use]
    pub fn send(&self, https: &Https, portal: &Portal, request: &AuthnRequest) -> HttpAnswer {
        https.post_soap(&portal.soap_url(), self.sign(request))
    }
}

/// The code of the refusal in `answer`, or `success`.
///
/// # Panics
/// Where it holds neither.
#[must_use]
pub fn code(answer: &HttpAnswer) -> String {
    if answer.body.contains("\"urn:oasis:names:tc:SAML:2.0:status:Success\"") {
        return "success".to_owned();
    }
    let (_, rest) = answer.body.split_once(" Code=\"").unwrap_or_else(|| panic!("no code in {answer:?}"));
    rest.split('"').next().unwrap_or_default().to_owned()
}
