//! The device key: ECDSA on P-256, made on this device and never leaving it.
//!
//! One file, `device-key.pem`, in the agent's state directory. Its PEM label (RFC 7468) says which rung of the ladder holds the key: `PRIVATE KEY` is
//! PKCS#8 in the file itself. A label that this build does not know is an error, so that a key held by hardware is never replaced by accident.

use crate::files::{self, Access, FileError};
use data_encoding::BASE64;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use std::{
    fmt,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const FILE_NAME: &str = "device-key.pem";
const MAX_OCTETS: usize = 16 * 1024;
const PKCS8_LABEL: &str = "PRIVATE KEY";

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
        "the device key in `{path}` is damaged ({found}): restore the file from a backup, or run `countersign deregister` and enrol this device again"
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
    /// The key could not be made.
    #[error("could not make a device key: the operating system gave no randomness")]
    Generate,
    /// A signature could not be made.
    #[error("could not sign with the device key")]
    Sign,
}

/// The key of this device, ready to sign.
pub struct DeviceKey {
    pair: EcdsaKeyPair,
    spki: [u8; SPKI_PREFIX.len() + 65],
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
    /// # Errors
    ///
    /// When the holder of the key does not sign.
    pub fn sign(&self, octets: &[u8]) -> Result<[u8; 64], KeyError> {
        let signature = self.pair.sign(&SystemRandom::new(), octets).map_err(|_| KeyError::Sign)?;
        signature.as_ref().try_into().map_err(|_| KeyError::Sign)
    }

    /// What keeps this key from being copied.
    pub fn protection(&self) -> KeyProtection {
        KeyProtection::File
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        // This also checks that the public key belongs to the private one, and that the point is on the curve.
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new()).ok()?;
        let mut spki = [0; SPKI_PREFIX.len() + 65];
        spki[..SPKI_PREFIX.len()].copy_from_slice(&SPKI_PREFIX);
        spki[SPKI_PREFIX.len()..].copy_from_slice(pair.public_key().as_ref());
        Some(Self { pair, spki })
    }
}

/// The key in `state_dir`; `None` when none was ever made there.
///
/// # Errors
///
/// A key that is damaged, open to others, or out of reach is an error that names the next action, and never leads to a new key.
pub fn load(state_dir: &Path) -> Result<Option<DeviceKey>, KeyError> {
    let path = state_dir.join(FILE_NAME);
    let Some(text) =
        files::read_private(&path, MAX_OCTETS).map_err(|source| KeyError::File { doing: "read", source })?
    else {
        return Ok(None);
    };
    let damaged = |found| KeyError::Damaged { path: path.clone(), found };
    let (label, der) = decode_pem(&text).map_err(damaged)?;
    if label != PKCS8_LABEL {
        return Err(KeyError::UnknownProtection { path: path.clone(), label });
    }
    DeviceKey::from_pkcs8(&der).map(Some).ok_or_else(|| damaged("it is not a whole P-256 key"))
}

/// Makes a key with the best protection that works here; it is on the disk before this returns.
///
/// # Errors
///
/// [`KeyError::Exists`] when there is one, whatever its state; and when it cannot be made or stored.
pub fn create(state_dir: &Path) -> Result<DeviceKey, KeyError> {
    let failed = |source| KeyError::File { doing: "store", source };
    files::create_private_dir(state_dir).map_err(failed)?;
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(|_| KeyError::Generate)?;
    let key = DeviceKey::from_pkcs8(document.as_ref()).ok_or(KeyError::Generate)?;
    let path = state_dir.join(FILE_NAME);
    match files::write_new(&path, &encode_pem(PKCS8_LABEL, document.as_ref()), Access::Private) {
        Ok(()) => Ok(key),
        Err(FileError::Exists { path }) => Err(KeyError::Exists { path }),
        Err(source) => Err(failed(source)),
    }
}

/// Removes the key for good; `true` when there was one.
///
/// # Errors
///
/// When it is there and cannot be removed.
pub fn destroy(state_dir: &Path) -> Result<bool, KeyError> {
    files::remove(&state_dir.join(FILE_NAME)).map_err(|source| KeyError::File { doing: "remove", source })
}

fn encode_pem(label: &str, der: &[u8]) -> Zeroizing<Vec<u8>> {
    let body = Zeroizing::new(BASE64.encode(der));
    let mut text = Zeroizing::new(Vec::with_capacity(body.len() * 2 + 128));
    text.extend_from_slice(format!("-----BEGIN {label}-----\n").as_bytes());
    for line in body.as_bytes().chunks(64) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
    text
}

