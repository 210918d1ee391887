//! Administrators in a browser: SimpleSAMLphp signs one in, the device in front of which they sit another, a passkey a third.
//!
//! Pictures of the pages land in `target/screenshots`.
#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "test code: it starts programs, and a surprise must end it loudly"
)]

use std::path::Path;

use libtest_mimic::Arguments;
use serde_json::json;
use tests::apache::Place;
use tests::binaries::workspace_dir;
use tests::browser::Browser;
use tests::components::trial;
use tests::house::House;
use tests::https::Https;
use tests::program::Program;
use tests::simplesamlphp::{self, AUTOLOAD, IDP_METADATA, LOGIN_FORM, MODULE as PHP};

fn main() {
    let arguments = Arguments::from_args();
    let real = ["apache2", "chromium", "curl", PHP, AUTOLOAD];
    let tests = vec![
        trial("simplesamlphp_signs_an_administrator_in", &real, by_simplesamlphp),
        trial("a_device_signs_its_administrator_in", &["chromium"], by_device),
        trial("a_passkey_signs_its_owner_in", &["chromium"], by_passkey),
    ];
    libtest_mimic::run(&arguments, tests).exit();
}

const PASSWORD: &str = "correct horse battery";

/// Pictures in both widths and both colours.
fn look_at(browser: &mut Browser, name: &str) {
    let pictures = workspace_dir().join("target/screenshots");
    for (width, dark) in [(1280, false), (1280, true), (380, false), (380, true)] {
        browser.look(width, dark);
        let wide = browser.value("document.scrollingElement.scrollWidth - innerWidth");
        assert!(wide.as_i64().is_some_and(|wide| wide <= 0), "{name} is {wide} px too wide at {width} px");
        let colours = if dark { "dark" } else { "light" };
        browser.picture(&pictures.join(format!("admin-{name}-{width}-{colours}.png")));
    }
    browser.look(1280, false);
}

/// An owner who has a password, and is signed in with it.
fn owner(house: &House, browser: &mut Browser) {
    let url = house.portal.url();
    let link = house.portal.ok(&["admin", "create", "ada", "--public-url", &url]);
    browser.look(1280, false);
    browser.open(link.trim());
    browser.fill("#password", PASSWORD);
    browser.fill("#again", PASSWORD);
    browser.click("Save and sign in");
}

/// SimpleSAMLphp, which knows grace and mallory.
fn company<'a>(house: &'a House, dir: &'a Path) -> (Place<'a>, Program) {
    let portal = &house.portal;
    let place = Place::new(dir, Some(&portal.authority));
    let described = Https::trusting(&portal.authority.ca).get(&format!("{}/saml/admin", portal.url()));
    let people = [("grace:hopper", "Grace@Company.test"), ("mallory:m", "mallory@company.test")];
    let program = simplesamlphp::identity_provider(&place, &described.body, &people);
    (place, program)
}

fn log_in(browser: &mut Browser, name: &str, password: &str) {
    browser.wait_for_text(LOGIN_FORM);
    browser.fill("input[name=username]", name);
    browser.fill("input[name=password]", password);
    browser.tick("form [type=submit]");
}

