//! SAML metadata as administrators give it: a document, an address that has one, or what a form asks for.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use saml::metadata::{Binding, Endpoint, IdpMetadata, IndexedEndpoint, Role, SpMetadata, entity_document};
use saml::name::EntityId;

use super::{Admin, AdminError, Right};
use crate::web_client::WebClient;

/// A document, and where it came from if it was fetched.
#[derive(Clone, Debug)]
pub struct Given {
    /// The document.
    pub document: Vec<u8>,
    /// Its address.
    pub url: Option<String>,
    /// The entity ID of the one that is meant, where it describes several.
    pub entity_id: Option<String>,
}

/// The part of `document` that describes the one entity of that role, or of several the one called `wanted`.
///
/// # Errors
/// [`AdminError::Metadata`].
pub fn one_entity(document: &[u8], role: Role, wanted: Option<&str>) -> Result<Vec<u8>, AdminError> {
    entity_document(document, role, wanted).map_err(|error| AdminError::Metadata(error.to_string()))
}

impl Given {
    /// A document that is there.
    #[must_use]
    pub fn document(document: &[u8]) -> Self {
        Self { document: document.to_owned(), url: None, entity_id: None }
    }

    /// The same, where the document may describe several entities: that of this one.
    #[must_use]
    pub fn about(self, entity_id: Option<String>) -> Self {
        Self { entity_id, ..self }
    }

    /// The document at `url`. Only somebody with `right` makes the portal ask for it.
    ///
    /// # Errors
    /// [`AdminError::Forbidden`], [`AdminError::Metadata`].
    pub async fn fetch(admin: &Admin, right: Right, (client, url): (&WebClient, &str)) -> Result<Self, AdminError> {
        admin.demand(right)?;
        let url = url.trim();
        let document = client.metadata(url).await.map_err(|error| {
            tracing::info!(url, error = &error as &dyn std::error::Error, "can't fetch metadata");
            AdminError::Metadata(format!("`{url}`: {error}"))
        })?;
        // What is no metadata may be anything that this machine reaches: no message about it quotes a word.
        if SpMetadata::parse(&document).is_err() && IdpMetadata::parse(&document).is_err() {
            return Err(AdminError::Metadata(format!(
                "what is at `{url}` is no SAML metadata; give the document itself to see why"
            )));
        }
        Ok(Self { document, url: Some(url.to_owned()), entity_id: None })
    }

    /// The metadata of a service that has none: its entity ID, where it takes Responses by POST, and the certificate with which it signs, if it does.
    ///
    /// # Errors
    /// [`AdminError::Invalid`].
    pub fn form(entity_id: &str, acs_url: &str, certificate: &str) -> Result<Self, AdminError> {
        let invalid = |field, given: &str, wanted| AdminError::Invalid { field, given: given.to_owned(), wanted };
        let entity: EntityId = entity_id.parse().map_err(|_| {
            invalid("entity_id", entity_id, "an entity ID: an address or a URN as the service writes it")
        })?;
        let signing_certificates = certificates(certificate).ok_or_else(|| {
            invalid("certificate", "the text", "a certificate in PEM (`-----BEGIN CERTIFICATE-----`)")
        })?;
        let metadata = SpMetadata {
            entity_id: entity,
            valid_until: None,
            authn_requests_signed: !signing_certificates.is_empty(),
            signing_certificates,
            acs: vec![IndexedEndpoint {
                binding: Binding::Post,
                location: acs_url.trim().to_owned(),
                index: 0,
                is_default: Some(true),
            }],
            slo: Vec::<Endpoint>::new(),
            want_assertions_signed: true,
            name_id_formats: Vec::new(),
            display_name: None,
            request_initiator: None,
        };
        Ok(Self { document: metadata.to_xml().into_bytes(), url: None, entity_id: None })
    }
}

/// The certificates in `pem`, which may be empty.
fn certificates(pem: &str) -> Option<Vec<Vec<u8>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found: Vec<_> = found.ok()?.into_iter().map(|der| der.to_vec()).collect();
    (pem.trim().is_empty() || !found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_metadata_that_can_be_read_again() {
        let given = Given::form("https://service.example.test/saml", " https://service.example.test/acs ", "").unwrap();
        let read = SpMetadata::parse(&given.document).unwrap();
        assert_eq!(read.default_acs(&Binding::Post).unwrap().location, "https://service.example.test/acs");
        assert!(!read.authn_requests_signed);
    }

    #[test]
    fn a_certificate_that_is_none_is_named() {
        let wrong = Given::form("https://service.example.test/saml", "https://service.example.test/acs", "MIIB");
        assert!(matches!(wrong, Err(AdminError::Invalid { field: "certificate", .. })), "{wrong:?}");
    }
}
