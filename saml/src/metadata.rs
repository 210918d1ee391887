//! `md:EntityDescriptor` (Metadata 2.3.2) of identity providers and service providers.
//!
//! What others write is read leniently in its order and strictly in its values: roles, extensions and services that mean nothing here are
//! passed over.

use crate::dsig::{self, Accepted, Covered, Enveloped, Place, decode};
use crate::key::{KeyError, SignError, VerifyingKey};
use crate::name::{EntityId, MessageId, NameIdFormat};
use crate::rejection::{Rejection, RejectionReason};
use crate::response::SigningIdentity;
use crate::time::UtcTime;
use crate::wire;
use crate::xml::{Comments, Document, Element, Namespace, Writer};

const MD: Namespace = Namespace::Metadata;
const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";

/// How messages get to an endpoint (Bindings 3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Binding {
    /// HTTP Redirect.
    Redirect,
    /// HTTP POST.
    Post,
    /// SOAP over HTTP.
    Soap,
    /// Reverse SOAP, as ECP uses it.
    Paos,
    /// HTTP Artifact.
    Artifact,
    /// Any other URI.
    Other(String),
}

impl Binding {
    const NAMED: [(Self, &'static str); 5] = [
        (Self::Redirect, "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"),
        (Self::Post, "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"),
        (Self::Soap, "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"),
        (Self::Paos, "urn:oasis:names:tc:SAML:2.0:bindings:PAOS"),
        (Self::Artifact, "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"),
    ];

    /// The URI that stands for the binding on the wire.
    pub fn uri(&self) -> &str {
        if let Self::Other(uri) = self {
            return uri;
        }
        Self::NAMED.iter().find(|(binding, _)| binding == self).map_or("", |(_, uri)| uri)
    }

    /// The binding that `uri` stands for.
    pub fn from_uri(uri: &str) -> Self {
        let named = Self::NAMED.iter().find(|(_, known)| *known == uri);
        named.map_or_else(|| Self::Other(uri.to_owned()), |(binding, _)| binding.clone())
    }
}

/// `md:EndpointType` (Metadata 2.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `Binding`.
    pub binding: Binding,
    /// `Location`: an `https:` or `http:` address.
    pub location: String,
}

/// `md:IndexedEndpointType` (Metadata 2.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedEndpoint {
    /// `Binding`.
    pub binding: Binding,
    /// `Location`: an `https:` or `http:` address.
    pub location: String,
    /// `index`.
    pub index: u16,
    /// `isDefault`.
    pub is_default: bool,
}

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
        Self::read(document.root())
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
        let role = role(element, "IDPSSODescriptor")?;
        let sso = endpoints(role, "SingleSignOnService")?;
        if sso.is_empty() {
            return Err(Rejection::about(RejectionReason::MissingElement, "SingleSignOnService"));
        }
        Ok(Self {
            entity_id: wire::entity_id(element.required_attribute("entityID")?)?,
            valid_until: valid_until(element, role)?,
            signing_certificates: certificates(role)?,
            sso,
            slo: endpoints(role, "SingleLogoutService")?,
            want_authn_requests_signed: wire::optional_boolean(role, "WantAuthnRequestsSigned")?,
        })
    }
}

impl SpMetadata {
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
                .optional_attribute("isDefault", endpoint.is_default.then_some("true"))
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
        Self::read(document.root())
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

