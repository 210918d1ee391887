//! Another identity provider in the browser: the way there and back, what travels on, and every way to abuse it. Without a browser, because
//! a browser would not send most of it; with one and a real identity provider: `browser_external`.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "test code: it writes files, and a surprise must end it loudly"
)]

use std::path::Path;

use platform::clock;
use saml::binding::post;
use saml::binding::redirect::{Direction, RedirectedRequest, unsigned_query};
use saml::metadata::{Binding, IndexedEndpoint, SpMetadata};
use saml::name::{EntityId, MessageId, NameId, NameIdFormat};
use saml::refusal::{Refusal, RefusalCode};
use saml::request::{AuthnRequest, RequestExpectations, ServiceAlgorithms, UnverifiedRequest};
use saml::response::{Assertion, InResponseTo, Response, Status};
use saml::time::UtcTime;
use serde_json::Value;
use tempfile::TempDir;
use tests::assertion::verified;
use tests::device::{Device, code};
use tests::https::Https;
use tests::own_idp::OwnIdp;
use tests::pages::{PageAnswer, Pages};
use tests::portal::{Portal, free_port};
use tests::program::Program;

const SERVICE: &str = "https://service.example/metadata";
const ACS: &str = "https://service.example/acs";

struct House {
    dir: TempDir,
    portal: Portal,
    _serving: Program,
}

fn now() -> UtcTime {
    UtcTime::from_unix_millis(clock::unix_millis())
}

fn new_id() -> MessageId {
    MessageId::from_random(platform::random::bytes())
}

fn entity_id(text: &str) -> EntityId {
    text.parse().expect("an entity ID")
}

/// A portal with a service that does not sign, and the domain `partner.test` beside the usual one.
fn house() -> House {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let mut portal = Portal::create(dir.path());
    portal.sign_on_ports = free_port().to_string();
    let serving = portal.serve();
    let house = House { dir, portal, _serving: serving };
    house.add_service(SERVICE, ACS);
    house.portal.ok(&["domain", "add", "partner.test", "--tenant", "acme"]);
    house
}

impl House {
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("the file can be written");
        path.to_str().expect("text").to_owned()
    }

    fn add_service(&self, id: &str, acs: &str) {
        let acs =
            IndexedEndpoint { binding: Binding::Post, location: acs.to_owned(), index: 0, is_default: Some(true) };
        let metadata = SpMetadata {
            entity_id: entity_id(id),
            valid_until: None,
            signing_certificates: Vec::new(),
            acs: vec![acs],
            slo: Vec::new(),
            display_name: None,
            request_initiator: None,
            want_assertions_signed: true,
            authn_requests_signed: false,
            name_id_formats: Vec::new(),
        };
        let path = self.file("service.xml", &metadata.to_xml());
        self.portal.add_service(Path::new(&path));
    }

    fn idp(&self, arguments: &[&str]) {
        self.portal.ok(&[&["idp"], arguments, &["--tenant", "acme"]].concat());
    }

    /// Records `idp` as `Partner`, mapped to `partner.test`, and lets that hold.
    fn record(&self, idp: &OwnIdp, binding: Binding) {
        let path = self.file("idp.xml", &idp.metadata(binding));
        let mapped = ["--domain", "partner.test", "--status", "on", "--auto-provisioning", "on"];
        self.idp(&[&["add", "Partner", "--metadata", &path], mapped.as_slice()].concat());
        self.idp(&["activate"]);
    }

    fn pages(&self) -> Pages {
        Pages::of(&self.portal.url(), &self.portal.authority.ca)
    }

    fn request(&self, service: &str) -> AuthnRequest {
        let destination = Some(format!("{}/sso", self.portal.issuer_url()));
        AuthnRequest { destination, ..AuthnRequest::new(new_id(), now(), entity_id(service)) }
    }

    /// The portal's page that the service's `request` leads to, as a path.
    fn begun(&self, pages: &mut Pages, request: &AuthnRequest) -> String {
        let query = unsigned_query(Direction::Request, &request.to_unsigned_xml(), Some("their \"state\""));
        let answer = pages.get(&format!("{}/sso?{query}", self.portal.issuer_path()));
        assert_eq!(answer.status, 303, "{}", answer.body);
        answer.header("location").to_owned()
    }

    /// A browser that was sent to `Partner` by the page: with the ID of the portal's request, and the service's.
    fn sent(&self, pages: &mut Pages) -> (MessageId, MessageId) {
        let request = self.request(SERVICE);
        let page = self.begun(pages, &request);
        let answer = pages.get(&format!("{page}&idp=Partner"));
        (self.asked(&answer).id, request.id)
    }

    /// What the portal asks the identity provider by Redirect; its signature has to be good.
    fn asked(&self, answer: &PageAnswer) -> AuthnRequest {
        assert_eq!(answer.status, 303, "{}", answer.body);
        let (address, query) = answer.header("location").split_once('?').expect("a query");
        let metadata = self.pages().get("/saml/sp").body;
        let portal = SpMetadata::parse(metadata.as_bytes()).expect("metadata");
        assert!(portal.authn_requests_signed && portal.want_assertions_signed);
        let expect =
            RequestExpectations { destinations: &[address], now: now(), max_age_seconds: 60, max_skew_seconds: 5 };
        let request = RedirectedRequest::parse(query).expect("a request");
        let keys = portal.signing_keys().expect("keys");
        let received = request.verify(&keys, ServiceAlgorithms::Current, &expect).expect("a good signature");
        let request = received.message.into_request();
        assert_eq!(request.issuer, portal.entity_id);
        assert_eq!(request.acs_url.as_deref(), Some(portal.acs[0].location.as_str()));
        request
    }

    fn answer(&self, pages: &mut Pages, field: &str) -> PageAnswer {
        pages.post("/saml/acs", &[("SAMLResponse", field)])
    }

    /// The last row of the audit about another identity provider: result, who and whom.
    fn audited(&self) -> (String, String, String) {
        let lines = self.portal.ok(&["audit", "list", "--json"]);
        let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let mut rows: Vec<_> = rows.filter(|row| row["action"] == "external-sign-on").collect();
        rows.sort_by_key(|row| row["seq"].as_i64());
        let row = rows.last().expect("a row");
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        (text("result"), text("actor"), text("subject"))
    }
}

