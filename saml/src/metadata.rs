//! `md:EntityDescriptor` (Metadata 2.3.2) of identity providers and service providers.
//!
//! What others write is read leniently in its order and strictly in its values: roles, extensions and services that mean nothing here are
//! passed over.

mod endpoint;
mod entity;

pub use endpoint::{Binding, Endpoint, IndexedEndpoint};
pub use entity::{ChoiceError, Role, entity_document};

use crate::dsig::{self, Accepted, Covered, Enveloped, Place, decode};
use crate::key::{KeyError, SignError, VerifyingKey};
use crate::name::{EntityId, MessageId, NameIdFormat};
use crate::rejection::{Rejection, RejectionReason};
use crate::response::SigningIdentity;
use crate::time::UtcTime;
use crate::wire;
use endpoint::{Usable, default_of, endpoints, indexed_endpoints, location};
use entity::role_of;

use crate::xml::{Comments, Document, Element, Namespace, Writer};

const MD: Namespace = Namespace::Metadata;
const ACS: &str = "AssertionConsumerService";
const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";

/// The identity provider's half (Metadata 2.4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdpMetadata {
    /// `entityID`.
    pub entity_id: EntityId,
    /// `validUntil`.
    pub valid_until: Option<UtcTime>,
    /// The certificates of the signing keys in DER, two or more during a roll-over.
    pub signing_certificates: Vec<Vec<u8>>,
    /// `SingleSignOnService`.
    pub sso: Vec<Endpoint>,
    /// `SingleLogoutService`.
    pub slo: Vec<Endpoint>,
    /// `WantAuthnRequestsSigned`.
    pub want_authn_requests_signed: bool,
}

/// The service provider's half (Metadata 2.4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpMetadata {
    /// `entityID`.
    pub entity_id: EntityId,
    /// `validUntil`.
    pub valid_until: Option<UtcTime>,
    /// The certificates of the signing keys in DER.
    pub signing_certificates: Vec<Vec<u8>>,
    /// `AssertionConsumerService`: assertions go to these addresses and nowhere else.
    pub acs: Vec<IndexedEndpoint>,
    /// `SingleLogoutService`.
    pub slo: Vec<Endpoint>,
    /// `WantAssertionsSigned`.
    pub want_assertions_signed: bool,
    /// `AuthnRequestsSigned`.
    pub authn_requests_signed: bool,
    /// `NameIDFormat`, in order of preference.
    pub name_id_formats: Vec<NameIdFormat>,
    /// `mdui:DisplayName` (Metadata Extensions for Login and Discovery User Interface 2.1.2), in English where it is there in several
    /// languages; else `OrganizationDisplayName`.
    pub display_name: Option<String>,
    /// `init:RequestInitiator`: where a browser is sent that is to begin a sign-on at the service itself (Service Provider Request Initiation
    /// Protocol and Profile 2.3).
    pub request_initiator: Option<String>,
}

impl IdpMetadata {
    const ROLE: Role = Role::IdentityProvider;

    /// Writes the document.
    pub fn to_xml(&self) -> String {
        self.write(None).0
    }

    /// Writes the document with an enveloped signature (Metadata 3), by which those who trust the key follow a roll-over.
    pub fn to_signed_xml(&self, identity: &SigningIdentity<'_>) -> Result<String, SignError> {
        let id = id_for(&self.to_xml());
        let (xml, position) = self.write(Some(&id));
        Enveloped { xml, position, id: id.as_str() }.sign(identity.key())
    }

    fn write(&self, id: Option<&MessageId>) -> (String, usize) {
        let mut writer = Writer::new();
        let position = start_entity(&mut writer, id, &self.entity_id, self.valid_until);
        writer
            .start(MD, "IDPSSODescriptor")
            .attribute("WantAuthnRequestsSigned", if self.want_authn_requests_signed { "true" } else { "false" })
            .attribute("protocolSupportEnumeration", PROTOCOL);
        write_keys(&mut writer, &self.signing_certificates);
        write_endpoints(&mut writer, "SingleLogoutService", &self.slo);
        write_endpoints(&mut writer, "SingleSignOnService", &self.sso);
        (writer.finish(), position)
    }

