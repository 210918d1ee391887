//! The limits of tokens, the moves of devices, and the policy of a tenant, each over the wire.
#![expect(clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use saml::metadata::{Binding, Endpoint, IdpMetadata};
use saml::name::Attribute;
use saml::request::AuthnRequest;
use tempfile::TempDir;
use tests::device::{Device, code};
use tests::https::Https;
use tests::portal::Portal;
use tests::program::Program;

struct House {
    portal: Portal,
    https: Https,
    _serving: Program,
    _dir: TempDir,
}

fn house() -> House {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let mut command = portal.serve_command();
    command.args(["--trusted-proxy", "127.0.0.1"]);
    let mut serving = Program::start(command);
    serving.wait_for(|line| line.contains("\"serving\""));
    let https = Https::trusting(&portal.authority.ca);
    House { portal, https, _serving: serving, _dir: dir }
}

/// The request of a device that states these facts.
fn stating(mut request: AuthnRequest, facts: &[(&str, &str)]) -> AuthnRequest {
    let attribute = |(name, value): &(&str, &str)| Attribute {
        name: format!("urn:countersign:device:{name}"),
        name_format: None,
        friendly_name: None,
        values: vec![(*value).to_owned()],
    };
    request.device.as_mut().expect("it has a device").facts = facts.iter().map(attribute).collect();
    request
}

impl House {
    fn enrol(&self, device: &Device, user: &str, token: &str, facts: &[(&str, &str)]) -> String {
        let request = stating(device.request(&self.portal, user, 1), facts);
        code(&device.send(&self.https, &self.portal, &device.enrolling(request, token)))
    }

    fn sign_in(&self, device: &Device, user: &str, sequence: u64, facts: &[(&str, &str)]) -> String {
        let request = stating(device.request(&self.portal, user, sequence), facts);
        code(&device.send(&self.https, &self.portal, &request))
    }

    fn state(&self, device: &Device) -> String {
        let devices = self.portal.json(&["device", "list", "--json"]);
        let row = devices.as_array().expect("a list").iter().find(|row| row["id"] == device.id.as_str());
        row.map_or("none", |row| row["state"].as_str().expect("a state")).to_owned()
    }

    fn policy(&self, arguments: &[&str]) -> String {
        self.portal.ok(&[&["policy"], arguments, &["--tenant", "acme"]].concat())
    }
}

fn id(token: &str) -> String {
    saml::token::DeviceToken::parse(token).expect("a token").id().to_string()
}

#[test]
fn a_token_enrols_from_its_networks_only_and_believes_trusted_proxies_only() {
    let house = house();
    let here = house.portal.token(&["--network", "127.0.0.0/8"]);
    let there = house.portal.token(&["--network", "203.0.113.0/24"]);
    assert_eq!(house.enrol(&Device::new(), "alice", &here, &[]), "success");
    assert_eq!(house.enrol(&Device::new(), "alice", &there, &[]), "token-scope");

    let device = Device::new();
    let forwarded = |sequence, from: &str| {
        let signed = device.sign(&device.enrolling(device.request(&house.portal, "alice", sequence), &there));
        code(&house.https.post_soap_forwarded(&house.portal.soap_url(), signed, from))
    };
    assert_eq!(forwarded(1, "203.0.113.9, 198.51.100.7"), "token-scope", "what the client claims is not believed");
    assert_eq!(forwarded(2, "198.51.100.7, 203.0.113.9"), "success");
    let refused = house.portal.command(&["token", "create", "--tenant", "acme", "--network", "corp"]).output();
    assert!(String::from_utf8_lossy(&refused.expect("it starts").stderr).contains("`corp` is not a network"));
}

