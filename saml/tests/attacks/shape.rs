//! The signature's own structure: its shape, its place, what it refers to.

use super::*;

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
