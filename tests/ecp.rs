//! Services that speak ECP: ones that none of us wrote, fetched by `countersign ecp` and over the local channel.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "test code: it starts programs, and a surprise must end it loudly"
)]

use std::path::Path;
use std::process::{Command, Output};

use agent::control::{self, Ask, Reply};
use libtest_mimic::Arguments;
use platform::paths::Paths;
use saml::metadata::Binding;
use saml::name::{NameId, NameIdFormat};
use saml::request::AuthnRequest;
use tests::components::trial;
use tests::device::code;
use tests::house::House;
use tests::https::Https;
use tests::mellon::{MODULE as MELLON, Service};
use tests::own_service::{OwnService, PAOS_ACS};
use tests::shibboleth::{self, MODULE as SHIBBOLETH};

fn main() {
    let arguments = Arguments::from_args();
    let tests = vec![
        trial("a_page_of_mellon_is_fetched_and_its_session_given_away", &["apache2", "curl", MELLON], mellon),
        trial(
            "a_page_of_shibboleth_is_fetched_and_its_session_given_away",
            &["apache2", "curl", "shibd", SHIBBOLETH],
            shibboleth,
        ),
        trial("a_service_whose_address_is_another_gets_a_fault_and_no_response", &[], another_address),
        trial("what_is_no_ecp_request_is_named_and_goes_nowhere", &[], no_request),
        trial("whoever_is_signed_out_is_signed_in_nowhere", &[], signed_out),
    ];
    libtest_mimic::run(&arguments, tests).exit();
}

fn text(path: &Path) -> String {
    path.to_str().expect("paths in tests are text").to_owned()
}

/// `countersign ecp`, which trusts the tests' CA.
fn ecp(house: &House, url: &str, more: &[&str]) -> Output {
    let ca = text(&house.portal.authority.ca);
    house.agent.run(&[&["ecp", url, "--ca-file", &ca], more].concat())
}

/// What the agent answers a program that has got `envelope`.
fn ask(house: &House, envelope: String) -> Reply {
    let paths = Paths {
        config_file: house.agent.config_file.clone(),
        policy_file: None,
        state_dir: house.agent.state_dir.clone(),
        runtime_dir: house.agent.runtime_dir.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(control::ask(&paths, &Ask::Ecp { envelope })).expect("the agent answers")
}

const INSIDE: &str = "the protected page";

fn mellon() {
    let house = House::new();
    let service = Service::of(&house.portal, &house.dir("apache"));
    opens(&house, &service.private());
}

fn shibboleth() {
    let house = House::new();
    let service = shibboleth::Service::of(&house.portal, &house.dir("apache"));
    opens(&house, &service.private());
}

/// The page, its cookies, and a command that uses them; the service names the person in the header `X-Person`.
fn opens(house: &House, page: &str) {
    let output = ecp(house, page, &[]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), INSIDE, "{errors}");
    let jar = text(&house.dir("cookies"));
    let output = ecp(house, page, &["--cookie-jar", &jar]);
    assert!(output.status.success(), "{output:?}");
    assert!(is_private(Path::new(&jar)), "the cookies are the person's own");
    let curl = ["curl", "--silent", "--insecure", "--dump-header", "-"];
    let by_hand = Command::new("curl").args(&curl[1..]).args(["--cookie", &jar, page]).output().expect("curl starts");
    let by_hand = String::from_utf8_lossy(&by_hand.stdout).into_owned();
    assert!(by_hand.contains(&format!("X-Person: {}", house.user())), "{by_hand}");
    let output = ecp(house, page, &[&["--"], &curl[..], &["--cookie", "{}", page]].concat());
    let by_command = String::from_utf8_lossy(&output.stdout);
    assert!(by_command.contains(INSIDE), "{output:?}");
    // What the command says is what counts, and nothing of the session lies about afterwards.
    let output = ecp(house, page, &["--", "sh", "-c", "echo $COUNTERSIGN_COOKIE_JAR; exit 7"]);
    assert_eq!(output.status.code(), Some(7));
    let lent = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(lent.ends_with(".cookies") && !Path::new(&lent).exists(), "{lent}");
    assert_eq!(house.audited("sign-on", "ok"), 4);
}

fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).expect("it was written").permissions().mode() & 0o077 == 0
}

/// The envelope with which a service answers that wants to be told at `url`; `named` stands in its signed request.
fn envelope(service: &OwnService, house: &House, url: &str, named: Option<&str>) -> String {
    let request = AuthnRequest {
        destination: Some(format!("{}/ecp", house.portal.issuer_url())),
        acs_url: named.map(str::to_owned),
        protocol_binding: Some(Binding::Paos.uri().to_owned()),
        ..OwnService::request(&house.portal)
    };
    envelope_of(service, url, &request)
}

