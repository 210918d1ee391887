//! A copied key, in every way in which somebody can use one: whichever of two holders comes first, both are stopped until an administrator has
//! looked, and nothing that one of them does in between takes the device from the other.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "test code: a surprise must end it loudly")]

use std::path::Path;

use saml::device::{DEREGISTER, Rotation, RotationProof};
use saml::logout::LogoutRequest;
use saml::name::{MessageId, NameId, NameIdFormat};
use saml::request::AuthnRequest;
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
    let serving = portal.serve_with(&["--keep-alive", "1"]);
    let https = Https::trusting(&portal.authority.ca);
    House { portal, https, _serving: serving, dir }
}

impl House {
    /// A device that is enrolled for alice and has sent the number 5.
    fn enrolled(&self) -> Device {
        let device = Device::new();
        let enrolment = device.enrolling(device.request(&self.portal, "alice", 1), &self.portal.token(&[]));
        assert_eq!(self.send(&device, &enrolment), "success");
        assert_eq!(self.sign_in(&device, 5), "success");
        device
    }

    fn send(&self, device: &Device, request: &AuthnRequest) -> String {
        code(&device.send(&self.https, &self.portal, request))
    }

    fn sign_in(&self, device: &Device, sequence: u64) -> String {
        self.send(device, &device.request(&self.portal, "alice", sequence))
    }

    fn keep_alive(&self, device: &Device, sequence: u64) -> AuthnRequest {
        let myself = NameId { format: NameIdFormat::Entity, value: device.id.to_string() };
        AuthnRequest { subject: Some(myself), name_id_policy: None, ..device.request(&self.portal, "alice", sequence) }
    }

    /// A keep-alive that brings the key of `next`.
    fn bringing(&self, device: &Device, next: &Device, sequence: u64) -> AuthnRequest {
        let mut request = self.keep_alive(device, sequence);
        let proof = RotationProof {
            device: &request.issuer,
            device_key_spki: &next.spki,
            request: &request.id,
            issue_instant: request.issue_instant,
            destination: request.destination.as_deref().expect("it has one"),
        };
        let possession = saml::key::Signer::sign(next.signer(), &proof.octets()).expect("the key signs");
        let rotation = Rotation { device_key_spki: next.spki.clone(), protection: "file".to_owned(), possession };
        request.device.as_mut().expect("it has a device").rotation = Some(rotation);
        request
    }

    /// The device itself, or a copy of it, says that it leaves.
    fn deregister(&self, device: &Device) -> String {
        let request = LogoutRequest {
            id: MessageId::from_random(platform::random::bytes()),
            issue_instant: device.request(&self.portal, "alice", 0).issue_instant,
            destination: Some(self.portal.soap_url()),
            issuer: device.id.clone(),
            not_on_or_after: None,
            reason: Some(DEREGISTER.to_owned()),
            name_id: NameId { format: NameIdFormat::Entity, value: device.id.to_string() },
            session_indexes: Vec::new(),
        };
        let signed = request.sign_as_device(device.signer()).expect("the key signs");
        code(&self.https.post_soap(&self.portal.soap_url(), saml::binding::soap::envelope(&signed)))
    }

    fn state(&self) -> String {
        self.portal.json(&["device", "list", "--json"])[0]["state"].as_str().expect("it is text").to_owned()
    }

    /// Nobody gets anything with the key, whatever they try, and the administrator is told why.
    fn is_stopped(&self, device: &Device, why: &str) {
        assert_eq!(self.state(), "cloned");
        for sequence in [7, 1 << 20, 1 << 62] {
            assert_eq!(self.sign_in(device, sequence), "device-cloned", "{sequence}");
        }
        assert_eq!(self.send(device, &self.bringing(device, &Device::new(), 8)), "device-cloned");
        let enrolment = device.enrolling(device.request(&self.portal, "alice", 9), &self.portal.token(&[]));
        assert_eq!(self.send(device, &enrolment), "device-cloned");
        assert_eq!(self.deregister(device), "device-cloned");
        assert_eq!(self.state(), "cloned");
        let clones = self.portal.json(&["device", "clones", "--json"]);
        assert_eq!(clones[0]["signs"][0]["why"], why, "{clones}");
        assert!(self.portal.ok(&["audit", "list"]).contains("device.stop-copied"));
    }
}

#[test]
fn a_copy_that_comes_with_a_number_that_was_there_stops_both_until_an_administrator_has_looked() {
    let house = house();
    let device = house.enrolled();
    assert_eq!(house.sign_in(&device, 5), "device-cloned");
    house.is_stopped(&device, "number-was-there");
    house.portal.ok(&["device", "restore", device.id.as_str()]);
    assert!(house.portal.ok(&["device", "clones"]).contains("no key is in two places"));
    assert_eq!(house.sign_in(&device, 6), "success");
    assert_eq!(house.sign_in(&device, 6), "device-cloned", "the copy is still there");
}

#[test]
fn a_copy_that_leapfrogs_is_found_by_the_next_number_of_the_other() {
    let house = house();
    let device = house.enrolled();
    assert_eq!(house.sign_in(&device, 500), "success", "a start of the agent looks the same");
    assert_eq!(house.sign_in(&device, 6), "device-cloned");
    house.is_stopped(&device, "number-was-there");
    house.portal.ok(&["device", "restore", device.id.as_str()]);
    assert_eq!(house.sign_in(&device, 7), "success", "the count goes on with the device, and not with the copy");
}

