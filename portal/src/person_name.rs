//! Names of people as the portal knows them.

use saml::name::{NameId, NameIdFormat, UserName};

/// `user@domain` in lower case, taken apart.
pub(crate) struct PersonName {
    pub(crate) name_id: String,
    pub(crate) local_part: String,
    pub(crate) domain: String,
}

impl PersonName {
    /// The name in `subject`, where it is an address.
    pub(crate) fn of(subject: Option<&NameId>) -> Option<Self> {
        Self::parse(&subject.filter(|subject| subject.format == NameIdFormat::EmailAddress)?.value)
    }

    /// By the rule for names ([`UserName`]).
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let name = UserName::parse(name)?;
        Some(Self {
            name_id: name.to_string(),
            local_part: name.local_part().to_owned(),
            domain: name.domain().to_owned(),
        })
    }
}
