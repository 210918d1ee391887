//! Our documents judged by others: OASIS's schemas, and verifiers in C, C++, Rust, Python and JavaScript.
#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "the judges are other programs, and judge by the real clock")]

#[expect(dead_code, reason = "each judge uses a part")]
mod judges;
#[expect(dead_code, reason = "each judge uses a part")]
mod properties;

use judges::{Needs, judges_dir, tests_dir};
use libtest_mimic::{Arguments, Failed, Trial};
use properties::{ACS, IDP, PORTAL, REQUEST_ID, SERVICE};
use saml::key::{Pkcs8Signer, SignatureAlgorithm, Signer};
use saml::metadata::{Binding, Endpoint, IdpMetadata};
use saml::name::{Attribute, MessageId, NameId, NameIdFormat};
use saml::request::AuthnRequest;
use saml::response::{Assertion, Response, SigningIdentity, Status};
use saml::time::UtcTime;
use std::path::{Path, PathBuf};
use std::process::Command;

const CERTIFICATE: &[u8] = include_bytes!("keys/rsa2048.crt.der");

fn main() {
    let how = "run saml/tests/fetch-judges";
    let python = judges_dir().join("python/saml2");
    let node = judges_dir().join("node/node_modules/@node-saml/node-saml");
    let bergshamra = judges_dir().join("bin/bergshamra");
    let opensaml = Path::new("/usr/share/xml/opensaml/saml-schema-protocol-2.0.xsd");
    let soap = Path::new("/usr/share/xml/xmltooling/soap-envelope.xsd");
    let debian = "install Debian's opensaml-schemas and xmltooling-schemas";
    let trials: Vec<Trial> = vec![
        Needs::new()
            .command("xmllint", "libxml2-utils")
            .path(opensaml, debian)
            .path(soap, debian)
            .trial("OASIS's schemas", valid_by_schema),
        Needs::new().command("xmlsec1", "xmlsec1").trial("xmlsec1, every algorithm that it has", accepted_by_xmlsec1),
        Needs::new().command("samlsign", "opensaml-tools").trial("OpenSAML's samlsign", accepted_by_samlsign),
        Needs::new().path(&bergshamra, how).trial("bergshamra", accepted_by_bergshamra),
        Needs::new().path(&python, how).command("xmlsec1", "xmlsec1").trial("pysaml2", accepted_by_pysaml2),
        Needs::new().path(&node, how).command("node", "nodejs").trial("node-saml", accepted_by_node_saml),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A directory for one judge's files, taken away afterwards.
struct Work(PathBuf);

impl Work {
    fn new(name: &str) -> Self {
        let dir = judges_dir().join(format!("work-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        Self(dir)
    }

    fn file(&self, name: &str, octets: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, octets).expect("written");
        path
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn now() -> UtcTime {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    UtcTime::from_unix_seconds(i64::try_from(elapsed.as_secs()).expect("a date"))
}

fn response(now: UtcTime) -> Response {
    let in_response_to = Some(MessageId::from_random(REQUEST_ID));
    let mail = Attribute {
        name: "urn:oid:0.9.2342.19200300.100.1.3".into(),
        name_format: Some("urn:oasis:names:tc:SAML:2.0:attrname-format:uri".into()),
        friendly_name: Some("mail".into()),
        values: vec!["alice@example.com".into(), "älice <&>\"'@example.com".into()],
    };
    Response {
        id: MessageId::from_random([0x22; 20]),
        issue_instant: now,
        destination: Some(ACS.into()),
        in_response_to: in_response_to.clone(),
        issuer: IDP.parse().expect("an ID"),
        status: Status::success(),
        assertion: Some(Assertion {
            id: MessageId::from_random([0x33; 20]),
            issue_instant: now,
            issuer: IDP.parse().expect("an ID"),
            subject: NameId { format: NameIdFormat::EmailAddress, value: "alice@example.com".into() },
            recipient: ACS.into(),
            in_response_to,
            not_before: now.plus_seconds(-90),
            not_on_or_after: now.plus_seconds(300),
            audience: SERVICE.parse().expect("an ID"),
            authn_instant: now,
            session_index: Some("_session".into()),
            session_not_on_or_after: None,
            authn_context: "urn:oasis:names:tc:SAML:2.0:ac:classes:X509".into(),
            authenticating_authorities: Vec::new(),
            attributes: vec![mail],
        }),
    }
}

fn signed_response(signer: &dyn Signer) -> String {
    response(now()).sign(&SigningIdentity { signer, certificate_der: CERTIFICATE }).expect("signed")
}

fn metadata() -> IdpMetadata {
    let endpoint = |binding, location: &str| Endpoint { binding, location: location.into() };
    IdpMetadata {
        entity_id: IDP.parse().expect("an ID"),
        valid_until: Some(now().plus_seconds(86_400)),
        signing_certificates: vec![CERTIFICATE.to_vec()],
        sso: vec![endpoint(Binding::Redirect, "https://cloud.example.net/saml/sso"), endpoint(Binding::Soap, PORTAL)],
        slo: vec![endpoint(Binding::Redirect, "https://cloud.example.net/saml/slo")],
        want_authn_requests_signed: true,
    }
}

/// Runs a judge, and wants its success and, where there is one, its answer.
fn accepts(command: &mut Command, answer: Option<&str>) -> Result<(), Failed> {
    let output = command.output()?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let answered = answer.is_none_or(|answer| out.lines().any(|line| line.trim() == answer));
    if output.status.success() && answered { Ok(()) } else { Err(format!("{}\n{out}\n{err}", output.status).into()) }
}

/// The same judge has to refuse a document that was changed, or its success means nothing.
fn refuses(command: &mut Command) -> Result<(), Failed> {
    if command.output()?.status.success() { Err("a changed document was accepted".into()) } else { Ok(()) }
}

fn changed(xml: &str) -> String {
    xml.replace("alice@", "mallory@")
}

fn pem() -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(CERTIFICATE);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn valid_by_schema() -> Result<(), Failed> {
    let work = Work::new("schema");
    let corpus = tests_dir().join("../fuzz/corpus");
    let mut paths = vec![
        work.file("response.xml", signed_response(&properties::rsa_signer())),
        work.file("metadata.xml", metadata().to_xml()),
    ];
    for dir in ["verify", "metadata"] {
        paths.extend(std::fs::read_dir(corpus.join(dir))?.flatten().map(|entry| entry.path()));
    }
    let mut xmllint = Command::new("xmllint");
    xmllint.args(["--noout", "--nonet", "--schema"]).arg(tests_dir().join("judges/all.xsd")).args(&paths);
    accepts(&mut xmllint, None)?;
    let bad = work.file(
        "bad.xml",
        signed_response(&properties::rsa_signer())
            .replace("<samlp:Status>", "<samlp:Status><samlp:Status></samlp:Status>"),
    );
    refuses(
        Command::new("xmllint")
            .args(["--noout", "--nonet", "--schema"])
            .arg(tests_dir().join("judges/all.xsd"))
            .arg(bad),
    )
}

fn accepted_by_xmlsec1() -> Result<(), Failed> {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
    let work = Work::new("xmlsec1");
    let rsa = |algorithm| {
        Pkcs8Signer::new(algorithm, include_bytes!("keys/rsa2048.pk8"), Box::new(SystemRandom::new())).expect("a key")
    };
    let p384 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new())?;
    let signers = [
        properties::p256_signer(),
        Pkcs8Signer::new(SignatureAlgorithm::EcdsaP384Sha384, p384.as_ref(), Box::new(SystemRandom::new()))?,
        rsa(SignatureAlgorithm::RsaSha256),
        rsa(SignatureAlgorithm::RsaSha384),
        rsa(SignatureAlgorithm::RsaSha512),
    ];
    for signer in &signers {
        let request = AuthnRequest {
            destination: Some(PORTAL.into()),
            subject: Some(NameId { format: NameIdFormat::EmailAddress, value: "alice@example.com".into() }),
            ..AuthnRequest::new(MessageId::from_random(REQUEST_ID), now(), SERVICE.parse()?)
        };
        let key = work.file("key.der", signer.verifying_key()?.spki_der());
        let request = request.sign(signer)?.xml().to_owned();
        for xml in [&request, &signed_response(signer)] {
            let verify = |path: &Path| {
                let mut xmlsec1 = Command::new("xmlsec1");
                xmlsec1.args(["--verify", "--enabled-key-data", "key-name"]).arg("--pubkey-der").arg(&key);
                for name in ["protocol:Response", "protocol:AuthnRequest", "assertion:Assertion"] {
                    xmlsec1.arg("--id-attr:ID").arg(format!("urn:oasis:names:tc:SAML:2.0:{name}"));
                }
                xmlsec1.arg(path);
                xmlsec1
            };
            accepts(&mut verify(&work.file("good.xml", xml)), None)?;
            refuses(&mut verify(&work.file("bad.xml", changed(xml))))?;
        }
    }
    Ok(())
}

fn accepted_by_samlsign() -> Result<(), Failed> {
    let work = Work::new("samlsign");
    let certificate = work.file("certificate.pem", pem());
    let identity = properties::rsa_signer();
    let signed_metadata =
        metadata().to_signed_xml(&SigningIdentity { signer: &identity, certificate_der: CERTIFICATE })?;
    let verify = |path: &Path| {
        let mut samlsign = Command::new("samlsign");
        samlsign.arg("-c").arg(&certificate).arg("-f").arg(path);
        samlsign
    };
    for xml in [signed_response(&identity), signed_metadata] {
        accepts(&mut verify(&work.file("good.xml", &xml)), None)?;
        refuses(&mut verify(&work.file("bad.xml", changed(&xml).replace("saml/sso", "evil/sso"))))?;
    }
    Ok(())
}

fn accepted_by_bergshamra() -> Result<(), Failed> {
    let work = Work::new("bergshamra");
    let certificate = work.file("certificate.pem", pem());
    let verify = |path: &Path| {
        let mut bergshamra = Command::new(judges_dir().join("bin/bergshamra"));
        bergshamra
            .args(["verify", "--trusted-keys-only", "--insecure", "--strict", "--cert"])
            .arg(&certificate)
            .arg(path);
        bergshamra
    };
    let xml = signed_response(&properties::rsa_signer());
    accepts(&mut verify(&work.file("good.xml", &xml)), None)?;
    refuses(&mut verify(&work.file("bad.xml", changed(&xml))))
}

fn accepted_by_pysaml2() -> Result<(), Failed> {
    let work = Work::new("pysaml2");
    let metadata = work.file("metadata.xml", metadata().to_xml());
    let verify = |path: &Path| {
        let mut python = Command::new("python3");
        python.env("PYTHONPATH", judges_dir().join("python")).arg(tests_dir().join("judges/accept_pysaml2.py"));
        python.arg(&metadata).arg(path).args([MessageId::from_random(REQUEST_ID).as_str(), SERVICE, ACS]);
        python
    };
    let xml = signed_response(&properties::rsa_signer());
    accepts(&mut verify(&work.file("good.xml", &xml)), Some("alice@example.com"))?;
    refuses(&mut verify(&work.file("bad.xml", changed(&xml))))
}

fn accepted_by_node_saml() -> Result<(), Failed> {
    let work = Work::new("node-saml");
    let verify = |path: &Path| {
        let mut node = Command::new("node");
        node.arg(tests_dir().join("judges/accept_node_saml.cjs")).arg(judges_dir().join("node")).arg(pem());
        node.arg(path).args([SERVICE, ACS]);
        node
    };
    let xml = signed_response(&properties::rsa_signer());
    accepts(&mut verify(&work.file("good.xml", &xml)), Some("alice@example.com"))?;
    refuses(&mut verify(&work.file("bad.xml", changed(&xml))))
}
