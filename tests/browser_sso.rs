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
use tempfile::TempDir;
use tests::agent::{Agent, is_session};
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
        trial(
            "countersign_open_opens_a_service_once_and_for_its_own_account_alone",
            &["apache2", "chromium", "curl", MELLON, "root", "setpriv"],
            opens_from_the_agent,
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

/// A portal that sends browsers on, and a device whose agent awaits them.
struct House {
    dir: TempDir,
    portal: Portal,
    agent: Agent,
    _programs: [Program; 2],
}

fn house() -> House {
    house_of(None)
}

/// The same with the people of `bus`, or with whoever runs the tests.
fn house_of(bus: Option<&Bus>) -> House {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let mut portal = Portal::create(dir.path());
    portal.sign_on_ports = format!("{},{}", free_port(), free_port());
    let serving = portal.serve();
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    let mut command = agent.run_command();
    command.envs(bus.map(|bus| ("DBUS_SYSTEM_BUS_ADDRESS", &bus.address)));
    let mut running = Program::start(command);
    running.wait_for(is_session);
    if bus.is_some() {
        running.wait_for(is_session);
    }
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
    for (width, dark, name) in [(1280, false, "first-visit"), (390, true, "first-visit-narrow-dark")] {
        browser.look(width, dark);
        browser.picture(&pictures.join(format!("browser-{name}.png")));
    }
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
    // Whoever has signed out is told so, by the agent, in words.
    house.agent.ok(&["sign-out"]);
    browser.call("Network.deleteCookies", &json!({ "name": "mellon-cookie", "url": service.base }));
    browser.open_until(&service.private(), "You were not signed in");
    assert!(browser.text().contains("signed-out"), "{}", browser.text());
    browser.picture(&pictures.join("browser-signed-out-narrow-dark.png"));
    browser.open_until(&format!("{}/saml/sso?SAMLRequest=x", house.portal.url()), "You were not signed in");
    browser.look(1280, false);
    browser.picture(&pictures.join("browser-request-refused.png"));
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

/// Fetches with what curl takes, as the account `uid`.
fn curl_as(uid: u32, arguments: &[&str]) -> String {
    let ids = [format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".to_owned()];
    let mut command = Command::new("setpriv");
    command.args(ids).args(["curl", "--silent", "--show-error", "--insecure", "--max-time", "60"]).args(arguments);
    let output = command.output().expect("setpriv can be started");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn opens_from_the_agent() {
    let house = house();
    let service = house.service();
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
    browser.open_until(&service.private(), INSIDE);
    assert_eq!(person(&mut browser), house.user());
    assert_eq!(house.audited("service-request", "ok"), 0);
}

fn stolen_response() {
    let house = house();
    let service = house.service();
    let other = Service::of(&house.portal, &house.dir.path().join("other"));
    let answer = house.agent.json(&["sign-in", "--service", &service.entity_id(), "--json"]);
    let field = format!("SAMLResponse={}", answer["saml_response"].as_str().expect("a Response"));
    let page_after = |service: &Service| {
        let cookies = house.dir.path().join("cookies");
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

fn two_people() {
    let bus = Bus::with_logind();
    bus.add_session("2", 1001, "alice", true);
    bus.add_session("3", 1002, "bob", false);
    let house = house_of(Some(&bus));
    let metadata = "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"https://service.example\">\
        <md:SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:AssertionConsumerService \
        Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://service.example/acs\" index=\"0\"/>\
        </md:SPSSODescriptor></md:EntityDescriptor>";
    let path = house.dir.path().join("service.xml");
    std::fs::write(&path, metadata).expect("the file can be written");
    house.portal.ok(&["service", "add", "--tenant", "acme", "--metadata", path.to_str().expect("text")]);
    let answer_to = |uid: u32| {
        let now = saml::time::UtcTime::from_unix_millis(platform::clock::unix_millis());
        let request = saml::request::AuthnRequest {
            destination: Some(format!("{}/saml/sso", house.portal.url())),
            ..saml::request::AuthnRequest::new(
                saml::name::MessageId::from_random(platform::random::bytes()),
                now,
                "https://service.example".parse().expect("an entity ID"),
            )
        };
        let xml = request.to_unsigned_xml();
        let query = saml::binding::redirect::unsigned_query(saml::binding::redirect::Direction::Request, &xml, None);
        let redirect = |url: &str| curl_as(uid, &["-o", "/dev/null", "-w", "%{redirect_url}", url]);
        let page = redirect(&format!("{}/saml/sso?{query}", house.portal.url()));
        let page = curl_as(uid, &[&redirect(&format!("{page}&go=1"))]);
        let Some((_, value)) = page.split_once("name=\"SAMLResponse\" value=\"") else { return page };
        let encoded = value.split('"').next().expect("a value");
        let xml = base64::engine::general_purpose::STANDARD.decode(encoded).expect("base64");
        let xml = String::from_utf8(xml).expect("text");
        assert!(xml.contains(&format!("InResponseTo=\"{}\"", request.id)), "{xml}");
        let (_, name) = xml.split_once("emailAddress\">").expect("a name");
        name.split('<').next().expect("a name").to_owned()
    };
    assert_eq!(answer_to(1001), "alice@example.test");
    assert_eq!(answer_to(1002), "bob@example.test", "whoever is in front of the screen");
    for stranger in [1003, 0] {
        let page = answer_to(stranger);
        assert!(page.contains("nobody-logged-in"), "{stranger}: {page}");
    }
}
