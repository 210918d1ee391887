//! Verdicts judged by xmlsec1: nothing is accepted that it refuses, and what it accepts and is refused here breaks a named rule.
#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "the judge is another program, and reads files")]
#![expect(clippy::print_stdout, reason = "the table of verdicts")]

#[expect(dead_code, reason = "each judge uses a part")]
mod judges;
mod kinds;
#[expect(dead_code, reason = "each judge uses a part")]
mod properties;

use judges::{Needs, Random, judges_dir, tests_dir, vector_dirs};
use libtest_mimic::{Arguments, Failed};
use saml::key::VerifyingKey;
use saml::logout::{UnverifiedLogoutRequest, UnverifiedLogoutResponse};
use saml::metadata::{IdpMetadata, SpMetadata};
use saml::name::EntityId;
use saml::rejection::RejectionReason as Reason;
use saml::request::UnverifiedRequest;
use saml::response::{InResponseTo, ResponseExpectations, UnverifiedResponse};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let how = "run saml/tests/fetch-judges";
    let needs = || Needs::new().command("xmlsec1", "xmlsec1");
    let vectors =
        needs().path(&judges_dir().join("vectors/paths.json"), how).path(&judges_dir().join("signxml-src"), how);
    let trials = vec![
        vectors.trial("signed SAML documents of other projects", || judge("vectors", vector_documents(), 25)),
        needs().trial("rewritten documents of our own", || judge("rewritten", rewritten_documents(), 360)),
        needs().trial("documents of every kind and algorithm, written in ways that mean the same", all_accepted),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

struct Document {
    name: String,
    octets: Vec<u8>,
    key: Key,
}

enum Key {
    Certificate(Vec<u8>),
    Spki(Vec<u8>),
}

impl Key {
    fn verifying(&self) -> Option<VerifyingKey> {
        match self {
            Self::Certificate(der) => VerifyingKey::from_certificate_der(der).ok(),
            Self::Spki(der) => VerifyingKey::from_spki_der(der).ok(),
        }
    }
}

/// Rules that are checked only after every signature was found good.
const AFTER_THE_SIGNATURE: &[Reason] = &[
    Reason::WrongIssuer,
    Reason::WrongDestination,
    Reason::WrongRecipient,
    Reason::WrongAudience,
    Reason::WrongInResponseTo,
    Reason::NoBearerConfirmation,
    Reason::UnknownCondition,
    Reason::Expired,
    Reason::NotYetValid,
    Reason::MetadataExpired,
    Reason::MetadataWithoutEnd,
];

/// Whether the signature is accepted, whatever is found wrong with the content afterwards.
fn our_verdict(document: &Document) -> Result<(), Reason> {
    let keys: Vec<VerifyingKey> = document.key.verifying().into_iter().collect();
    let octets = &document.octets;
    let text = String::from_utf8_lossy(octets);
    let expect = &properties::EXPECTED_OF_REQUESTS;
    let id: EntityId = "urn:nobody".parse().expect("an ID");
    let of_response = ResponseExpectations {
        issuer: &id,
        audience: &id,
        recipient: "https://nowhere.example",
        in_response_to: InResponseTo::Unsolicited,
        now: properties::NOW,
        max_skew_seconds: 0,
    };
    let root = root_name(&text);
    let verdict = match root.as_str() {
        "AuthnRequest" => UnverifiedRequest::parse(octets).and_then(|m| m.verify(&keys, expect)).map(|_| ()),
        "LogoutRequest" => UnverifiedLogoutRequest::parse(octets).and_then(|m| m.verify(&keys, expect)).map(|_| ()),
        "LogoutResponse" => UnverifiedLogoutResponse::parse(octets).and_then(|m| m.verify(&keys, expect)).map(|_| ()),
        "EntityDescriptor" if text.contains("IDPSSODescriptor") => {
            IdpMetadata::parse_signed(octets, &keys, properties::NOW).map(|_| ())
        }
        "EntityDescriptor" => SpMetadata::parse_signed(octets, &keys, properties::NOW).map(|_| ()),
        _ => UnverifiedResponse::parse(octets).and_then(|m| m.verify(&keys, &of_response)).map(|_| ()),
    };
    match verdict.map_err(|rejection| rejection.reason()) {
        Err(reason) if AFTER_THE_SIGNATURE.contains(&reason) => Ok(()),
        other => other,
    }
}

/// The local name of the root, as far as choosing a reader goes.
fn root_name(text: &str) -> String {
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if rest.starts_with(|c: char| c.is_alphabetic()) {
            let name: String = rest.chars().take_while(|c| !c.is_whitespace() && *c != '>' && *c != '/').collect();
            return name.rsplit(':').next().unwrap_or_default().to_owned();
        }
    }
    String::new()
}

