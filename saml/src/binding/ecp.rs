//! The Enhanced Client or Proxy profile (Profiles 4.2) over PAOS and SOAP: the agent carries a service provider's request to the portal and
//! the answer back, and touches neither.

use super::soap::only_child_of_body;
use crate::rejection::{Rejection, RejectionReason};
use crate::wire;
use crate::xml::{Comments, Document, Element, Namespace, Writer};

/// The value of the `PAOS` header with which a client says that it knows the profile (Bindings 3.3.3, Profiles 4.2.3.1).
pub const PAOS_HEADER: &str = "ver=\"urn:liberty:paos:2003-08\";\"urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp\"";

/// The media type of PAOS (Bindings 3.3.3).
pub const CONTENT_TYPE: &str = "application/vnd.paos+xml";

const SERVICE: &str = "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp";
const NEXT_ACTOR: &str = "http://schemas.xmlsoap.org/soap/actor/next";

/// Headers of a service provider that are understood here (Profiles 4.2.3.2).
const FROM_SERVICE: &[(Namespace, &str)] =
    &[(Namespace::Paos, "Request"), (Namespace::Ecp, "Request"), (Namespace::Ecp, "RelayState")];
/// Headers of an identity provider that are understood here (Profiles 4.2.4.2).
const FROM_IDENTITY_PROVIDER: &[(Namespace, &str)] =
    &[(Namespace::Ecp, "Response"), (Namespace::Ecp, "RequestAuthenticated")];

/// What a service provider sent instead of the page that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaosRequest {
    response_consumer_url: String,
    message_id: Option<String>,
    relay_state: Option<String>,
    for_identity_provider: String,
}

impl PaosRequest {
    /// Reads the envelope. Headers are read leniently, because widespread implementations send some that their schema does not have; only
    /// `responseConsumerURL` has to be there.
    pub fn parse(body: &[u8]) -> Result<Self, Rejection> {
        let document = Document::parse(body, Comments::Refused)?;
        let envelope = document.root();
        let request = only_child_of_body(envelope, FROM_SERVICE)?;
        if !request.is(Namespace::Protocol, "AuthnRequest") {
            return Err(Rejection::about(RejectionReason::UnexpectedRoot, request.local()));
        }
        let header = header_of(envelope).ok_or_else(|| Rejection::about(RejectionReason::MissingElement, "Header"))?;
        let paos = block(header, Namespace::Paos, "Request")?
            .ok_or_else(|| Rejection::about(RejectionReason::MissingElement, "paos:Request"))?;
        if let Some(service) = paos.attribute("service").filter(|service| *service != SERVICE) {
            return Err(Rejection::about(RejectionReason::BadValue, service));
        }
        let response_consumer_url = wire::required_uri(paos, "responseConsumerURL")?;
        if let Some(url) = request.attribute("AssertionConsumerServiceURL").filter(|url| *url != response_consumer_url)
        {
            return Err(Rejection::about(RejectionReason::ConsumerUrl, url));
        }
        let relay_state = block(header, Namespace::Ecp, "RelayState")?.map(Element::text).transpose()?;
        let (before, after) = document.around(header);
        Ok(Self {
            response_consumer_url,
            message_id: paos.attribute("messageID").map(str::to_owned),
            relay_state: relay_state.map(str::to_owned),
            for_identity_provider: [before, after].concat(),
        })
    }

    /// Where the service provider wants the answer.
    pub fn response_consumer_url(&self) -> &str {
        &self.response_consumer_url
    }

    /// The envelope for the identity provider: the same octets without the header, so that no signature and no namespace is lost.
    pub fn for_identity_provider(&self) -> &str {
        &self.for_identity_provider
    }

    /// The envelope for the service provider, to be posted to [`PaosRequest::response_consumer_url`], made of the identity provider's answer.
    ///
    /// Where the identity provider names another address the answer must not be delivered (Profiles 4.2.4.5): send the service
    /// [`consumer_url_fault`] instead.
    pub fn answer(&self, from_identity_provider: &[u8]) -> Result<String, Rejection> {
        let document = Document::parse(from_identity_provider, Comments::Refused)?;
        let envelope = document.root();
        let response = only_child_of_body(envelope, FROM_IDENTITY_PROVIDER)?;
        if !response.is(Namespace::Protocol, "Response") {
            return Err(Rejection::about(RejectionReason::UnexpectedRoot, response.local()));
        }
        let header = header_of(envelope).ok_or_else(|| Rejection::about(RejectionReason::MissingElement, "Header"))?;
        let ecp = block(header, Namespace::Ecp, "Response")?
            .ok_or_else(|| Rejection::about(RejectionReason::MissingElement, "ecp:Response"))?;
        let url = ecp.required_attribute("AssertionConsumerServiceURL")?;
        if url != self.response_consumer_url {
            return Err(Rejection::about(RejectionReason::ConsumerUrl, url));
        }
        let (before, after) = document.around(header);
        Ok([before, &self.header_for_service(), after].concat())
    }