/// The code on a page, or `posts` where it posts a Response.
fn outcome(answer: &PageAnswer) -> String {
    if answer.body.contains("name=\"SAMLResponse\"") {
        return "posts".to_owned();
    }
    let (_, rest) = answer.body.split_once("<dt>Code</dt><dd><code>").unwrap_or_else(|| panic!("{}", answer.body));
    rest.split('<').next().unwrap_or_default().to_owned()
}

/// What the portal's page posts to the service, verified as the service would.
fn posted(house: &House, page: &PageAnswer, in_response_to: &MessageId) -> Assertion {
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains(&format!("action=\"{ACS}\"")), "{}", page.body);
    assert!(page.body.contains("name=\"RelayState\" value=\"their &#34;state&#34;\""), "{}", page.body);
    assert!(!page.header("content-security-policy").contains("form-action"));
    let (_, rest) = page.body.split_once("name=\"SAMLResponse\" value=\"").expect("a Response");
    let field = rest.split('"').next().expect("a value");
    verified(&house.portal, field, (SERVICE, ACS), InResponseTo::Exactly(in_response_to))
}

#[test]
fn who_signs_in_at_another_identity_provider_gets_into_the_service() {
    let (house, idp) = (house(), OwnIdp::new("idp.partner.test"));
    house.record(&idp, Binding::Redirect);
    let mut pages = house.pages();
    let mut request = house.request(SERVICE);
    request.force_authn = true;
    let page = house.begun(&mut pages, &request);
    let shown = pages.get(&page);
    assert!(shown.body.contains(">Sign in with Partner</a>"), "{}", shown.body);
    assert!(shown.body.contains("&#38;idp=Partner"), "{}", shown.body);
    let asked = house.asked(&pages.get(&format!("{page}&idp=Partner")));
    assert!(asked.force_authn, "what the service asks for travels on");
    assert_eq!(asked.requesters, [entity_id(SERVICE)]);
    assert_eq!(asked.proxy_count, Some(3));

    let mut response = idp.response(&house.portal.url(), &asked.id, "Carol@Partner.test");
    let theirs = response.assertion.as_mut().expect("an assertion");
    theirs.authenticating_authorities = vec![entity_id("https://upstream.test")];
    let theirs = theirs.clone();
    let ours = posted(&house, &house.answer(&mut pages, &idp.field(&response)), &request.id);
    assert_eq!((ours.subject.format, ours.subject.value.as_str()), (NameIdFormat::EmailAddress, "carol@partner.test"));
    assert_eq!(ours.authn_instant, theirs.authn_instant);
    assert_eq!(ours.authn_context, theirs.authn_context);
    assert_eq!(ours.authenticating_authorities, [entity_id("https://upstream.test"), idp.entity_id.clone()]);
    assert_eq!(ours.session_not_on_or_after, theirs.session_not_on_or_after, "no longer than theirs");
    let row = ("ok".to_owned(), idp.entity_id.to_string(), "carol@partner.test".to_owned());
    assert_eq!(house.audited(), row);
    assert!(house.portal.ok(&["user", "list"]).contains("carol@partner.test"), "she was provisioned");

    let printed = house.portal.ok(&["idp", "service-provider", "--public-url", &house.portal.url()]);
    assert_eq!(printed.trim_end(), pages.get("/saml/sp").body, "the command line says the same");
    let facts = house.portal.ok(&["idp", "service-provider", "--public-url", &house.portal.url(), "--facts"]);
    assert!(facts.contains(&format!("ACS (POST)   {}/saml/acs", house.portal.url())), "{facts}");

    // The next service opens by itself, and a person can still ask for the page.
    let page = house.begun(&mut pages, &house.request(SERVICE));
    assert!(pages.get(&format!("{page}&ask=1")).body.contains("Sign in with this device"));
    house.asked(&pages.get(&page));
    // In another browser nothing is remembered.
    let mut stranger = house.pages();
    let page = house.begun(&mut stranger, &house.request(SERVICE));
    assert!(stranger.get(&page).body.contains("Sign in with this device"));
}

