//! Logging people out of services that none of us wrote: by the SOAP back channel, and by the browser at its next visit.
#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "test code: it starts programs, and a surprise must end it loudly"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Arguments;
use tests::agent::Agent;
use tests::browser::Browser;
use tests::components::trial;
use tests::house::House;
use tests::mellon::{MODULE as MELLON, Service};
use tests::shibboleth::{self, MODULE as SHIBBOLETH};

fn main() {
    let arguments = Arguments::from_args();
    let both = ["apache2", "curl", "shibd", MELLON, SHIBBOLETH];
    let tests = vec![
        trial("a_device_that_is_shut_out_is_logged_out_of_its_services", &both, by_quarantine),
        trial("a_person_who_is_suspended_is_logged_out_everywhere", &["apache2", "curl", MELLON], by_suspension),
        trial("who_signs_out_is_logged_out_at_this_device_alone", &["apache2", "curl", MELLON], by_signing_out),
        trial(
            "a_service_that_only_a_browser_reaches_is_told_at_its_next_visit",
            &["apache2", "chromium", "curl", "shibd", MELLON, SHIBBOLETH],
            at_the_next_visit,
        ),
        trial(
            "who_logs_out_at_a_service_is_answered_by_the_portal",
            &["apache2", "chromium", "curl", MELLON],
            at_the_service,
        ),
    ];
    libtest_mimic::run(&arguments, tests).exit();
}

const INSIDE: &str = "the protected page";
const ASKED: &str = "Sign in with this device";

fn text(path: &Path) -> &str {
    path.to_str().expect("paths in tests are text")
}

/// A session at the service whose page that is, as the cookies in a file.
fn session(house: &House, page: &str, name: &str) -> PathBuf {
    let jar = house.dir(name);
    house.agent.ok(&["ecp", page, "--ca-file", text(&house.portal.authority.ca), "--cookie-jar", text(&jar)]);
    assert!(is_inside(page, &jar), "the session has begun");
    jar
}

/// Whether the service shows its page for these cookies.
fn is_inside(page: &str, jar: &Path) -> bool {
    let output = Command::new("curl").args(["--silent", "--insecure", "--cookie", text(jar), page]).output();
    String::from_utf8_lossy(&output.expect("curl can be started").stdout).contains(INSIDE)
}

fn device(house: &House) -> String {
    let devices = house.portal.json(&["device", "list", "--json"]);
    devices[0]["id"].as_str().expect("a device").to_owned()
}

fn by_quarantine() {
    let house = House::new();
    let mellon = Service::of(&house.portal, &house.dir("mellon"));
    let shibboleth = shibboleth::Service::of(&house.portal, &house.dir("shibboleth"));
    let at_mellon = session(&house, &mellon.private(), "mellon.cookies");
    let at_shibboleth = session(&house, &shibboleth.private(), "shibboleth.cookies");
    house.portal.ok(&["device", "quarantine", &device(&house)]);
    house.wait_for_audited("service-logout", "ok", 2);
    assert!(!is_inside(&mellon.private(), &at_mellon), "mod_auth_mellon has ended it");
    assert!(!is_inside(&shibboleth.private(), &at_shibboleth), "Shibboleth has ended it");
}

fn by_suspension() {
    let house = House::new();
    let service = Service::of(&house.portal, &house.dir("mellon"));
    let jar = session(&house, &service.private(), "cookies");
    house.portal.ok(&["user", "suspend", &house.user()]);
    house.wait_for_audited("service-logout", "ok", 1);
    assert!(!is_inside(&service.private(), &jar));
}

fn by_signing_out() {
    let house = House::new();
    let other = Agent::in_dir(&house.dir("other"));
    assert!(other.configure(&house.portal, &house.portal.token(&[])).status.success());
    let _running = other.start_signed_in();
    let service = Service::of(&house.portal, &house.dir("mellon"));
    let jar = session(&house, &service.private(), "cookies");
    let page = service.private();
    let kept = house.dir("other.cookies");
    other.ok(&["ecp", &page, "--ca-file", text(&house.portal.authority.ca), "--cookie-jar", text(&kept)]);
    house.agent.ok(&["sign-out"]);
    house.wait_for_audited("service-logout", "ok", 1);
    assert!(!is_inside(&page, &jar));
    assert!(is_inside(&page, &kept), "the same person's session on another device goes on");
}

/// The service as it would be without its back channel: the portal knows only what its metadata says.
fn without_soap(house: &House) -> Service {
    let portal = house.portal.metadata();
    let service = Service::start(&house.dir("mellon"), &portal, Some(&house.portal.authority));
    let metadata = std::fs::read_to_string(&service.metadata).expect("it is text");
    let (soap, end) = ("<SingleLogoutService\n     Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:SOAP\"", "/>");
    let at = metadata.find(soap).expect("it has one");
    let rest = metadata[at..].find(end).expect("it ends") + at + end.len();
    std::fs::write(&service.metadata, [&metadata[..at], &metadata[rest..]].concat()).expect("it can be written");
    house.portal.add_service(&service.metadata);
    service
}

fn at_the_next_visit() {
    let house = House::new();
    let service = without_soap(&house);
    // Of another kind: cookies do not tell ports apart, and two of one kind would share theirs.
    let other = shibboleth::Service::of(&house.portal, &house.dir("other"));
    let mut browser = Browser::start();
    browser.open_until(&service.private(), ASKED);
    browser.click(ASKED);
    browser.wait_for_text(INSIDE);
    house.agent.ok(&["sign-out"]);
    house.agent.ok(&["sign-in"]);
    browser.open_until(&service.private(), INSIDE);
    assert_eq!(house.audited("service-logout", "ok"), 0, "nothing but the browser reaches it");
    // On its way to the other service the browser passes by the first one, and is in at the second.
    browser.open_until(&other.private(), INSIDE);
    house.wait_for_audited("service-logout", "ok", 1);
    let before = house.audited("sign-on", "ok");
    browser.open_until(&service.private(), INSIDE);
    assert_eq!(house.audited("sign-on", "ok"), before + 1, "it has to ask anew");
}

fn at_the_service() {
    let house = House::new();
    let service = Service::of(&house.portal, &house.dir("mellon"));
    let mut browser = Browser::start();
    browser.open_until(&service.private(), ASKED);
    browser.click(ASKED);
    browser.wait_for_text(INSIDE);
    browser.open(&format!("{}/mellon/logout?ReturnTo={}/", service.base, service.base));
    house.wait_for_audited("service-logout", "ok", 1);
    let rows = house.portal.ok(&["audit", "list", "--json"]);
    assert!(rows.contains("the person has logged out at the service"), "{rows}");
    assert!(
        browser.value("location.href").as_str().is_some_and(|url| url.starts_with(&service.base)),
        "it is back there"
    );
}