#[test]
fn a_bound_token_enrols_the_machines_of_its_list_only() {
    let house = house();
    let list = house.portal.data_dir.join("machines.csv");
    let text = b"Name,Serial,External-Id\nlap,S-1,\nlap2,,X-2\n";
    platform::files::write_new(&list, text, platform::files::Access::Private).expect("a file can be written");
    let token = house.portal.token(&["--machines", &list.display().to_string()]);
    assert_eq!(house.enrol(&Device::new(), "alice", &token, &[]), "token-scope");
    assert_eq!(house.enrol(&Device::new(), "alice", &token, &[("serial", "S-9")]), "token-scope");
    assert_eq!(house.enrol(&Device::new(), "alice", &token, &[("serial", "S-1")]), "success");
    assert_eq!(house.enrol(&Device::new(), "alice", &token, &[("external-id", "X-2")]), "success");
    assert_eq!(house.enrol(&Device::new(), "alice", &token, &[("external-id", "S-1")]), "token-scope");
    house.portal.ok(&["token", "bind", &id(&token), "--serial", "S-9"]);
    assert_eq!(house.enrol(&Device::new(), "alice", &token, &[("serial", "S-9")]), "success");
}

#[test]
fn a_device_waits_for_approval_where_its_token_says_so() {
    let house = house();
    let token = house.portal.token(&["--approval", "queue"]);
    let (device, other) = (Device::new(), Device::new());
    assert_eq!(house.enrol(&device, "alice", &token, &[]), "device-pending");
    assert_eq!(house.enrol(&other, "bob", &token, &[]), "device-pending");
    assert_eq!(house.state(&device), "pending");
    assert_eq!(house.sign_in(&device, "alice", 2, &[]), "device-pending");
    let again = device.enrolling(device.request(&house.portal, "alice", 3), &token);
    assert_eq!(code(&device.send(&house.https, &house.portal, &again)), "device-pending");
    let people = || house.portal.json(&["user", "list", "--json"]).as_array().expect("a list").len();
    assert_eq!(people(), 0, "nobody is provisioned by a device that waits");

    house.portal.ok(&["device", "approve", device.id.as_str()]);
    house.portal.ok(&["device", "deny", other.id.as_str()]);
    assert_eq!(house.sign_in(&device, "alice", 4, &[]), "success");
    assert_eq!(house.sign_in(&other, "bob", 2, &[]), "device-removed");
    assert_eq!(house.portal.json(&["token", "list", "--json"])[0]["uses"], 2);
    assert_eq!(people(), 1);
}

#[test]
fn a_token_that_is_rotated_ends_after_the_overlap_and_the_new_one_has_its_limits() {
    let house = house();
    let old = house.portal.token(&["--uses", "3", "--platform", "linux", "--serial", "S-1", "--group", "berlin"]);
    let linux = [("platform", "linux"), ("serial", "S-1")];
    assert_eq!(house.enrol(&Device::new(), "alice", &old, &linux), "success");
    let new = house.portal.ok(&["token", "rotate", &id(&old), "--overlap", "1h"]).trim().to_owned();
    assert_eq!(house.enrol(&Device::new(), "alice", &old, &linux), "success", "both enrol in the overlap");
    assert_eq!(
        house.enrol(&Device::new(), "alice", &new, &[("platform", "windows"), ("serial", "S-1")]),
        "token-scope"
    );
    assert_eq!(house.enrol(&Device::new(), "alice", &new, &[("platform", "linux")]), "token-scope");
    assert_eq!(house.enrol(&Device::new(), "alice", &new, &linux), "success");
    assert_eq!(house.enrol(&Device::new(), "alice", &new, &linux), "success", "the old one had two uses left");
    assert_eq!(house.enrol(&Device::new(), "alice", &new, &linux), "token-used-up");

    let third = house.portal.token(&[]);
    house.portal.ok(&["token", "rotate", &id(&third), "--overlap", "0s"]);
    assert_eq!(house.enrol(&Device::new(), "alice", &third, &[]), "token-expired");
}

#[test]
fn revoking_a_token_leaves_its_devices_or_takes_them_along() {
    let house = house();
    let (kept, taken) = (house.portal.token(&[]), house.portal.token(&[]));
    let (stays, goes) = (Device::new(), Device::new());
    assert_eq!(house.enrol(&stays, "alice", &kept, &[]), "success");
    assert_eq!(house.enrol(&goes, "alice", &taken, &[]), "success");
    house.portal.ok(&["token", "revoke", &id(&kept)]);
    assert!(house.portal.ok(&["token", "revoke", &id(&taken), "--devices-too"]).contains("1 devices"));
    assert_eq!(house.enrol(&Device::new(), "alice", &kept, &[]), "token-revoked");
    assert_eq!(house.sign_in(&stays, "alice", 2, &[]), "success");
    assert_eq!(house.sign_in(&goes, "alice", 2, &[]), "device-removed");
}

