//! Any service, in a browser: services that none of us wrote, an ordinary browser, the agent and the portal as they are.
//!
//! Pictures of what people see land in `target/screenshots`.
#![expect(clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use libtest_mimic::Arguments;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::agent::Agent;
use tests::binaries::workspace_dir;
use tests::browser::Browser;
use tests::components::trial;
use tests::https::Https;
use tests::mellon::{MODULE as MELLON, Service};
use tests::portal::{Portal, free_port};
use tests::program::Program;

fn main() {
    let arguments = Arguments::from_args();
    let real = ["apache2", "chromium", "curl", MELLON];
    let tests = vec![
        trial("a_service_opens_after_one_click_and_then_by_itself", &real, opens_by_redirect),
        trial("a_service_that_speaks_post_opens_the_same_way", &real, opens_by_post),
    ];
    libtest_mimic::run(&arguments, tests).exit();
}

/// A portal that sends browsers on, and a device whose agent awaits them.
struct House {
    dir: TempDir,
    portal: Portal,
    agent: Agent,
    _programs: [Program; 2],
}

fn house() -> House {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let mut portal = Portal::create(dir.path());
    portal.sign_on_ports = format!("{},{}", free_port(), free_port());
    let serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    let running = agent.start_signed_in();
    House { dir, portal, agent, _programs: [serving, running] }
}

impl House {
    fn service(&self) -> Service {
        Service::of(&self.portal, &self.dir.path().join("apache"))
    }

    fn user(&self) -> String {
        self.agent.json(&["status", "--json"])["people"][0]["user"].as_str().expect("a user").to_owned()
    }

    fn audited(&self, action: &str, result: &str) -> usize {
        let lines = self.portal.ok(&["audit", "list", "--json"]);
        let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        rows.filter(|row| row["action"] == action && row["result"] == result).count()
    }
}

const ASKED: &str = "Sign in with this device";
const INSIDE: &str = "the protected page";

fn opens_twice(house: &House, service: &Service) {
    let mut browser = Browser::start();
    browser.open_until(&service.private(), ASKED);
    let pictures = workspace_dir().join("target/screenshots");
    browser.picture(&pictures.join("browser-first-visit.png"));
    browser.click(ASKED);
    browser.wait_for_text(INSIDE);
    assert_eq!(person(&mut browser), house.user());
    assert_eq!(browser.value("location.href"), service.private().as_str());
    // The service forgets the person; the browser is remembered by the portal.
    browser.call("Network.deleteCookies", &json!({ "name": "mellon-cookie", "url": service.base }));
    browser.open_until(&service.private(), INSIDE);
    assert_eq!(person(&mut browser), house.user());
    // The device's own session came with its enrolment.
    assert_eq!(house.audited("sign-on", "ok"), 2);
}

/// Whom the service takes the person for who sees its page.
fn person(browser: &mut Browser) -> String {
    let person = browser.value("fetch(location.href).then(answer => answer.headers.get('x-person'))");
    person.as_str().expect("the service names the person").to_owned()
}

fn opens_by_redirect() {
    let house = house();
    let service = house.service();
    opens_twice(&house, &service);
}

fn opens_by_post() {
    let house = house();
    let metadata = Https::trusting(&house.portal.authority.ca).get(&format!("{}/saml/metadata", house.portal.url()));
    let redirect = metadata
        .body
        .find("<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\"")
        .expect("it is there");
    let end = metadata.body[redirect..].find("</md:SingleSignOnService>").expect("it ends")
        + redirect
        + "</md:SingleSignOnService>".len();
    let without = [&metadata.body[..redirect], &metadata.body[end..]].concat();
    let service = Service::start(&house.dir.path().join("apache"), &without, Some(&house.portal.authority));
    service.register_at(&house.portal);
    opens_twice(&house, &service);
}
