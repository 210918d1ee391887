//! Tenants apart: what one tenant's administrators, devices and services can do to another's, and how a tenant moves to an issuer of its own.
#![expect(clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use std::path::Path;

use saml::metadata::IdpMetadata;
use saml::name::{EntityId, NameId, NameIdFormat};
use saml::request::AuthnRequest;
use saml::response::{Answer, InResponseTo, ResponseExpectations, UnverifiedResponse};
use saml::time::UtcTime;
use tempfile::TempDir;
use tests::device::{Device, code};
use tests::dns::Dns;
use tests::house::House;
use tests::https::{HttpAnswer, Https};
use tests::own_service::{ACS, OwnService, SERVICE};
use tests::pages::{PageAnswer, Pages};
use tests::portal::Portal;
use tests::program::Program;

/// A cloud with two tenants, `acme` and `other`, each with a domain and a device of its own.
struct Cloud {
    dir: TempDir,
    portal: Portal,
    https: Https,
    dns: Dns,
    serving: Program,
}

impl Cloud {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let mut portal = Portal::create(dir.path());
        portal.ok(&["tenant", "create", "other"]);
        portal.ok(&["domain", "add", "other.test", "--tenant", "other"]);
        portal.sign_on_ports = "28517".to_owned();
        let dns = Dns::start();
        let serving = portal.serve_with(&["--dns-server", &dns.address.to_string()]);
        let https = Https::trusting(&portal.authority.ca);
        Self { dir, portal, https, dns, serving }
    }

    /// Somebody's browser.
    fn pages(&self) -> Pages {
        Pages::of(&self.portal.url(), &self.portal.authority.ca)
    }

    /// A key for the API that is bound to `tenant`.
    fn api_key(&self, tenant: &str) -> String {
        let scopes = "read,audit,devices,users,tokens,services,domains,policy";
        let key = self.portal.ok(&["api-key", "create", "--tenant", tenant, "--scopes", scopes]);
        format!("Bearer {}", key.trim())
    }

    /// The status and the body of what the API says.
    fn api(&self, key: &str, method: &str, path: &str) -> (u16, String) {
        let headers = [("authorization", key)];
        let answer = self.pages().send(method, &format!("/api/v1{path}"), &headers, None);
        (answer.status, answer.body)
    }

    /// Registers the metadata in `file` for `tenant`.
    fn register(&self, file: &Path, tenant: &str) {
        let file = file.to_str().expect("paths in tests are text");
        self.portal.ok(&["service", "add", "--tenant", tenant, "--metadata", file]);
    }

    /// One service that both tenants have registered.
    fn service_of_both(&self) -> OwnService {
        let service = OwnService::new();
        service.register_at(&self.portal, self.dir.path());
        self.register(&self.dir.path().join("service.xml"), "other");
        service
    }

    /// A device of `tenant` that has signed in `user`.
    fn enrolled(&self, tenant: &str, user: &str) -> Device {
        let token = self.portal.ok(&["token", "create", "--tenant", tenant, "--people", "any"]);
        let device = Device::new();
        let request = device.enrolling(naming(device.request(&self.portal, "x", 1), user), token.trim());
        assert_eq!(code(&device.send(&self.https, &self.portal, &request)), "success");
        device
    }

    /// What the portal answers where `device` asks for a Response to the service.
    fn ask(&self, device: &Device, user: &str, sequence: u64) -> HttpAnswer {
        let request = AuthnRequest { respond_to: Some(service_id()), ..device.request(&self.portal, "x", sequence) };
        device.send(&self.https, &self.portal, &naming(request, user))
    }

    fn metadata(&self, path: &str) -> IdpMetadata {
        let answer = self.https.get(&format!("{}{path}/metadata", self.portal.url()));
        IdpMetadata::parse(answer.body.as_bytes()).expect("metadata")
    }

    /// The ID of the sign-on that the service begins at `path`, or the page that says no.
    fn begin(&self, service: &OwnService, path: &str) -> Result<String, Box<PageAnswer>> {
        let request = AuthnRequest {
            destination: Some(format!("{}{path}/sso", self.portal.url())),
            ..OwnService::request(&self.portal)
        };
        let answer = self.pages().get(&format!("{path}/sso?{}", service.query(&request, None)));
        if answer.status != 303 {
            return Err(Box::new(answer));
        }
        let (_, id) = answer.header("location").split_once("transaction=").expect("a sign-on");
        Ok(id.to_owned())
    }
}