#[test]
fn groups_come_from_the_token_and_from_facts_and_are_in_the_session() {
    let house = house();
    let token = house.portal.token(&["--group", "berlin"]);
    house.policy(&["group", "laptops", "--fact", "hostname=lap-*"]);
    let device = Device::new();
    let request = stating(device.request(&house.portal, "alice", 1), &[("hostname", "LAP-17")]);
    let answer = device.send(&house.https, &house.portal, &device.enrolling(request, &token));
    assert_eq!(code(&answer), "success");
    for group in ["urn:countersign:device:groups", ">berlin<", ">laptops<"] {
        assert!(answer.body.contains(group), "{group}: {}", answer.body);
    }
}

#[test]
fn a_device_that_is_removed_counts_as_gone_when_it_has_heard_so() {
    let house = house();
    let token = house.portal.token(&[]);
    let devices = [Device::new(), Device::new(), Device::new()];
    for device in &devices {
        assert_eq!(house.enrol(device, "alice", &token, &[]), "success");
    }
    let [soft, forced, quarantined] = &devices;
    house.portal.ok(&["device", "quarantine", quarantined.id.as_str()]);
    house.portal.ok(&["device", "remove", soft.id.as_str()]);
    assert_eq!(house.state(soft), "removal-pending");
    assert_eq!(house.sign_in(soft, "alice", 2, &[]), "device-removed");
    assert_eq!(house.state(soft), "removed");

    // Many at once: what can't be done is named, and the rest is done.
    let both = ["device", "remove", "--force", quarantined.id.as_str(), forced.id.as_str()];
    let output = house.portal.command(&both).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("restore the device first"), "{said}");
    assert_eq!(house.state(forced), "removed");
    assert_eq!(house.state(quarantined), "quarantined");
    assert!(house.portal.ok(&["audit", "list", "--json"]).contains("it knows that it is removed"));
}

#[test]
fn a_machine_in_quarantine_comes_back_with_no_other_key() {
    let house = house();
    let token = house.portal.token(&[]);
    let (first, second, stranger) = (Device::new(), Device::new(), Device::new());
    let machine = [("fingerprint", "hw1:bs:77aa"), ("hostname", "lap-1")];
    assert_eq!(house.enrol(&first, "alice", &token, &machine), "success");
    assert_eq!(house.enrol(&second, "bob", &token, &machine), "success", "two installations of one machine");
    house.portal.ok(&["device", "quarantine", first.id.as_str()]);
    assert_eq!(house.sign_in(&second, "bob", 2, &machine), "device-quarantined");
    assert_eq!(house.enrol(&Device::new(), "alice", &token, &machine), "device-quarantined");
    assert_eq!(house.enrol(&stranger, "alice", &token, &[("fingerprint", "hw1:bs:0000")]), "success");
    house.portal.ok(&["device", "restore", first.id.as_str(), second.id.as_str()]);
    assert_eq!(house.enrol(&Device::new(), "alice", &token, &machine), "success");
}

#[test]
fn a_copied_key_is_shown_beside_the_device_that_it_was_copied_from() {
    let house = house();
    let device = Device::new();
    assert!(house.portal.ok(&["device", "clones"]).contains("no key is in two places"));
    assert_eq!(house.enrol(&device, "alice", &house.portal.token(&[]), &[("hostname", "original")]), "success");
    assert_eq!(house.sign_in(&device, "alice", 5, &[("hostname", "original")]), "success");
    assert_eq!(house.sign_in(&device, "alice", 2, &[("hostname", "copy")]), "device-cloned");
    let shown = house.portal.ok(&["device", "clones"]);
    let row = shown.lines().find(|line| line.starts_with("hostname")).expect("the fact is compared");
    assert!(row.contains("original") && row.contains("copy"), "{shown}");
    let listed = house.portal.json(&["device", "clones", "--json"]);
    assert_eq!(listed[0]["signs"][0]["expected"], 6);
    assert_eq!(listed[0]["signs"][0]["address"], "127.0.0.1");
    assert_eq!(house.state(&device), "cloned");
}

