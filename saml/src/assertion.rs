//! `saml:Assertion` (Core 2.3.3) as the Web Browser SSO profile uses it (Profiles 4.1.4.2): one subject, one bearer, one audience.

use crate::dsig::{Covered, Enveloped, SigningKey};
use crate::key::SignError;
use crate::name::{Attribute, EntityId, MessageId, NameId};
use crate::rejection::{Rejection, RejectionReason};
use crate::response::{InResponseTo, ResponseExpectations};
use crate::time::UtcTime;
use crate::wire;
use crate::xml::{Element, Namespace, Sequence, Writer};

const SAML: Namespace = Namespace::Assertion;
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// What an identity provider states about one user for one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// `ID`.
    pub id: MessageId,
    /// `IssueInstant`.
    pub issue_instant: UtcTime,
    /// `Issuer`.
    pub issuer: EntityId,
    /// `Subject/NameID`.
    pub subject: NameId,
    /// `SubjectConfirmationData/@Recipient`: the only address where it is good.
    pub recipient: String,
    /// `SubjectConfirmationData/@InResponseTo`; absent when nobody asked.
    pub in_response_to: Option<MessageId>,
    /// `Conditions/@NotBefore`; where it was absent, the instant of issue.
    pub not_before: UtcTime,
    /// The earlier of `SubjectConfirmationData/@NotOnOrAfter` and `Conditions/@NotOnOrAfter`; written into both.
    pub not_on_or_after: UtcTime,
    /// `AudienceRestriction/Audience`; of several, the one that was expected.
    pub audience: EntityId,
    /// `AuthnStatement/@AuthnInstant`.
    pub authn_instant: UtcTime,
    /// `AuthnStatement/@SessionIndex`; needed for single logout.
    pub session_index: Option<String>,
    /// `AuthnStatement/@SessionNotOnOrAfter`.
    pub session_not_on_or_after: Option<UtcTime>,
    /// `AuthnContextClassRef`.
    pub authn_context: String,
    /// `AuthenticatingAuthority`: who else had a part in it, besides the issuer (Core 2.7.2.2).
    pub authenticating_authorities: Vec<EntityId>,
    /// The attributes of all attribute statements.
    pub attributes: Vec<Attribute>,
}

impl Assertion {
    pub(crate) fn sign(&self, key: SigningKey<'_>) -> Result<String, SignError> {
        let (xml, position) = self.write();
        Enveloped { xml, position, id: self.id.as_str() }.sign(key)
    }

    /// The document, and where its signature goes.
    fn write(&self) -> (String, usize) {
        let mut writer = Writer::new();
        let (not_before, not_on_or_after) = (self.not_before.to_string(), self.not_on_or_after.to_string());
        writer
            .start(SAML, "Assertion")
            .attribute("ID", self.id.as_str())
            .attribute("IssueInstant", &self.issue_instant.to_string())
            .attribute("Version", "2.0");
        wire::write_issuer(&mut writer, &self.issuer);
        let position = writer.position();
        writer.start(SAML, "Subject");
        wire::write_name_id(&mut writer, &self.subject);
        writer
            .start(SAML, "SubjectConfirmation")
            .attribute("Method", BEARER)
            .start(SAML, "SubjectConfirmationData")
            .optional_attribute("InResponseTo", self.in_response_to.as_ref().map(MessageId::as_str))
            .attribute("NotOnOrAfter", &not_on_or_after)
            .attribute("Recipient", &self.recipient)
            .end()
            .end()
            .end();
        writer
            .start(SAML, "Conditions")
            .attribute("NotBefore", &not_before)
            .attribute("NotOnOrAfter", &not_on_or_after);
        writer.start(SAML, "AudienceRestriction").leaf(SAML, "Audience", self.audience.as_str()).end().end();
        let session_end = self.session_not_on_or_after.map(|instant| instant.to_string());
        writer
            .start(SAML, "AuthnStatement")
            .attribute("AuthnInstant", &self.authn_instant.to_string())
            .optional_attribute("SessionIndex", self.session_index.as_deref())
            .optional_attribute("SessionNotOnOrAfter", session_end.as_deref())
            .start(SAML, "AuthnContext")
            .leaf(SAML, "AuthnContextClassRef", &self.authn_context);
        for authority in &self.authenticating_authorities {
            writer.leaf(SAML, "AuthenticatingAuthority", authority.as_str());
        }
        writer.end().end();
        if !self.attributes.is_empty() {
            writer.start(SAML, "AttributeStatement");
            for attribute in &self.attributes {
                wire::write_attribute(&mut writer, attribute);
            }
            writer.end();
        }
        (writer.finish(), position)
    }

