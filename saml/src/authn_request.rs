//! `samlp:AuthnRequest` (Core 3.4.1): its content, and how it is written and read.

use crate::device::DeviceStatement;
use crate::dsig::{Enveloped, SigningKey};
use crate::key::{SignError, Signer};
use crate::name::{EntityId, MessageId, NameId, NameIdFormat};
use crate::rejection::{Rejection, RejectionReason};
use crate::request::SignedRequest;
use crate::time::UtcTime;
use crate::wire;
use crate::xml::{Element, Namespace, Sequence, Writer};

const SAMLP: Namespace = Namespace::Protocol;
const SAML: Namespace = Namespace::Assertion;
pub(crate) const NAME: &str = "AuthnRequest";

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
    /// `thrpty:RespondTo`: the party that the assertion is meant for, if not the issuer (SAML V2.0 Protocol Extension for Third-Party Requests).
    pub respond_to: Option<EntityId>,
    /// `cs:Transaction`: the sign-on that a browser or a program has begun at the portal, which this request brings to its end.
    pub transaction: Option<MessageId>,
    /// `cs:Device`: what a device says about its user and itself.
    pub device: Option<DeviceStatement>,
    /// `Subject/NameID`: the person that the request is about.
    pub subject: Option<NameId>,
    /// What else `Subject` says.
    pub subject_details: SubjectDetails,
    /// `NameIDPolicy`.
    pub name_id_policy: Option<NameIdPolicy>,
    /// `RequestedAuthnContext`.
    pub requested_authn_context: Option<RequestedAuthnContext>,
    /// `Scoping/@ProxyCount`: how many identity providers may pass the request on, one after the other (Core 3.4.1.2).
    pub proxy_count: Option<u32>,
    /// `Scoping/RequesterID`: the requesters on whose behalf the issuer asks.
    pub requesters: Vec<EntityId>,
}

/// What a `Subject` says besides the name, which those who answer it have to heed (Core 2.2.2, 2.4.1 and 3.4.1.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectDetails {
    /// `NameID/@NameQualifier`: the identity provider whose name it is.
    pub name_qualifier: Option<String>,
    /// `NameID/@SPNameQualifier`: the service for which it was made.
    pub sp_name_qualifier: Option<String>,
    /// What is there in the place of `NameID`: `BaseID`, `EncryptedID`, or nothing but confirmations.
    pub unreadable: Option<String>,
    /// `SubjectConfirmation/@Method`: how the assertion is to be confirmed; it is read, and never written.
    pub confirmations: Vec<String>,
}

/// `samlp:NameIDPolicy` (Core 3.4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameIdPolicy {
    /// `Format`.
    pub format: Option<NameIdFormat>,
    /// `SPNameQualifier`: whose namespace the name is to be in, where that is not the requester's own.
    pub sp_name_qualifier: Option<String>,
    /// `AllowCreate`: the user may be created by signing in.
    pub allow_create: bool,
}

/// `RequestedAuthnContext/@Comparison` (Core 3.3.2.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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

    /// The word that stands for it on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(comparison, _)| *comparison == self).map_or("exact", |(_, text)| text)
    }

    /// The comparison that `word` stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(comparison, _)| *comparison)
    }

    fn parse(text: &str) -> Result<Self, Rejection> {
        Self::from_word(text).ok_or_else(|| {
            let wanted = "it has to be `exact`, `minimum`, `maximum` or `better`";
            Rejection::value("RequestedAuthnContext/@Comparison", text, wanted)
        })
    }
}

