//! What to do where a service's request is not believed: one piece of advice for each rule that services break in practice.

use saml::refusal::RefusalCode;
use saml::rejection::{Rejection, RejectionReason};

/// Where widespread libraries are told which algorithms to sign with.
const SETTINGS: &str = "(ruby-saml: `security[:signature_method]` and `security[:digest_method]`; pysaml2 and SATOSA: `signing_algorithm` and \
    `digest_algorithm`; php-saml: `security.signatureAlgorithm` and `security.digestAlgorithm`; crewjam/saml: `SignatureMethod`; passport-saml: \
    `signatureAlgorithm` and `digestAlgorithm`)";

/// What is to be done about a refusal of the request: most of the codes speak of devices.
#[must_use]
pub(crate) fn for_code(code: RefusalCode) -> &'static str {
    if matches!(code, RefusalCode::Malformed | RefusalCode::ClockSkew) {
        "open the service again from its own first page; its administrators may have to set its clock or bring it up to date"
    } else {
        code.next_action()
    }
}

/// What is to be done about what is wrong with the request itself.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "most rules are broken by attackers alone, and have no advice of their own"
)]
#[must_use]
pub(crate) fn for_rejection(rejection: &Rejection) -> String {
    use RejectionReason as Reason;
    let seen = rejection.excerpt();
    match rejection.reason() {
        Reason::SignatureAlgorithm | Reason::DigestAlgorithm if seen.ends_with("sha1") => format!(
            "the administrators of the service let it sign with SHA-256 in the place of SHA-1 {SETTINGS}; where it can't, an administrator may allow \
             SHA-1 for this one service: `countersign-portal service set ENTITY-ID --sha1-signatures yes`"
        ),
        Reason::SignatureAlgorithm | Reason::DigestAlgorithm => format!(
            "the administrators of the service let it sign with SHA-256 {SETTINGS}: the algorithm `{seen}` is not accepted here"
        ),
        Reason::AlgorithmNotForKey => format!(
            "the administrators of the service give the portal its current metadata: it signs with `{seen}`, for which there is no key on record"
        ),
        Reason::Canonicalization | Reason::Transforms => {
            "the administrators of the service let it sign with exclusive canonicalisation, `http://www.w3.org/2001/10/xml-exc-c14n#`, and the transforms \
             enveloped signature and exclusive canonicalisation alone"
                .to_owned()
        }
        Reason::SignaturePlace => {
            "the administrators of the service let it sign the query where it sends requests by Redirect, and not the document inside; or lets it send \
             them by POST"
                .to_owned()
        }
        Reason::NoPinnedKey => {
            "the administrators of the service give the portal metadata with the certificate that it signs with: there is none on record".to_owned()
        }
        Reason::NoSignature => {
            "the administrators of the service let it sign its requests, as its metadata says it does (`AuthnRequestsSigned`); or gives the portal \
             metadata that does not say so"
                .to_owned()
        }
        Reason::SignatureMismatch => {
            "the administrators of the service give the portal its current metadata: it signs with another key than the one on record".to_owned()
        }
        Reason::DigestMismatch => {
            "the administrators of the service look for what changes its requests after they are signed: a proxy, a filter, or a form that is encoded twice"
                .to_owned()
        }
        Reason::WrongDestination => format!(
            "the administrators of the service give it the portal's current metadata: it sends its requests to `{seen}`"
        ),
        _ => for_code(rejection.code()).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use saml::request::UnverifiedRequest;

    use super::*;

    #[test]
    fn what_was_not_understood_is_said_with_what_to_do_in_general() {
        let rejection = UnverifiedRequest::parse(b"<x/>").unwrap_err();
        assert!(for_rejection(&rejection).contains("open the service again"));
        assert_eq!(for_code(RefusalCode::ServiceUnknown), RefusalCode::ServiceUnknown.next_action());
    }
}
