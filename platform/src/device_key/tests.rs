//! Keys in a file, on a ladder without hardware.

use super::ladder::{FILE_NAME, MAX_OCTETS, RECORD_NAME};
use super::*;
use crate::files::{self, Access};
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
    let text = pem::encode("KEYCHAIN PRIVATE KEY", b"blob");
    files::write_atomically(&state.join(FILE_NAME), &text, Access::Private).unwrap();
    assert!(matches!(load(&state), Err(KeyError::UnknownProtection { label, .. }) if label == "KEYCHAIN PRIVATE KEY"));
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
    assert!(matches!(made.passed_over[..], [HardwareFault::Absent { .. } | HardwareFault::NotSupported]));
}

#[test]
fn the_next_key_takes_the_place_of_the_present_one_when_it_is_adopted() {
    let (_dir, state) = state();
    let present = create(&state).unwrap().key;
    assert!(load_next(&state).unwrap().is_none());
    let next = Ladder::with_tpm("/nowhere/tpmrm0").create_next(&state).unwrap().key;
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
