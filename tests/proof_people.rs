//! People who prove once, for one device, who they are: at another identity provider, with a passkey, with a code of their own page, by approval on a
//! device that is theirs already. With real devices' requests and browsers' cookies; a browser would not send most of it.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "test code: it writes files, and a surprise must end it loudly"
)]

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use platform::clock;
use saml::binding::post;
use saml::binding::redirect::RedirectedRequest;
use saml::metadata::{Binding, SpMetadata};
use saml::name::{Attribute, MessageId};
use saml::request::{AuthnRequest, RequestExpectations, ServiceAlgorithms};
use saml::response::{Assertion, Response};
use saml::time::UtcTime;
use serde_json::Value;
use tempfile::TempDir;
use tests::authenticator::{Authenticator, PRESENT};
use tests::device::{Device, code};
use tests::https::{HttpAnswer, Https};
use tests::own_idp::OwnIdp;
use tests::own_service::{OwnService, SERVICE};
use tests::pages::{PageAnswer, Pages};
use tests::portal::{Portal, free_port};
use tests::program::Program;

const OWN_SESSION: &str = "__Host-countersign-me";
const ALICE: &str = "alice@example.test";

fn now() -> UtcTime {
    UtcTime::from_unix_millis(clock::unix_millis())
}

/// A portal with a service, an identity provider `Partner` that people may prove themselves at, and a token for devices.
struct House {
    _dir: TempDir,
    portal: Portal,
    https: Https,
    token: String,
    idp: OwnIdp,
    service: OwnService,
    own_page: String,
    _serving: Program,
}

fn house() -> House {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let mut portal = Portal::create(dir.path());
    portal.sign_on_ports = free_port().to_string();
    let serving = portal.serve();
    let (idp, service) = (OwnIdp::new("idp.partner.test"), OwnService::new());
    service.register_at(&portal, dir.path());
    let metadata = dir.path().join("idp.xml");
    std::fs::write(&metadata, idp.metadata(Binding::Redirect)).expect("the file can be written");
    let metadata = metadata.to_str().expect("text");
    // It answers for another domain than the people's who prove themselves there.
    portal.ok(&["domain", "add", "partner.test", "--tenant", "acme"]);
    let mapped = ["--domain", "partner.test", "--status", "on", "--tenant", "acme"];
    portal.ok(&[&["idp", "add", "Partner", "--metadata", metadata], mapped.as_slice()].concat());
    portal.ok(&["idp", "activate", "--tenant", "acme"]);
    portal.ok(&["tenant", "set", "acme", "--prove-at", "Partner"]);
    let token = portal.token(&["--people", "proven"]);
    let tenants = portal.json(&["tenant", "list", "--json"]);
    let own_page = format!("{}/me/{}", portal.url(), tenants[0]["id"].as_str().expect("an id"));
    let https = Https::trusting(&portal.authority.ca);
    House { _dir: dir, portal, https, token, idp, service, own_page, _serving: serving }
}

/// Somebody's computer.
struct Machine {
    device: Device,
    user: &'static str,
    sequence: Cell<u64>,
}

impl House {
    fn pages(&self) -> Pages {
        Pages::of(&self.portal.url(), &self.portal.authority.ca)
    }

    /// A new computer of `user`'s, enrolled by `token`: how that ended.
    fn enrolled(&self, user: &'static str, token: &str) -> (Machine, String) {
        let machine = Machine { device: Device::new(), user, sequence: Cell::new(0) };
        let request = machine.device.enrolling(machine.request(self), token);
        let answer = machine.device.send(&self.https, &self.portal, &request);
        (machine, code(&answer))
    }

    fn machine(&self, user: &'static str) -> Machine {
        let (machine, result) = self.enrolled(user, &self.token);
        assert_eq!(result, "proof-needed", "it is registered, and signs nobody in");
        machine
    }