    /// Reads a document that the administrator, or a connection that is trusted, vouches for; a signature in it is not looked at.
    pub fn parse(xml: &[u8]) -> Result<Self, Rejection> {
        let document = Document::parse(xml, Comments::Skipped)?;
        Self::read(only(&document, Self::ROLE)?)
    }

    /// Reads a document that one of the keys has signed and whose time is not over; one without `validUntil` is refused.
    pub fn parse_signed(xml: &[u8], keys: &[VerifyingKey], now: UtcTime) -> Result<Self, Rejection> {
        let document = Document::parse(xml, Comments::Refused)?;
        let metadata = Self::read(covered_entity(&document, keys)?.element())?;
        check_end_is_named(metadata.valid_until)?;
        metadata.check_valid(now)?;
        Ok(metadata)
    }

    /// Refuses metadata whose `validUntil` has passed.
    pub fn check_valid(&self, now: UtcTime) -> Result<(), Rejection> {
        check_valid(self.valid_until, now)
    }

    /// The keys to pin; none that can be used is an error, never "no check".
    pub fn signing_keys(&self) -> Result<Vec<VerifyingKey>, KeyError> {
        signing_keys(&self.signing_certificates)
    }

    fn read(element: Element<'_>) -> Result<Self, Rejection> {
        let role = role_of(element, Self::ROLE)?;
        let sso = endpoints(role, "SingleSignOnService").some(role, "SingleSignOnService")?;
        Ok(Self {
            entity_id: wire::required_entity_id(element, "entityID")?,
            valid_until: entity::valid_until(role)?,
            signing_certificates: certificates(role).list,
            sso,
            slo: endpoints(role, "SingleLogoutService").list,
            want_authn_requests_signed: wire::optional_boolean(role, "WantAuthnRequestsSigned")?,
        })
    }
}

impl SpMetadata {
    const ROLE: Role = Role::ServiceProvider;

    /// Writes the document.
    pub fn to_xml(&self) -> String {
        let mut writer = Writer::new();
        start_entity(&mut writer, None, &self.entity_id, self.valid_until);
        let truth = |flag: bool| if flag { "true" } else { "false" };
        writer
            .start(MD, "SPSSODescriptor")
            .attribute("AuthnRequestsSigned", truth(self.authn_requests_signed))
            .attribute("WantAssertionsSigned", truth(self.want_assertions_signed))
            .attribute("protocolSupportEnumeration", PROTOCOL);
        self.write_extensions(&mut writer);
        write_keys(&mut writer, &self.signing_certificates);
        write_endpoints(&mut writer, "SingleLogoutService", &self.slo);
        for format in &self.name_id_formats {
            writer.leaf(MD, "NameIDFormat", format.uri());
        }
        for endpoint in &self.acs {
            writer
                .start(MD, "AssertionConsumerService")
                .attribute("Binding", endpoint.binding.uri())
                .attribute("Location", &endpoint.location)
                .attribute("index", &endpoint.index.to_string())
                .optional_attribute("isDefault", endpoint.is_default.map(truth))
                .end();
        }
        writer.finish()
    }

    fn write_extensions(&self, writer: &mut Writer) {
        if self.request_initiator.is_none() && self.display_name.is_none() {
            return;
        }
        writer.start(MD, "Extensions");
        if let Some(location) = &self.request_initiator {
            let init = Namespace::RequestInitiation;
            writer.start(init, "RequestInitiator").attribute("Binding", init.uri()).attribute("Location", location);
            writer.end();
        }
        if let Some(name) = &self.display_name {
            let mdui = Namespace::UserInterface;
            writer.start(mdui, "UIInfo").start(mdui, "DisplayName");
            writer.prefixed_attribute(Namespace::Xml, "lang", "en").text(name).end().end();
        }
        writer.end();
    }

    /// Reads a document that the administrator vouches for; a signature in it is not looked at.
    pub fn parse(xml: &[u8]) -> Result<Self, Rejection> {
        let document = Document::parse(xml, Comments::Skipped)?;
        Self::read(only(&document, Self::ROLE)?)
    }

