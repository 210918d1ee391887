//! How a service is told who the person is: the name, in the format that its request demands (Core §3.4.1.1).

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};
use saml::name::{Attribute, EntityId, NameId, NameIdFormat};
use saml::request::NameIdPolicy;

use crate::random::{self, NoRandomness};
use crate::store::person::Person;
use crate::store::service_provider::ServiceProvider;

/// `mail` as LDAP names it, which most services know. Every service gets it: one that asks for a name that says nothing would know nobody.
pub(crate) const MAIL: &str = "urn:oid:0.9.2342.19200300.100.1.3";
const URI_NAMES: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri";

/// The format that `policy` demands; none: the portal chooses.
///
/// # Errors
/// What it demands that can't be given, in a few words.
pub fn demanded(policy: Option<&NameIdPolicy>, service: &ServiceProvider) -> Result<Option<NameIdFormat>, String> {
    let Some(policy) = policy else { return Ok(None) };
    let own = service.entity_id.as_str();
    if let Some(other) = policy.sp_name_qualifier.as_deref().filter(|qualifier| *qualifier != own) {
        return Err(format!("a name for `{other}` and not for the service itself"));
    }
    match &policy.format {
        None | Some(NameIdFormat::Unspecified) => Ok(None),
        Some(NameIdFormat::EmailAddress) if service.settings.withholds_names() => {
            Err("people's addresses, which the settings of the service keep from it".to_owned())
        }
        Some(format @ (NameIdFormat::EmailAddress | NameIdFormat::Persistent | NameIdFormat::Transient)) => {
            Ok(Some(format.clone()))
        }
        Some(other) => Err(format!("a name of the format `{}`", other.uri())),
    }
}

/// What the service calls the person.
///
/// # Errors
/// No randomness.
pub fn of(person: &Person, service: &EntityId, format: Option<&NameIdFormat>) -> Result<NameId, NoRandomness> {
    Ok(match format {
        Some(NameIdFormat::Persistent) => NameId { format: NameIdFormat::Persistent, value: pairwise(person, service) },
        Some(NameIdFormat::Transient) => NameId { format: NameIdFormat::Transient, value: random::row_id()? },
        _ => NameId { format: NameIdFormat::EmailAddress, value: person.name_id.clone() },
    })
}

/// A name that is the same each time for this service, and another one for every other (Core §8.3.7): made from the person's row, whose 128 random
/// bits no service learns.
pub(crate) fn pairwise(person: &Person, service: &EntityId) -> String {
    let mut hash = Context::new(&SHA256);
    for part in ["countersign persistent name", &person.id, service.as_str()] {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    HEXLOWER.encode(&hash.finish().as_ref()[..20])
}

/// The attribute by which every service knows the person, whatever it calls them.
#[must_use]
pub fn mail(person: &Person) -> Attribute {
    Attribute {
        name: MAIL.to_owned(),
        name_format: Some(URI_NAMES.to_owned()),
        friendly_name: Some("mail".to_owned()),
        values: vec![person.name_id.clone()],
    }
}

#[cfg(test)]
mod tests {
    use saml::time::UtcTime;

    use super::*;
    use crate::service_settings::{NameFormat, ServiceSettings};
    use crate::store::person::Origin;

    fn person(id: &str) -> Person {
        let (tenant, name) = ("t".to_owned(), "alice@example.test".to_owned());
        Person::new(id.to_owned(), tenant, name, Origin::SignOn, UtcTime::from_unix_seconds(0))
    }

    fn service(settings: ServiceSettings) -> ServiceProvider {
        ServiceProvider {
            entity_id: "https://service.example".parse().unwrap(),
            tenant_id: "t".to_owned(),
            acs_url: "https://service.example/acs".to_owned(),
            metadata: String::new(),
            created_at: UtcTime::from_unix_seconds(0),
            metadata_url: None,
            settings,
        }
    }

    fn policy(format: &str, qualifier: Option<&str>) -> NameIdPolicy {
        let format = Some(NameIdFormat::from_uri(format));
        NameIdPolicy { format, sp_name_qualifier: qualifier.map(str::to_owned), allow_create: false }
    }

    #[test]
    fn a_format_that_nobody_has_here_is_not_replaced_by_another() {
        let service = service(ServiceSettings::default());
        assert_eq!(demanded(None, &service), Ok(None));
        let persistent = policy(NameIdFormat::Persistent.uri(), Some("https://service.example"));
        assert_eq!(demanded(Some(&persistent), &service), Ok(Some(NameIdFormat::Persistent)));
        for wrong in ["urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos", NameIdFormat::Entity.uri(), "urn:x"] {
            assert!(demanded(Some(&policy(wrong, None)), &service).is_err(), "{wrong}");
        }
        let elsewhere = policy(NameIdFormat::Persistent.uri(), Some("https://group.example"));
        assert!(demanded(Some(&elsewhere), &service).is_err());
    }

    #[test]
    fn a_service_that_is_not_to_learn_addresses_gets_none_by_asking() {
        let email = policy(NameIdFormat::EmailAddress.uri(), None);
        for (name_id_format, mail, is_told) in [
            (NameFormat::Email, true, true),
            (NameFormat::Persistent, true, true),
            (NameFormat::Persistent, false, false),
        ] {
            let settings = ServiceSettings { name_id_format, mail, ..ServiceSettings::default() };
            assert_eq!(demanded(Some(&email), &service(settings)).is_ok(), is_told, "{name_id_format}, {mail}");
        }
    }

    #[test]
    fn a_persistent_name_stays_and_is_another_one_elsewhere_and_a_transient_one_is_new_each_time() {
        let [one, two] = ["https://one.example", "https://two.example"].map(|text| text.parse().unwrap());
        let name = |person: &Person, service, format: &NameIdFormat| of(person, service, Some(format)).unwrap().value;
        let (alice, bob) = (person("a"), person("b"));
        let persistent = NameIdFormat::Persistent;
        assert_eq!(name(&alice, &one, &persistent), name(&alice, &one, &persistent));
        assert_ne!(name(&alice, &one, &persistent), name(&alice, &two, &persistent));
        assert_ne!(name(&alice, &one, &persistent), name(&bob, &one, &persistent));
        let transient = NameIdFormat::Transient;
        assert_ne!(name(&alice, &one, &transient), name(&alice, &one, &transient));
        assert_eq!(of(&alice, &one, None).unwrap().value, "alice@example.test");
    }
}
