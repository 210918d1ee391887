//! Signing what the writer wrote, which is canonical already.

use super::base64::encode;
use crate::key::{SignError, SignatureAlgorithm, Signer};
use ring::digest;
use std::fmt::Write;

/// A key, and the certificate that goes into `KeyInfo` where there is one.
#[derive(Clone, Copy)]
pub(crate) struct SigningKey<'a> {
    pub(crate) signer: &'a dyn Signer,
    pub(crate) certificate_der: Option<&'a [u8]>,
}

/// A document of the [`crate::xml::Writer`] that is to get an enveloped signature.
pub(crate) struct Enveloped<'a> {
    pub(crate) xml: String,
    /// Where the signature goes.
    pub(crate) position: usize,
    /// The `ID` of the root.
    pub(crate) id: &'a str,
}

const SIGNED_INFO_APEX: &str = "<ds:SignedInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">";
const SIGNED_INFO_INSIDE: &str = "<ds:SignedInfo>";

impl Enveloped<'_> {
    pub(crate) fn sign(mut self, key: SigningKey<'_>) -> Result<String, SignError> {
        let algorithm = key.signer.algorithm();
        let (digest_algorithm, digest_uri) = digest_for(algorithm);
        let (before, after) = self.xml.split_at(self.position);
        let mut context = digest::Context::new(digest_algorithm);
        context.update(before.as_bytes());
        context.update(after.as_bytes());
        let digest_value = encode(context.finish().as_ref());
        // As the apex of its own canonicalisation SignedInfo declares the namespace; inside the document its parent does.
        let signed_info = format!(
            "{SIGNED_INFO_APEX}\
             <ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:CanonicalizationMethod>\
             <ds:SignatureMethod Algorithm=\"{}\"></ds:SignatureMethod><ds:Reference URI=\"#{}\"><ds:Transforms>\
             <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></ds:Transform>\
             <ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:Transform></ds:Transforms>\
             <ds:DigestMethod Algorithm=\"{digest_uri}\"></ds:DigestMethod><ds:DigestValue>{digest_value}</ds:DigestValue>\
             </ds:Reference></ds:SignedInfo>",
            algorithm.uri(),
            self.id,
        );
        let value = key.signer.sign(signed_info.as_bytes())?;
        let mut signature = String::with_capacity(signed_info.len() + 2 * value.len() + 2048);
        signature.push_str("<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">");
        signature.push_str(SIGNED_INFO_INSIDE);
        signature.push_str(signed_info.strip_prefix(SIGNED_INFO_APEX).unwrap_or_default());
        let _ = write!(signature, "<ds:SignatureValue>{}</ds:SignatureValue>", encode(&value));
        if let Some(certificate) = key.certificate_der {
            let certificate = encode(certificate);
            let _ = write!(
                signature,
                "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
            );
        }
        signature.push_str("</ds:Signature>");
        self.xml.insert_str(self.position, &signature);
        Ok(self.xml)
    }
}

/// The digest of the reference is as long as that of the signature.
const fn digest_for(algorithm: SignatureAlgorithm) -> (&'static digest::Algorithm, &'static str) {
    match algorithm {
        SignatureAlgorithm::RsaSha384 | SignatureAlgorithm::EcdsaP384Sha384 => {
            (&digest::SHA384, "http://www.w3.org/2001/04/xmldsig-more#sha384")
        }
        SignatureAlgorithm::RsaSha512 => (&digest::SHA512, "http://www.w3.org/2001/04/xmlenc#sha512"),
        SignatureAlgorithm::RsaSha256 | SignatureAlgorithm::EcdsaP256Sha256 | SignatureAlgorithm::Ed25519 => {
            (&digest::SHA256, "http://www.w3.org/2001/04/xmlenc#sha256")
        }
    }
}