#[test]
fn one_device_too_many_takes_the_place_of_the_oldest_where_the_tenant_says_so() {
    let house = house();
    house.portal.ok(&["tenant", "set", "acme", "--devices-per-user", "2"]);
    house.policy(&["set", "--at-limit", "remove-oldest"]);
    let token = house.portal.token(&[]);
    let [first, second, third] = [Device::new(), Device::new(), Device::new()];
    assert_eq!(house.enrol(&first, "alice", &token, &[]), "success");
    assert_eq!(house.enrol(&second, "alice", &token, &[]), "success");
    assert_eq!(house.sign_in(&first, "alice", 2, &[]), "success");
    assert_eq!(house.enrol(&third, "alice", &token, &[]), "device-limit", "nobody's word takes a device away");
    let code_of_alice = house.portal.ok(&["user", "code", "alice@example.test"]);
    let request = third.enrolling(third.request(&house.portal, "alice", 2), &token);
    let request = third.stating(request, "proof-code", code_of_alice.trim());
    assert_eq!(code(&third.send(&house.https, &house.portal, &request)), "success");
    assert_eq!(
        [house.state(&first), house.state(&second), house.state(&third)],
        ["registered", "removed", "registered"]
    );
}

#[test]
fn every_demand_of_the_policy_that_fits_must_be_met() {
    let house = house();
    let token = house.portal.token(&[]);
    let device = Device::new();
    let stated = [("platform", "linux"), ("key-protection", "file"), ("disk-encryption", "off")];
    assert_eq!(house.enrol(&device, "alice", &token, &stated), "success");
    let key = house.policy(&["require", "--key-protection", "tpm", "--platform", "linux"]);
    assert_eq!(house.sign_in(&device, "alice", 2, &stated), "device-not-compliant");
    house.policy(&["remove", key.trim()]);
    let disk = house.policy(&["require", "--fact", "disk-encryption=on"]);
    assert_eq!(house.sign_in(&device, "alice", 3, &stated), "device-not-compliant");
    assert_eq!(house.sign_in(&device, "alice", 4, &[("disk-encryption", "on")]), "success");
    house.policy(&["remove", disk.trim()]);
    house.policy(&["require", "--minimum-claim", "managed", "--domain", "example.test"]);
    assert_eq!(house.sign_in(&device, "alice", 5, &stated), "evidence-too-weak");
    let refused =
        house.portal.command(&["policy", "remove", "--tenant", "acme", "nothing"]).output().expect("it starts");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no rule `nothing`"));
}

#[test]
fn the_first_person_owns_the_device_and_the_tenant_says_what_happens_to_the_next() {
    let house = house();
    let (device, token) = (Device::new(), house.portal.token(&[]));
    assert_eq!(house.enrol(&device, "alice", &token, &[]), "success");
    assert_eq!(house.sign_in(&device, "bob", 2, &[]), "success", "allowed unless the tenant says otherwise");
    house.policy(&["set", "--other-person", "refuse"]);
    assert_eq!(house.sign_in(&device, "bob", 3, &[]), "device-bound");
    assert_eq!(house.sign_in(&device, "alice", 4, &[]), "success");
    house.policy(&["set", "--other-person", "queue"]);
    assert_eq!(house.sign_in(&device, "bob", 5, &[]), "device-pending");
    house.portal.ok(&["device", "approve", device.id.as_str()]);
    assert_eq!(house.sign_in(&device, "bob", 6, &[]), "success", "whoever comes first after the approval");
    assert_eq!(house.sign_in(&device, "alice", 7, &[]), "device-pending");
}

#[test]
fn only_names_on_the_list_are_provisioned_by_signing_on() {
    let house = house();
    house.policy(&["set", "--provision-only", "a*@example.test"]);
    let token = house.portal.token(&[]);
    assert_eq!(house.enrol(&Device::new(), "alice", &token, &[]), "success");
    assert_eq!(house.enrol(&Device::new(), "bob", &token, &[]), "user-not-provisioned");
    house.portal.ok(&["user", "add", "bob@example.test", "--tenant", "acme"]);
    assert_eq!(house.enrol(&Device::new(), "bob", &token, &[]), "success");
}

