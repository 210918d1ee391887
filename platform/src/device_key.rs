//! The device key: ECDSA on P-256, made on this device and never leaving it.
//!
//! One file, `device-key.pem`, in the agent's state directory. Its PEM label (RFC 7468) says which rung of the ladder holds the key: `PRIVATE KEY` is
//! PKCS#8 in the file itself, `TSS2 PRIVATE KEY` a key that a TPM has wrapped, `CNG PRIVATE KEY` the name of a key that Windows keeps,
//! `DPAPI PRIVATE KEY` PKCS#8 that Windows has sealed. A label that this build does not know is an error, so that a key that is held better than in
//! a plain file is never replaced by accident. A second file, `device-key.protection`, remembers what held a key here better than a plain file:
//! from then on none is made that is held less well, until [`destroy`] is asked for. A third, `device-key.left-over`, has the keys that Windows is
//! still to delete.

#[cfg(any(windows, test))]
mod cng;
#[cfg(any(target_os = "linux", windows, test))]
mod der;
mod hardware;
mod ladder;
mod left_over;
#[cfg(any(windows, test))]
mod patience;
mod pem;
mod rung;
#[cfg(any(windows, test))]
mod sealed_file;
#[cfg(test)]
mod tests;
#[cfg(target_os = "linux")]
mod tpm;

pub use hardware::HardwareFault;
pub use ladder::Ladder;

use crate::files::FileError;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use rung::HeldKey;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// SubjectPublicKeyInfo of an uncompressed P-256 point without the point (RFC 5480 section 2).
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// What keeps the private key from being copied, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyProtection {
    /// A TPM 2.0: the key cannot be taken out.
    Tpm,
    /// Apple's Secure Enclave: the key cannot be taken out.
    SecureEnclave,
    /// The operating system's key store (Windows CNG software provider, macOS Keychain).
    OsKeyStore,
    /// A file encrypted to this machine.
    SealedFile,
    /// A file that only the agent's user may read.
    File,
}

impl KeyProtection {
    /// The word that goes over the wire and into `status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tpm => "tpm",
            Self::SecureEnclave => "secure-enclave",
            Self::OsKeyStore => "os-key-store",
            Self::SealedFile => "sealed-file",
            Self::File => "file",
        }
    }
}

impl fmt::Display for KeyProtection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What went wrong with the device key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read or written, or is open to others.
    #[error("could not {doing} the device key")]
    File {
        /// What we were doing, as a verb.
        doing: &'static str,
        /// Why not.
        #[source]
        source: FileError,
    },
    /// What the file holds is no key of ours.
    #[error(
        "the device key in `{path}` is damaged ({found}): restore the file from a backup, or give this device a new device token: then the file is set aside, and another key enrolled"
    )]
    Damaged {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        found: &'static str,
    },
    /// The file names a protection that this build cannot reach.
    #[error(
        "the device key in `{path}` is held by `{label}`, which this build cannot use: install the build that made it, or run `countersign deregister` and enrol again"
    )]
    UnknownProtection {
        /// The key file.
        path: PathBuf,
        /// The PEM label.
        label: String,
    },
    /// There is a key already.
    #[error("there is a device key in `{path}` already: it is never overwritten; `countersign deregister` removes it")]
    Exists {
        /// The key file.
        path: PathBuf,
    },
    /// The hardware that holds the key, or is to hold it, could not do so.
    #[error("could not {doing} the device key that is held by hardware")]
    Hardware {
        /// What we were doing, as a verb.
        doing: &'static str,
        /// Why not.
        #[source]
        source: HardwareFault,
    },
    /// What held a key here does not make another one, and what holds it less well is no substitute.
    #[error(
        "this device's key was held better before, and a key that is held less well is not made in its place: correct what is wrong, or run `countersign deregister` to give the protection up"
    )]
    Downgrade {
        /// What is wrong with the hardware.
        #[source]
        source: HardwareFault,
    },
    /// The key could not be made.
    #[error("could not make a device key: the operating system gave no randomness")]
    Generate,
    /// A signature could not be made.
    #[error("could not sign with the device key")]
    Sign,
}

impl KeyError {
    /// Whether the key is gone for good, so that the device has to be enrolled with a new one.
    #[must_use]
    pub const fn is_loss_of_the_key(&self) -> bool {
        matches!(self, Self::Hardware { source, .. } if source.is_loss_of_the_key())
    }

    /// Whether the next try may succeed without anybody doing anything.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Hardware { source, .. } | Self::Downgrade { source } if source.is_passing())
    }
}

/// The key of this device, ready to sign.
pub struct DeviceKey {
    holder: Holder,
    spki: [u8; SPKI_PREFIX.len() + 65],
}

