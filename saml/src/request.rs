//! Requests on their way: signed by the agent, verified by the portal, and read from service providers.

use crate::authn_request::NAME;
pub use crate::authn_request::{AuthnRequest, Comparison, NameIdPolicy, RequestedAuthnContext, SubjectDetails};
use crate::binding::soap;
use crate::device::Enrolment;
use crate::dsig::{Accepted, Covered};
use crate::key::VerifyingKey;
use crate::message::{Message, check_fresh};
use crate::name::{EntityId, MessageId};
use crate::rejection::{Rejection, RejectionReason};
use crate::time::UtcTime;
use crate::token::TokenId;
use crate::xml::{Element, Namespace};

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub struct SignedRequest {
    xml: String,
    id: MessageId,
}

impl SignedRequest {
    pub(crate) fn new(xml: String, id: MessageId) -> Self {
        Self { xml, id }
    }

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
    /// The addresses of which `Destination` has to be one; how scheme, host and the port 443 are written means nothing (RFC 3986 6.2).
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

    /// As [`UnverifiedRequest::verify_from_service`], for a request that the service's client has brought along: a service that speaks ECP does
    /// not know where its client goes with it, and may leave `Destination` out (Profiles 4.2.4.1).
    pub fn verify_from_client(
        self,
        keys: &[VerifyingKey],
        algorithms: ServiceAlgorithms,
        expect: &RequestExpectations<'_>,
    ) -> Result<VerifiedRequest, Rejection> {
        let covered = self.message.verify(keys, algorithms.accepted())?;
        VerifiedRequest::read_undirected(covered, expect)
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
    let extensions = message.children().find(|child| child.is(Namespace::Protocol, "Extensions"))?;
    let device = extensions.children().find(|child| child.is(Namespace::Countersign, "Device"))?;
    device.children().find(|child| child.is(Namespace::Countersign, "Enrolment"))
}

fn check_destination(destination: &str, expect: &RequestExpectations<'_>) -> Result<(), Rejection> {
    if expect.destinations.iter().any(|own| crate::wire::is_same_address(own, destination)) {
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
        let verified = Self::read_undirected(covered, expect)?;
        // A signed message has to say where it goes (Bindings 3.4.5.2 and 3.5.5.2).
        if verified.request.destination.is_none() {
            return Err(Rejection::about(RejectionReason::MissingAttribute, "Destination"));
        }
        Ok(verified)
    }

    fn read_undirected(covered: Covered<'_>, expect: &RequestExpectations<'_>) -> Result<Self, Rejection> {
        let request = AuthnRequest::read(covered.element())?;
        if let Some(destination) = &request.destination {
            check_destination(destination, expect)?;
        }
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
    use crate::device::{DeviceStatement, Evidence, EvidenceGrade};
    use crate::key::tests::{ed25519, p256, p384};
    use crate::name::{Attribute, NameId, NameIdFormat};
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
            transaction: Some(MessageId::from_random([2; 20])),
            device: Some(DeviceStatement {
                sequence: 1,
                evidence: Evidence {
                    grade: EvidenceGrade::Local,
                    source: "logind".into(),
                    attributes: vec![attribute("urn:countersign:user:local-name", "alice & <bob>")],
                },
                facts: vec![attribute("urn:countersign:device:hostname", "lt-0042")],
                enrolment: Some(enrolment),
                rotation: None,
            }),
            subject: Some(NameId { format: NameIdFormat::EmailAddress, value: "alice@example.com".into() }),
            name_id_policy: Some(NameIdPolicy {
                format: Some(NameIdFormat::EmailAddress),
                sp_name_qualifier: None,
                allow_create: true,
            }),
            requested_authn_context: Some(RequestedAuthnContext {
                comparison: Comparison::Minimum,
                class_refs: vec!["urn:oasis:names:tc:SAML:2.0:ac:classes:X509".into()],
                decl_refs: Vec::new(),
            }),
            proxy_count: Some(2),
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
    fn only_what_a_client_brings_along_may_leave_its_destination_out() {
        let signer = p256();
        let keys = [signer.verifying_key().unwrap()];
        let signed = |destination: Option<&str>| {
            let request = AuthnRequest { destination: destination.map(str::to_owned), ..full_request(b"k") };
            UnverifiedRequest::parse(request.sign(&signer).unwrap().xml.as_bytes()).unwrap()
        };
        let brought = |destination| {
            signed(destination).verify_from_client(&keys, ServiceAlgorithms::Current, &EXPECT).map_err(|r| r.reason())
        };
        assert!(brought(None).is_ok());
        assert_eq!(brought(Some("https://other")).unwrap_err(), RejectionReason::WrongDestination);
        let directed = signed(None).verify_from_service(&keys, ServiceAlgorithms::Current, &EXPECT);
        assert_eq!(directed.unwrap_err().reason(), RejectionReason::MissingAttribute);
        assert_eq!(signed(None).verify(&keys, &EXPECT).unwrap_err().reason(), RejectionReason::MissingAttribute);
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
