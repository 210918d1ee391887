//! Sign-on in a browser, attacked: every promise of the sign-on address and of the portal's half, without a browser, because a browser would
//! not send most of it.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "test code: it writes files, and a surprise must end it loudly"
)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use platform::clock;
use ring::rand::SystemRandom;
use saml::binding::redirect::{Direction, signed_query, unsigned_query};
use saml::key::{Pkcs8Signer, SignatureAlgorithm};
use saml::metadata::{Binding, IndexedEndpoint, SpMetadata};
use saml::name::MessageId;
use saml::request::AuthnRequest;
use saml::time::UtcTime;
use serde_json::Value;
use tempfile::TempDir;
use tests::agent::Agent;
use tests::device::{Device, code};
use tests::https::Https;
use tests::pages::Pages;
use tests::portal::{Portal, free_port};
use tests::program::Program;

const SERVICE: &str = "https://service.example/metadata";
const ACS: &str = "https://service.example/acs";

/// A service of the tests' own making: it sends what it likes.
struct OwnService {
    signer: Pkcs8Signer,
    certificate: Vec<u8>,
}

impl OwnService {
    fn new() -> Self {
        let pair = rcgen::generate_simple_self_signed(["service.example".to_owned()]).expect("a certificate");
        let pkcs8 = pair.signing_key.serialize_der();
        let signer = Pkcs8Signer::new(SignatureAlgorithm::EcdsaP256Sha256, &pkcs8, Box::new(SystemRandom::new()));
        Self { signer: signer.expect("the key can be used"), certificate: pair.cert.der().to_vec() }
    }

    fn register(&self, house: &House) {
        let acs = IndexedEndpoint { binding: Binding::Post, location: ACS.to_owned(), index: 0, is_default: true };
        let metadata = SpMetadata {
            entity_id: SERVICE.parse().expect("an entity ID"),
            valid_until: None,
            signing_certificates: vec![self.certificate.clone()],
            acs: vec![acs],
            slo: Vec::new(),
            want_assertions_signed: true,
            authn_requests_signed: true,
            name_id_formats: Vec::new(),
        };
        let path = house.dir.path().join("service.xml");
        std::fs::write(&path, metadata.to_xml()).expect("the file can be written");
        house.portal.ok(&["service", "add", "--tenant", "acme", "--metadata", path.to_str().expect("text")]);
    }

    fn request(portal: &Portal) -> AuthnRequest {
        AuthnRequest {
            destination: Some(format!("{}/saml/sso", portal.url())),
            ..AuthnRequest::new(
                MessageId::from_random(platform::random::bytes()),
                now(),
                SERVICE.parse().expect("an entity ID"),
            )
        }
    }

    fn query(&self, request: &AuthnRequest, relay_state: Option<&str>) -> String {
        signed_query(Direction::Request, &request.to_unsigned_xml(), relay_state, &self.signer).expect("it signs")
    }
}

fn now() -> UtcTime {
    UtcTime::from_unix_millis(clock::unix_millis())
}

struct House {
    dir: TempDir,
    portal: Portal,
    agent: Agent,
    ports: [u16; 2],
    running: Program,
    _serving: Program,
}

fn house() -> House {
    house_with([free_port(), free_port()])
}

fn house_with(ports: [u16; 2]) -> House {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let mut portal = Portal::create(dir.path());
    portal.sign_on_ports = format!("{},{}", ports[0], ports[1]);
    let serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    let running = agent.start_signed_in();
    House { dir, portal, agent, ports, running, _serving: serving }
}

impl House {
    fn pages(&self) -> Pages {
        Pages::of(&self.portal.url(), &self.portal.authority.ca)
    }

    /// The page of the portal that a service's `query` leads to.
    fn begun(&self, query: &str) -> String {
        let answer = self.pages().get(&format!("/saml/sso?{query}"));
        assert_eq!(answer.status, 303, "{}", answer.body);
        answer.header("location").to_owned()
    }

    /// The device's address that the portal sends the browser to.
    fn transaction(&self, service: &OwnService, relay_state: Option<&str>) -> String {
        let page = self.begun(&service.query(&OwnService::request(&self.portal), relay_state));
        let answer = self.pages().get(&format!("{page}&go=1"));
        assert_eq!(answer.status, 303, "{}", answer.body);
        answer.header("location").to_owned()
    }

