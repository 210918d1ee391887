//! `samlp:Response` (Core 3.3.3): made and signed by the portal, verified by the party that asked.

pub use crate::assertion::Assertion;
use crate::binding::post;
use crate::dsig::{self, Accepted, Covered, Enveloped, Place, SigningKey};
use crate::key::{SignError, Signer, VerifyingKey};
use crate::message::Message;
use crate::name::{EntityId, MessageId};
use crate::refusal::Refusal;
use crate::rejection::{Rejection, RejectionReason};
pub use crate::status::Status;
use crate::time::UtcTime;
use crate::wire;
use crate::xml::{Element, Namespace, Sequence, Writer};

const SAMLP: Namespace = Namespace::Protocol;
const NAME: &str = "Response";

/// The answer to a request, or one that nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// `ID`.
    pub id: MessageId,
    /// `IssueInstant`.
    pub issue_instant: UtcTime,
    /// `Destination`: needed over the POST binding.
    pub destination: Option<String>,
    /// `InResponseTo`.
    pub in_response_to: Option<MessageId>,
    /// `Issuer`.
    pub issuer: EntityId,
    /// `Status`.
    pub status: Status,
    /// The assertion of a success.
    pub assertion: Option<Assertion>,
}

/// A key with the certificate by which others know it.
#[derive(Clone, Copy)]
pub struct SigningIdentity<'a> {
    /// The key.
    pub signer: &'a dyn Signer,
    /// Its X.509 certificate in DER, for `KeyInfo/X509Data`.
    pub certificate_der: &'a [u8],
}

impl<'a> SigningIdentity<'a> {
    pub(crate) fn key(&self) -> SigningKey<'a> {
        SigningKey { signer: self.signer, certificate_der: Some(self.certificate_der) }
    }
}

impl Response {
    /// Signs the assertion, if there is one, and then the response around it.
    pub fn sign(&self, identity: &SigningIdentity<'_>) -> Result<String, SignError> {
        let assertion = self.assertion.as_ref().map(|assertion| assertion.sign(identity.key())).transpose()?;
        let (xml, position) = self.write(assertion.as_deref());
        Enveloped { xml, position, id: self.id.as_str() }.sign(identity.key())
    }

    /// Writes the answer to a request that could not be authenticated: without a signature, and never with an assertion.
    pub fn to_unsigned_xml(&self) -> String {
        self.write(None).0
    }

    /// The document, and where its signature goes.
    fn write(&self, assertion: Option<&str>) -> (String, usize) {
        let mut writer = Writer::new();
        writer
            .start(SAMLP, NAME)
            .optional_attribute("Destination", self.destination.as_deref())
            .attribute("ID", self.id.as_str())
            .optional_attribute("InResponseTo", self.in_response_to.as_ref().map(MessageId::as_str))
            .attribute("IssueInstant", &self.issue_instant.to_string())
            .attribute("Version", "2.0");
        wire::write_issuer(&mut writer, &self.issuer);
        let position = writer.position();
        self.status.write(&mut writer);
        if let Some(assertion) = assertion {
            writer.canonical(assertion);
        }
        (writer.finish(), position)
    }
}

/// An answer of which nothing is believed.
#[derive(Clone, Debug)]
pub struct UnverifiedResponse {
    message: Message,
}

/// What an answer has to agree with.
#[derive(Clone, Copy, Debug)]
pub struct ResponseExpectations<'a> {
    /// The identity provider whose keys are pinned.
    pub issuer: &'a EntityId,
    /// The service that the assertion is for.
    pub audience: &'a EntityId,
    /// The address where the service receives it.
    pub recipient: &'a str,
    /// The request that it answers.
    pub in_response_to: InResponseTo<'a>,
    /// The time.
    pub now: UtcTime,
    /// How far the issuer's clock may be off, either way.
    pub max_skew_seconds: i64,
}

/// Which request an answer has to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InResponseTo<'a> {
    /// This one.
    Exactly(&'a MessageId),
    /// None: an answer that nobody asked for must not name a request (Profiles 4.1.5).
    Unsolicited,
}