/// `samlp:RequestedAuthnContext` (Core 3.3.2.2.1) by classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedAuthnContext {
    /// How the classes are to be compared.
    pub comparison: Comparison,
    /// `AuthnContextClassRef`, in order of preference.
    pub class_refs: Vec<String>,
    /// `AuthnContextDeclRef`, which stands in the place of classes; it is read, and never written.
    pub decl_refs: Vec<String>,
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
            transaction: None,
            device: None,
            subject: None,
            subject_details: SubjectDetails::default(),
            name_id_policy: None,
            requested_authn_context: None,
            proxy_count: None,
            requesters: Vec::new(),
        }
    }

    /// Writes the request with an enveloped signature after `Issuer`, without `KeyInfo`: the portal knows the key by the issuer.
    pub fn sign(&self, signer: &dyn Signer) -> Result<SignedRequest, SignError> {
        let (xml, position) = self.write();
        let xml =
            Enveloped { xml, position, id: self.id.as_str() }.sign(SigningKey { signer, certificate_der: None })?;
        Ok(SignedRequest::new(xml, self.id.clone()))
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
            wire::write_qualified_name_id(&mut writer, subject, &self.subject_details);
            writer.end();
        }
        if let Some(policy) = &self.name_id_policy {
            let format = policy.format.as_ref().map(NameIdFormat::uri);
            writer.start(SAMLP, "NameIDPolicy").optional_attribute("AllowCreate", truth(policy.allow_create));
            writer.optional_attribute("Format", format);
            writer.optional_attribute("SPNameQualifier", policy.sp_name_qualifier.as_deref()).end();
        }
        if let Some(context) = &self.requested_authn_context {
            writer.start(SAMLP, "RequestedAuthnContext").attribute("Comparison", context.comparison.as_str());
            for class in &context.class_refs {
                writer.leaf(SAML, "AuthnContextClassRef", class);
            }
            writer.end();
        }
        if self.proxy_count.is_some() || !self.requesters.is_empty() {
            let count = self.proxy_count.map(|count| count.to_string());
            writer.start(SAMLP, "Scoping").optional_attribute("ProxyCount", count.as_deref());
            for requester in &self.requesters {
                writer.leaf(SAMLP, "RequesterID", requester.as_str());
            }
            writer.end();
        }
        (writer.finish(), position)
    }

    fn write_extensions(&self, writer: &mut Writer) {
        if self.respond_to.is_none() && self.transaction.is_none() && self.device.is_none() {
            return;
        }
        writer.start(SAMLP, "Extensions");
        if let Some(service) = &self.respond_to {
            writer.leaf(Namespace::ThirdParty, "RespondTo", service.as_str());
        }
        if let Some(transaction) = &self.transaction {
            writer.leaf(Namespace::Countersign, "Transaction", transaction.as_str());
        }
        if let Some(device) = &self.device {
            device.write(writer);
        }
        writer.end();
    }

    /// Reads the children in the order of Core 3.2.1 and 3.4.1; the signature was dealt with before.
    pub(crate) fn read(element: Element<'_>) -> Result<Self, Rejection> {
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
        let (subject, subject_details) = subject.unwrap_or_default();
        let name_id_policy = children.optional(SAMLP, "NameIDPolicy").map(read_policy).transpose()?;
        // A wish about the assertion's own conditions, which are the responder's to choose (Core 3.4.1).
        children.optional(SAML, "Conditions");
        let context = children.optional(SAMLP, "RequestedAuthnContext").map(read_context).transpose()?;
        let scoping = children.optional(SAMLP, "Scoping").map(read_scoping).transpose()?;
        let (proxy_count, requesters) = scoping.unwrap_or_default();
        children.finish()?;
        Ok(Self {
            id: wire::required_message_id(element, "ID")?,
            issue_instant: wire::required_instant(element, "IssueInstant")?,
            destination: wire::optional_uri(element, "Destination")?,
            issuer,
            is_passive: wire::optional_boolean(element, "IsPassive")?,
            force_authn: wire::optional_boolean(element, "ForceAuthn")?,
            acs_url: wire::optional_uri(element, "AssertionConsumerServiceURL")?,
            acs_index: wire::optional_index(element, "AssertionConsumerServiceIndex")?,
            protocol_binding: wire::optional_uri(element, "ProtocolBinding")?,
            respond_to: extensions.respond_to,
            transaction: extensions.transaction,
            device: extensions.device,
            subject,
            subject_details,
            name_id_policy,
            requested_authn_context: context,
            proxy_count,
            requesters,
        })
    }
}

