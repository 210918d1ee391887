//! Canonicalisation judged by libxml2: random documents, the same octets.
#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "the judge is another program")]

#[expect(dead_code, reason = "each judge uses a part")]
mod judges;

use judges::{Needs, Random, tests_dir};
use libtest_mimic::{Arguments, Failed};
use saml::canonical::{Canonicalization, canonicalize};
use std::fmt::Write as _;
use std::io::{BufReader, BufWriter, Read, Write};
use std::process::{Command, Stdio};

const DOCUMENTS: u64 = 60_000;

fn main() {
    let needs = Needs::new().command("python3", "python3").command("xmllint", "libxml2-utils");
    let trials = vec![needs.trial("sixty thousand random documents have libxml2's canonical form", agree_with_libxml2)];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// One document and how it is canonicalised.
struct Case {
    document: String,
    apex: Option<String>,
    exclusive: bool,
    prefixes: &'static str,
}

impl Case {
    fn random(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut writer = Generator { out: String::new(), ids: 0, elements: 0, random: &mut random };
        writer.element(0, &mut Vec::new());
        let (document, ids) = (writer.out, writer.ids);
        let apex = (ids > 0 && random.chance(60)).then(|| format!("i{}", random.below(ids)));
        let exclusive = random.chance(70);
        let prefixes = if exclusive && random.chance(40) {
            random.pick(&["a", "a b", "#default", "#default c zz", "saml a b c"])
        } else {
            ""
        };
        Self { document, apex, exclusive, prefixes }
    }

    fn ours(&self) -> Result<Vec<u8>, saml::rejection::Rejection> {
        let method = if self.exclusive {
            Canonicalization::Exclusive { inclusive_prefixes: self.prefixes }
        } else {
            Canonicalization::Inclusive
        };
        canonicalize(self.document.as_bytes(), self.apex.as_deref(), method)
    }

    fn send(&self, sink: &mut impl Write) -> std::io::Result<()> {
        sink.write_all(&[u8::from(self.exclusive)])?;
        for field in [self.prefixes, self.apex.as_deref().unwrap_or(""), &self.document] {
            sink.write_all(&u32::try_from(field.len()).unwrap_or(0).to_le_bytes())?;
            sink.write_all(field.as_bytes())?;
        }
        Ok(())
    }
}

/// Writes documents that use every freedom that XML leaves.
struct Generator<'r> {
    out: String,
    ids: usize,
    elements: usize,
    random: &'r mut Random,
}

type Scope = Vec<(&'static str, &'static str)>;

const PREFIXES: &[&str] = &["", "a", "b", "c", "saml", "é"];
const URIS: &[&str] =
    &["urn:a", "urn:b", "http://example.org/#x", "urn:c?d=1;e=%41", "urn:oasis:names:tc:SAML:2.0:assertion"];
const LOCALS: &[&str] = &["x", "y", "Z", "_1", "é", "a-b.c", "Assertion"];
const TEXTS: &[&str] = &[
    "v",
    " ",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "é",
    "𝄞",
    "&amp;",
    "&lt;",
    "&gt;",
    ">",
    "&#x9;",
    "&#10;",
    "&#13;",
    "&quot;",
    "&apos;",
    "&#x1D11E;",
    "]]",
    "\u{fffd}",
    "\u{85}",
    "\u{2028}",
];

/// What is in scope for a prefix; an empty URI is none.
fn bound(scope: &Scope, prefix: &str) -> Option<&'static str> {
    scope.iter().rev().find(|(bound, _)| *bound == prefix).map(|(_, uri)| *uri)
}