/// What the identity provider said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The user is signed in.
    Verified(Box<VerifiedAssertion>),
    /// The identity provider says no, and signed that.
    Refused(VerifiedRefusal),
}

impl UnverifiedResponse {
    /// Reads a document, with the limits of the profile.
    pub fn parse(xml: &[u8]) -> Result<Self, Rejection> {
        Ok(Self { message: Message::parse(xml, NAME)? })
    }

    /// Reads a document out of a SOAP envelope (Bindings 3.2).
    pub fn parse_soap(body: &[u8]) -> Result<Self, Rejection> {
        Ok(Self { message: Message::parse_soap(body, NAME)? })
    }

    /// Reads the `SAMLResponse` field of the POST binding (Bindings 3.5).
    pub fn parse_post(field: &str) -> Result<Self, Rejection> {
        Self::parse(&post::decode(field)?)
    }

    /// Who the issuer of the response says it is, where it says so: good for choosing the keys, and for nothing else.
    pub fn claimed_issuer(&self) -> Option<EntityId> {
        self.message.claimed_issuer().ok()
    }

    /// The request that the response says it answers: good for finding what was expected, and for nothing else.
    pub fn claimed_in_response_to(&self) -> Option<MessageId> {
        wire::optional_message_id(self.message.element(), "InResponseTo").ok()?
    }

    /// The address that the response says it is for, where it says so: good for a party that only passes it on to check that all of it agrees,
    /// and for nothing else.
    pub fn claimed_destination(&self) -> Option<String> {
        self.message.element().attribute("Destination").map(|url| wire::collapsed(url).to_owned())
    }

    /// The response as it came, octet for octet, without the envelope around it. A signature over it holds in any place only if it declares
    /// all of its namespaces itself, as ours do.
    pub fn xml(&self) -> &str {
        self.message.element().source()
    }

    /// Checks every signature that there is with the keys pinned for the issuer, then everything expected; the times come last.
    ///
    /// The response, the assertion or both may be signed. Where only the assertion is, only what it says itself counts, and the unsigned
    /// envelope can do no more than have it refused.
    pub fn verify(self, keys: &[VerifyingKey], expect: &ResponseExpectations<'_>) -> Result<Answer, Rejection> {
        let response = self.message.element();
        let mut assertions = response.children().filter(|child| child.is(Namespace::Assertion, "Assertion"));
        let assertion = assertions.next();
        if assertions.next().is_some() {
            return Err(RejectionReason::SeveralAssertions.into());
        }
        let outer = dsig::signature_of(response, Place::AfterIssuer)?;
        let inner = assertion.map_or(Ok(None), |assertion| dsig::signature_of(assertion, Place::AfterIssuer))?;
        let signatures: Vec<_> = outer.into_iter().chain(inner).collect();
        let messages: Vec<_> = std::iter::once(response).chain(assertion).collect();
        dsig::check_census(self.message.document(), &messages, &signatures)?;
        let covered_response = verify_one(response, outer, keys)?;
        let covered_assertion = match assertion {
            Some(assertion) => verify_one(assertion, inner, keys)?
                .or_else(|| covered_response.and_then(|outer| outer.child(assertion))),
            None => None,
        };
        let envelope = Envelope::read(response)?;
        if !envelope.status.is_success() {
            return envelope.refusal(covered_response, expect);
        }
        if assertion.is_none() {
            return Err(RejectionReason::NoAssertion.into());
        }
        let covered = covered_assertion.ok_or(RejectionReason::NoSignature)?;
        envelope.check(expect)?;
        Ok(Answer::Verified(Box::new(VerifiedAssertion { assertion: Assertion::read(covered, expect)? })))
    }
}

fn verify_one<'d>(
    element: Element<'d>,
    signature: Option<Element<'d>>,
    keys: &[VerifyingKey],
) -> Result<Option<Covered<'d>>, Rejection> {
    signature.map(|signature| dsig::verify(element, signature, keys, Accepted::default())).transpose()
}

