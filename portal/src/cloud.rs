//! The cloud's names and addresses, all made from its public URL.

use saml::name::EntityId;

use crate::store::issuer::Issuer;

/// Where the portal is reached, and what it is called.
#[derive(Clone, Debug)]
pub struct Cloud {
    base: String,
    entity_id: EntityId,
    soap_url: String,
    sso_url: String,
    ecp_url: String,
    sp_entity_id: EntityId,
    acs_url: String,
    slo_url: String,
    console_entity_id: EntityId,
    console_acs_url: String,
}

/// Names and addresses of one issuer, as services know it.
#[derive(Clone, Debug)]
pub struct IssuerNames {
    /// Its entity ID, which is also the address of its metadata.
    pub entity_id: EntityId,
    /// Where services send people's browsers.
    pub sso_url: String,
    /// Where services send people's browsers that end a session.
    pub slo_url: String,
    /// Where devices bring what services that speak ECP ask for.
    pub ecp_url: String,
    /// What its metadata names for the SOAP binding.
    pub soap_url: String,
}

/// A public URL that can't be one.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{given}` is not the public URL of a portal: write `https://host` or `https://host:port` and nothing behind it"
)]
pub struct PublicUrlInvalid {
    given: String,
}

/// The port of `https:` where none is named.
const DEFAULT_PORT: u16 = 443;

impl Cloud {
    /// Makes the names from the public URL `https://host[:port]`.
    ///
    /// # Errors
    /// [`PublicUrlInvalid`] where it is anything else: a path, a user, plain HTTP.
    pub fn new(public_url: &str) -> Result<Self, PublicUrlInvalid> {
        let invalid = || PublicUrlInvalid { given: public_url.to_owned() };
        let base = public_url.strip_suffix('/').unwrap_or(public_url);
        let (scheme, authority) = base.split_at_checked("https://".len()).ok_or_else(invalid)?;
        if !scheme.eq_ignore_ascii_case("https://") {
            return Err(invalid());
        }
        let is_number = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if is_number(port) => (host, port.parse::<u16>().map_err(|_| invalid())?),
            Some(_) => return Err(invalid()),
            None => (authority, DEFAULT_PORT),
        };
        let host = host.to_ascii_lowercase();
        let plain =
            |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || "-.".contains(character);
        if host.is_empty() || !host.chars().all(plain) {
            return Err(invalid());
        }
        // Addresses are compared as texts from here on, so each has one spelling (RFC 3986 6.2.3).
        let base = if port == DEFAULT_PORT { format!("https://{host}") } else { format!("https://{host}:{port}") };
        let entity_id = format!("{base}/saml/metadata").parse().map_err(|_| invalid())?;
        let sp_entity_id = format!("{base}/saml/sp").parse().map_err(|_| invalid())?;
        let console_entity_id = format!("{base}/saml/admin").parse().map_err(|_| invalid())?;
        Ok(Self {
            entity_id,
            soap_url: format!("{base}/saml/soap"),
            sso_url: format!("{base}/saml/sso"),
            slo_url: format!("{base}/saml/slo"),
            ecp_url: format!("{base}{}", saml::device::ECP_PATH),
            sp_entity_id,
            acs_url: format!("{base}/saml/acs"),
            console_entity_id,
            console_acs_url: format!("{base}/saml/admin/acs"),
            base,
        })
    }

    /// Names and addresses of an issuer of the tenant with the id `tenant_id`.
    #[must_use]
    pub fn issuer(&self, issuer: Issuer, tenant_id: &str) -> IssuerNames {
        match issuer {
            Issuer::Shared => IssuerNames {
                entity_id: self.entity_id.clone(),
                sso_url: self.sso_url.clone(),
                slo_url: self.slo_url.clone(),
                ecp_url: self.ecp_url.clone(),
                soap_url: self.soap_url.clone(),
            },
            Issuer::Own => {
                let below = format!("{}{}{tenant_id}", self.base, saml::device::TENANTS_PATH);
                IssuerNames {
                    entity_id: own_entity_id(&below),
                    sso_url: format!("{below}/sso"),
                    slo_url: format!("{below}/slo"),
                    ecp_url: format!("{below}/ecp"),
                    soap_url: format!("{below}/ecp"),
                }
            }
        }
    }

    /// Whether this is one of the portal's own identity providers, the cloud's or a tenant's.
    #[must_use]
    pub fn is_own_issuer(&self, entity_id: &EntityId) -> bool {
        let below = entity_id.as_str().strip_prefix(&self.base);
        *entity_id == self.entity_id || below.is_some_and(|rest| rest.starts_with(saml::device::TENANTS_PATH))
    }

    /// `https://host[:port]`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The host of the public URL, without a port.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.base.strip_prefix("https://").unwrap_or_default();
        authority.split_once(':').map_or(authority, |(host, _)| host)
    }

    /// The entity ID of the identity provider, which is also the address of its metadata.
    #[must_use]
    pub fn entity_id(&self) -> &EntityId {
        &self.entity_id
    }

    /// Where devices send their requests.
    #[must_use]
    pub fn soap_url(&self) -> &str {
        &self.soap_url
    }

    /// Where services send people's browsers.
    #[must_use]
    pub fn sso_url(&self) -> &str {
        &self.sso_url
    }

    /// Where services send people's browsers that end a session.
    #[must_use]
    pub fn slo_url(&self) -> &str {
        &self.slo_url
    }

    /// Where devices bring what services that speak ECP ask for.
    #[must_use]
    pub fn ecp_url(&self) -> &str {
        &self.ecp_url
    }

    /// The entity ID of the portal where it is itself a service provider, to identity providers of tenants; also the address of that metadata.
    #[must_use]
    pub fn sp_entity_id(&self) -> &EntityId {
        &self.sp_entity_id
    }

    /// The entity ID of the pages for administrators, to identity providers that sign administrators in; also the address of that metadata.
    #[must_use]
    pub fn console_entity_id(&self) -> &EntityId {
        &self.console_entity_id
    }

    /// Where Responses about administrators go.
    #[must_use]
    pub fn console_acs_url(&self) -> &str {
        &self.console_acs_url
    }

    /// Where other identity providers send their Responses.
    #[must_use]
    pub fn acs_url(&self) -> &str {
        &self.acs_url
    }
}

