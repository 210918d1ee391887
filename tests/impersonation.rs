//! What somebody gets who wants to be signed in as somebody else, under the settings that a portal has by itself: each attack ends without an assertion.
#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "test code: it writes files, and a surprise must end it loudly"
)]

use saml::device::EvidenceGrade;
use saml::request::AuthnRequest;
use tempfile::TempDir;
use tests::device::{Device, code};
use tests::https::Https;
use tests::own_service::{OwnService, SERVICE};
use tests::portal::Portal;
use tests::program::Program;

struct House {
    portal: Portal,
    https: Https,
    _serving: Program,
    dir: TempDir,
}

/// A portal as it is made, with a service.
fn house() -> House {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    portal.ok(&["tenant", "set", "acme", "--known-by-claim", "off"]);
    let serving = portal.serve();
    let https = Https::trusting(&portal.authority.ca);
    let house = House { portal, https, _serving: serving, dir };
    OwnService::new().register_at(&house.portal, house.dir.path());
    house
}

/// A device with an account of the operating system, and the number of its next request.
struct Seat {
    device: Device,
    account: &'static str,
    sequence: u64,
}

impl Seat {
    fn new() -> Self {
        Self { device: Device::new(), account: "1000@machine", sequence: 0 }
    }

    /// The request of this device for `user`, of the account that sits there.
    fn request(&mut self, house: &House, user: &str) -> AuthnRequest {
        self.sequence += 1;
        self.device.stating(self.device.request(&house.portal, user, self.sequence), "id", self.account)
    }

    fn send(&self, house: &House, request: &AuthnRequest) -> String {
        code(&self.device.send(&house.https, &house.portal, request))
    }

    /// Enrols with `token`, and asks for `user`.
    fn enrol(&mut self, house: &House, user: &str, token: &str) -> String {
        let request = self.request(house, user);
        self.send(house, &self.device.enrolling(request, token))
    }

    fn sign_in(&mut self, house: &House, user: &str) -> String {
        let request = self.request(house, user);
        self.send(house, &request)
    }

    /// Asks for a Response for the service.
    fn open(&mut self, house: &House, user: &str) -> String {
        let mut request = self.request(house, user);
        request.respond_to = Some(SERVICE.parse().expect("an entity ID"));
        self.send(house, &request)
    }

    /// Signs in by a one-time code.
    fn prove(&mut self, house: &House, user: &str, code: &str) -> String {
        let request = self.request(house, user);
        self.send(house, &self.device.stating(request, "proof-code", code))
    }
}

impl House {
    /// A token as it is made where nobody says anything else.
    fn token(&self) -> String {
        self.portal.token(&["--people", "proven"])
    }

    /// A one-time code of a person who is known.
    fn code(&self, user: &str) -> String {
        self.portal.ok(&["user", "code", &format!("{user}@example.test")]).trim().to_owned()
    }

    fn add(&self, user: &str) {
        self.portal.ok(&["user", "add", &format!("{user}@example.test"), "--tenant", "acme"]);
    }

    /// A device on which `user` has proved who they are.
    fn proven(&self, user: &str) -> Seat {
        self.add(user);
        let mut seat = Seat::new();
        assert_eq!(seat.enrol(self, user, &self.token()), "proof-needed");
        assert_eq!(seat.prove(self, user, &self.code(user)), "success");
        seat
    }
}

#[test]
fn a_stolen_token_registers_a_device_and_signs_nobody_in() {
    let house = house();
    let text = house.portal.ok(&["token", "create", "--tenant", "acme"]);
    house.add("ceo");
    let mut thief = Seat::new();
    assert_eq!(thief.enrol(&house, "ceo", text.trim()), "proof-needed");
    for user in ["ceo", "nobody-knows-me"] {
        assert_eq!(thief.sign_in(&house, user), "proof-needed");
        assert_eq!(thief.open(&house, user), "proof-needed");
    }
    let token = &house.portal.json(&["token", "list", "--json"])[0];
    assert_eq!((&token["uses"], &token["use_limit"], &token["hourly_limit"]), (&1.into(), &1000.into(), &500.into()));
    assert_eq!(token["people"], "proven", "what a token is by itself");
}

#[test]
fn no_claim_however_good_it_sounds_takes_the_place_of_a_proof() {
    let house = house();
    let mut root = house.proven("alice");
    house.add("bob");
    let mut request = root.request(&house, "bob");
    let statement = request.device.as_mut().expect("it has a device");
    statement.evidence.grade = EvidenceGrade::Directory;
    let request = root.device.stating(request, "principal", "bob@EXAMPLE.TEST");
    assert_eq!(root.send(&house, &request), "proof-needed", "a directory's account, as root says");
    let mut request = root.request(&house, "bob");
    request.device.as_mut().expect("it has a device").evidence.grade = EvidenceGrade::Managed;
    let request = root.device.stating(request, "managed-name", "bob");
    assert_eq!(root.send(&house, &request), "proof-needed", "management's name, as root says");
    assert_eq!(root.open(&house, "bob"), "proof-needed");
    assert_eq!(root.open(&house, "alice"), "success", "who has proved it is signed in silently");
}