    /// Reads a document that one of the keys has signed and whose time is not over; one without `validUntil` is refused.
    pub fn parse_signed(xml: &[u8], keys: &[VerifyingKey], now: UtcTime) -> Result<Self, Rejection> {
        let document = Document::parse(xml, Comments::Refused)?;
        let metadata = Self::read(covered_entity(&document, keys)?.element())?;
        check_end_is_named(metadata.valid_until)?;
        metadata.check_valid(now)?;
        Ok(metadata)
    }

    /// Refuses metadata whose `validUntil` has passed.
    pub fn check_valid(&self, now: UtcTime) -> Result<(), Rejection> {
        check_valid(self.valid_until, now)
    }

    /// The keys to pin; none that can be used is an error, never "no check".
    pub fn signing_keys(&self) -> Result<Vec<VerifyingKey>, KeyError> {
        signing_keys(&self.signing_certificates)
    }

    /// The address for a binding where the request names none (Metadata 2.2.3): the one marked as default, else the first that is not marked as none.
    pub fn default_acs(&self, binding: &Binding) -> Option<&IndexedEndpoint> {
        default_of(self.acs.iter().filter(|endpoint| endpoint.binding == *binding))
    }

    /// The registered address that a request names by its URL, octet for octet.
    pub fn acs_by_url(&self, binding: &Binding, url: &str) -> Option<&IndexedEndpoint> {
        self.acs.iter().find(|endpoint| endpoint.binding == *binding && endpoint.location == url)
    }

    /// The registered address that a request names by its index.
    pub fn acs_by_index(&self, index: u16) -> Option<&IndexedEndpoint> {
        self.acs.iter().find(|endpoint| endpoint.index == index)
    }

    fn read(element: Element<'_>) -> Result<Self, Rejection> {
        let role = role_of(element, Self::ROLE)?;
        let acs = indexed_endpoints(role, ACS).some(role, ACS)?;
        let formats =
            children(role, "NameIDFormat").map(|format| Ok(NameIdFormat::from_uri(wire::collapsed(format.text()?))));
        Ok(Self {
            entity_id: wire::required_entity_id(element, "entityID")?,
            valid_until: entity::valid_until(role)?,
            signing_certificates: certificates(role).list,
            acs,
            slo: endpoints(role, "SingleLogoutService").list,
            want_assertions_signed: wire::optional_boolean(role, "WantAssertionsSigned")?,
            authn_requests_signed: wire::optional_boolean(role, "AuthnRequestsSigned")?,
            name_id_formats: formats.collect::<Result<_, Rejection>>()?,
            display_name: display_name(element, role)?,
            request_initiator: request_initiator(role).list.into_iter().next(),
        })
    }
}

/// What people call the service: extensions that are not understood are passed over, as everywhere.
fn display_name(entity: Element<'_>, role: Element<'_>) -> Result<Option<String>, Rejection> {
    let of_role = extensions(role).filter(|element| element.is(Namespace::UserInterface, "DisplayName"));
    let organisation =
        children(entity, "Organization").flat_map(|organisation| children(organisation, "OrganizationDisplayName"));
    let names: Vec<_> = of_role.chain(organisation).collect();
    let in_english = names.iter().find(|name| name.attribute_in(Namespace::Xml, "lang") == Some("en"));
    let Some(name) = in_english.or(names.first()) else { return Ok(None) };
    let name = name.text()?.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Some(name).filter(|name| !name.is_empty()))
}

/// Profile 2.3.1: `Binding` is the profile's own.
fn request_initiator(role: Element<'_>) -> Usable<String> {
    let init = Namespace::RequestInitiation;
    let is_its = |binding: Option<&str>| binding.map(wire::collapsed) == Some(init.uri());
    let initiators =
        extensions(role).filter(|element| element.is(init, "RequestInitiator") && is_its(element.attribute("Binding")));
    Usable::read(initiators, location)
}

fn extensions<'d>(role: Element<'d>) -> impl Iterator<Item = Element<'d>> {
    children(role, "Extensions").flat_map(Element::descendants)
}

/// An ID that is another for every content, so that nobody has to bring randomness along.
fn id_for(xml: &str) -> MessageId {
    let mut octets = [0; 20];
    let digest = ring::digest::digest(&ring::digest::SHA256, xml.as_bytes());
    octets.iter_mut().zip(digest.as_ref()).for_each(|(octet, byte)| *octet = *byte);
    MessageId::from_random(octets)
}