/// The same around this request.
fn envelope_of(service: &OwnService, url: &str, request: &AuthnRequest) -> String {
    let signed = request.sign(&service.signer).expect("it signs").to_soap();
    let header = format!(
        "<S:Header><paos:Request xmlns:paos=\"urn:liberty:paos:2003-08\" S:mustUnderstand=\"1\" \
         S:actor=\"http://schemas.xmlsoap.org/soap/actor/next\" responseConsumerURL=\"{url}\" \
         service=\"urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp\"/></S:Header><S:Body"
    );
    signed.replacen("<S:Body", &header, 1)
}

fn another_address() {
    let house = House::new();
    let service = OwnService::new();
    service.register_at(&house.portal, &house.portal.data_dir);
    let elsewhere = "https://elsewhere.example/paos";
    // The one that the portal knows is the one that a Response is made for.
    let Reply::Ecp { url, envelope: answer, problem: None } = ask(&house, envelope(&service, &house, PAOS_ACS, None))
    else {
        panic!("a Response was to come");
    };
    assert_eq!(url, PAOS_ACS);
    assert!(answer.contains("<saml:Assertion") && answer.contains(&house.user()), "{answer}");
    // The service hears itself that somebody else is here.
    let about_bob = AuthnRequest {
        destination: Some(format!("{}/ecp", house.portal.issuer_url())),
        subject: Some(NameId { format: NameIdFormat::EmailAddress, value: "bob@example.test".to_owned() }),
        ..OwnService::request(&house.portal)
    };
    let Reply::Ecp { envelope: answer, problem: None, .. } = ask(&house, envelope_of(&service, PAOS_ACS, &about_bob))
    else {
        panic!("a Response was to come");
    };
    assert!(answer.contains("status:UnknownPrincipal") && !answer.contains("<saml:Assertion"), "{answer}");
    let before = house.audited("sign-on", "ok");
    let Reply::Ecp { url, envelope: answer, problem } = ask(&house, envelope(&service, &house, elsewhere, None)) else {
        panic!("a fault was to come");
    };
    assert_eq!((url.as_str(), problem.expect("a problem").code.as_str()), (elsewhere, "service-address-differs"));
    assert!(answer.contains("Fault") && !answer.contains("Assertion"), "{answer}");
    // The service says so in what it has signed: then the portal refuses, and notes it.
    let Reply::Failed(problem) = ask(&house, envelope(&service, &house, elsewhere, Some(elsewhere))) else {
        panic!("a refusal was to come");
    };
    assert_eq!(problem.code, "acs-not-registered");
    assert_eq!(house.audited("service-request", "acs-not-registered"), 1);
    assert_eq!(house.audited("sign-on", "ok"), before, "nothing was signed for it");
}

fn no_request() {
    let house = House::new();
    let Reply::Failed(problem) = ask(&house, "<html/>".to_owned()) else { panic!("a failure was to come") };
    assert_eq!(problem.code, "service-not-understood");
    // Nobody registered it, and nobody who is registered signed it.
    let service = OwnService::new();
    let refused = |service: &OwnService| {
        let Reply::Failed(problem) = ask(&house, envelope(service, &house, PAOS_ACS, None)) else {
            panic!("a refusal was to come");
        };
        problem.code
    };
    assert_eq!(refused(&service), "service-unknown");
    service.register_at(&house.portal, &house.portal.data_dir);
    assert_eq!(refused(&OwnService::new()), "bad-signature");
    assert_eq!(house.audited("service-request", "bad-signature"), 1);
    // What answers is no service, or not there, or not over TLS.
    let page = format!("{}/saml/metadata", house.portal.url());
    let ends = |url: &str| {
        let output = ecp(&house, url, &[]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (exit, error) = ends(&page);
    assert!(exit == Some(65) && error.contains("[service-not-understood]"), "{error}");
    let (exit, error) = ends("https://127.0.0.1:1/");
    assert!(exit == Some(67) && error.contains("[service-unreachable]"), "{error}");
    let (exit, error) = ends("http://service.example/");
    assert!(exit == Some(1) && error.contains("starts with `https://`"), "{error}");
    // The portal says what it can't read in the words of SOAP.
    let https = Https::trusting(&house.portal.authority.ca);
    let answer = https.post_soap(&format!("{}/ecp", house.portal.issuer_url()), "<x/>");
    assert_eq!((answer.status, code(&answer).as_str()), (400, "malformed"));
}

fn signed_out() {
    let house = House::new();
    let service = OwnService::new();
    service.register_at(&house.portal, &house.portal.data_dir);
    house.agent.ok(&["sign-out"]);
    let Reply::Failed(problem) = ask(&house, envelope(&service, &house, PAOS_ACS, None)) else {
        panic!("a refusal was to come");
    };
    assert_eq!(problem.code, "signed-out");
    assert_eq!(house.audited("service-request", "ok"), 0);
}
