//! What the ladder decides over a key that is sealed, on every system, with something in memory that seals.

use super::*;
use crate::device_key::{DeviceKey, KeyError, Ladder, SPKI_PREFIX};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, MutexGuard, mpsc};

const REFUSED: SealError = SealError::Refused { call: "CryptProtectData", code: 1722 };

/// Seals by turning bits over, and knows what another machine has sealed.
#[derive(Debug, Default)]
struct FakeSealer(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    machine: u8,
    unsealed: usize,
    broken: Option<SealError>,
}

impl FakeSealer {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }
}

fn turned(octets: &[u8]) -> impl Iterator<Item = u8> {
    octets.iter().map(|octet| !octet)
}

impl Sealer for FakeSealer {
    fn seal(&self, octets: &[u8]) -> Result<Vec<u8>, SealError> {
        let inside = self.inside();
        inside.broken.clone().map_or(Ok(()), Err)?;
        Ok([inside.machine].into_iter().chain(turned(octets)).collect())
    }

    fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let mut inside = self.inside();
        inside.broken.clone().map_or(Ok(()), Err)?;
        inside.unsealed += 1;
        match sealed.split_first() {
            Some((machine, octets)) if *machine == inside.machine => Ok(Zeroizing::new(turned(octets).collect())),
            _ => Err(SealError::Elsewhere { code: 0x8009_000b }),
        }
    }
}

/// The rung above: makes no key, and says why.
#[derive(Debug)]
struct Above(KeyProtection);

impl Rung for Above {
    fn protection(&self) -> KeyProtection {
        self.0
    }

    fn label(&self) -> &'static str {
        "KEY OF A RUNG ABOVE"
    }

    fn reference(&self, _name: &str) -> Option<String> {
        None
    }

    fn create(&self, _name: &str) -> Result<Box<dyn HeldKey>, HardwareFault> {
        Err(HardwareFault::NoTpm { said: "a test".to_owned() })
    }

    fn read(&self, _der: &[u8]) -> Option<Box<dyn HeldKey>> {
        None
    }

    fn delete(&self, _reference: &str) -> Option<Result<(), HardwareFault>> {
        None
    }
}

fn rung_over(sealer: Arc<dyn Sealer>, limit: Duration) -> Arc<dyn Rung> {
    let patience = Patience::new(limit, Box::leak(Box::new(AtomicUsize::new(0))));
    Arc::new(SealedRung(Access { sealer, patience }))
}

/// A machine whose key stores make no key, and a state directory.
struct Machine {
    sealer: Arc<FakeSealer>,
    ladder: Ladder,
    _dir: tempfile::TempDir,
    state: PathBuf,
}

impl Machine {
    fn new() -> Self {
        let sealer = Arc::new(FakeSealer::default());
        let sealed = rung_over(Arc::<FakeSealer>::clone(&sealer), Duration::from_secs(60));
        let above = [KeyProtection::Tpm, KeyProtection::OsKeyStore].map(|held| Arc::new(Above(held)) as Arc<dyn Rung>);
        let ladder = Ladder::of(above.into_iter().chain([sealed]).collect());
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        Self { sealer, ladder, _dir: dir, state }
    }

    fn create(&self) -> Result<(DeviceKey, Vec<HardwareFault>), KeyError> {
        self.ladder.create(&self.state).map(|made| (made.key, made.passed_over))
    }

    fn load(&self) -> DeviceKey {
        self.ladder.load(&self.state).unwrap().unwrap()
    }

    fn break_sealer(&self) {
        self.sealer.inside().broken = Some(REFUSED);
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.state.join("device-key.pem")).unwrap()
    }
}

#[track_caller]
fn assert_signs(key: &DeviceKey) {
    let signature = key.sign(b"octets").unwrap();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.public_key_spki()[SPKI_PREFIX.len()..]);
    public.verify(b"octets", &signature).unwrap();
}

#[test]
fn where_no_store_makes_a_key_it_is_in_a_sealed_file_and_the_reasons_are_told() {
    let machine = Machine::new();
    let (made, passed_over) = machine.create().unwrap();
    assert_eq!((made.protection(), passed_over.len()), (KeyProtection::SealedFile, 2));
    assert_signs(&made);
    let loaded = machine.load();
    assert_eq!((loaded.public_key_spki(), loaded.protection()), (made.public_key_spki(), KeyProtection::SealedFile));
    assert_signs(&loaded);
    assert!(machine.text().starts_with("-----BEGIN DPAPI PRIVATE KEY-----"), "{}", machine.text());
    let record = std::fs::read_to_string(machine.state.join("device-key.protection")).unwrap();
    assert_eq!(record, "sealed-file\n");
}

#[test]
fn the_private_key_is_not_in_the_file() {
    let machine = Machine::new();
    machine.create().unwrap();
    let (_, der) = crate::device_key::pem::decode(machine.text().as_bytes()).unwrap();
    // The beginning of every PKCS #8 of P-256: the algorithm, and the private half's octet string.
    let algorithm = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    assert!(!der.windows(algorithm.len()).any(|part| part == algorithm));
}

#[test]
fn nothing_is_unsealed_before_the_first_signature_and_once_from_then_on() {
    let machine = Machine::new();
    machine.create().unwrap();
    let before = machine.sealer.inside().unsealed;
    let key = machine.load();
    assert_eq!(machine.sealer.inside().unsealed, before);
    assert_signs(&key);
    assert_signs(&key);
    assert_eq!(machine.sealer.inside().unsealed, before + 1);
}