fn by_simplesamlphp() {
    let house = House::new();
    let url = house.portal.url();
    let dir = house.dir("company");
    let (place, _company) = company(&house, &dir);
    let metadata = place.describe(IDP_METADATA);
    let metadata = std::fs::read_to_string(metadata).expect("it can be read");
    let mut browser = Browser::start();
    owner(&house, &mut browser);
    browser.open(&format!("{url}/admin/administrators"));
    browser.click("Identity providers");
    look_at(&mut browser, "idps-empty");
    browser.fill("#name", "Company");
    browser.fill("#metadata", &metadata);
    browser.click("Record it");
    assert!(browser.text().contains("Recorded."), "{}", browser.text());
    look_at(&mut browser, "idps");
    house.portal.ok(&["admin", "create", "grace", "--role", "support"]);
    browser.open(&format!("{url}/admin/administrators/grace/link"));
    browser.fill("#subject", "grace@company.test");
    look_at(&mut browser, "link");
    browser.click("Link");
    assert!(browser.text().contains("grace@company.test"), "{}", browser.text());
    look_at(&mut browser, "administrators");
    browser.open(&format!("{url}/admin/administrators/grace/link"));
    look_at(&mut browser, "linked");
    browser.click("Take it away…");
    look_at(&mut browser, "unlink");
    browser.click("Take it away");
    assert!(!browser.text().contains("grace@company.test"), "{}", browser.text());
    house.portal.ok(&["admin", "link", "grace", "--idp", "Company", "--as", "grace@company.test"]);
    browser.click("Sign out");
    look_at(&mut browser, "sign-in");
    browser.click("Sign in with Company");
    log_in(&mut browser, "grace", "hopper");
    browser.wait_for_text("Sign-ons in the last 48 hours");
    assert!(browser.text().contains("grace"), "{}", browser.text());
    // What she may is her role's, and not more.
    browser.open(&format!("{url}/admin/administrators"));
    assert!(browser.text().contains("Not allowed"), "{}", browser.text());
    browser.open(&format!("{url}/admin/account"));
    browser.click("Sign out");
    // The identity provider still knows her, and asks all the same: administrators sign in anew.
    browser.open(&format!("{url}/admin/sign-in"));
    browser.click("Sign in with Company");
    browser.wait_for_text("username");
    forget(&mut browser, "SimpleSAML");
    browser.open(&format!("{url}/admin/sign-in"));
    browser.click("Sign in with Company");
    log_in(&mut browser, "mallory", "m");
    browser.wait_for_text("user-not-provisioned");
    look_at(&mut browser, "refused");
    assert_eq!(house.audited("account.sign-in", "user-not-provisioned"), 1);
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

fn by_device() {
    let house = House::new();
    let (portal, url) = (&house.portal, house.portal.url());
    let mut browser = Browser::start();
    owner(&house, &mut browser);
    browser.open(&format!("{url}/admin/administrator-idps"));
    browser.fill("#devices-name", "Our devices");
    browser.fill("#evidence", "claimed");
    browser.fill("#devices-tenant", "");
    browser.click("Let them sign in");
    assert!(browser.text().contains("own devices, claimed at least"), "{}", browser.text());
    look_at(&mut browser, "idps-devices");
    let devices = portal.json(&["device", "list", "--json"]);
    let device = devices[0]["id"].as_str().expect("a device");
    browser.open(&format!("{url}/admin/administrators/ada/link"));
    browser.fill("#subject", &house.user());
    browser.click("Link");
    assert!(browser.text().contains("name those that may sign this account in"), "{}", browser.text());
    look_at(&mut browser, "link-wrong");
    browser.fill("#devices", device);
    browser.click("Link");
    // Her own sessions have ended by that.
    browser.wait_for_text("Sign in with this device");
    look_at(&mut browser, "sign-in-device");
    browser.click("Sign in with this device");
    browser.wait_for_text("ada");
    browser.open_until(&format!("{url}/admin/account"), "Your account");
    assert_eq!(house.audited("account.sign-in", "ok"), 2);
    // The device's person signs out, and the pages are closed with it.
    house.agent.ok(&["sign-out"]);
    browser.open_until(&format!("{url}/admin/account"), "Sign in with this device");
}

fn by_passkey() {
    let house = House::new();
    let url = house.portal.url();
    let mut browser = Browser::start();
    owner(&house, &mut browser);
    browser.call("WebAuthn.enable", &json!({}));
    let options = json!({ "options": {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
        "isUserVerified": true, "automaticPresenceSimulation": true,
    } });
    let id = browser.call("WebAuthn.addVirtualAuthenticator", &options)["authenticatorId"].clone();
    browser.open(&format!("{url}/admin/account"));
    look_at(&mut browser, "account");
    browser.fill("#passkey-name", "laptop");
    browser.fill("#passkey-password", PASSWORD);
    browser.click("Make a passkey");
    browser.wait_for_text("From now on the passkey signs you in");
    assert!(browser.text().contains("laptop"), "{}", browser.text());
    look_at(&mut browser, "account-passkey");
    let held = browser.call("WebAuthn.getCredentials", &json!({ "authenticatorId": id }));
    assert_eq!(held["credentials"][0]["isResidentCredential"], true, "{held}");
    assert_eq!(held["credentials"][0]["rpId"], "localhost");
    // The same authenticator takes no second one for the same account.
    browser.fill("#passkey-password", PASSWORD);
    browser.click("Make a passkey");
    browser.wait_for_text("holds a passkey of yours already");
    look_at(&mut browser, "passkey-twice");
    browser.click("Back");
    browser.click("Sign out");
    // Whoever is not verified gets nowhere.
    browser.call("WebAuthn.setUserVerified", &json!({ "authenticatorId": id, "isUserVerified": false }));
    browser.click("Sign in with a passkey");
    browser.wait_for_text("Your browser gave no passkey");
    look_at(&mut browser, "passkey-refused");
    browser.call("WebAuthn.setUserVerified", &json!({ "authenticatorId": id, "isUserVerified": true }));
    browser.tick("#ask");
    browser.wait_for_text("Sign-ons in the last 48 hours");
    assert_eq!(house.audited("account.sign-in", "ok"), 2, "with the password, and with the passkey");
    browser.open(&format!("{url}/admin/account"));
    browser.click("Remove…");
    look_at(&mut browser, "passkey-remove");
    browser.fill("#confirm-password", PASSWORD);
    browser.click("Remove");
    assert!(browser.text().contains("The passkey signs you in no more."), "{}", browser.text());
    browser.click("Sign out");
    browser.click("Sign in with a passkey");
    browser.wait_for_text("That passkey opens no account here");
    look_at(&mut browser, "passkey-unknown");
}
