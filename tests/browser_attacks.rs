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

use base64::Engine as _;
use platform::clock;
use ring::rand::SystemRandom;
use saml::binding::redirect::{Direction, signed_query, unsigned_query};
use saml::key::{Pkcs8Signer, SignatureAlgorithm};
use saml::name::{MessageId, NameId, NameIdFormat};
use saml::request::{AuthnRequest, Comparison, NameIdPolicy, RequestedAuthnContext};
use saml::time::UtcTime;
use serde_json::Value;
use tempfile::TempDir;
use tests::agent::Agent;
use tests::device::{Device, code};
use tests::https::Https;
use tests::own_service::{ACS, OwnService, SERVICE};
use tests::pages::Pages;
use tests::portal::{Portal, free_port};
use tests::program::Program;

/// A grade that nobody has without having proved who they are.
const BETTER: &str = "urn:countersign:1.0:ac:classes:proved";

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
    house_of(ports, &[])
}

fn house_of(ports: [u16; 2], options: &[&str]) -> House {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let mut portal = Portal::create(dir.path());
    portal.sign_on_ports = format!("{},{}", ports[0], ports[1]);
    let serving = portal.serve_with(options);
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
        let answer = self.pages().get(&format!("{}/sso?{query}", self.portal.issuer_path()));
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

/// The Response in a page that posts one.
fn posted(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"SAMLResponse\" value=\"").unwrap_or_else(|| panic!("{page} posts"));
    let encoded = rest.split('"').next().expect("a value").replace("&#43;", "+").replace("&#x2B;", "+");
    let xml = base64::engine::general_purpose::STANDARD.decode(encoded).expect("base64");
    String::from_utf8(xml).expect("text")
}

/// Format and value of the name in a Response.
fn name_in(response: &str) -> (&str, &str) {
    let (_, rest) = response.split_once("<saml:NameID Format=\"").expect("a name");
    let (format, rest) = rest.split_once("\">").expect("a format");
    (format.rsplit_once(':').expect("a URN").1, rest.split('<').next().expect("a value"))
}

#[test]
fn where_policy_says_so_a_new_browser_is_asked_only_if_nobody_answers() {
    let house = house();
    let service = OwnService::new();
    service.register_at(&house.portal, house.dir.path());
    house.portal.ok(&["policy", "set", "--first-visit", "automatic", "--tenant", "acme"]);
    let begun = || house.begun(&service.query(&OwnService::request(&house.portal), None));
    let mut browser = house.pages();
    let unanswered = browser.get(&begun());
    assert!(unanswered.header("location").starts_with("http://127.0.0.1:"), "{}", unanswered.body);
    // Nobody has answered there: the same browser is asked, and helped, from now on.
    let asked = browser.get(&begun());
    assert_eq!(asked.status, 200);
    assert!(asked.body.contains("Sign in with this device"), "{}", asked.body);
    // One that has a device is in without a click.
    let device = house.pages().get(&begun()).header("location").to_owned();
    assert_eq!(outcome(&visit(&device)), "posts");
}

#[test]
fn a_service_that_lets_nobody_be_asked_gets_its_browser_back() {
    let house = house();
    let service = OwnService::new();
    service.register_at(&house.portal, house.dir.path());
    let request = AuthnRequest { is_passive: true, ..OwnService::request(&house.portal) };
    let mut browser = house.pages();
    let asked = browser
        .get(&format!("{}/sso?{}", house.portal.issuer_path(), service.query(&request, Some("kept"))))
        .header("location")
        .to_owned();
    let page = browser.get(&asked);
    assert_eq!((page.status, page.header("location")), (200, ""));
    assert!(page.body.contains(&format!("action=\"{ACS}\"")), "{}", page.body);
    assert!(page.body.contains("name=\"RelayState\" value=\"kept\""), "{}", page.body);
    let response = posted(&page.body);
    assert!(response.contains("urn:oasis:names:tc:SAML:2.0:status:NoPassive"), "{response}");
    assert!(response.contains(&format!("InResponseTo=\"{}\"", request.id)), "{response}");
    assert!(response.contains("<ds:SignatureValue>") && !response.contains("Assertion "), "{response}");
    assert_eq!(browser.get(&format!("{asked}&go=1")).status, 410, "it is over");
    // A browser that a device has answered is sent there, and its person is asked nothing either way.
    let begun = house.begun(&service.query(&OwnService::request(&house.portal), None));
    let device = browser.get(&format!("{begun}&go=1")).header("location").to_owned();
    assert_eq!(outcome(&visit(&device)), "posts");
    let request = AuthnRequest { is_passive: true, ..OwnService::request(&house.portal) };
    let asked = browser
        .get(&format!("{}/sso?{}", house.portal.issuer_path(), service.query(&request, None)))
        .header("location")
        .to_owned();
    let device = browser.get(&asked).header("location").to_owned();
    assert!(posted(&visit(&device)).contains(&format!("InResponseTo=\"{}\"", request.id)));
}