/// Writes the start, and says where a signature goes.
fn start_entity(
    writer: &mut Writer,
    id: Option<&MessageId>,
    entity_id: &EntityId,
    valid_until: Option<UtcTime>,
) -> usize {
    let valid_until = valid_until.map(|instant| instant.to_string());
    writer
        .start(MD, "EntityDescriptor")
        .optional_attribute("ID", id.map(MessageId::as_str))
        .attribute("entityID", entity_id.as_str())
        .optional_attribute("validUntil", valid_until.as_deref())
        .position()
}

fn write_keys(writer: &mut Writer, certificates: &[Vec<u8>]) {
    let ds = Namespace::Signature;
    for certificate in certificates {
        writer.start(MD, "KeyDescriptor").attribute("use", "signing").start(ds, "KeyInfo").start(ds, "X509Data");
        writer.leaf(ds, "X509Certificate", &dsig::encode(certificate)).end().end().end();
    }
}

fn write_endpoints(writer: &mut Writer, local: &'static str, endpoints: &[Endpoint]) {
    for endpoint in endpoints {
        writer
            .start(MD, local)
            .attribute("Binding", endpoint.binding.uri())
            .attribute("Location", &endpoint.location)
            .end();
    }
}

fn covered_entity<'d>(document: &'d Document, keys: &[VerifyingKey]) -> Result<Covered<'d>, Rejection> {
    let entity = document.root();
    let signature = dsig::signature_of(entity, Place::First)?;
    dsig::check_census(document, &[], signature.as_slice())?;
    dsig::verify(entity, signature.ok_or(RejectionReason::NoSignature)?, keys, Accepted::default())
}

/// A signature holds for ever: without an end, the keeper of an old document could bring the keys in it back after they were retired.
fn check_end_is_named(valid_until: Option<UtcTime>) -> Result<(), Rejection> {
    valid_until.map(|_| ()).ok_or_else(|| RejectionReason::MetadataWithoutEnd.into())
}

fn check_valid(valid_until: Option<UtcTime>, now: UtcTime) -> Result<(), Rejection> {
    match valid_until.filter(|end| now >= *end) {
        Some(end) => Err(Rejection::about(RejectionReason::MetadataExpired, &end.to_string())),
        None => Ok(()),
    }
}

fn signing_keys(certificates: &[Vec<u8>]) -> Result<Vec<VerifyingKey>, KeyError> {
    let mut first_fault = KeyError::NoKey;
    let mut keys = Vec::new();
    for certificate in certificates {
        match VerifyingKey::from_certificate_der(certificate) {
            Ok(key) => keys.push(key),
            Err(fault) if first_fault == KeyError::NoKey => first_fault = fault,
            Err(_) => {}
        }
    }
    if keys.is_empty() { Err(first_fault) } else { Ok(keys) }
}

fn children<'d>(parent: Element<'d>, local: &'static str) -> impl Iterator<Item = Element<'d>> {
    parent.children().filter(move |child| child.is(MD, local))
}

/// The first certificate of each key that is for signing (Metadata 2.4.1.1); the others of an `X509Data` are its chain, which means nothing.
fn certificates(role: Element<'_>) -> Usable<Vec<u8>> {
    let for_signing = |descriptor: &Element<'_>| descriptor.attribute("use").is_none_or(|purpose| purpose == "signing");
    let is_certificate = |element: &Element<'_>| element.is(Namespace::Signature, "X509Certificate");
    let keys = children(role, "KeyDescriptor").filter(for_signing);
    Usable::read(keys.filter_map(|key| key.descendants().find(is_certificate)), |certificate| {
        let unreadable = |fault: Rejection| Rejection::about(fault.reason(), "KeyDescriptor//X509Certificate");
        decode(certificate.text()?).map_err(unreadable)
    })
}

