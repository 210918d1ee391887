//! The device key, on whichever rung.

use platform::{
    device_key::{DeviceKey, KeyError, KeyProtection, Ladder},
    files::{self, Access},
};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

const FILE: &str = "device-key.pem";

/// A key is made once, signs, is the same after every start, and is never replaced by accident.
pub(crate) fn hold(ladder: &Ladder) {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    assert!(ladder.load(&state).unwrap().is_none(), "none was made");
    assert!(!state.exists(), "asking makes nothing");

    let made = ladder.create(&state).unwrap();
    let by_hardware = matches!(made.key.protection(), KeyProtection::Tpm | KeyProtection::SecureEnclave);
    assert!(by_hardware || !made.passed_over.is_empty(), "what hardware does not hold has its reason: {made:?}");
    assert!(made.passed_over.iter().all(|why| !why.to_string().is_empty()));
    signs(&made.key);
    assert!(files::read_private(&state.join(FILE), 65_536).unwrap().is_some(), "nobody else reads what is kept");

    let loaded = ladder.load(&state).unwrap().expect("it was made");
    assert_eq!(loaded.public_key_spki(), made.key.public_key_spki());
    assert_eq!(loaded.protection(), made.key.protection(), "how it is protected is told alike");
    signs(&loaded);

    let second = ladder.create(&state).unwrap_err();
    assert!(matches!(second, KeyError::Exists { .. }), "{second}");
    is_kept_when_damaged(ladder, &state);

    assert!(ladder.destroy(&state).unwrap());
    assert!(!ladder.destroy(&state).unwrap(), "there was none any more");
    assert!(ladder.load(&state).unwrap().is_none());
    let next = ladder.create(&state).unwrap();
    assert_ne!(next.key.public_key_spki(), made.key.public_key_spki(), "no key comes twice");
    ladder.destroy(&state).unwrap();
    ladder.sweep(&state).unwrap();
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 0, "nothing is left of any key");
}

fn is_kept_when_damaged(ladder: &Ladder, state: &std::path::Path) {
    let path = state.join(FILE);
    let whole = files::read_private(&path, 65_536).unwrap().unwrap();
    let unknown = b"-----BEGIN A KEY OF TOMORROW-----\nAAAA\n-----END A KEY OF TOMORROW-----\n";
    for damaged in [&b""[..], &whole[..whole.len() / 2], b"no key at all", unknown] {
        files::write_atomically(&path, damaged, Access::Private).unwrap();
        let error = ladder.load(state).unwrap_err();
        assert!(matches!(error, KeyError::Damaged { .. } | KeyError::UnknownProtection { .. }), "{error}");
        let error = ladder.create(state).unwrap_err();
        assert!(matches!(error, KeyError::Exists { .. }), "what is damaged is in the way of another: {error}");
    }
    files::write_atomically(&path, &whole, Access::Private).unwrap();
    signs(&ladder.load(state).unwrap().expect("it is whole again"));
}

#[track_caller]
fn signs(key: &DeviceKey) {
    let spki = key.public_key_spki();
    assert_eq!(spki.len(), 91, "a SubjectPublicKeyInfo of P-256 with an uncompressed point");
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &spki[26..]);
    for octets in [&b""[..], b"octets", &[7; 70_000]] {
        let signature = key.sign(octets).unwrap();
        public.verify(octets, &signature).unwrap();
        public.verify(b"other octets", &signature).unwrap_err();
    }
}
