//! Documents that two readers read differently: split text, document types, names, encodings.

use super::*;

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