#[test]
fn a_service_names_the_person_as_it_demands_or_is_told_that_it_cannot() {
    let house = house();
    let service = OwnService::new();
    service.register_at(&house.portal, house.dir.path());
    let demanding = |format: &str, qualifier: Option<&str>| {
        let name_id_policy = Some(NameIdPolicy {
            format: Some(NameIdFormat::from_uri(format)),
            sp_name_qualifier: qualifier.map(str::to_owned),
            allow_create: true,
        });
        service.query(&AuthnRequest { name_id_policy, ..OwnService::request(&house.portal) }, None)
    };
    let response_to = |format: &NameIdFormat| {
        let page = house.begun(&demanding(format.uri(), Some(SERVICE)));
        let device = house.pages().get(&format!("{page}&go=1")).header("location").to_owned();
        posted(&visit(&device))
    };
    let persistent = [(); 2].map(|()| response_to(&NameIdFormat::Persistent));
    assert_eq!(name_in(&persistent[0]).0, "persistent");
    assert_eq!(name_in(&persistent[0]), name_in(&persistent[1]), "the same each time");
    let transient = [(); 2].map(|()| response_to(&NameIdFormat::Transient));
    assert_eq!(name_in(&transient[0]).0, "transient");
    assert_ne!(name_in(&transient[0]), name_in(&transient[1]), "another one each time");
    let mail = response_to(&NameIdFormat::EmailAddress);
    assert_eq!(name_in(&mail).0, "emailAddress");
    let attribute = format!("<saml:AttributeValue>{}</saml:AttributeValue>", name_in(&mail).1);
    assert!(transient[0].contains(&attribute), "who it is says an attribute: {}", transient[0]);
    for (format, qualifier) in [
        ("urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos", None),
        (NameIdFormat::Persistent.uri(), Some("https://other.example")),
    ] {
        let answer = house.pages().get(&format!("{}/sso?{}", house.portal.issuer_path(), demanding(format, qualifier)));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let response = posted(&answer.body);
        assert!(response.contains("urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy"), "{response}");
    }
    assert_eq!(house.audited("service-request", "InvalidNameIDPolicy"), 2);
}

#[test]
fn who_begins_too_many_sign_ons_without_a_signature_waits_and_a_service_that_signs_does_not() {
    let house = house_of([free_port(), free_port()], &["--unsigned-rate", "1"]);
    let service = OwnService::new();
    service.register_as(&house.portal, house.dir.path(), false);
    let path = house.portal.issuer_path();
    let begin = |pages: &mut Pages, query: String| pages.get(&format!("{path}/sso?{query}"));
    let unsigned = || unsigned_query(Direction::Request, &OwnService::request(&house.portal).to_unsigned_xml(), None);
    let mut pages = house.pages();
    let refused = (0..100).map(|_| begin(&mut pages, unsigned())).find(|answer| answer.status != 303);
    let refused = refused.expect("there is a limit");
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{}", refused.body);
    let signed = service.query(&OwnService::request(&house.portal), None);
    assert_eq!(begin(&mut pages, signed).status, 303, "what the service has signed is its own");
}