#[test]
fn a_proof_is_of_one_account_on_one_device() {
    let house = house();
    let mut seat = house.proven("alice");
    assert_eq!(seat.sign_in(&house, "alice"), "success");
    seat.account = "1001@machine";
    assert_eq!(seat.sign_in(&house, "alice"), "proof-needed", "an account of the same name that was added");
    seat.account = "1000@machine";
    assert_eq!(seat.sign_in(&house, "alice"), "success");
    assert_eq!(seat.sign_in(&house, "bob"), "proof-needed", "the account was renamed");
    let mut other = Seat::new();
    assert_eq!(other.enrol(&house, "alice", &house.token()), "proof-needed", "an ordinary account with its own agent");
    assert_eq!(other.open(&house, "alice"), "proof-needed");
}

#[test]
fn a_device_whose_word_is_believed_gets_nobody_whom_the_tenant_knows_and_takes_nothing_away() {
    let house = house();
    house.portal.ok(&["tenant", "set", "acme", "--devices-per-user", "1"]);
    house.portal.ok(&["policy", "set", "--tenant", "acme", "--at-limit", "remove-oldest"]);
    let mut alice = house.proven("alice");
    let any = house.portal.token(&["--people", "any"]);
    let mut other = Seat::new();
    assert_eq!(other.enrol(&house, "carol", &any), "success", "somebody new, as the tenant has chosen");
    assert_eq!(other.open(&house, "alice"), "proof-needed");
    house.portal.ok(&["tenant", "set", "acme", "--known-by-claim", "on"]);
    assert_eq!(other.open(&house, "alice"), "device-limit", "a claim makes no room");
    assert_eq!(alice.open(&house, "alice"), "success", "the device is still there");
}

#[test]
fn the_grade_and_how_it_came_about_are_told_everywhere() {
    let house = house();
    let mut alice = house.proven("alice");
    let mut carol = Seat::new();
    assert_eq!(carol.enrol(&house, "carol", &house.portal.token(&["--people", "any"])), "success");
    let told = |seat: &mut Seat, user: &str| {
        let request = seat.request(&house, user);
        seat.device.send(&house.https, &house.portal, &request).body
    };
    let (proved, claimed) = (told(&mut alice, "alice"), told(&mut carol, "carol"));
    assert!(proved.contains(":ac:classes:proved<") && proved.contains(">code<"), "{proved}");
    assert!(claimed.contains(":ac:classes:claimed<") && claimed.contains(">claim:local<"), "{claimed}");
    let audit = house.portal.ok(&["audit", "list", "--json"]);
    let rows: Vec<serde_json::Value> = audit.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |user: &str| {
        rows.iter().find(|row| row["subject"] == user && row["action"] == "sign-on" && row["result"] == "ok").cloned()
    };
    let row = of("alice@example.test").expect("a row");
    assert_eq!((&row["detail"]["grade"], &row["detail"]["origin"]), (&"proved".into(), &"code".into()), "{row}");
    let row = of("carol@example.test").expect("a row");
    assert_eq!((&row["detail"]["grade"], &row["detail"]["origin"]), (&"claimed".into(), &"claim:local".into()));
}

#[test]
fn a_grade_can_be_demanded_of_everybody_and_for_a_service() {
    let house = house();
    let mut carol = Seat::new();
    assert_eq!(carol.enrol(&house, "carol", &house.portal.token(&["--people", "any"])), "success");
    let require = |grade: &str| {
        let rule = ["policy", "require", "--tenant", "acme", "--service", SERVICE, "--minimum-evidence", grade];
        house.portal.ok(&rule).trim().to_owned()
    };
    let rule = require("proved");
    assert_eq!(carol.sign_in(&house, "carol"), "success", "her own session demands nothing");
    assert_eq!(carol.open(&house, "carol"), "proof-needed");
    assert_eq!(carol.prove(&house, "carol", &house.code("carol")), "success");
    assert_eq!(carol.open(&house, "carol"), "success");
    house.portal.ok(&["policy", "remove", "--tenant", "acme", &rule]);
    require("verified");
    assert_eq!(carol.open(&house, "carol"), "evidence-too-weak", "that she can't do by herself");
    house.portal.ok(&["tenant", "set", "acme", "--minimum-evidence", "proved"]);
    let mut dave = Seat::new();
    let enrolled = dave.enrol(&house, "dave", &house.portal.token(&["--people", "any"]));
    assert_eq!(enrolled, "proof-needed", "of everybody");
    let old = house.portal.run(&["tenant", "set", "acme", "--minimum-evidence", "directory"]);
    assert!(String::from_utf8_lossy(&old.stderr).contains("claimed, assigned, proved, verified"), "{old:?}");
}