    pub(crate) fn read(covered: Covered<'_>, expect: &ResponseExpectations<'_>) -> Result<Self, Rejection> {
        let element = covered.element();
        element.only_attributes(&["ID", "Version", "IssueInstant"])?;
        wire::check_version(element)?;
        let mut children = Sequence::new(element)?;
        let issuer = wire::issuer(children.required(SAML, "Issuer")?)?;
        if issuer != *expect.issuer {
            return Err(Rejection::about(RejectionReason::WrongIssuer, issuer.as_str()));
        }
        children.optional(Namespace::Signature, "Signature");
        let subject = children.required(SAML, "Subject")?;
        let conditions = Conditions::read(children.required(SAML, "Conditions")?, expect)?;
        children.optional(SAML, "Advice");
        let statements = Statements::read(children)?;
        let (subject, bearer) = read_subject(subject, expect)?;
        let issue_instant = wire::required_instant(element, "IssueInstant")?;
        let not_before = conditions.not_before.unwrap_or(issue_instant);
        let not_on_or_after =
            conditions.not_on_or_after.map_or(bearer.not_on_or_after, |end| end.min(bearer.not_on_or_after));
        if issue_instant > expect.now.plus_seconds(expect.max_skew_seconds) {
            return Err(Rejection::about(RejectionReason::NotYetValid, &issue_instant.to_string()));
        }
        check_period(Some(not_before), Some(not_on_or_after), expect)?;
        check_period(None, statements.session_not_on_or_after, expect)?;
        Ok(Self {
            id: wire::required_message_id(element, "ID")?,
            issue_instant,
            issuer,
            subject,
            recipient: expect.recipient.to_owned(),
            in_response_to: bearer.in_response_to,
            not_before,
            not_on_or_after,
            audience: expect.audience.clone(),
            authn_instant: statements.authn_instant,
            session_index: statements.session_index,
            session_not_on_or_after: statements.session_not_on_or_after,
            authn_context: statements.authn_context,
            authenticating_authorities: statements.authorities,
            attributes: statements.attributes,
        })
    }
}

fn check_period(
    start: Option<UtcTime>,
    end: Option<UtcTime>,
    expect: &ResponseExpectations<'_>,
) -> Result<(), Rejection> {
    if let Some(start) = start.filter(|start| expect.now.plus_seconds(expect.max_skew_seconds) < *start) {
        return Err(Rejection::about(RejectionReason::NotYetValid, &start.to_string()));
    }
    match end.filter(|end| expect.now >= end.plus_seconds(expect.max_skew_seconds)) {
        Some(end) => Err(Rejection::about(RejectionReason::Expired, &end.to_string())),
        None => Ok(()),
    }
}

struct Conditions {
    not_before: Option<UtcTime>,
    not_on_or_after: Option<UtcTime>,
}

impl Conditions {
    /// Every audience restriction has to name the audience, and there has to be one (Core 2.5.1.4, Profiles 4.1.4.2).
    fn read(element: Element<'_>, expect: &ResponseExpectations<'_>) -> Result<Self, Rejection> {
        element.only_attributes(&["NotBefore", "NotOnOrAfter"])?;
        let mut children = Sequence::new(element)?;
        let mut restricted = false;
        while let Some(condition) = children.any() {
            if condition.is(SAML, "AudienceRestriction") {
                check_audience(condition, expect)?;
                restricted = true;
            } else if !condition.is(SAML, "OneTimeUse") && !condition.is(SAML, "ProxyRestriction") {
                return Err(Rejection::about(RejectionReason::UnknownCondition, condition.local()));
            }
        }
        if !restricted {
            return Err(Rejection::about(RejectionReason::WrongAudience, "no AudienceRestriction"));
        }
        Ok(Self {
            not_before: wire::optional_instant(element, "NotBefore")?,
            not_on_or_after: wire::optional_instant(element, "NotOnOrAfter")?,
        })
    }
}

fn check_audience(restriction: Element<'_>, expect: &ResponseExpectations<'_>) -> Result<(), Rejection> {
    let mut children = Sequence::new(restriction)?;
    let audiences = children.many(SAML, "Audience").map(|audience| audience.text().map(wire::collapsed));
    let audiences = audiences.collect::<Result<Vec<_>, _>>()?;
    children.finish()?;
    if audiences.contains(&expect.audience.as_str()) {
        Ok(())
    } else {
        Err(Rejection::about(RejectionReason::WrongAudience, audiences.first().unwrap_or(&"")))
    }
}

