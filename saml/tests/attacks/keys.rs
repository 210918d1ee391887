//! Algorithms, keys and signature values.

use super::*;

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
        include_bytes!("../keys/other-rsa2048.pk8"),
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
