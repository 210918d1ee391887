//! `samlp:AuthnRequest` (Core 3.4.1): made and signed by the agent, verified by the portal, and read from service providers.

use crate::binding::soap;
use crate::device::{DeviceStatement, Enrolment};
use crate::dsig::{Accepted, Covered, Enveloped, SigningKey};
use crate::key::{SignError, Signer, VerifyingKey};
use crate::message::{Message, check_fresh};
use crate::name::{EntityId, MessageId, NameId, NameIdFormat};
use crate::rejection::{Rejection, RejectionReason};
use crate::time::UtcTime;
use crate::token::TokenId;
use crate::wire;
use crate::xml::{Element, Namespace, Sequence, Writer};

const SAMLP: Namespace = Namespace::Protocol;
const SAML: Namespace = Namespace::Assertion;
const NAME: &str = "AuthnRequest";

/// What is asked of the identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthnRequest {
    /// `ID`.
    pub id: MessageId,
    /// `IssueInstant`.
    pub issue_instant: UtcTime,
    /// `Destination`: where the request is sent; a signed request has to have it.
    pub destination: Option<String>,
    /// `Issuer`: who asks.
    pub issuer: EntityId,
    /// `IsPassive`: nobody may be asked anything.
    pub is_passive: bool,
    /// `ForceAuthn`: an earlier sign-in does not count.
    pub force_authn: bool,
    /// `AssertionConsumerServiceURL`; good only if the issuer's metadata has it.
    pub acs_url: Option<String>,
    /// `AssertionConsumerServiceIndex`, an index into the issuer's metadata.
    pub acs_index: Option<u16>,
    /// `ProtocolBinding`: how the answer is to be delivered.
    pub protocol_binding: Option<String>,
    /// `thrpty:RespondTo`: for whom the assertion is meant, if not for the issuer (SAML V2.0 Protocol Extension for Third-Party Requests).
    pub respond_to: Option<EntityId>,
    /// `cs:Device`: what a device says about its user and itself.
    pub device: Option<DeviceStatement>,
    /// `Subject/NameID`: whom the request is about.
    pub subject: Option<NameId>,
    /// `NameIDPolicy`.
    pub name_id_policy: Option<NameIdPolicy>,
    /// `RequestedAuthnContext`.
    pub requested_authn_context: Option<RequestedAuthnContext>,
    /// `Scoping/RequesterID`.
    pub requesters: Vec<EntityId>,
}

/// `samlp:NameIDPolicy` (Core 3.4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameIdPolicy {
    /// `Format`.
    pub format: Option<NameIdFormat>,
    /// `AllowCreate`: the user may be created by signing in.
    pub allow_create: bool,
}

/// `RequestedAuthnContext/@Comparison` (Core 3.3.2.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Comparison {
    /// One of the contexts listed.
    #[default]
    Exact,
    /// At least as strong as one of them.
    Minimum,
    /// As strong as possible, up to one of them.
    Maximum,
    /// Stronger than each of them.
    Better,
}

impl Comparison {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Exact, "exact"), (Self::Minimum, "minimum"), (Self::Maximum, "maximum"), (Self::Better, "better")];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(comparison, _)| *comparison == self).map_or("exact", |(_, text)| text)
    }

    fn parse(text: &str) -> Result<Self, Rejection> {
        let found = Self::ALL.iter().find(|(_, known)| *known == text);
        found.map(|(comparison, _)| *comparison).ok_or_else(|| Rejection::about(RejectionReason::BadValue, text))
    }
}

/// `samlp:RequestedAuthnContext` (Core 3.3.2.2.1) by classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedAuthnContext {
    /// How the classes are to be compared.
    pub comparison: Comparison,
    /// `AuthnContextClassRef`, in order of preference.
    pub class_refs: Vec<String>,
}

impl AuthnRequest {
    /// A request that asks for nothing in particular.
    pub fn new(id: MessageId, issue_instant: UtcTime, issuer: EntityId) -> Self {
        Self {
            id,
            issue_instant,
            destination: None,
            issuer,
            is_passive: false,
            force_authn: false,
            acs_url: None,
            acs_index: None,
            protocol_binding: None,
            respond_to: None,
            device: None,
            subject: None,
            name_id_policy: None,
            requested_authn_context: None,
            requesters: Vec::new(),
        }
    }