enum Holder {
    File(Box<EcdsaKeyPair>),
    Held(Box<dyn HeldKey>),
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DeviceKey").field("protection", &self.protection()).finish_non_exhaustive()
    }
}

impl DeviceKey {
    /// The public key as a DER SubjectPublicKeyInfo (RFC 5480), uncompressed.
    pub fn public_key_spki(&self) -> &[u8] {
        &self.spki
    }

    /// The ECDSA signature with SHA-256 over `octets`, as r ‖ s of 32 octets each (the form of XML Signature and JOSE).
    ///
    /// Blocks for as long as the holder of the key takes: a TPM some tenths of a second, and ten seconds at most.
    ///
    /// # Errors
    ///
    /// When the holder of the key does not sign.
    pub fn sign(&self, octets: &[u8]) -> Result<[u8; 64], KeyError> {
        match &self.holder {
            Holder::File(pair) => {
                let signature = pair.sign(&SystemRandom::new(), octets).map_err(|_| KeyError::Sign)?;
                signature.as_ref().try_into().map_err(|_| KeyError::Sign)
            }
            Holder::Held(key) => key.sign(octets).map_err(|source| KeyError::Hardware { doing: "sign with", source }),
        }
    }

    /// What keeps this key from being copied.
    pub fn protection(&self) -> KeyProtection {
        match &self.holder {
            Holder::File(_) => KeyProtection::File,
            Holder::Held(key) => key.protection(),
        }
    }

    /// What the system deletes the key by; `None` where its file is all that there is of it.
    fn reference(&self) -> Option<String> {
        match &self.holder {
            Holder::File(_) => None,
            Holder::Held(key) => key.reference(),
        }
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        // This also checks that the public key belongs to the private one, and that the point is on the curve.
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new()).ok()?;
        let spki = spki_of(pair.public_key().as_ref())?;
        Some(Self { holder: Holder::File(Box::new(pair)), spki })
    }

    fn from_held(key: Box<dyn HeldKey>) -> Option<Self> {
        let spki = spki_of(key.point())?;
        Some(Self { holder: Holder::Held(key), spki })
    }
}

fn spki_of(point: &[u8]) -> Option<[u8; SPKI_PREFIX.len() + 65]> {
    [SPKI_PREFIX.as_slice(), point].concat().try_into().ok()
}

/// A key that was just made.
#[derive(Debug)]
pub struct Made {
    /// The key.
    pub key: DeviceKey,
    /// Why no better rung of the ladder holds it, the best one's reason first; nothing where the best does.
    pub passed_over: Vec<HardwareFault>,
}

/// [`Ladder::load`] of this device.
///
/// # Errors
///
/// As there.
pub fn load(state_dir: &Path) -> Result<Option<DeviceKey>, KeyError> {
    Ladder::default().load(state_dir)
}

/// [`Ladder::create`] of this device.
///
/// # Errors
///
/// As there.
pub fn create(state_dir: &Path) -> Result<Made, KeyError> {
    Ladder::default().create(state_dir)
}

/// [`Ladder::load_next`] of this device.
///
/// # Errors
///
/// As there.
pub fn load_next(state_dir: &Path) -> Result<Option<DeviceKey>, KeyError> {
    Ladder::default().load_next(state_dir)
}

/// [`Ladder::create_next`] of this device.
///
/// # Errors
///
/// As there.
pub fn create_next(state_dir: &Path) -> Result<Made, KeyError> {
    Ladder::default().create_next(state_dir)
}

/// [`Ladder::adopt_next`] of this device.
///
/// # Errors
///
/// As there.
pub fn adopt_next(state_dir: &Path) -> Result<(), KeyError> {
    Ladder::default().adopt_next(state_dir)
}

/// [`Ladder::discard_next`] of this device.
///
/// # Errors
///
/// As there.
pub fn discard_next(state_dir: &Path) -> Result<bool, KeyError> {
    Ladder::default().discard_next(state_dir)
}

/// [`Ladder::set_aside`] of this device.
///
/// # Errors
///
/// As there.
pub fn set_aside(state_dir: &Path, stamp: &str) -> Result<PathBuf, KeyError> {
    Ladder::default().set_aside(state_dir, stamp)
}

/// [`Ladder::destroy`] of this device.
///
/// # Errors
///
/// As there.
pub fn destroy(state_dir: &Path) -> Result<bool, KeyError> {
    Ladder::default().destroy(state_dir)
}

/// [`Ladder::abandon`] of this device.
///
/// # Errors
///
/// As there.
pub fn abandon(state_dir: &Path) -> Result<bool, KeyError> {
    Ladder::default().abandon(state_dir)
}

/// [`Ladder::sweep`] of this device.
///
/// # Errors
///
/// As there.
pub fn sweep(state_dir: &Path) -> Result<(), KeyError> {
    Ladder::default().sweep(state_dir)
}
