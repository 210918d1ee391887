//! Diagnostics for support: asked for by the portal, allowed at the device, and encrypted so that only support can read them.
#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libtest_mimic::Arguments;
use saml::diagnostics::{DEVICE_HEADER, SIGNATURE_HEADER, UploadProof, address};
use saml::key::Signer as _;
use serde_json::Value;
use tempfile::TempDir;
use tests::agent::Agent;
use tests::components::trial;
use tests::device::{Device, code};
use tests::https::Https;
use tests::portal::Portal;
use tests::program::Program;

fn main() {
    let trials = vec![
        trial("the_portal_gets_what_somebody_at_the_device_has_allowed", &[], somebody_allows),
        trial("the_portal_gets_nothing_that_is_refused", &[], somebody_refuses),
        trial("a_bundle_is_taken_from_the_device_that_was_asked_and_from_nobody_else", &[], from_nobody_else),
        trial("a_bundle_is_read_by_whoever_has_the_support_key", &["age", "age-keygen"], only_support_reads),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A portal that wants to hear devices every second, an agent that is signed in, and its id.
struct House {
    dir: TempDir,
    portal: Portal,
    _serving: Program,
    agent: Agent,
    running: Program,
    id: String,
}

fn house(options: &[&str]) -> House {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let serving = portal.serve_with(&["--keep-alive", "1"]);
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure_with(&portal, &portal.token(&[]), options).status.success());
    let running = agent.start_signed_in();
    let id = portal.json(&["device", "list", "--json"])[0]["id"].as_str().expect("an id").to_owned();
    House { dir, portal, _serving: serving, agent, running, id }
}

impl House {
    /// Asks; returns the request.
    fn ask(&self) -> String {
        let told = self.portal.ok(&["device", "diagnostics", &self.id]);
        told.lines().next().expect("the request is the first line").to_owned()
    }

    fn state(&self) -> Value {
        self.portal.json(&["device", "bundles", &self.id, "--json"])[0].clone()
    }

    /// Downloads the bundle of `request`.
    fn bundle(&self, request: &str, name: &str) -> Vec<u8> {
        let file = self.dir.path().join(name);
        self.portal.ok(&["device", "bundle", request, "--output", file.to_str().expect("text")]);
        std::fs::read(file).expect("it was written")
    }

    fn actions(&self) -> Vec<String> {
        let audit = self.portal.ok(&["audit", "list", "--json"]);
        let lines = audit.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter_map(|entry| Some(entry["action"].as_str()?.to_owned())).collect()
    }
}

/// The README of the bundle in `octets`, which is a zip.
fn readme(octets: Vec<u8>) -> String {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(octets)).expect("it is a zip");
    let mut text = String::new();
    archive.by_index(0).expect("it has a file").read_to_string(&mut text).expect("it is text");
    text
}

fn somebody_allows() {
    let mut house = house(&[]);
    let request = house.ask();
    assert_eq!(house.ask(), request, "what was not answered stands");
    house.running.wait_for(|line| line.contains("the portal asks for diagnostics"));
    assert_eq!(house.agent.json(&["status", "--json"])["diagnostics_request"], "waits");
    assert_eq!(house.state()["state"], "asked");
    house.agent.ok(&["diagnostics", "--allow"]);
    house.running.wait_for(|line| line.contains("the portal has the diagnostics that it asked for"));
    let state = house.state();
    assert_eq!(state["state"], "kept", "{state}");
    assert!(state["octets"].as_u64().is_some_and(|octets| octets < 5_000_000), "{state}");
    assert!(readme(house.bundle(&request, "bundle.zip")).contains("replaced by pseudonyms"));

    // One answer is enough, and what was read and deleted is in the audit.
    house.portal.ok(&["device", "bundle", &request, "--delete"]);
    assert!(house.state().is_null());
    let actions = house.actions();
    for action in
        ["device.diagnostics", "device.diagnostics-sent", "device.diagnostics-read", "device.diagnostics-delete"]
    {
        assert!(actions.iter().any(|done| done == action), "{action} in {actions:?}");
    }
    assert!(!house.agent.run(&["diagnostics", "--allow"]).status.success(), "nobody asks any more");
}

fn somebody_refuses() {
    let mut asked = house(&[]);
    asked.ask();
    asked.running.wait_for(|line| line.contains("the portal asks for diagnostics"));
    asked.agent.ok(&["diagnostics", "--deny"]);
    let mut never = house(&["--diagnosticsRequests", "never"]);
    never.ask();
    for house in [&mut asked, &mut never] {
        house.running.wait_for(|line| line.contains("the portal has heard that it gets no diagnostics"));
        assert_eq!(house.state()["state"], "refused");
        assert!(house.actions().contains(&"device.diagnostics-refused".to_owned()));
    }
}