#[test]
fn a_service_that_asks_for_one_person_gets_no_other_from_an_identity_provider() {
    let (house, idp) = (house(), OwnIdp::new("idp.partner.test"));
    house.record(&idp, Binding::Redirect);
    let mut pages = house.pages();
    let mut request = house.request(SERVICE);
    request.subject = Some(NameId { format: NameIdFormat::EmailAddress, value: "bob@partner.test".to_owned() });
    let page = house.begun(&mut pages, &request);
    let asked = house.asked(&pages.get(&format!("{page}&idp=Partner")));
    assert_eq!(asked.subject, request.subject, "it is asked for him");
    let response = idp.response(&house.portal.url(), &asked.id, "carol@partner.test");
    let answer = house.answer(&mut pages, &idp.field(&response));
    assert_eq!(outcome(&answer), "posts");
    assert_eq!(house.audited().0, "UnknownPrincipal");
    assert!(!house.portal.ok(&["user", "list"]).contains("carol@partner.test"), "nobody was provisioned");
}

#[test]
fn an_identity_provider_that_takes_post_only_gets_a_form() {
    let (house, idp) = (house(), OwnIdp::new("idp.partner.test"));
    house.record(&idp, Binding::Post);
    let mut pages = house.pages();
    let request = house.request(SERVICE);
    let page = house.begun(&mut pages, &request);
    let form = pages.get(&format!("{page}&idp=Partner"));
    assert!(form.body.contains("action=\"https://idp.partner.test/sso\""), "{}", form.body);
    let (_, rest) = form.body.split_once("name=\"SAMLRequest\" value=\"").expect("a request");
    let asked = UnverifiedRequest::parse_post(rest.split('"').next().expect("a value")).expect("it can be read");
    let metadata = house.pages().get("/saml/sp").body;
    let keys = SpMetadata::parse(metadata.as_bytes()).expect("metadata").signing_keys().expect("keys");
    let destinations = ["https://idp.partner.test/sso"];
    let expect =
        RequestExpectations { destinations: &destinations, now: now(), max_age_seconds: 60, max_skew_seconds: 5 };
    let asked = asked.verify_from_service(&keys, ServiceAlgorithms::Current, &expect).expect("a good signature");
    let response = idp.response(&house.portal.url(), &asked.into_request().id, "carol@partner.test");
    posted(&house, &house.answer(&mut pages, &idp.field(&response)), &request.id);
}

/// What is changed in a Response that would be good.
type Change = fn(&mut Response);

fn assertion(response: &mut Response) -> &mut Assertion {
    response.assertion.as_mut().expect("an assertion")
}

