//! Judges from outside: OASIS's schemas, xmlsec1, and a service provider that none of us wrote.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "test code: a surprise must end it loudly")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tests::agent::Agent;
use tests::components::trial;
use tests::mellon::{MODULE as MELLON, Service};
use tests::portal::{Portal, free_port};
use tests::program::Program;
use tests::recorder::{Exchange, Recorder};

const SCHEMA: &str = "/usr/share/xml/opensaml/saml-schema-protocol-2.0.xsd";
const METADATA_SCHEMA: &str = "/usr/share/xml/opensaml/saml-schema-metadata-2.0.xsd";
const XMLTOOLING: &str = "/usr/share/xml/xmltooling/xmldsig-core-schema.xsd";

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let schemas = ["xmllint", SCHEMA, XMLTOOLING];
    let tests = vec![
        trial("our_documents_are_valid_by_the_schemas_of_oasis", &schemas, valid_by_schema),
        trial("xmlsec1_verifies_the_agents_request_and_the_portals_response", &["xmlsec1"], verified_by_xmlsec1),
        trial("mod_auth_mellon_lets_the_person_in", &["apache2", "curl", MELLON], accepted_by_mellon),
        trial("mod_auth_mellon_refuses_a_response_that_was_changed", &["apache2", "curl", MELLON], refused_by_mellon),
    ];
    libtest_mimic::run(&arguments, tests).exit();
}

/// An enrolment and a sign-in, as they passed on the wire.
struct Recorded {
    dir: TempDir,
    portal: Portal,
    exchanges: Vec<Exchange>,
}

fn recorded() -> Recorded {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let mut portal = Portal::create(dir.path());
    let token = portal.token(&[]);
    portal.listen_port = free_port();
    let recorder = Recorder::in_front_of(&portal);
    let _serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &token).status.success());
    let _running = agent.start_signed_in();
    agent.ok(&["sign-in"]);
    let exchanges = recorder.exchanges();
    assert_eq!(exchanges.len(), 3, "metadata, enrolment, sign-in");
    Recorded { dir, portal, exchanges }
}

/// The message inside a SOAP envelope, with the namespaces that it declares itself.
fn message(envelope: &str, name: &str) -> String {
    let from = envelope.find(&format!("<samlp:{name} ")).expect("the message is there");
    let close = format!("</samlp:{name}>");
    let to = envelope.rfind(&close).expect("the message ends") + close.len();
    envelope[from..to].to_owned()
}

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("the file can be written");
    path
}

/// A catalog that finds the schemas of Debian's packages under the addresses by which they import each other.
fn catalog(dir: &Path) -> PathBuf {
    let entry = |name: &str, path: &str| {
        format!("<system systemId=\"{name}\" uri=\"file://{path}\"/><uri name=\"{name}\" uri=\"file://{path}\"/>")
    };
    let entries: String = [
        ("http://www.w3.org/TR/2002/REC-xmldsig-core-20020212/xmldsig-core-schema.xsd", XMLTOOLING),
        (
            "http://www.w3.org/TR/2002/REC-xmlenc-core-20021210/xenc-schema.xsd",
            "/usr/share/xml/xmltooling/xenc-schema.xsd",
        ),
        ("http://www.w3.org/2001/xml.xsd", "/usr/share/xml/xmltooling/xml.xsd"),
    ]
    .iter()
    .map(|(name, path)| entry(name, path))
    .collect();
    write(
        dir,
        "catalog.xml",
        &format!("<catalog xmlns=\"urn:oasis:names:tc:entity:xmlns:xml:catalog\">{entries}</catalog>"),
    )
}

fn assert_valid(dir: &Path, schema: &str, document: &Path) {
    let output = Command::new("xmllint")
        .args(["--nonet", "--noout", "--schema", schema])
        .arg(document)
        .env("XML_CATALOG_FILES", catalog(dir))
        .output()
        .expect("xmllint can be started");
    assert!(output.status.success(), "{}: {}", document.display(), String::from_utf8_lossy(&output.stderr));
}

fn valid_by_schema() {
    let recorded = recorded();
    let dir = recorded.dir.path();
    assert_valid(dir, METADATA_SCHEMA, &write(dir, "metadata.xml", &recorded.exchanges[0].answer));
    for (index, exchange) in recorded.exchanges.iter().enumerate().skip(1) {
        let request = write(dir, &format!("request-{index}.xml"), &message(&exchange.request, "AuthnRequest"));
        let response = write(dir, &format!("response-{index}.xml"), &message(&exchange.answer, "Response"));
        assert_valid(dir, SCHEMA, &request);
        assert_valid(dir, SCHEMA, &response);
    }
    // The judge judges: the same document with a value that is none.
    let broken = message(&recorded.exchanges[1].request, "AuthnRequest").replacen(
        "IsPassive=\"true\"",
        "IsPassive=\"perhaps\"",
        1,
    );
    let broken = write(dir, "broken.xml", &broken);
    let output = Command::new("xmllint")
        .args(["--nonet", "--noout", "--schema", SCHEMA])
        .arg(&broken)
        .env("XML_CATALOG_FILES", catalog(dir))
        .output();
    assert!(!output.expect("xmllint can be started").status.success());
}