fn service_id() -> EntityId {
    SERVICE.parse().expect("an entity ID")
}

/// `request` about `user`, `name@domain`.
fn naming(mut request: AuthnRequest, user: &str) -> AuthnRequest {
    request.subject = Some(NameId { format: NameIdFormat::EmailAddress, value: user.to_owned() });
    let local = user.split('@').next().unwrap_or_default().to_owned();
    if let Some(device) = &mut request.device {
        device.evidence.attributes[0].values = vec![local];
    }
    request
}

/// Whom a service that knows the issuer `described` takes the Response in `answer` for; none where it does not believe it.
fn believed(answer: &HttpAnswer, described: &IdpMetadata) -> Option<String> {
    let response = UnverifiedResponse::parse_soap(answer.body.as_bytes()).expect("a Response");
    let expect = ResponseExpectations {
        issuer: &described.entity_id,
        audience: &service_id(),
        recipient: ACS,
        in_response_to: InResponseTo::Unsolicited,
        now: UtcTime::from_unix_millis(platform::clock::unix_millis()),
        max_skew_seconds: 0,
    };
    match response.verify(&described.signing_keys().expect("keys"), &expect) {
        Ok(Answer::Verified(verified)) => Some(verified.into_assertion().subject.value),
        Ok(Answer::Refused(_)) | Err(_) => None,
    }
}

#[test]
fn two_tenants_at_one_service_get_each_their_own_people_in() {
    let cloud = Cloud::new();
    let service = cloud.service_of_both();
    let (ours, theirs) = (cloud.portal.issuer_path(), cloud.portal.issuer_path_of("other"));
    let (acme, other) = (cloud.metadata(&ours), cloud.metadata(&theirs));
    assert_ne!(acme.entity_id, other.entity_id);
    assert_ne!(acme.signing_certificates, other.signing_certificates, "no key is of two tenants");
    let (alice, bob) = (cloud.enrolled("acme", "alice@example.test"), cloud.enrolled("other", "bob@other.test"));

    let answers = [cloud.ask(&alice, "alice@example.test", 2), cloud.ask(&bob, "bob@other.test", 2)];
    assert_eq!(believed(&answers[0], &acme).as_deref(), Some("alice@example.test"));
    assert_eq!(believed(&answers[1], &other).as_deref(), Some("bob@other.test"));
    // The service of `acme` knows its issuer, and believes nobody of the other tenant, nor anything of the cloud's own.
    let shared = cloud.metadata("/saml");
    for (answer, described) in [(&answers[1], &acme), (&answers[0], &other), (&answers[0], &shared)] {
        assert_eq!(believed(answer, described), None);
    }
    // Nobody of the other tenant's is named as one of this one's people.
    assert_eq!(code(&cloud.ask(&bob, "alice@example.test", 3)), "domain-not-mapped");

    // What the service has begun at one tenant's address the other's device does not end, and hears nothing but that it is not known.
    let begun = cloud.begin(&service, &ours).expect("a sign-on");
    let end = |device: &Device, user: &str, sequence| {
        let request = AuthnRequest {
            respond_to: Some(service_id()),
            transaction: Some(begun.parse().expect("an ID")),
            ..device.request(&cloud.portal, "x", sequence)
        };
        code(&device.send(&cloud.https, &cloud.portal, &naming(request, user)))
    };
    assert_eq!(end(&bob, "bob@other.test", 4), "sign-on-over", "the browser was not sent on yet");
    let answer = cloud.pages().get(&format!("/saml/sso/continue?transaction={begun}&go=1"));
    assert_ne!(answer.status, 303, "it is used up");

    // At the address that tenants share nobody knows the service, nor at the address of a tenant that is none.
    for path in ["/saml", "/saml/t/0000000000000000"] {
        let answer = cloud.begin(&service, path).expect_err("no sign-on");
        assert!(answer.status == 400 && answer.body.contains("service-unknown"), "{path}: {}", answer.body);
    }
    assert_eq!(cloud.https.get(&format!("{}/saml/t/0000000000000000/metadata", cloud.portal.url())).status, 404);
    drop(cloud.serving);
}