fn from_nobody_else() {
    let house = house(&[]);
    let (https, device, stranger) = (Https::trusting(&house.portal.authority.ca), Device::new(), Device::new());
    for other in [&device, &stranger] {
        let enrolment = other.enrolling(other.request(&house.portal, "alice", 1), &house.portal.token(&[]));
        assert_eq!(code(&other.send(&https, &house.portal, &enrolment)), "success");
    }
    let told = house.portal.ok(&["device", "diagnostics", device.id.as_str()]);
    let request = told.lines().next().expect("the request");
    let send = |sender: &Device, name: &Device, signed: &[u8], sent: &[u8]| {
        let to = address(&house.portal.url(), request);
        let proof = UploadProof { device: &name.id, address: &to, bundle: signed };
        let signature = STANDARD.encode(sender.signer().sign(&proof.octets()).expect("it signs"));
        let headers = [(DEVICE_HEADER, name.id.to_string()), (SIGNATURE_HEADER, signature)];
        https.post_with(&to, &headers, sent).status
    };
    assert_eq!(send(&stranger, &stranger, b"x", b"x"), 404, "another device was asked");
    assert_eq!(send(&stranger, &device, b"x", b"x"), 403, "its key is needed");
    assert_eq!(send(&device, &device, b"x", b"y"), 403, "over what is sent");
    assert_eq!(send(&device, &device, b"", &[0; 5_000_001]), 413);
    house.portal.ok(&["device", "quarantine", device.id.as_str()]);
    assert_eq!(send(&device, &device, b"x", b"x"), 404, "nothing is taken from who is shut out");
    house.portal.ok(&["device", "restore", device.id.as_str()]);
    assert_eq!(send(&device, &device, b"x", b"x"), 204);
    assert_eq!(send(&device, &device, b"x", b"x"), 404, "once");
    assert_eq!(house.bundle(request, "taken"), b"x");
}

/// Makes a key of `age` in `dir`; returns its public half.
fn support_key(dir: &Path) -> (String, String) {
    let file = dir.join("support.key").display().to_string();
    let made = Command::new("age-keygen").args(["-o", &file]).output().expect("age-keygen can be started");
    assert!(made.status.success(), "{made:?}");
    let text = std::fs::read_to_string(&file).expect("the key is there");
    let public = text.split_whitespace().find(|word| word.starts_with("age1")).expect("a public key").to_owned();
    (file, public)
}

fn only_support_reads() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (key, public) = support_key(dir.path());
    let decrypt = |file: &Path| {
        let output = Command::new("age").args(["--decrypt", "--identity", &key]).arg(file).output();
        let output = output.expect("age can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let mut house = house(&["--diagnosticsRequests", "always", "--supportKey", &public]);
    let request = house.ask();
    house.running.wait_for(|line| line.contains("the portal has the diagnostics that it asked for"));
    let sealed = house.bundle(&request, "bundle.age");
    assert!(sealed.starts_with(b"age-encryption.org/v1\n"), "the portal has what it can't read");
    assert!(readme(decrypt(&house.dir.path().join("bundle.age"))).contains("replaced by pseudonyms"));

    // By hand, to somebody else's key.
    let another = dir.path().join("another");
    std::fs::create_dir(&another).expect("a directory can be made");
    let (_, other) = support_key(&another);
    let file = another.join("bundle.age");
    let path = file.to_str().expect("text");
    house.agent.ok(&["diagnostics", "--bundle", path, "--encrypt-to", &other]);
    let refused = Command::new("age").args(["--decrypt", "--identity", &key]).arg(&file).output();
    assert!(!refused.expect("age can be started").status.success(), "it is not for this key");
    let mistyped = house.agent.run(&["params", "set", "supportKey", "age1mistyped"]);
    assert!(String::from_utf8_lossy(&mistyped.stderr).contains("supportKey"), "{mistyped:?}");

    // Chunks of 64 KiB end where the program expects them to.
    let recipient: agent::age_file::Recipient = public.parse().expect("a key");
    for size in [0, 1, 65_536, 65_537, 131_072, 300_000] {
        let plain: Vec<u8> = (0..=u8::MAX).cycle().take(size).collect();
        let file = dir.path().join(format!("{size}.age"));
        std::fs::write(&file, recipient.seal(&plain).expect("it is sealed")).expect("it can be written");
        assert!(decrypt(&file) == plain, "{size} octets");
    }
}