fn decode_pem(text: &[u8]) -> Result<(String, Zeroizing<Vec<u8>>), &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not text")?;
    let mut lines = text.lines().map(str::trim_end);
    let label = lines
        .next()
        .and_then(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .ok_or("its first line is not a PEM label")?;
    let mut body = Zeroizing::new(String::with_capacity(text.len()));
    for line in lines.by_ref() {
        if let Some(end) = line.strip_prefix("-----END ").and_then(|rest| rest.strip_suffix("-----")) {
            if end != label || lines.any(|line| !line.is_empty()) {
                return Err("its last line does not close its first");
            }
            let der = BASE64.decode(body.as_bytes()).map_err(|_| "its body is not Base64")?;
            return Ok((label.to_owned(), Zeroizing::new(der)));
        }
        body.push_str(line);
    }
    Err("it is cut off")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    fn state() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        (dir, state)
    }

    #[test]
    fn a_key_survives_a_restart_and_its_signature_verifies() {
        let (_dir, state) = state();
        assert!(load(&state).unwrap().is_none());
        let made = create(&state).unwrap();
        let loaded = load(&state).unwrap().unwrap();
        assert_eq!(made.public_key_spki(), loaded.public_key_spki());
        let signature = loaded.sign(b"octets").unwrap();
        let point = &loaded.public_key_spki()[SPKI_PREFIX.len()..];
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(b"octets", &signature).unwrap();
        assert!(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(b"other", &signature).is_err());
    }

    #[test]
    fn an_existing_key_is_never_replaced_even_a_damaged_one() {
        let (_dir, state) = state();
        create(&state).unwrap();
        files::write_atomically(&state.join(FILE_NAME), b"rubbish", Access::Private).unwrap();
        assert!(matches!(create(&state), Err(KeyError::Exists { .. })));
        let error = load(&state).unwrap_err().to_string();
        assert!(error.contains("device-key.pem") && error.contains("countersign deregister"), "{error}");
    }

    #[test]
    fn every_cut_and_every_flipped_octet_is_damage_and_never_another_key() {
        let (_dir, state) = state();
        let key = create(&state).unwrap();
        let path = state.join(FILE_NAME);
        let whole = files::read_private(&path, MAX_OCTETS).unwrap().unwrap();
        let spki = key.public_key_spki().to_vec();
        for cut in 0..whole.len() - 1 {
            files::write_atomically(&path, &whole[..cut], Access::Private).unwrap();
            assert!(load(&state).is_err(), "cut at {cut}");
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x02;
            files::write_atomically(&path, &flipped, Access::Private).unwrap();
            if let Ok(Some(loaded)) = load(&state) {
                assert_eq!(loaded.public_key_spki(), spki, "flipped at {at}");
            }
        }
    }

    #[test]
    fn a_key_held_elsewhere_is_not_mistaken_for_none() {
        let (_dir, state) = state();
        files::create_private_dir(&state).unwrap();
        let text = encode_pem("TSS2 PRIVATE KEY", b"blob");
        files::write_atomically(&state.join(FILE_NAME), &text, Access::Private).unwrap();
        assert!(matches!(load(&state), Err(KeyError::UnknownProtection { label, .. }) if label == "TSS2 PRIVATE KEY"));
    }

    #[cfg(unix)]
    #[test]
    fn a_loose_or_linked_key_is_an_error_with_the_next_action_and_stays() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let (dir, state) = state();
        create(&state).unwrap();
        let path = state.join(FILE_NAME);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let KeyError::File { source, .. } = load(&state).unwrap_err() else { panic!("not an error of the file") };
        assert!(source.to_string().contains("chmod 600"), "{source}");
        assert!(matches!(create(&state), Err(KeyError::Exists { .. })));
        let elsewhere = dir.path().join("elsewhere.pem");
        std::fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert!(matches!(load(&state), Err(KeyError::File { source: FileError::NotAFile { .. }, .. })));
        assert!(matches!(create(&state), Err(KeyError::Exists { .. })));
        assert!(elsewhere.exists());
    }

    #[test]
    fn destroying_tells_whether_there_was_a_key() {
        let (_dir, state) = state();
        create(&state).unwrap();
        assert!(destroy(&state).unwrap());
        assert!(!destroy(&state).unwrap());
        assert!(load(&state).unwrap().is_none());
    }

    #[test]
    fn nothing_of_the_key_shows_in_debug_output() {
        let (_dir, state) = state();
        assert_eq!(format!("{:?}", create(&state).unwrap()), "DeviceKey { protection: File, .. }");
    }
}