#[test]
fn a_response_that_is_not_the_awaited_one_is_refused() {
    let (house, idp) = (house(), OwnIdp::new("idp.partner.test"));
    house.record(&idp, Binding::Redirect);
    let url = house.portal.url();
    let changes: [(&str, Change); 10] = [
        ("malformed", |response| assertion(response).audience = entity_id("https://other.example")),
        ("malformed", |response| assertion(response).recipient = "https://other.example/acs".to_owned()),
        ("malformed", |response| response.destination = Some("https://other.example/acs".to_owned())),
        ("malformed", |response| assertion(response).in_response_to = Some(new_id())),
        ("malformed", |response| assertion(response).in_response_to = None),
        ("clock-skew", |response| assertion(response).not_on_or_after = now().plus_seconds(-91)),
        ("clock-skew", |response| assertion(response).not_before = now().plus_seconds(120)),
        ("malformed", |response| assertion(response).issuer = entity_id("https://other.example")),
        ("idp-name", |response| assertion(response).subject.format = NameIdFormat::Transient),
        ("sign-on-loop", |response| {
            // Of this portal: whoever had asked there.
            let portal = assertion(response).audience.clone();
            assertion(response).authenticating_authorities = vec![portal];
        }),
    ];
    for (wanted, change) in changes {
        let mut pages = house.pages();
        let (id, _) = house.sent(&mut pages);
        let mut response = idp.response(&url, &id, "carol@partner.test");
        change(&mut response);
        let page = house.answer(&mut pages, &idp.field(&response));
        assert_eq!(outcome(&page), wanted, "{}", page.body);
        assert_eq!(house.audited().0, wanted);
    }
    assert!(!house.portal.ok(&["user", "list"]).contains("carol"), "nobody was provisioned");
}

#[test]
fn newer_keys_of_an_identity_provider_hold_when_they_are_activated() {
    let (house, old, new) = (house(), OwnIdp::new("idp.partner.test"), OwnIdp::new("idp.partner.test"));
    house.record(&old, Binding::Redirect);
    let signs_in = |idp: &OwnIdp| {
        let mut pages = house.pages();
        let (id, _) = house.sent(&mut pages);
        let field = idp.field(&idp.response(&house.portal.url(), &id, "carol@partner.test"));
        outcome(&house.answer(&mut pages, &field))
    };
    let other = house.file("other.xml", &OwnIdp::new("other.test").metadata(Binding::Redirect));
    let refused = house.portal.run(&["idp", "update", "Partner", "--metadata", &other, "--tenant", "acme"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("it is of `https://other.test/metadata`"), "{refused:?}");
    house.idp(&["update", "Partner", "--metadata", &house.file("new.xml", &new.metadata(Binding::Redirect))]);
    assert_eq!((signs_in(&old), signs_in(&new)), ("posts".to_owned(), "bad-signature".to_owned()));
    house.idp(&["activate"]);
    assert_eq!((signs_in(&old), signs_in(&new)), ("bad-signature".to_owned(), "posts".to_owned()));
}

#[test]
fn a_response_that_nobody_could_have_signed_is_refused() {
    let (house, idp) = (house(), OwnIdp::new("idp.partner.test"));
    house.record(&idp, Binding::Redirect);
    let url = house.portal.url();
    let mut pages = house.pages();
    let (id, service_request) = house.sent(&mut pages);
    let good = idp.response(&url, &id, "carol@partner.test");
    let mut refused = |field: &str, wanted: &str| {
        let page = house.answer(&mut pages, field);
        assert_eq!(outcome(&page), wanted, "{}", page.body);
        assert_eq!(house.audited().0, wanted);
    };
    // Another identity provider, under its own name and under the awaited one's.
    let other = OwnIdp::new("other.test");
    refused(&other.field(&other.response(&url, &id, "carol@partner.test")), "bad-signature");
    refused(&other.field(&good), "bad-signature");
    // Nobody, for somebody else, and wrapped: what was signed stays, and another assertion stands before it.
    let signed = idp.sign(&good);
    let unsigned = without_signatures(&signed);
    refused(&post::encode(&unsigned), "bad-signature");
    refused(&post::encode(&signed.replace("carol@", "mallory@")), "bad-signature");
    let evil = element(&unsigned, "saml:Assertion").replace("carol@", "mallory@").replacen("ID=\"_", "ID=\"_f", 1);
    let place = signed.find("<saml:Assertion").expect("an assertion");
    let wrapped = format!("{}{evil}{}", &signed[..place], &signed[place..]);
    refused(&post::encode(&wrapped), "malformed");
    // An unsigned “no” ends nothing, a signed one tells why.
    let no = Response {
        status: Status::refused(Refusal::new(RefusalCode::UserSuspended)),
        assertion: None,
        ..idp.response(&url, &id, "")
    };
    refused(&post::encode(&no.to_unsigned_xml()), "idp-refused");
    refused(&idp.field(&no), "idp-refused");
    // After all that the real one is good, once.
    let field = idp.field(&good);
    posted(&house, &house.answer(&mut pages, &field), &service_request);
    assert_eq!(outcome(&house.answer(&mut pages, &field)), "replayed");
    assert_eq!(house.audited().0, "replayed");
    // The same assertion under another request of the portal's.
    let (again, _) = house.sent(&mut pages);
    let mut response = idp.response(&url, &again, "carol@partner.test");
    response.assertion = good.assertion;
    assert_eq!(outcome(&house.answer(&mut pages, &idp.field(&response))), "malformed");
}

/// The element `name` of `xml` with all that is in it.
fn element<'x>(xml: &'x str, name: &str) -> &'x str {
    let start = xml.find(&format!("<{name}")).expect("it is there");
    let end = xml.rfind(&format!("</{name}>")).expect("it ends") + name.len() + 3;
    &xml[start..end]
}

