//! The device key: ECDSA on P-256, made on this device and never leaving it.
//!
//! One file, `device-key.pem`, in the agent's state directory. Its PEM label (RFC 7468) says which rung of the ladder holds the key: `PRIVATE KEY` is
//! PKCS#8 in the file itself, `TSS2 PRIVATE KEY` a key that a TPM has wrapped. A label that this build does not know is an error, so that a key
//! held by hardware is never replaced by accident. A second file, `device-key.protection`, remembers that hardware once held a key here: from
//! then on none is made in a file, until [`destroy`] is asked for.

mod hardware;
mod pem;
#[cfg(target_os = "linux")]
mod tpm;
#[cfg(not(target_os = "linux"))]
#[path = "device_key/no_tpm.rs"]
mod tpm;

pub use hardware::HardwareFault;

use crate::files::{self, Access, FileError};
use crate::set_aside::remove_set_aside;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use std::{
    fmt,
    path::{Path, PathBuf},
};
use tpm::TpmKey;

const FILE_NAME: &str = "device-key.pem";
/// The key that is to take the place of the one in `FILE_NAME`.
const NEXT_NAME: &str = "device-key-next.pem";
const RECORD_NAME: &str = "device-key.protection";
const MAX_OCTETS: usize = 16 * 1024;
const PKCS8_LABEL: &str = "PRIVATE KEY";
/// The label of draft-bottomley-tpm2-keys.
const TPM_LABEL: &str = "TSS2 PRIVATE KEY";

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
    /// The hardware that held a key here does not make another one, and a file is no substitute.
    #[error(
        "hardware protected this device's key before, and a key in a file is not made in its place: mend what is wrong with it, or run `countersign deregister` to give the protection up"
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
    File(EcdsaKeyPair),
    Tpm(TpmKey),
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
            Holder::Tpm(key) => key.sign(octets).map_err(|source| KeyError::Hardware { doing: "sign with", source }),
        }
    }

    /// What keeps this key from being copied.
    pub const fn protection(&self) -> KeyProtection {
        match &self.holder {
            Holder::File(_) => KeyProtection::File,
            Holder::Tpm(_) => KeyProtection::Tpm,
        }
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        // This also checks that the public key belongs to the private one, and that the point is on the curve.
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new()).ok()?;
        let spki = spki_of(pair.public_key().as_ref())?;
        Some(Self { holder: Holder::File(pair), spki })
    }

    fn from_tpm(key: TpmKey) -> Option<Self> {
        let spki = spki_of(key.point())?;
        Some(Self { holder: Holder::Tpm(key), spki })
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
    /// Why no better rung of the ladder holds it; nothing where the best does.
    pub passed_over: Option<HardwareFault>,
}

/// The rungs on which a key can be kept, best first: the TPM, then a file.
#[derive(Clone, Debug)]
pub struct Ladder {
    tpm: PathBuf,
}

impl Default for Ladder {
    /// The TPM that the kernel offers. There is neither an option nor a variable for another place: who can put something else there is root.
    fn default() -> Self {
        Self::with_tpm(tpm::DEVICE_PATH)
    }
}

impl Ladder {
    /// A ladder whose TPM answers at another place, which may be a Unix socket.
    pub fn with_tpm(path: impl Into<PathBuf>) -> Self {
        Self { tpm: path.into() }
    }

    /// The key in `state_dir`; `None` when none was ever made there. Hardware is not asked: the first signature is.
    ///
    /// # Errors
    ///
    /// A key that is damaged, open to others, or out of reach is an error that names the next action, and never leads to a new key.
    pub fn load(&self, state_dir: &Path) -> Result<Option<DeviceKey>, KeyError> {
        self.load_file(state_dir.join(FILE_NAME))
    }

    fn load_file(&self, path: PathBuf) -> Result<Option<DeviceKey>, KeyError> {
        let Some(text) =
            files::read_private(&path, MAX_OCTETS).map_err(|source| KeyError::File { doing: "read", source })?
        else {
            return Ok(None);
        };
        let damaged = |found| KeyError::Damaged { path: path.clone(), found };
        let (label, der) = pem::decode(&text).map_err(damaged)?;
        let key = match label.as_str() {
            PKCS8_LABEL => DeviceKey::from_pkcs8(&der),
            TPM_LABEL if cfg!(target_os = "linux") => TpmKey::from_der(&self.tpm, &der).and_then(DeviceKey::from_tpm),
            _ => return Err(KeyError::UnknownProtection { path: path.clone(), label }),
        };
        key.map(Some).ok_or_else(|| damaged("it is not a whole P-256 key"))
    }

