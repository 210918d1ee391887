//! Which issuers vouch for this device's people towards services: what the portal says of them in the device's own session and in the answer to its
//! keep-alive, which a pinned key has signed. Nothing else is believed about them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::device::{ECP_PATH, SERVICE_CERTIFICATES, SERVICE_ISSUERS, TENANTS_PATH};
use saml::key::VerifyingKey;
use saml::name::EntityId;
use saml::response::Assertion;
use serde::{Deserialize, Serialize};

use crate::device_state::PinnedPortal;

/// As many issuers and certificates are kept at the most.
const MOST: usize = 16;

/// The issuers; none: a portal that knows no others than the cloud's has said nothing about them.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceIssuers {
    /// Entity IDs, the one first that answers where no service has asked.
    entity_ids: Vec<String>,
    /// Certificates of the tenant's own issuer, base64 of DER.
    certificates: Vec<String>,
}

impl ServiceIssuers {
    /// What the assertion says, which is the device's own.
    #[must_use]
    pub fn told(assertion: &Assertion) -> Self {
        let values = |name: &str| {
            let attribute = assertion.attributes.iter().find(|attribute| attribute.name == name);
            let values = attribute.into_iter().flat_map(|attribute| &attribute.values);
            values.take(MOST).cloned().collect()
        };
        Self { entity_ids: values(SERVICE_ISSUERS), certificates: values(SERVICE_CERTIFICATES) }
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entity_ids.is_empty()
    }

    /// The issuer that answers where no service has asked.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.entity_ids.first().map(String::as_str)
    }

    /// Whether a Response to a service may be this issuer's.
    #[must_use]
    pub fn allow(&self, entity_id: &str) -> bool {
        self.entity_ids.iter().any(|allowed| allowed == entity_id)
    }

    /// The keys of the tenant's own issuer.
    #[must_use]
    pub fn keys(&self) -> Vec<VerifyingKey> {
        let der = self.certificates.iter().filter_map(|text| STANDARD.decode(text).ok());
        der.filter_map(|der| VerifyingKey::from_certificate_der(&der).ok()).collect()
    }

    /// Where a service's ECP request goes at the cloud at `cloud_url`: to the tenant's own issuer where it answers by itself or the request is
    /// addressed to it, else to the cloud's.
    #[must_use]
    pub fn ecp_url(&self, cloud_url: &str, request: &str) -> String {
        let below = format!("{cloud_url}{TENANTS_PATH}");
        let mut bases = self.entity_ids.iter().filter_map(|entity_id| entity_id.strip_suffix("/metadata"));
        let own = bases.find(|base| base.starts_with(&below));
        let answers = own.filter(|own| {
            let is_first = self.first().is_some_and(|first| first.starts_with(&below));
            is_first || request.contains(&format!("Destination=\"{own}/"))
        });
        answers.map_or_else(|| format!("{cloud_url}{ECP_PATH}"), |own| format!("{own}/ecp"))
    }
}

impl PinnedPortal {
    /// The keys of the issuer that a Response to a service says it is from; none where it is not one of this device's people's.
    #[must_use]
    pub fn service_keys(&self, claimed: &EntityId) -> Option<Vec<VerifyingKey>> {
        let is_cloud = claimed.as_str() == self.entity_id;
        if self.service_issuers.is_empty() {
            return is_cloud.then(|| self.keys());
        }
        let is_allowed = self.service_issuers.allow(claimed.as_str());
        is_allowed.then(|| if is_cloud { self.keys() } else { self.service_issuers.keys() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOUD: &str = "https://cloud.example";
    const OWN: &str = "https://cloud.example/saml/t/0a/metadata";
    const SHARED: &str = "https://cloud.example/saml/metadata";

    fn issuers(entity_ids: &[&str]) -> ServiceIssuers {
        ServiceIssuers {
            entity_ids: entity_ids.iter().map(|&id| id.to_owned()).collect(),
            certificates: vec!["?".to_owned()],
        }
    }

    #[test]
    fn an_ecp_request_goes_to_the_issuer_that_the_service_knows() {
        let both = issuers(&[SHARED, OWN]);
        assert_eq!(issuers(&[OWN]).ecp_url(CLOUD, ""), "https://cloud.example/saml/t/0a/ecp");
        assert_eq!(both.ecp_url(CLOUD, "<x/>"), "https://cloud.example/saml/ecp");
        let addressed = "<x Destination=\"https://cloud.example/saml/t/0a/sso\"/>";
        assert_eq!(both.ecp_url(CLOUD, addressed), "https://cloud.example/saml/t/0a/ecp");
        assert_eq!(ServiceIssuers::default().ecp_url(CLOUD, addressed), "https://cloud.example/saml/ecp");
        let elsewhere = issuers(&["https://evil.example/saml/t/0a/metadata"]);
        assert_eq!(elsewhere.ecp_url(CLOUD, ""), "https://cloud.example/saml/ecp", "nothing is sent to another host");
    }

    #[test]
    fn only_what_was_said_is_allowed() {
        assert!(issuers(&[OWN]).allow(OWN) && !issuers(&[OWN]).allow(SHARED));
        assert!(issuers(&[OWN]).keys().is_empty(), "what is no certificate is no key");
    }
}
