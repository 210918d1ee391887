//! A protocol message in its document, alone or in a SOAP envelope, before anything of it is believed.

use crate::dsig::{self, Accepted, Covered, Place};
use crate::key::VerifyingKey;
use crate::name::{EntityId, MessageId};
use crate::rejection::{Rejection, RejectionReason};
use crate::time::UtcTime;
use crate::wire;
use crate::xml::{Comments, Document, Element, Namespace, Sequence};

/// The document and where in it the message is.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    document: Document,
    index: u32,
}

impl Message {
    pub(crate) fn parse(xml: &[u8], local: &str) -> Result<Self, Rejection> {
        let document = Document::parse(xml, Comments::Refused)?;
        check_name(document.root(), local)?;
        Ok(Self { document, index: 0 })
    }

    /// The only child of a SOAP 1.1 body (Bindings 3.2.2.1).
    pub(crate) fn parse_soap(body: &[u8], local: &str) -> Result<Self, Rejection> {
        let document = Document::parse(body, Comments::Refused)?;
        let message = crate::binding::soap::only_child_of_body(document.root(), &[])?;
        check_name(message, local)?;
        let index = message.index();
        Ok(Self { document, index })
    }

    pub(crate) fn element(&self) -> Element<'_> {
        self.document.element(self.index)
    }

    pub(crate) fn document(&self) -> &Document {
        &self.document
    }

    pub(crate) fn claimed_id(&self) -> Result<MessageId, Rejection> {
        wire::required_message_id(self.element(), "ID")
    }

    pub(crate) fn claimed_issuer(&self) -> Result<EntityId, Rejection> {
        wire::issuer(Sequence::new(self.element())?.required(Namespace::Assertion, "Issuer")?)
    }

    /// Verifies the signature of a message that holds no other message.
    pub(crate) fn verify(&self, keys: &[VerifyingKey], accepted: Accepted) -> Result<Covered<'_>, Rejection> {
        let element = self.element();
        let signature = dsig::signature_of(element, Place::AfterIssuer)?;
        dsig::check_census(&self.document, &[element], signature.as_slice())?;
        let signature = signature.ok_or(RejectionReason::NoSignature)?;
        dsig::verify(element, signature, keys, accepted)
    }
}

fn check_name(element: Element<'_>, local: &str) -> Result<(), Rejection> {
    if element.is(Namespace::Protocol, local) {
        Ok(())
    } else {
        Err(Rejection::about(RejectionReason::UnexpectedRoot, element.local()))
    }
}

/// Refuses what was made too long ago or in the future.
pub(crate) fn check_fresh(
    issue_instant: UtcTime,
    now: UtcTime,
    max_age_seconds: i64,
    max_skew_seconds: i64,
) -> Result<(), Rejection> {
    if issue_instant > now.plus_seconds(max_skew_seconds) {
        return Err(Rejection::about(RejectionReason::NotYetValid, &issue_instant.to_string()));
    }
    if now > issue_instant.plus_seconds(max_age_seconds.saturating_add(max_skew_seconds)) {
        return Err(Rejection::about(RejectionReason::Expired, &issue_instant.to_string()));
    }
    Ok(())
}
