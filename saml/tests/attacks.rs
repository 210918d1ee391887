//! Attacks that have broken other implementations, each refused for the reason it should be.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "properties/mod.rs"]
#[expect(dead_code, reason = "the keys and expectations are used here")]
mod properties;

use properties::{ACS, EXPECTED_OF_REQUESTS, IDP, NOW, REQUEST_ID, SERVICE, p256_signer, rsa_signer};
use saml::key::{Pkcs8Signer, SignatureAlgorithm, VerifyingKey};
use saml::name::{EntityId, MessageId};
use saml::rejection::RejectionReason as Reason;
use saml::request::UnverifiedRequest;
use saml::response::{
    Answer, Assertion, InResponseTo, Response, ResponseExpectations, SigningIdentity, UnverifiedResponse,
};
use std::collections::BTreeMap;

const RESPONSE: &str = include_str!("../fuzz/corpus/verify/response.xml");
const ASSERTION_SIGNED: &str = include_str!("../fuzz/corpus/verify/response-assertion-signed.xml");
const REQUEST: &str = include_str!("../fuzz/corpus/verify/request.xml");
const CERTIFICATE: &[u8] = include_bytes!("keys/rsa2048.crt.der");

fn keys() -> [VerifyingKey; 1] {
    [rsa_signer().verifying_key().unwrap()]
}

/// The assertion that is believed, or why none is.
fn believe(octets: &[u8]) -> Result<Assertion, Reason> {
    let (issuer, audience): (EntityId, EntityId) = (IDP.parse().unwrap(), SERVICE.parse().unwrap());
    let request = MessageId::from_random(REQUEST_ID);
    let expect = ResponseExpectations {
        issuer: &issuer,
        audience: &audience,
        recipient: ACS,
        in_response_to: InResponseTo::Exactly(&request),
        now: NOW,
        max_skew_seconds: 60,
    };
    let answer = UnverifiedResponse::parse(octets).and_then(|response| response.verify(&keys(), &expect));
    match answer.map_err(|rejection| rejection.reason())? {
        Answer::Verified(verified) => Ok(verified.into_assertion()),
        Answer::Refused(_) => Err(Reason::NoAssertion),
    }
}

fn believe_request(octets: &[u8]) -> Result<(), Reason> {
    let key = p256_signer().verifying_key().unwrap();
    let verified = UnverifiedRequest::parse(octets).and_then(|request| request.verify(&[key], &EXPECTED_OF_REQUESTS));
    verified.map(|_| ()).map_err(|rejection| rejection.reason())
}

#[track_caller]
fn refused(name: &str, document: &str, reason: Reason) {
    match believe(document.as_bytes()) {
        Err(actual) => assert_eq!(actual, reason, "{name}"),
        Ok(_) => panic!("{name} was believed"),
    }
}

/// `text` with the only or first occurrence of `from` replaced, which has to be there.
#[track_caller]
fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

/// The part of `text` from `start` to the first `end` after it.
fn part<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).unwrap();
    let to = from + text[from..].find(end).unwrap() + end.len();
    &text[from..to]
}

fn assertion(text: &str) -> &str {
    part(text, "<saml:Assertion ", "</saml:Assertion>")
}

fn signature(text: &str) -> &str {
    part(text, "<ds:Signature ", "</ds:Signature>")
}

/// The assertion as an attacker would like it: another subject, another ID, no signature.
fn evil_assertion() -> String {
    let original = assertion(ASSERTION_SIGNED);
    original.replace(signature(original), "").replace("alice@", "mallory@").replace("_3333", "_evil")
}

/// As above, with the signature of the original.
fn evil_assertion_with_signature() -> String {
    with(&evil_assertion(), "</saml:Issuer>", &format!("</saml:Issuer>{}", signature(ASSERTION_SIGNED)))
}

#[test]
fn the_documents_themselves_are_believed() {
    assert_eq!(believe(RESPONSE.as_bytes()).unwrap().subject.value, "alice@example.com");
    assert_eq!(believe(ASSERTION_SIGNED.as_bytes()).unwrap().subject.value, "alice@example.com");
    assert_eq!(believe_request(REQUEST.as_bytes()), Ok(()));
}

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