    /// The sign-on that the service begins in the browser of `pages`, which is sent on to its device.
    fn begun(&self, pages: &mut Pages) -> String {
        let query = self.service.query(&OwnService::request(&self.portal), None);
        let page = pages.get(&format!("{}/sso?{query}", self.portal.issuer_path()));
        assert_eq!(page.status, 303, "{}", page.body);
        self.sent_on(pages, &format!("{}&go=1", page.header("location")))
    }

    /// The sign-on with which the browser is sent on to its device by the address `way`.
    fn sent_on(&self, pages: &mut Pages, way: &str) -> String {
        let sent = pages.get(way);
        assert!(sent.header("location").starts_with("http://127.0.0.1:"), "{way}: {} {}", sent.status, sent.body);
        let (_, id) = way.split_once("transaction=").expect("an ID");
        id.split('&').next().expect("an ID").to_owned()
    }

    /// The question that `machine` leads to when its person opens the service in the browser of `pages`: its path.
    fn asked(&self, machine: &Machine, pages: &mut Pages) -> String {
        let transaction = self.begun(pages);
        assert_eq!(code(&machine.ends(self, &transaction, SERVICE)), "proof-needed");
        self.question(pages, &transaction)
    }

    fn question(&self, pages: &mut Pages, transaction: &str) -> String {
        let back = pages.get(&format!("/saml/sso/continue?transaction={transaction}"));
        let question = back.header("location").to_owned();
        assert!(question.starts_with("/prove/"), "{} {}", back.status, back.body);
        question
    }

    /// How `machine` ends the sign-on that the browser goes on with after `proved`.
    fn goes_on(&self, machine: &Machine, pages: &mut Pages, proved: &PageAnswer) -> String {
        assert_eq!(proved.status, 303, "{}", proved.body);
        let transaction = self.sent_on(pages, proved.header("location"));
        code(&machine.ends(self, &transaction, SERVICE))
    }

    /// Opening the service again takes no question.
    fn is_silent(&self, machine: &Machine, pages: &mut Pages) {
        let transaction = self.begun(pages);
        assert_eq!(code(&machine.ends(self, &transaction, SERVICE)), "success");
    }

    /// The browser leaves the question for `Partner`: the ID of the portal's request.
    fn left(&self, pages: &mut Pages, question: &str) -> MessageId {
        self.left_for(pages, question, &[("idp", "Partner")]).0
    }

    fn left_for(&self, pages: &mut Pages, question: &str, fields: &[(&str, &str)]) -> (MessageId, bool) {
        let left = pages.post(&format!("{question}/idp"), fields);
        assert_eq!(left.status, 303, "{}", left.body);
        let (address, query) = left.header("location").split_once('?').expect("a query");
        assert_eq!(address, "https://idp.partner.test/sso");
        let request = RedirectedRequest::parse(query).expect("a request");
        let expect =
            RequestExpectations { destinations: &[address], now: now(), max_age_seconds: 60, max_skew_seconds: 5 };
        let metadata = self.pages().get("/saml/sp").body;
        let metadata = SpMetadata::parse(metadata.as_bytes()).expect("metadata");
        let keys = metadata.signing_keys().expect("keys");
        let received = request.verify(&keys, ServiceAlgorithms::Current, &expect).expect("signed");
        let request = received.message.into_request();
        (request.id, request.force_authn)
    }

    /// What `Partner` says about `name` comes back in the browser.
    fn comes_back(&self, pages: &mut Pages, id: &MessageId, name: &str, change: fn(&mut Assertion)) -> PageAnswer {
        let mut response: Response = self.idp.response(&self.portal.url(), id, name);
        change(response.assertion.as_mut().expect("an assertion"));
        pages.post("/saml/acs", &[("SAMLResponse", &self.idp.field(&response))])
    }

    /// Somebody proves at `Partner` who they are, on `machine`.
    fn proves_at_partner(&self, machine: &Machine, pages: &mut Pages) {
        let question = self.asked(machine, pages);
        let id = self.left(pages, &question);
        let proved = self.comes_back(pages, &id, &machine.name(), |_| {});
        assert_eq!(self.goes_on(machine, pages, &proved), "success");
    }

