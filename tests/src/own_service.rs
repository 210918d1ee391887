//! A service of the tests' own making: it sends what it likes, signed with a real key.

use std::path::Path;

use platform::clock;
use ring::rand::SystemRandom;
use saml::binding::redirect::{Direction, signed_query};
use saml::key::{Pkcs8Signer, SignatureAlgorithm};
use saml::metadata::{Binding, IndexedEndpoint, SpMetadata};
use saml::name::MessageId;
use saml::request::AuthnRequest;
use saml::time::UtcTime;

use crate::portal::Portal;

/// Its entity ID.
pub const SERVICE: &str = "https://service.example/metadata";
/// What people call it.
pub const NAME: &str = "Our own service";
/// Where it receives Responses by POST.
pub const ACS: &str = "https://service.example/acs";
/// Where it receives them by PAOS.
pub const PAOS_ACS: &str = "https://service.example/paos";

/// A service that signs its requests.
pub struct OwnService {
    /// What signs.
    pub signer: Pkcs8Signer,
    certificate: Vec<u8>,
}

impl Default for OwnService {
    fn default() -> Self {
        Self::new()
    }
}

impl OwnService {
    /// A service with a new key.
    ///
    /// # Panics
    /// Where none can be made.
    #[must_use]
    pub fn new() -> Self {
        let pair = rcgen::generate_simple_self_signed(["service.example".to_owned()]).expect("a certificate");
        let pkcs8 = pair.signing_key.serialize_der();
        let signer = Pkcs8Signer::new(SignatureAlgorithm::EcdsaP256Sha256, &pkcs8, Box::new(SystemRandom::new()));
        Self { signer: signer.expect("the key can be used"), certificate: pair.cert.der().to_vec() }
    }

    /// Gives `portal` its metadata, by a file in `dir`.
    ///
    /// # Panics
    /// Where the portal does not take it.
    pub fn register_at(&self, portal: &Portal, dir: &Path) {
        self.register_as(portal, dir, true);
    }

    /// The same; `authn_requests_signed`: whether the portal has to demand its signature.
    ///
    /// # Panics
    /// Where the portal does not take it.
    pub fn register_as(&self, portal: &Portal, dir: &Path, authn_requests_signed: bool) {
        let acs = [(Binding::Post, ACS), (Binding::Paos, PAOS_ACS)];
        let acs = acs.into_iter().zip(0..).map(|((binding, location), index)| IndexedEndpoint {
            binding,
            location: location.to_owned(),
            index,
            is_default: Some(index == 0),
        });
        let metadata = SpMetadata {
            entity_id: SERVICE.parse().expect("an entity ID"),
            valid_until: None,
            signing_certificates: vec![self.certificate.clone()],
            acs: acs.collect(),
            slo: Vec::new(),
            want_assertions_signed: true,
            authn_requests_signed,
            name_id_formats: Vec::new(),
            display_name: Some(NAME.to_owned()),
            request_initiator: None,
        };
        let path = dir.join("service.xml");
        std::fs::write(&path, metadata.to_xml()).expect("the file can be written");
        portal.add_service(&path);
    }

    /// A request for a browser at `portal`.
    #[must_use]
    pub fn request(portal: &Portal) -> AuthnRequest {
        AuthnRequest {
            destination: Some(format!("{}/sso", portal.issuer_url())),
            ..AuthnRequest::new(
                MessageId::from_random(platform::random::bytes()),
                UtcTime::from_unix_millis(clock::unix_millis()),
                SERVICE.parse().expect("an entity ID"),
            )
        }
    }

    /// The request signed for the Redirect binding.
    ///
    /// # Panics
    /// Where the key fails.
    #[must_use]
    pub fn query(&self, request: &AuthnRequest, relay_state: Option<&str>) -> String {
        signed_query(Direction::Request, &request.to_unsigned_xml(), relay_state, &self.signer).expect("it signs")
    }
}
