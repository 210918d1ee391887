//! Any service, in a browser: services that none of us wrote, an ordinary browser, the agent and the portal as they are.
//!
//! Pictures of what people see land in `target/screenshots`.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "test code: it starts programs, and a surprise must end it loudly"
)]

#[path = "../platform/tests/linux/bus.rs"]
#[expect(dead_code, reason = "its other half is for the platform's own tests")]
mod bus;

use std::process::Command;

use base64::Engine as _;
use bus::Bus;
use libtest_mimic::Arguments;
use serde_json::{Value, json};
use tests::agent::is_session;
use tests::binaries::workspace_dir;
use tests::browser::Browser;
use tests::components::trial;
use tests::house::House;
use tests::mellon::{MODULE as MELLON, Service};
use tests::own_service::{NAME, OwnService, SERVICE};
use tests::program::Program;
use tests::script_service::{self, Package};
use tests::shibboleth::{self, MODULE as SHIBBOLETH};
use tests::simplesamlphp::{self, AUTOLOAD, MODULE as PHP};

fn main() {
    let arguments = Arguments::from_args();
    let real = ["apache2", "chromium", "curl", MELLON];
    let packages = [Package::Pysaml2.dir(), Package::NodeSaml.dir()].map(|dir| dir.display().to_string());
    let tests = vec![
        trial("a_service_opens_after_one_click_and_then_by_itself", &real, opens_by_redirect),
        trial("a_service_that_speaks_post_opens_the_same_way", &real, opens_by_post),
        trial("somebody_proves_once_who_they_are_and_is_signed_in_silently_from_then_on", &real, proves_once),
        trial(
            "shibboleth_opens_by_redirect_and_by_post",
            &["apache2", "chromium", "curl", "shibd", SHIBBOLETH],
            opens_shibboleth,
        ),
        trial(
            "simplesamlphp_opens_by_redirect_and_by_post",
            &["apache2", "chromium", "curl", PHP, AUTOLOAD],
            opens_simplesamlphp,
        ),
        trial(
            "two_people_with_a_browser_each_are_two_people_to_a_service",
            &[&real[..], &["dbus-daemon", "root", "setpriv", "/usr/lib/python3/dist-packages/dbusmock/__init__.py"]]
                .concat(),
            two_browsers,
        ),
        trial(
            "packages_of_python_and_node_open_by_redirect_and_by_post",
            &["chromium", "curl", "node", "python3", "xmlsec1", &packages[0], &packages[1]],
            opens_packages,
        ),
        trial(
            "countersign_open_opens_a_service_once_and_for_its_own_account_alone",
            &["apache2", "chromium", "curl", MELLON, "root", "setpriv"],
            opens_from_the_agent,
        ),
        trial(
            "countersign_open_lets_a_service_begin_that_says_where",
            &["apache2", "chromium", "curl", "shibd", SHIBBOLETH],
            begins_at_the_service,
        ),
        trial("a_response_that_was_stolen_opens_no_other_service", &["apache2", "curl", MELLON], stolen_response),
        trial(
            "two_people_on_one_machine_get_each_their_own_identity",
            &["curl", "dbus-daemon", "root", "setpriv", "/usr/lib/python3/dist-packages/dbusmock/__init__.py"],
            two_people,
        ),
    ];
    libtest_mimic::run(&arguments, tests).exit();
}

const ASKED: &str = "Sign in with this device";
const INSIDE: &str = "the protected page";

/// Opens `private` as somebody does whose browser has not been here before, and again when the service has forgotten them.
fn opens_twice(house: &House, browser: &mut Browser, private: &str) {
    browser.open_until(private, ASKED);
    browser.click(ASKED);
    browser.wait_for_text(INSIDE);
    assert_eq!(person(browser), house.user());
    assert_eq!(browser.value("location.href"), private);
    forget_services(browser);
    opens_by_itself(house, browser, private);
}

fn opens_by_itself(house: &House, browser: &mut Browser, private: &str) {
    browser.open_until(private, INSIDE);
    assert_eq!(person(browser), house.user());
}

