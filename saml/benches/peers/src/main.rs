//! bergshamra's verifications per CPU-second of one document: `saml-peers DOCUMENT PUBLIC_KEY.der`, and of nothing else in the process.

use bergshamra::{DsigContext, KeysManager, VerifyResult, keys::loader::load_spki_der, verify};
use std::time::{Duration, Instant};

fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the scheduler's accounts");
    Duration::from_nanos(stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number"))
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let xml = std::fs::read_to_string(&arguments[1]).expect("a document");
    let mut keys = KeysManager::new();
    keys.add_key(load_spki_der(&std::fs::read(&arguments[2]).expect("a key")).expect("SPKI"));
    let context = DsigContext::new(keys).with_trusted_keys_only(true).with_strict_verification(true);
    let (started, begun) = (Instant::now(), cpu_time());
    let mut count = 0_u32;
    while started.elapsed() < Duration::from_secs(2) {
        assert!(matches!(verify(&context, &xml), Ok(VerifyResult::Valid { .. })), "refused");
        count += 1;
    }
    println!("{:.0}", f64::from(count) / (cpu_time() - begun).as_secs_f64());
}
