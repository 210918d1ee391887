//! Keys: what signs, and what a signature is checked against.

use ring::signature::{self, VerificationAlgorithm};
use std::fmt;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Encode, Reader, SliceReader};
use x509_cert::spki::SubjectPublicKeyInfoRef;

/// The signature algorithms that are made and accepted (RFC 9231).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 9231 2.3.2).
    RsaSha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384 (RFC 9231 2.3.3).
    RsaSha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512 (RFC 9231 2.3.4).
    RsaSha512,
    /// ECDSA over P-256 with SHA-256 (RFC 9231 2.3.6).
    EcdsaP256Sha256,
    /// ECDSA over P-384 with SHA-384 (RFC 9231 2.3.6).
    EcdsaP384Sha384,
    /// Ed25519 (RFC 9231 2.3.12); between our own two sides only, service providers do not know it.
    Ed25519,
}

impl SignatureAlgorithm {
    /// All algorithms.
    pub const ALL: &[Self] = &[
        Self::RsaSha256,
        Self::RsaSha384,
        Self::RsaSha512,
        Self::EcdsaP256Sha256,
        Self::EcdsaP384Sha384,
        Self::Ed25519,
    ];

    /// The identifier in `SignatureMethod/@Algorithm` and in the `SigAlg` parameter.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::RsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            Self::RsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
            Self::RsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
            Self::EcdsaP256Sha256 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            Self::EcdsaP384Sha384 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
            Self::Ed25519 => "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519",
        }
    }

    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.uri() == uri)
    }

    const fn fits(self, kind: KeyKind) -> bool {
        match self {
            Self::RsaSha256 | Self::RsaSha384 | Self::RsaSha512 => matches!(kind, KeyKind::Rsa),
            Self::EcdsaP256Sha256 => matches!(kind, KeyKind::P256),
            Self::EcdsaP384Sha384 => matches!(kind, KeyKind::P384),
            Self::Ed25519 => matches!(kind, KeyKind::Ed25519),
        }
    }

    fn ring(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::RsaSha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::RsaSha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::RsaSha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::EcdsaP256Sha256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::EcdsaP384Sha384 => &signature::ECDSA_P384_SHA384_FIXED,
            Self::Ed25519 => &signature::ED25519,
        }
    }
}

/// Signs with a key that it need not be able to show: software, a TPM, CNG, PKCS#11.
pub trait Signer: Send + Sync {
    /// What [`Signer::sign`] makes.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// Signs the octets (not a digest of them). ECDSA gives r and s of fixed length one after the other (XML-DSig 6.4.2), RSA PKCS #1
    /// v1.5. May block, for as long as the hardware takes.
    fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// The key could not sign.
#[derive(Debug, thiserror::Error)]
#[error("signing with the private key failed")]
pub struct SignError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl SignError {
    /// Wraps what the key's owner reported.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }

    /// What the key's owner reported.
    pub fn into_source(self) -> Box<dyn std::error::Error + Send + Sync> {
        self.0
    }
}

/// A key cannot be pinned or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a DER `SubjectPublicKeyInfo` (RFC 5280 4.1.2.7).
    #[error("the public key is not a DER SubjectPublicKeyInfo")]
    Spki,
    /// Not a DER X.509 certificate.
    #[error("the certificate is not DER X.509")]
    Certificate,
    /// Neither RSA, ECDSA on P-256 or P-384, nor Ed25519.
    #[error("the public key is neither RSA, nor ECDSA on P-256 or P-384, nor Ed25519")]
    Unsupported,
    /// An RSA key shorter than 2048 or longer than 4096 bits, or with an exponent that ring refuses.
    #[error("the RSA key has {bits} bits, and 2048 to 4096 are accepted")]
    RsaSize {
        /// The length of the modulus.
        bits: usize,
    },
    /// The metadata names no key for signing.
    #[error("the metadata has no signing key")]
    NoKey,
    /// Not a PKCS #8 private key that fits the algorithm.
    #[error("the private key is not PKCS #8 or does not fit the algorithm")]
    Pkcs8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// A public key that somebody decided to trust, and that only the algorithms made for it fit.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    kind: KeyKind,
    spki: Vec<u8>,
    /// The content of `subjectPublicKey`, which is what ring takes.
    public: Vec<u8>,
}

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