    fn header_for_service(&self) -> String {
        let mut writer = Writer::new();
        writer.start(Namespace::Soap, "Header").start(Namespace::Paos, "Response");
        writer.optional_attribute("refToMessageID", self.message_id.as_deref());
        for_next_actor(&mut writer).end();
        if let Some(relay_state) = &self.relay_state {
            writer.start(Namespace::Ecp, "RelayState");
            for_next_actor(&mut writer).text(relay_state).end();
        }
        writer.finish()
    }
}

fn for_next_actor(writer: &mut Writer) -> &mut Writer {
    writer.prefixed_attribute(Namespace::Soap, "actor", NEXT_ACTOR).prefixed_attribute(
        Namespace::Soap,
        "mustUnderstand",
        "1",
    )
}

/// The identity provider's envelope (Profiles 4.2.4.2): the response, and in the header the registered address it may be delivered to.
pub fn response_envelope(assertion_consumer_service_url: &str, response_xml: &str) -> String {
    let mut writer = Writer::new();
    writer.start(Namespace::Soap, "Envelope").start(Namespace::Soap, "Header");
    writer.start(Namespace::Ecp, "Response").attribute("AssertionConsumerServiceURL", assertion_consumer_service_url);
    for_next_actor(&mut writer).end().end();
    writer.start(Namespace::Soap, "Body").canonical(response_xml);
    writer.finish()
}

/// What the service provider gets where the two addresses differ (Profiles 4.2.4.5).
pub fn consumer_url_fault() -> String {
    super::soap::fault(
        super::soap::FaultCode::Client,
        "the identity provider names another assertion consumer service",
        None,
    )
}

fn header_of(envelope: Element<'_>) -> Option<Element<'_>> {
    envelope.children().find(|child| child.is(Namespace::Soap, "Header"))
}

/// The only header block of a name.
fn block<'d>(header: Element<'d>, namespace: Namespace, local: &str) -> Result<Option<Element<'d>>, Rejection> {
    let mut blocks = header.children().filter(|child| child.is(namespace, local));
    match (blocks.next(), blocks.next()) {
        (block, None) => Ok(block),
        (_, Some(_)) => Err(Rejection::about(RejectionReason::SoapShape, local)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    const ENVELOPE: &str = "<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\" \
        xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\"><S:Header><paos:Request xmlns:paos=\"urn:liberty:paos:2003-08\" \
        S:mustUnderstand=\"1\" messageID=\"_m\" responseConsumerURL=\"https://sp/paos\" \
        service=\"urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp\"/><ecp:RelayState \
        xmlns:ecp=\"urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp\" S:mustUnderstand=\"1\">state</ecp:RelayState></S:Header>\
        <S:Body><p:AuthnRequest AssertionConsumerServiceURL=\"https://sp/paos\"  ID='_1'/></S:Body></S:Envelope>";

    #[test]
    fn relays_the_request_octet_for_octet() {
        let request = PaosRequest::parse(ENVELOPE.as_bytes()).unwrap();
        assert_eq!(request.response_consumer_url(), "https://sp/paos");
        let relayed = Message::parse_soap(request.for_identity_provider().as_bytes(), "AuthnRequest").unwrap();
        assert_eq!(
            relayed.element().source(),
            "<p:AuthnRequest AssertionConsumerServiceURL=\"https://sp/paos\"  ID='_1'/>"
        );
        assert!(!request.for_identity_provider().contains("Header"));
    }

    #[test]
    fn delivers_the_answer_only_to_the_address_that_both_name() {
        let request = PaosRequest::parse(ENVELOPE.as_bytes()).unwrap();
        let response = "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\"></samlp:Response>";
        let answer = request.answer(response_envelope("https://sp/paos", response).as_bytes()).unwrap();
        assert!(answer.contains("refToMessageID=\"_m\"") && answer.contains(">state</ecp:RelayState>"), "{answer}");
        let document = Document::parse(answer.as_bytes(), Comments::Refused).unwrap();
        let known = [(Namespace::Paos, "Response"), (Namespace::Ecp, "RelayState")];
        assert_eq!(only_child_of_body(document.root(), &known).unwrap().source(), response);
        let elsewhere = request.answer(response_envelope("https://evil/paos", response).as_bytes()).unwrap_err();
        assert_eq!(elsewhere.reason(), RejectionReason::ConsumerUrl);
        assert!(consumer_url_fault().contains("Client"));
    }

    #[test]
    fn refuses_an_envelope_whose_addresses_differ() {
        let other = ENVELOPE.replace("URL=\"https://sp/paos\"  ID", "URL=\"https://evil/paos\"  ID");
        assert_eq!(PaosRequest::parse(other.as_bytes()).unwrap_err().reason(), RejectionReason::ConsumerUrl);
    }
}
