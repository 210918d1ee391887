//! Another identity provider in a browser: SimpleSAMLphp signs people in, the portal passes it on, and a service that none of us wrote lets
//! them in.
//!
//! Pictures of the page with the choice land in `target/screenshots`.
#![expect(clippy::expect_used, reason = "test code: it starts programs, and a surprise must end it loudly")]

use std::path::Path;

use libtest_mimic::Arguments;
use serde_json::json;
use tests::apache::Place;
use tests::binaries::workspace_dir;
use tests::browser::Browser;
use tests::components::trial;
use tests::house::House;
use tests::https::Https;
use tests::mellon::{MODULE as MELLON, Service};
use tests::program::Program;
use tests::simplesamlphp::{self, AUTOLOAD, IDP_METADATA, LOGIN_FORM, MODULE as PHP};

fn main() {
    let arguments = Arguments::from_args();
    let real = ["apache2", "chromium", "curl", MELLON, PHP, AUTOLOAD];
    let tests = vec![
        trial("simplesamlphp_signs_somebody_in_who_has_no_device", &real, signs_in),
        trial("whose_domain_is_another_ones_is_sent_there_by_their_device", &real, is_sent_on),
    ];
    libtest_mimic::run(&arguments, tests).exit();
}

const ASKED: &str = "Sign in with this device";
const CHOICE: &str = "Sign in with Partner";
const INSIDE: &str = "the protected page";

/// SimpleSAMLphp as the identity provider `Partner` of the house's tenant, which answers for `domain`; carol and dave have passwords there.
fn partner(house: &House, dir: &Path, domain: &str) -> Program {
    let portal = &house.portal;
    let place = Place::new(dir, Some(&portal.authority));
    let described = Https::trusting(&portal.authority.ca).get(&format!("{}/saml/sp", portal.url()));
    let people = [("carol:curtain", "Carol@Partner.test"), ("dave:drawer", "dave@example.test")];
    let program = simplesamlphp::identity_provider(&place, &described.body, &people);
    let metadata = place.describe(IDP_METADATA);
    let metadata = metadata.to_str().expect("text");
    if domain != "example.test" {
        portal.ok(&["domain", "add", domain, "--tenant", "acme"]);
    }
    let mapped = ["--domain", domain, "--status", "on", "--auto-provisioning", "on", "--tenant", "acme"];
    portal.ok(&[&["idp", "add", "Partner", "--metadata", metadata], mapped.as_slice()].concat());
    portal.ok(&["idp", "activate", "--tenant", "acme"]);
    program
}

fn log_in(browser: &mut Browser, name: &str, password: &str) {
    browser.wait_for_text(LOGIN_FORM);
    browser.fill("input[name=username]", name);
    browser.fill("input[name=password]", password);
    browser.tick("form [type=submit]");
}

/// Whom the service takes the person for who sees its page.
fn person(browser: &mut Browser) -> String {
    let person = browser.value("fetch(location.href).then(answer => answer.headers.get('x-person'))");
    person.as_str().expect("the service names the person").to_owned()
}

/// Drops the cookies whose names begin with `name`.
fn forget(browser: &mut Browser, name: &str) {
    let held = browser.call("Network.getAllCookies", &json!({}));
    for cookie in held["cookies"].as_array().expect("cookies") {
        if cookie["name"].as_str().expect("a name").starts_with(name) {
            let named = json!({ "name": cookie["name"], "domain": cookie["domain"], "path": cookie["path"] });
            browser.call("Network.deleteCookies", &named);
        }
    }
}

fn signs_in() {
    let house = House::new();
    let service = Service::of(&house.portal, &house.dir("apache"));
    let _partner = partner(&house, &house.dir("partner"), "partner.test");
    let mut browser = Browser::start();
    browser.open_until(&service.private(), CHOICE);
    assert!(browser.text().contains(ASKED));
    let pictures = workspace_dir().join("target/screenshots");
    for (width, dark, name) in [
        (1280, false, "choice"),
        (1280, true, "choice-dark"),
        (390, false, "choice-narrow"),
        (390, true, "choice-narrow-dark"),
    ] {
        browser.look(width, dark);
        browser.picture(&pictures.join(format!("browser-{name}.png")));
    }
    browser.click(CHOICE);
    log_in(&mut browser, "carol", "curtain");
    browser.wait_for_text(INSIDE);
    assert_eq!(person(&mut browser), "carol@partner.test");
    assert_eq!(browser.value("location.href"), service.private(), "the service's RelayState came back");
    assert_eq!(house.audited("external-sign-on", "ok"), 1);

    // The service has forgotten her, the identity provider has not: nobody is asked anything.
    forget(&mut browser, "mellon");
    browser.open_until(&service.private(), INSIDE);
    assert_eq!(person(&mut browser), "carol@partner.test");
    // Whoever has another domain there than the mapped one gets nowhere.
    forget(&mut browser, "mellon");
    forget(&mut browser, "SimpleSAML");
    browser.call("Page.navigate", &json!({ "url": service.private() }));
    log_in(&mut browser, "dave", "drawer");
    browser.wait_for_text("idp-domain");
    browser.look(390, true);
    browser.picture(&pictures.join("browser-idp-domain-narrow-dark.png"));
    assert_eq!(house.audited("external-sign-on", "idp-domain"), 1);
    browser.open_until(&service.private(), CHOICE);
    // Both of her sessions at the service end, wherever they were opened from.
    house.portal.ok(&["user", "suspend", "carol@partner.test"]);
    house.wait_for_audited("service-logout", "ok", 2);
}

fn is_sent_on() {
    let house = House::new();
    let service = Service::of(&house.portal, &house.dir("apache"));
    let _partner = partner(&house, &house.dir("partner"), "example.test");
    let mut browser = Browser::start();
    browser.open_until(&service.private(), ASKED);
    browser.tick("main a.primary");
    log_in(&mut browser, "dave", "drawer");
    browser.wait_for_text(INSIDE);
    assert_eq!(person(&mut browser), "dave@example.test");
    assert_eq!(house.audited("sign-on", "domain-not-mapped"), 1, "the device had asked");
    assert_eq!(house.audited("external-sign-on", "ok"), 1);
}
