//! The cloud's names and addresses, all made from its public URL.

use saml::name::EntityId;

/// Where the portal is reached, and what it is called.
#[derive(Clone, Debug)]
pub struct Cloud {
    base: String,
    entity_id: EntityId,
    soap_url: String,
    sso_url: String,
}

/// A public URL that can't be one.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{given}` is not the public URL of a portal: write `https://host` or `https://host:port` and nothing behind it"
)]
pub struct PublicUrlInvalid {
    given: String,
}

impl Cloud {
    /// Makes the names from the public URL `https://host[:port]`.
    ///
    /// # Errors
    /// [`PublicUrlInvalid`] where it is anything else: a path, a user, plain HTTP.
    pub fn new(public_url: &str) -> Result<Self, PublicUrlInvalid> {
        let invalid = || PublicUrlInvalid { given: public_url.to_owned() };
        let base = public_url.strip_suffix('/').unwrap_or(public_url);
        let authority = base.strip_prefix("https://").ok_or_else(invalid)?;
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => host,
            Some(_) => return Err(invalid()),
            None => authority,
        };
        let plain =
            |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || "-.".contains(character);
        if host.is_empty() || !host.chars().all(plain) {
            return Err(invalid());
        }
        let entity_id = format!("{base}/saml/metadata").parse().map_err(|_| invalid())?;
        Ok(Self {
            base: base.to_owned(),
            entity_id,
            soap_url: format!("{base}/saml/soap"),
            sso_url: format!("{base}/saml/sso"),
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
    fn anything_but_https_host_and_port_is_refused() {
        for given in [
            "http://a.example",
            "https://",
            "https://a.example/path",
            "https://u@a.example",
            "a.example",
            "https://A.example",
            "https://a.example:x",
        ] {
            assert!(Cloud::new(given).is_err(), "{given}");
        }
    }
}