    /// Makes a key with the best protection that works here; it is on the disk before this returns.
    ///
    /// # Errors
    ///
    /// [`KeyError::Exists`] when there is one, whatever its state; [`KeyError::Downgrade`] when hardware held one before and does not take
    /// another; [`KeyError::Hardware`] when the hardware may be ready at the next try; and when the key cannot be stored.
    pub fn create(&self, state_dir: &Path) -> Result<Made, KeyError> {
        self.create_file(state_dir, FILE_NAME)
    }

    fn create_file(&self, state_dir: &Path, name: &str) -> Result<Made, KeyError> {
        let failed = |source| KeyError::File { doing: "store", source };
        files::create_private_dir(state_dir).map_err(failed)?;
        let path = state_dir.join(name);
        if files::read_private(&path, MAX_OCTETS).map_or(true, |found| found.is_some()) {
            return Err(KeyError::Exists { path });
        }
        let made = match TpmKey::create(&self.tpm) {
            Ok(key) => {
                // First the record: a crash between the two leaves a device that is too careful, and never one that forgets.
                files::write_atomically(&state_dir.join(RECORD_NAME), b"tpm\n", Access::Private).map_err(failed)?;
                let pem = pem::encode(TPM_LABEL, &key.to_der());
                (DeviceKey::from_tpm(key), pem, None)
            }
            Err(source) if was_held_by_hardware(state_dir)? => return Err(KeyError::Downgrade { source }),
            Err(source) if source.is_passing() => return Err(KeyError::Hardware { doing: "make", source }),
            Err(source) => {
                let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                    .map_err(|_| KeyError::Generate)?;
                (DeviceKey::from_pkcs8(document.as_ref()), pem::encode(PKCS8_LABEL, document.as_ref()), Some(source))
            }
        };
        let (Some(key), pem, passed_over) = made else { return Err(KeyError::Generate) };
        match files::write_new(&path, &pem, Access::Private) {
            Ok(()) => Ok(Made { key, passed_over }),
            Err(FileError::Exists { path }) => Err(KeyError::Exists { path }),
            Err(source) => Err(failed(source)),
        }
    }
}

fn was_held_by_hardware(state_dir: &Path) -> Result<bool, KeyError> {
    let record = files::read_private(&state_dir.join(RECORD_NAME), MAX_OCTETS);
    record.map(|record| record.is_some()).map_err(|source| KeyError::File { doing: "read what protected", source })
}

/// [`Ladder::load`] with this device's own hardware.
///
/// # Errors
///
/// As there.
pub fn load(state_dir: &Path) -> Result<Option<DeviceKey>, KeyError> {
    Ladder::default().load(state_dir)
}

/// [`Ladder::create`] with this device's own hardware.
///
/// # Errors
///
/// As there.
pub fn create(state_dir: &Path) -> Result<Made, KeyError> {
    Ladder::default().create(state_dir)
}

/// The key that [`create_next`] made and [`adopt_next`] has not put in its place yet.
///
/// # Errors
///
/// As [`load`].
pub fn load_next(state_dir: &Path) -> Result<Option<DeviceKey>, KeyError> {
    Ladder::default().load_file(state_dir.join(NEXT_NAME))
}

/// Makes the key that is to take the place of the present one, which stays. Its protection is the best that works, and never a file where hardware
/// held a key here before.
///
/// # Errors
///
/// As [`create`].
pub fn create_next(state_dir: &Path) -> Result<Made, KeyError> {
    Ladder::default().create_file(state_dir, NEXT_NAME)
}

/// Puts the next key in the place of the present one, which is gone from then on; after a crash it is one or the other.
///
/// # Errors
///
/// When there is none, or it can't be put there.
pub fn adopt_next(state_dir: &Path) -> Result<(), KeyError> {
    let adopted = files::replace(&state_dir.join(NEXT_NAME), &state_dir.join(FILE_NAME));
    adopted.map_err(|source| KeyError::File { doing: "replace", source })
}

/// Removes a next key that can't be used; `true` when there was one.
///
/// # Errors
///
/// When it is there and cannot be removed.
pub fn discard_next(state_dir: &Path) -> Result<bool, KeyError> {
    files::remove(&state_dir.join(NEXT_NAME)).map_err(|source| KeyError::File { doing: "remove", source })
}

/// Sets a damaged key aside, so that another can be made: the file is renamed and kept, the next key's too where there is one, and that
/// hardware held the key is remembered. Returns where it is now.
///
/// # Errors
///
/// When it cannot be renamed.
pub fn set_aside(state_dir: &Path, stamp: &str) -> Result<PathBuf, KeyError> {
    let failed = |source| KeyError::File { doing: "set aside", source };
    let next = state_dir.join(NEXT_NAME);
    if next.exists() {
        crate::set_aside::set_aside(&next, stamp).map_err(failed)?;
    }
    crate::set_aside::set_aside(&state_dir.join(FILE_NAME), stamp).map_err(failed)
}