    /// How it ends when somebody opens their own page in the browser of `pages` on `machine`.
    fn opens_own_page(&self, machine: &Machine, pages: &mut Pages) -> HttpAnswer {
        let way = pages.get("/me");
        assert_eq!(way.status, 303, "{}", way.body);
        let transaction = self.sent_on(pages, way.header("location"));
        machine.ends(self, &transaction, &self.own_page)
    }

    /// The browser of `pages` on `machine`, whose person has proved who they are, at their own page.
    fn own_page(&self, machine: &Machine, pages: &mut Pages) -> PageAnswer {
        let answer = self.opens_own_page(machine, pages);
        assert_eq!(code(&answer), "success", "{}", answer.body);
        let brought = pages.post("/me/acs", &[("SAMLResponse", &post::encode(response_of(&answer.body)))]);
        assert_eq!((brought.status, brought.header("location")), (303, "/me"), "{}", brought.body);
        let page = pages.get("/me");
        assert_eq!(page.status, 200, "{}", page.body);
        page
    }

    /// A computer of `user`'s on which they have proved who they are, and their own page there.
    fn at_home(&self, user: &'static str) -> (Machine, Pages) {
        let (machine, mut pages) = (self.machine(user), self.pages());
        self.proves_at_partner(&machine, &mut pages);
        self.own_page(&machine, &mut pages);
        (machine, pages)
    }

    /// Rows of the audit with this action: result, subject and detail, the oldest first.
    fn audited(&self, action: &str) -> Vec<(String, String, Value)> {
        let lines = self.portal.ok(&["audit", "list", "--json"]);
        let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let mut rows: Vec<_> = rows.filter(|row| row["action"] == action).collect();
        rows.sort_by_key(|row| row["seq"].as_i64());
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        rows.iter().map(|row| (text(row, "result"), text(row, "subject"), row["detail"].clone())).collect()
    }
}

impl Machine {
    fn name(&self) -> String {
        format!("{}@example.test", self.user)
    }

    fn request(&self, house: &House) -> AuthnRequest {
        self.sequence.set(self.sequence.get() + 1);
        let mut request = self.device.request(&house.portal, self.user, self.sequence.get());
        let statement = request.device.as_mut().expect("it has a device");
        statement.facts.push(Attribute {
            name: "urn:countersign:device:hostname".to_owned(),
            name_format: None,
            friendly_name: None,
            values: vec![format!("{}-pc", self.user)],
        });
        request
    }

    /// The device's answer to the browser that was sent to it.
    fn ends(&self, house: &House, transaction: &str, service: &str) -> HttpAnswer {
        let mut request = self.request(house);
        request.respond_to = Some(service.parse().expect("an entity ID"));
        request.transaction = Some(transaction.parse().expect("an ID"));
        self.device.send(&house.https, &house.portal, &request)
    }
}

/// The Response in an envelope.
fn response_of(envelope: &str) -> &str {
    let start = envelope.find("<samlp:Response").expect("a Response");
    let end = envelope.rfind("</samlp:Response>").expect("it ends") + "</samlp:Response>".len();
    &envelope[start..end]
}

fn is_over(answer: &PageAnswer) {
    assert!(answer.status == 410 && answer.body.contains("sign-on-over"), "{} {}", answer.status, answer.body);
}

/// What a page hands to the browser's authenticator.
fn options(page: &PageAnswer) -> Value {
    let (_, rest) = page.body.split_once("data-passkey=\"").unwrap_or_else(|| panic!("{}", page.body));
    serde_json::from_str(&rest.split('"').next().expect("a value").replace("&#34;", "\"")).expect("JSON")
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split(after).next().expect("a value")
}

