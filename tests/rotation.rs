//! Keys that change while everything runs: the portal's, which agents follow, and the devices' own.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "test code: a surprise must end it loudly")]

use saml::device::{Rotation, RotationProof};
use saml::key::Signer as _;
use saml::name::{NameId, NameIdFormat};
use saml::request::AuthnRequest;
use tempfile::TempDir;
use tests::agent::{Agent, is_session};
use tests::device::{Device, code};
use tests::https::Https;
use tests::portal::Portal;
use tests::program::Program;

/// A portal that wants to hear devices every second, and an agent with a token.
fn pair() -> (TempDir, Portal, Program, Agent) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let serving = serve(&portal);
    let agent = Agent::in_dir(&dir.path().join("agent"));
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    (dir, portal, serving, agent)
}

fn serve(portal: &Portal) -> Program {
    portal.serve_with(&["--keep-alive", "1"])
}

/// The portal's signing keys for `purpose`: identifier and state, the oldest first.
fn keys(portal: &Portal, purpose: &str) -> Vec<(String, String)> {
    let list = portal.ok(&["key", "list"]);
    let rows = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(1) == Some(&purpose)).map(|row| (row[0].to_owned(), row[2].to_owned())).collect()
}

/// Adds a key for `purpose` and waits until the portal lists it; returns the old and the new one.
fn add(portal: &Portal, serving: &mut Program, purpose: &str) -> (String, String) {
    let old = keys(portal, purpose)[0].0.clone();
    let new = portal.ok(&["key", "add", "--for", purpose]).trim().to_owned();
    serving.wait_for(|line| line.contains("the signing keys have changed") && line.contains(&old));
    (old, new)
}

fn retire(portal: &Portal, serving: &mut Program, old: &str, new: &str) {
    portal.ok(&["key", "retire", old, "--in", "0s"]);
    serving.wait_for(|line| line.contains("the signing keys have changed") && line.contains(new));
}

/// The certificates that the agent has pinned.
fn pinned(agent: &Agent) -> Vec<String> {
    let state = std::fs::read(agent.state_dir.join("device.json")).expect("there is a state");
    let state: serde_json::Value = serde_json::from_slice(&state).expect("it is JSON");
    let list = state["portal"]["signing_certificates"].as_array().expect("a list").clone();
    list.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

const FOLLOWED: &str = "has vouched for the keys";

#[test]
fn agents_follow_the_portals_keys_from_one_to_the_next() {
    let (_dir, portal, mut serving, agent) = pair();
    let mut running = agent.start_signed_in();
    let first = pinned(&agent);
    let (old, new) = add(&portal, &mut serving, "agent");
    running.wait_for(|line| line.contains(FOLLOWED));
    let both = pinned(&agent);
    assert!(both.len() == 3 && first.iter().all(|key| both.contains(key)), "the old and the new one");
    assert_eq!(keys(&portal, "agent"), [(old.clone(), "signs".to_owned()), (new.clone(), "listed".to_owned())]);
    retire(&portal, &mut serving, &old, &new);
    running.wait_for(|line| line.contains(FOLLOWED));
    let last = pinned(&agent);
    assert!(last.len() == 2 && last != first, "the old one is not believed any more");
    agent.ok(&["sign-in"]);
    running.wait_for(is_session);
    assert_eq!(keys(&portal, "agent"), [(old, "retired".to_owned()), (new.clone(), "signs".to_owned())]);
    let refused = portal.command(&["key", "retire", &new, "--in", "0s"]).output().expect("it can be started");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("key add"), "the last one stays: {refused:?}");
    let audit = portal.ok(&["audit", "list"]);
    assert!(audit.contains("key.add") && audit.contains("key.retire"), "{audit}");
}

