//! Everything that the portal refuses, with the code of each, and what the agent says about it.
#![expect(clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use saml::time::UtcTime;
use tempfile::TempDir;
use tests::agent::Agent;
use tests::device::{Device, code};
use tests::https::Https;
use tests::portal::Portal;
use tests::program::Program;

struct House {
    portal: Portal,
    https: Https,
    _serving: Program,
    dir: TempDir,
}

fn house() -> House {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let serving = portal.serve();
    let https = Https::trusting(&portal.authority.ca);
    House { portal, https, _serving: serving, dir }
}

impl House {
    /// Enrols `device` for `user` with the number 1; returns the code.
    fn enrol(&self, device: &Device, user: &str, token: &str) -> String {
        let request = device.enrolling(device.request(&self.portal, user, 1), token);
        code(&device.send(&self.https, &self.portal, &request))
    }

    fn sign_in(&self, device: &Device, user: &str, sequence: u64) -> String {
        code(&device.send(&self.https, &self.portal, &device.request(&self.portal, user, sequence)))
    }

    fn rows(&self) -> (usize, usize, usize) {
        let count = |arguments: &[&str]| self.portal.json(arguments).as_array().expect("a list").len();
        let audit = self.portal.ok(&["audit", "list", "--json", "--limit", "1000"]);
        (count(&["device", "list", "--json"]), count(&["user", "list", "--json"]), audit.lines().count())
    }
}

#[test]
fn a_request_that_comes_twice_is_replayed() {
    let house = house();
    let (device, token) = (Device::new(), house.portal.token(&[]));
    let request = device.enrolling(device.request(&house.portal, "alice", 1), &token);
    let signed = device.sign(&request);
    let post = || code(&house.https.post_soap(&house.portal.soap_url(), signed.clone()));
    assert_eq!(post(), "success");
    assert_eq!(post(), "replayed");
    assert_eq!(house.portal.json(&["token", "list", "--json"])[0]["uses"], 1);
}

#[test]
fn a_replay_is_remembered_over_a_restart_of_the_portal() {
    let mut house = house();
    let (device, token) = (Device::new(), house.portal.token(&[]));
    let request = device.enrolling(device.request(&house.portal, "alice", 1), &token);
    let signed = device.sign(&request);
    assert_eq!(code(&house.https.post_soap(&house.portal.soap_url(), signed.clone())), "success");
    house._serving.kill();
    house._serving = house.portal.serve();
    assert_eq!(code(&house.https.post_soap(&house.portal.soap_url(), signed)), "replayed");
}

#[test]
fn an_enrolment_that_is_repeated_with_the_same_key_costs_one_use() {
    let house = house();
    let (device, token) = (Device::new(), house.portal.token(&["--uses", "1"]));
    assert_eq!(house.enrol(&device, "alice", &token), "success");
    let again = device.enrolling(device.request(&house.portal, "alice", 2), &token);
    assert_eq!(code(&device.send(&house.https, &house.portal, &again)), "success");
    assert_eq!(house.portal.json(&["token", "list", "--json"])[0]["uses"], 1);
    assert_eq!(house.enrol(&Device::new(), "alice", &token), "token-used-up");
}

#[test]
fn a_token_enrols_within_its_limits_only() {
    let house = house();
    let portal = &house.portal;
    portal.ok(&["domain", "add", "other.test", "--tenant", "acme"]);
    let (revoked, other, unknown) = (portal.token(&[]), portal.token(&["--domain", "other.test"]), portal.token(&[]));
    let windows_only = portal.token(&["--platform", "windows"]);
    let id = |token: &str| saml::token::DeviceToken::parse(token).expect("a token").id().to_string();
    portal.ok(&["token", "revoke", &id(&revoked)]);
    assert_eq!(house.enrol(&Device::new(), "alice", &revoked), "token-revoked");
    assert_eq!(house.enrol(&Device::new(), "alice", &other), "domain-not-allowed");
    assert_eq!(house.enrol(&Device::new(), "alice", &windows_only), "token-scope");

    let elsewhere = tempfile::tempdir().expect("a directory can be made");
    let stranger = Portal::create(elsewhere.path()).token(&[]);
    assert_eq!(house.enrol(&Device::new(), "alice", &stranger), "unknown-token");

    // The id of one token with the secret of another: knowing an id is worth nothing.
    let secret = saml::token::DeviceToken::parse(&unknown).expect("a token");
    let forged = saml::token::DeviceToken::from_parts(secret.id().clone(), [7; 32]).reveal();
    assert_eq!(house.enrol(&Device::new(), "alice", secrecy::ExposeSecret::expose_secret(&forged)), "bad-signature");
    assert_eq!(house.rows().0, 0, "no device was registered");
}

