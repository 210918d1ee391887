//! How a device or another identity provider names a person.

use saml::name::{NameId, NameIdFormat};

/// `user@domain` in lower case, taken apart.
pub(crate) struct PersonName {
    pub(crate) name_id: String,
    pub(crate) local_part: String,
    pub(crate) domain: String,
}

impl PersonName {
    pub(crate) fn of(subject: Option<&NameId>) -> Option<Self> {
        let subject = subject.filter(|subject| subject.format == NameIdFormat::EmailAddress)?;
        let name_id = subject.value.to_ascii_lowercase();
        let (local_part, domain) = name_id.split_once('@')?;
        let sound = |part: &str| {
            !part.is_empty()
                && part.len() <= 255
                && !part.chars().any(|c| c.is_whitespace() || c.is_control() || c == '@')
        };
        (sound(local_part) && sound(domain)).then(|| Self {
            local_part: local_part.to_owned(),
            domain: domain.to_owned(),
            name_id: name_id.clone(),
        })
    }
}
