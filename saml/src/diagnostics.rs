//! Diagnostics that a device sends because its portal has asked: what is said in keep-alives, and what the device signs.

use ring::digest::{SHA256, digest};

use crate::key::{SignatureAlgorithm, VerifyingKey};
use crate::name::EntityId;

/// Name of the attribute by which the portal asks: the request's id, which stands in every answer to a keep-alive until it is answered.
pub const REQUEST: &str = "urn:countersign:1.0:diagnostics:request";
/// Name of the attribute in a keep-alive's evidence by which a device refuses: the request's id.
pub const REFUSED: &str = "urn:countersign:1.0:diagnostics:refused";
/// The most octets that are sent and taken.
pub const LARGEST: usize = 5_000_000;
/// The header with the device by its present key.
pub const DEVICE_HEADER: &str = "countersign-device";
/// The header with the signature of [`UploadProof::octets`], base64.
pub const SIGNATURE_HEADER: &str = "countersign-signature";

const DOMAIN: &[u8] = b"urn:countersign:1.0:diagnostics";

/// Where the bundle that answers `request` goes, at the cloud with that base URL.
pub fn address(base: &str, request: &str) -> String {
    format!("{base}/device/diagnostics/{request}")
}

/// What the device's key signs: this bundle, as the answer to this request, at this address.
#[derive(Clone, Copy, Debug)]
pub struct UploadProof<'a> {
    /// The device by its present key.
    pub device: &'a EntityId,
    /// [`address`].
    pub address: &'a str,
    /// What is sent.
    pub bundle: &'a [u8],
}

impl UploadProof<'_> {
    /// The domain and each field with its length, the bundle by its SHA-256.
    pub fn octets(&self) -> Vec<u8> {
        let digest = digest(&SHA256, self.bundle);
        let mut octets = DOMAIN.to_vec();
        for field in [self.device.as_str().as_bytes(), self.address.as_bytes(), digest.as_ref()] {
            octets.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            octets.extend_from_slice(field);
        }
        octets
    }

    /// Whether `key` has signed it (ECDSA on P-256 with SHA-256, r ‖ s).
    pub fn is_signed_by(&self, key: &VerifyingKey, signature: &[u8]) -> bool {
        key.has_signed(SignatureAlgorithm::EcdsaP256Sha256, &self.octets(), signature)
    }
}
