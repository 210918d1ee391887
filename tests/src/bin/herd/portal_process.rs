//! What the portal's process takes, by what Linux says of it, and what its work contains at the least.

use std::time::{Duration, Instant};

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    UnparsedPublicKey,
};

/// Processor time of the process so far, its own and the kernel's for it. Linux counts it in hundredths of a second.
pub(crate) fn cpu_time(process: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the portal runs");
    let (_, fields) = text.rsplit_once(')').expect("it has a name");
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Memory that the process holds now, and the most that it has held, in KiB.
pub(crate) fn memory_kib(process: u32) -> (u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the portal runs");
    let field = |name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("it has memory");
        line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("it is a number")
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// How many files a process of this session may have open at the same time.
pub(crate) fn open_files_allowed() -> usize {
    let text = std::fs::read_to_string("/proc/self/limits").expect("Linux tells");
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files")).expect("there is a limit");
    line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX)
}

/// What ring alone takes for the signatures of one sign-on: the one that is verified and the two that are made. Devices get their own
/// sessions signed with P-256, services what any of them understands, RSA.
pub(crate) struct RawCryptography {
    pub(crate) session: Duration,
    pub(crate) service: Duration,
}

impl RawCryptography {
    /// Measures it, here and now.
    pub(crate) fn measure() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key can be made");
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).expect("the key can be used");
        let rsa = RsaKeyPair::from_pkcs8(include_bytes!("../../../../saml/tests/keys/rsa2048.pk8")).expect("a key");
        let message = [7; 700];
        let signature = key.sign(&random, &message).expect("the key signs");
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref());
        let verify = undisturbed(|| public.verify(&message, signature.as_ref()).expect("it has signed"));
        let sign = undisturbed(|| _ = key.sign(&random, &message).expect("the key signs"));
        let mut signed = vec![0; rsa.public().modulus_len()];
        let sign_rsa =
            undisturbed(|| rsa.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signed).expect("the key signs"));
        Self { session: verify + 2 * sign, service: verify + 2 * sign_rsa }
    }
}

/// What one of `work` takes in the quickest of ten turns.
fn undisturbed(mut work: impl FnMut()) -> Duration {
    const EACH: u32 = 200;
    let turn = |_| {
        let begun = Instant::now();
        (0..EACH).for_each(|_| work());
        begun.elapsed() / EACH
    };
    (0..10).map(turn).min().unwrap_or_default()
}