impl VerifyingKey {
    /// Reads a DER `SubjectPublicKeyInfo`; weak RSA keys, other curves and other algorithms are refused.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::Spki)?;
        let public = spki.subject_public_key.as_bytes().ok_or(KeyError::Spki)?;
        let curve = || spki.algorithm.parameters_oid().ok();
        let kind = match spki.algorithm.oid {
            RSA => {
                check_rsa_size(public)?;
                KeyKind::Rsa
            }
            EC if curve() == Some(P256) && public.len() == 65 && public.first() == Some(&4) => KeyKind::P256,
            EC if curve() == Some(P384) && public.len() == 97 && public.first() == Some(&4) => KeyKind::P384,
            ED25519 if spki.algorithm.parameters.is_none() && public.len() == 32 => KeyKind::Ed25519,
            _ => return Err(KeyError::Unsupported),
        };
        Ok(Self { kind, spki: der.to_vec(), public: public.to_vec() })
    }

    /// Takes the key out of a DER X.509 certificate; its dates, names and issuer mean nothing in SAML metadata (Metadata
    /// Interoperability Profile 2.6) and are not looked at.
    pub fn from_certificate_der(der: &[u8]) -> Result<Self, KeyError> {
        let certificate = x509_cert::Certificate::from_der(der).map_err(|_| KeyError::Certificate)?;
        let spki =
            certificate.tbs_certificate().subject_public_key_info().to_der().map_err(|_| KeyError::Certificate)?;
        Self::from_spki_der(&spki)
    }

    /// The DER `SubjectPublicKeyInfo`.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// Whether a signature of this algorithm can have been made with this key's other half.
    pub fn fits(&self, algorithm: SignatureAlgorithm) -> bool {
        algorithm.fits(self.kind)
    }

    /// Whether `signature` over `octets` was made with this key's other half; an algorithm that does not fit the key never does.
    pub fn has_signed(&self, algorithm: SignatureAlgorithm, octets: &[u8], signature: &[u8]) -> bool {
        self.fits(algorithm)
            && signature::UnparsedPublicKey::new(algorithm.ring(), &self.public).verify(octets, signature).is_ok()
    }

    pub(crate) fn has_signed_with_rsa_sha1(&self, octets: &[u8], signature: &[u8]) -> bool {
        let algorithm = &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY;
        self.kind == KeyKind::Rsa
            && signature::UnparsedPublicKey::new(algorithm, &self.public).verify(octets, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.spki);
        write!(out, "VerifyingKey({:?} ", self.kind)?;
        for byte in digest.as_ref().iter().take(8) {
            write!(out, "{byte:02x}")?;
        }
        out.write_str("…)")
    }
}

/// Refuses an RSA modulus outside 2048 to 4096 bits.
fn check_rsa_size(public: &[u8]) -> Result<(), KeyError> {
    let mut reader = SliceReader::new(public).map_err(|_| KeyError::Spki)?;
    let bits = reader
        .sequence(|inner| -> Result<usize, x509_cert::der::Error> {
            let modulus = UintRef::decode(inner)?;
            UintRef::decode(inner)?;
            let first = modulus.as_bytes().first().map_or(0, |byte| byte.leading_zeros() as usize);
            Ok(modulus.as_bytes().len() * 8 - first)
        })
        .map_err(|_| KeyError::Spki)?;
    if (2048..=4096).contains(&bits) { Ok(()) } else { Err(KeyError::RsaSize { bits }) }
}

enum Pair {
    Rsa(signature::RsaKeyPair),
    Ecdsa(signature::EcdsaKeyPair),
    Ed25519(signature::Ed25519KeyPair),
}

/// A signer in software: a PKCS #8 private key in memory.
pub struct Pkcs8Signer {
    algorithm: SignatureAlgorithm,
    pair: Pair,
    random: Box<dyn ring::rand::SecureRandom + Send + Sync>,
}

impl Pkcs8Signer {
    /// Reads the key; `random` is what ECDSA takes its nonces from.
    pub fn new(
        algorithm: SignatureAlgorithm,
        pkcs8_der: &[u8],
        random: Box<dyn ring::rand::SecureRandom + Send + Sync>,
    ) -> Result<Self, KeyError> {
        let ecdsa = |ecdsa| signature::EcdsaKeyPair::from_pkcs8(ecdsa, pkcs8_der, &*random).map(Pair::Ecdsa);
        let pair = match algorithm {
            SignatureAlgorithm::RsaSha256 | SignatureAlgorithm::RsaSha384 | SignatureAlgorithm::RsaSha512 => {
                signature::RsaKeyPair::from_pkcs8(pkcs8_der).map(Pair::Rsa)
            }
            SignatureAlgorithm::EcdsaP256Sha256 => ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            SignatureAlgorithm::EcdsaP384Sha384 => ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            SignatureAlgorithm::Ed25519 => {
                signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8_der).map(Pair::Ed25519)
            }
        };
        Ok(Self { algorithm, pair: pair.map_err(|_| KeyError::Pkcs8)?, random })
    }

    /// The public half as a key to pin.
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        use ring::signature::KeyPair;
        let (algorithm, public): (&[u8], &[u8]) = match &self.pair {
            Pair::Rsa(pair) => {
                (b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00", pair.public_key().as_ref())
            }
            Pair::Ecdsa(pair) if self.algorithm == SignatureAlgorithm::EcdsaP256Sha256 => (
                b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
                pair.public_key().as_ref(),
            ),
            Pair::Ecdsa(pair) => (
                b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22",
                pair.public_key().as_ref(),
            ),
            Pair::Ed25519(pair) => (b"\x30\x05\x06\x03\x2b\x65\x70", pair.public_key().as_ref()),
        };
        let mut bits = vec![0];
        bits.extend_from_slice(public);
        let content = [algorithm, &der_tlv(0x03, &bits)].concat();
        VerifyingKey::from_spki_der(&der_tlv(0x30, &content))
    }
}

