//! Administrators who sign in by an identity provider: the way in, and every way to abuse it. Without a browser, because a browser would not send most
//! of it; with one, a real identity provider and a real device: `browser_admin`.
#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "test code: it writes files, and a surprise must end it loudly"
)]

use platform::clock;
use saml::binding::post;
use saml::binding::redirect::RedirectedRequest;
use saml::metadata::{Binding, SpMetadata};
use saml::name::{EntityId, MessageId, NameIdFormat};
use saml::request::{AuthnRequest, RequestExpectations, ServiceAlgorithms};
use saml::response::{Assertion, Response};
use saml::time::UtcTime;
use serde_json::Value;
use tempfile::TempDir;
use tests::device::{Device, code};
use tests::https::Https;
use tests::own_idp::OwnIdp;
use tests::pages::{PageAnswer, Pages};
use tests::portal::{Portal, free_port};
use tests::program::Program;

const PASSWORD: &str = "correct horse battery";
const SESSION: &str = "__Host-countersign";

struct House {
    dir: TempDir,
    portal: Portal,
    _serving: Program,
}

fn now() -> UtcTime {
    UtcTime::from_unix_millis(clock::unix_millis())
}

fn entity_id(text: &str) -> EntityId {
    text.parse().expect("an entity ID")
}

fn house() -> House {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let mut portal = Portal::create(dir.path());
    portal.sign_on_ports = free_port().to_string();
    let serving = portal.serve();
    House { dir, portal, _serving: serving }
}

impl House {
    fn pages(&self) -> Pages {
        Pages::of(&self.portal.url(), &self.portal.authority.ca)
    }

    /// Makes an account with a password.
    fn account(&self, arguments: &[&str]) {
        let path = self.dir.path().join("password");
        std::fs::write(&path, PASSWORD).expect("the file can be written");
        let file = path.to_str().expect("text");
        self.portal.ok(&[&["admin", "create"], arguments, &["--password-file", file]].concat());
    }