fn without_signatures(xml: &str) -> String {
    let mut rest = xml.to_owned();
    while let Some(start) = rest.find("<ds:Signature ") {
        let end = start + rest[start..].find("</ds:Signature>").expect("it ends") + "</ds:Signature>".len();
        rest.replace_range(start..end, "");
    }
    rest
}

#[test]
fn a_response_that_nobody_asked_for_is_refused() {
    let (house, idp) = (house(), OwnIdp::new("idp.partner.test"));
    house.record(&idp, Binding::Redirect);
    let url = house.portal.url();
    let mut pages = house.pages();
    let (id, _) = house.sent(&mut pages);
    let mut response = idp.response(&url, &id, "carol@partner.test");
    response.in_response_to = None;
    assertion(&mut response).in_response_to = None;
    assert_eq!(outcome(&house.answer(&mut pages, &idp.field(&response))), "response-unsolicited");
    assert_eq!(house.audited().0, "response-unsolicited");
    // To a request that was never made.
    let response = idp.response(&url, &new_id(), "carol@partner.test");
    assert_eq!(outcome(&house.answer(&mut pages, &idp.field(&response))), "sign-on-over");
    // In another browser than the one that was sent: nobody is signed in as somebody else by a page that posts.
    let field = idp.field(&idp.response(&url, &id, "mallory@partner.test"));
    let mut victim = house.pages();
    assert_eq!(outcome(&house.answer(&mut victim, &field)), "sign-on-over");
    house.sent(&mut victim);
    assert_eq!(outcome(&house.answer(&mut victim, &field)), "sign-on-over");
    assert_eq!(house.audited().0, "sign-on-over");
    assert_eq!(outcome(&house.answer(&mut pages, &field)), "posts", "and in its own it is good");
    assert_eq!(outcome(&house.answer(&mut pages, "%%%")), "malformed");
}