/// Removes the key for good, what was set aside of it, and the memory of what protected it; `true` when there was one.
///
/// # Errors
///
/// When it is there and cannot be removed.
pub fn destroy(state_dir: &Path) -> Result<bool, KeyError> {
    let failed = |source| KeyError::File { doing: "remove", source };
    let removed = abandon(state_dir)?;
    for name in [FILE_NAME, NEXT_NAME] {
        remove_set_aside(&state_dir.join(name)).map_err(failed)?;
    }
    files::remove(&state_dir.join(RECORD_NAME)).map_err(failed)?;
    Ok(removed)
}

/// Removes a key that its hardware has lost, so that another can be made; that hardware held it is remembered. `true` when there was one.
///
/// # Errors
///
/// When it is there and cannot be removed.
pub fn abandon(state_dir: &Path) -> Result<bool, KeyError> {
    discard_next(state_dir)?;
    files::remove(&state_dir.join(FILE_NAME)).map_err(|source| KeyError::File { doing: "remove", source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    /// A ladder without hardware, whatever the machine has.
    fn create(state: &Path) -> Result<Made, KeyError> {
        Ladder::with_tpm("/nowhere/tpmrm0").create(state)
    }

    fn state() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        (dir, state)
    }

    #[test]
    fn a_key_survives_a_restart_and_its_signature_verifies() {
        let (_dir, state) = state();
        assert!(load(&state).unwrap().is_none());
        let made = create(&state).unwrap().key;
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
        assert!(error.contains("device-key.pem") && error.contains("device token"), "{error}");
    }

    #[test]
    fn every_cut_and_every_flipped_octet_is_damage_and_never_another_key() {
        let (_dir, state) = state();
        let key = create(&state).unwrap().key;
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
        let text = pem::encode("CNG PRIVATE KEY", b"blob");
        files::write_atomically(&state.join(FILE_NAME), &text, Access::Private).unwrap();
        assert!(matches!(load(&state), Err(KeyError::UnknownProtection { label, .. }) if label == "CNG PRIVATE KEY"));
        assert!(matches!(create(&state), Err(KeyError::Exists { .. })));
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
    fn a_file_does_not_follow_hardware_unless_the_key_is_destroyed() {
        let (_dir, state) = state();
        files::create_private_dir(&state).unwrap();
        files::write_atomically(&state.join(RECORD_NAME), b"tpm\n", Access::Private).unwrap();
        assert!(matches!(create(&state), Err(KeyError::Downgrade { .. })));
        assert!(!abandon(&state).unwrap());
        assert!(matches!(create(&state), Err(KeyError::Downgrade { .. })), "abandoning remembers");
        destroy(&state).unwrap();
        let made = create(&state).unwrap();
        assert_eq!(made.key.protection(), KeyProtection::File);
        assert!(matches!(made.passed_over, Some(HardwareFault::Absent { .. } | HardwareFault::NotSupported)));
    }

    #[test]
    fn the_next_key_takes_the_place_of_the_present_one_when_it_is_adopted() {
        let (_dir, state) = state();
        let present = create(&state).unwrap().key;
        assert!(load_next(&state).unwrap().is_none());
        let next = Ladder::with_tpm("/nowhere/tpmrm0").create_file(&state, NEXT_NAME).unwrap().key;
        assert_eq!(load(&state).unwrap().unwrap().public_key_spki(), present.public_key_spki());
        assert_eq!(load_next(&state).unwrap().unwrap().public_key_spki(), next.public_key_spki());
        adopt_next(&state).unwrap();
        assert_eq!(load(&state).unwrap().unwrap().public_key_spki(), next.public_key_spki());
        assert!(load_next(&state).unwrap().is_none() && adopt_next(&state).is_err());
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
    fn a_damaged_key_is_kept_aside_until_the_device_forgets() {
        let (_dir, state) = state();
        create(&state).unwrap();
        files::write_atomically(&state.join(FILE_NAME), b"rubbish", Access::Private).unwrap();
        let aside = set_aside(&state, "20261122T071500Z").unwrap();
        assert_eq!(std::fs::read(&aside).unwrap(), b"rubbish");
        create(&state).unwrap();
        assert!(load(&state).unwrap().is_some() && aside.exists());
        destroy(&state).unwrap();
        assert!(!aside.exists());
    }

    #[test]
    fn nothing_of_the_key_shows_in_debug_output() {
        let (_dir, state) = state();
        assert_eq!(format!("{:?}", create(&state).unwrap().key), "DeviceKey { protection: File, .. }");
    }
}