/// Whether xmlsec1 finds the signature at `node` good with the key in `pem`.
fn xmlsec1(document: &Path, pem: (&str, &Path), id: &str, signature: &str) -> bool {
    let output = Command::new("xmlsec1")
        .arg("--verify")
        .args([pem.0, pem.1.to_str().expect("paths in tests are text")])
        .args(["--enabled-key-data", "key-name,rsa,ec,x509", "--id-attr:ID", id, "--node-xpath", signature])
        .arg(document)
        .output()
        .expect("xmlsec1 can be started");
    output.status.success()
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = base64_lines(der);
    format!("-----BEGIN {kind}-----\n{text}-----END {kind}-----\n")
}

fn base64_lines(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    text.as_bytes().chunks(64).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect()
}

fn verified_by_xmlsec1() {
    let recorded = recorded();
    let dir = recorded.dir.path();
    let enrolment = &recorded.exchanges[1];
    let request = message(&enrolment.request, "AuthnRequest");
    let (_, key) = request.split_once("<cs:PublicKey>").expect("an enrolment brings the key");
    let key = key.split_once('<').expect("it ends").0;
    let key = write(dir, "device.pem", &format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n"));
    let metadata = saml::metadata::IdpMetadata::parse(recorded.exchanges[0].answer.as_bytes()).expect("metadata");
    for exchange in &recorded.exchanges[1..] {
        let request = write(dir, "request.xml", &message(&exchange.request, "AuthnRequest"));
        let node = "/*[local-name()='AuthnRequest']/*[local-name()='Signature']";
        let by_device = ("--pubkey-pem", key.as_path());
        assert!(xmlsec1(&request, by_device, "urn:oasis:names:tc:SAML:2.0:protocol:AuthnRequest", node), "the request");

        let response = message(&exchange.answer, "Response");
        let signed_by = |document: &Path, id: &str, node: &str| {
            metadata.signing_certificates.iter().enumerate().any(|(index, der)| {
                let certificate = write(dir, &format!("portal-{index}.pem"), &pem("CERTIFICATE", der));
                xmlsec1(document, ("--pubkey-cert-pem", &certificate), id, node)
            })
        };
        let document = write(dir, "response.xml", &response);
        let (outer, inner) = (
            "/*[local-name()='Response']/*[local-name()='Signature']",
            "//*[local-name()='Assertion']/*[local-name()='Signature']",
        );
        assert!(signed_by(&document, "urn:oasis:names:tc:SAML:2.0:protocol:Response", outer), "the Response");
        assert!(signed_by(&document, "urn:oasis:names:tc:SAML:2.0:assertion:Assertion", inner), "the Assertion");
        let changed = write(dir, "changed.xml", &response.replacen("@example.test", "@example.com", 1));
        assert!(!signed_by(&changed, "urn:oasis:names:tc:SAML:2.0:assertion:Assertion", inner), "a changed Assertion");
    }
    assert!(recorded.portal.ok(&["audit", "verify"]).contains("intact"));
}

/// A signed-in agent, and an Apache whose `/private` is for people that mod_auth_mellon knows.
struct Mellon {
    dir: TempDir,
    agent: Agent,
    base: String,
    _programs: [Program; 3],
}

fn mellon() -> Mellon {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    let running = agent.start_signed_in();

    let service = Service::start(&dir.path().join("apache"), &portal.metadata(), None);
    portal.add_service(&service.metadata);
    let Service { base, apache, .. } = service;
    Mellon { dir, agent, base, _programs: [serving, running, apache] }
}

fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--include"])
        .args(arguments)
        .output()
        .expect("curl can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // Only the body of what is asked for by itself.
    if arguments.len() == 1 {
        text.split_once("\r\n\r\n").map_or(text.clone(), |(_, body)| body.to_owned())
    } else {
        text
    }
}

impl Mellon {
    /// Posts `response` and fetches the protected page with the cookies that came of it.
    fn page_after(&self, response: &str) -> String {
        let (cookies, page) = (self.dir.path().join("cookies"), format!("{}/private/", self.base));
        let cookies = cookies.to_str().expect("text");
        let field = format!("SAMLResponse={response}");
        let relay = format!("RelayState={page}");
        let post = format!("{}/mellon/postResponse", self.base);
        curl(&["-c", cookies, "-b", cookies, "--data-urlencode", &field, "--data-urlencode", &relay, &post]);
        curl(&["-b", cookies, &page])
    }

    fn response(&self) -> String {
        let service = format!("{}/mellon/metadata", self.base);
        let answer: Value =
            serde_json::from_str(&self.agent.ok(&["sign-in", "--service", &service, "--json"])).expect("JSON");
        assert_eq!(answer["acs_url"], format!("{}/mellon/postResponse", self.base));
        answer["saml_response"].as_str().expect("a Response").to_owned()
    }
}

fn accepted_by_mellon() {
    let mellon = mellon();
    let refused = curl(&["-b", "none=1", &format!("{}/private/", mellon.base)]);
    assert!(!refused.contains("the protected page"), "the page is protected: {refused}");
    let user = mellon.agent.json(&["status", "--json"])["people"][0]["user"].as_str().expect("a user").to_owned();
    let page = mellon.page_after(&mellon.response());
    assert!(page.contains("the protected page"), "{page}");
    assert!(page.contains(&format!("X-Person: {user}")), "{page}");
}

fn refused_by_mellon() {
    use base64::Engine as _;
    let mellon = mellon();
    let engine = base64::engine::general_purpose::STANDARD;
    let response = String::from_utf8(engine.decode(mellon.response()).expect("base64")).expect("UTF-8");
    let changed = engine.encode(response.replacen("@example.test", "@example.com", 1));
    let page = mellon.page_after(&changed);
    assert!(!page.contains("the protected page"), "{page}");
}
