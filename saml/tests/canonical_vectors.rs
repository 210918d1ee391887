//! The published vectors of canonicalisation, as files: Merlin's exclusive ones, his subsets, and those with `xml:base`.
//!
//! None of them has a document type. What they hold beyond this crate is left out by rule: forms with comments (`Comment`), and node sets by
//! XPath that are no subtree (`Transforms`).
#![expect(clippy::disallowed_methods, reason = "a test that reads the vectors")]

#[expect(dead_code, reason = "each judge uses a part")]
mod judges;

use base64::Engine;
use judges::{Needs, judges_dir, vector_dirs};
use libtest_mimic::{Arguments, Failed};
use saml::canonical::{Canonicalization, canonicalize};
use std::path::PathBuf;

const EXCLUSIVE: Canonicalization<'_> = Canonicalization::Exclusive { inclusive_prefixes: "" };

fn main() {
    let needs = || Needs::new().path(&judges_dir().join("vectors/paths.json"), "run saml/tests/fetch-judges");
    let trials = vec![
        needs().trial("whole documents", whole_documents),
        needs().trial("merlin-exc-c14n-one", parts_with_and_without_prefixes),
        needs().trial("merlin-c14n-three", subtrees_by_xpath),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn vectors_dir() -> Result<PathBuf, Failed> {
    let dirs = vector_dirs().into_iter().map(|dir| dir.join("tests/fixtures/c14n"));
    dirs.into_iter().find(|dir| dir.is_dir()).ok_or_else(|| "the crate `xml-sec` has no c14n vectors".into())
}

fn text(path: &str) -> Result<String, Failed> {
    Ok(std::fs::read_to_string(vectors_dir()?.join(path))?)
}

fn canonical(xml: &str, apex: Option<&str>, method: Canonicalization<'_>) -> Result<String, Failed> {
    Ok(String::from_utf8(canonicalize(xml.as_bytes(), apex, method)?)?)
}

fn sha1(octets: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, octets.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(digest.as_ref())
}

#[track_caller]
fn same(name: &str, ours: &str, published: &str) -> Result<(), Failed> {
    let at = ours.bytes().zip(published.bytes()).take_while(|(a, b)| a == b).count();
    if ours == published { Ok(()) } else { Err(format!("{name} differs from octet {at} on:\n{ours}").into()) }
}

/// The part from `start` to the first `end` after it, both left out.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.split_once(end)?.0)
}

/// The published forms of whole documents hold the comment that ours leave out.
fn whole_documents() -> Result<(), Failed> {
    for (input, output, method) in [
        ("merlin-exc-c14n-one/exc-signature.xml", "merlin-exc-c14n-one/full-doc-exc-c14n.xml", EXCLUSIVE),
        (
            "merlin-exc-c14n-one/exc-signature.xml",
            "merlin-exc-c14n-one/full-doc-c14n10.xml",
            Canonicalization::Inclusive,
        ),
        ("merlin-c14n-three/signature.xml", "merlin-c14n-three/full-doc-exc-c14n.xml", EXCLUSIVE),
        ("merlin-c14n-three/signature.xml", "merlin-c14n-three/full-doc-c14n10.xml", Canonicalization::Inclusive),
        ("c14n11/xml-base-input.xml", "c14n11/full-doc-c14n10.xml", Canonicalization::Inclusive),
    ] {
        let published = text(output)?.replace("<!--  comment -->", "");
        same(output, &canonical(&text(input)?, None, method)?, published.trim_end_matches('\n'))?;
    }
    Ok(())
}

/// Two of the four references; the other two are of the form with comments.
fn parts_with_and_without_prefixes() -> Result<(), Failed> {
    let xml = text("merlin-exc-c14n-one/exc-signature.xml")?;
    let digests: Vec<&str> =
        xml.split("DigestValue>").skip(1).step_by(2).filter_map(|rest| rest.split('<').next()).collect();
    let with_prefixes = Canonicalization::Exclusive { inclusive_prefixes: "bar #default" };
    for (place, method) in [(0, EXCLUSIVE), (1, with_prefixes)] {
        let digest = sha1(&canonical(&xml, Some("to-be-signed"), method)?);
        same(&format!("reference {place}"), &digest, digests.get(place).copied().unwrap_or_default())?;
    }
    Ok(())
}

/// The references whose XPath selects a subtree; it is found by an `ID` that is given to its root and taken out of the outcome again.
fn subtrees_by_xpath() -> Result<(), Failed> {
    let xml = text("merlin-c14n-three/signature.xml")?;
    let marked = xml.replacen("<bar:Something>", "<bar:Something ID=\"here\">", 1);
    let mut judged = 0;
    for (place, reference) in xml.split("<Reference URI=\"\">").skip(1).enumerate() {
        let xpath = between(reference, "<XPath>", "</XPath>").unwrap_or_default().trim();
        if xpath != "ancestor-or-self::bar:Something" {
            continue;
        }
        let method = match between(reference, "PrefixList=\"", "\"") {
            Some(inclusive_prefixes) => Canonicalization::Exclusive { inclusive_prefixes },
            None if reference.contains("xml-exc-c14n#") => EXCLUSIVE,
            None => Canonicalization::Inclusive,
        };
        let ours = canonical(&marked, Some("here"), method)?.replacen(" ID=\"here\"", "", 1);
        same(&format!("c14n-{place}.txt"), &ours, &text(&format!("merlin-c14n-three/c14n-{place}.txt"))?)?;
        let digest = between(reference, "<DigestValue>", "</DigestValue>").unwrap_or_default();
        same(&format!("the digest of reference {place}"), &sha1(&ours), digest)?;
        judged += 1;
    }
    if judged >= 3 { Ok(()) } else { Err(format!("only {judged} references were judged").into()) }
}