#[test]
fn an_expired_token_enrols_nothing_and_the_agent_says_what_to_do() {
    let house = house();
    let token = house.portal.token(&["--expires", "1s"]);
    // The portal's clock decides; this waits for what it says.
    while !house.portal.ok(&["token", "list"]).contains("expired") {}
    let agent = Agent::in_dir(&house.dir.path().join("agent"));
    assert!(agent.configure(&house.portal, &token).status.success());
    let mut running = agent.start();
    running.wait_for(|line| line.contains("token-expired"));
    let status = agent.run(&["status"]);
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(text.contains("[token-expired]") && text.contains("Next"), "{text}");
    assert_eq!(status.status.code(), Some(i32::from(saml::refusal::RefusalCode::TokenExpired.exit_code())));
}

#[test]
fn a_device_is_known_by_its_key_alone() {
    let house = house();
    let token = house.portal.token(&[]);
    let (device, thief) = (Device::new(), Device::new());
    assert_eq!(house.sign_in(&device, "alice", 1), "device-unknown");
    assert_eq!(house.enrol(&device, "alice", &token), "success");

    // Another key under the device's name, with and without an enrolment.
    let mut named = thief.request(&house.portal, "alice", 2);
    named.issuer = device.id.clone();
    assert_eq!(code(&thief.send(&house.https, &house.portal, &named)), "bad-signature");
    let mut enrolling = thief.request(&house.portal, "alice", 2);
    enrolling.issuer = device.id.clone();
    let enrolling = thief.enrolling(enrolling, &token);
    assert_eq!(code(&thief.send(&house.https, &house.portal, &enrolling)), "bad-signature");
}

#[test]
fn a_signature_of_the_token_is_worth_nothing_in_another_request() {
    let house = house();
    let token = house.portal.token(&[]);
    let (device, thief) = (Device::new(), Device::new());
    let seen = device.enrolling(device.request(&house.portal, "alice", 1), &token);
    let mut stolen = thief.enrolling(thief.request(&house.portal, "alice", 1), &token);
    let signature =
        seen.device.as_ref().and_then(|device| device.enrolment.as_ref()).expect("it enrols").token_signature.clone();
    stolen.device.as_mut().and_then(|device| device.enrolment.as_mut()).expect("it enrols").token_signature = signature;
    assert_eq!(code(&thief.send(&house.https, &house.portal, &stolen)), "bad-signature");
}

#[test]
fn a_sequence_number_that_goes_back_is_a_clone() {
    let house = house();
    let (device, token) = (Device::new(), house.portal.token(&[]));
    assert_eq!(house.enrol(&device, "alice", &token), "success");
    assert_eq!(house.sign_in(&device, "alice", 5), "success");
    assert_eq!(house.sign_in(&device, "alice", 5), "device-cloned");
    assert_eq!(house.sign_in(&device, "alice", 4), "device-cloned");
    assert_eq!(house.sign_in(&device, "alice", 6), "success");
}

#[test]
fn a_person_needs_a_domain_of_the_tenant_and_evidence_that_names_them() {
    let house = house();
    let (device, token) = (Device::new(), house.portal.token(&[]));
    assert_eq!(house.enrol(&device, "alice", &token), "success");

    let mut foreign = device.request(&house.portal, "alice", 2);
    foreign.subject.as_mut().expect("a subject").value = "alice@elsewhere.test".to_owned();
    assert_eq!(code(&device.send(&house.https, &house.portal, &foreign)), "domain-not-mapped");

    // The evidence says alice; the request says admin.
    let mut claimed = device.request(&house.portal, "alice", 3);
    claimed.subject.as_mut().expect("a subject").value = "admin@example.test".to_owned();
    assert_eq!(code(&device.send(&house.https, &house.portal, &claimed)), "evidence-too-weak");

    house.portal.ok(&["tenant", "set", "acme", "--minimum-claim", "directory"]);
    assert_eq!(house.sign_in(&device, "alice", 4), "evidence-too-weak");
}

#[test]
fn what_administrators_decide_holds_from_the_next_request_on() {
    let house = house();
    let portal = &house.portal;
    let (device, token) = (Device::new(), portal.token(&[]));
    assert_eq!(house.enrol(&device, "alice", &token), "success");

    portal.ok(&["user", "suspend", "alice@example.test"]);
    assert_eq!(house.sign_in(&device, "alice", 2), "user-suspended");
    portal.ok(&["user", "resume", "alice@example.test"]);
    portal.ok(&["tenant", "set", "acme", "--idp", "off"]);
    assert_eq!(house.sign_in(&device, "alice", 3), "idp-disabled");
    portal.ok(&["tenant", "set", "acme", "--idp", "on", "--auto-provisioning", "off"]);
    assert_eq!(house.sign_in(&device, "bob", 4), "user-not-provisioned");
    portal.ok(&["user", "add", "bob@example.test", "--tenant", "acme"]);
    assert_eq!(house.sign_in(&device, "bob", 5), "success");

    portal.ok(&["device", "remove", device.id.as_str()]);
    assert_eq!(house.sign_in(&device, "alice", 6), "device-removed");
    let again = device.enrolling(device.request(portal, "alice", 7), &token);
    assert_eq!(code(&device.send(&house.https, portal, &again)), "success", "a token brings it back");
    portal.ok(&["device", "quarantine", device.id.as_str()]);
    let again = device.enrolling(device.request(portal, "alice", 8), &token);
    assert_eq!(code(&device.send(&house.https, portal, &again)), "device-quarantined", "a token doesn't");
    assert!(portal.ok(&["audit", "verify"]).contains("intact"));
}