/// One DER value of a tag (X.690 8.1).
fn der_tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant =
        length.iter().position(|byte| *byte != 0).map_or(&length[length.len() - 1..], |first| &length[first..]);
    let mut out = vec![tag];
    if content.len() < 128 {
        out.extend_from_slice(significant);
    } else {
        out.push(0x80 | significant.len().to_le_bytes()[0]);
        out.extend_from_slice(significant);
    }
    out.extend_from_slice(content);
    out
}

impl Signer for Pkcs8Signer {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, SignError> {
        let failed = |_| SignError::new("ring reported an unspecified error");
        let rsa = match self.algorithm {
            SignatureAlgorithm::RsaSha384 => &signature::RSA_PKCS1_SHA384,
            SignatureAlgorithm::RsaSha512 => &signature::RSA_PKCS1_SHA512,
            SignatureAlgorithm::RsaSha256
            | SignatureAlgorithm::EcdsaP256Sha256
            | SignatureAlgorithm::EcdsaP384Sha384
            | SignatureAlgorithm::Ed25519 => &signature::RSA_PKCS1_SHA256,
        };
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(rsa, &*self.random, octets, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Pair::Ecdsa(pair) => Ok(pair.sign(&*self.random, octets).map_err(failed)?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.sign(octets).as_ref().to_vec()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ring::rand::SystemRandom;

    pub(crate) fn p256() -> Pkcs8Signer {
        ecdsa(SignatureAlgorithm::EcdsaP256Sha256, &signature::ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    fn ecdsa(algorithm: SignatureAlgorithm, ring: &'static signature::EcdsaSigningAlgorithm) -> Pkcs8Signer {
        let pkcs8 = signature::EcdsaKeyPair::generate_pkcs8(ring, &SystemRandom::new()).unwrap();
        Pkcs8Signer::new(algorithm, pkcs8.as_ref(), Box::new(SystemRandom::new())).unwrap()
    }

    pub(crate) fn p384() -> Pkcs8Signer {
        ecdsa(SignatureAlgorithm::EcdsaP384Sha384, &signature::ECDSA_P384_SHA384_FIXED_SIGNING)
    }

    pub(crate) fn ed25519() -> Pkcs8Signer {
        let pkcs8 = signature::Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Pkcs8Signer::new(SignatureAlgorithm::Ed25519, pkcs8.as_ref(), Box::new(SystemRandom::new())).unwrap()
    }

    pub(crate) fn rsa(algorithm: SignatureAlgorithm) -> Pkcs8Signer {
        Pkcs8Signer::new(algorithm, include_bytes!("../tests/keys/rsa2048.pk8"), Box::new(SystemRandom::new())).unwrap()
    }

    pub(crate) const RSA_CERTIFICATE: &[u8] = include_bytes!("../tests/keys/rsa2048.crt.der");

    #[test]
    fn keys_survive_the_round_trip_and_fit_only_their_algorithms() {
        let signers = [p256(), p384(), ed25519(), rsa(SignatureAlgorithm::RsaSha256)];
        for signer in &signers {
            let key = signer.verifying_key().unwrap();
            let signature = signer.sign(b"octets").unwrap();
            assert!(key.has_signed(signer.algorithm(), b"octets", &signature));
            assert!(!key.has_signed(signer.algorithm(), b"other", &signature));
            assert_eq!(VerifyingKey::from_spki_der(key.spki_der()).unwrap(), key);
            let fitting = SignatureAlgorithm::ALL.iter().filter(|algorithm| key.fits(**algorithm)).count();
            assert_eq!(fitting, if signer.algorithm() == SignatureAlgorithm::RsaSha256 { 3 } else { 1 });
        }
    }

    #[test]
    fn takes_the_key_of_a_certificate() {
        let pinned = VerifyingKey::from_certificate_der(RSA_CERTIFICATE).unwrap();
        assert_eq!(pinned, rsa(SignatureAlgorithm::RsaSha256).verifying_key().unwrap());
    }

    #[test]
    fn refuses_weak_and_unknown_keys() {
        let weak = include_bytes!("../tests/keys/rsa1024.spki.der");
        assert_eq!(VerifyingKey::from_spki_der(weak), Err(KeyError::RsaSize { bits: 1024 }));
        let k1 = include_bytes!("../tests/keys/secp256k1.spki.der");
        assert_eq!(VerifyingKey::from_spki_der(k1), Err(KeyError::Unsupported));
        assert_eq!(VerifyingKey::from_spki_der(b"x"), Err(KeyError::Spki));
        assert_eq!(VerifyingKey::from_certificate_der(b"x"), Err(KeyError::Certificate));
    }
}