#[test]
fn who_signs_in_at_the_other_identity_provider_is_known_on_this_device() {
    let house = house();
    let (machine, mut pages) = (house.machine("alice"), house.pages());
    let question = house.asked(&machine, &mut pages);
    let page = pages.get(&question);
    for told in ["Sign in with Partner", ALICE, "alice-pc (", SERVICE, "this computer itself", "90 days"] {
        assert!(page.body.contains(told), "{told}: {}", page.body);
    }
    assert!(!page.body.contains("passkey") && !page.body.contains("another device of yours</a>"), "{}", page.body);
    let id = house.left(&mut pages, &question);
    let proved = house.comes_back(&mut pages, &id, "Alice@Example.test", |_| {});
    assert_eq!(house.goes_on(&machine, &mut pages, &proved), "success");
    house.is_silent(&machine, &mut house.pages());
    let (result, subject, detail) = house.audited("user.prove").pop().expect("a row");
    assert_eq!((result.as_str(), subject.as_str(), &detail["method"]), ("ok", ALICE, &"idp:Partner".into()));
    let origins: Vec<_> = house.audited("sign-on").iter().map(|(_, _, detail)| detail["origin"].clone()).collect();
    assert_eq!(origins.last(), Some(&"idp:Partner".into()));
    // The question is over with that.
    is_over(&pages.get(&question));
    // On another device she is asked again, and her word to the first one is nothing there.
    house.asked(&house.machine("alice"), &mut house.pages());
}

#[test]
fn what_the_identity_provider_says_of_somebody_else_or_of_last_week_is_no_proof() {
    let house = house();
    let (machine, mut pages) = (house.machine("alice"), house.pages());
    let question = house.asked(&machine, &mut pages);
    let refused = |pages: &mut Pages, name: &str, change: fn(&mut Assertion), why: &str, told: &str| {
        let id = house.left(pages, &question);
        let back = house.comes_back(pages, &id, name, change);
        assert_eq!(back.header("location"), format!("{question}?problem={why}"), "{}", back.body);
        let page = pages.get(back.header("location"));
        assert!(page.status == 403 && page.body.contains(told) && page.body.contains(ALICE), "{}", page.body);
        assert!(page.body.contains("name=\"anew\""), "the next try signs in anew there: {}", page.body);
    };
    refused(&mut pages, "mallory@example.test", |_| {}, "other-name", "under another name than the one above");
    refused(&mut pages, "alice@partner.test", |_| {}, "other-name", "under another name");
    refused(&mut pages, "alice", |_| {}, "other-name", "under another name");
    let old: fn(&mut Assertion) = |said| said.authn_instant = said.authn_instant.plus_seconds(-12 * 3600);
    refused(&mut pages, ALICE, old, "too-old", "more than twelve hours ago");
    let weak: fn(&mut Assertion) = |said| said.authn_context = "urn:countersign:1.0:ac:classes:claimed".to_owned();
    refused(&mut pages, ALICE, weak, "too-weak", "only a device");
    assert!(house.left_for(&mut pages, &question, &[("idp", "Partner"), ("anew", "1")]).1, "it is asked anew there");
    // Another browser has neither the question nor the answer; an answer is good once.
    let id = house.left(&mut pages, &question);
    let mut stranger = house.pages();
    is_over(&stranger.get(&question));
    is_over(&stranger.post(&format!("{question}/idp"), &[("idp", "Partner")]));
    assert!(house.comes_back(&mut stranger, &id, ALICE, |_| {}).body.contains("sign-on-over"));
    let field = house.idp.field(&house.idp.response(&house.portal.url(), &id, ALICE));
    let proved = pages.post("/saml/acs", &[("SAMLResponse", &field)]);
    assert!(pages.post("/saml/acs", &[("SAMLResponse", &field)]).body.contains("replayed"));
    assert_eq!(house.goes_on(&machine, &mut pages, &proved), "success");
    let unlisted = house.asked(&house.machine("alice"), &mut pages);
    house.portal.ok(&["tenant", "set", "acme", "--prove-at", "none"]);
    let closed = pages.post(&format!("{unlisted}/idp"), &[("idp", "Partner")]);
    assert!(closed.status == 400 && closed.body.contains("idp-disabled"), "{}", closed.body);
    assert!(!pages.get(&unlisted).body.contains("Sign in with Partner"));
}

