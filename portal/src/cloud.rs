//! The cloud's names and addresses, all made from its public URL.

use saml::name::EntityId;

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

    /// `https://host[:port]`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
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
        assert_eq!(Cloud::new("https://a.example:08443").unwrap().base(), "https://a.example:8443");
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