#[test]
fn a_transaction_is_good_once() {
    let house = house();
    let service = OwnService::new();
    service.register_at(&house.portal, house.dir.path());
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
    service.register_at(&house.portal, house.dir.path());
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
    elsewhere.register_at(&other.portal, other.dir.path());
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
    service.register_at(&house.portal, house.dir.path());
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
    service.register_at(&house.portal, house.dir.path());
    let refused = |query: &str| {
        let answer = house.pages().get(&format!("{}/sso?{query}", house.portal.issuer_path()));
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
    service.register_at(&house.portal, house.dir.path());
    let hostile = "\"><script>alert('x')</script>&amp;";
    let answer = visit(&house.transaction(&service, Some(hostile)));
    assert_eq!(outcome(&answer), "posts");
    assert_eq!(answer.matches("<script").count(), 1, "{answer}");
    let escaped = "value=\"&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;\"";
    assert!(answer.contains(escaped), "{answer}");
}

#[test]
fn frames_and_browsers_that_look_ahead_begin_nothing_at_either_issuer() {
    let house = house();
    let service = OwnService::new();
    service.register_at(&house.portal, house.dir.path());
    let query = service.query(&OwnService::request(&house.portal), None);
    let own = house.portal.issuer_path();
    for path in [&format!("{own}/sso?{query}"), &format!("/saml/sso?{query}")] {
        for header in [("sec-fetch-dest", "iframe"), ("sec-fetch-dest", "image"), ("sec-purpose", "prefetch")] {
            let answer = house.pages().send("GET", path, &[header], None);
            assert_eq!(answer.status, 403, "{path} {header:?}: {}", answer.body);
        }
    }
    let opened = house.pages().send("GET", &format!("{own}/sso?{query}"), &[("sec-fetch-dest", "document")], None);
    assert_eq!(opened.status, 303, "{}", opened.body);
}

#[test]
fn the_address_does_one_thing() {
    let house = house();
    let service = OwnService::new();
    service.register_at(&house.portal, house.dir.path());
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
    service.register_at(&house.portal, house.dir.path());
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
    service.register_at(&house.portal, house.dir.path());
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
    service.register_at(&house.portal, house.dir.path());
    let url = house.transaction(&service, None);
    house.agent.ok(&["sign-out"]);
    assert_eq!(outcome(&visit(&url)), "signed-out");
}

#[test]
fn a_service_that_asks_for_somebody_else_or_for_another_way_gets_no_assertion() {
    const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
    let house = house();
    let service = OwnService::new();
    service.register_at(&house.portal, house.dir.path());
    let answered = |subject: Option<&str>, class: Option<&str>| {
        let context = class.map(|class| RequestedAuthnContext {
            comparison: Comparison::Exact,
            class_refs: vec![class.to_owned()],
            decl_refs: Vec::new(),
        });
        let request = AuthnRequest {
            subject: subject.map(|value| NameId { format: NameIdFormat::EmailAddress, value: value.to_owned() }),
            requested_authn_context: context,
            ..OwnService::request(&house.portal)
        };
        let page = house.begun(&service.query(&request, Some("state")));
        let sent_on = house.pages().get(&format!("{page}&go=1"));
        let response = posted(&visit(sent_on.header("location")));
        assert!(response.contains(&format!("InResponseTo=\"{}\"", request.id)), "{response}");
        response
    };
    for (subject, class, status) in
        [(Some("bob@example.test"), None, "UnknownPrincipal"), (None, Some(BETTER), "NoAuthnContext")]
    {
        let response = answered(subject, class);
        assert!(response.contains(&format!("status:{status}")) && !response.contains("<saml:Assertion"), "{response}");
        assert_eq!(house.audited("sign-on", status), 1);
    }
    let own = answered(None, None);
    let (_, alice) = name_in(&own);
    assert_eq!(name_in(&answered(Some(alice), None)), ("emailAddress", alice));
    let asks_for_a_password = answered(None, Some(PASSWORD));
    assert!(asks_for_a_password.contains(":ac:classes:claimed<"), "told the truth: {asks_for_a_password}");
    house.portal.ok(&["service", "set", SERVICE, "--authn-context", "PasswordProtectedTransport"]);
    assert!(answered(None, Some(PASSWORD)).contains(&format!("<saml:AuthnContextClassRef>{PASSWORD}<")));
}