/// What the response says around the assertion.
struct Envelope {
    issuer: Option<EntityId>,
    destination: Option<String>,
    in_response_to: Option<MessageId>,
    issue_instant: UtcTime,
    status: Status,
}

impl Envelope {
    fn read(response: Element<'_>) -> Result<Self, Rejection> {
        response.only_attributes(&["ID", "Version", "IssueInstant", "Destination", "Consent", "InResponseTo"])?;
        wire::check_version(response)?;
        let mut children = Sequence::new(response)?;
        let issuer = children.optional(Namespace::Assertion, "Issuer").map(wire::issuer).transpose()?;
        children.optional(Namespace::Signature, "Signature");
        children.optional(SAMLP, "Extensions");
        let status = Status::read(children.required(SAMLP, "Status")?)?;
        children.optional(Namespace::Assertion, "Assertion");
        children.finish()?;
        Ok(Self {
            issuer,
            destination: wire::optional_uri(response, "Destination")?,
            in_response_to: wire::optional_message_id(response, "InResponseTo")?,
            issue_instant: wire::required_instant(response, "IssueInstant")?,
            status,
        })
    }

    fn check(&self, expect: &ResponseExpectations<'_>) -> Result<(), Rejection> {
        if let Some(issuer) = self.issuer.as_ref().filter(|issuer| *issuer != expect.issuer) {
            return Err(Rejection::about(RejectionReason::WrongIssuer, issuer.as_str()));
        }
        if let Some(destination) = self.destination.as_deref().filter(|destination| *destination != expect.recipient) {
            return Err(Rejection::about(RejectionReason::WrongDestination, destination));
        }
        expect.in_response_to.check(self.in_response_to.as_ref())
    }

    /// A refusal counts only if it is signed: else anybody on the way could have the agent give up, wait, or set its clock.
    fn refusal(self, covered: Option<Covered<'_>>, expect: &ResponseExpectations<'_>) -> Result<Answer, Rejection> {
        if covered.is_none() {
            return Err(Rejection::unauthenticated(self.status.refusal));
        }
        self.check(expect)?;
        if self.issuer.is_none() {
            return Err(Rejection::about(RejectionReason::MissingElement, "Issuer"));
        }
        Ok(Answer::Refused(VerifiedRefusal { status: self.status, issue_instant: self.issue_instant }))
    }
}

/// An assertion that a pinned key signed, for this audience, recipient, request and time; whether its ID was seen before is for the caller
/// to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAssertion {
    assertion: Assertion,
}

impl VerifiedAssertion {
    /// What was signed.
    pub fn assertion(&self) -> &Assertion {
        &self.assertion
    }

    /// What was signed, without the proof.
    pub fn into_assertion(self) -> Assertion {
        self.assertion
    }
}

/// A refusal that a pinned key signed.
///
/// It may be old: a clock that is off can be the very reason for it, so its age is not checked, and what ties it to the request is
/// `InResponseTo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRefusal {
    status: Status,
    issue_instant: UtcTime,
}