#[test]
fn a_question_that_another_device_has_asked_gives_that_device_nothing() {
    let house = house();
    let (own, mallorys) = (house.machine("alice"), house.machine("alice"));
    // Mallory's device claims to be Alice's, and the browser that proves it runs on Alice's own: a link has brought her there.
    let mut pages = house.pages();
    let question = house.asked(&mallorys, &mut pages);
    let id = house.left(&mut pages, &question);
    let proved = house.comes_back(&mut pages, &id, ALICE, |_| {});
    let transaction = house.sent_on(&mut pages, proved.header("location"));
    // The loopback address is her own device's.
    assert_eq!(code(&own.ends(&house, &transaction, SERVICE)), "proof-needed");
    assert_eq!(code(&mallorys.ends(&house, &transaction, SERVICE)), "replayed");
    let begun = house.begun(&mut house.pages());
    assert_eq!(code(&mallorys.ends(&house, &begun, SERVICE)), "proof-needed");
}

#[test]
fn nobody_comes_to_their_own_page_by_a_devices_word() {
    let house = house();
    let token = house.portal.token(&["--people", "any"]);
    let (machine, enrolled) = house.enrolled("alice", &token);
    assert_eq!(enrolled, "success", "her device's word is enough for services");
    let mut pages = house.pages();
    house.is_silent(&machine, &mut pages);
    assert_eq!(code(&house.opens_own_page(&machine, &mut pages)), "proof-needed");
    // Nor by the Response to a service, or another browser's.
    let transaction = house.begun(&mut pages);
    let answer = machine.ends(&house, &transaction, SERVICE);
    let brought = pages.post("/me/acs", &[("SAMLResponse", &post::encode(response_of(&answer.body)))]);
    assert!(brought.body.contains("sign-on-over"), "{}", brought.body);
    let (bobs, _) = house.at_home("bob");
    let mut browser = house.pages();
    let answer = house.opens_own_page(&bobs, &mut browser);
    let field = post::encode(response_of(&answer.body));
    let mut stranger = house.pages();
    assert!(stranger.post("/me/acs", &[("SAMLResponse", &field)]).body.contains("sign-on-over"));
    let before = browser.cookies.clone();
    assert_eq!(browser.post("/me/acs", &[("SAMLResponse", &field)]).status, 303);
    browser.cookies = before;
    assert!(browser.post("/me/acs", &[("SAMLResponse", &field)]).body.contains("replayed"));
    let services = house.portal.ok(&["service", "list", "--json"]);
    assert!(!services.contains("/me/"), "the page is in no list: {services}");
}

#[test]
fn a_device_that_nobody_has_proved_on_is_asked_on_the_way_to_the_own_page() {
    let house = house();
    let (machine, mut pages) = (house.machine("alice"), house.pages());
    let way = pages.get("/me").header("location").to_owned();
    let transaction = house.sent_on(&mut pages, &way);
    assert_eq!(code(&machine.ends(&house, &transaction, &house.own_page)), "proof-needed");
    let question = house.question(&mut pages, &transaction);
    assert!(pages.get(&question).body.contains("<dd>your own page</dd>"));
    let id = house.left(&mut pages, &question);
    let proved = house.comes_back(&mut pages, &id, ALICE, |_| {});
    let transaction = house.sent_on(&mut pages, proved.header("location"));
    let answer = machine.ends(&house, &transaction, &house.own_page);
    assert_eq!(code(&answer), "success");
    assert_eq!(pages.post("/me/acs", &[("SAMLResponse", &post::encode(response_of(&answer.body)))]).status, 303);
    let page = pages.get("/me").body;
    for told in [ALICE, "signing in with Partner", ">proved<", "alice-pc", "this device"] {
        assert!(page.contains(told), "{told}: {page}");
    }
}

