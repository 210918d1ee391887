//! The device key in a TPM 2.0, as swtpm emulates it: the real protocol over a socket, with everything that goes wrong with hardware.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use platform::device_key::{self, DeviceKey, HardwareFault, KeyError, KeyProtection, Ladder};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use crate::needing;

pub(crate) fn trials() -> Vec<Trial> {
    let tests: [(&str, fn()); 11] = [
        ("tpm: what holds for every device key holds for one in a TPM", holds_for_every_key),
        ("tpm: a key survives restarts of the agent and of the TPM, and its signatures verify", survives_restarts),
        ("tpm: what the file holds cannot sign without the TPM", nothing_leaves),
        ("tpm: a key of another machine's TPM is lost, and says so", of_another_machine),
        ("tpm: a TPM that was cleared has lost the key, and another can be made", cleared),
        ("tpm: a TPM that is gone is said, and no file takes its place", gone),
        ("tpm: a TPM that is busy is given up within the time limit", busy),
        ("tpm: a locked-out TPM still signs", locked_out),
        ("tpm: an owner's password and a switched-off hierarchy are told apart", owner),
        ("tpm: rubbish for an answer is an error", rubbish),
        ("tpm: many signatures leave nothing in the TPM", many),
    ];
    tests.into_iter().map(|(name, test)| needing(name, missing(), test)).collect()
}

fn missing() -> Option<&'static str> {
    let found = Command::new("swtpm").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    (!found.is_ok_and(|status| status.success())).then_some("swtpm, from the Debian package of that name")
}

/// An emulated TPM; ended on drop.
struct Swtpm {
    process: Option<Child>,
    dir: tempfile::TempDir,
}

