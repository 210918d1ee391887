//! What the ladder decides over CNG's answers, on every system, with a CNG in memory.

use super::fake::FakeCng;
use super::status::{Call, CallError, NTE_DEVICE_NOT_FOUND, NTE_DEVICE_NOT_READY, NTE_PERM, TPM_20_E_INTEGRITY};
use super::*;
use crate::device_key::{DeviceKey, KeyError, Ladder, SPKI_PREFIX};
use crate::files::{self, Access};
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, mpsc};

const NO_TPM: CallError = CallError::Status(Call::OpenStorageProvider, NTE_DEVICE_NOT_FOUND);
const NOT_READY: CallError = CallError::Status(Call::OpenStorageProvider, NTE_DEVICE_NOT_READY);
const NOT_SUPPORTED: CallError = CallError::Status(Call::CreatePersistedKey, 0x8009_0029);
const DENIED: CallError = CallError::Status(Call::DeleteKey, NTE_PERM);

/// A machine with both providers, and a state directory.
struct Machine {
    cng: Arc<FakeCng>,
    ladder: Ladder,
    _dir: tempfile::TempDir,
    state: PathBuf,
}

fn ladder_over(cng: Arc<dyn Cng>, limit: Duration) -> Ladder {
    Ladder::of(rungs_over(&cng, Patience::new(limit, Box::leak(Box::new(AtomicUsize::new(0))))))
}

impl Machine {
    fn new() -> Self {
        let cng = Arc::new(FakeCng::default());
        let ladder = ladder_over(Arc::<FakeCng>::clone(&cng), Duration::from_secs(60));
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        Self { cng, ladder, _dir: dir, state }
    }

    fn broken(&self, provider: Provider, error: CallError) -> &Self {
        self.cng.inside().broken.insert(provider, error);
        self
    }

    fn mended(&self) {
        self.cng.inside().broken.clear();
    }

    fn create(&self) -> Result<(DeviceKey, Vec<HardwareFault>), KeyError> {
        self.ladder.create(&self.state).map(|made| (made.key, made.passed_over))
    }

    fn load(&self) -> DeviceKey {
        self.ladder.load(&self.state).unwrap().unwrap()
    }

    fn keys(&self) -> usize {
        self.cng.inside().keys.len()
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.state).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn assert_signs(key: &DeviceKey) {
    let signature = key.sign(b"octets").unwrap();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.public_key_spki()[SPKI_PREFIX.len()..]);
    public.verify(b"octets", &signature).unwrap();
}

fn fault_of(error: KeyError) -> HardwareFault {
    let (KeyError::Hardware { source, .. } | KeyError::Downgrade { source }) = error else { panic!("{error}") };
    source
}

#[test]
fn the_tpm_holds_the_key_and_the_file_names_it() {
    let machine = Machine::new();
    let (made, passed_over) = machine.create().unwrap();
    assert_eq!((made.protection(), passed_over.len()), (KeyProtection::Tpm, 0));
    let loaded = machine.load();
    assert_eq!((loaded.public_key_spki(), loaded.protection()), (made.public_key_spki(), KeyProtection::Tpm));
    assert_signs(&loaded);
    assert_eq!((machine.cng.names(Provider::Platform).len(), machine.keys()), (1, 1));
    assert_eq!(machine.files(), ["device-key.pem", "device-key.protection"]);
    let text = std::fs::read_to_string(machine.state.join("device-key.pem")).unwrap();
    assert!(text.starts_with("-----BEGIN CNG PRIVATE KEY-----"), "{text}");
}

#[test]
fn without_a_tpm_the_software_holds_it_and_the_reason_is_told() {
    let machine = Machine::new();
    let (made, passed_over) = machine.broken(Provider::Platform, NO_TPM).create().unwrap();
    assert_eq!(made.protection(), KeyProtection::OsKeyStore);
    assert!(matches!(passed_over[..], [HardwareFault::NoTpm { .. }]), "{passed_over:?}");
    assert_signs(&machine.load());
    // An emulated provider is no hardware.
    let machine = Machine::new();
    let (made, _) = machine.broken(Provider::Platform, CallError::NoHardware).create().unwrap();
    assert_eq!(made.protection(), KeyProtection::OsKeyStore);
}