#[test]
fn what_splits_or_hides_text() {
    let name = "alice@example.com";
    for (attack, to, reason) in [
        ("CVE-2017-11427 and its kin: comment in the name", "alice@example.com<!---->.evil.example", Reason::Comment),
        ("comment between", "alice<!-- x -->@example.com", Reason::Comment),
        ("processing instruction", "alice@example.com<?x?>.evil.example", Reason::ProcessingInstruction),
        ("CDATA", "<![CDATA[alice@example.com]]>", Reason::CdataSection),
        ("entity without a definition", "&user;", Reason::UnknownEntity),
        ("null character", "alice@example.com\0.evil.example", Reason::ForbiddenCharacter),
        ("reference to the null character", "alice@example.com&#0;.evil.example", Reason::CharacterReference),
        ("child element", "alice@example.com<x/>.evil.example", Reason::DigestMismatch),
        ("look-alike", "аlice@example.com", Reason::DigestMismatch),
        ("zero width", "alice@example.com\u{200b}", Reason::DigestMismatch),
        ("right to left", "\u{202e}alice@example.com", Reason::DigestMismatch),
    ] {
        refused(attack, &with(RESPONSE, name, to), reason);
    }
    for element in ["ds:DigestValue", "ds:SignatureValue", "ds:X509Certificate"] {
        let commented = with(RESPONSE, &format!("<{element}>"), &format!("<{element}><!-- AAAA -->"));
        refused("CVE-2025-29775: comment in a value of the signature", &commented, Reason::Comment);
    }
}