    /// Records `idp` as `name`, for the accounts of `tenant` or of the whole cloud.
    fn record(&self, idp: &OwnIdp, name: &str, tenant: &[&str]) {
        let path = self.dir.path().join("idp.xml");
        std::fs::write(&path, idp.metadata(Binding::Redirect)).expect("the file can be written");
        let file = path.to_str().expect("text");
        self.portal.ok(&[&["admin", "idp", "add", name, "--metadata", file], tenant].concat());
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.portal.command(arguments).output().expect("the portal can be started");
        assert!(!output.status.success(), "{arguments:?} was done");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn link(&self, account: &str, idp: &str, subject: &str) {
        self.portal.ok(&["admin", "link", account, "--idp", idp, "--as", subject]);
    }

    /// The address behind the sign-in page's button for `name`.
    fn button(&self, pages: &mut Pages, name: &str) -> String {
        let ids = self.portal.json(&["admin", "idp", "list", "--json"]);
        let row = ids.as_array().expect("a list").iter().find(|row| row["name"] == name).expect("it is recorded");
        let path = format!("/admin/sign-in/with/{}", row["id"].as_str().expect("an id"));
        let page = pages.get("/admin/sign-in").body;
        assert!(page.contains(&path), "the page offers it: {page}");
        path
    }

    /// A browser that was sent to the identity provider `name`: the ID of the pages' request, whose signature has to be good.
    fn sent(&self, pages: &mut Pages, name: &str, next: &str) -> MessageId {
        let button = self.button(pages, name);
        let answer = pages.get(&format!("{button}?next={next}"));
        self.asked(&answer).id
    }

    fn asked(&self, answer: &PageAnswer) -> AuthnRequest {
        assert_eq!(answer.status, 303, "{}", answer.body);
        let (address, query) = answer.header("location").split_once('?').expect("a query");
        let metadata = self.pages().get("/saml/admin").body;
        let pages = SpMetadata::parse(metadata.as_bytes()).expect("metadata");
        assert!(pages.authn_requests_signed && pages.want_assertions_signed);
        let printed = self.portal.ok(&["admin", "idp", "service-provider", "--public-url", &self.portal.url()]);
        assert_eq!(printed.trim_end(), metadata, "the command line says the same");
        let expect =
            RequestExpectations { destinations: &[address], now: now(), max_age_seconds: 60, max_skew_seconds: 5 };
        let keys = pages.signing_keys().expect("keys");
        let request = RedirectedRequest::parse(query).expect("a request");
        let received = request.verify(&keys, ServiceAlgorithms::Current, &expect).expect("a good signature");
        let request = received.message.into_request();
        assert_eq!(request.issuer, pages.entity_id);
        assert!(request.force_authn, "who administers proves anew who they are");
        request
    }

    /// The Response to the pages' request `id` that signs `name` in, as it should be.
    fn response(&self, idp: &OwnIdp, id: &MessageId, name: &str) -> Response {
        let url = self.portal.url();
        let mut response = idp.response(&url, id, name);
        response.destination = Some(format!("{url}/saml/admin/acs"));
        let theirs = assertion(&mut response);
        theirs.recipient = format!("{url}/saml/admin/acs");
        theirs.audience = entity_id(&format!("{url}/saml/admin"));
        response
    }

    fn answer(&self, pages: &mut Pages, field: &str) -> PageAnswer {
        pages.post("/saml/admin/acs", &[("SAMLResponse", field)])
    }

    /// Somebody of that name comes from the identity provider `of`: how it ends.
    fn comes(&self, idp: &OwnIdp, of: &str, name: &str) -> String {
        let mut pages = self.pages();
        let id = self.sent(&mut pages, of, "");
        let answer = self.answer(&mut pages, &idp.field(&self.response(idp, &id, name)));
        outcome(&answer)
    }

    /// The browser of `pages` goes to `device`, which ends the sign-on for `user`: what the portal has it post.
    fn ends_at(&self, device: &Device, (user, sequence): (&str, u64), pages: &mut Pages) -> String {
        let button = self.button(pages, "Devices");
        let way = pages.get(&button).header("location").to_owned();
        assert!(way.starts_with("/saml/sso/continue?transaction="), "{way}");
        assert_eq!(pages.get(&way).status, 303);
        let mut request = device.request(&self.portal, user, sequence);
        let id = button.rsplit('/').next().expect("an id");
        request.respond_to = Some(entity_id(&format!("{}/saml/admin/{id}", self.portal.url())));
        let (_, id) = way.split_once("transaction=").expect("an ID");
        request.transaction = Some(id.split('&').next().expect("an ID").parse().expect("an ID"));
        let answer = device.send(&Https::trusting(&self.portal.authority.ca), &self.portal, &request);
        assert_eq!(code(&answer), "success", "{}", answer.body);
        post::encode(response_of(&answer.body))
    }

    /// Rows of the audit about signing administrators in: result, who, whom.
    fn audited(&self) -> Vec<[String; 3]> {
        let lines = self.portal.ok(&["audit", "list", "--json"]);
        let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let mut rows: Vec<_> = rows.filter(|row| row["action"] == "account.sign-in").collect();
        rows.sort_by_key(|row| row["seq"].as_i64());
        rows.iter()
            .map(|row| ["result", "actor", "subject"].map(|name| row[name].as_str().unwrap_or_default().to_owned()))
            .collect()
    }
}

fn assertion(response: &mut Response) -> &mut Assertion {
    response.assertion.as_mut().expect("an assertion")
}

/// The code on the page, or `in`.
fn outcome(answer: &PageAnswer) -> String {
    if answer.status == 303 {
        assert!(answer.header("location").starts_with("/admin"), "{}", answer.header("location"));
        return "in".to_owned();
    }
    assert_eq!(answer.status, 403, "{}", answer.body);
    let (_, alert) = answer.body.split_once("role=\"alert\"><p>").expect("the page says why");
    let text = alert.split("</p>").next().expect("it ends");
    text.rsplit_once("(").expect("a code").1.trim_end_matches(')').to_owned()
}

#[test]
fn who_is_linked_gets_in_and_nobody_else() {
    let (house, idp) = (house(), OwnIdp::new("idp.example"));
    house.account(&["ada"]);
    house.record(&idp, "Company", &[]);
    house.link("ada", "Company", "Ada@Example.test");
    let mut pages = house.pages();
    pages.sign_in("ada", PASSWORD);
    let before = pages.cookie(SESSION).expect("a session");
    let id = house.sent(&mut pages, "Company", "/admin/tenants");
    let field = idp.field(&house.response(&idp, &id, "ADA@example.TEST"));
    let answer = house.answer(&mut pages, &field);
    assert_eq!((answer.status, answer.header("location")), (303, "/admin/tenants"), "{}", answer.body);
    assert!(answer.header("set-cookie").contains("SameSite=Lax"), "{}", answer.header("set-cookie"));
    assert!(pages.get("/admin/account").body.contains("<dd>ada</dd>"));
    assert_ne!(pages.cookie(SESSION).expect("a session"), before, "a new session");
    let mut old = house.pages();
    old.cookies.push((SESSION.to_owned(), before));
    assert_eq!(old.get("/admin/account").status, 303, "the browser's earlier session has ended");
    assert_eq!(house.audited().last(), Some(&["ok", "identity provider Company", "ada"].map(str::to_owned)));

    assert_eq!(house.comes(&idp, "Company", "mallory@example.test"), "user-not-provisioned");
    let wanted = ["user-not-provisioned", "identity provider Company", "mallory@example.test"];
    assert_eq!(house.audited().last(), Some(&wanted.map(str::to_owned)));
    assert!(!house.portal.ok(&["admin", "list"]).contains("mallory"), "an assertion makes no account");
    // The password is the way back in when the identity provider fails.
    assert_eq!(house.pages().sign_in("ada", PASSWORD).status, 303);
    // Whoever shuts an account out by wrong passwords does not shut this way.
    (0..6).for_each(|_| drop(house.pages().sign_in("ada", "wrong")));
    assert_eq!(house.comes(&idp, "Company", "ada@example.test"), "in");
    let page = house.pages().get("/admin/sign-in").body;
    assert!(page.contains("Sign in with Company"), "{page}");
    assert_eq!(outcome(&house.pages().get("/admin/sign-in/with/none")), "idp-disabled");
}

/// What is changed in a Response that would be good.
type Change = fn(&mut Response);

#[test]
fn an_answer_that_is_not_the_awaited_one_is_refused() {
    let (house, idp) = (house(), OwnIdp::new("idp.example"));
    house.account(&["ada"]);
    house.record(&idp, "Company", &[]);
    house.link("ada", "Company", "ada@example.test");
    let changes: [(&str, Change); 9] = [
        // What it says for services is nothing here.
        ("malformed", |response| {
            let own = assertion(response).audience.as_str().replace("/saml/admin", "/saml/sp");
            assertion(response).audience = entity_id(&own);
        }),
        ("malformed", |response| {
            let services = assertion(response).recipient.replace("/saml/admin/acs", "/saml/acs");
            assertion(response).recipient = services;
        }),
        ("malformed", |response| assertion(response).in_response_to = None),
        ("clock-skew", |response| assertion(response).not_on_or_after = now().plus_seconds(-91)),
        ("clock-skew", |response| assertion(response).not_before = now().plus_seconds(120)),
        ("idp-refused", |response| assertion(response).authn_instant = now().plus_seconds(-600)),
        ("idp-name", |response| assertion(response).subject.format = NameIdFormat::Transient),
        ("idp-name", |response| assertion(response).subject.format = NameIdFormat::Persistent),
        ("sign-on-loop", |response| {
            let pages = assertion(response).audience.clone();
            assertion(response).authenticating_authorities = vec![pages];
        }),
    ];
    for (wanted, change) in changes {
        let mut pages = house.pages();
        let id = house.sent(&mut pages, "Company", "");
        let mut response = house.response(&idp, &id, "ada@example.test");
        change(&mut response);
        let answer = house.answer(&mut pages, &idp.field(&response));
        assert_eq!(outcome(&answer), wanted, "{}", answer.body);
        assert_eq!(house.audited().last().expect("a row")[0], wanted);
        assert!(pages.cookie(SESSION).is_none());
    }
}

#[test]
fn an_answer_counts_once_in_the_browser_that_left_and_if_the_recorded_key_has_signed_it() {
    let (house, idp) = (house(), OwnIdp::new("idp.example"));
    house.account(&["ada"]);
    house.record(&idp, "Company", &[]);
    house.link("ada", "Company", "ada@example.test");
    // A key that is not the recorded one, and no key.
    let mut pages = house.pages();
    let id = house.sent(&mut pages, "Company", "");
    let good = house.response(&idp, &id, "ada@example.test");
    let other = OwnIdp::new("idp.example");
    assert_eq!(outcome(&house.answer(&mut pages, &other.field(&good))), "bad-signature");
    let signed = idp.sign(&good).replace("ada@", "eve@");
    assert_eq!(outcome(&house.answer(&mut pages, &post::encode(&signed))), "bad-signature");
    let unsigned = without_signatures(&idp.sign(&good));
    assert_eq!(outcome(&house.answer(&mut pages, &post::encode(&unsigned))), "bad-signature");
    // In another browser, though it was begun there too; then in its own, once.
    let field = idp.field(&good);
    let mut victim = house.pages();
    assert_eq!(outcome(&house.answer(&mut victim, &field)), "sign-on-over");
    house.sent(&mut victim, "Company", "");
    assert_eq!(outcome(&house.answer(&mut victim, &field)), "sign-on-over");
    let cookies = pages.cookies.clone();
    assert_eq!(outcome(&house.answer(&mut pages, &field)), "in");
    let mut again = house.pages();
    again.cookies = cookies;
    assert_eq!(outcome(&house.answer(&mut again, &field)), "replayed");
    // Unsolicited, and to a request that was never made.
    let mut response = house.response(&idp, &id, "ada@example.test");
    response.in_response_to = None;
    assertion(&mut response).in_response_to = None;
    assert_eq!(outcome(&house.answer(&mut house.pages(), &idp.field(&response))), "response-unsolicited");
    let never = MessageId::from_random(platform::random::bytes());
    let response = house.response(&idp, &never, "ada@example.test");
    assert_eq!(outcome(&house.answer(&mut house.pages(), &idp.field(&response))), "sign-on-over");
    // To another site it sends nobody, whatever the address says.
    let mut pages = house.pages();
    let id = house.sent(&mut pages, "Company", "https://evil.example/");
    let answer = house.answer(&mut pages, &idp.field(&house.response(&idp, &id, "ada@example.test")));
    assert_eq!(answer.header("location"), "/admin");
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
fn an_identity_provider_of_a_tenant_is_nobody_beyond_that_tenant() {
    let (house, cloud, partner) = (house(), OwnIdp::new("cloud.example"), OwnIdp::new("partner.example"));
    house.portal.ok(&["tenant", "create", "other"]);
    house.account(&["ada"]);
    house.account(&["carl", "--tenant", "acme"]);
    house.account(&["olga", "--tenant", "other"]);
    house.record(&cloud, "Cloud", &[]);
    house.record(&partner, "Partner", &["--tenant", "other"]);
    for account in ["ada", "carl"] {
        let told = house.refused(&["admin", "link", account, "--idp", "Partner", "--as", "ada@example.test"]);
        assert!(told.contains("identity provider for this account"), "{told}");
    }
    house.link("ada", "Cloud", "ada@example.test");
    house.link("olga", "Partner", "olga@example.test");
    let told = house.refused(&["admin", "link", "carl", "--idp", "Cloud", "--as", "ada@example.test"]);
    assert!(told.contains("still free"), "two accounts of one name are none: {told}");
    // Whoever runs the partner's can say any name: it is an account of the tenant's, or nobody.
    let mut pages = house.pages();
    let offered = pages.get("/admin/sign-in").body;
    assert!(offered.contains("Sign in with Cloud") && !offered.contains("Partner"), "{offered}");
    assert!(pages.get("/admin/sign-in?tenant=other").body.contains("Sign in with Partner"));
    let ids = house.portal.json(&["admin", "idp", "list", "--json"]);
    let partners = ids.as_array().expect("a list").iter().find(|row| row["name"] == "Partner").expect("it is there");
    let way = format!("/admin/sign-in/with/{}", partners["id"].as_str().expect("an id"));
    let says = |name: &str| {
        let mut pages = house.pages();
        let id = house.asked(&pages.get(&way)).id;
        let answer = house.answer(&mut pages, &partner.field(&house.response(&partner, &id, name)));
        (outcome(&answer), pages)
    };
    for name in ["ada@example.test", "ada", "carl"] {
        assert_eq!(says(name).0, "user-not-provisioned", "{name}");
    }
    let (outcome, mut olga) = says("olga@example.test");
    assert_eq!(outcome, "in");
    assert_eq!(olga.get("/admin/t/acme").status, 404, "her reach is the other tenant");
    assert_eq!(olga.get("/admin/t/other").status, 200);
    // The cloud's may speak for a tenant's account, which does not reach further by that.
    house.link("carl", "Cloud", "carl@example.test");
    let mut pages = house.pages();
    let id = house.sent(&mut pages, "Cloud", "");
    let answer = house.answer(&mut pages, &cloud.field(&house.response(&cloud, &id, "carl@example.test")));
    assert_eq!(answer.status, 303);
    assert_eq!(pages.get("/admin/t/other").status, 404);
}

#[test]
fn an_owner_of_one_tenant_records_and_links_for_that_tenant_alone() {
    let (house, cloud) = (house(), OwnIdp::new("cloud.example"));
    house.portal.ok(&["tenant", "create", "other"]);
    house.account(&["ada"]);
    house.account(&["olga", "--tenant", "other"]);
    house.record(&cloud, "Cloud", &[]);
    let mut olga = house.pages();
    assert_eq!(olga.sign_in("olga", PASSWORD).status, 303);
    // She sees the cloud's, and removes nothing of it.
    let page = olga.get("/admin/administrator-idps");
    assert!(page.body.contains("Cloud") && !page.body.contains("administrator-idps/Cloud/remove"), "{}", page.body);
    let token = page.form_token();
    assert_eq!(olga.post("/admin/administrator-idps/Cloud/remove", &[("form_token", &token)]).status, 404);
    let metadata = OwnIdp::new("third.example").metadata(Binding::Redirect);
    let form = [("form_token", token.as_str()), ("kind", "external"), ("name", "Third"), ("metadata", &metadata)];
    assert_eq!(olga.post("/admin/administrator-idps", &form).status, 303);
    assert!(
        house
            .portal
            .ok(&["admin", "idp", "list"])
            .lines()
            .any(|line| line.contains("Third") && line.contains("one tenant"))
    );
    let devices = [
        ("form_token", token.as_str()),
        ("kind", "devices"),
        ("name", "D"),
        ("devices_of", "acme"),
        ("minimum_evidence", "claimed"),
    ];
    assert_eq!(olga.post("/admin/administrator-idps", &devices).status, 422, "not another tenant's devices");
    assert_eq!(
        olga.post("/admin/administrators/ada/link", &[("form_token", &token), ("idp", "Third"), ("subject", "x")])
            .status,
        404
    );
}

#[test]
fn who_is_disabled_or_unlinked_is_out_at_once_and_roles_hold() {
    let (house, idp) = (house(), OwnIdp::new("idp.example"));
    house.account(&["ada"]);
    house.account(&["sam", "--role", "support"]);
    house.record(&idp, "Company", &[]);
    let signed_in = || {
        house.link("sam", "Company", "sam@example.test");
        let mut pages = house.pages();
        let id = house.sent(&mut pages, "Company", "");
        let answer = house.answer(&mut pages, &idp.field(&house.response(&idp, &id, "sam@example.test")));
        assert_eq!(outcome(&answer), "in");
        pages
    };
    let mut sam = signed_in();
    assert_eq!(sam.get("/admin/t/acme").status, 200);
    for owners in ["/admin/administrators", "/admin/administrator-idps", "/admin/api-keys"] {
        assert_eq!(sam.get(owners).status, 403, "{owners}");
    }
    let token = sam.get("/admin/account").form_token();
    let metadata = OwnIdp::new("evil.example").metadata(Binding::Redirect);
    let form = [("form_token", token.as_str()), ("kind", "external"), ("name", "Evil"), ("metadata", &metadata)];
    assert_eq!(sam.post("/admin/administrator-idps", &form).status, 403);
    let form = [("form_token", token.as_str()), ("idp", "Company"), ("subject", "sam@example.test")];
    assert_eq!(sam.post("/admin/administrators/ada/link", &form).status, 403);

    house.portal.ok(&["admin", "role", "sam", "auditor"]);
    assert_eq!(sam.get("/admin/account").status, 303, "another role is another session");
    let mut sam = signed_in();
    assert!(sam.get("/admin/account").body.contains("auditor"));
    house.portal.ok(&["admin", "disable", "sam"]);
    assert_eq!(sam.get("/admin/account").status, 303, "the session has ended");
    assert_eq!(house.comes(&idp, "Company", "sam@example.test"), "user-suspended");
    house.portal.ok(&["admin", "enable", "sam"]);
    let mut sam = signed_in();
    house.portal.ok(&["admin", "unlink", "sam"]);
    assert_eq!(sam.get("/admin/account").status, 303);
    assert_eq!(house.comes(&idp, "Company", "sam@example.test"), "user-not-provisioned");
    // In the middle of a sign-in, too.
    let mut sam = signed_in();
    let mut other = house.pages();
    let id = house.sent(&mut other, "Company", "");
    house.portal.ok(&["admin", "idp", "remove", "Company"]);
    assert_eq!(sam.get("/admin/account").status, 303);
    let answer = house.answer(&mut other, &idp.field(&house.response(&idp, &id, "sam@example.test")));
    assert_eq!(outcome(&answer), "sign-on-over");
    assert!(!house.pages().get("/admin/sign-in").body.contains("Company"));
    // A session is over when the assertion says so.
    house.record(&idp, "Company", &[]);
    house.link("sam", "Company", "sam@example.test");
    let mut pages = house.pages();
    let id = house.sent(&mut pages, "Company", "");
    let mut response = house.response(&idp, &id, "sam@example.test");
    assertion(&mut response).session_not_on_or_after = Some(now().plus_seconds(1));
    assert_eq!(outcome(&house.answer(&mut pages, &idp.field(&response))), "in");
    while pages.get("/admin/account").status == 200 {
        std::thread::yield_now();
    }
    // Whoever keeps the portal stays able to get in without any identity provider.
    let told = house.refused(&["admin", "disable", "ada"]);
    assert!(told.contains("last owner") && told.contains("password"), "{told}");
}

#[test]
fn a_device_signs_in_the_account_that_names_it_and_no_other() {
    let house = house();
    let https = Https::trusting(&house.portal.authority.ca);
    let (mine, others) = (Device::new(), Device::new());
    for device in [&mine, &others] {
        let request = device.request(&house.portal, "ada", 1);
        let enrolled = device.send(&https, &house.portal, &device.enrolling(request, &house.portal.token(&[])));
        assert_eq!(code(&enrolled), "success");
    }
    house.account(&["ada"]);
    let add = ["admin", "idp", "add", "Devices", "--devices-of", "acme", "--public-url", &house.portal.url()];
    house.portal.ok(&[&add[..], &["--minimum-evidence", "claimed"]].concat());
    let named = ["admin", "link", "ada", "--idp", "Devices", "--as", "ada@example.test"];
    let told = house.refused(&named);
    assert!(told.contains("name those"), "an account names its devices: {told}");
    house.portal.ok(&[&named[..], &["--device", mine.id.as_str()]].concat());
    let told = house.refused(&[&named[..], &["--device", "urn:countersign:device:none"]].concat());
    assert!(told.contains("a device of the tenant"), "{told}");

    let mut sequence = 1;
    let mut ends = |device: &Device, user: &str, pages: &mut Pages| {
        sequence += 1;
        house.ends_at(device, (user, sequence), pages)
    };
    let mut pages = house.pages();
    let field = ends(&others, "ada", &mut pages);
    assert_eq!(outcome(&house.answer(&mut pages, &field)), "device-not-compliant", "enrolled, and not hers");
    let mut pages = house.pages();
    let field = ends(&mine, "eve", &mut pages);
    assert_eq!(outcome(&house.answer(&mut pages, &field)), "user-not-provisioned");
    let mut pages = house.pages();
    let field = ends(&mine, "ada", &mut pages);
    assert_eq!(outcome(&house.answer(&mut house.pages(), &field)), "sign-on-over", "in another browser");
    let cookies = pages.cookies.clone();
    assert_eq!(outcome(&house.answer(&mut pages, &field)), "in");
    let mut again = house.pages();
    again.cookies = cookies;
    assert_eq!(outcome(&house.answer(&mut again, &field)), "replayed");
    assert_eq!(pages.get("/admin/administrators").status, 200);
    // The session ends with the device's.
    house.portal.ok(&["device", "quarantine", mine.id.as_str()]);
    assert_eq!(pages.get("/admin/administrators").status, 303);
}

#[test]
fn whoever_may_change_the_tenants_services_gets_no_further_by_that() {
    let house = house();
    house.portal.ok(&["admin", "idp", "add", "Devices", "--devices-of", "acme", "--public-url", &house.portal.url()]);
    let entity = house.portal.json(&["admin", "idp", "list", "--json"])[0]["kind"]["devices"]["service"].clone();
    let entity = entity.as_str().expect("text");
    let request = AuthnRequest {
        destination: Some(format!("{}/sso", house.portal.issuer_url())),
        ..AuthnRequest::new(MessageId::from_random(platform::random::bytes()), now(), entity_id(entity))
    };
    let query = saml::binding::redirect::unsigned_query(
        saml::binding::redirect::Direction::Request,
        &request.to_unsigned_xml(),
        None,
    );
    assert_eq!(
        house.pages().get(&format!("{}/sso?{query}", house.portal.issuer_path())).status,
        400,
        "nobody else begins in the pages' name"
    );
    for change in [&["service", "remove", entity][..], &["service", "set", entity, "--attribute", "a=text:b"]] {
        let refused = house.portal.run(change);
        assert!(String::from_utf8_lossy(&refused.stderr).contains("this portal's administration"), "{refused:?}");
    }
}

#[test]
fn a_device_whose_evidence_is_too_weak_signs_no_administrator_in() {
    let house = house();
    let https = Https::trusting(&house.portal.authority.ca);
    let device = Device::new();
    let request = device.request(&house.portal, "ada", 1);
    let enrolled = device.send(&https, &house.portal, &device.enrolling(request, &house.portal.token(&[])));
    assert_eq!(code(&enrolled), "success");
    house.account(&["ada"]);
    house.portal.ok(&["admin", "idp", "add", "Devices", "--devices-of", "acme", "--public-url", &house.portal.url()]);
    let named = ["admin", "link", "ada", "--idp", "Devices", "--as", "ada@example.test"];
    house.portal.ok(&[&named[..], &["--device", device.id.as_str()]].concat());
    // What a tenant's other identity provider says is not offered on this way, nor taken.
    let idp = OwnIdp::new("idp.example");
    let file = house.dir.path().join("tenant-idp.xml");
    std::fs::write(&file, idp.metadata(Binding::Redirect)).expect("the file can be written");
    let file = file.to_str().expect("text");
    house.portal.ok(&["idp", "add", "Partner", "--metadata", file, "--tenant", "acme"]);
    house.portal.ok(&["idp", "default", "Partner", "--tenant", "acme"]);
    house.portal.ok(&["idp", "set", "Partner", "--status", "on", "--tenant", "acme"]);
    house.portal.ok(&["idp", "activate", "--tenant", "acme"]);
    let mut pages = house.pages();
    let button = house.button(&mut pages, "Devices");
    let way = pages.get(&button).header("location").replace("&go=1", "&idp=Partner");
    let page = pages.get(&way);
    assert!(page.body.contains("proxy-not-allowed"), "{} {}", page.status, page.body);
    house.portal.ok(&["idp", "default", "Countersign", "--tenant", "acme"]);
    house.portal.ok(&["idp", "activate", "--tenant", "acme"]);

    let mut pages = house.pages();
    let field = house.ends_at(&device, ("ada", 2), &mut pages);
    assert_eq!(outcome(&house.answer(&mut pages, &field)), "evidence-too-weak", "local, where managed is wanted");
}

/// The Response in a SOAP envelope.
fn response_of(envelope: &str) -> &str {
    let start = envelope.find("<samlp:Response").expect("a Response");
    let end = envelope.rfind("</samlp:Response>").expect("it ends") + "</samlp:Response>".len();
    &envelope[start..end]
}