#[test]
fn a_number_that_no_agent_reaches_stops_both_at_once() {
    for number in [1 << 62, i64::MAX as u64] {
        let house = house();
        let device = house.enrolled();
        assert_eq!(house.sign_in(&device, number), "device-cloned");
        house.is_stopped(&device, "jump");
        house.portal.ok(&["device", "restore", device.id.as_str()]);
        assert_eq!(house.sign_in(&device, 6), "success");
    }
}

#[test]
fn a_change_of_the_key_by_the_copy_is_found_by_the_next_request_of_the_other() {
    let house = house();
    let (device, next) = (house.enrolled(), Device::new());
    assert_eq!(house.send(&device, &house.bringing(&device, &next, 6)), "success");
    assert_eq!(house.send(&next, &house.keep_alive(&next, 7)), "success");
    assert_eq!(house.sign_in(&device, 6), "device-cloned");
    house.is_stopped(&device, "former-key");
    house.is_stopped(&next, "former-key");
}

#[test]
fn a_farewell_with_a_key_that_was_replaced_stops_both() {
    let house = house();
    let (device, next) = (house.enrolled(), Device::new());
    assert_eq!(house.send(&device, &house.bringing(&device, &next, 6)), "success");
    assert_eq!(house.send(&next, &house.keep_alive(&next, 7)), "success");
    assert_eq!(house.deregister(&device), "device-cloned");
    house.is_stopped(&next, "former-key");
}

#[test]
fn a_deregistration_by_the_copy_is_found_by_the_next_request_of_the_other() {
    let house = house();
    let device = house.enrolled();
    assert_eq!(house.deregister(&device), "success");
    assert_eq!(house.state(), "unregistered");
    assert_eq!(house.sign_in(&device, 6), "device-cloned");
    house.is_stopped(&device, "had-left");
    house.portal.ok(&["device", "restore", device.id.as_str()]);
    assert_eq!(house.sign_in(&device, 7), "success");
}

#[test]
fn a_device_that_waits_for_approval_is_stopped_too_and_approval_alone_does_not_let_it_in() {
    let house = house();
    let (device, token) = (Device::new(), house.portal.token(&["--approval", "queue"]));
    let enrol = |sequence| device.enrolling(device.request(&house.portal, "alice", sequence), &token);
    assert_eq!(house.send(&device, &enrol(5)), "device-pending");
    assert_eq!(house.send(&device, &enrol(5)), "device-cloned");
    house.is_stopped(&device, "number-was-there");
    assert!(!house.portal.run(&["device", "approve", device.id.as_str()]).status.success());
}

#[test]
fn a_request_that_a_later_one_has_overtaken_stops_nobody_once() {
    let house = house();
    let device = house.enrolled();
    let [late, too_late] = [6, 7].map(|sequence| device.request(&house.portal, "alice", sequence));
    assert_eq!(house.sign_in(&device, 8), "success");
    assert_eq!(house.send(&device, &late), "replayed");
    assert_eq!(house.sign_in(&device, 9), "success");
    assert_eq!(house.send(&device, &too_late), "device-cloned", "a copy that dates its requests back");
}

#[test]
fn the_same_request_delivered_twice_is_no_sign() {
    let house = house();
    let device = house.enrolled();
    let request = device.sign(&device.request(&house.portal, "alice", 6));
    let post = || code(&house.https.post_soap(&house.portal.soap_url(), request.clone()));
    assert_eq!([post(), post()], ["success", "replayed"]);
    assert_eq!(house.sign_in(&device, 7), "success");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory can be made");
    for entry in std::fs::read_dir(from).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        let target = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else if path.is_file() {
            std::fs::copy(&path, &target).expect("it can be copied");
        }
    }
}

#[test]
fn a_state_folder_on_another_machine_stops_both_agents_and_a_restoration_lets_the_one_that_is_left_go_on() {
    let house = house();
    let agent = Agent::in_dir(&house.dir.path().join("agent"));
    assert!(agent.configure(&house.portal, &house.portal.token(&[])).status.success());
    drop(agent.start_signed_in());
    copy(&house.dir.path().join("agent"), &house.dir.path().join("copy"));
    let thief = Agent::in_dir(&house.dir.path().join("copy"));
    let mut original = agent.start_signed_in();
    let mut other = thief.start();
    let stopped = |line: &str| line.contains("device-cloned");
    other.wait_for(stopped);
    original.wait_for(stopped);
    assert_eq!(house.state(), "cloned");
    drop(other);
    let id = house.portal.json(&["device", "list", "--json"])[0]["id"].as_str().expect("it is text").to_owned();
    house.portal.ok(&["device", "restore", &id]);
    drop(original);
    drop(agent.start_signed_in());
    assert_eq!(house.state(), "registered");
}

#[test]
fn an_agent_that_is_started_again_and_again_is_no_copy() {
    let house = house();
    let agent = Agent::in_dir(&house.dir.path().join("agent"));
    assert!(agent.configure(&house.portal, &house.portal.token(&[])).status.success());
    for _ in 0..3 {
        drop(agent.start_signed_in());
    }
    std::fs::write(agent.state_dir.join("device.json"), "damaged").expect("it can be written");
    drop(agent.start_signed_in());
    assert_eq!(house.state(), "registered");
    assert!(house.portal.ok(&["device", "clones"]).contains("no key is in two places"));
}
