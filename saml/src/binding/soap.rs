//! The SOAP 1.1 envelope around a message (Bindings 3.2), and faults.

use crate::refusal::RefusalCode;
use crate::rejection::{Rejection, RejectionReason};
use crate::xml::{Element, Namespace, Sequence, Writer};

const SOAP: Namespace = Namespace::Soap;

/// The media type of a SOAP 1.1 message.
pub const CONTENT_TYPE: &str = "text/xml; charset=utf-8";

/// The value of the `SOAPAction` header (Bindings 3.2.3.1).
pub const SOAP_ACTION: &str = "http://www.oasis-open.org/committees/security";

/// Puts a document that this crate wrote into an envelope.
pub fn envelope(xml: &str) -> String {
    let mut writer = Writer::new();
    writer.start(SOAP, "Envelope").start(SOAP, "Body").canonical(xml);
    writer.finish()
}

/// Who is at fault (SOAP 1.1, 4.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultCode {
    /// The message was not one that can be processed.
    Client,
    /// The message could not be processed now.
    Server,
}

/// An envelope with a fault, for what is not even a SAML request (Bindings 3.2.2.1); anything else gets a SAML response.
pub fn fault(code: FaultCode, message: &str, refusal: Option<RefusalCode>) -> String {
    let mut writer = Writer::new();
    writer.start(SOAP, "Envelope").start(SOAP, "Body").start(SOAP, "Fault");
    let code = match code {
        FaultCode::Client => "S:Client",
        FaultCode::Server => "S:Server",
    };
    writer.start(Namespace::None, "faultcode").text(code).end();
    writer.start(Namespace::None, "faultstring").text(message).end();
    if let Some(refusal) = refusal {
        writer.start(Namespace::None, "detail");
        writer.start(Namespace::Countersign, "Refusal").attribute("Code", refusal.code()).end().end();
    }
    writer.finish()
}

/// The message in an envelope, whose headers have to be known if they must be understood.
pub(crate) fn only_child_of_body<'d>(
    envelope: Element<'d>,
    understood: &[(Namespace, &str)],
) -> Result<Element<'d>, Rejection> {
    let shape = |rejection: Rejection| Rejection::about(RejectionReason::SoapShape, &rejection.to_string());
    if !envelope.is(SOAP, "Envelope") {
        return Err(Rejection::about(RejectionReason::UnexpectedRoot, envelope.local()));
    }
    let mut parts = Sequence::new(envelope).map_err(shape)?;
    if let Some(header) = parts.optional(SOAP, "Header") {
        check_headers(header, understood)?;
    }
    let body = parts.required(SOAP, "Body").map_err(shape)?;
    parts.finish().map_err(shape)?;
    let mut children = Sequence::new(body).map_err(shape)?;
    let message = children.any().ok_or(RejectionReason::SoapShape)?;
    children.finish().map_err(shape)?;
    if message.is(SOAP, "Fault") {
        let text =
            message.children().find(|child| child.is(Namespace::None, "faultstring")).map(Element::text).transpose()?;
        return Err(Rejection::about(RejectionReason::SoapFault, text.unwrap_or_default()));
    }
    Ok(message)
}

fn check_headers(header: Element<'_>, understood: &[(Namespace, &str)]) -> Result<(), Rejection> {
    for block in header.children() {
        let known = understood.iter().any(|(namespace, local)| block.is(*namespace, local));
        let must = block.attribute_in(SOAP, "mustUnderstand").is_some_and(|value| !matches!(value, "0" | "false"));
        if must && !known {
            return Err(Rejection::about(RejectionReason::HeaderNotUnderstood, block.local()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    #[test]
    fn finds_the_message_in_its_envelope() {
        let request = "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\"></samlp:AuthnRequest>";
        let message = Message::parse_soap(envelope(request).as_bytes(), "AuthnRequest").unwrap();
        assert_eq!(message.element().source(), request);
    }

    #[test]
    fn refuses_everything_but_one_message() {
        let envelope = |content: &str| {
            let xml = format!(
                "<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:x=\"urn:x\">{content}</S:Envelope>"
            );
            Message::parse_soap(xml.as_bytes(), "AuthnRequest").unwrap_err().reason()
        };
        assert_eq!(envelope(""), RejectionReason::SoapShape);
        assert_eq!(envelope("<S:Body/>"), RejectionReason::SoapShape);
        assert_eq!(envelope("<S:Body>text</S:Body>"), RejectionReason::SoapShape);
        assert_eq!(envelope("<S:Body><x:a/><x:b/></S:Body>"), RejectionReason::SoapShape);
        assert_eq!(envelope("<S:Body><x:a/></S:Body><x:b/>"), RejectionReason::SoapShape);
        assert_eq!(envelope("<S:Body><x:a/></S:Body>"), RejectionReason::UnexpectedRoot);
        let header = "<S:Header><x:h S:mustUnderstand=\"1\"/></S:Header><S:Body><x:a/></S:Body>";
        assert_eq!(envelope(header), RejectionReason::HeaderNotUnderstood);
        let fault = fault(FaultCode::Client, "no", Some(RefusalCode::Malformed));
        let rejection = Message::parse_soap(fault.as_bytes(), "Response").unwrap_err();
        assert_eq!((rejection.reason(), rejection.to_string().contains("`no`")), (RejectionReason::SoapFault, true));
    }
}
