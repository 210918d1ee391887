//! Signature wrapping: the signed parts moved away, the attacker's put where they stood.

use super::*;
use std::collections::BTreeMap;

/// The eight classes of "On Breaking SAML: Be Whoever You Want to Be" (Somorovsky and others, 2012).
#[test]
fn signature_wrapping_in_eight_classes() {
    let original = assertion(ASSERTION_SIGNED);
    let unsigned_original = original.replace(signature(original), "");
    let evil = evil_assertion();
    let body = |content: &str| with(ASSERTION_SIGNED, original, content);
    let response_signature = signature(RESPONSE);
    let bare_response = RESPONSE.replacen(response_signature, "", 1);
    let evil_response = |signature: &str| {
        let evil = bare_response.replace("alice@", "mallory@").replace("_2222", "_evil").replace("_3333", "_evil3");
        with(&evil, "</saml:Issuer>", &format!("</saml:Issuer>{signature}"))
    };
    let inside_signature =
        |content: &str| with(response_signature, "</ds:Signature>", &format!("{content}</ds:Signature>"));
    refused(
        "XSW1: the original response inside the signature",
        &evil_response(&inside_signature(&bare_response)),
        Reason::HiddenMessage,
    );
    let beside = format!("{bare_response}{response_signature}");
    refused("XSW2: the original response before the signature", &evil_response(&beside), Reason::SignaturePlace);
    refused(
        "XSW3: the evil assertion before the original",
        &body(&format!("{evil}{original}")),
        Reason::SeveralAssertions,
    );
    let wrapped = with(&evil, "</saml:Assertion>", &format!("{original}</saml:Assertion>"));
    refused("XSW4: the original assertion inside the evil one", &body(&wrapped), Reason::HiddenMessage);
    let both = format!("{}{unsigned_original}", evil_assertion_with_signature());
    refused("XSW5: the evil assertion has the signature", &body(&both), Reason::SeveralAssertions);
    let inside =
        with(&evil_assertion_with_signature(), "</ds:Signature>", &format!("{unsigned_original}</ds:Signature>"));
    refused("XSW6: the original assertion inside the evil one's signature", &body(&inside), Reason::HiddenMessage);
    let extensions = format!("</saml:Issuer><samlp:Extensions>{original}</samlp:Extensions>");
    let hidden = with(&body(&evil), "</saml:Issuer>", &extensions);
    refused("XSW7: the original assertion in Extensions", &hidden, Reason::HiddenMessage);
    let object = format!("<ds:Object>{unsigned_original}</ds:Object></ds:Signature>");
    let inside = with(&evil_assertion_with_signature(), "</ds:Signature>", &object);
    refused("XSW8: the original assertion in an Object", &body(&inside), Reason::SignaturePlace);
}

#[test]
fn other_hiding_places() {
    let original = assertion(ASSERTION_SIGNED);
    let unsigned_original = original.replace(signature(original), "");
    let body = |content: &str| with(ASSERTION_SIGNED, original, content);
    let advice = format!("</saml:Conditions><saml:Advice>{unsigned_original}</saml:Advice>");
    let evil = with(&evil_assertion_with_signature(), "</saml:Conditions>", &advice);
    refused("in Advice", &body(&evil), Reason::HiddenMessage);
    let confirmation = format!("<saml:SubjectConfirmationData>{unsigned_original}</saml:SubjectConfirmationData>");
    let evil = with(
        &evil_assertion_with_signature(),
        "<saml:SubjectConfirmationData ",
        &format!("{confirmation}<saml:SubjectConfirmationData "),
    );
    refused("in SubjectConfirmationData", &body(&evil), Reason::HiddenMessage);
    let detail = format!("</samlp:StatusCode><samlp:StatusDetail>{unsigned_original}</samlp:StatusDetail>");
    let evil = with(&body(&evil_assertion_with_signature()), "</samlp:StatusCode>", &detail);
    refused("in StatusDetail", &evil, Reason::HiddenMessage);
    let value = format!("<saml:AttributeValue>{unsigned_original}</saml:AttributeValue>");
    let evil =
        with(&evil_assertion_with_signature(), "<saml:AttributeValue>", &format!("{value}<saml:AttributeValue>"));
    refused("in an attribute's value", &body(&evil), Reason::HiddenMessage);
    let same_id = evil_assertion().replace("_evil", "_3333");
    refused("with the same ID", &body(&format!("{same_id}{original}")), Reason::DuplicateId);
    refused(
        "CVE-2025-47949: an unsigned one after the signed one",
        &body(&format!("{original}{}", evil_assertion())),
        Reason::SeveralAssertions,
    );
}

/// Every place of the document gets the attacker's parts, with the signed document whole around them or moved there.
#[test]
fn wrapping_at_every_place() {
    let mut reasons: BTreeMap<Reason, usize> = BTreeMap::new();
    for base in [RESPONSE, ASSERTION_SIGNED] {
        let original = assertion(base);
        let payloads = [
            evil_assertion(),
            evil_assertion_with_signature(),
            signature(base).to_owned(),
            base.replace("_2222", "_evil").replace("_3333", "_evil3").replace("alice@", "mallory@"),
        ];
        for (place, _) in base.match_indices('<') {
            for payload in &payloads {
                let document = format!("{}{payload}{}", &base[..place], &base[place..]);
                count(&mut reasons, believe(document.as_bytes()), &document);
            }
        }
        for evil in [evil_assertion(), evil_assertion_with_signature()] {
            let document = with(base, original, &evil);
            for (place, _) in document.match_indices('<') {
                let moved = format!("{}{original}{}", &document[..place], &document[place..]);
                count(&mut reasons, believe(moved.as_bytes()), &moved);
            }
        }
    }
    let explained = [
        Reason::NotWellFormed,
        Reason::UnexpectedRoot,
        Reason::DuplicateId,
        Reason::HiddenMessage,
        Reason::ReferenceTarget,
        Reason::SeveralAssertions,
        Reason::SeveralSignatures,
        Reason::SignaturePlace,
        Reason::SignatureShape,
    ];
    let tried: usize = reasons.values().sum();
    assert!(tried > 800, "{tried}");
    assert!(reasons.keys().all(|reason| explained.contains(reason)), "{reasons:?}");
}

#[track_caller]
fn count(reasons: &mut BTreeMap<Reason, usize>, verdict: Result<Assertion, Reason>, document: &str) {
    match verdict {
        Err(reason) => *reasons.entry(reason).or_default() += 1,
        Ok(_) => panic!("believed: {document}"),
    }
}