#[expect(
    clippy::expect_used,
    reason = "an address of the portal's that is an entity ID stays one with a random id in it"
)]
fn own_entity_id(below: &str) -> EntityId {
    format!("{below}/metadata").parse().expect("the portal's addresses are entity IDs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_public_url() {
        let cloud = Cloud::new("https://cloud.example.net:8443/").unwrap();
        assert_eq!(cloud.entity_id().as_str(), "https://cloud.example.net:8443/saml/metadata");
        assert_eq!(cloud.soap_url(), "https://cloud.example.net:8443/saml/soap");
    }

    #[test]
    fn one_address_has_one_spelling() {
        for given in ["https://cloud.example.net", "https://cloud.example.net:443", "HTTPS://Cloud.Example.NET:0443/"] {
            assert_eq!(Cloud::new(given).unwrap().base(), "https://cloud.example.net", "{given}");
        }
        let cloud = Cloud::new("https://a.example:08443").unwrap();
        assert_eq!((cloud.base(), cloud.host()), ("https://a.example:8443", "a.example"));
    }

    #[test]
    fn a_tenant_has_names_of_its_own() {
        let cloud = Cloud::new("https://cloud.example.net").unwrap();
        let (own, shared) = (cloud.issuer(Issuer::Own, "0a1b"), cloud.issuer(Issuer::Shared, "0a1b"));
        assert_eq!(own.entity_id.as_str(), "https://cloud.example.net/saml/t/0a1b/metadata");
        assert_eq!(own.sso_url, "https://cloud.example.net/saml/t/0a1b/sso");
        assert_eq!(shared.entity_id, *cloud.entity_id());
        assert!(cloud.is_own_issuer(&own.entity_id) && cloud.is_own_issuer(&shared.entity_id));
        let elsewhere = "https://cloud.example.net.evil.test/saml/t/0a1b/metadata".parse().unwrap();
        assert!(!cloud.is_own_issuer(&elsewhere));
    }

    #[test]
    fn anything_but_https_host_and_port_is_refused() {
        for given in [
            "http://a.example",
            "https://",
            "https://a.example/path",
            "https://u@a.example",
            "a.example",
            "https://a.example:x",
        ] {
            assert!(Cloud::new(given).is_err(), "{given}");
        }
    }
}