impl Generator<'_> {
    fn space(&mut self) {
        let space = *self.random.pick(&[" ", " ", " ", "  ", "\n", "\t ", "\r\n"]);
        self.out.push_str(space);
    }

    fn texts(&mut self, most: usize, quote: Option<char>) {
        for _ in 0..self.random.below(most + 1) {
            let text = *self.random.pick(TEXTS);
            self.out.push_str(text);
        }
        if let Some(quote) = quote.filter(|_| self.random.chance(20)) {
            self.out.push(if quote == '"' { '\'' } else { '"' });
        }
    }

    fn attribute(&mut self, name: &str, value: Option<&str>) {
        self.space();
        self.out.push_str(name);
        if self.random.chance(10) {
            self.space();
        }
        self.out.push('=');
        if self.random.chance(10) {
            self.space();
        }
        let quote = if self.random.chance(30) { '\'' } else { '"' };
        self.out.push(quote);
        match value {
            Some(value) => self.out.push_str(value),
            None => self.texts(4, Some(quote)),
        }
        self.out.push(quote);
    }

    fn element(&mut self, depth: usize, scope: &mut Scope) {
        self.elements += 1;
        let outside = scope.len();
        for _ in 0..self.random.below(3) {
            let (prefix, mut uri) = (*self.random.pick(PREFIXES), *self.random.pick(URIS));
            if prefix.is_empty() && self.random.chance(30) {
                uri = "";
            }
            if !scope[outside..].iter().any(|(declared, _)| *declared == prefix) {
                scope.push((prefix, uri));
            }
        }
        let usable: Vec<&str> =
            PREFIXES.iter().copied().filter(|prefix| prefix.is_empty() || bound(scope, prefix).is_some()).collect();
        let (prefix, local) = (*self.random.pick(&usable), *self.random.pick(LOCALS));
        let name = if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") };
        let _ = write!(self.out, "<{name}");
        let declared: Vec<_> = scope[outside..].to_vec();
        let mut parts: Vec<(String, Option<String>)> = declared
            .iter()
            .map(|(prefix, uri)| {
                (
                    if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") },
                    Some((*uri).to_owned()),
                )
            })
            .collect();
        self.choose_attributes(scope, &usable, &mut parts);
        while !parts.is_empty() {
            let (name, value) = parts.swap_remove(self.random.below(parts.len()));
            self.attribute(&name, value.as_deref());
        }
        if self.random.chance(20) {
            self.space();
        }
        if self.random.chance(15) {
            self.out.push_str("/>");
        } else {
            self.out.push('>');
            self.content(depth, scope);
            let space = if self.random.chance(10) { " " } else { "" };
            let _ = write!(self.out, "</{name}{space}>");
        }
        scope.truncate(outside);
    }

    fn choose_attributes(&mut self, scope: &Scope, usable: &[&str], parts: &mut Vec<(String, Option<String>)>) {
        let mut taken = Vec::new();
        for _ in 0..self.random.below(5) {
            let (prefix, local) = (*self.random.pick(usable), *self.random.pick(LOCALS));
            let uri = if prefix.is_empty() { "" } else { bound(scope, prefix).unwrap_or("") };
            if !taken.contains(&(uri, local)) {
                taken.push((uri, local));
                parts.push((if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") }, None));
            }
        }
        if self.random.chance(15) {
            parts.push(("xml:lang".into(), Some("de".into())));
        }
        if self.random.chance(8) {
            parts.push(("xml:space".into(), Some("preserve".into())));
        }
        if self.random.chance(40) {
            parts.push(("ID".into(), Some(format!("i{}", self.ids))));
            self.ids += 1;
        }
    }

    fn content(&mut self, depth: usize, scope: &mut Scope) {
        for _ in 0..self.random.below(4) {
            match self.random.below(10) {
                0..=4 if depth < 6 && self.elements < 40 => self.element(depth + 1, scope),
                9 => self.out.push_str("<!-- a comment -->"),
                _ => self.texts(3, None),
            }
        }
    }
}

fn agree_with_libxml2() -> Result<(), Failed> {
    let mut judge = Command::new("python3")
        .arg(tests_dir().join("judges/libxml2_c14n.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut sink = BufWriter::new(judge.stdin.take().expect("piped"));
    let sender = std::thread::spawn(move || (0..DOCUMENTS).try_for_each(|seed| Case::random(seed).send(&mut sink)));
    let mut source = BufReader::new(judge.stdout.take().expect("piped"));
    let (mut differences, mut subsets) = (Vec::new(), 0);
    for seed in 0..DOCUMENTS {
        let mut length = [0; 4];
        source.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        let case = Case::random(seed);
        subsets += usize::from(case.apex.is_some());
        let theirs = if length == u32::MAX {
            None
        } else {
            let mut octets = vec![0; length as usize];
            source.read_exact(&mut octets)?;
            Some(octets)
        };
        let ours = case.ours();
        if ours.as_ref().ok() != theirs.as_ref() && differences.len() < 3 {
            let show = |octets: Option<&Vec<u8>>| {
                octets.map_or_else(|| "refused".to_owned(), |octets| String::from_utf8_lossy(octets).into_owned())
            };
            let why = ours.as_ref().err().map(ToString::to_string).unwrap_or_default();
            differences.push(format!(
                "seed {seed}, apex {:?}, exclusive {}, prefixes {:?}\n  document {:?}\n  ours     {:?} {why}\n  libxml2  {:?}",
                case.apex, case.exclusive, case.prefixes, case.document, show(ours.as_ref().ok()), show(theirs.as_ref())
            ));
        }
    }
    sender.join().map_err(|_| "the sender panicked")??;
    judge.wait()?;
    if subsets < 10_000 {
        return Err(format!("only {subsets} of the documents were canonicalised in part").into());
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n").into()) }
}