fn xmlsec1_accepts(document: &Document, dir: &Path) -> Result<bool, Failed> {
    let (xml, key) = (dir.join("document.xml"), dir.join("key.der"));
    std::fs::write(&xml, &document.octets)?;
    let kind = match &document.key {
        Key::Certificate(der) => {
            std::fs::write(&key, der)?;
            "--pubkey-cert-der"
        }
        Key::Spki(der) => {
            std::fs::write(&key, der)?;
            "--pubkey-der"
        }
    };
    let (samlp, saml, md) = (
        "urn:oasis:names:tc:SAML:2.0:protocol",
        "urn:oasis:names:tc:SAML:2.0:assertion",
        "urn:oasis:names:tc:SAML:2.0:metadata",
    );
    let mut command = Command::new("xmlsec1");
    command.arg("--verify").args(["--enabled-reference-uris", "empty,same-doc"]).arg(kind).arg(&key);
    // Both judge with the pinned key alone: what stands in KeyInfo, which nobody signed, is not even parsed.
    command.args(["--enabled-key-data", "key-name"]);
    for (namespace, local) in [
        (samlp, "Response"),
        (samlp, "AuthnRequest"),
        (samlp, "LogoutRequest"),
        (samlp, "LogoutResponse"),
        (saml, "Assertion"),
        (md, "EntityDescriptor"),
        (md, "EntitiesDescriptor"),
    ] {
        command.arg("--id-attr:ID").arg(format!("{namespace}:{local}"));
    }
    Ok(command.arg(&xml).output()?.status.success())
}