impl Swtpm {
    fn new() -> Self {
        let mut tpm = Self { process: None, dir: tempfile::tempdir().unwrap() };
        tpm.start();
        tpm
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    fn ladder(&self) -> Ladder {
        Ladder::with_tpm(self.socket())
    }

    fn start(&mut self) {
        let state = format!("dir={}", self.dir.path().display());
        let server = format!("type=unixio,path={}", self.socket().display());
        let mut command = Command::new("swtpm");
        command.args([
            "socket",
            "--tpm2",
            "--flags",
            "not-need-init,startup-clear",
            "--tpmstate",
            &state,
            "--server",
            &server,
        ]);
        self.process = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let start = Instant::now();
        while UnixStream::connect(self.socket()).is_err() {
            assert!(start.elapsed() < Duration::from_secs(120), "swtpm answers in time");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        let _ = std::fs::remove_file(self.socket());
    }

    /// One command in octets, as the platform's firmware or the owner's tools send it; the response code.
    fn send(&self, command: &[u8]) -> u32 {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.write_all(command).unwrap();
        let mut answer = [0; 10];
        stream.read_exact(&mut answer).unwrap();
        u32::from_be_bytes(answer[6..].try_into().unwrap())
    }

    /// As [`Swtpm::send`], for a command with one handle that is authorised with the empty password.
    fn command(&self, code: u32, handle: u32, parameters: &[u8]) {
        let session = [&9_u32.to_be_bytes()[..], &0x4000_0009_u32.to_be_bytes(), &[0, 0, 0, 0, 0]].concat();
        let length = u32::try_from(10 + 4 + session.len() + parameters.len()).unwrap();
        let header = [&[0x80, 0x02][..], &length.to_be_bytes(), &code.to_be_bytes(), &handle.to_be_bytes()].concat();
        assert_eq!(self.send(&[&header[..], &session, parameters].concat()), 0, "command {code:#x}");
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        self.stop();
    }
}

const TPM_RH_OWNER: u32 = 0x4000_0001;
const TPM_RH_LOCKOUT: u32 = 0x4000_000a;
const TPM_RH_PLATFORM: u32 = 0x4000_000c;

fn state() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    (dir, state)
}

/// A key in this TPM.
fn made(tpm: &Swtpm, state: &Path) -> DeviceKey {
    let made = tpm.ladder().create(state).unwrap();
    assert!(made.passed_over.is_empty(), "{made:?}");
    assert_eq!(made.key.protection(), KeyProtection::Tpm);
    made.key
}

#[track_caller]
fn verifies(key: &DeviceKey, octets: &[u8]) {
    let point = &key.public_key_spki()[26..];
    let signature = key.sign(octets).unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(octets, &signature).unwrap();
}

fn fault(error: KeyError) -> HardwareFault {
    let of_hardware = if let KeyError::Hardware { source, .. } | KeyError::Downgrade { source } = error {
        Some(source)
    } else {
        None
    };
    of_hardware.expect("a fault of the hardware")
}

fn holds_for_every_key() {
    let tpm = Swtpm::new();
    crate::any_device_key::hold(&tpm.ladder());
}

fn survives_restarts() {
    let ((_dir, state), mut tpm) = (state(), Swtpm::new());
    let spki = made(&tpm, &state).public_key_spki().to_vec();
    tpm.stop();
    tpm.start();
    let loaded = tpm.ladder().load(&state).unwrap().unwrap();
    assert_eq!((loaded.public_key_spki(), loaded.protection()), (&spki[..], KeyProtection::Tpm));
    verifies(&loaded, b"octets");
    verifies(&loaded, &[0; 100_000]);
    assert!(matches!(tpm.ladder().create(&state), Err(KeyError::Exists { .. })));
}

fn nothing_leaves() {
    let ((_dir, state), tpm) = (state(), Swtpm::new());
    made(&tpm, &state);
    let file = std::fs::read_to_string(state.join("device-key.pem")).unwrap();
    assert!(file.starts_with("-----BEGIN TSS2 PRIVATE KEY-----"), "{file}");
    assert_eq!(std::fs::read(state.join("device-key.protection")).unwrap(), b"tpm\n");
    // A blob whose attributes say that the key may leave is no key of ours, and each octet of the rest is guarded by the TPM itself.
    let elsewhere = Ladder::with_tpm(state.join("no-tpm"));
    let copied = elsewhere.load(&state).unwrap().unwrap();
    assert!(matches!(fault(copied.sign(b"octets").unwrap_err()), HardwareFault::Absent { .. }));
}

fn of_another_machine() {
    let ((_dir, state), tpm, other) = (state(), Swtpm::new(), Swtpm::new());
    made(&tpm, &state);
    let copied = other.ladder().load(&state).unwrap().unwrap();
    let error = copied.sign(b"octets").unwrap_err();
    assert!(error.is_loss_of_the_key(), "{error}");
    assert!(matches!(fault(error), HardwareFault::OtherTpm));
    verifies(&tpm.ladder().load(&state).unwrap().unwrap(), b"octets");
}

fn cleared() {
    let ((_dir, state), tpm) = (state(), Swtpm::new());
    let before = made(&tpm, &state);
    tpm.command(0x126, TPM_RH_LOCKOUT, &[]);
    let error = before.sign(b"octets").unwrap_err();
    assert!(error.is_loss_of_the_key(), "{error}");
    assert!(device_key::abandon(&state).unwrap());
    let after = made(&tpm, &state);
    assert_ne!(before.public_key_spki(), after.public_key_spki());
    verifies(&after, b"octets");
}

fn gone() {
    let ((_dir, state), mut tpm) = (state(), Swtpm::new());
    let key = made(&tpm, &state);
    tpm.stop();
    let error = key.sign(b"octets").unwrap_err();
    assert!(!error.is_loss_of_the_key());
    assert!(matches!(fault(error), HardwareFault::Absent { .. }));
    device_key::abandon(&state).unwrap();
    let refused = tpm.ladder().create(&state).unwrap_err();
    assert!(refused.to_string().contains("countersign deregister"), "{refused}");
    assert!(matches!(refused, KeyError::Downgrade { source: HardwareFault::Absent { .. } }));
    device_key::destroy(&state).unwrap();
    let made = tpm.ladder().create(&state).unwrap();
    assert_eq!(made.key.protection(), KeyProtection::File);
    assert!(matches!(made.passed_over[..], [HardwareFault::Absent { .. }]));
}

fn busy() {
    let ((_dir, state), mut tpm) = (state(), Swtpm::new());
    let key = made(&tpm, &state);
    tpm.stop();
    let silent = UnixListener::bind(tpm.socket()).unwrap();
    let start = Instant::now();
    let error = key.sign(b"octets").unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(error.is_passing() && !error.is_loss_of_the_key());
    assert!(matches!(fault(error), HardwareFault::Busy { .. }));
    drop(silent);
}

/// The key has `NO_DA`; an ordinary one would be refused from now on.
fn locked_out() {
    let ((_dir, state), tpm) = (state(), Swtpm::new());
    let key = made(&tpm, &state);
    let no_tries = [0_u32.to_be_bytes(), 1000_u32.to_be_bytes(), 1000_u32.to_be_bytes()].concat();
    tpm.command(0x13a, TPM_RH_LOCKOUT, &no_tries);
    verifies(&key, b"octets");
}

fn owner() {
    let ((_dir, state), tpm) = (state(), Swtpm::new());
    let key = made(&tpm, &state);
    tpm.command(0x129, TPM_RH_OWNER, &[0, 2, b'p', b'w']);
    assert!(matches!(fault(key.sign(b"octets").unwrap_err()), HardwareFault::OwnerPassword));
    let off = [&TPM_RH_OWNER.to_be_bytes()[..], &[0]].concat();
    tpm.command(0x121, TPM_RH_PLATFORM, &off);
    let error = key.sign(b"octets").unwrap_err();
    assert!(!error.is_loss_of_the_key(), "{error}");
    assert!(matches!(fault(error), HardwareFault::SwitchedOff));
}

fn rubbish() {
    let ((_dir, state), mut tpm) = (state(), Swtpm::new());
    let key = made(&tpm, &state);
    tpm.stop();
    let listener = UnixListener::bind(tpm.socket()).unwrap();
    let answers: [&[u8]; 4] =
        [b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0x80, 1, 0, 0, 0, 4], &[0x80, 1, 0, 0, 0, 10, 0, 0, 0, 0], &[]];
    for answer in answers {
        let wrong = std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer);
            });
            fault(key.sign(b"octets").unwrap_err())
        });
        assert!(matches!(wrong, HardwareFault::Garbled { .. } | HardwareFault::Link { .. }), "{wrong} for {answer:?}");
    }
}

fn many() {
    let ((_dir, state), tpm) = (state(), Swtpm::new());
    let key = made(&tpm, &state);
    for round in 0..20_u8 {
        verifies(&key, &[round]);
    }
}