    /// Writes the request with an enveloped signature after `Issuer`, without `KeyInfo`: the portal knows the key by the issuer.
    pub fn sign(&self, signer: &dyn Signer) -> Result<SignedRequest, SignError> {
        let (xml, position) = self.write();
        let xml =
            Enveloped { xml, position, id: self.id.as_str() }.sign(SigningKey { signer, certificate_der: None })?;
        Ok(SignedRequest { xml, id: self.id.clone() })
    }

    /// Writes the request without a signature, as service providers send it over the Redirect binding, whose signature is elsewhere.
    pub fn to_unsigned_xml(&self) -> String {
        self.write().0
    }

    /// The document, and where its signature goes.
    fn write(&self) -> (String, usize) {
        let mut writer = Writer::new();
        let truth = |flag: bool| flag.then_some("true");
        let index = self.acs_index.map(|index| index.to_string());
        writer
            .start(SAMLP, NAME)
            .optional_attribute("AssertionConsumerServiceIndex", index.as_deref())
            .optional_attribute("AssertionConsumerServiceURL", self.acs_url.as_deref())
            .optional_attribute("Destination", self.destination.as_deref())
            .optional_attribute("ForceAuthn", truth(self.force_authn))
            .attribute("ID", self.id.as_str())
            .optional_attribute("IsPassive", truth(self.is_passive))
            .attribute("IssueInstant", &self.issue_instant.to_string())
            .optional_attribute("ProtocolBinding", self.protocol_binding.as_deref())
            .attribute("Version", "2.0");
        wire::write_issuer(&mut writer, &self.issuer);
        let position = writer.position();
        self.write_extensions(&mut writer);
        if let Some(subject) = &self.subject {
            writer.start(SAML, "Subject");
            wire::write_name_id(&mut writer, subject);
            writer.end();
        }
        if let Some(policy) = &self.name_id_policy {
            let format = policy.format.as_ref().map(NameIdFormat::uri);
            writer.start(SAMLP, "NameIDPolicy").optional_attribute("AllowCreate", truth(policy.allow_create));
            writer.optional_attribute("Format", format).end();
        }
        if let Some(context) = &self.requested_authn_context {
            writer.start(SAMLP, "RequestedAuthnContext").attribute("Comparison", context.comparison.as_str());
            for class in &context.class_refs {
                writer.leaf(SAML, "AuthnContextClassRef", class);
            }
            writer.end();
        }
        if !self.requesters.is_empty() {
            writer.start(SAMLP, "Scoping");
            for requester in &self.requesters {
                writer.leaf(SAMLP, "RequesterID", requester.as_str());
            }
            writer.end();
        }
        (writer.finish(), position)
    }

    fn write_extensions(&self, writer: &mut Writer) {
        if self.respond_to.is_none() && self.device.is_none() {
            return;
        }
        writer.start(SAMLP, "Extensions");
        if let Some(service) = &self.respond_to {
            writer.leaf(Namespace::ThirdParty, "RespondTo", service.as_str());
        }
        if let Some(device) = &self.device {
            device.write(writer);
        }
        writer.end();
    }

    /// Reads the children in the order of Core 3.2.1 and 3.4.1; the signature was dealt with before.
    fn read(element: Element<'_>) -> Result<Self, Rejection> {
        element.only_attributes(&[
            "ID",
            "Version",
            "IssueInstant",
            "Destination",
            "Consent",
            "ForceAuthn",
            "IsPassive",
            "ProtocolBinding",
            "AssertionConsumerServiceIndex",
            "AssertionConsumerServiceURL",
            "AttributeConsumingServiceIndex",
            "ProviderName",
        ])?;
        wire::check_version(element)?;
        let mut children = Sequence::new(element)?;
        let issuer = wire::issuer(children.required(SAML, "Issuer")?)?;
        children.optional(Namespace::Signature, "Signature");
        let extensions = children.optional(SAMLP, "Extensions").map(Extensions::read).transpose()?.unwrap_or_default();
        let subject = children.optional(SAML, "Subject").map(read_subject).transpose()?;
        let name_id_policy = children.optional(SAMLP, "NameIDPolicy").map(read_policy).transpose()?;
        let context = children.optional(SAMLP, "RequestedAuthnContext").map(read_context).transpose()?;
        let requesters = children.optional(SAMLP, "Scoping").map(read_scoping).transpose()?.unwrap_or_default();
        children.finish()?;
        let index = element
            .attribute("AssertionConsumerServiceIndex")
            .map(|text| text.parse().map_err(|_| Rejection::about(RejectionReason::BadValue, text)));
        Ok(Self {
            id: wire::message_id(element.required_attribute("ID")?)?,
            issue_instant: wire::instant(element.required_attribute("IssueInstant")?)?,
            destination: wire::optional_uri(element, "Destination")?,
            issuer,
            is_passive: wire::optional_boolean(element, "IsPassive")?,
            force_authn: wire::optional_boolean(element, "ForceAuthn")?,
            acs_url: wire::optional_uri(element, "AssertionConsumerServiceURL")?,
            acs_index: index.transpose()?,
            protocol_binding: wire::optional_uri(element, "ProtocolBinding")?,
            respond_to: extensions.respond_to,
            device: extensions.device,
            subject,
            name_id_policy,
            requested_authn_context: context,
            requesters,
        })
    }
}