#[test]
fn another_machines_file_is_a_lost_key_and_a_refusal_is_not() {
    let machine = Machine::new();
    machine.create().unwrap();
    machine.break_sealer();
    let error = machine.load().sign(b"octets").unwrap_err();
    assert!(!error.is_loss_of_the_key(), "{error}");
    machine.sealer.inside().broken = None;
    assert_signs(&machine.load());
    machine.sealer.inside().machine = 1;
    let error = machine.load().sign(b"octets").unwrap_err();
    assert!(error.is_loss_of_the_key() && !error.is_passing(), "{error}");
    assert!(matches!(error, KeyError::Hardware { source: HardwareFault::SealedElsewhere { .. }, .. }));
}

#[test]
fn another_key_behind_the_public_one_is_noticed() {
    let machine = Machine::new();
    let (key, _) = machine.create().unwrap();
    let point = key.public_key_spki()[SPKI_PREFIX.len()..].try_into().unwrap();
    let other = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let file = KeyFile { point, sealed: machine.sealer.seal(other.as_ref()).unwrap() };
    let rung = rung_over(Arc::<FakeSealer>::clone(&machine.sealer), Duration::from_secs(60));
    let fault = rung.read(&file.to_der()).unwrap().sign(b"octets").unwrap_err();
    assert!(fault.is_loss_of_the_key(), "{fault}");
}

#[test]
fn a_damaged_file_is_damage_and_not_another_machines() {
    let machine = Machine::new();
    machine.create().unwrap();
    let text = machine.text();
    let at = text.find('\n').unwrap() + 100;
    let other = if &text[at..=at] == "A" { "B" } else { "A" };
    let damaged = [&text[..at], other, &text[at + 1..]].concat();
    std::fs::write(machine.state.join("device-key.pem"), damaged).unwrap();
    assert!(matches!(machine.ladder.load(&machine.state), Err(KeyError::Damaged { .. })));
}

#[test]
fn where_nothing_is_sealed_either_the_key_is_in_a_plain_file() {
    let machine = Machine::new();
    machine.break_sealer();
    let (made, passed_over) = machine.create().unwrap();
    assert_eq!((made.protection(), passed_over.len()), (KeyProtection::File, 3));
    assert!(passed_over[2].to_string().contains("`CryptProtectData`"), "{}", passed_over[2]);
    assert_signs(&machine.load());
}

#[test]
fn no_plain_file_follows_a_sealed_one_until_the_device_forgets() {
    let machine = Machine::new();
    machine.create().unwrap();
    machine.break_sealer();
    assert!(matches!(machine.ladder.create_next(&machine.state), Err(KeyError::Downgrade { .. })));
    machine.ladder.abandon(&machine.state).unwrap();
    let error = machine.create().unwrap_err();
    assert!(matches!(error, KeyError::Downgrade { source: HardwareFault::Seal(REFUSED) }), "{error}");
    machine.ladder.destroy(&machine.state).unwrap();
    assert_eq!(machine.create().unwrap().0.protection(), KeyProtection::File);
}

#[test]
fn no_sealed_file_follows_a_key_that_a_store_held() {
    let machine = Machine::new();
    crate::files::create_private_dir(&machine.state).unwrap();
    for held in ["tpm\n", "os-key-store\n", "of tomorrow\n"] {
        let record = machine.state.join("device-key.protection");
        crate::files::write_atomically(&record, held.as_bytes(), crate::files::Access::Private).unwrap();
        assert!(matches!(machine.create(), Err(KeyError::Downgrade { .. })), "{held}");
    }
}

#[test]
fn a_device_that_has_its_key_in_a_plain_file_goes_on_with_it_and_its_next_key_is_sealed() {
    let machine = Machine::new();
    Ladder::of(Vec::new()).create(&machine.state).unwrap();
    let present = machine.load();
    assert_signs(&present);
    assert_eq!((present.protection(), machine.sealer.inside().unsealed), (KeyProtection::File, 0));
    let next = machine.ladder.create_next(&machine.state).unwrap().key;
    assert_eq!(next.protection(), KeyProtection::SealedFile);
    machine.ladder.adopt_next(&machine.state).unwrap();
    assert_eq!(machine.load().public_key_spki(), next.public_key_spki());
    assert_signs(&machine.load());
}

#[test]
fn a_device_that_leaves_has_no_key_left_and_another_system_does_not_take_it_for_no_key() {
    let machine = Machine::new();
    machine.create().unwrap();
    let elsewhere = Ladder::of(Vec::new());
    assert!(matches!(elsewhere.load(&machine.state), Err(KeyError::UnknownProtection { .. })));
    assert!(machine.ladder.destroy(&machine.state).unwrap());
    machine.ladder.sweep(&machine.state).unwrap();
    assert_eq!(std::fs::read_dir(&machine.state).unwrap().count(), 0);
}

/// Seals when it is let.
#[derive(Debug)]
struct Hanging(Mutex<mpsc::Receiver<()>>);

impl Sealer for Hanging {
    fn seal(&self, _octets: &[u8]) -> Result<Vec<u8>, SealError> {
        let _ = self.0.lock().unwrap().recv();
        Err(REFUSED)
    }

    fn unseal(&self, _sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        Err(REFUSED)
    }
}

#[test]
fn a_system_that_hangs_while_it_seals_is_not_waited_for_and_no_plain_file_is_made_meanwhile() {
    let (_answer, wait) = mpsc::channel();
    let ladder = Ladder::of(vec![rung_over(Arc::new(Hanging(Mutex::new(wait))), Duration::from_millis(50))]);
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let error = ladder.create(&state).unwrap_err();
    assert!(error.is_passing(), "{error}");
    assert!(ladder.load(&state).unwrap().is_none());
}
