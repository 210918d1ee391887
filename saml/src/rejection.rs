//! Why a document was not believed: one named rule for each way to refuse.

use crate::refusal::{Refusal, RefusalCode};
use std::fmt;

macro_rules! reasons {
    ($($variant:ident $class:ident $text:literal;)+) => {
        /// The rule that a document broke; `docs/saml-profile.md` gives each rule's reason.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RejectionReason {
            $(#[doc = $text] $variant,)+
        }

        impl RejectionReason {
            /// All rules, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// What was wrong, as a sentence without a full stop.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The rule's name, as the documentation and logs have it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// The code that the portal answers with.
            pub const fn code(self) -> RefusalCode {
                match self { $(Self::$variant => RefusalCode::$class,)+ }
            }
        }
    };
}

reasons! {
    TooLarge Malformed "the document is larger than the limit";
    TooDeep Malformed "elements are nested deeper than the limit";
    TooManyNodes Malformed "the document has more elements and texts than the limit";
    TooManyAttributes Malformed "an element or the document has more attributes than the limit";
    TooManyNamespaces Malformed "more namespace prefixes are in scope than the limit";
    NotUtf8 Malformed "the document is not UTF-8";
    EncodingDeclared Malformed "the XML declaration names an encoding other than UTF-8 or a version other than 1.0";
    Doctype Malformed "the document has a document type declaration";
    ProcessingInstruction Malformed "the document has a processing instruction";
    Comment Malformed "the document has a comment";
    CdataSection Malformed "the document has a CDATA section";
    NotWellFormed Malformed "the document is not well-formed XML";
    ForbiddenCharacter Malformed "the document has a character that XML 1.0 does not allow";
    UnknownEntity Malformed "an entity other than the five predefined ones is referred to";
    CharacterReference Malformed "a character reference is malformed or names no XML character";
    UndeclaredPrefix Malformed "a namespace prefix is not declared";
    ReservedNamespace Malformed "a reserved prefix or namespace is declared or misused";
    NamespaceName Malformed "a namespace name is not an absolute URI, or not written plainly";
    DuplicateAttribute Malformed "an element has the same attribute twice";
    DuplicateId Malformed "two elements have the same ID";
    UnexpectedRoot Malformed "the root is not the element that is expected here";
    UnexpectedElement Malformed "an element is not allowed here";
    MissingElement Malformed "an element that must be there is missing";
    UnexpectedAttribute Malformed "an attribute is not allowed here";
    MissingAttribute Malformed "an attribute that must be there is missing";
    UnexpectedText Malformed "text stands where only elements are allowed";
    ValueNotPlain Malformed "a value holds something other than plain text";
    BadValue Malformed "a value is not of its type";
    Version Malformed "the SAML version is not 2.0";
    HiddenMessage Malformed "a message or assertion stands where the schema has no place for one that is read";
    Encrypted Malformed "encrypted content is not accepted";
    SeveralAssertions Malformed "the response has more than one assertion";
    NoAssertion Malformed "the response reports success and has no assertion";
    Base64 Malformed "a base64 value is malformed";
    Inflate Malformed "a compressed value is malformed or larger than the limit when inflated";
    Query Malformed "the query string is malformed, or has a SAML parameter twice or in the wrong order";
    SoapShape Malformed "the SOAP envelope does not hold exactly one message";
    SoapFault Malformed "the answer is a SOAP fault";
    HeaderNotUnderstood Malformed "a SOAP header that must be understood is not one of those known here";
    ConsumerUrl Malformed "the consumer URL of the request and that of the answer are not the same";
    NoSignature BadSignature "nothing that could be read is signed";
    SignaturePlace BadSignature "a signature stands where the schema has no place for one";
    SeveralSignatures BadSignature "an element has more than one signature";
    SignatureShape BadSignature "a signature holds something other than exactly what the profile allows";
    SeveralReferences BadSignature "a signature does not have exactly one reference";
    ReferenceTarget BadSignature "a signature refers to something other than the element that it stands in";
    Transforms BadSignature "the transforms are not exactly the enveloped signature and exclusive canonicalisation";
    Canonicalization BadSignature "the canonicalisation method is not exclusive canonicalisation";
    DigestAlgorithm BadSignature "the digest algorithm is not accepted";
    SignatureAlgorithm BadSignature "the signature algorithm is not accepted";
    NoPinnedKey BadSignature "no key is pinned for the issuer";
    AlgorithmNotForKey BadSignature "no pinned key fits the signature algorithm";
    DigestMismatch BadSignature "the signed element was changed after it was signed";
    SignatureMismatch BadSignature "the signature was not made with a pinned key";
    UnauthenticatedRefusal BadSignature "the answer is a refusal that nobody signed";
    WrongIssuer Malformed "the issuer is not the one that is expected";
    WrongDestination Malformed "the message is meant for another address";
    WrongRecipient Malformed "the assertion is meant for another address";
    WrongAudience Malformed "the assertion is meant for another audience";
    WrongInResponseTo Malformed "the message does not answer the request that was made";
    NoBearerConfirmation Malformed "no subject confirmation of the bearer kind can be used";
    UnknownCondition Malformed "the assertion has a condition that is not understood";
    Expired ClockSkew "the message or assertion is no longer valid";
    NotYetValid ClockSkew "the message or assertion is not valid yet";
    MetadataExpired Malformed "the metadata's time is over";
    MetadataWithoutEnd Malformed "signed metadata does not say until when it is valid";
}