    /// The address for a binding where the request names none: the one marked as default, else the first (Metadata 2.2.3).
    pub fn default_acs(&self, binding: &Binding) -> Option<&IndexedEndpoint> {
        let mut fitting = self.acs.iter().filter(|endpoint| endpoint.binding == *binding);
        let first = fitting.clone().next();
        fitting.find(|endpoint| endpoint.is_default).or(first)
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
        let role = role(element, "SPSSODescriptor")?;
        let acs = children(role, "AssertionConsumerService").map(indexed_endpoint).collect::<Result<Vec<_>, _>>()?;
        if acs.is_empty() {
            return Err(Rejection::about(RejectionReason::MissingElement, "AssertionConsumerService"));
        }
        let formats = children(role, "NameIDFormat").map(|format| Ok(NameIdFormat::from_uri(format.text()?.trim())));
        Ok(Self {
            entity_id: wire::entity_id(element.required_attribute("entityID")?)?,
            valid_until: valid_until(element, role)?,
            signing_certificates: certificates(role)?,
            acs,
            slo: endpoints(role, "SingleLogoutService")?,
            want_assertions_signed: wire::optional_boolean(role, "WantAssertionsSigned")?,
            authn_requests_signed: wire::optional_boolean(role, "AuthnRequestsSigned")?,
            name_id_formats: formats.collect::<Result<_, Rejection>>()?,
            display_name: display_name(element, role)?,
            request_initiator: request_initiator(role)?,
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
fn request_initiator(role: Element<'_>) -> Result<Option<String>, Rejection> {
    let init = Namespace::RequestInitiation;
    let initiator = extensions(role)
        .find(|element| element.is(init, "RequestInitiator") && element.attribute("Binding") == Some(init.uri()));
    initiator.map(location).transpose()
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

/// A signature holds for ever: without an end, whoever kept an old document could bring the keys in it back after they were retired.
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

/// The only descriptor of a role that speaks SAML 2.0.
fn role<'d>(entity: Element<'d>, local: &'static str) -> Result<Element<'d>, Rejection> {
    if !entity.is(MD, "EntityDescriptor") {
        return Err(Rejection::about(RejectionReason::UnexpectedRoot, entity.local()));
    }
    let speaks_saml2 = |role: &Element<'_>| {
        role.attribute("protocolSupportEnumeration")
            .is_some_and(|list| list.split_ascii_whitespace().any(|item| item == PROTOCOL))
    };
    let mut roles = children(entity, local).filter(speaks_saml2);
    let role = roles.next().ok_or_else(|| Rejection::about(RejectionReason::MissingElement, local))?;
    match roles.next() {
        None => Ok(role),
        Some(_) => Err(Rejection::about(RejectionReason::UnexpectedElement, local)),
    }
}

/// The earlier of the entity's and the role's.
fn valid_until(entity: Element<'_>, role: Element<'_>) -> Result<Option<UtcTime>, Rejection> {
    let of_entity = entity.attribute("validUntil").map(wire::instant).transpose()?;
    let of_role = role.attribute("validUntil").map(wire::instant).transpose()?;
    Ok(of_entity.into_iter().chain(of_role).min())
}

/// The first certificate of each key that is for signing (Metadata 2.4.1.1); the others of an `X509Data` are its chain, which means nothing.
fn certificates(role: Element<'_>) -> Result<Vec<Vec<u8>>, Rejection> {
    let mut certificates = Vec::new();
    for descriptor in children(role, "KeyDescriptor") {
        if descriptor.attribute("use").is_some_and(|purpose| purpose != "signing") {
            continue;
        }
        let first = descriptor.descendants().find(|element| element.is(Namespace::Signature, "X509Certificate"));
        if let Some(certificate) = first {
            certificates.push(decode(certificate.text()?)?);
        }
    }
    Ok(certificates)
}

/// An address that a browser or an HTTP client may be sent to: `javascript:` and its kind are none.
fn location(element: Element<'_>) -> Result<String, Rejection> {
    let location = wire::uri(element.required_attribute("Location")?)?;
    if location.starts_with("https://") || location.starts_with("http://") {
        Ok(location)
    } else {
        Err(Rejection::about(RejectionReason::BadValue, &location))
    }
}

fn endpoints(role: Element<'_>, local: &'static str) -> Result<Vec<Endpoint>, Rejection> {
    let read = |element: Element<'_>| -> Result<Endpoint, Rejection> {
        Ok(Endpoint {
            binding: Binding::from_uri(element.required_attribute("Binding")?),
            location: location(element)?,
        })
    };
    children(role, local).map(read).collect()
}

fn indexed_endpoint(element: Element<'_>) -> Result<IndexedEndpoint, Rejection> {
    let index = element.required_attribute("index")?;
    Ok(IndexedEndpoint {
        binding: Binding::from_uri(element.required_attribute("Binding")?),
        location: location(element)?,
        index: index.parse().map_err(|_| Rejection::about(RejectionReason::BadValue, index))?,
        is_default: wire::optional_boolean(element, "isDefault")?,
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
            is_default,
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
        let elsewhere = xml.replace("https://sp.example/start", "javascript:alert(1)");
        assert_eq!(SpMetadata::parse(elsewhere.as_bytes()).unwrap_err().reason(), RejectionReason::BadValue);
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
        let xml = sp().to_xml().replace("https://sp.example/acs/7", "javascript:alert(1)");
        assert_eq!(SpMetadata::parse(xml.as_bytes()).unwrap_err().reason(), RejectionReason::BadValue);
    }
}