#[derive(Default)]
struct Extensions {
    respond_to: Option<EntityId>,
    device: Option<DeviceStatement>,
}

impl Extensions {
    /// Extensions of others are passed over, as Core 3.2.1 has it.
    fn read(element: Element<'_>) -> Result<Self, Rejection> {
        let mut children = Sequence::new(element)?;
        let mut extensions = Self::default();
        while let Some(child) = children.any() {
            let twice = || Rejection::about(RejectionReason::UnexpectedElement, child.local());
            if child.is(Namespace::ThirdParty, "RespondTo") {
                let earlier = extensions.respond_to.replace(wire::entity_id(child.text()?)?);
                earlier.map_or(Ok(()), |_| Err(twice()))?;
            } else if child.is(Namespace::Countersign, "Device") {
                let earlier = extensions.device.replace(DeviceStatement::read(child)?);
                earlier.map_or(Ok(()), |_| Err(twice()))?;
            }
        }
        Ok(extensions)
    }
}

/// A subject may be named but not confirmed (Profiles 4.1.4.1).
fn read_subject(element: Element<'_>) -> Result<NameId, Rejection> {
    let mut children = Sequence::new(element)?;
    let name_id = wire::name_id(children.required(SAML, "NameID")?)?;
    children.finish()?;
    Ok(name_id)
}

fn read_policy(element: Element<'_>) -> Result<NameIdPolicy, Rejection> {
    element.only_attributes(&["Format", "SPNameQualifier", "AllowCreate"])?;
    Sequence::new(element)?.finish()?;
    let format = element.attribute("Format").map(NameIdFormat::from_uri);
    Ok(NameIdPolicy { format, allow_create: wire::optional_boolean(element, "AllowCreate")? })
}

fn read_context(element: Element<'_>) -> Result<RequestedAuthnContext, Rejection> {
    element.only_attributes(&["Comparison"])?;
    let comparison = element.attribute("Comparison").map_or(Ok(Comparison::Exact), Comparison::parse)?;
    let mut children = Sequence::new(element)?;
    let class_refs = children
        .many(SAML, "AuthnContextClassRef")
        .map(|class| wire::uri(class.text()?))
        .collect::<Result<Vec<_>, _>>()?;
    children.finish()?;
    if class_refs.is_empty() {
        return Err(Rejection::about(RejectionReason::MissingElement, "AuthnContextClassRef"));
    }
    Ok(RequestedAuthnContext { comparison, class_refs })
}

fn read_scoping(element: Element<'_>) -> Result<Vec<EntityId>, Rejection> {
    let mut children = Sequence::new(element)?;
    children.optional(SAMLP, "IDPList");
    let requesters =
        children.many(SAMLP, "RequesterID").map(|id| wire::entity_id(id.text()?)).collect::<Result<_, _>>()?;
    children.finish()?;
    Ok(requesters)
}

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub struct SignedRequest {
    xml: String,
    id: MessageId,
}

impl SignedRequest {
    /// The document.
    pub fn xml(&self) -> &str {
        &self.xml
    }

    /// The `ID` that the answer has to name.
    pub fn id(&self) -> &MessageId {
        &self.id
    }

    /// The document in a SOAP envelope (Bindings 3.2).
    pub fn to_soap(&self) -> String {
        soap::envelope(&self.xml)
    }
}

/// A request of which nothing is believed.
#[derive(Clone, Debug)]
pub struct UnverifiedRequest {
    message: Message,
    issuer: EntityId,
    id: MessageId,
    offered: Option<(Vec<u8>, TokenId)>,
}

