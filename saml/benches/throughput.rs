//! Operations per CPU-second: ours beside ring's raw primitives, in turns within one run, on documents of 4 KB.
//!
//! `cargo bench -p saml --bench throughput [-- --json] [--documents DIR]`; `--documents` writes the documents for other programs to measure.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run stops")]

#[path = "../tests/properties/mod.rs"]
#[expect(dead_code, reason = "only the keys and expectations are used here")]
mod properties;

use properties::{ACS, IDP, NOW, PORTAL, REQUEST_ID, SERVICE};
use ring::signature;
use saml::canonical::{Canonicalization, canonicalize};
use saml::device::{DeviceStatement, Evidence, EvidenceGrade};
use saml::key::{Signer, VerifyingKey};
use saml::name::{Attribute, EntityId, MessageId, NameId, NameIdFormat};
use saml::request::{AuthnRequest, UnverifiedRequest};
use saml::response::{
    Assertion, InResponseTo, Response, ResponseExpectations, SigningIdentity, Status, UnverifiedResponse,
};
use std::hint::black_box;
use std::time::Duration;

const CERTIFICATE: &[u8] = include_bytes!("../tests/keys/rsa2048.crt.der");
const DOCUMENT_OCTETS: usize = 4096;
const ROUNDS: usize = 25;
const SLICE: Duration = Duration::from_millis(30);

fn name_id() -> NameId {
    NameId { format: NameIdFormat::EmailAddress, value: "alice@example.com".into() }
}

fn attributes(count: usize, filler: usize) -> Vec<Attribute> {
    let value = |place| if place + 1 == count { "x".repeat(filler) } else { format!("value {place}") };
    let attribute = |place| Attribute {
        name: format!("urn:countersign:device:fact-{place}"),
        values: vec![value(place)],
        ..Attribute::default()
    };
    (0..count).map(attribute).collect()
}

fn request(filler: usize) -> AuthnRequest {
    AuthnRequest {
        destination: Some(PORTAL.into()),
        is_passive: true,
        respond_to: Some(SERVICE.parse().expect("an entity ID")),
        device: Some(DeviceStatement {
            sequence: 1,
            evidence: Evidence {
                grade: EvidenceGrade::Directory,
                source: "logind".into(),
                attributes: attributes(2, 10),
            },
            facts: attributes(8, filler),
            enrolment: None,
        }),
        subject: Some(name_id()),
        ..AuthnRequest::new(
            MessageId::from_random(REQUEST_ID),
            NOW,
            "urn:countersign:device:7b0f3a52".parse().expect("an entity ID"),
        )
    }
}

fn response(filler: usize) -> Response {
    let in_response_to = Some(MessageId::from_random(REQUEST_ID));
    Response {
        id: MessageId::from_random([0x22; 20]),
        issue_instant: NOW,
        destination: Some(ACS.into()),
        in_response_to: in_response_to.clone(),
        issuer: IDP.parse().expect("an entity ID"),
        status: Status::success(),
        assertion: Some(Assertion {
            id: MessageId::from_random([0x33; 20]),
            issue_instant: NOW,
            issuer: IDP.parse().expect("an entity ID"),
            subject: name_id(),
            recipient: ACS.into(),
            in_response_to,
            not_before: NOW.plus_seconds(-90),
            not_on_or_after: NOW.plus_seconds(300),
            audience: SERVICE.parse().expect("an entity ID"),
            authn_instant: NOW,
            session_index: Some("_session".into()),
            session_not_on_or_after: None,
            authn_context: "urn:oasis:names:tc:SAML:2.0:ac:classes:X509".into(),
            attributes: attributes(3, filler),
        }),
    }
}

/// Grows the filler until the document has its size.
fn sized(make: impl Fn(usize) -> String) -> String {
    let filler = DOCUMENT_OCTETS.saturating_sub(make(1).len()) + 1;
    make(filler)
}

fn without_first_signature(xml: &str) -> String {
    let (before, rest) = xml.split_once("<ds:Signature ").expect("a signature");
    format!("{before}{}", rest.split_once("</ds:Signature>").expect("a signature").1)
}