#[test]
fn an_identity_provider_speaks_for_its_own_domains_and_people_who_may() {
    let (house, idp) = (house(), OwnIdp::new("idp.partner.test"));
    house.record(&idp, Binding::Redirect);
    let url = house.portal.url();
    let says = |name: &str| {
        let mut pages = house.pages();
        let (id, _) = house.sent(&mut pages);
        let page = house.answer(&mut pages, &idp.field(&idp.response(&url, &id, name)));
        assert_eq!(house.audited().0, if outcome(&page) == "posts" { "ok".to_owned() } else { outcome(&page) });
        outcome(&page)
    };
    assert_eq!(says("carol@partner.test"), "posts");
    assert_eq!(says("alice@example.test"), "idp-domain", "mapped to the portal");
    assert_eq!(says("alice@elsewhere.test"), "idp-domain", "nobody's");
    // Who was refused is asked again, and not sent there for ever.
    let mut pages = house.pages();
    for (name, wanted) in [("carol@partner.test", "posts"), ("alice@example.test", "idp-domain")] {
        let (id, _) = house.sent(&mut pages);
        let page = house.answer(&mut pages, &idp.field(&idp.response(&url, &id, name)));
        assert_eq!(outcome(&page), wanted);
    }
    let page = house.begun(&mut pages, &house.request(SERVICE));
    assert_eq!(pages.get(&page).status, 200, "the page with the choice");
    house.portal.ok(&["user", "suspend", "carol@partner.test"]);
    assert_eq!(says("carol@partner.test"), "user-suspended");
    house.idp(&["set", "Partner", "--auto-provisioning", "off"]);
    house.idp(&["activate"]);
    assert_eq!(says("dave@partner.test"), "user-not-provisioned");
    house.portal.ok(&["policy", "require", "--tenant", "acme", "--key-protection", "tpm"]);
    house.portal.ok(&["user", "resume", "carol@partner.test"]);
    assert_eq!(says("carol@partner.test"), "device-not-compliant", "no device, no way around its rules");

    let mut pages = house.pages();
    let (id, _) = house.sent(&mut pages);
    house.idp(&["set", "Partner", "--status", "off"]);
    house.idp(&["activate"]);
    let page = house.answer(&mut pages, &idp.field(&idp.response(&url, &id, "carol@partner.test")));
    assert_eq!(outcome(&page), "idp-disabled", "in the meantime");
    assert_eq!(house.audited().0, "idp-disabled");
    let page = house.begun(&mut pages, &house.request(SERVICE));
    assert_eq!(outcome(&pages.get(&format!("{page}&idp=Partner"))), "idp-disabled");
    assert!(!pages.get(&page).body.contains("Partner"), "nor is it offered");
}

#[test]
fn a_device_says_whose_domain_is_elsewhere_and_the_browser_goes_there() {
    let (house, idp) = (house(), OwnIdp::new("idp.partner.test"));
    house.record(&idp, Binding::Redirect);
    let https = Https::trusting(&house.portal.authority.ca);
    let device = Device::new();
    let request = device.request(&house.portal, "alice", 1);
    let enrolled = device.send(&https, &house.portal, &device.enrolling(request, &house.portal.token(&[])));
    assert_eq!(code(&enrolled), "success");
    let mut sequence = 1;
    let mut ask = |page: &str, name: &str| {
        sequence += 1;
        let mut request = device.request(&house.portal, "carol", sequence);
        request.subject.as_mut().expect("a subject").value = name.to_owned();
        request.respond_to = Some(entity_id(SERVICE));
        request.transaction = page.split_once("transaction=").map(|(_, id)| id.parse().expect("an ID"));
        code(&device.send(&https, &house.portal, &request))
    };
    let mut pages = house.pages();
    let service_request = house.request(SERVICE);
    let page = house.begun(&mut pages, &service_request);
    assert_eq!(pages.get(&format!("{page}&go=1")).status, 303);
    assert_eq!(ask(&page, "carol@partner.test"), "domain-not-mapped");
    let asked = house.asked(&pages.get(&page));
    assert_eq!(ask(&page, "carol@partner.test"), "replayed", "the device's part is over");
    let response = idp.response(&house.portal.url(), &asked.id, "carol@partner.test");
    posted(&house, &house.answer(&mut pages, &idp.field(&response)), &service_request.id);
    assert_eq!(outcome(&pages.get(&page)), "sign-on-over");

    // A domain that is nobody's goes nowhere.
    let page = house.begun(&mut pages, &house.request(SERVICE));
    assert_eq!(pages.get(&format!("{page}&go=1")).status, 303);
    assert_eq!(ask(&page, "carol@nobody.test"), "domain-not-mapped");
    assert_eq!(outcome(&pages.get(&page)), "domain-not-mapped");

    // Where another one is the default, what is mapped to nobody goes there.
    house.idp(&["default", "Partner"]);
    house.idp(&["activate"]);
    let service_request = house.request(SERVICE);
    let page = house.begun(&mut pages, &service_request);
    assert_eq!(pages.get(&format!("{page}&go=1")).status, 303);
    assert_eq!(ask(&page, "alice@example.test"), "domain-not-mapped");
    let asked = house.asked(&pages.get(&page));
    let response = idp.response(&house.portal.url(), &asked.id, "alice@example.test");
    posted(&house, &house.answer(&mut pages, &idp.field(&response)), &service_request.id);
}