#[test]
fn a_sign_on_of_one_tenants_service_is_not_ended_by_anothers_device() {
    let cloud = Cloud::new();
    let service = cloud.service_of_both();
    let bob = cloud.enrolled("other", "bob@other.test");
    let begun = cloud.begin(&service, &cloud.portal.issuer_path()).expect("a sign-on");
    let sent_on = cloud.pages().get(&format!("/saml/sso/continue?transaction={begun}&go=1"));
    assert_eq!(sent_on.status, 303, "{}", sent_on.body);
    let request = AuthnRequest {
        respond_to: Some(service_id()),
        transaction: Some(begun.parse().expect("an ID")),
        ..bob.request(&cloud.portal, "x", 2)
    };
    let answer = bob.send(&cloud.https, &cloud.portal, &naming(request, "bob@other.test"));
    assert_eq!(code(&answer), "service-unknown", "the other tenant has a service of that name, and it is not this one");
    assert!(!answer.body.contains("<saml:Assertion"), "{}", answer.body);
}

#[test]
fn a_tenant_moves_from_the_shared_issuer_to_its_own_without_a_gap() {
    let house = House::new();
    let portal = &house.portal;
    let service = OwnService::new();
    let set = |issuer: &str| portal.ok(&["tenant", "set", "acme", "--issuer", issuer, "--services-know"]);
    set("shared");
    service.register_at(portal, &house.dir("portal"));
    let issuer_of = || {
        let answer = house.agent.json(&["sign-in", "--service", SERVICE, "--json"]);
        let field = answer["saml_response"].as_str().expect("a Response").to_owned();
        UnverifiedResponse::parse_post(&field).expect("it can be read").claimed_issuer().expect("an issuer").to_string()
    };
    let (shared, own) = (format!("{}/saml/metadata", portal.url()), format!("{}/metadata", portal.issuer_url()));
    assert_eq!(issuer_of(), shared, "as it was for tenants that are older");
    // What has to be done is said, and nothing is changed by that; the own address answers already.
    let said = portal.ok(&["tenant", "set", "acme", "--issuer", "own"]);
    assert!(said.contains("nothing is changed yet") && said.contains(SERVICE) && said.contains("/saml/t/"), "{said}");
    assert_eq!(portal.json(&["tenant", "list", "--json"])[0]["issuer"], "shared");
    let https = Https::trusting(&portal.authority.ca);
    let begin = |path: &str| {
        let request =
            AuthnRequest { destination: Some(format!("{}{path}/sso", portal.url())), ..OwnService::request(portal) };
        Pages::of(&portal.url(), &portal.authority.ca)
            .get(&format!("{path}/sso?{}", service.query(&request, None)))
            .status
    };
    assert_eq!((begin("/saml"), begin(&portal.issuer_path())), (303, 303));
    assert!(https.get(&own).body.contains("X509Certificate"));
    set("own");
    // The agent has heard of the other issuer already, or asks.
    assert_eq!(issuer_of(), own);
    assert_eq!((begin("/saml"), begin(&portal.issuer_path())), (400, 303));
    let list = portal.ok(&["tenant", "list"]);
    assert!(list.contains("ISSUER") && list.contains("own"), "{list}");
}

#[test]
fn an_entity_id_is_unique_in_a_tenant_and_among_those_that_share_an_issuer() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    portal.ok(&["tenant", "create", "other"]);
    let add =
        |tenant: &str| portal.run(&["service", "add", "--tenant", tenant, "--entity-id", SERVICE, "--acs-url", ACS]);
    assert!(add("acme").status.success());
    assert!(!add("acme").status.success(), "not twice in one tenant");
    assert!(add("other").status.success(), "another tenant's is its own");
    let several = portal.run(&["service", "show", SERVICE]);
    assert!(String::from_utf8_lossy(&several.stderr).contains("name the tenant too"), "{several:?}");
    portal.ok(&["service", "set", SERVICE, "--tenant", "other", "--mail", "no"]);
    assert!(portal.ok(&["service", "show", SERVICE, "--tenant", "acme"]).contains("Attribute mail: yes"));
    portal.ok(&["service", "remove", SERVICE, "--tenant", "other"]);
    portal.ok(&["service", "show", SERVICE]);
    for tenant in ["acme", "other"] {
        portal.ok(&["tenant", "set", tenant, "--issuer", "shared", "--services-know"]);
    }
    let refused = add("other");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--issuer own"), "{refused:?}");
    portal.ok(&["tenant", "set", "other", "--issuer", "own"]);
    assert!(add("other").status.success());
    let back = portal.run(&["tenant", "set", "other", "--issuer", "shared", "--services-know"]);
    assert!(String::from_utf8_lossy(&back.stderr).contains("same entity ID"), "{back:?}");
}