impl VerifiedRefusal {
    /// All of the status.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Our own code, where it was one of ours that answered.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.status.refusal.as_ref()
    }

    /// When the identity provider refused, by its clock.
    pub fn issue_instant(&self) -> UtcTime {
        self.issue_instant
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SignatureAlgorithm;
    use crate::key::tests::{RSA_CERTIFICATE, p256, rsa};
    use crate::name::{Attribute, NameId, NameIdFormat};
    use crate::refusal::RefusalCode;

    const NOW: UtcTime = UtcTime::from_unix_seconds(1_795_300_370);
    const ACS: &str = "https://sp.example/acs";

    struct Fixture {
        issuer: EntityId,
        audience: EntityId,
        request: MessageId,
    }

    impl Fixture {
        fn new() -> Self {
            Self {
                issuer: "https://cloud.example.net/saml/metadata".parse().unwrap(),
                audience: "https://sp.example/metadata".parse().unwrap(),
                request: MessageId::from_random([9; 20]),
            }
        }

        fn expect(&self) -> ResponseExpectations<'_> {
            ResponseExpectations {
                issuer: &self.issuer,
                audience: &self.audience,
                recipient: ACS,
                in_response_to: InResponseTo::Exactly(&self.request),
                now: NOW,
                max_skew_seconds: 30,
            }
        }

        fn response(&self) -> Response {
            let attribute = Attribute {
                name: "mail".into(),
                name_format: Some("urn:x".into()),
                friendly_name: Some("m".into()),
                values: vec!["a".into(), String::new()],
            };
            Response {
                id: MessageId::from_random([1; 20]),
                issue_instant: NOW,
                destination: Some(ACS.into()),
                in_response_to: Some(self.request.clone()),
                issuer: self.issuer.clone(),
                status: Status::success(),
                assertion: Some(Assertion {
                    id: MessageId::from_random([2; 20]),
                    issue_instant: NOW,
                    issuer: self.issuer.clone(),
                    subject: NameId { format: NameIdFormat::EmailAddress, value: "alice@example.com".into() },
                    recipient: ACS.into(),
                    in_response_to: Some(self.request.clone()),
                    not_before: NOW.plus_seconds(-90),
                    not_on_or_after: NOW.plus_seconds(300),
                    audience: self.audience.clone(),
                    authn_instant: NOW,
                    session_index: Some("_s".into()),
                    session_not_on_or_after: None,
                    authn_context: "urn:oasis:names:tc:SAML:2.0:ac:classes:X509".into(),
                    authenticating_authorities: vec!["https://upstream.example".parse().unwrap()],
                    attributes: vec![attribute],
                }),
            }
        }
    }

    fn sign(response: &Response) -> String {
        let signer = rsa(SignatureAlgorithm::RsaSha256);
        response.sign(&SigningIdentity { signer: &signer, certificate_der: RSA_CERTIFICATE }).unwrap()
    }

    fn keys() -> Vec<VerifyingKey> {
        vec![VerifyingKey::from_certificate_der(RSA_CERTIFICATE).unwrap()]
    }

    fn verify(xml: &str, expect: &ResponseExpectations<'_>) -> Result<Answer, RejectionReason> {
        UnverifiedResponse::parse(xml.as_bytes())
            .and_then(|response| response.verify(&keys(), expect))
            .map_err(|rejection| rejection.reason())
    }

    #[test]
    fn a_doubly_signed_response_survives_the_round_trip() {
        let fixture = Fixture::new();
        let xml = sign(&fixture.response());
        for parsed in [
            UnverifiedResponse::parse(xml.as_bytes()),
            UnverifiedResponse::parse_post(&post::encode(&xml)),
            UnverifiedResponse::parse_soap(crate::binding::soap::envelope(&xml).as_bytes()),
        ] {
            let Ok(Answer::Verified(verified)) = parsed.unwrap().verify(&keys(), &fixture.expect()) else {
                panic!("refused")
            };
            assert_eq!(Some(verified.into_assertion()), fixture.response().assertion);
        }
    }

    /// Takes the first or the last signature away.
    fn without_signature(xml: &str, last: bool) -> String {
        let start = if last { xml.rfind("<ds:Signature ") } else { xml.find("<ds:Signature ") }.unwrap();
        let end = start + xml[start..].find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
        format!("{}{}", &xml[..start], &xml[end..])
    }

    #[test]
    fn a_signed_assertion_is_enough_and_a_changed_one_is_not() {
        let fixture = Fixture::new();
        let xml = sign(&fixture.response());
        let assertion_only = without_signature(&xml, false);
        assert!(matches!(verify(&assertion_only, &fixture.expect()), Ok(Answer::Verified(_))));
        assert_eq!(
            verify(&assertion_only.replace("alice@", "clice@"), &fixture.expect()),
            Err(RejectionReason::DigestMismatch)
        );
        assert_eq!(
            verify(&without_signature(&assertion_only, false), &fixture.expect()),
            Err(RejectionReason::NoSignature)
        );
        assert_eq!(verify(&without_signature(&xml, true), &fixture.expect()), Err(RejectionReason::DigestMismatch));
    }

    #[test]
    fn both_signatures_have_to_be_good() {
        let fixture = Fixture::new();
        let assertion = fixture.response().assertion.unwrap();
        let other = p256();
        let inner = assertion.sign(SigningKey { signer: &other, certificate_der: None }).unwrap();
        let response = fixture.response();
        let (xml, position) = response.write(Some(&inner));
        let signer = rsa(SignatureAlgorithm::RsaSha256);
        let key = SigningKey { signer: &signer, certificate_der: None };
        let xml = Enveloped { xml, position, id: response.id.as_str() }.sign(key).unwrap();
        assert_eq!(verify(&xml, &fixture.expect()), Err(RejectionReason::AlgorithmNotForKey));
    }

    #[test]
    fn every_expectation_is_checked() {
        let fixture = Fixture::new();
        let (xml, other) = (sign(&fixture.response()), "https://other.example".parse::<EntityId>().unwrap());
        let another = MessageId::from_random([8; 20]);
        let expect = fixture.expect();
        for (expect, reason) in [
            (ResponseExpectations { issuer: &other, ..expect }, RejectionReason::WrongIssuer),
            (ResponseExpectations { audience: &other, ..expect }, RejectionReason::WrongAudience),
            (ResponseExpectations { recipient: "https://other.example", ..expect }, RejectionReason::WrongDestination),
            (
                ResponseExpectations { in_response_to: InResponseTo::Exactly(&another), ..expect },
                RejectionReason::WrongInResponseTo,
            ),
            (
                ResponseExpectations { in_response_to: InResponseTo::Unsolicited, ..expect },
                RejectionReason::WrongInResponseTo,
            ),
            (ResponseExpectations { now: NOW.plus_seconds(330), ..expect }, RejectionReason::Expired),
            (ResponseExpectations { now: NOW.plus_seconds(-31), ..expect }, RejectionReason::NotYetValid),
        ] {
            assert_eq!(verify(&xml, &expect), Err(reason));
        }
        let mut response = fixture.response();
        response.destination = None;
        let elsewhere = ResponseExpectations { recipient: "https://other.example", ..expect };
        assert_eq!(verify(&sign(&response), &elsewhere), Err(RejectionReason::WrongRecipient));
    }

    #[test]
    fn a_refusal_counts_only_if_signed() {
        let fixture = Fixture::new();
        let refusal = Refusal { code: RefusalCode::ClockSkew, retry_after_seconds: Some(3), time: Some(NOW) };
        let response = Response { status: Status::refused(refusal), assertion: None, ..fixture.response() };
        let late = ResponseExpectations { now: NOW.plus_seconds(86_400), ..fixture.expect() };
        let Ok(Answer::Refused(refused)) = verify(&sign(&response), &late) else { panic!("not refused") };
        assert_eq!(refused.refusal(), Some(&refusal));
        let unsigned = UnverifiedResponse::parse(response.to_unsigned_xml().as_bytes())
            .unwrap()
            .verify(&keys(), &late)
            .unwrap_err();
        assert_eq!(unsigned.reason(), RejectionReason::UnauthenticatedRefusal);
        assert_eq!(unsigned.unauthenticated_refusal(), Some(&refusal));
    }

    #[test]
    fn an_unsigned_document_never_has_an_assertion() {
        assert!(!Fixture::new().response().to_unsigned_xml().contains("Assertion "));
    }

    #[test]
    fn success_without_an_assertion_is_refused() {
        let fixture = Fixture::new();
        let response = Response { assertion: None, ..fixture.response() };
        assert_eq!(verify(&sign(&response), &fixture.expect()), Err(RejectionReason::NoAssertion));
    }
}