/// What a request has to agree with.
#[derive(Clone, Copy, Debug)]
pub struct RequestExpectations<'a> {
    /// The addresses of which `Destination` has to be one, octet for octet.
    pub destinations: &'a [&'a str],
    /// The time.
    pub now: UtcTime,
    /// How old `IssueInstant` may be.
    pub max_age_seconds: i64,
    /// How far the issuer's clock may be off, either way.
    pub max_skew_seconds: i64,
}

/// Which algorithms a service provider's record allows for its own requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceAlgorithms {
    /// Those of [`crate::key::SignatureAlgorithm`].
    Current,
    /// RSA-SHA1 as well, because the administrator said so for this one service provider.
    CurrentAndRsaSha1,
}

impl ServiceAlgorithms {
    pub(crate) fn accepted(self) -> Accepted {
        Accepted { inclusive_canonicalization: true, sha1: self == Self::CurrentAndRsaSha1 }
    }
}

impl UnverifiedRequest {
    /// Reads a document, with the limits of the profile.
    pub fn parse(xml: &[u8]) -> Result<Self, Rejection> {
        Self::claims(Message::parse(xml, NAME)?)
    }

    /// Reads a document out of a SOAP envelope (Bindings 3.2).
    pub fn parse_soap(body: &[u8]) -> Result<Self, Rejection> {
        Self::claims(Message::parse_soap(body, NAME)?)
    }

    /// Reads the `SAMLRequest` field of the POST binding (Bindings 3.5).
    pub fn parse_post(field: &str) -> Result<Self, Rejection> {
        Self::parse(&crate::binding::post::decode(field)?)
    }

    pub(crate) fn claims(message: Message) -> Result<Self, Rejection> {
        let offered = offered_enrolment(message.element()).map(Enrolment::claims_of).transpose()?;
        Ok(Self { issuer: message.claimed_issuer()?, id: message.claimed_id()?, offered, message })
    }

    /// Who the issuer says it is: good for choosing the keys, and for nothing else.
    pub fn claimed_issuer(&self) -> &EntityId {
        &self.issuer
    }

    /// The `ID`, so that even a refusal can name it.
    pub fn claimed_id(&self) -> &MessageId {
        &self.id
    }

    /// The DER `SubjectPublicKeyInfo` in `cs:Enrolment`: the key that the request of an unknown device has to be signed with, which proves
    /// possession and nothing else until the token's signature is checked.
    pub fn offered_key(&self) -> Option<&[u8]> {
        self.offered.as_ref().map(|(key, _)| key.as_slice())
    }

    /// The device token that `cs:Enrolment` names: good for choosing the token's public key, and for nothing else.
    pub fn claimed_token(&self) -> Option<&TokenId> {
        self.offered.as_ref().map(|(_, token)| token)
    }

    /// Checks the signature with the keys pinned for the issuer, then everything expected; the age comes last.
    pub fn verify(self, keys: &[VerifyingKey], expect: &RequestExpectations<'_>) -> Result<VerifiedRequest, Rejection> {
        let covered = self.message.verify(keys, Accepted::default())?;
        VerifiedRequest::read(covered, expect)
    }

    /// As [`UnverifiedRequest::verify`], for a registered service provider: its signature may also use inclusive canonicalisation, and SHA-1
    /// where its record allows it.
    pub fn verify_from_service(
        self,
        keys: &[VerifyingKey],
        algorithms: ServiceAlgorithms,
        expect: &RequestExpectations<'_>,
    ) -> Result<VerifiedRequest, Rejection> {
        let covered = self.message.verify(keys, algorithms.accepted())?;
        VerifiedRequest::read(covered, expect)
    }

    /// Reads a request that nobody signed, for a service provider whose record allows that: it can ask for nothing but an assertion sent to
    /// an address in the issuer's own metadata. A request that is signed has to be verified.
    pub fn accept_unsigned(self, expect: &RequestExpectations<'_>) -> Result<UnsignedRequest, Rejection> {
        let element = self.message.element();
        if crate::dsig::signature_of(element, crate::dsig::Place::AfterIssuer)?.is_some() {
            return Err(RejectionReason::NoPinnedKey.into());
        }
        crate::dsig::check_census(self.message.document(), &[element], &[])?;
        let request = AuthnRequest::read(element)?;
        if let Some(destination) = &request.destination {
            check_destination(destination, expect)?;
        }
        check_fresh(request.issue_instant, expect.now, expect.max_age_seconds, expect.max_skew_seconds)?;
        Ok(UnsignedRequest { request })
    }
}

