//! Single logout (Core 3.7, Profiles 4.4): `LogoutRequest` and `LogoutResponse`, either way.

use crate::binding::post;
use crate::dsig::{Accepted, Covered, Enveloped, SigningKey};
use crate::key::{SignError, Signer, VerifyingKey};
use crate::message::{Message, check_fresh};
use crate::name::{EntityId, MessageId, NameId};
use crate::rejection::{Rejection, RejectionReason};
use crate::request::{RequestExpectations, ServiceAlgorithms};
use crate::response::{SigningIdentity, Status};
use crate::time::UtcTime;
use crate::wire;
use crate::xml::{Element, Namespace, Sequence, Writer};

const SAMLP: Namespace = Namespace::Protocol;
const SAML: Namespace = Namespace::Assertion;

/// Ends a user's session (Core 3.7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutRequest {
    /// `ID`.
    pub id: MessageId,
    /// `IssueInstant`.
    pub issue_instant: UtcTime,
    /// `Destination`.
    pub destination: Option<String>,
    /// `Issuer`.
    pub issuer: EntityId,
    /// `NotOnOrAfter`.
    pub not_on_or_after: Option<UtcTime>,
    /// `Reason`, a URI.
    pub reason: Option<String>,
    /// Whose session.
    pub name_id: NameId,
    /// `SessionIndex`; none means all sessions.
    pub session_indexes: Vec<String>,
}

/// Says how a logout ended (Core 3.7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutResponse {
    /// `ID`.
    pub id: MessageId,
    /// `IssueInstant`.
    pub issue_instant: UtcTime,
    /// `Destination`.
    pub destination: Option<String>,
    /// `InResponseTo`.
    pub in_response_to: Option<MessageId>,
    /// `Issuer`.
    pub issuer: EntityId,
    /// `Status`.
    pub status: Status,
}

impl LogoutRequest {
    /// Writes the document with an enveloped signature, for SOAP and POST.
    pub fn sign(&self, identity: &SigningIdentity<'_>) -> Result<String, SignError> {
        let (xml, position) = self.write();
        Enveloped { xml, position, id: self.id.as_str() }.sign(identity.key())
    }

    /// Writes the document as a device does: with an enveloped signature without `KeyInfo`, since the portal knows the key by the issuer.
    pub fn sign_as_device(&self, signer: &dyn Signer) -> Result<String, SignError> {
        let (xml, position) = self.write();
        Enveloped { xml, position, id: self.id.as_str() }.sign(SigningKey { signer, certificate_der: None })
    }

    /// Writes the document without a signature, for the Redirect binding, which signs the query.
    pub fn to_unsigned_xml(&self) -> String {
        self.write().0
    }

    fn write(&self) -> (String, usize) {
        let mut writer = Writer::new();
        let end = self.not_on_or_after.map(|instant| instant.to_string());
        writer
            .start(SAMLP, "LogoutRequest")
            .optional_attribute("Destination", self.destination.as_deref())
            .attribute("ID", self.id.as_str())
            .attribute("IssueInstant", &self.issue_instant.to_string())
            .optional_attribute("NotOnOrAfter", end.as_deref())
            .optional_attribute("Reason", self.reason.as_deref())
            .attribute("Version", "2.0");
        wire::write_issuer(&mut writer, &self.issuer);
        let position = writer.position();
        wire::write_name_id(&mut writer, &self.name_id);
        for index in &self.session_indexes {
            writer.leaf(SAMLP, "SessionIndex", index);
        }
        (writer.finish(), position)
    }

    fn read(element: Element<'_>) -> Result<Self, Rejection> {
        element.only_attributes(&[
            "ID",
            "Version",
            "IssueInstant",
            "Destination",
            "Consent",
            "Reason",
            "NotOnOrAfter",
        ])?;
        wire::check_version(element)?;
        let mut children = Sequence::new(element)?;
        let issuer = wire::issuer(children.required(SAML, "Issuer")?)?;
        children.optional(Namespace::Signature, "Signature");
        children.optional(SAMLP, "Extensions");
        let name_id = wire::name_id(children.required(SAML, "NameID")?)?;
        let indexes = children.many(SAMLP, "SessionIndex").map(|index| index.text().map(str::to_owned));
        let session_indexes = indexes.collect::<Result<_, _>>()?;
        children.finish()?;
        Ok(Self {
            id: wire::required_message_id(element, "ID")?,
            issue_instant: wire::required_instant(element, "IssueInstant")?,
            destination: wire::optional_uri(element, "Destination")?,
            issuer,
            not_on_or_after: wire::optional_instant(element, "NotOnOrAfter")?,
            reason: element.attribute("Reason").map(str::to_owned),
            name_id,
            session_indexes,
        })
    }
}

impl LogoutResponse {
    /// Writes the document with an enveloped signature, for SOAP and POST.
    pub fn sign(&self, identity: &SigningIdentity<'_>) -> Result<String, SignError> {
        let (xml, position) = self.write();
        Enveloped { xml, position, id: self.id.as_str() }.sign(identity.key())
    }