/// Services forget the person; the browser is remembered by the portal.
fn forget_services(browser: &mut Browser) {
    let held = browser.call("Network.getAllCookies", &json!({}));
    for cookie in held["cookies"].as_array().expect("cookies") {
        if !cookie["name"].as_str().expect("a name").contains("countersign") {
            let named = json!({ "name": cookie["name"], "domain": cookie["domain"], "path": cookie["path"] });
            browser.call("Network.deleteCookies", &named);
        }
    }
}

/// Whom the service takes the person for who sees its page.
fn person(browser: &mut Browser) -> String {
    let person = browser.value("fetch(location.href).then(answer => answer.headers.get('x-person'))");
    person.as_str().expect("the service names the person").to_owned()
}

fn opens_by_redirect() {
    let house = House::new();
    let service = Service::of(&house.portal, &house.dir("apache"));
    let mut browser = Browser::start();
    browser.open_until(&service.private(), ASKED);
    let pictures = workspace_dir().join("target/screenshots");
    for (width, dark, name) in [(1280, false, "first-visit"), (390, true, "first-visit-narrow-dark")] {
        browser.look(width, dark);
        browser.picture(&pictures.join(format!("browser-{name}.png")));
    }
    opens_twice(&house, &mut browser, &service.private());
    // The device's own session came with its enrolment.
    assert_eq!(house.audited("sign-on", "ok"), 2);
    // Whoever has signed out is told so, by the agent, in words.
    house.agent.ok(&["sign-out"]);
    forget_services(&mut browser);
    browser.open_until(&service.private(), "You were not signed in");
    assert!(browser.text().contains("signed-out"), "{}", browser.text());
    browser.picture(&pictures.join("browser-signed-out-narrow-dark.png"));
    browser.open_until(&format!("{}/sso?SAMLRequest=x", house.portal.issuer_url()), "You were not signed in");
    browser.look(1280, false);
    browser.picture(&pictures.join("browser-request-refused.png"));
}

/// The portal's metadata for services that are to take POST, as they take Redirect where there is both.
fn metadata_of_post(house: &House) -> String {
    let metadata = house.portal.metadata();
    let redirect = metadata
        .find("<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\"")
        .expect("it is there");
    let end = metadata[redirect..].find("</md:SingleSignOnService>").expect("it ends")
        + redirect
        + "</md:SingleSignOnService>".len();
    [&metadata[..redirect], &metadata[end..]].concat()
}