fn offered_enrolment(message: Element<'_>) -> Option<Element<'_>> {
    let extensions = message.children().find(|child| child.is(SAMLP, "Extensions"))?;
    let device = extensions.children().find(|child| child.is(Namespace::Countersign, "Device"))?;
    device.children().find(|child| child.is(Namespace::Countersign, "Enrolment"))
}

fn check_destination(destination: &str, expect: &RequestExpectations<'_>) -> Result<(), Rejection> {
    if expect.destinations.contains(&destination) {
        Ok(())
    } else {
        Err(Rejection::about(RejectionReason::WrongDestination, destination))
    }
}

/// A request that a pinned key signed, for this address and now; whether its ID was seen before is for the caller to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRequest {
    request: AuthnRequest,
}

impl VerifiedRequest {
    pub(crate) fn read(covered: Covered<'_>, expect: &RequestExpectations<'_>) -> Result<Self, Rejection> {
        let request = AuthnRequest::read(covered.element())?;
        // A signed message has to say where it goes (Bindings 3.4.5.2 and 3.5.5.2).
        let destination = request
            .destination
            .as_deref()
            .ok_or_else(|| Rejection::about(RejectionReason::MissingAttribute, "Destination"))?;
        check_destination(destination, expect)?;
        check_fresh(request.issue_instant, expect.now, expect.max_age_seconds, expect.max_skew_seconds)?;
        Ok(Self { request })
    }

    /// What was signed.
    pub fn request(&self) -> &AuthnRequest {
        &self.request
    }

    /// What was signed, without the proof.
    pub fn into_request(self) -> AuthnRequest {
        self.request
    }
}

impl std::ops::Deref for VerifiedRequest {
    type Target = AuthnRequest;

    fn deref(&self) -> &AuthnRequest {
        &self.request
    }
}

/// A service provider's request that nobody signed: see [`UnverifiedRequest::accept_unsigned`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsignedRequest {
    request: AuthnRequest,
}

impl UnsignedRequest {
    /// What somebody asked for.
    pub fn request(&self) -> &AuthnRequest {
        &self.request
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::device::{Evidence, EvidenceGrade};
    use crate::key::tests::{ed25519, p256, p384};
    use crate::name::Attribute;
    use crate::token::TokenId;

    pub(crate) const NOW: UtcTime = UtcTime::from_unix_seconds(1_795_300_370);
    pub(crate) const EXPECT: RequestExpectations<'_> = RequestExpectations {
        destinations: &["https://cloud.example.net/saml/soap"],
        now: NOW,
        max_age_seconds: 300,
        max_skew_seconds: 60,
    };

    pub(crate) fn full_request(key: &[u8]) -> AuthnRequest {
        let attribute = |name: &str, value: &str| Attribute {
            name: name.into(),
            values: vec![value.into()],
            ..Attribute::default()
        };
        let enrolment = Enrolment {
            token: TokenId::from_random([7; 10]),
            device_key_spki: key.to_vec(),
            token_signature: vec![9; 64],
        };
        AuthnRequest {
            destination: Some("https://cloud.example.net/saml/soap".into()),
            is_passive: true,
            respond_to: Some("https://service.example/metadata".parse().unwrap()),
            device: Some(DeviceStatement {
                sequence: 1,
                evidence: Evidence {
                    grade: EvidenceGrade::Local,
                    source: "logind".into(),
                    attributes: vec![attribute("urn:countersign:user:local-name", "alice & <bob>")],
                },
                facts: vec![attribute("urn:countersign:device:hostname", "lt-0042")],
                enrolment: Some(enrolment),
            }),
            subject: Some(NameId { format: NameIdFormat::EmailAddress, value: "alice@example.com".into() }),
            name_id_policy: Some(NameIdPolicy { format: Some(NameIdFormat::EmailAddress), allow_create: true }),
            requested_authn_context: Some(RequestedAuthnContext {
                comparison: Comparison::Minimum,
                class_refs: vec!["urn:oasis:names:tc:SAML:2.0:ac:classes:X509".into()],
            }),
            requesters: vec!["https://service.example/metadata".parse().unwrap()],
            ..AuthnRequest::new(
                MessageId::from_random([1; 20]),
                NOW,
                "urn:countersign:device:7b0f3a52".parse().unwrap(),
            )
        }
    }