#[test]
fn errors_tell_nothing_of_another_tenants_objects() {
    let cloud = Cloud::new();
    cloud.service_of_both();
    cloud.portal.ok(&["service", "remove", SERVICE, "--tenant", "acme"]);
    let theirs = cloud.enrolled("other", "bob@other.test");
    let token = cloud.portal.json(&["token", "list", "--json"]);
    let token = token[0]["id"].as_str().expect("an id").to_owned();
    let key = cloud.api_key("acme");
    let ask = |path: &str, their_name: &str| {
        let (status, body) = cloud.api(&key, "GET", path);
        (status, body.replace(their_name, "NAME"))
    };
    let encoded = |text: &str| text.bytes().map(|octet| format!("%{octet:02X}")).collect::<String>();
    for (path, there, nowhere) in [
        ("/services?entity_id=", SERVICE, "https://nothing.example"),
        ("/users/", "bob@other.test", "nobody@nothing.test"),
        ("/devices/", theirs.id.as_str(), "urn:countersign:device:00000000000000000000000000000000"),
        ("/tokens/", token.as_str(), "0000000000000000"),
        ("/tenants/", "other", "nothing"),
    ] {
        let known = ask(&format!("{path}{}", encoded(there)), there);
        let unknown = ask(&format!("{path}{}", encoded(nowhere)), nowhere);
        assert_eq!(known, unknown, "{path}");
        assert_eq!(known.0, 404, "{path}: {}", known.1);
    }
    // Nobody takes the name of somebody of the other tenant's, whether there is one or not.
    let add = |name: &str| {
        let (status, body) = cloud.api(&key, "PUT", &format!("/tenants/acme/users/{}", encoded(name)));
        (status, body.replace(name, "NAME"))
    };
    assert_eq!(add("bob@other.test"), add("nobody@other.test"));
    assert_eq!(add("bob@other.test").0, 422);
    let keys = ask("/signing-keys", "-").1;
    let rows = cloud.portal.ok(&["key", "list"]);
    let their_key = rows.lines().find(|line| line.trim_end().ends_with("other")).expect("a key");
    let their_key = their_key.split(' ').next().expect("an id");
    assert!(keys.contains("certificate") && !keys.contains(their_key), "{keys}");
}

#[test]
fn a_tenant_adds_a_domain_that_its_dns_proves_and_learns_nothing_of_others() {
    let cloud = Cloud::new();
    let (ours, theirs) = (cloud.api_key("acme"), cloud.api_key("other"));
    let put =
        |key: &str, tenant: &str, domain: &str| cloud.api(key, "PUT", &format!("/tenants/{tenant}/domains/{domain}"));
    // One that is another's, and one that is nobody's: the same words, and the record that proves it.
    let value = |body: &str| {
        let (_, rest) = body.split_once("with the value `").expect("a value");
        rest.split('`').next().expect("a value").to_owned()
    };
    let (taken, free) = (put(&ours, "acme", "other.test"), put(&ours, "acme", "free.test"));
    assert_eq!((taken.0, free.0), (409, 409), "{taken:?} {free:?}");
    let (of_taken, of_free) = (value(&taken.1), value(&free.1));
    let plain = |(_, body): &(u16, String), name: &str, value: &str| body.replace(name, "NAME").replace(value, "VALUE");
    assert_eq!(plain(&taken, "other.test", &of_taken), plain(&free, "free.test", &of_free));
    assert!(free.1.contains("`_countersign-challenge.free.test`"), "{}", free.1);
    // It is the tenant's own, and stays: another's proves nothing.
    let other_value = value(&put(&theirs, "other", "free.test").1);
    assert_ne!(of_free, other_value);
    cloud.dns.set("_countersign-challenge.free.test", &other_value);
    assert_eq!(put(&ours, "acme", "free.test").0, 409);
    cloud.dns.set("_countersign-challenge.free.test", &of_free);
    let added = put(&ours, "acme", "free.test");
    assert_eq!(added.0, 200, "{}", added.1);
    assert_eq!(put(&ours, "acme", "free.test").0, 200, "a repetition changes nothing");
    assert!(cloud.portal.ok(&["domain", "list"]).contains("free.test"));
    // With the proof of one that another has, an owner of the cloud is to be asked.
    cloud.dns.set("_countersign-challenge.other.test", &of_taken);
    let refused = put(&ours, "acme", "other.test");
    assert!(refused.0 == 422 && refused.1.contains("ask an owner"), "{refused:?}");
    // The command line is the cloud's owner.
    cloud.portal.ok(&["domain", "add", "third.test", "--tenant", "acme"]);
}