fn proves_once() {
    let mut house = House::unproven();
    let user = house.agent.json(&["whoami", "--json"])[0]["user"].as_str().expect("a user").to_owned();
    let refused = house.agent.run(&["sign-in"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("[proof-needed]"), "{refused:?}");
    house.portal.ok(&["user", "add", &user, "--tenant", "acme"]);
    let code = house.portal.ok(&["user", "code", &user]);
    let service = Service::of(&house.portal, &house.dir("apache"));
    let mut browser = Browser::start();
    browser.open_until(&service.private(), ASKED);
    browser.click(ASKED);
    browser.wait_for_text("Confirm once that it is you");
    let told = browser.text();
    assert!(told.contains(&user) && told.contains(&service.entity_id()), "who, and for what: {told}");
    browser.look(1280, false);
    browser.picture(&workspace_dir().join("target/screenshots/browser-prove.png"));
    browser.fill("#code", "0000-0000-0000");
    browser.click("Confirm");
    browser.wait_for_text("That was not accepted");
    browser.fill("#code", code.trim());
    browser.click("Confirm");
    browser.wait_for_text(INSIDE);
    assert_eq!(person(&mut browser), user);
    // The agent's own session comes by itself now.
    drop(house.programs[1].wait_for(is_session));
    let shown = house.agent.json(&["status", "--json"])["people"][0].clone();
    assert_eq!((&shown["user"], &shown["grade"], &shown["origin"]), (&json!(user), &json!("proved"), &json!("code")));
    forget_services(&mut browser);
    opens_by_itself(&house, &mut browser, &service.private());
    house.portal.ok(&["user", "ask-again", &user]);
    let again = house.portal.ok(&["user", "code", &user]);
    let proved = house.agent.ok(&["prove", again.trim()]);
    assert!(proved.starts_with(&format!("signed in as {user} until")), "without a browser: {proved}");
}

fn opens_by_post() {
    let house = House::new();
    let service = Service::start(&house.dir("apache"), &metadata_of_post(&house), Some(&house.portal.authority));
    house.portal.add_service(&service.metadata);
    opens_twice(&house, &mut Browser::start(), &service.private());
}

fn opens_shibboleth() {
    let house = House::new();
    let service = shibboleth::Service::of(&house.portal, &house.dir("shibboleth"));
    let mut browser = Browser::start();
    opens_twice(&house, &mut browser, &service.private());
    forget_services(&mut browser);
    let dir = house.dir("shibboleth-by-post");
    let service = shibboleth::Service::start(&dir, &metadata_of_post(&house), &house.portal.authority);
    house.portal.add_service(&service.metadata);
    opens_by_itself(&house, &mut browser, &service.private());
    assert_eq!(house.audited("sign-on", "ok"), 3);
}

/// The format of the name by which the service knows who sees its page.
fn format_of_name(browser: &mut Browser) -> String {
    let format = browser.value("fetch(location.href).then(answer => answer.headers.get('x-format'))");
    format.as_str().and_then(|uri| uri.rsplit(':').next()).expect("the service says it").to_owned()
}

fn opens_simplesamlphp() {
    let house = House::new();
    // As it comes: its requests are not signed, and want a transient name.
    let service = simplesamlphp::Service::of(&house.portal, &house.dir("simplesamlphp"), "");
    let mut browser = Browser::start();
    opens_twice(&house, &mut browser, &service.private());
    assert_eq!(format_of_name(&mut browser), "transient");
    forget_services(&mut browser);
    let signed = "  'sign.authnrequest' => true,\n  'NameIDPolicy' => false,";
    let (dir, metadata) = (house.dir("simplesamlphp-by-post"), metadata_of_post(&house));
    let service = simplesamlphp::Service::start(&dir, &metadata, &house.portal.authority, signed);
    house.portal.add_service(&service.metadata);
    opens_by_itself(&house, &mut browser, &service.private());
    assert_eq!(format_of_name(&mut browser), "emailAddress");
    assert_eq!(house.audited("sign-on", "ok"), 3);
}

fn opens_packages() {
    let house = House::new();
    let mut browser = Browser::start();
    let by_redirect = house.portal.metadata();
    let python = |dir: &str, idp: &str| {
        let service = script_service::Service::start(Package::Pysaml2, &house.dir(dir), idp, &house.portal.authority);
        house.portal.add_service(&service.metadata);
        service
    };
    let service = python("python", &by_redirect);
    // Who has not been here before is not asked where the service does not let it.
    browser.open_until(&format!("{}/passive/", service.base), "nobody is signed in: StatusNoPassive, /passive/");
    opens_twice(&house, &mut browser, &service.private());
    assert_eq!(format_of_name(&mut browser), "persistent");
    forget_services(&mut browser);
    opens_by_itself(&house, &mut browser, &format!("{}/passive/", service.base));
    opens_by_itself(&house, &mut browser, &python("python-by-post", &metadata_of_post(&house)).private());
    for (dir, idp) in [("node", by_redirect), ("node-by-post", metadata_of_post(&house))] {
        let service = script_service::Service::start(Package::NodeSaml, &house.dir(dir), &idp, &house.portal.authority);
        house.portal.add_service(&service.metadata);
        // The package insists on a class by default; the tenant decides that it is told.
        let entity_id = format!("{}/metadata", service.base);
        house.portal.ok(&["service", "set", &entity_id, "--authn-context", "PasswordProtectedTransport"]);
        // By POST its page has a `form-action` that names itself and the portal alone: the second time is as good as the first.
        for _ in 0..2 {
            opens_by_itself(&house, &mut browser, &service.private());
            forget_services(&mut browser);
        }
        opens_in_a_pop_up(&mut browser, &service.base);
        forget_services(&mut browser);
    }
    assert_eq!(house.audited("sign-on", "ok"), 10);
}

/// Signs in in a window that a page of the service at `base` has opened, which tells that page so: it has kept its opener on the way.
fn opens_in_a_pop_up(browser: &mut Browser, base: &str) {
    browser.open_until(&format!("{base}/popup/"), "nobody is in yet");
    browser
        .call("Runtime.evaluate", &json!({ "expression": "window.open('/private/') !== null", "userGesture": true }));
    browser.wait_for_text("the pop-up says: signed in");
}

/// Fetches with what curl takes, as the account `uid`.
fn curl_as(uid: u32, arguments: &[&str]) -> String {
    let ids = [format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".to_owned()];
    let mut command = Command::new("setpriv");
    command.args(ids).args(["curl", "--silent", "--show-error", "--insecure", "--max-time", "60"]).args(arguments);
    let output = command.output().expect("setpriv can be started");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn opens_from_the_agent() {
    let house = House::new();
    let service = Service::of(&house.portal, &house.dir("apache"));
    let own = OwnService::new();
    own.register_at(&house.portal, &house.portal.data_dir);
    let listed = || house.agent.json(&["open", "--json"])["services"].clone();
    let (mellon, ours) = (json!({ "entity_id": service.entity_id() }), json!({ "entity_id": SERVICE, "name": NAME }));
    let with_nulls =
        |service: &Value| json!({ "entity_id": service["entity_id"], "name": service["name"], "initiator": null });
    assert_eq!(listed(), json!([with_nulls(&mellon), with_nulls(&ours)]));
    assert!(house.agent.ok(&["open"]).contains(&format!("{NAME}  {SERVICE}\n")));
    // What the person may not open is not listed, and not opened.
    house.portal.ok(&["policy", "require", "--service", SERVICE, "--minimum-claim", "directory", "--tenant", "acme"]);
    assert_eq!(listed(), json!([with_nulls(&mellon)]));
    let refused = house.agent.run(&["open", SERVICE, "--print"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("[evidence-too-weak]"), "{refused:?}");
    let mut open = Program::start(house.agent.command(&["open", &service.entity_id(), "--print"]));
    let url = open.wait_for(|line| line.starts_with("http://127.0.0.1:"));
    assert_eq!(curl_as(1001, &[&url]), "", "another account gets nothing");
    let mut browser = Browser::start();
    let guessed = url.rsplit_once('?').expect("a secret").0;
    browser.open(&format!("{guessed}?guessed"));
    assert!(browser.text().contains("there is nothing here"));
    // Without a RelayState the module shows its own end of the way: the person is in from there on.
    browser.open(&url);
    assert!(open.wait().0.success(), "it ends when it was fetched");
    browser.wait_until("the service", &format!("location.origin === '{}'", service.base));
    browser.open_until(&service.private(), INSIDE);
    assert_eq!(person(&mut browser), house.user());
    assert_eq!(house.audited("service-request", "ok"), 0);
    assert_eq!(house.audited("sign-on", "evidence-too-weak"), 1);
}

fn begins_at_the_service() {
    let house = House::new();
    let service = shibboleth::Service::of(&house.portal, &house.dir("shibboleth"));
    let url = house.agent.ok(&["open", &service.entity_id(), "--print"]);
    assert!(url.starts_with(&format!("{}/Shibboleth.sso/Login?entityID=https%3A", service.base)), "{url}");
    let mut browser = Browser::start();
    browser.open_until(url.trim(), ASKED);
    browser.click(ASKED);
    // Without a target the module shows the service's first page: the person is in from there on.
    browser.wait_until("the service", &format!("location.origin === '{}'", service.base));
    browser.open_until(&service.private(), INSIDE);
    assert_eq!(person(&mut browser), house.user());
}

fn stolen_response() {
    let house = House::new();
    let service = Service::of(&house.portal, &house.dir("apache"));
    let other = Service::of(&house.portal, &house.dir("other"));
    let answer = house.agent.json(&["sign-in", "--service", &service.entity_id(), "--json"]);
    let field = format!("SAMLResponse={}", answer["saml_response"].as_str().expect("a Response"));
    let page_after = |service: &Service| {
        let cookies = house.dir("cookies");
        let cookies = cookies.to_str().expect("text");
        let curl = |more: &[&str]| {
            let output = Command::new("curl").args(["-sk", "-b", cookies, "-c", cookies]).args(more).output();
            String::from_utf8_lossy(&output.expect("curl can be started").stdout).into_owned()
        };
        curl(&["--data-urlencode", &field, &format!("{}/mellon/postResponse", service.base)]);
        curl(&[&service.private()])
    };
    assert!(!page_after(&other).contains(INSIDE), "it was made for another service");
    assert!(page_after(&service).contains(INSIDE), "and is good where it belongs");
}

fn two_browsers() {
    let bus = Bus::with_logind();
    bus.add_session("2", 4_201_001, "alice", true);
    bus.add_session("3", 4_201_002, "bob", false);
    let house = House::of_bus(&bus.address, 2);
    let service = Service::of(&house.portal, &house.dir("apache"));
    let mut browsers = [4_201_001, 4_201_002].map(Browser::start_as);
    for browser in &mut browsers {
        browser.open_until(&service.private(), ASKED);
    }
    for (browser, name) in browsers.iter_mut().zip(["alice@example.test", "bob@example.test"]) {
        browser.click(ASKED);
        browser.wait_for_text(INSIDE);
        assert_eq!(person(browser), name);
    }
    // The first is who they were, whoever came after them.
    forget_services(&mut browsers[0]);
    browsers[0].open_until(&service.private(), INSIDE);
    assert_eq!(person(&mut browsers[0]), "alice@example.test");
}

fn two_people() {
    let bus = Bus::with_logind();
    bus.add_session("2", 4_201_001, "alice", true);
    bus.add_session("3", 4_201_002, "bob", false);
    let house = House::of_bus(&bus.address, 2);
    let metadata = "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"https://service.example\">\
        <md:SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:AssertionConsumerService \
        Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://service.example/acs\" index=\"0\"/>\
        </md:SPSSODescriptor></md:EntityDescriptor>";
    let path = house.dir("service.xml");
    std::fs::write(&path, metadata).expect("the file can be written");
    house.portal.add_service(&path);
    let answer_to = |uid: u32| {
        let now = saml::time::UtcTime::from_unix_millis(platform::clock::unix_millis());
        let request = saml::request::AuthnRequest {
            destination: Some(format!("{}/sso", house.portal.issuer_url())),
            ..saml::request::AuthnRequest::new(
                saml::name::MessageId::from_random(platform::random::bytes()),
                now,
                "https://service.example".parse().expect("an entity ID"),
            )
        };
        let xml = request.to_unsigned_xml();
        let query = saml::binding::redirect::unsigned_query(saml::binding::redirect::Direction::Request, &xml, None);
        let redirect = |url: &str| curl_as(uid, &["-o", "/dev/null", "-w", "%{redirect_url}", url]);
        let page = redirect(&format!("{}/sso?{query}", house.portal.issuer_url()));
        let page = curl_as(uid, &[&redirect(&format!("{page}&go=1"))]);
        let Some((_, value)) = page.split_once("name=\"SAMLResponse\" value=\"") else { return page };
        let encoded = value.split('"').next().expect("a value");
        let xml = base64::engine::general_purpose::STANDARD.decode(encoded).expect("base64");
        let xml = String::from_utf8(xml).expect("text");
        assert!(xml.contains(&format!("InResponseTo=\"{}\"", request.id)), "{xml}");
        let (_, name) = xml.split_once("emailAddress\">").expect("a name");
        name.split('<').next().expect("a name").to_owned()
    };
    assert_eq!(answer_to(4_201_001), "alice@example.test");
    assert_eq!(answer_to(4_201_002), "bob@example.test", "whoever is in front of the screen");
    for stranger in [1003, 0] {
        let page = answer_to(stranger);
        assert!(page.contains("nobody-logged-in"), "{stranger}: {page}");
    }
}