    /// Rows of the audit with this action and result.
    fn audited(&self, action: &str, result: &str) -> usize {
        let lines = self.portal.ok(&["audit", "list", "--json"]);
        let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        rows.filter(|row| row["action"] == action && row["result"] == result).count()
    }
}

/// Opens `url` as a browser would; returns the whole answer.
fn visit(url: &str) -> String {
    let (port, target) = parts(url);
    say(port, &format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nSec-Fetch-Mode: navigate\r\n\r\n"))
}

fn parts(url: &str) -> (u16, &str) {
    let rest = url.strip_prefix("http://127.0.0.1:").unwrap_or_else(|| panic!("{url} is on this machine"));
    let slash = rest.find('/').expect("a path");
    (rest[..slash].parse().expect("a port"), &rest[slash..])
}

fn say(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the agent listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// The code on a page, or `posts` where it posts a Response.
fn outcome(answer: &str) -> String {
    if answer.contains("name=\"SAMLResponse\"") {
        return "posts".to_owned();
    }
    let (_, rest) = answer.split_once("Code").unwrap_or_else(|| panic!("no code in {answer}"));
    let (_, rest) = rest.split_once("<code>").unwrap_or_else(|| panic!("no code in {answer}"));
    rest.split('<').next().unwrap_or_default().to_owned()
}

#[test]
fn a_transaction_is_good_once() {
    let house = house();
    let service = OwnService::new();
    service.register(&house);
    let url = house.transaction(&service, None);
    let first = visit(&url);
    assert_eq!(outcome(&first), "posts");
    assert!(first.contains(&format!("action=\"{ACS}\"")), "{first}");
    assert_eq!(outcome(&visit(&url)), "replayed");
    assert_eq!((house.audited("sign-on", "ok"), house.audited("sign-on", "replayed")), (1, 1));
}

#[test]
fn a_transaction_that_was_changed_or_is_another_portals_is_not_believed() {
    let house = house();
    let service = OwnService::new();
    service.register(&house);
    let url = house.transaction(&service, Some("state"));
    assert_eq!(outcome(&visit(&url.replace("RelayState=state", "RelayState=other"))), "sign-on-not-trusted");
    assert_eq!(outcome(&visit(&url.replace("&RelayState=state", ""))), "sign-on-not-trusted");
    let unsigned = url.split("&SigAlg=").next().expect("the beginning");
    assert_eq!(outcome(&visit(unsigned)), "sign-on-not-trusted");
    // What a service has signed is no portal's word.
    let own = service.query(&OwnService::request(&house.portal), None);
    assert_eq!(outcome(&visit(&format!("http://127.0.0.1:{}/sign-on?{own}", house.ports[0]))), "sign-on-not-trusted");

    let other = house_with(house.ports);
    let elsewhere = OwnService::new();
    elsewhere.register(&other);
    let foreign = other.transaction(&elsewhere, None);
    assert_eq!(parts(&foreign).0, house.ports[0], "for the same port");
    assert_eq!(outcome(&visit(&foreign)), "sign-on-not-trusted");
    assert_eq!(house.audited("sign-on", "ok"), 0, "nothing of this was sent to the portal");
    assert_eq!(outcome(&visit(&url)), "posts", "and the real one is as good as before");
}

#[test]
fn a_sign_on_that_nobody_waits_for_gives_no_response() {
    let house = house();
    let service = OwnService::new();
    service.register(&house);
    let https = Https::trusting(&house.portal.authority.ca);
    let device = Device::new();
    let request = device.request(&house.portal, "alice", 1);
    let enrolled = device.send(&https, &house.portal, &device.enrolling(request, &house.portal.token(&[])));
    assert_eq!(code(&enrolled), "success");
    let ask = |sequence, service: Option<&str>, transaction: &str| {
        let mut request = device.request(&house.portal, "alice", sequence);
        request.respond_to = service.map(|service| service.parse().expect("an entity ID"));
        request.transaction = Some(transaction.parse().expect("an ID"));
        code(&device.send(&https, &house.portal, &request))
    };
    assert_eq!(ask(2, Some(SERVICE), "_0000000000000000000000000000000000000000"), "sign-on-over", "unknown");
    let begun = || {
        let page = house.begun(&service.query(&OwnService::request(&house.portal), None));
        let id = page.split_once("transaction=").expect("an ID").1.to_owned();
        (page, id)
    };
    let (_, id) = begun();
    assert_eq!(ask(3, Some(SERVICE), &id), "sign-on-over", "the browser was not sent on");
    let sent_on = || {
        let (page, id) = begun();
        assert_eq!(house.pages().get(&format!("{page}&go=1")).status, 303);
        id
    };
    assert_eq!(ask(4, None, &sent_on()), "sign-on-over", "for the device's own session");
    assert_eq!(ask(5, Some("https://other.example"), &sent_on()), "sign-on-over", "for another service");
    assert_eq!(ask(6, Some(SERVICE), &sent_on()), "success");
    assert_eq!(house.audited("sign-on", "sign-on-over"), 4);
}

#[test]
fn a_transaction_that_is_late_is_not_believed() {
    let house = house();
    // With the portal's own key, so that its age is all that is wrong with it.
    let keys = std::fs::read_dir(house.portal.data_dir.join("keys")).expect("the portal has keys");
    let pkcs8 = keys.map(|entry| std::fs::read(entry.expect("an entry").path()).expect("it can be read"));
    let algorithm = SignatureAlgorithm::EcdsaP256Sha256;
    let mut signers = pkcs8.filter_map(|pkcs8| Pkcs8Signer::new(algorithm, &pkcs8, Box::new(SystemRandom::new())).ok());
    let signer = signers.next().expect("one of them is for agents");
    let address = format!("http://127.0.0.1:{}/sign-on", house.ports[0]);
    let made_at = |issue_instant| {
        let issuer = format!("{}/saml/metadata", house.portal.url()).parse().expect("an entity ID");
        let request = AuthnRequest {
            destination: Some(address.clone()),
            acs_url: Some(ACS.to_owned()),
            respond_to: Some(SERVICE.parse().expect("an entity ID")),
            ..AuthnRequest::new(MessageId::from_random(platform::random::bytes()), issue_instant, issuer)
        };
        let query = signed_query(Direction::Request, &request.to_unsigned_xml(), None, &signer).expect("it signs");
        outcome(&visit(&format!("{address}?{query}")))
    };
    assert_eq!(made_at(now().plus_seconds(-500)), "sign-on-not-trusted");
    assert_eq!(made_at(now()), "sign-on-over", "believed by the device, and nothing that the portal has begun");
}

#[test]
fn a_request_that_is_not_the_services_goes_nowhere() {
    let house = house();
    let service = OwnService::new();
    service.register(&house);
    let refused = |query: &str| {
        let answer = house.pages().get(&format!("/saml/sso?{query}"));
        assert_eq!(answer.status, 400, "{}", answer.body);
        outcome(&answer.body)
    };
    let request = OwnService::request(&house.portal);
    assert_eq!(refused(&OwnService::new().query(&request, None)), "bad-signature");
    assert_eq!(refused(&unsigned_query(Direction::Request, &request.to_unsigned_xml(), None)), "bad-signature");
    let acs_url = Some("https://evil.example/acs".to_owned());
    let elsewhere = AuthnRequest { acs_url, ..request.clone() };
    assert_eq!(refused(&service.query(&elsewhere, None)), "acs-not-registered");
    let by_index = AuthnRequest { acs_index: Some(7), ..request.clone() };
    assert_eq!(refused(&service.query(&by_index, None)), "acs-not-registered");
    let stale = AuthnRequest { issue_instant: now().plus_seconds(-1000), ..request.clone() };
    assert_eq!(refused(&service.query(&stale, None)), "clock-skew");
    let misdirected = AuthnRequest { destination: Some("https://other.example/sso".to_owned()), ..request.clone() };
    assert_ne!(refused(&service.query(&misdirected, None)), "posts");
    let unknown = AuthnRequest { issuer: "https://unknown.example".parse().expect("an entity ID"), ..request };
    assert_eq!(refused(&service.query(&unknown, None)), "service-unknown");
    assert_eq!(refused("SAMLRequest=%00"), "malformed");
    let rows = ["bad-signature", "acs-not-registered", "clock-skew"].map(|code| house.audited("service-request", code));
    assert_eq!(rows, [2, 2, 1], "what names a registered service is in the audit");
}

#[test]
fn a_relay_state_with_a_script_in_it_comes_back_as_text() {
    let house = house();
    let service = OwnService::new();
    service.register(&house);
    let hostile = "\"><script>alert('x')</script>&amp;";
    let answer = visit(&house.transaction(&service, Some(hostile)));
    assert_eq!(outcome(&answer), "posts");
    assert_eq!(answer.matches("<script").count(), 1, "{answer}");
    let escaped = "value=\"&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;\"";
    assert!(answer.contains(escaped), "{answer}");
}

#[test]
fn the_address_does_one_thing() {
    let house = house();
    let service = OwnService::new();
    service.register(&house);
    let url = house.transaction(&service, None);
    let (port, target) = parts(&url);
    let host = format!("Host: 127.0.0.1:{port}");
    let status = |line: &str, fields: &[&str]| {
        let answer = say(port, &format!("{line} HTTP/1.1\r\n{}\r\n\r\n", fields.join("\r\n")));
        assert!(!answer.to_ascii_lowercase().contains("access-control"), "{answer}");
        answer[9..12].to_owned()
    };
    assert_eq!(status(&format!("GET {target}"), &[&format!("Host: rebound.example:{port}")]), "421");
    assert_eq!(status(&format!("GET {target}"), &[&format!("Host: localhost:{port}")]), "421");
    assert_eq!(status(&format!("GET {target}"), &[&host, "Origin: https://evil.example"]), "403");
    assert_eq!(status(&format!("GET {target}"), &[&host, "Sec-Fetch-Dest: iframe"]), "403");
    assert_eq!(status(&format!("POST {target}"), &[&host, "Content-Length: 0"]), "405");
    assert_eq!(status(&format!("OPTIONS {target}"), &[&host, "Access-Control-Request-Private-Network: true"]), "405");
    for path in ["/", "/status", "/saml/soap", "/sign-on", "/../sign-on?x"] {
        assert_eq!(status(&format!("GET {path}"), &[&host]), "404", "{path}");
    }
    assert_eq!(outcome(&visit(&url)), "posts", "after all that the real one is still good");
}

#[test]
fn who_takes_the_port_learns_nothing_that_is_good_elsewhere() {
    let squatter = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = squatter.local_addr().expect("it is bound").port();
    let house = house_with([taken, free_port()]);
    assert!(house.running.seen.iter().any(|line| line.contains("browsers are awaited")), "on the next port");
    let service = OwnService::new();
    service.register(&house);
    let caught = house.transaction(&service, None);
    assert_eq!(parts(&caught).0, taken, "the first port is tried first");
    let moved = caught.replace(&format!("127.0.0.1:{taken}"), &format!("127.0.0.1:{}", house.ports[1]));
    assert_eq!(outcome(&visit(&moved)), "sign-on-not-trusted", "it is for the port that it was sent to");
    // The browser that nobody has answered is asked again, and sent to the next port.
    let mut pages = house.pages();
    let query = || service.query(&OwnService::request(&house.portal), None);
    let first = pages.get(&format!("{}&go=1", house.begun(&query())));
    let cookie = first.header("set-cookie").split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
    pages.cookies.push((cookie.0.to_owned(), cookie.1.to_owned()));
    let page = house.begun(&query());
    let asked = pages.get(&page);
    assert!(asked.body.contains("did not answer the last time"), "{}", asked.body);
    let second = pages.get(&format!("{page}&go=1"));
    assert_eq!(parts(second.header("location")).0, house.ports[1]);
    assert_eq!(outcome(&visit(second.header("location"))), "posts");
    assert_eq!(pages.get(&house.begun(&query())).status, 303, "from now on without a question");
}

#[test]
fn a_device_that_is_quarantined_in_between_signs_nobody_in() {
    let house = house();
    let service = OwnService::new();
    service.register(&house);
    let url = house.transaction(&service, None);
    let device = house.portal.json(&["device", "list", "--json"])[0]["id"].as_str().expect("a device").to_owned();
    house.portal.ok(&["device", "quarantine", &device]);
    assert_eq!(outcome(&visit(&url)), "device-quarantined");
    assert_eq!(house.audited("sign-on", "device-quarantined"), 1);
}

#[test]
fn who_has_signed_out_stays_out_in_browsers_too() {
    let house = house();
    let service = OwnService::new();
    service.register(&house);
    let url = house.transaction(&service, None);
    house.agent.ok(&["sign-out"]);
    assert_eq!(outcome(&visit(&url)), "signed-out");
}