    /// Writes the document without a signature, for the Redirect binding, which signs the query.
    pub fn to_unsigned_xml(&self) -> String {
        self.write().0
    }

    fn write(&self) -> (String, usize) {
        let mut writer = Writer::new();
        writer
            .start(SAMLP, "LogoutResponse")
            .optional_attribute("Destination", self.destination.as_deref())
            .attribute("ID", self.id.as_str())
            .optional_attribute("InResponseTo", self.in_response_to.as_ref().map(MessageId::as_str))
            .attribute("IssueInstant", &self.issue_instant.to_string())
            .attribute("Version", "2.0");
        wire::write_issuer(&mut writer, &self.issuer);
        let position = writer.position();
        self.status.write(&mut writer);
        (writer.finish(), position)
    }

    fn read(element: Element<'_>) -> Result<Self, Rejection> {
        element.only_attributes(&["ID", "Version", "IssueInstant", "Destination", "Consent", "InResponseTo"])?;
        wire::check_version(element)?;
        let mut children = Sequence::new(element)?;
        let issuer = wire::issuer(children.required(SAML, "Issuer")?)?;
        children.optional(Namespace::Signature, "Signature");
        children.optional(SAMLP, "Extensions");
        let status = Status::read(children.required(SAMLP, "Status")?)?;
        children.finish()?;
        Ok(Self {
            id: wire::required_message_id(element, "ID")?,
            issue_instant: wire::required_instant(element, "IssueInstant")?,
            destination: wire::optional_uri(element, "Destination")?,
            in_response_to: wire::optional_message_id(element, "InResponseTo")?,
            issuer,
            status,
        })
    }
}

fn check(destination: Option<&str>, issue_instant: UtcTime, expect: &RequestExpectations<'_>) -> Result<(), Rejection> {
    if let Some(destination) = destination.filter(|destination| !expect.destinations.contains(destination)) {
        return Err(Rejection::about(RejectionReason::WrongDestination, destination));
    }
    check_fresh(issue_instant, expect.now, expect.max_age_seconds, expect.max_skew_seconds)
}

macro_rules! unverified {
    ($(#[$doc:meta])* $unverified:ident, $local:literal, $verified:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $unverified {
            message: Message,
            issuer: EntityId,
            id: MessageId,
        }

        impl $unverified {
            /// Reads a document, with the limits of the profile.
            pub fn parse(xml: &[u8]) -> Result<Self, Rejection> {
                Self::claims(Message::parse(xml, $local)?)
            }

            /// Reads a document out of a SOAP envelope (Bindings 3.2).
            pub fn parse_soap(body: &[u8]) -> Result<Self, Rejection> {
                Self::claims(Message::parse_soap(body, $local)?)
            }

            /// Reads a field of the POST binding (Bindings 3.5).
            pub fn parse_post(field: &str) -> Result<Self, Rejection> {
                Self::parse(&post::decode(field)?)
            }

            fn claims(message: Message) -> Result<Self, Rejection> {
                Ok(Self { issuer: message.claimed_issuer()?, id: message.claimed_id()?, message })
            }

            /// Who the issuer says it is: good for choosing the keys, and for nothing else.
            pub fn claimed_issuer(&self) -> &EntityId {
                &self.issuer
            }

            /// The `ID`, so that even a refusal can name it.
            pub fn claimed_id(&self) -> &MessageId {
                &self.id
            }

            /// Checks the signature with the keys pinned for the issuer, then everything expected; the age comes last.
            pub fn verify(self, keys: &[VerifyingKey], expect: &RequestExpectations<'_>) -> Result<$verified, Rejection> {
                $verified::read(self.message.verify(keys, Accepted::default())?, expect)
            }

            /// As `verify`, for a registered service provider, whose signature may also use inclusive canonicalisation, and SHA-1 where its
            /// record allows it.
            pub fn verify_from_service(
                self,
                keys: &[VerifyingKey],
                algorithms: ServiceAlgorithms,
                expect: &RequestExpectations<'_>,
            ) -> Result<$verified, Rejection> {
                $verified::read(self.message.verify(keys, algorithms.accepted())?, expect)
            }
        }
    };
}

unverified! {
    /// A logout request of which nothing is believed.
    UnverifiedLogoutRequest, "LogoutRequest", VerifiedLogoutRequest
}

unverified! {
    /// A logout response of which nothing is believed.
    UnverifiedLogoutResponse, "LogoutResponse", VerifiedLogoutResponse
}

impl UnverifiedLogoutResponse {
    /// Reads an answer that nobody signed: for one that came back on the TLS connection on which the request was sent, by which its sender is
    /// known (Bindings 3.2.2). One that is signed has to be verified.
    pub fn accept_from_channel(self, expect: &RequestExpectations<'_>) -> Result<LogoutResponse, Rejection> {
        let element = self.message.element();
        if crate::dsig::signature_of(element, crate::dsig::Place::AfterIssuer)?.is_some() {
            return Err(RejectionReason::NoPinnedKey.into());
        }
        crate::dsig::check_census(self.message.document(), &[element], &[])?;
        let response = LogoutResponse::read(element)?;
        check(response.destination.as_deref(), response.issue_instant, expect)?;
        Ok(response)
    }
}