/// Metadata of an identity provider that is somebody else's.
fn metadata_of_another(house: &House) -> String {
    let key = rcgen::generate_simple_self_signed(["idp.elsewhere.test".to_owned()]).expect("a certificate");
    let sign_on = "https://idp.elsewhere.test/saml/sso".to_owned();
    let elsewhere = IdpMetadata {
        entity_id: "https://idp.elsewhere.test/saml/metadata".parse().expect("an entity ID"),
        valid_until: None,
        signing_certificates: vec![key.cert.der().to_vec()],
        sso: vec![Endpoint { binding: Binding::Redirect, location: sign_on }],
        slo: Vec::new(),
        want_authn_requests_signed: true,
    };
    let file = house.portal.data_dir.join("elsewhere.xml");
    platform::files::write_new(&file, elsewhere.to_xml().as_bytes(), platform::files::Access::Private)
        .expect("it can be written");
    file.display().to_string()
}

#[test]
fn changes_of_identity_providers_hold_when_they_are_activated_and_can_be_brought_back() {
    let house = house();
    let (device, token) = (Device::new(), house.portal.token(&[]));
    let idp = |arguments: &[&str]| house.portal.ok(&[&["idp"], arguments, &["--tenant", "acme"]].concat());
    assert_eq!(house.enrol(&device, "alice", &token, &[]), "success");
    let metadata = metadata_of_another(&house);
    let draft = idp(&["add", "corp", "--metadata", &metadata, "--domain", "example.test", "--status", "on"]);
    assert!(draft.contains("+ corp: https://idp.elsewhere.test/saml/metadata, example.test, enabled"), "{draft}");
    assert_eq!(house.sign_in(&device, "alice", 2, &[]), "success", "a draft changes nothing");

    assert!(idp(&["activate"]).starts_with("version 1 holds now"));
    let answer = device.send(&house.https, &house.portal, &device.request(&house.portal, "alice", 3));
    assert_eq!(code(&answer), "domain-not-mapped");
    assert!(answer.body.contains("https://idp.elsewhere.test/saml/sso"), "it tells where: {}", answer.body);

    idp(&["set", "corp", "--no-domain", "--status", "off"]);
    idp(&["set", "Countersign", "--auto-provisioning", "off"]);
    assert!(idp(&["activate"]).starts_with("version 2 holds now"));
    assert_eq!(house.sign_in(&device, "alice", 4, &[]), "success");
    assert_eq!(house.sign_in(&device, "bob", 5, &[]), "user-not-provisioned");

    idp(&["bring-back", "1"]);
    assert!(idp(&["diff"]).contains("~ corp: domains: no domain → example.test"));
    idp(&["activate"]);
    assert_eq!(house.sign_in(&device, "alice", 6, &[]), "domain-not-mapped");
    assert_eq!(idp(&["versions"]).lines().count(), 4, "a heading and three versions");
}

#[test]
fn the_rules_of_identity_providers_are_told_at_every_step() {
    let house = house();
    let metadata = metadata_of_another(&house);
    let refused = |arguments: &[&str]| {
        let all = [&["idp"], arguments, &["--tenant", "acme"]].concat();
        let output = house.portal.command(&all).output().expect("it starts");
        assert!(!output.status.success(), "{all:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let idp = |arguments: &[&str]| house.portal.ok(&[&["idp"], arguments, &["--tenant", "acme"]].concat());
    assert!(refused(&["remove", "Countersign"]).contains("it is the default"));
    assert!(refused(&["add", "corp", "--metadata", &metadata, "--status", "on"]).contains("map a domain to it"));
    assert!(
        refused(&["add", "corp", "--metadata", &metadata, "--domain", "foreign.test"])
            .contains("no domain of the tenant")
    );
    assert!(refused(&["activate"]).contains("nothing was changed"));
    idp(&["add", "corp", "--metadata", &metadata, "--any", "--status", "on"]);
    let shown = idp(&["default", "corp"]);
    assert!(shown.contains("~ Countersign: enabled: true → false"), "{shown}");
    assert!(idp(&["list", "--draft"]).lines().any(|line| line.starts_with("corp") && line.contains("default")));
    idp(&["remove", "Countersign"]);
    idp(&["discard"]);
    assert!(idp(&["diff"]).contains("changes nothing"));
}
