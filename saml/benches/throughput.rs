//! Operations per CPU-second: ours beside ring's raw primitives, in turns within one run, on documents of 4 KB.
//!
//! `cargo bench -p saml --bench throughput [-- --json]`; `--documents DIR` writes the documents for other programs to measure, and
//! `--repeat COUNT CASE` runs one case alone, for a profiler.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run stops")]

#[path = "measured/documents.rs"]
mod documents;
#[path = "measured/inputs.rs"]
mod inputs;
#[path = "../tests/properties/mod.rs"]
#[expect(dead_code, reason = "only the keys and expectations are used here")]
mod properties;
#[path = "measured/turns.rs"]
mod turns;

use inputs::Inputs;
use ring::signature;
use saml::canonical::{Canonicalization, canonicalize};
use saml::key::{Signer, VerifyingKey};
use std::hint::black_box;
use turns::{Case, Ratio, ratio, take_turns};

const ROUNDS: usize = 301;

/// Ours, what it is compared with, how many of those one of ours holds, and the goal.
const COMPARISONS: &[(&str, &str, f64, f64)] = &[
    ("verify a P-256 request", "ring: verify P-256", 1.0, 0.85),
    ("verify an RSA-2048 response (one signature)", "ring: verify RSA-2048", 1.0, 0.70),
    ("verify an RSA-2048 response (two signatures)", "ring: verify RSA-2048", 2.0, 0.70),
    ("issue an RSA-2048 response (two signatures)", "ring: sign RSA-2048", 2.0, 0.95),
];

fn cases(inputs: &Inputs) -> Vec<Case<'_>> {
    let exclusive = Canonicalization::Exclusive { inclusive_prefixes: "" };
    // As long as a SignedInfo: the raw rates have no document to hash.
    let octets = [b'x'; 700];
    let (p256, rsa) = (inputs.p256.sign(&octets).expect("signed"), inputs.rsa.sign(&octets).expect("signed"));
    let raw = |algorithm, key: &VerifyingKey, signature: Vec<u8>| {
        let public = raw_public(key);
        move || {
            let key = signature::UnparsedPublicKey::new(algorithm, &public);
            key.verify(black_box(&octets), &signature).expect("verified");
        }
    };
    let raw_p256: &'static dyn signature::VerificationAlgorithm = &signature::ECDSA_P256_SHA256_FIXED;
    let raw_rsa: &'static dyn signature::VerificationAlgorithm = &signature::RSA_PKCS1_2048_8192_SHA256;
    vec![
        Case::new("verify a P-256 request", || inputs.verify_request()),
        Case::new("ring: verify P-256", raw(raw_p256, &inputs.request_keys[0], p256)),
        Case::new("verify an RSA-2048 response (one signature)", || inputs.verify_response(&inputs.single_xml)),
        Case::new("ring: verify RSA-2048", raw(raw_rsa, &inputs.response_keys[0], rsa)),
        Case::new("verify an RSA-2048 response (two signatures)", || inputs.verify_response(&inputs.double_xml)),
        Case::new("issue an RSA-2048 response (two signatures)", || inputs.issue()),
        Case::new("ring: sign RSA-2048", move || {
            black_box(inputs.rsa.sign(black_box(&octets)).expect("signed"));
        }),
        Case::new("parse alone", || inputs.parse()),
        Case::new("parse and canonicalise", move || {
            black_box(canonicalize(black_box(inputs.double_xml.as_bytes()), None, exclusive).expect("canonical"));
        }),
        Case::new("ring: SHA-256 of the document", || {
            black_box(ring::digest::digest(&ring::digest::SHA256, black_box(inputs.double_xml.as_bytes())));
        }),
    ]
}

/// The words after `flag` on the command line.
fn after<'a>(arguments: &'a [String], flag: &str) -> Option<&'a [String]> {
    let place = arguments.iter().position(|argument| argument == flag)?;
    arguments.get(place + 1..)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let inputs = Inputs::new();
    if let Some([dir, ..]) = after(&arguments, "--documents") {
        return write_documents(dir, &inputs);
    }
    let mut cases = cases(&inputs);
    if let Some([count, name, ..]) = after(&arguments, "--repeat") {
        let case = cases.iter().find(|case| case.name == *name).expect("a case of this name");
        return (0..count.parse::<u32>().expect("a number")).for_each(|_| (case.run)());
    }
    take_turns(&mut cases, ROUNDS);
    let ratios: Vec<_> = COMPARISONS
        .iter()
        .map(|(ours, raw, times, goal)| (*ours, ratio(&cases, ours, raw).times(*times), *goal))
        .collect();
    if after(&arguments, "--json").is_some() {
        print_json(&cases, &ratios);
    } else {
        print_tables(&cases, &ratios);
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark's results")]
fn print_json(cases: &[Case<'_>], ratios: &[(&str, Ratio, f64)]) {
    let rates: Vec<String> = cases.iter().map(|case| format!("\"{}\":{:.0}", case.name, case.median())).collect();
    let ratios: Vec<String> = ratios
        .iter()
        .map(|(name, ratio, goal)| {
            let Ratio { median, undisturbed } = ratio;
            format!("\"{name}\":{{\"ratio\":{median:.3},\"undisturbed\":{undisturbed:.3},\"goal\":{goal}}}")
        })
        .collect();
    println!("{{\"per_cpu_second\":{{{}}},\"ratios\":{{{}}}}}", rates.join(","), ratios.join(","));
}

#[expect(clippy::print_stdout, reason = "a benchmark's results")]
fn print_tables(cases: &[Case<'_>], ratios: &[(&str, Ratio, f64)]) {
    println!("{:<50} {:>12} {:>10}", format!("documents of 4 KB, median of {ROUNDS} rounds"), "per CPU-s", "µs");
    for case in cases {
        println!("{:<50} {:>12.0} {:>10.2}", case.name, case.median(), 1e6 / case.median());
    }
    println!("\n{:<50} {:>12} {:>12} {:>10}", "of the raw rate", "median", "undisturbed", "goal");
    for (name, ratio, goal) in ratios {
        let percent = |part: f64| part * 100.0;
        let (median, undisturbed) = (percent(ratio.median), percent(ratio.undisturbed));
        println!("{name:<50} {median:>11.1}% {undisturbed:>11.1}% {:>9.0}%", percent(*goal));
    }
}

fn raw_public(key: &VerifyingKey) -> Vec<u8> {
    use x509_cert::der::Decode;
    let spki = x509_cert::spki::SubjectPublicKeyInfoRef::from_der(key.spki_der()).expect("SPKI");
    spki.subject_public_key.as_bytes().expect("octets").to_vec()
}

#[expect(clippy::disallowed_methods, reason = "writes what other programs measure")]
fn write_documents(dir: &str, inputs: &Inputs) {
    for (name, octets) in [
        ("request.xml", inputs.request_xml.as_bytes()),
        ("request.spki.der", inputs.request_keys[0].spki_der()),
        ("response.xml", inputs.single_xml.as_bytes()),
        ("response.spki.der", inputs.response_keys[0].spki_der()),
    ] {
        std::fs::write(std::path::Path::new(dir).join(name), octets).expect("written");
    }
}