/// What of the metadata of a service or an identity provider is passed over because it can't be used, and why: one sentence each. Nothing where the
/// document can't be read at all.
pub fn passed_over(xml: &[u8], role: Role) -> Vec<String> {
    let Ok(document) = Document::parse(xml, Comments::Skipped) else { return Vec::new() };
    let Ok(element) = only(&document, role).and_then(|entity| role_of(entity, role)) else { return Vec::new() };
    let mut faults = endpoints(element, "SingleLogoutService").faults;
    faults.extend(match role {
        Role::IdentityProvider => endpoints(element, "SingleSignOnService").faults,
        Role::ServiceProvider => indexed_endpoints(element, ACS).faults,
    });
    faults.extend(request_initiator(element).faults);
    let certificates = certificates(element);
    faults.extend(certificates.faults);
    let unusable = certificates.list.iter().filter_map(|der| VerifyingKey::from_certificate_der(der).err());
    let unusable = unusable.map(|error| format!("a certificate in `KeyDescriptor` can't be used: {error}"));
    faults.iter().map(ToString::to_string).chain(unusable).map(|fault| format!("passed over: {fault}")).collect()
}

/// The entity that is meant where nobody has said which.
fn only(document: &Document, role: Role) -> Result<Element<'_>, Rejection> {
    entity::choose(document.root(), role, None).map_err(|error| match error {
        ChoiceError::Rejected(rejection) => rejection,
        ChoiceError::Several { .. } | ChoiceError::NotThere { .. } => {
            Rejection::about(RejectionReason::UnexpectedRoot, "EntitiesDescriptor")
                .with_hint("it describes several entities; one of them has to be chosen by its entity ID")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SignatureAlgorithm;
    use crate::key::tests::{RSA_CERTIFICATE, p256, rsa};

    fn idp() -> IdpMetadata {
        IdpMetadata {
            entity_id: "https://cloud.example.net/saml/metadata".parse().unwrap(),
            valid_until: Some(UtcTime::from_unix_seconds(2_000_000_000)),
            signing_certificates: vec![RSA_CERTIFICATE.to_vec(), RSA_CERTIFICATE.to_vec()],
            sso: vec![Endpoint { binding: Binding::Soap, location: "https://cloud.example.net/saml/soap".into() }],
            slo: vec![Endpoint { binding: Binding::Redirect, location: "https://cloud.example.net/saml/slo".into() }],
            want_authn_requests_signed: true,
        }
    }

    fn sp() -> SpMetadata {
        let acs = |index, is_default| IndexedEndpoint {
            binding: Binding::Post,
            location: format!("https://sp.example/acs/{index}"),
            index,
            is_default: Some(is_default),
        };
        SpMetadata {
            entity_id: "https://sp.example/metadata".parse().unwrap(),
            valid_until: None,
            signing_certificates: vec![],
            acs: vec![acs(0, false), acs(7, true)],
            slo: vec![],
            want_assertions_signed: true,
            authn_requests_signed: false,
            name_id_formats: vec![NameIdFormat::EmailAddress],
            display_name: Some("Wiki & more".into()),
            request_initiator: Some("https://sp.example/start".into()),
        }
    }

    #[test]
    fn both_kinds_survive_the_round_trip() {
        assert_eq!(IdpMetadata::parse(idp().to_xml().as_bytes()).unwrap(), idp());
        assert_eq!(SpMetadata::parse(sp().to_xml().as_bytes()).unwrap(), sp());
    }

    #[test]
    fn a_service_is_called_by_its_english_name_or_its_organisation_s() {
        let xml = sp().to_xml();
        let named = |names: &str, organisation: &str| {
            let xml = xml.replace("<mdui:DisplayName xml:lang=\"en\">Wiki &amp; more</mdui:DisplayName>", names);
            let xml = xml.replace("</md:EntityDescriptor>", &format!("{organisation}</md:EntityDescriptor>"));
            SpMetadata::parse(xml.as_bytes()).unwrap().display_name
        };
        let name = |language, name| format!("<mdui:DisplayName xml:lang=\"{language}\">{name}</mdui:DisplayName>");
        assert_eq!(named(&[name("de", "Das Wiki"), name("en", "The\nwiki")].concat(), "").as_deref(), Some("The wiki"));
        assert_eq!(named(&name("de", "Das Wiki"), "").as_deref(), Some("Das Wiki"));
        let organisation = "<md:Organization><md:OrganizationName xml:lang=\"en\">ex</md:OrganizationName>\
            <md:OrganizationDisplayName xml:lang=\"en\">Example</md:OrganizationDisplayName>\
            <md:OrganizationURL xml:lang=\"en\">https://ex</md:OrganizationURL></md:Organization>";
        assert_eq!(named("", organisation).as_deref(), Some("Example"));
        assert_eq!(named("", ""), None);
    }

    #[test]
    fn signed_metadata_is_read_only_with_the_key_and_in_its_time() {
        let signer = rsa(SignatureAlgorithm::RsaSha256);
        let xml = idp().to_signed_xml(&SigningIdentity { signer: &signer, certificate_der: RSA_CERTIFICATE }).unwrap();
        let now = UtcTime::from_unix_seconds(1_900_000_000);
        let keys = idp().signing_keys().unwrap();
        assert_eq!(IdpMetadata::parse_signed(xml.as_bytes(), &keys, now).unwrap(), idp());
        let refused = |xml: &str, keys: &[VerifyingKey], now| {
            IdpMetadata::parse_signed(xml.as_bytes(), keys, now).unwrap_err().reason()
        };
        assert_eq!(refused(&xml, &[p256().verifying_key().unwrap()], now), RejectionReason::AlgorithmNotForKey);
        assert_eq!(refused(&xml, &[], now), RejectionReason::NoPinnedKey);
        assert_eq!(refused(&xml.replace("saml/soap", "saml/soup"), &keys, now), RejectionReason::DigestMismatch);
        assert_eq!(refused(&idp().to_xml(), &keys, now), RejectionReason::NoSignature);
        assert_eq!(refused(&xml, &keys, UtcTime::from_unix_seconds(2_000_000_000)), RejectionReason::MetadataExpired);
    }

    #[test]
    fn signed_metadata_has_to_name_its_end() {
        let signer = rsa(SignatureAlgorithm::RsaSha256);
        let identity = SigningIdentity { signer: &signer, certificate_der: RSA_CERTIFICATE };
        let endless = IdpMetadata { valid_until: None, ..idp() };
        let xml = endless.to_signed_xml(&identity).unwrap();
        let now = UtcTime::from_unix_seconds(1_900_000_000);
        let refused = IdpMetadata::parse_signed(xml.as_bytes(), &endless.signing_keys().unwrap(), now).unwrap_err();
        assert_eq!(refused.reason(), RejectionReason::MetadataWithoutEnd);
        assert_eq!(IdpMetadata::parse(xml.as_bytes()).unwrap(), endless);
    }

    #[test]
    fn the_default_is_the_first_that_is_not_said_to_be_none() {
        let acs = |marks: &[Option<bool>]| {
            let endpoint = |(index, is_default): (u16, &Option<bool>)| IndexedEndpoint {
                binding: Binding::Post,
                location: format!("https://sp.example/acs/{index}"),
                index,
                is_default: *is_default,
            };
            let written = SpMetadata { acs: (0..).zip(marks).map(endpoint).collect(), ..sp() };
            SpMetadata::parse(written.to_xml().as_bytes()).unwrap().default_acs(&Binding::Post).unwrap().index
        };
        let (yes, no) = (Some(true), Some(false));
        for (marks, index) in [
            (&[no, None][..], 1),
            (&[None, None], 0),
            (&[None, yes], 1),
            (&[no, yes, yes], 1),
            (&[no, no], 0),
            (&[no, None, yes], 2),
        ] {
            assert_eq!(acs(marks), index, "{marks:?}");
        }
    }

    #[test]
    fn white_space_at_the_ends_of_values_means_nothing() {
        let spaced = sp().to_xml();
        let valued =
            ["https://sp.example/acs/0", "https://sp.example/metadata", "https://sp.example/start", "true", "7"];
        let spaced = valued
            .iter()
            .fold(spaced, |xml, value| xml.replace(&format!("\"{value}\""), &format!("\"\n\t {value} \r\n\"")));
        let binding = Binding::Post.uri().to_owned();
        let spaced = spaced.replace(&format!("\"{binding}\""), &format!("\" {binding} \""));
        let spaced = spaced.replace("entityID=", "validUntil=\" 2033-05-18T03:33:20Z \" entityID=");
        let spaced = spaced.replace(":emailAddress<", ":emailAddress\n <");
        let until = Some(UtcTime::from_unix_seconds(2_000_000_000));
        assert_eq!(SpMetadata::parse(spaced.as_bytes()).unwrap(), SpMetadata { valid_until: until, ..sp() });
        let inside = sp().to_xml().replace("acs/0", "acs /0").replace("acs/7", "acs /7");
        assert_eq!(SpMetadata::parse(inside.as_bytes()).unwrap_err().reason(), RejectionReason::BadValue);
    }

    #[test]
    fn an_endpoint_that_cannot_be_used_is_passed_over_and_named() {
        let xml = sp().to_xml();
        for (good, bad, named) in [
            (
                "https://sp.example/acs/7",
                "javascript:alert(1)",
                "AssertionConsumerService/@Location=\\\"javascript:alert(1)",
            ),
            ("index=\"7\"", "index=\"-7\"", "AssertionConsumerService/@index"),
            ("index=\"7\"", "", "AssertionConsumerService/@index"),
            ("isDefault=\"true\"", "isDefault=\"\"", "AssertionConsumerService/@isDefault"),
            ("https://sp.example/start", "javascript:alert(1)", "RequestInitiator/@Location"),
        ] {
            let named = named.replace("\\", "");
            let xml = xml.replace(good, bad);
            let read = SpMetadata::parse(xml.as_bytes()).unwrap();
            assert_eq!(
                read.default_acs(&Binding::Post).unwrap().index,
                if bad.contains("start") || good.contains("start") { 7 } else { 0 }
            );
            let notes = passed_over(xml.as_bytes(), Role::ServiceProvider);
            assert!(notes.len() == 1 && notes[0].contains(&named), "{notes:?}");
        }
        assert!(passed_over(xml.as_bytes(), Role::ServiceProvider).is_empty());
        let upper = xml.replace("https://sp.example/acs", "HTTPS://sp.example/acs");
        assert_eq!(SpMetadata::parse(upper.as_bytes()).unwrap().acs[0].location, "HTTPS://sp.example/acs/0");
    }

    #[test]
    fn a_value_that_is_not_of_its_type_is_named_with_what_has_to_be_there() {
        let xml = sp().to_xml();
        for (good, bad, element, wanted) in [
            (
                "AuthnRequestsSigned=\"false\"",
                "AuthnRequestsSigned=\"\"",
                "SPSSODescriptor/@AuthnRequestsSigned",
                "`true`",
            ),
            ("entityID=\"https://sp.example/metadata\"", "entityID=\"a b\"", "EntityDescriptor/@entityID", "entity ID"),
            ("entityID=\"https://sp.example/metadata\"", "", "EntityDescriptor/@entityID", "missing"),
            ("entityID=", "validUntil=\"2030-01-01T00:00:00+00:00\" entityID=", "EntityDescriptor/@validUntil", "`Z`"),
            ("AssertionConsumerService", "Other", "SPSSODescriptor/AssertionConsumerService", "missing"),
            ("<md:EntityDescriptor", "\n<?xml version=\"1.0\"?><md:EntityDescriptor", "", "first thing in the file"),
        ] {
            let refused = SpMetadata::parse(xml.replace(good, bad).as_bytes()).unwrap_err().to_string();
            assert!(refused.contains(element) && refused.contains(wanted), "{bad}: {refused}");
        }
    }

    #[test]
    fn chooses_the_default_address() {
        let sp = sp();
        assert_eq!(sp.default_acs(&Binding::Post).unwrap().index, 7);
        assert_eq!(sp.default_acs(&Binding::Paos), None);
        assert_eq!(sp.acs_by_index(0).unwrap().location, "https://sp.example/acs/0");
        assert!(sp.acs_by_url(&Binding::Post, "https://sp.example/acs/1").is_none());
    }

    #[test]
    fn no_usable_key_is_an_error() {
        assert_eq!(sp().signing_keys(), Err(KeyError::NoKey));
        assert_eq!(
            SpMetadata { signing_certificates: vec![vec![1]], ..sp() }.signing_keys(),
            Err(KeyError::Certificate)
        );
    }

    #[test]
    fn refuses_addresses_that_are_code() {
        let xml = sp().to_xml().replace("https://sp.example/acs", "javascript:acs");
        assert_eq!(SpMetadata::parse(xml.as_bytes()).unwrap_err().reason(), RejectionReason::BadValue);
    }
}