fn judge(name: &str, documents: Vec<Document>, at_least: usize) -> Result<(), Failed> {
    if documents.len() < at_least {
        return Err(format!("only {} documents were found", documents.len()).into());
    }
    let dir = judges_dir().join(format!("work-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let mut faults = Vec::new();
    let (mut both, mut neither) = (0, 0);
    let mut ours_alone: BTreeMap<Reason, Vec<&str>> = BTreeMap::new();
    for document in &documents {
        match (our_verdict(document), xmlsec1_accepts(document, &dir)?) {
            (Ok(()), true) => both += 1,
            (Ok(()), false) => faults.push(format!("{} is accepted here and refused by xmlsec1", document.name)),
            (Err(_), false) => neither += 1,
            (Err(reason @ (Reason::DigestMismatch | Reason::SignatureMismatch)), true) => {
                faults.push(format!(
                    "{} is accepted by xmlsec1, and no rule explains {}",
                    document.name,
                    reason.name()
                ));
            }
            (Err(reason), true) => ours_alone.entry(reason).or_default().push(&document.name),
        }
    }
    std::fs::remove_dir_all(&dir)?;
    println!(
        "{name}: {} documents, accepted by both {both}, refused by both {neither}, refused here only:",
        documents.len()
    );
    for (reason, names) in &ours_alone {
        let some: Vec<&str> = names.iter().take(3).copied().collect();
        println!("  {:<22} {:>4}  {}", reason.name(), names.len(), some.join(", "));
    }
    if both == 0 {
        faults.push("no document at all was accepted by both".to_owned());
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn vector_documents() -> Vec<Document> {
    let mut paths = Vec::new();
    vector_dirs().iter().for_each(|dir| files(dir, &mut paths));
    paths.sort();
    paths.iter().filter_map(|path| vector_document(path)).collect()
}

/// A signed SAML document, judged with the certificate that it carries itself.
fn vector_document(path: &Path) -> Option<Document> {
    let octets = std::fs::read(path).ok().filter(|octets| octets.len() < 400_000)?;
    let text = String::from_utf8_lossy(&octets);
    if !text.contains("SAML:2.0")
        || !text.contains("SignatureValue")
        || path.extension().is_some_and(|extension| extension == "rs")
    {
        return None;
    }
    let signature = text.find("SignatureValue")?;
    let after = text.get(signature..)?;
    let certificate = after.split_once("X509Certificate>")?.1.split_once('<')?.0;
    let key = Key::Certificate(decode_base64(certificate)?);
    Some(Document { name: path.file_name()?.to_string_lossy().into_owned(), octets, key })
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(compact).ok()
}

/// Our signed documents, written in another way: some changes keep the canonical form, some do not.
fn rewritten_documents() -> Vec<Document> {
    let certificate = std::fs::read(tests_dir().join("keys/rsa2048.crt.der")).expect("a certificate");
    let spki = properties::p256_signer().verifying_key().expect("a key").spki_der().to_vec();
    let mut documents = Vec::new();
    let corpus = tests_dir().join("../fuzz/corpus");
    for (file, of_device) in [
        ("verify/request.xml", true),
        ("verify/response.xml", false),
        ("verify/response-assertion-signed.xml", false),
        ("verify/logout-request.xml", false),
        ("verify/logout-response.xml", false),
        ("metadata/idp-signed.xml", false),
    ] {
        let xml = std::fs::read_to_string(corpus.join(file)).expect("a committed document");
        for seed in 0..60 {
            let mut random = Random::new(seed);
            let octets = rewrite(&xml, &mut random).into_bytes();
            let key = if of_device { Key::Spki(spki.clone()) } else { Key::Certificate(certificate.clone()) };
            documents.push(Document { name: format!("{file}#{seed}"), octets, key });
        }
    }
    documents
}

/// What both have to accept: every kind of message under every algorithm that both know, as written and with its canonical form kept.
fn all_accepted() -> Result<(), Failed> {
    let dir = judges_dir().join(format!("work-same-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let (mut faults, mut judged) = (Vec::new(), 0);
    for document in kinds::signed_documents()? {
        for seed in 0..4 {
            let octets = if seed == 0 { document.octets.clone() } else { same_meaning(&document.octets, seed) };
            let name = format!("{}#{seed}", document.name);
            let document = Document { name, octets, key: Key::Spki(document.spki.clone()) };
            let (ours, theirs) = (our_verdict(&document), xmlsec1_accepts(&document, &dir)?);
            judged += 1;
            if ours.is_err() || !theirs {
                faults.push(format!("{}: here {ours:?}, xmlsec1 {theirs}", document.name));
            }
        }
    }
    std::fs::remove_dir_all(&dir)?;
    println!("{judged} documents of which each is to be accepted by both");
    if faults.is_empty() && judged >= 100 { Ok(()) } else { Err(format!("{judged}: {}", faults.join("\n")).into()) }
}

/// Another spelling of every kind that canonicalisation takes back: white space and quotes in tags, empty elements, references, unused
/// declarations, lines in base64.
fn same_meaning(octets: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut text = String::from_utf8_lossy(octets).into_owned();
    for turn in 0..12 {
        text = match random.below(6) {
            0 => at_random(&text, "=\"", &mut random, |rest| rest.replacen("=\"", " =\n\"", 1)),
            1 => at_random(&text, "\">", &mut random, |rest| rest.replacen("\">", "\" >", 1)),
            2 => at_random(&text, "alice", &mut random, |rest| rest.replacen("alice", "&#x61;lic&#101;", 1)),
            3 => {
                let unused = format!(" xmlns:u{turn}=\"urn:unused\" ID=");
                at_random(&text, " ID=", &mut random, |rest| rest.replacen(" ID=", &unused, 1))
            }
            4 => at_random(&text, " Version=\"2.0\"", &mut random, |rest| {
                rest.replacen(" Version=\"2.0\"", " Version='2.0'", 1)
            }),
            // The first is the outermost; what stands in another one is signed by it.
            _ => text.replacen("</ds:SignatureValue>", "\n</ds:SignatureValue>", 1),
        };
    }
    text.into_bytes()
}

/// Rewrites a few places.
fn rewrite(xml: &str, random: &mut Random) -> String {
    let mut text = xml.to_owned();
    for _ in 0..random.below(4) {
        text = match random.below(12) {
            0 => at_random(&text, "=\"", random, |rest| rest.replacen("=\"", " = \"", 1)),
            1 => at_random(&text, "\">", random, |rest| rest.replacen("\">", "\"\n>", 1)),
            2 => at_random(&text, "e", random, |rest| rest.replacen('e', "&#101;", 1)),
            3 => at_random(&text, "></", random, |rest| rest.replacen("></", "><!-- c --></", 1)),
            4 => at_random(&text, "><", random, |rest| rest.replacen("><", "> <", 1)),
            5 => at_random(&text, "></", random, |rest| match rest.get(3..).and_then(|tail| tail.split_once('>')) {
                Some((_, tail)) => format!("/>{tail}"),
                None => rest.to_owned(),
            }),
            6 => at_random(&text, "alice", random, |rest| rest.replacen("alice", "al<!---->ice", 1)),
            7 => at_random(&text, " ID=", random, |rest| rest.replacen(" ID=", " xmlns:unused=\"urn:unused\" ID=", 1)),
            8 => at_random(&text, "a", random, |rest| rest.replacen('a', "b", 1)),
            9 => format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}\n"),
            10 => at_random(&text, "SignatureValue>", random, |rest| {
                rest.replacen("SignatureValue>", "SignatureValue>\n", 1)
            }),
            _ => at_random(&text, "alice", random, |rest| rest.replacen("alice", "<![CDATA[alice]]>", 1)),
        };
    }
    text
}

/// Changes the text from a random occurrence of `needle` on.
fn at_random(text: &str, needle: &str, random: &mut Random, change: impl Fn(&str) -> String) -> String {
    let places: Vec<usize> = text.match_indices(needle).map(|(place, _)| place).collect();
    if places.is_empty() {
        return text.to_owned();
    }
    let (before, rest) = text.split_at(*random.pick(&places));
    format!("{before}{}", change(rest))
}