#[test]
fn who_was_away_for_the_whole_change_of_keys_believes_nothing_new() {
    let (_dir, portal, mut serving, agent) = pair();
    drop(agent.start_signed_in());
    let before = pinned(&agent);
    let (old, new) = add(&portal, &mut serving, "agent");
    retire(&portal, &mut serving, &old, &new);
    // A new token does not make it believe TLS alone.
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    let mut running = agent.start();
    running.wait_for(|line| line.contains("\"portal-keys-unknown\""));
    let status = agent.json(&["status", "--json"]);
    assert_eq!(status["people"][0]["problem"]["code"], "portal-keys-unknown", "{status}");
    assert_eq!(pinned(&agent), before);
    // Support hears the same, although the key that signs for services is still one of those that are pinned.
    let report = agent.json(&["diagnostics", "--json"]);
    let checks = report["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["id"] == "portal-keys").expect("the check");
    assert_eq!((&check["status"], &check["code"]), (&"fail".into(), &"portal-keys-unknown".into()), "{check}");
    drop(running);
    // What the code says to do.
    agent.ok(&["deregister", "--local"]);
    assert!(agent.configure(&portal, &portal.token(&[])).status.success());
    drop(agent.start_signed_in());
    assert_ne!(pinned(&agent), before);
}

#[test]
fn who_was_away_while_both_keys_were_listed_follows_at_the_next_keep_alive() {
    let (_dir, portal, mut serving, agent) = pair();
    drop(agent.start_signed_in());
    let (old, new) = add(&portal, &mut serving, "agent");
    let mut running = agent.start_signed_in();
    running.wait_for(|line| line.contains(FOLLOWED));
    drop(running);
    retire(&portal, &mut serving, &old, &new);
    drop(agent.start_signed_in());
}

#[test]
fn a_key_for_services_is_listed_before_it_signs() {
    let (_dir, portal, mut serving, _agent) = pair();
    let https = Https::trusting(&portal.authority.ca);
    let path = portal.issuer_path();
    let listed = || {
        let metadata = https.get(&format!("{}{path}/metadata", portal.url())).body;
        let parts = metadata.split("<ds:X509Certificate>").skip(1);
        parts.map(|part| part.split('<').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let before = listed();
    let changed = |line: &str| line.contains("the signing keys have changed");
    let of_acme = || {
        let list = portal.ok(&["key", "list"]);
        let rows = list.lines().map(str::to_owned).collect::<Vec<_>>();
        rows.into_iter()
            .find(|row| row.ends_with("acme"))
            .expect("its key")
            .split(' ')
            .next()
            .expect("an id")
            .to_owned()
    };
    let old = of_acme();
    portal.ok(&["key", "add", "--for", "service", "--tenant", "acme"]);
    serving.wait_for(changed);
    let both = listed();
    assert_eq!((before.len(), both.len()), (1, 2));
    assert_eq!(both[0], before[0], "the one that signs comes first");
    portal.ok(&["key", "retire", &old, "--in", "0s"]);
    serving.wait_for(changed);
    assert_eq!(listed(), both[1..]);
}

/// Serves the portal so that a device's key is old at once.
fn serve_with_short_keys(portal: &Portal) -> Program {
    portal.serve_with(&["--keep-alive", "1", "--key-life", "1s"])
}

fn is_rotation(line: &str) -> bool {
    line.starts_with("{\"step\":\"key-rotated\"")
}

#[test]
fn a_device_changes_its_key_and_stays_the_same_device() {
    let (_dir, portal, mut serving, agent) = pair();
    drop(agent.start_signed_in());
    let before = portal.json(&["device", "list", "--json"]);
    let key_file = agent.state_dir.join("device-key.pem");
    let first_key = std::fs::read(&key_file).expect("there is a key");
    serving.kill();
    let serving = serve_with_short_keys(&portal);
    let mut running = agent.start_signed_in();
    for _ in 0..2 {
        running.wait_for(is_rotation);
    }
    running.kill();
    drop(serving);
    let _serving = serve(&portal);
    let _running = agent.start_signed_in();
    assert_ne!(std::fs::read(&key_file).expect("there is a key"), first_key);
    let after = portal.json(&["device", "list", "--json"]);
    assert_eq!(after.as_array().expect("a list").len(), 1, "{after}");
    for same in ["id", "state", "owner_id", "enrolled_at", "token_id"] {
        assert_eq!(before[0][same], after[0][same], "{same}");
    }
    assert_ne!(before[0]["key_name"], after[0]["key_name"]);
    assert_ne!(before[0]["key_since"], after[0]["key_since"]);
    assert!(portal.ok(&["device", "clones"]).contains("no key is in two places"));
    let audit = portal.ok(&["audit", "list"]);
    assert!(audit.contains("device.rotate-key"), "{audit}");
    let status = agent.json(&["status", "--json"]);
    assert_eq!(status["device"], after[0]["id"], "the name by which the portal lists it: {status}");
}

/// A keep-alive of `device` that brings the key of `next`.
fn bringing(portal: &Portal, (device, next): (&Device, &Device), sequence: u64, protection: &str) -> AuthnRequest {
    let mut request = keep_alive(portal, device, sequence);
    let proof = RotationProof {
        device: &request.issuer,
        device_key_spki: &next.spki,
        request: &request.id,
        issue_instant: request.issue_instant,
        destination: request.destination.as_deref().expect("it has one"),
    };
    let possession = next.signer().sign(&proof.octets()).expect("the key signs");
    let rotation = Rotation { device_key_spki: next.spki.clone(), protection: protection.to_owned(), possession };
    request.device.as_mut().expect("it has a device").rotation = Some(rotation);
    request
}

fn keep_alive(portal: &Portal, device: &Device, sequence: u64) -> AuthnRequest {
    let myself = NameId { format: NameIdFormat::Entity, value: device.id.to_string() };
    AuthnRequest { subject: Some(myself), name_id_policy: None, ..device.request(portal, "alice", sequence) }
}

#[test]
fn a_key_is_changed_by_the_device_alone_and_the_former_one_counts_no_more() {
    let (_dir, portal, _serving, _agent) = pair();
    let https = Https::trusting(&portal.authority.ca);
    let (device, next, stranger) = (Device::new(), Device::new(), Device::new());
    let enrolment = device.enrolling(device.request(&portal, "alice", 1), &portal.token(&[]));
    assert_eq!(code(&device.send(&https, &portal, &enrolment)), "success");
    let send = |device: &Device, request: &AuthnRequest| code(&device.send(&https, &portal, request));

    // Somebody else's key, or one whose other half the device does not show, is nobody's next key.
    let mut unproven = bringing(&portal, (&device, &next), 2, "file");
    let statement = unproven.device.as_mut().expect("it has a device");
    statement.rotation.as_mut().expect("it brings a key").device_key_spki.clone_from(&stranger.spki);
    assert_eq!(send(&device, &unproven), "bad-signature");
    assert_eq!(send(&device, &bringing(&portal, (&device, &device), 3, "file")), "malformed");

    // Until the next key has signed, both hold, and bringing it again changes nothing.
    for sequence in [4, 5] {
        assert_eq!(send(&device, &bringing(&portal, (&device, &next), sequence, "file")), "success");
    }
    assert_eq!(send(&device, &keep_alive(&portal, &device, 6)), "success");
    assert_eq!(send(&next, &next.request(&portal, "alice", 7)), "success");
    let list = portal.json(&["device", "list", "--json"]);
    assert_eq!(
        (list[0]["id"].as_str(), list[0]["key_name"].as_str()),
        (Some(device.id.as_str()), Some(next.id.as_str()))
    );

    // From then on the former one is a copy's, with a token too.
    assert_eq!(send(&device, &keep_alive(&portal, &device, 8)), "device-cloned");
    let back = device.enrolling(device.request(&portal, "alice", 9), &portal.token(&[]));
    assert_eq!(send(&device, &back), "device-cloned");
    assert!(portal.ok(&["device", "clones"]).contains(device.id.as_str()));
    assert_eq!(
        send(&next, &keep_alive(&portal, &next, 10)),
        "device-cloned",
        "nobody knows which of the two is the device"
    );
}

#[test]
fn nobody_changes_a_key_for_a_weaker_one_or_out_of_quarantine() {
    let (_dir, portal, _serving, _agent) = pair();
    let https = Https::trusting(&portal.authority.ca);
    let (device, next) = (Device::new(), Device::new());
    let protection = |mut request: AuthnRequest| {
        let fact = saml::name::Attribute {
            name: "urn:countersign:device:key-protection".to_owned(),
            values: vec!["tpm".to_owned()],
            ..Default::default()
        };
        request.device.as_mut().expect("it has a device").facts = vec![fact];
        request
    };
    let enrolment = device.enrolling(protection(device.request(&portal, "alice", 1)), &portal.token(&[]));
    let send = |request: &AuthnRequest| code(&device.send(&https, &portal, request));
    assert_eq!(send(&enrolment), "success");
    assert_eq!(send(&protection(bringing(&portal, (&device, &next), 2, "file"))), "key-protection-weaker");
    portal.ok(&["device", "quarantine", device.id.as_str()]);
    assert_eq!(send(&protection(bringing(&portal, (&device, &next), 3, "tpm"))), "device-quarantined");
    portal.ok(&["device", "restore", device.id.as_str()]);
    portal.ok(&["device", "remove", device.id.as_str()]);
    assert_eq!(send(&protection(bringing(&portal, (&device, &next), 4, "tpm"))), "device-removed");
    assert_eq!(code(&next.send(&https, &portal, &keep_alive(&portal, &next, 5))), "device-unknown");
}