struct Bearer {
    not_on_or_after: UtcTime,
    in_response_to: Option<MessageId>,
}

/// One of the confirmations has to be a bearer's that fits; what the first one lacks is reported if none does.
fn read_subject(element: Element<'_>, expect: &ResponseExpectations<'_>) -> Result<(NameId, Bearer), Rejection> {
    let mut children = Sequence::new(element)?;
    let name_id = wire::name_id(children.required(SAML, "NameID")?)?;
    let mut first_fault = None;
    let mut bearer = None;
    for confirmation in children.many(SAML, "SubjectConfirmation") {
        if bearer.is_none() && confirmation.attribute("Method").map(wire::collapsed) == Some(BEARER) {
            match Bearer::read(confirmation, expect) {
                Ok(good) => bearer = Some(good),
                Err(fault) => first_fault = first_fault.or(Some(fault)),
            }
        }
    }
    children.finish()?;
    match bearer {
        Some(bearer) => Ok((name_id, bearer)),
        None => Err(first_fault.unwrap_or_else(|| RejectionReason::NoBearerConfirmation.into())),
    }
}

impl Bearer {
    fn read(confirmation: Element<'_>, expect: &ResponseExpectations<'_>) -> Result<Self, Rejection> {
        let mut children = Sequence::new(confirmation)?;
        children.optional(SAML, "NameID");
        let data =
            children.required(SAML, "SubjectConfirmationData").map_err(|_| RejectionReason::NoBearerConfirmation)?;
        children.finish()?;
        // A bearer's confirmation has no NotBefore (Profiles 4.1.4.2).
        data.only_attributes(&["Recipient", "NotOnOrAfter", "InResponseTo", "Address"])?;
        let recipient = wire::collapsed(data.required_attribute("Recipient")?);
        if recipient != expect.recipient {
            return Err(Rejection::about(RejectionReason::WrongRecipient, recipient));
        }
        let in_response_to = wire::optional_message_id(data, "InResponseTo")?;
        expect.in_response_to.check(in_response_to.as_ref())?;
        let not_on_or_after = wire::required_instant(data, "NotOnOrAfter")?;
        check_period(None, Some(not_on_or_after), expect)?;
        Ok(Self { not_on_or_after, in_response_to })
    }
}

impl InResponseTo<'_> {
    pub(crate) fn check(self, given: Option<&MessageId>) -> Result<(), Rejection> {
        let expected = match self {
            Self::Exactly(id) => Some(id),
            Self::Unsolicited => None,
        };
        if given == expected {
            Ok(())
        } else {
            Err(Rejection::about(RejectionReason::WrongInResponseTo, given.map_or("", MessageId::as_str)))
        }
    }
}

/// What the first authentication statement and all attribute statements say.
struct Statements {
    authn_instant: UtcTime,
    session_index: Option<String>,
    session_not_on_or_after: Option<UtcTime>,
    authn_context: String,
    authorities: Vec<EntityId>,
    attributes: Vec<Attribute>,
}

impl Statements {
    fn read(mut children: Sequence<'_>) -> Result<Self, Rejection> {
        let mut authn = None;
        let mut attributes = Vec::new();
        while let Some(statement) = children.any() {
            if statement.is(SAML, "AuthnStatement") {
                authn = authn.or(Some(statement));
            } else if statement.is(SAML, "AttributeStatement") {
                attributes.append(&mut wire::attributes(statement)?);
            } else {
                return Err(Rejection::about(RejectionReason::UnexpectedElement, statement.local()));
            }
        }
        let authn = authn.ok_or_else(|| Rejection::about(RejectionReason::MissingElement, "AuthnStatement"))?;
        let mut parts = Sequence::new(authn)?;
        parts.optional(SAML, "SubjectLocality");
        let context = parts.required(SAML, "AuthnContext")?;
        parts.finish()?;
        let mut context = Sequence::new(context)?;
        let class = context.required(SAML, "AuthnContextClassRef")?;
        context.optional(SAML, "AuthnContextDecl");
        context.optional(SAML, "AuthnContextDeclRef");
        let authorities = context.many(SAML, "AuthenticatingAuthority");
        let authorities = authorities.map(wire::entity_id_in).collect::<Result<Vec<_>, _>>()?;
        context.finish()?;
        Ok(Self {
            authn_instant: wire::required_instant(authn, "AuthnInstant")?,
            session_index: authn.attribute("SessionIndex").map(str::to_owned),
            session_not_on_or_after: wire::optional_instant(authn, "SessionNotOnOrAfter")?,
            authn_context: wire::uri_in(class)?,
            authorities,
            attributes,
        })
    }
}