#[test]
fn a_token_that_lists_people_signs_in_those_alone() {
    let house = house();
    let list = house.dir.path().join("people");
    std::fs::write(&list, "# the sales team\nalice@example.test\n\nB*@example.test\n").expect("it can be written");
    let list = list.to_str().expect("a path").to_owned();
    let token = house.portal.token(&["--people", "listed", "--people-file", &list]);
    let mut seat = Seat::new();
    assert_eq!(seat.enrol(&house, "mallory", &token), "user-not-listed");
    assert_eq!(house.portal.json(&["device", "list", "--json"]), serde_json::json!([]), "and registers nothing");
    assert_eq!(seat.enrol(&house, "alice", &token), "success");
    assert_eq!(seat.sign_in(&house, "bob"), "success");
    assert_eq!(seat.sign_in(&house, "mallory"), "user-not-listed");
    for wrong in [&["--people", "listed"][..], &["--people", "any", "--people-group", "sales"]] {
        let refused = house.portal.run(&[&["token", "create", "--tenant", "acme"], wrong].concat());
        assert!(String::from_utf8_lossy(&refused.stderr).contains("`listed` needs names or a group"), "{refused:?}");
    }
}

#[test]
fn a_code_is_good_once_for_its_person_until_its_time() {
    let house = house();
    ["alice", "bob"].into_iter().for_each(|user| house.add(user));
    let mut seat = Seat::new();
    assert_eq!(seat.enrol(&house, "alice", &house.token()), "proof-needed");
    let (of_alice, of_bob) = (house.code("alice"), house.code("bob"));
    assert_eq!(seat.prove(&house, "alice", &of_bob), "proof-refused", "somebody else's");
    assert_eq!(seat.prove(&house, "alice", &of_alice.to_lowercase().replace('-', " ")), "success");
    let mut other = Seat::new();
    assert_eq!(other.enrol(&house, "alice", &house.token()), "proof-needed");
    assert_eq!(other.prove(&house, "alice", &of_alice), "proof-refused", "used");
    let earlier = house.code("alice");
    let newer = house.code("alice");
    assert_eq!(other.prove(&house, "alice", &earlier), "proof-refused", "there is a newer one");
    for wrong in 0..3 {
        assert_eq!(other.prove(&house, "alice", &format!("wrong {wrong}")), "proof-refused");
    }
    assert_eq!(other.prove(&house, "alice", &newer), "proof-refused", "a device that has guessed five times waits");
    let mut third = Seat::new();
    assert_eq!(third.enrol(&house, "alice", &house.token()), "proof-needed");
    assert_eq!(third.prove(&house, "alice", &newer), "success", "another device does not");
    let shown = house.portal.ok(&["audit", "list", "--json", "--limit", "1000"]);
    assert!(!shown.contains(&newer) && shown.contains("user.code"), "the audit has who made it, and no code");
    house.portal.ok(&["user", "ask-again", "alice@example.test"]);
    assert_eq!(seat.sign_in(&house, "alice"), "proof-needed");
}

#[test]
fn nobody_is_asked_for_a_proof_who_is_refused_after_it() {
    let house = house();
    let mut seat = house.proven("alice");
    house.portal.ok(&["user", "suspend", "alice@example.test"]);
    let mut other = Seat::new();
    assert_eq!(other.enrol(&house, "alice", &house.token()), "user-suspended");
    assert_eq!(seat.sign_in(&house, "alice"), "user-suspended");
    house.portal.ok(&["tenant", "set", "acme", "--auto-provisioning", "off"]);
    assert_eq!(seat.sign_in(&house, "nobody-knows-me"), "user-not-provisioned");
}

#[test]
fn a_proof_ends_with_the_registration() {
    let house = house();
    let mut seat = house.proven("alice");
    house.portal.ok(&["device", "remove", "--force", seat.device.id.as_str()]);
    house.portal.ok(&["device", "restore", seat.device.id.as_str()]);
    assert_eq!(seat.sign_in(&house, "alice"), "proof-needed", "it was removed");
    assert_eq!(seat.prove(&house, "alice", &house.code("alice")), "success");
    house.portal.ok(&["device", "remove", "--force", seat.device.id.as_str()]);
    assert_eq!(seat.enrol(&house, "alice", &house.token()), "proof-needed", "it was enrolled again");
}

#[test]
fn a_token_enrols_so_many_devices_in_an_hour() {
    let house = house();
    let token = house.portal.token(&["--people", "any", "--per-hour", "2"]);
    for user in ["one", "two"] {
        assert_eq!(Seat::new().enrol(&house, user, &token), "success");
    }
    assert_eq!(Seat::new().enrol(&house, "three", &token), "token-rate");
}