#[test]
fn document_types_and_entities() {
    let with_doctype = |subset: &str| format!("<!DOCTYPE r [{subset}]>{RESPONSE}");
    for (attack, document) in [
        ("CVE-2025-25291: a document type that one parser skips", with_doctype("<!ENTITY e \"x\">")),
        ("CVE-2025-25291: a quote inside a declaration", with_doctype("<!ATTLIST r a CDATA \"]><!-- \">")),
        ("billion laughs", with_doctype("<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">")),
        ("external entity", with_doctype("<!ENTITY x SYSTEM \"file:///etc/passwd\">")),
        ("ID by declaration", with_doctype("<!ATTLIST x y ID #IMPLIED>")),
    ] {
        refused(attack, &document, Reason::Doctype);
    }
    let split = with(RESPONSE, "<samlp:Status>", "<samlp:Status><!DOCTYPE x>");
    refused("document type inside", &split, Reason::Doctype);
}

#[test]
fn names_and_prefixes() {
    let other_namespace = with(RESPONSE, "xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"", "xmlns:ds=\"urn:other\"");
    refused("CVE-2025-25292: the signature's prefix means something else", &other_namespace, Reason::UnexpectedElement);
    let default =
        with(RESPONSE, "<samlp:Response ", "<samlp:Response xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\" ");
    assert!(believe(default.as_bytes()).is_ok(), "an unused declaration is no part of the exclusive canonical form");
    let rebound = with(RESPONSE, "<saml:Subject>", "<saml:Subject xmlns:saml=\"urn:other\">");
    refused("a prefix bound anew", &rebound, Reason::DigestMismatch);
    let twice = with(RESPONSE, " Version=\"2.0\"", " Version=\"2.0\" Version=\"2.0\"");
    refused("an attribute twice", &twice, Reason::DuplicateAttribute);
    let alias = " xmlns:a=\"urn:a\" xmlns:b=\"urn:a\" a:x=\"1\" b:x=\"2\" Version=\"2.0\"";
    refused(
        "an attribute twice under two prefixes",
        &with(RESPONSE, " Version=\"2.0\"", alias),
        Reason::DuplicateAttribute,
    );
    let relative = with(RESPONSE, "<saml:Subject>", "<saml:Subject xmlns:x=\"relative\">");
    refused(
        "a relative namespace name, on which canonicalisation fails silently in some",
        &relative,
        Reason::NamespaceName,
    );
    for spelling in ["Id", "id", "xml:id"] {
        let id = part(RESPONSE, " ID=\"", "\" ").trim_start_matches(" ID=").trim();
        let document = with(RESPONSE, "<saml:Subject>", &format!("<saml:Subject {spelling}={id}>"));
        refused("an ID under another spelling", &document, Reason::DuplicateId);
    }
    refused(
        "another encoding",
        &format!("<?xml version=\"1.0\" encoding=\"UTF-7\"?>{RESPONSE}"),
        Reason::EncodingDeclared,
    );
    let utf16: Vec<u8> = RESPONSE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(matches!(believe(&utf16), Err(Reason::NotWellFormed | Reason::NotUtf8 | Reason::ForbiddenCharacter)));
    refused("two roots", &format!("{RESPONSE}{RESPONSE}"), Reason::NotWellFormed);
}

#[test]
fn the_shape_of_the_signature() {
    let response_signature = signature(RESPONSE);
    let signed_info = part(response_signature, "<ds:SignedInfo>", "</ds:SignedInfo>");
    let reference = part(response_signature, "<ds:Reference ", "</ds:Reference>");
    let digest = part(response_signature, "<ds:DigestValue>", "</ds:DigestValue>");
    let value = part(response_signature, "<ds:SignatureValue>", "</ds:SignatureValue>");
    let evil_info = signed_info.replace(digest, "<ds:DigestValue>AAAA</ds:DigestValue>");
    for (attack, from, to, reason) in [
        ("CVE-2025-29774: two SignedInfo", signed_info, format!("{signed_info}{evil_info}"), Reason::SignatureShape),
        (
            "CVE-2025-29774: two SignedInfo, the other way round",
            signed_info,
            format!("{evil_info}{signed_info}"),
            Reason::SignatureShape,
        ),
        ("two references", reference, format!("{reference}{reference}"), Reason::SeveralReferences),
        ("no reference", reference, String::new(), Reason::SignatureShape),
        ("two digests", digest, format!("{digest}<ds:DigestValue>AAAA</ds:DigestValue>"), Reason::SignatureShape),
        ("no digest", digest, String::new(), Reason::SignatureShape),
        ("two signature values", value, format!("{value}{value}"), Reason::SignatureShape),
        ("no signature value", value, String::new(), Reason::SignatureShape),
        ("an Object", "<ds:KeyInfo>", "<ds:Object></ds:Object><ds:KeyInfo>".into(), Reason::SignaturePlace),
        ("a Manifest", "<ds:KeyInfo>", "<ds:Manifest></ds:Manifest><ds:KeyInfo>".into(), Reason::SignaturePlace),
        ("text between", "<ds:KeyInfo>", "text<ds:KeyInfo>".into(), Reason::SignatureShape),
        (
            "a parameter of the method",
            "rsa-sha256\">",
            "rsa-sha256\"><ds:HMACOutputLength>1</ds:HMACOutputLength>".into(),
            Reason::SignatureShape,
        ),
        (
            "a prefix list to work on for long",
            "xml-exc-c14n#\"></ds:Transform>",
            format!(
                "xml-exc-c14n#\"><ec:InclusiveNamespaces xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"{}\"/></ds:Transform>",
                "a ".repeat(300)
            ),
            Reason::SignatureShape,
        ),
        ("an empty value", value, "<ds:SignatureValue></ds:SignatureValue>".into(), Reason::SignatureMismatch),
        ("a value that is not base64", value, "<ds:SignatureValue>!</ds:SignatureValue>".into(), Reason::Base64),
        (
            "a value with a child",
            value,
            "<ds:SignatureValue>AAAA<x/></ds:SignatureValue>".into(),
            Reason::ValueNotPlain,
        ),
        ("an empty digest", digest, "<ds:DigestValue></ds:DigestValue>".into(), Reason::SignatureMismatch),
    ] {
        refused(attack, &RESPONSE.replacen(from, &to, 1), reason);
    }
    let elsewhere =
        digest.replacen("<ds:DigestValue>", "<ds:DigestValue xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">", 1);
    let smuggled = RESPONSE.replacen(digest, "", 1).replacen(
        "<samlp:Status>",
        &format!("<samlp:Extensions>{elsewhere}</samlp:Extensions><samlp:Status>"),
        1,
    );
    refused("CVE-2024-45409: the digest elsewhere in the document", &smuggled, Reason::SignatureShape);
    let both = RESPONSE.replacen(
        "<samlp:Status>",
        &format!("<samlp:Extensions>{elsewhere}</samlp:Extensions><samlp:Status>"),
        1,
    );
    refused("CVE-2024-45409: another digest elsewhere", &both, Reason::DigestMismatch);
}

#[test]
fn the_place_of_the_signature() {
    let own = signature(RESPONSE);
    let without = RESPONSE.replacen(own, "", 1);
    for (attack, document, reason) in [
        ("at the end", with(&without, "</samlp:Response>", &format!("{own}</samlp:Response>")), Reason::SignaturePlace),
        ("before the issuer", with(&without, "<saml:Issuer ", &format!("{own}<saml:Issuer ")), Reason::SignaturePlace),
        (
            "in the status",
            with(&without, "<samlp:StatusCode ", &format!("{own}<samlp:StatusCode ")),
            Reason::SignaturePlace,
        ),
        ("twice", RESPONSE.replacen(own, &format!("{own}{own}"), 1), Reason::SeveralSignatures),
    ] {
        refused(attack, &document, reason);
    }
    assert!(believe(without.as_bytes()).is_ok(), "the assertion has a signature of its own");
    let none = without.replacen(signature(&without), "", 1);
    refused("CVE-2025-54982: no signature at all", &none, Reason::NoSignature);
}

#[test]
fn references_and_transforms() {
    let id = format!("URI=\"#_{}\"", "22".repeat(20));
    for target in [
        "",
        "#",
        "#_3333333333333333333333333333333333333333",
        "#xpointer(/)",
        "#xpointer(id('_2'))",
        "http://evil.example/",
        "cid:x",
        "#_none",
    ] {
        refused(target, &with(RESPONSE, &id, &format!("URI=\"{target}\"")), Reason::ReferenceTarget);
    }
    refused("no target", &with(RESPONSE, &id, ""), Reason::MissingAttribute);
    let transforms = part(signature(RESPONSE), "<ds:Transforms>", "</ds:Transforms>");
    let transform = |algorithm: &str| format!("<ds:Transform Algorithm=\"{algorithm}\"></ds:Transform>");
    let (enveloped, exclusive) =
        ("http://www.w3.org/2000/09/xmldsig#enveloped-signature", "http://www.w3.org/2001/10/xml-exc-c14n#");
    for list in [
        vec![],
        vec![enveloped],
        vec![exclusive],
        vec![exclusive, enveloped],
        vec![enveloped, enveloped],
        vec![enveloped, exclusive, exclusive],
        vec![enveloped, "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"],
        vec![enveloped, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"],
        vec![enveloped, "http://www.w3.org/TR/1999/REC-xslt-19991116"],
        vec!["http://www.w3.org/TR/1999/REC-xpath-19991116", exclusive],
        vec!["http://www.w3.org/2002/06/xmldsig-filter2", exclusive],
        vec![enveloped, "http://www.w3.org/2000/09/xmldsig#base64"],
    ] {
        let content: String = list.iter().map(|algorithm| transform(algorithm)).collect();
        refused(
            &format!("{list:?}"),
            &with(RESPONSE, transforms, &format!("<ds:Transforms>{content}</ds:Transforms>")),
            Reason::Transforms,
        );
    }
    refused("no transforms", &with(RESPONSE, transforms, ""), Reason::Transforms);
    for method in [
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/2006/12/xml-c14n11",
        "",
    ] {
        let document = with(
            RESPONSE,
            "CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"",
            &format!("CanonicalizationMethod Algorithm=\"{method}\""),
        );
        refused(method, &document, Reason::Canonicalization);
    }
}

#[test]
fn algorithms_and_keys() {
    let method = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    for (algorithm, reason) in [
        ("http://www.w3.org/2000/09/xmldsig#hmac-sha1", Reason::SignatureAlgorithm),
        ("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", Reason::SignatureAlgorithm),
        ("http://www.w3.org/2000/09/xmldsig#rsa-sha1", Reason::SignatureAlgorithm),
        ("http://www.w3.org/2000/09/xmldsig#dsa-sha1", Reason::SignatureAlgorithm),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-md5", Reason::SignatureAlgorithm),
        ("http://www.w3.org/2001/04/xmldsig-more#RSA-SHA256", Reason::SignatureAlgorithm),
        ("none", Reason::SignatureAlgorithm),
        ("", Reason::SignatureAlgorithm),
        ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", Reason::AlgorithmNotForKey),
        ("http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519", Reason::AlgorithmNotForKey),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", Reason::SignatureMismatch),
    ] {
        refused(algorithm, &with(RESPONSE, method, algorithm), reason);
    }
    for digest in [
        "http://www.w3.org/2000/09/xmldsig#sha1",
        "http://www.w3.org/2001/04/xmldsig-more#md5",
        "",
        "http://www.w3.org/2007/05/xmldsig-more#sha3-256",
    ] {
        refused(digest, &with(RESPONSE, "http://www.w3.org/2001/04/xmlenc#sha256", digest), Reason::DigestAlgorithm);
    }
    let attacker = Pkcs8Signer::new(
        SignatureAlgorithm::RsaSha256,
        include_bytes!("keys/other-rsa2048.pk8"),
        Box::new(ring::rand::SystemRandom::new()),
    )
    .unwrap();
    let honest = believe(RESPONSE.as_bytes()).unwrap();
    let forged = Response {
        id: MessageId::from_random([0x66; 20]),
        issue_instant: NOW,
        destination: Some(ACS.into()),
        in_response_to: honest.in_response_to.clone(),
        issuer: honest.issuer.clone(),
        status: saml::response::Status::success(),
        assertion: Some(honest),
    };
    for certificate_der in [CERTIFICATE, b"anything"] {
        let xml = forged.sign(&SigningIdentity { signer: &attacker, certificate_der }).unwrap();
        refused("CVE-2025-54982: another key, whatever KeyInfo says", &xml, Reason::SignatureMismatch);
    }
    let value = part(RESPONSE, "<ds:KeyInfo>", "</ds:KeyInfo>");
    assert!(
        believe(RESPONSE.replace(value, "").as_bytes()).is_err(),
        "the assertion's KeyInfo is covered by the response's signature"
    );
}

#[test]
fn signature_values_of_elliptic_curves() {
    let value = part(REQUEST, "<ds:SignatureValue>", "</ds:SignatureValue>");
    let encode = |octets: &[u8]| {
        use base64::Engine;
        format!("<ds:SignatureValue>{}</ds:SignatureValue>", base64::engine::general_purpose::STANDARD.encode(octets))
    };
    let der = [&[0x30, 0x44, 0x02, 0x20][..], &[1; 32], &[0x02, 0x20], &[1; 32]].concat();
    for (attack, octets) in [
        ("CVE-2022-21449: r and s zero", vec![0; 64]),
        ("r and s all ones", vec![0xFF; 64]),
        ("DER", der),
        ("too short", vec![1; 63]),
        ("too long", vec![1; 65]),
        ("nothing", vec![]),
    ] {
        let document = with(REQUEST, value, &encode(&octets));
        assert_eq!(believe_request(document.as_bytes()), Err(Reason::SignatureMismatch), "{attack}");
    }
}

#[test]
fn what_the_unsigned_envelope_can_do_is_have_it_refused() {
    let status = "urn:oasis:names:tc:SAML:2.0:status:Success";
    for (from, to, reason) in [
        (status, "urn:oasis:names:tc:SAML:2.0:status:Responder", Reason::UnauthenticatedRefusal),
        (status, "urn:oasis:names:tc:SAML:2.0:status:success", Reason::BadValue),
        (
            "Destination=\"https://service.example/acs\"",
            "Destination=\"https://evil.example/acs\"",
            Reason::WrongDestination,
        ),
        ("InResponseTo=\"_1111", "InResponseTo=\"_2111", Reason::WrongInResponseTo),
        (
            "<saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">https://cloud",
            "<saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">https://evil",
            Reason::WrongIssuer,
        ),
        ("Version=\"2.0\"", "Version=\"1.1\"", Reason::Version),
    ] {
        refused(to, &with(ASSERTION_SIGNED, from, to), reason);
    }
    let renamed = ASSERTION_SIGNED.replacen("ID=\"_2222", "ID=\"_9222", 1);
    assert_eq!(believe(renamed.as_bytes()), believe(ASSERTION_SIGNED.as_bytes()));
}

#[test]
fn encrypted_content_is_not_read() {
    let encrypted = with(
        RESPONSE,
        "<saml:Assertion ",
        "<saml:EncryptedAssertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"></saml:EncryptedAssertion><saml:Assertion ",
    );
    refused("an encrypted assertion beside", &encrypted, Reason::Encrypted);
}

#[test]
fn truncated_anywhere() {
    for document in [RESPONSE, REQUEST] {
        for length in 0..document.len() {
            let cut = &document.as_bytes()[..length];
            assert!(believe(cut).is_err() && believe_request(cut).is_err(), "{length} octets were believed");
        }
    }
}

/// Changing any one octet leaves a document that is refused, or one that means the same.
#[test]
fn changed_anywhere() {
    let honest = believe(RESPONSE.as_bytes()).unwrap();
    for place in 0..RESPONSE.len() {
        let mut octets = RESPONSE.as_bytes().to_vec();
        octets[place] ^= 1;
        if let Ok(believed) = believe(&octets) {
            assert_eq!(believed, honest, "octet {place}");
        }
    }
}

/// The work for a document grows as the document: measured by counting what is allocated, not by a clock.
#[test]
fn memory_grows_with_the_document() {
    let octets_for = |document: &str| {
        allocation_counter::measure(|| {
            let _ = UnverifiedResponse::parse(document.as_bytes());
        })
        .bytes_total
    };
    let grown = |unit: &str, count: usize| {
        with(
            RESPONSE,
            "<samlp:Status>",
            &format!("<samlp:Extensions>{}</samlp:Extensions><samlp:Status>", unit.repeat(count)),
        )
    };
    for unit in ["<a/>", "<a b=\"c\" d=\"e\"/>", "<a>&amp;&#65;</a>", "<a xmlns=\"urn:x\"/>", "text &lt; "] {
        let (one, eight) = (octets_for(&grown(unit, 400)), octets_for(&grown(unit, 3200)));
        assert!(eight < 16 * one, "{unit}: {one} octets grew to {eight}");
    }
}