/// CPU time of this thread, from the scheduler's own accounts where there are any.
#[expect(clippy::disallowed_methods, reason = "a benchmark asks the kernel")]
fn cpu_time(started: std::time::Instant) -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = stat.and_then(|stat| stat.split(' ').next().and_then(|nanos| nanos.parse().ok()));
    nanos.map_or_else(|| started.elapsed(), Duration::from_nanos)
}

struct Case<'a> {
    name: &'static str,
    run: Box<dyn Fn() + 'a>,
    /// Operations per CPU-second, one for each round.
    rates: Vec<f64>,
}

impl<'a> Case<'a> {
    fn new(name: &'static str, run: impl Fn() + 'a) -> Self {
        Self { name, run: Box::new(run), rates: Vec::new() }
    }

    fn round(&mut self, origin: std::time::Instant) {
        let (begun, started) = (cpu_time(origin), std::time::Instant::now());
        let mut count = 0_u32;
        while started.elapsed() < SLICE {
            for _ in 0..16 {
                (self.run)();
            }
            count += 16;
        }
        self.rates.push(f64::from(count) / (cpu_time(origin) - begun).as_secs_f64());
    }

    fn median(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// The median over the rounds of one rate by another: both of a round were measured within a second.
fn ratio(cases: &[Case<'_>], ours: &str, raw: &str) -> f64 {
    let rates = |name: &str| cases.iter().find(|case| case.name == name).map_or(&[][..], |case| &case.rates);
    let mut ratios: Vec<f64> = rates(ours).iter().zip(rates(raw)).map(|(ours, raw)| ours / raw).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Ours, what it is compared with, how many of those one of ours holds, and the goal.
const COMPARISONS: &[(&str, &str, f64, f64)] = &[
    ("verify a P-256 request", "ring: verify P-256", 1.0, 0.85),
    ("verify an RSA-2048 response (one signature)", "ring: verify RSA-2048", 1.0, 0.70),
    ("verify an RSA-2048 response (two signatures)", "ring: verify RSA-2048", 2.0, 0.70),
    ("issue an RSA-2048 response (two signatures)", "ring: sign RSA-2048", 2.0, 0.95),
];

#[expect(clippy::print_stdout, reason = "a benchmark's results")]
#[expect(clippy::too_many_lines, reason = "a list of cases")]
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (rsa, p256) = (properties::rsa_signer(), properties::p256_signer());
    let identity = SigningIdentity { signer: &rsa, certificate_der: CERTIFICATE };
    let request_xml = sized(|filler| request(filler).sign(&p256).expect("signed").xml().to_owned());
    let double_xml = sized(|filler| response(filler).sign(&identity).expect("signed"));
    let single_xml = sized(|filler| without_first_signature(&response(filler).sign(&identity).expect("signed")));
    let double = response(100);
    let (request_keys, response_keys) = ([p256.verifying_key().expect("a key")], [rsa.verifying_key().expect("a key")]);
    if let Some(dir) = arguments.iter().skip_while(|argument| *argument != "--documents").nth(1) {
        return write_documents(
            dir,
            &[
                ("request.xml", request_xml.as_bytes()),
                ("request.spki.der", request_keys[0].spki_der()),
                ("response.xml", single_xml.as_bytes()),
                ("response.spki.der", response_keys[0].spki_der()),
            ],
        );
    }
    let (issuer, audience): (EntityId, EntityId) = (IDP.parse().expect("an ID"), SERVICE.parse().expect("an ID"));
    let asked = MessageId::from_random(REQUEST_ID);
    let expect = ResponseExpectations {
        issuer: &issuer,
        audience: &audience,
        recipient: ACS,
        in_response_to: InResponseTo::Exactly(&asked),
        now: NOW,
        max_skew_seconds: 60,
    };
    let verify_request = || {
        let parsed = UnverifiedRequest::parse(black_box(request_xml.as_bytes())).expect("parsed");
        black_box(parsed.verify(&request_keys, &properties::EXPECTED_OF_REQUESTS).expect("verified"));
    };
    let verify_response = |xml: &str| {
        let parsed = UnverifiedResponse::parse(black_box(xml.as_bytes())).expect("parsed");
        black_box(parsed.verify(&response_keys, &expect).expect("verified"));
    };
    let issue = || {
        black_box(double.sign(&identity).expect("signed"));
    };
    let parse = || {
        black_box(UnverifiedResponse::parse(black_box(double_xml.as_bytes())).expect("parsed"));
    };
    let exclusive = Canonicalization::Exclusive { inclusive_prefixes: "" };
    let canonical = || {
        black_box(canonicalize(black_box(double_xml.as_bytes()), None, exclusive).expect("canonical"));
    };
    let octets = vec![b'x'; 700];
    let (p256_signature, rsa_signature) = (p256.sign(&octets).expect("signed"), rsa.sign(&octets).expect("signed"));
    let (p256_public, rsa_public) = (raw_public(&request_keys[0]), raw_public(&response_keys[0]));
    let mut cases = [
        Case::new("verify a P-256 request", verify_request),
        Case::new("ring: verify P-256", || {
            let key = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, &p256_public);
            key.verify(black_box(&octets), &p256_signature).expect("verified");
        }),
        Case::new("verify an RSA-2048 response (one signature)", || verify_response(&single_xml)),
        Case::new("verify an RSA-2048 response (two signatures)", || verify_response(&double_xml)),
        Case::new("ring: verify RSA-2048", || {
            let key = signature::UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, &rsa_public);
            key.verify(black_box(&octets), &rsa_signature).expect("verified");
        }),
        Case::new("issue an RSA-2048 response (two signatures)", issue),
        Case::new("ring: sign RSA-2048", || {
            black_box(rsa.sign(black_box(&octets)).expect("signed"));
        }),
        Case::new("parse alone", parse),
        Case::new("parse and canonicalise", canonical),
        Case::new("ring: SHA-256 of the document", || {
            black_box(ring::digest::digest(&ring::digest::SHA256, black_box(double_xml.as_bytes())));
        }),
    ];
    let origin = std::time::Instant::now();
    for _ in 0..ROUNDS {
        cases.iter_mut().for_each(|case| case.round(origin));
    }
    let allocations = [
        ("allocations to verify a P-256 request", count(&verify_request)),
        ("allocations to verify an RSA-2048 response (one signature)", count(&|| verify_response(&single_xml))),
        ("allocations to parse", count(&parse)),
        ("allocations to issue", count(&issue)),
    ];
    let ratios: Vec<_> =
        COMPARISONS.iter().map(|(ours, raw, times, goal)| (*ours, ratio(&cases, ours, raw) * times, *goal)).collect();
    if arguments.iter().any(|argument| argument == "--json") {
        let rates: Vec<String> = cases.iter().map(|case| format!("\"{}\":{:.0}", case.name, case.median())).collect();
        let ratios: Vec<String> = ratios
            .iter()
            .map(|(name, ratio, goal)| format!("\"{name}\":{{\"ratio\":{ratio:.3},\"goal\":{goal}}}"))
            .collect();
        let counts: Vec<String> = allocations.iter().map(|(name, count)| format!("\"{name}\":{count}")).collect();
        println!(
            "{{\"per_cpu_second\":{{{}}},\"ratios\":{{{}}},\"allocations\":{{{}}}}}",
            rates.join(","),
            ratios.join(","),
            counts.join(",")
        );
        return;
    }
    println!("{:<50} {:>12} {:>10}", "documents of 4 KB, median of 25 rounds", "per CPU-s", "µs");
    for case in &cases {
        println!("{:<50} {:>12.0} {:>10.2}", case.name, case.median(), 1e6 / case.median());
    }
    println!("\n{:<50} {:>12} {:>10}", "of the raw rate", "", "goal");
    for (name, ratio, goal) in &ratios {
        println!("{name:<50} {:>11.1}% {:>9.0}%", ratio * 100.0, goal * 100.0);
    }
    println!();
    for (name, count) in &allocations {
        println!("{name:<62} {count:>5}");
    }
}

fn raw_public(key: &VerifyingKey) -> Vec<u8> {
    use x509_cert::der::Decode;
    let spki = x509_cert::spki::SubjectPublicKeyInfoRef::from_der(key.spki_der()).expect("SPKI");
    spki.subject_public_key.as_bytes().expect("octets").to_vec()
}

fn count(run: &dyn Fn()) -> u64 {
    allocation_counter::measure(run).count_total
}

#[expect(clippy::disallowed_methods, reason = "writes what other programs measure")]
fn write_documents(dir: &str, documents: &[(&str, &[u8])]) {
    for (name, octets) in documents {
        std::fs::write(std::path::Path::new(dir).join(name), octets).expect("written");
    }
}