#[derive(Default)]
struct Extensions {
    respond_to: Option<EntityId>,
    transaction: Option<MessageId>,
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
                let earlier = extensions.respond_to.replace(wire::entity_id_in(child)?);
                earlier.map_or(Ok(()), |_| Err(twice()))?;
            } else if child.is(Namespace::Countersign, "Transaction") {
                let text = child.text()?;
                let id = text.parse().map_err(|_| Rejection::about(RejectionReason::BadValue, text))?;
                let earlier = extensions.transaction.replace(id);
                earlier.map_or(Ok(()), |_| Err(twice()))?;
            } else if child.is(Namespace::Countersign, "Device") {
                let earlier = extensions.device.replace(DeviceStatement::read(child)?);
                earlier.map_or(Ok(()), |_| Err(twice()))?;
            }
        }
        Ok(extensions)
    }
}

/// `saml:Subject` (Core 2.4.1). Profiles 4.1.4.1 forbids confirmations in it; some write the bearer's, which they get anyway.
fn read_subject(element: Element<'_>) -> Result<(Option<NameId>, SubjectDetails), Rejection> {
    let mut children = Sequence::new(element)?;
    let mut details = SubjectDetails::default();
    let name = children.optional(SAML, "NameID");
    if let Some(name) = name {
        details.name_qualifier = name.attribute("NameQualifier").map(str::to_owned);
        details.sp_name_qualifier = name.attribute("SPNameQualifier").map(str::to_owned);
    } else {
        let other = children.optional(SAML, "BaseID").or_else(|| children.optional(SAML, "EncryptedID"));
        details.unreadable = Some(other.map_or("SubjectConfirmation", Element::local).to_owned());
    }
    for confirmation in children.many(SAML, "SubjectConfirmation") {
        details.confirmations.push(wire::required_uri(confirmation, "Method")?);
    }
    if name.is_none()
        && details.unreadable.as_deref() == Some("SubjectConfirmation")
        && details.confirmations.is_empty()
    {
        children.required(SAML, "NameID")?;
    }
    children.finish()?;
    Ok((name.map(wire::name_id).transpose()?, details))
}

fn read_policy(element: Element<'_>) -> Result<NameIdPolicy, Rejection> {
    element.only_attributes(&["Format", "SPNameQualifier", "AllowCreate"])?;
    Sequence::new(element)?.finish()?;
    let format = wire::optional_format(element, "Format");
    let sp_name_qualifier = element.attribute("SPNameQualifier").map(str::to_owned);
    Ok(NameIdPolicy { format, sp_name_qualifier, allow_create: wire::optional_boolean(element, "AllowCreate")? })
}

fn read_context(element: Element<'_>) -> Result<RequestedAuthnContext, Rejection> {
    element.only_attributes(&["Comparison"])?;
    let comparison = element.attribute("Comparison").map_or(Ok(Comparison::Exact), Comparison::parse)?;
    let mut children = Sequence::new(element)?;
    let decl_refs = children.many(SAML, "AuthnContextDeclRef").map(wire::uri_in).collect::<Result<Vec<_>, _>>()?;
    let class_refs = children.many(SAML, "AuthnContextClassRef").map(wire::uri_in).collect::<Result<Vec<_>, _>>()?;
    children.finish()?;
    if class_refs.is_empty() && decl_refs.is_empty() {
        let missing = "RequestedAuthnContext/AuthnContextClassRef";
        return Err(Rejection::about(RejectionReason::MissingElement, missing));
    }
    Ok(RequestedAuthnContext { comparison, class_refs, decl_refs })
}

fn read_scoping(element: Element<'_>) -> Result<(Option<u32>, Vec<EntityId>), Rejection> {
    element.only_attributes(&["ProxyCount"])?;
    let count = wire::optional_count(element, "ProxyCount")?;
    let mut children = Sequence::new(element)?;
    children.optional(SAMLP, "IDPList");
    let requesters = children.many(SAMLP, "RequesterID").map(wire::entity_id_in).collect::<Result<_, _>>()?;
    children.finish()?;
    Ok((count, requesters))
}