#[test]
fn where_neither_makes_a_key_it_is_in_a_file_and_both_reasons_are_told() {
    let machine = Machine::new();
    machine.broken(Provider::Platform, NO_TPM).broken(Provider::Software, NOT_SUPPORTED);
    let (made, passed_over) = machine.create().unwrap();
    assert_eq!(made.protection(), KeyProtection::File);
    assert!(matches!(passed_over[..], [HardwareFault::NoTpm { .. }, HardwareFault::Provider { .. }]));
    assert!(passed_over[1].to_string().contains("0x80090029"), "{}", passed_over[1]);
    assert_eq!(machine.files(), ["device-key.pem"]);
    assert_signs(&machine.load());
    // A key that could leave is not passed off as one that can't.
    let machine = Machine::new();
    machine.broken(Provider::Platform, NO_TPM).broken(Provider::Software, CallError::Exportable);
    assert_eq!(machine.create().unwrap().0.protection(), KeyProtection::File);
}

#[test]
fn a_tpm_that_is_not_ready_is_waited_for_and_nothing_is_made_elsewhere() {
    let machine = Machine::new();
    let error = machine.broken(Provider::Platform, NOT_READY).create().unwrap_err();
    assert!(error.is_passing(), "{error}");
    assert_eq!((machine.keys(), machine.files().len()), (0, 0));
    machine.mended();
    assert_eq!(machine.create().unwrap().0.protection(), KeyProtection::Tpm);
}

#[test]
fn no_weaker_key_follows_until_the_device_forgets() {
    let machine = Machine::new();
    machine.create().unwrap();
    machine.ladder.abandon(&machine.state).unwrap();
    machine.broken(Provider::Platform, NO_TPM);
    assert!(matches!(machine.create(), Err(KeyError::Downgrade { source: HardwareFault::NoTpm { .. } })));
    assert!(matches!(machine.ladder.create_next(&machine.state), Err(KeyError::Downgrade { .. })));
    assert!(machine.cng.names(Provider::Software).is_empty());
    machine.ladder.destroy(&machine.state).unwrap();
    assert_eq!(machine.create().unwrap().0.protection(), KeyProtection::OsKeyStore);
    machine.ladder.abandon(&machine.state).unwrap();
    machine.broken(Provider::Software, NOT_SUPPORTED);
    assert!(matches!(machine.create(), Err(KeyError::Downgrade { source: HardwareFault::Provider { .. } })));
    machine.mended();
    assert_eq!(machine.create().unwrap().0.protection(), KeyProtection::Tpm, "a better one may follow");
}

#[test]
fn a_key_that_is_gone_is_lost_and_one_that_is_out_of_reach_is_not() {
    let machine = Machine::new();
    let (key, _) = machine.create().unwrap();
    for error in [NO_TPM, NOT_READY, DENIED] {
        machine.broken(Provider::Platform, error);
        assert!(!key.sign(b"octets").unwrap_err().is_loss_of_the_key(), "{error:?}");
    }
    machine.broken(Provider::Platform, CallError::Status(Call::OpenKey, TPM_20_E_INTEGRITY));
    assert!(key.sign(b"octets").unwrap_err().is_loss_of_the_key());
    machine.mended();
    assert_signs(&key);
    // The key file on another machine, where Windows has no key of that name.
    machine.cng.inside().keys.clear();
    let error = machine.load().sign(b"octets").unwrap_err();
    assert!(error.is_loss_of_the_key() && !error.is_passing(), "{error}");
    assert!(matches!(fault_of(error), HardwareFault::KeyGone { .. }));
}

#[test]
fn another_key_of_the_same_name_is_noticed() {
    let machine = Machine::new();
    let (key, _) = machine.create().unwrap();
    machine.cng.inside().confused = true;
    let error = key.sign(b"octets").unwrap_err();
    assert!(error.is_loss_of_the_key(), "{error}");
    assert!(matches!(fault_of(error), HardwareFault::OtherKey { .. }));
}

/// A provider that answers when it is let.
#[derive(Debug)]
struct Hanging(Mutex<mpsc::Receiver<()>>, FakeCng);

impl Cng for Hanging {
    fn create(&self, provider: Provider, name: &str) -> Result<Vec<u8>, CallError> {
        let _ = self.0.lock().unwrap().recv();
        self.1.create(provider, name)
    }

    fn sign(&self, _provider: Provider, _name: &str, _digest: &[u8]) -> Result<Vec<u8>, CallError> {
        Err(NOT_SUPPORTED)
    }

    fn delete(&self, provider: Provider, name: &str) -> Result<(), CallError> {
        self.1.delete(provider, name)
    }
}