/// A document that is not believed, with the rule it broke.
///
/// The text holds at most a short, escaped excerpt of the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Rejection {
    reason: RejectionReason,
    excerpt: String,
    /// What has to be there instead, or what to do; empty: the reason says it.
    hint: &'static str,
    unauthenticated_refusal: Option<Box<Refusal>>,
}

const EXCERPT_CHARS: usize = 64;

/// The beginning of a text that somebody else has written, fit to be shown in one line.
fn short(text: &str) -> String {
    let mut short: String = text.chars().take(EXCERPT_CHARS).flat_map(char::escape_default).collect();
    if text.chars().nth(EXCERPT_CHARS).is_some() {
        short.push('…');
    }
    short
}

impl Rejection {
    pub(crate) fn new(reason: RejectionReason) -> Self {
        Self { reason, excerpt: String::new(), hint: "", unauthenticated_refusal: None }
    }

    pub(crate) fn about(reason: RejectionReason, excerpt: &str) -> Self {
        Self { excerpt: short(excerpt), ..Self::new(reason) }
    }

    /// The value of an attribute, or of an element where `place` names one, that is not of its type.
    pub(crate) fn value(place: &str, value: &str, wanted: &'static str) -> Self {
        let excerpt = format!("{}=\"{}\"", short(place), short(value));
        Self { excerpt, hint: wanted, ..Self::new(RejectionReason::BadValue) }
    }

    /// Says as well what has to be there, or what to do.
    pub(crate) fn with_hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    pub(crate) fn unauthenticated(refusal: Option<Refusal>) -> Self {
        let excerpt = refusal.map_or_else(String::new, |refusal| refusal.code.code().to_owned());
        Self {
            reason: RejectionReason::UnauthenticatedRefusal,
            excerpt,
            hint: "",
            unauthenticated_refusal: refusal.map(Box::new),
        }
    }

    /// The code that the portal answers with.
    pub const fn code(&self) -> RefusalCode {
        self.reason.code()
    }

    /// What in the document broke it, as far as one thing did: at most a short, escaped excerpt.
    pub fn excerpt(&self) -> &str {
        &self.excerpt
    }

    /// The rule that was broken.
    pub const fn reason(&self) -> RejectionReason {
        self.reason
    }

    /// The refusal that an unsigned answer claims, for the diagnosis only: anybody on the way may have written it.
    pub fn unauthenticated_refusal(&self) -> Option<&Refusal> {
        self.unauthenticated_refusal.as_deref()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.reason.text())?;
        if !self.excerpt.is_empty() {
            write!(out, " (`{}`)", self.excerpt)?;
        }
        if !self.hint.is_empty() {
            write!(out, ": {}", self.hint)?;
        }
        Ok(())
    }
}

impl From<RejectionReason> for Rejection {
    fn from(reason: RejectionReason) -> Self {
        Self::new(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_only_a_short_escaped_excerpt() {
        let rejection = Rejection::about(RejectionReason::BadValue, &format!("\n\u{1b}[31m{}", "x".repeat(500)));
        let text = rejection.to_string();
        assert!(text.len() < 150, "{text}");
        assert!(!text.contains('\n') && !text.contains('\u{1b}'), "{text}");
    }
}