    #[test]
    fn a_signed_request_survives_the_round_trip() {
        for signer in [p256(), p384(), ed25519()] {
            let key = signer.verifying_key().unwrap();
            let request = full_request(key.spki_der());
            let signed = request.sign(&signer).unwrap();
            let unverified = UnverifiedRequest::parse_soap(signed.to_soap().as_bytes()).unwrap();
            assert_eq!(unverified.claimed_issuer(), &request.issuer);
            assert_eq!(unverified.claimed_id(), signed.id());
            assert_eq!(unverified.offered_key(), Some(key.spki_der()));
            assert_eq!(*unverified.verify(&[key], &EXPECT).unwrap(), request);
        }
    }

    #[test]
    fn another_key_or_a_changed_octet_is_refused() {
        let signer = p256();
        let key = signer.verifying_key().unwrap();
        let xml = full_request(key.spki_der()).sign(&signer).unwrap().xml;
        let reason = |xml: &str, keys: &[VerifyingKey]| {
            UnverifiedRequest::parse(xml.as_bytes())
                .and_then(|request| request.verify(keys, &EXPECT))
                .unwrap_err()
                .reason()
        };
        assert_eq!(reason(&xml, &[p256().verifying_key().unwrap()]), RejectionReason::SignatureMismatch);
        assert_eq!(reason(&xml, &[p384().verifying_key().unwrap()]), RejectionReason::AlgorithmNotForKey);
        assert_eq!(reason(&xml, &[]), RejectionReason::NoPinnedKey);
        assert_eq!(
            reason(&xml.replace("alice@", "clice@"), std::slice::from_ref(&key)),
            RejectionReason::DigestMismatch
        );
        let digest = xml.find("<ds:DigestValue>").unwrap() + "<ds:DigestValue>".len();
        let mut changed = xml.clone();
        changed.replace_range(digest..digest + 1, if &xml[digest..=digest] == "A" { "B" } else { "A" });
        assert_eq!(reason(&changed, &[key]), RejectionReason::SignatureMismatch);
    }

    #[test]
    fn expectations_are_checked_and_the_age_last() {
        let signer = p256();
        let keys = [signer.verifying_key().unwrap()];
        let xml = full_request(b"k").sign(&signer).unwrap().xml;
        let reason = |expect: RequestExpectations<'_>| {
            UnverifiedRequest::parse(xml.as_bytes()).unwrap().verify(&keys, &expect).map(|_| ()).map_err(|r| r.reason())
        };
        let late = NOW.plus_seconds(361);
        assert_eq!(
            reason(RequestExpectations { destinations: &["https://other"], now: late, ..EXPECT }),
            Err(RejectionReason::WrongDestination)
        );
        assert_eq!(reason(RequestExpectations { now: late, ..EXPECT }), Err(RejectionReason::Expired));
        assert_eq!(reason(RequestExpectations { now: NOW.plus_seconds(360), ..EXPECT }), Ok(()));
        assert_eq!(
            reason(RequestExpectations { now: NOW.plus_seconds(-61), ..EXPECT }),
            Err(RejectionReason::NotYetValid)
        );
        assert_eq!(reason(RequestExpectations { now: NOW.plus_seconds(-60), ..EXPECT }), Ok(()));
        let forged = UnverifiedRequest::parse(xml.as_bytes())
            .unwrap()
            .verify(&[p256().verifying_key().unwrap()], &RequestExpectations { now: late, ..EXPECT });
        assert_eq!(forged.unwrap_err().code(), crate::refusal::RefusalCode::BadSignature);
    }

    #[test]
    fn an_unsigned_request_is_another_type() {
        let request = full_request(b"k");
        let unsigned = UnverifiedRequest::parse(request.to_unsigned_xml().as_bytes()).unwrap();
        assert_eq!(unsigned.clone().accept_unsigned(&EXPECT).unwrap().request(), &request);
        let signer = p256();
        assert_eq!(
            unsigned.verify(&[signer.verifying_key().unwrap()], &EXPECT).unwrap_err().reason(),
            RejectionReason::NoSignature
        );
        let signed = UnverifiedRequest::parse(request.sign(&signer).unwrap().xml().as_bytes()).unwrap();
        assert_eq!(signed.accept_unsigned(&EXPECT).unwrap_err().reason(), RejectionReason::NoPinnedKey);
    }
}