#[test]
fn a_tpm_that_hangs_is_not_waited_for_and_the_key_that_it_makes_too_late_goes() {
    let (answer, wait) = mpsc::channel();
    let cng = Arc::new(Hanging(Mutex::new(wait), FakeCng::default()));
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let short = ladder_over(Arc::<Hanging>::clone(&cng), Duration::from_millis(50));
    let error = short.create(&state).unwrap_err();
    assert!(error.is_passing() && matches!(fault_of(error), HardwareFault::NoAnswer { .. }));
    answer.send(()).unwrap();
    while cng.1.names(Provider::Platform).is_empty() {
        std::thread::yield_now();
    }
    drop(answer);
    let long = ladder_over(Arc::<Hanging>::clone(&cng), Duration::from_secs(60));
    let made = long.create(&state).unwrap();
    assert_eq!((made.key.protection(), cng.1.names(Provider::Platform).len()), (KeyProtection::Tpm, 1));
}

#[test]
fn a_device_that_leaves_has_its_keys_deleted() {
    let machine = Machine::new();
    machine.create().unwrap();
    machine.ladder.create_next(&machine.state).unwrap();
    assert_eq!(machine.keys(), 2);
    assert!(machine.ladder.destroy(&machine.state).unwrap());
    machine.broken(Provider::Platform, DENIED);
    let error = machine.ladder.sweep(&machine.state).unwrap_err();
    assert!(error.to_string().contains("delete"), "{error}");
    machine.mended();
    machine.ladder.sweep(&machine.state).unwrap();
    assert_eq!((machine.keys(), machine.files().len()), (0, 0));
}

#[test]
fn a_tpm_that_is_gone_keeps_no_device_from_leaving() {
    let machine = Machine::new();
    machine.create().unwrap();
    machine.ladder.destroy(&machine.state).unwrap();
    machine.broken(Provider::Platform, NO_TPM);
    machine.ladder.sweep(&machine.state).unwrap();
    assert!(machine.files().is_empty());
}

#[test]
fn a_key_goes_when_its_successor_has_its_place_and_never_before() {
    let machine = Machine::new();
    let (former, _) = machine.create().unwrap();
    let next = machine.ladder.create_next(&machine.state).unwrap().key;
    machine.ladder.sweep(&machine.state).unwrap();
    assert_signs(&former);
    machine.ladder.adopt_next(&machine.state).unwrap();
    assert_eq!(machine.load().public_key_spki(), next.public_key_spki());
    machine.ladder.sweep(&machine.state).unwrap();
    assert_signs(&machine.load());
    assert!(former.sign(b"octets").unwrap_err().is_loss_of_the_key());
    assert_eq!((machine.keys(), machine.files().len()), (1, 2));
}

#[test]
fn a_damaged_key_file_has_no_key_deleted() {
    let machine = Machine::new();
    machine.create().unwrap();
    let path = machine.state.join("device-key.pem");
    let whole = std::fs::read(&path).unwrap();
    machine.ladder.create_next(&machine.state).unwrap();
    machine.ladder.discard_next(&machine.state).unwrap();
    files::write_atomically(&path, b"rubbish", Access::Private).unwrap();
    assert!(machine.ladder.sweep(&machine.state).is_err());
    assert_eq!(machine.keys(), 2);
    files::write_atomically(&path, &whole, Access::Private).unwrap();
    machine.ladder.sweep(&machine.state).unwrap();
    assert_signs(&machine.load());
    assert_eq!(machine.keys(), 1);
}

#[test]
fn a_device_that_has_its_key_in_a_file_goes_on_with_it_and_its_next_key_is_held_better() {
    let machine = Machine::new();
    let before = Ladder::of(Vec::new()).create(&machine.state).unwrap().key;
    assert_eq!(before.protection(), KeyProtection::File);
    let present = machine.load();
    assert_eq!(present.public_key_spki(), before.public_key_spki());
    assert_signs(&present);
    assert_eq!(machine.keys(), 0, "nothing is asked of Windows for it");
    let next = machine.ladder.create_next(&machine.state).unwrap().key;
    assert_eq!((present.protection(), next.protection()), (KeyProtection::File, KeyProtection::Tpm));
    machine.ladder.adopt_next(&machine.state).unwrap();
    machine.ladder.sweep(&machine.state).unwrap();
    assert_signs(&machine.load());
}

#[test]
fn another_system_does_not_take_it_for_no_key() {
    let machine = Machine::new();
    machine.create().unwrap();
    let elsewhere = Ladder::of(Vec::new());
    assert!(matches!(elsewhere.load(&machine.state), Err(KeyError::UnknownProtection { .. })));
    assert!(matches!(elsewhere.create(&machine.state), Err(KeyError::Exists { .. })));
}
