//! A passkey of the tests' own making: it says what it likes, signed with a real key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

/// Somebody was there.
pub const PRESENT: u8 = 0x01;
/// And was verified.
pub const VERIFIED: u8 = 0x04;
/// The data holds a new credential.
const NEW: u8 = 0x40;

/// An authenticator with one credential.
#[derive(Debug)]
pub struct Authenticator {
    pair: EcdsaKeyPair,
    /// The credential's ID.
    pub id: Vec<u8>,
    /// Whose it says that it is.
    pub user_handle: Vec<u8>,
    /// What it has counted.
    pub count: u32,
    /// What it says of who was there.
    pub flags: u8,
    /// The page's origin, as the browser tells it.
    pub origin: String,
    /// The relying party.
    pub host: String,
}

impl Authenticator {
    /// One for the pages at `https://localhost:PORT`.
    ///
    /// # Panics
    /// Where no key can be made.
    #[must_use]
    pub fn of(base: &str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("a key can be made");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random);
        Self {
            pair: pair.expect("the key can be used"),
            id: platform::random::bytes::<16>().to_vec(),
            user_handle: Vec::new(),
            count: 1,
            flags: PRESENT | VERIFIED,
            origin: base.to_owned(),
            host: "localhost".to_owned(),
        }
    }

    fn client_data(&self, kind: &str, challenge: &str) -> String {
        let origin = &self.origin;
        format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}","crossOrigin":false}}"#)
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        [digest(&SHA256, self.host.as_bytes()).as_ref(), &[flags], &self.count.to_be_bytes()].concat()
    }

    /// The fields of the form in which it is registered in answer to `challenge`.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn created(&self, challenge: &str) -> Vec<(&'static str, String)> {
        let point = self.pair.public_key().as_ref();
        // ES256 on P-256, as COSE: a map of five.
        let cose = [&b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"[..], &point[1..33], b"\x22\x58\x20", &point[33..]];
        let length = u8::try_from(self.id.len()).expect("it is short");
        let credential = [&[0; 16][..], &[0, length], &self.id, &cose.concat()].concat();
        let data = [self.data(self.flags | NEW), credential].concat();
        let length = u8::try_from(data.len()).expect("it is short");
        let object = [&b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"[..], &[length], &data].concat();
        vec![
            ("client_data", encode(self.client_data("webauthn.create", challenge).as_bytes())),
            ("attestation_object", encode(&object)),
        ]
    }

    /// The fields of the form in which it signs somebody in, in answer to `challenge`.
    ///
    /// # Panics
    /// Where the key fails.
    #[must_use]
    pub fn used(&self, challenge: &str) -> Vec<(&'static str, String)> {
        let client_data = self.client_data("webauthn.get", challenge);
        let data = self.data(self.flags);
        let signed = [&data[..], digest(&SHA256, client_data.as_bytes()).as_ref()].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &signed).expect("it signs");
        vec![
            ("credential", encode(&self.id)),
            ("user_handle", encode(&self.user_handle)),
            ("client_data", encode(client_data.as_bytes())),
            ("authenticator_data", encode(&data)),
            ("signature", encode(signature.as_ref())),
        ]
    }
}

fn encode(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}