#[test]
fn one_person_has_so_many_devices_and_no_more() {
    let house = house();
    house.portal.ok(&["tenant", "set", "acme", "--devices-per-user", "2"]);
    let token = house.portal.token(&[]);
    assert_eq!(house.enrol(&Device::new(), "alice", &token), "success");
    assert_eq!(house.enrol(&Device::new(), "alice", &token), "success");
    assert_eq!(house.enrol(&Device::new(), "alice", &token), "device-limit");
    assert_eq!(house.enrol(&Device::new(), "bob", &token), "success");
}

#[test]
fn a_service_that_is_not_registered_gets_nothing() {
    let house = house();
    let (device, token) = (Device::new(), house.portal.token(&[]));
    assert_eq!(house.enrol(&device, "alice", &token), "success");
    let mut request = device.request(&house.portal, "alice", 2);
    request.respond_to = Some("https://unknown.test/metadata".parse().expect("an entity ID"));
    assert_eq!(code(&device.send(&house.https, &house.portal, &request)), "service-unknown");
}

#[test]
fn a_stale_or_future_request_is_told_the_portals_time() {
    let house = house();
    let (device, token) = (Device::new(), house.portal.token(&[]));
    for (sequence, seconds) in [(1, -86_400), (2, 86_400)] {
        let mut request = device.request(&house.portal, "alice", sequence);
        request.issue_instant = request.issue_instant.plus_seconds(seconds);
        let answer = device.send(&house.https, &house.portal, &device.enrolling(request, &token));
        assert_eq!(code(&answer), "clock-skew");
        let (_, time) = answer.body.split_once(" Time=\"").expect("it tells the time");
        let time: UtcTime = time.split('"').next().and_then(|time| time.parse().ok()).expect("a time");
        let now = UtcTime::from_unix_millis(platform::clock::unix_millis());
        assert!(now.seconds_since(time).abs() < 60);
    }
    assert_eq!(house.rows().0, 0);
}

#[test]
fn what_is_no_sound_request_is_malformed_and_leaves_no_row() {
    let house = house();
    let (device, token) = (Device::new(), house.portal.token(&[]));
    let url = house.portal.soap_url();
    let before = house.rows();
    let sound = device.sign(&device.enrolling(device.request(&house.portal, "alice", 1), &token));
    let signature = {
        let from = sound.find("<ds:Signature").expect("it is signed");
        let to = sound.find("</ds:Signature>").expect("it is signed") + "</ds:Signature>".len();
        sound[from..to].to_owned()
    };
    let twice = sound.replacen(&signature, &format!("{signature}{signature}"), 1);
    let doctype = format!("<!DOCTYPE x [<!ENTITY e \"e\">]>{sound}");
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("empty", Vec::new(), 400),
        ("10 MB", vec![b'x'; 10 * 1024 * 1024], 413),
        ("not XML", b"hello".to_vec(), 400),
        ("not UTF-8", vec![0xff, 0xfe, b'<', 0], 400),
        ("DOCTYPE", doctype.into_bytes(), 400),
        ("not SOAP", b"<a/>".to_vec(), 400),
        ("cut off", sound.as_bytes()[..sound.len() / 2].to_vec(), 400),
    ];
    for (name, body, status) in cases {
        let answer = house.https.post_soap(&url, body);
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
        assert!(answer.body.contains(":Fault>") && answer.body.contains("malformed"), "{name}: {}", answer.body);
    }
    let answer = house.https.post_soap(&url, twice);
    assert_eq!(code(&answer), "bad-signature", "two signatures");
    let mut elsewhere = device.request(&house.portal, "alice", 2);
    elsewhere.destination = Some("https://elsewhere.test/saml/soap".to_owned());
    let answer = device.send(&house.https, &house.portal, &device.enrolling(elsewhere, &token));
    assert_eq!(code(&answer), "malformed", "wrong Destination");
    let changed = sound.replacen("alice@", "admin@", 1);
    assert_eq!(code(&house.https.post_soap(&url, changed)), "bad-signature", "changed after signing");
    assert_eq!(house.rows(), before);
    assert_eq!(house.enrol(&device, "alice", &token), "success", "and the portal goes on");
}