/// A logout request that a pinned key signed, for this address and now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedLogoutRequest {
    request: LogoutRequest,
}

impl VerifiedLogoutRequest {
    pub(crate) fn read(covered: Covered<'_>, expect: &RequestExpectations<'_>) -> Result<Self, Rejection> {
        let request = LogoutRequest::read(covered.element())?;
        check(request.destination.as_deref(), request.issue_instant, expect)?;
        let over = request.not_on_or_after.filter(|end| expect.now >= end.plus_seconds(expect.max_skew_seconds));
        match over {
            Some(end) => Err(Rejection::about(RejectionReason::Expired, &end.to_string())),
            None => Ok(Self { request }),
        }
    }

    /// What was signed.
    pub fn request(&self) -> &LogoutRequest {
        &self.request
    }
}

/// A logout response that a pinned key signed, for this address and now; that it answers a request that was made is for the caller to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedLogoutResponse {
    response: LogoutResponse,
}

impl VerifiedLogoutResponse {
    pub(crate) fn read(covered: Covered<'_>, expect: &RequestExpectations<'_>) -> Result<Self, Rejection> {
        let response = LogoutResponse::read(covered.element())?;
        check(response.destination.as_deref(), response.issue_instant, expect)?;
        Ok(Self { response })
    }

    /// What was signed.
    pub fn response(&self) -> &LogoutResponse {
        &self.response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::redirect::{Direction, RedirectedLogoutRequest, RedirectedLogoutResponse, signed_query};
    use crate::key::SignatureAlgorithm;
    use crate::key::tests::{RSA_CERTIFICATE, rsa};
    use crate::name::NameIdFormat;
    use crate::request::tests::EXPECT;

    fn request() -> LogoutRequest {
        LogoutRequest {
            id: MessageId::from_random([1; 20]),
            issue_instant: EXPECT.now,
            destination: Some(EXPECT.destinations[0].into()),
            issuer: "https://sp.example/metadata".parse().unwrap(),
            not_on_or_after: Some(EXPECT.now.plus_seconds(60)),
            reason: Some("urn:oasis:names:tc:SAML:2.0:logout:user".into()),
            name_id: NameId { format: NameIdFormat::Transient, value: "_t".into() },
            session_indexes: vec!["_s1".into(), "_s2".into()],
        }
    }

    fn response() -> LogoutResponse {
        LogoutResponse {
            id: MessageId::from_random([2; 20]),
            issue_instant: EXPECT.now,
            destination: Some(EXPECT.destinations[0].into()),
            in_response_to: Some(MessageId::from_random([1; 20])),
            issuer: "https://sp.example/metadata".parse().unwrap(),
            status: Status::success(),
        }
    }

    #[test]
    fn both_survive_the_round_trip_signed_inside_and_in_a_query() {
        let signer = rsa(SignatureAlgorithm::RsaSha512);
        let identity = SigningIdentity { signer: &signer, certificate_der: RSA_CERTIFICATE };
        let keys = [signer.verifying_key().unwrap()];
        let xml = request().sign(&identity).unwrap();
        assert_eq!(
            UnverifiedLogoutRequest::parse(xml.as_bytes()).unwrap().verify(&keys, &EXPECT).unwrap().request(),
            &request()
        );
        let xml = response().sign(&identity).unwrap();
        assert_eq!(
            UnverifiedLogoutResponse::parse(xml.as_bytes()).unwrap().verify(&keys, &EXPECT).unwrap().response(),
            &response()
        );
        let query = signed_query(Direction::Request, &request().to_unsigned_xml(), None, &signer).unwrap();
        let received =
            RedirectedLogoutRequest::parse(&query).unwrap().verify(&keys, ServiceAlgorithms::Current, &EXPECT).unwrap();
        assert_eq!(received.message.request(), &request());
        let query = signed_query(Direction::Response, &response().to_unsigned_xml(), Some("r"), &signer).unwrap();
        let received = RedirectedLogoutResponse::parse(&query)
            .unwrap()
            .verify(&keys, ServiceAlgorithms::Current, &EXPECT)
            .unwrap();
        assert_eq!(received.message.response(), &response());
    }

    #[test]
    fn an_unsigned_or_late_request_is_refused() {
        let signer = rsa(SignatureAlgorithm::RsaSha256);
        let keys = [signer.verifying_key().unwrap()];
        let reason = |xml: &str, expect: &RequestExpectations<'_>| {
            UnverifiedLogoutRequest::parse(xml.as_bytes()).unwrap().verify(&keys, expect).unwrap_err().reason()
        };
        assert_eq!(reason(&request().to_unsigned_xml(), &EXPECT), RejectionReason::NoSignature);
        let xml = request().sign(&SigningIdentity { signer: &signer, certificate_der: RSA_CERTIFICATE }).unwrap();
        let late = RequestExpectations { now: EXPECT.now.plus_seconds(120), ..EXPECT };
        assert_eq!(reason(&xml, &late), RejectionReason::Expired);
    }
}