#[test]
fn identity_providers_that_ask_each_other_in_a_circle_are_stopped() {
    let (house, idp) = (house(), OwnIdp::new("idp.partner.test"));
    house.record(&idp, Binding::Redirect);
    house.add_service("https://idp.partner.test/sp", "https://idp.partner.test/acs");
    let go_on = |pages: &mut Pages, request: &AuthnRequest| {
        let page = house.begun(pages, request);
        pages.get(&format!("{page}&idp=Partner"))
    };
    // By what the request says: who had asked, and how far it may go.
    let mut request = house.request(SERVICE);
    request.requesters = vec![entity_id("https://first.test"), entity_id(&format!("{}/saml/sp", house.portal.url()))];
    assert_eq!(outcome(&go_on(&mut house.pages(), &request)), "sign-on-loop");
    assert_eq!(house.audited().0, "sign-on-loop");
    let request = AuthnRequest { proxy_count: Some(0), ..house.request(SERVICE) };
    let mut pages = house.pages();
    assert_eq!(outcome(&go_on(&mut pages, &request)), "proxy-not-allowed");
    let page = house.begun(&mut pages, &request_again(&request));
    assert!(!pages.get(&page).body.contains("Partner"), "nor is it offered");
    let mut request = AuthnRequest { proxy_count: Some(2), ..house.request(SERVICE) };
    request.requesters = vec![entity_id("https://first.test")];
    let asked = house.asked(&go_on(&mut house.pages(), &request));
    assert_eq!((asked.proxy_count, asked.requesters.len()), (Some(1), 2), "honoured and passed on");

    // By the browser, where the other one says nothing: it was sent there, and comes back from there as a service.
    let back = house.request("https://idp.partner.test/sp");
    let mut pages = house.pages();
    house.asked(&go_on(&mut pages, &back));
    assert_eq!(outcome(&go_on(&mut pages, &request_again(&back))), "sign-on-loop");
    assert_eq!(house.audited().0, "sign-on-loop");
    // Or comes round and round for one service; two tabs are none.
    let mut pages = house.pages();
    for _ in 0..3 {
        house.asked(&go_on(&mut pages, &house.request(SERVICE)));
    }
    assert_eq!(outcome(&go_on(&mut pages, &house.request(SERVICE))), "sign-on-loop");
}

fn request_again(request: &AuthnRequest) -> AuthnRequest {
    AuthnRequest { id: new_id(), issue_instant: now(), ..request.clone() }
}

#[test]
fn administrators_are_shown_what_to_paste_into_it() {
    let house = house();
    let url = house.portal.url();
    let link = house.portal.ok(&["admin", "create", "ada", "--role", "auditor", "--public-url", &url]);
    let path = link.trim().strip_prefix(&url).expect("the link is the portal's").to_owned();
    let mut pages = house.pages();
    let (token, password) = (pages.get(&path).form_token(), "correct horse battery staple");
    let answer = pages.post(&path, &[("form_token", &token), ("password", password), ("again", password)]);
    assert_eq!(answer.status, 303, "{}", answer.body);
    let shown = pages.get("/admin/t/acme/idp").body;
    for fact in ["/saml/sp</code>", "/saml/acs</code>"] {
        assert!(shown.contains(&format!("<code>{url}{fact}")), "{shown}");
    }
    assert!(shown.contains("-----BEGIN CERTIFICATE-----"), "{shown}");
}

#[test]
fn the_portal_is_not_recorded_as_its_own_other_identity_provider() {
    let house = house();
    let own = house.pages().get("/saml/metadata").body;
    let add = |text: &str| {
        let path = house.file("own.xml", text);
        let arguments = ["idp", "add", "Loop", "--tenant", "acme", "--metadata", &path];
        let output = house.portal.command(&arguments).output().expect("it can be started");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (recorded, errors) = add(&own);
    assert!(!recorded && errors.contains("this portal"), "{errors}");
    // Under another name it has the same keys.
    let (recorded, errors) = add(&own.replace("https://localhost", "https://alias.test"));
    assert!(!recorded && errors.contains("this portal"), "{errors}");
}