/// Registers a passkey on the own page.
fn register(pages: &mut Pages, authenticator: &mut Authenticator) -> PageAnswer {
    let token = pages.get("/me").form_token();
    let asked = options(&pages.post("/me/passkeys", &[("form_token", &token), ("name", "phone")]));
    let handle = asked["user"]["id"].as_str().expect("text");
    authenticator.user_handle = URL_SAFE_NO_PAD.decode(handle).expect("base64url");
    let made = authenticator.created(asked["challenge"].as_str().expect("text"));
    let own = [("form_token", token), ("name", "phone".to_owned())];
    post_all(pages, "/me/passkeys/new", &[&own[..], &made].concat())
}

fn post_all(pages: &mut Pages, path: &str, fields: &[(&'static str, String)]) -> PageAnswer {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    pages.post(path, &fields)
}

#[test]
fn a_passkey_of_the_persons_own_proves_who_they_are() {
    let house = house();
    let (_, mut home) = house.at_home("alice");
    let (mut phone, mut bobs_key) = (Authenticator::of(&house.portal.url()), Authenticator::of(&house.portal.url()));
    let added = register(&mut home, &mut phone);
    assert_eq!(added.header("location"), "/me?notice=passkey-added", "{}", added.body);
    let again = register(&mut home, &mut phone);
    assert!(again.status == 422 && again.body.contains("registered already"), "{}", again.body);
    let (_, mut bobs_home) = house.at_home("bob");
    assert_eq!(register(&mut bobs_home, &mut bobs_key).status, 303);

    let (machine, mut pages) = (house.machine("alice"), house.pages());
    let question = house.asked(&machine, &mut pages);
    assert!(pages.get(&question).body.contains("Use my passkey"));
    let mut challenge = || {
        let asked = options(&pages.post(&format!("{question}/passkey"), &[]));
        asked["challenge"].as_str().expect("text").to_owned()
    };
    let (first, second) = (challenge(), challenge());
    let answer = |pages: &mut Pages, fields: &[(&'static str, String)]| {
        post_all(pages, &format!("{question}/passkey/answer"), fields)
    };
    let mut refused = |fields: &[(&'static str, String)], why: &str| {
        let told = answer(&mut pages, fields);
        assert!(told.status == 403 && told.body.contains("not one of yours"), "{}", told.body);
        let why_not = house.audited("user.prove").pop().expect("a row").2["why"].clone();
        assert!(why_not.as_str().expect("text").contains(why), "{why_not}");
    };
    phone.count += 1;
    refused(&bobs_key.used(&first), "another person");
    refused(&phone.used("bm9ib2R5IGdhdmUgdGhpcyBvdXQ"), "another challenge");
    phone.flags = PRESENT;
    refused(&phone.used(&second), "did not verify");
    phone.flags = Authenticator::of("").flags;
    // The challenge of one question is none of another's, nor of another browser's.
    let third =
        options(&pages.post(&format!("{question}/passkey"), &[]))["challenge"].as_str().expect("text").to_owned();
    is_over(&answer(&mut house.pages(), &phone.used(&third)));
    let good = phone.used(&third);
    let proved = answer(&mut pages, &good);
    assert_eq!(house.goes_on(&machine, &mut pages, &proved), "success");
    is_over(&answer(&mut pages, &good));
    house.is_silent(&machine, &mut pages);
    // What was removed proves nothing.
    let page = home.get("/me");
    let id = between(&page.body, "/me/passkeys/", "/remove").to_owned();
    assert!(home.get(&format!("/me/passkeys/{id}/remove")).body.contains("Remove phone?"));
    let remove = |pages: &mut Pages| {
        let token = pages.get("/me").form_token();
        pages.post("/me/passkeys/remove", &[("form_token", &token), ("passkey", &id)])
    };
    assert_eq!(remove(&mut bobs_home).header("location"), "/me", "it is not his");
    assert_eq!(remove(&mut home).header("location"), "/me?notice=passkey-removed");
    let mut pages = house.pages();
    let question = house.asked(&house.machine("alice"), &mut pages);
    assert!(!pages.get(&question).body.contains("Use my passkey"));
}

#[test]
fn a_code_of_the_own_page_is_good_once_for_its_person() {
    let house = house();
    let (_, mut home) = house.at_home("alice");
    assert_eq!(home.post("/me/code", &[("form_token", "x")]).status, 403, "not without the form's token");
    let token = home.get("/me").form_token();
    let page = home.post("/me/code", &[("form_token", &token)]);
    assert!(page.body.contains("Never read it to anybody"), "{}", page.body);
    let code = between(&page.body, "<code>", "</code>").to_owned();
    let (bobs, mut bobs_pages) = (house.machine("bob"), house.pages());
    let question = house.asked(&bobs, &mut bobs_pages);
    assert_eq!(bobs_pages.post(&format!("{question}/code"), &[("code", &code)]).status, 403, "it is Alice's");
    let (machine, mut pages) = (house.machine("alice"), house.pages());
    let question = house.asked(&machine, &mut pages);
    let proved = pages.post(&format!("{question}/code"), &[("code", &code)]);
    assert_eq!(house.goes_on(&machine, &mut pages, &proved), "success");
    house.is_silent(&machine, &mut pages);
    let (another, mut pages) = (house.machine("alice"), house.pages());
    let question = house.asked(&another, &mut pages);
    assert_eq!(pages.post(&format!("{question}/code"), &[("code", &code)]).status, 403, "it was used");
    assert_eq!(house.audited("user.code").len(), 1);
}

/// The words that the page on the asking device shows.
fn words(pages: &mut Pages, question: &str) -> String {
    let page = pages.get(&format!("{question}/approval"));
    assert!(page.body.contains("http-equiv=\"refresh\" content=\"3\""), "{}", page.body);
    between(&page.body, "<p class=\"words\"><strong>", "</strong>").to_owned()
}

/// The id of the question that the own page shows, and the words to pick from.
fn shown(page: &PageAnswer) -> (String, Vec<String>) {
    let id = between(&page.body, "/me/approve/", "\"").to_owned();
    let choices = between(&page.body, "<div class=\"choices\">", "</div>");
    (id, choices.split("value=\"").skip(1).map(|one| one.split('"').next().expect("a value").to_owned()).collect())
}

fn pick(pages: &mut Pages, id: &str, words: &str) -> String {
    let token = pages.get("/me").form_token();
    let answer = pages.post(&format!("/me/approve/{id}"), &[("form_token", &token), ("words", words)]);
    answer.header("location").to_owned()
}

#[test]
fn approval_on_another_device_takes_the_words_that_this_one_shows() {
    let house = house();
    let (first, mut home) = house.at_home("alice");
    let (machine, mut pages) = (house.machine("alice"), house.pages());
    let question = house.asked(&machine, &mut pages);
    assert!(pages.get(&question).body.contains("Approve on another device of yours"));
    let right = words(&mut pages, &question);
    let page = home.get("/me");
    for told in ["Is it you on another device?", "alice-pc (", SERVICE, "It is not me"] {
        assert!(page.body.contains(told), "{told}: {}", page.body);
    }
    let (id, choices) = shown(&page);
    assert_eq!(choices.len(), 3);
    assert!(choices.contains(&right), "{choices:?}");
    assert_eq!(shown(&home.get("/me")).1, choices, "the decoys stay, so that looking twice tells nothing");
    // Somebody else's page has neither the question nor a say in it; a page of the asking device's neither.
    let (_, mut bobs) = house.at_home("bob");
    assert!(!bobs.get("/me").body.contains("/me/approve/"));
    assert_eq!(pick(&mut bobs, &id, &right), "/me?notice=over");
    assert_eq!(pages.get(&format!("{question}/approval")).status, 200, "it still waits");
    assert_eq!(pick(&mut home, &id, &right), "/me?notice=approved");
    let proved = pages.get(&format!("{question}/approval"));
    assert_eq!(house.goes_on(&machine, &mut pages, &proved), "success");
    house.is_silent(&machine, &mut pages);
    assert_eq!(pick(&mut home, &id, &right), "/me?notice=over");
    let (result, subject, detail) = house.audited("user.approve").pop().expect("a row");
    assert_eq!((result.as_str(), subject.as_str(), &detail["by"]), ("ok", ALICE, &first.device.id.as_str().into()));

    // Other words end it, and so does saying no.
    for (picks_decoy, result) in [(true, "other-words"), (false, "not-mine")] {
        let (machine, mut pages) = (house.machine("alice"), house.pages());
        let question = house.asked(&machine, &mut pages);
        let right = words(&mut pages, &question);
        let (id, choices) = shown(&home.get("/me"));
        let decoy = choices.iter().find(|choice| **choice != right).filter(|_| picks_decoy);
        assert_eq!(pick(&mut home, &id, decoy.map_or("", String::as_str)), "/me?notice=ended");
        assert_eq!(pick(&mut home, &id, &right), "/me?notice=over", "nobody guesses twice");
        is_over(&pages.get(&format!("{question}/approval")));
        is_over(&pages.get(&question));
        assert_eq!(house.audited("user.approve").pop().expect("a row").0, result);
    }
}

#[test]
fn an_administrator_who_asks_again_takes_proofs_passkeys_and_the_own_page() {
    let house = house();
    let (machine, mut home) = house.at_home("alice");
    assert_eq!(register(&mut home, &mut Authenticator::of(&house.portal.url())).status, 303);
    house.portal.ok(&["user", "ask-again", ALICE]);
    assert_eq!(home.get("/me").status, 303, "its session has ended");
    let question = house.asked(&machine, &mut home);
    assert!(!home.get(&question).body.contains("Use my passkey"));
    // Nor does she lose anything by being forgotten for good.
    house.portal.ok(&["user", "delete", ALICE]);
}

#[test]
fn who_signs_a_device_out_is_asked_there_again() {
    let house = house();
    let (machine, mut home) = house.at_home("alice");
    let (other, mut pages) = (house.machine("alice"), house.pages());
    house.proves_at_partner(&other, &mut pages);
    house.own_page(&other, &mut pages);
    let ask = format!("/me/devices/sign-out?device={}", other.device.id);
    assert!(home.get(&ask).body.contains("Sign out of alice-pc?"));
    let sign_out = |pages: &mut Pages, machine: &Machine| {
        let token = pages.get("/me").form_token();
        let fields = [("form_token", token.as_str()), ("device", machine.device.id.as_str())];
        pages.post("/me/devices/sign-out", &fields).header("location").to_owned()
    };
    let (_, mut bobs) = house.at_home("bob");
    assert_eq!(sign_out(&mut bobs, &other), "/me", "it is not his");
    house.is_silent(&other, &mut pages);
    assert_eq!(sign_out(&mut home, &other), "/me?notice=signed-out");
    assert_eq!(pages.get("/me").status, 303, "the page's session there has ended, too");
    house.asked(&other, &mut pages);
    house.is_silent(&machine, &mut home);
    // This device: its own session goes with it.
    assert_eq!(sign_out(&mut home, &machine), "/");
    assert!(home.cookie(OWN_SESSION).is_some() && home.get("/me").status == 303);
    // An administrator's removal ends it as well.
    let (machine, mut pages) = house.at_home("bob");
    house.portal.ok(&["device", "remove", machine.device.id.as_str()]);
    assert_eq!(pages.get("/me").status, 303);
    assert_eq!(house.audited("user.device-sign-out").len(), 2);
}
