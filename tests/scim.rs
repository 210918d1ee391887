//! The SCIM server as directories see it: a client that we did not write checks all of it, then the shapes of messages that Entra ID and
//! Okta send, who may come in, and what becomes of people at their devices.
#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "test code: it starts programs, and a surprise must end it loudly"
)]

use std::process::Command;

use libtest_mimic::{Arguments, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::binaries::workspace_dir;
use tests::components::trial;
use tests::device::{Device, code};
use tests::house::House;
use tests::https::Https;
use tests::portal::Portal;
use tests::program::Program;
use tests::scim::{Directory, ScimAnswer};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn main() {
    let arguments = Arguments::from_args();
    let client = workspace_dir().join("target/judges/scim").display().to_string();
    let mut tests = vec![trial("every_check_of_scim2_tester_passes", &["python3", &client], compliance)];
    let own: [(&str, fn()); 14] = [
        ("entra_id_provisions_changes_and_disables_a_user", entra_user),
        ("entra_id_keeps_groups", entra_group),
        ("okta_provisions_changes_and_deactivates_a_user", okta_user),
        ("okta_pushes_a_group", okta_group),
        ("lists_are_filtered_by_whatever_is_kept", filters),
        ("lists_come_in_portions_and_with_the_attributes_that_are_asked_for", portions),
        ("a_change_of_another_version_is_refused", versions),
        ("only_a_key_for_it_opens_it_and_only_for_its_tenant", authorisation),
        ("a_key_that_comes_too_often_is_told_when_to_come_back", too_often),
        ("what_can_not_be_done_is_told_in_scims_words_and_stands_in_the_audit", refusals),
        ("a_suspended_person_is_refused_at_their_device_and_a_deleted_one_loses_it", agent),
        ("who_signed_on_first_can_be_taken_over_and_groups_are_in_their_session", take_over),
        ("nobody_is_provisioned_by_signing_on_where_a_directory_does_it", from_directory),
        ("groups_and_where_people_come_from_are_shown_by_commands_and_the_api", shown),
    ];
    tests.extend(own.map(|(name, run)| {
        Trial::test(name, move || {
            run();
            Ok(())
        })
    }));
    libtest_mimic::run(&arguments, tests).exit();
}

/// A portal that serves, and a directory of its tenant `acme`, whose domain is `example.test`.
struct Scene {
    dir: TempDir,
    portal: Portal,
    directory: Directory,
    _serving: Program,
}

fn scene() -> Scene {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let serving = portal.serve();
    let directory = Directory::of(&portal);
    Scene { dir, portal, directory, _serving: serving }
}

impl Scene {
    fn audit(&self) -> Vec<Value> {
        let lines = self.portal.ok(&["audit", "list", "--json"]);
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn state_of(&self, user: &str) -> String {
        let people = self.portal.json(&["user", "list", "--json"]);
        let found = people.as_array().expect("a list").iter().find(|one| one["name_id"] == user).cloned();
        found.map_or_else(|| "unknown".to_owned(), |one| one["state"].as_str().expect("a state").to_owned())
    }

    /// How a sign-on of `user@example.test` ends, from a device of their own that is new.
    fn signs_on(&self, user: &str) -> String {
        let (https, device) = (Https::trusting(&self.portal.authority.ca), Device::new());
        let request = device.enrolling(device.request(&self.portal, user, 1), &self.portal.token(&[]));
        code(&device.send(&https, &self.portal, &request))
    }
}

fn is_fault(answer: &ScimAnswer, status: u16, kind: Value) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert_eq!(answer.body["status"], json!(status.to_string()));
    assert_eq!(answer.body["scimType"], kind, "{answer:?}");
    assert!(answer.body["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{answer:?}");
}

fn compliance() {
    let scene = scene();
    let key = scene.portal.ok(&["api-key", "create", "--scopes", "scim", "--tenant", "acme"]);
    let file = scene.dir.path().join("key");
    std::fs::write(&file, key).expect("the key can be written");
    let script = workspace_dir().join("tests/clients/scim_compliance.py");
    let mut client = Command::new("python3");
    client.arg(script).arg(format!("{}/scim/v2", scene.portal.url())).arg(&scene.portal.authority.ca).arg(file);
    client.env("PYTHONPATH", workspace_dir().join("target/judges/scim")).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = client.output().expect("python can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let counts = said.lines().find(|line| line.starts_with("checks ")).expect("it counts its checks");
    let count = |name: &str| {
        let found = counts.split(' ').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        found.map_or(0, |number| number.parse::<usize>().expect("a number"))
    };
    // A search over all resources at once is the one thing that it asks for and that we say we can't.
    let others = counts.split(' ').skip(1).map(|pair| pair.split('=').nth(1).unwrap_or("0").parse::<usize>());
    let all: usize = others.map(|number| number.expect("a number")).sum();
    let unexpected: Vec<_> = said.lines().filter(|line| line.contains(": ") && !line.contains(".search")).collect();
    assert!(unexpected.is_empty(), "{said}");
    assert!(count("SUCCESS") > 80 && count("SUCCESS") + 2 >= all, "{said}");
}

fn entra_user() {
    let scene = scene();
    let directory = &scene.directory;
    assert_eq!(directory.find("/Users", "userName eq \"ada@example.test\"").body["totalResults"], 0);
    let added = directory.post(
        "/Users",
        &json!({
            "schemas": [USER, ENTERPRISE], "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
            "userName": "Ada@Example.test", "active": true, "displayName": "Ada L",
            "emails": [{ "primary": true, "type": "work", "value": "ada@example.test" }],
            "meta": { "resourceType": "User" }, "name": { "formatted": "Ada L", "familyName": "L", "givenName": "Ada" },
            "roles": [], ENTERPRISE: { "department": "Engines" },
        }),
    );
    assert_eq!(added.status, 201, "{added:?}");
    assert_eq!(
        (added.header("location"), &added.body["userName"]),
        (added.body["meta"]["location"].as_str().expect("a URL"), &json!("Ada@Example.test"))
    );
    let path = format!("/Users/{}", added.id());
    assert_eq!(
        directory.find("/Users", "externalId eq \"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef\"").listed("id"),
        [added.id()]
    );

    let changed = directory.patch(
        &path,
        &json!([
            { "op": "Replace", "path": "displayName", "value": "Ada Lovelace" },
            { "op": "Add", "path": "emails[type eq \"home\"].value", "value": "ada@home.test" },
            { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "ada.l@example.test" },
            { "op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+49 30 1" },
            { "op": "Add", "path": "addresses[type eq \"work\"].streetAddress", "value": "Road 1" },
            { "op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": "7c1b" },
            { "op": "Replace", "value": { "name.familyName": "Lovelace", format!("{ENTERPRISE}:employeeNumber"): "7" } },
        ]),
    );
    assert_eq!(changed.status, 200, "{changed:?}");
    let body = &changed.body;
    assert_eq!((&body["displayName"], &body["name"]["familyName"]), (&json!("Ada Lovelace"), &json!("Lovelace")));
    let emails = json!([
        { "primary": true, "type": "work", "value": "ada.l@example.test" }, { "type": "home", "value": "ada@home.test" },
    ]);
    assert_eq!(body["emails"], emails);
    assert_eq!(body["phoneNumbers"], json!([{ "type": "mobile", "value": "+49 30 1" }]));
    assert_eq!(body["addresses"], json!([{ "type": "work", "streetAddress": "Road 1" }]));
    assert_eq!(
        body[ENTERPRISE],
        json!({ "department": "Engines", "employeeNumber": "7", "manager": { "value": "7c1b" } })
    );

    let disabled = directory.patch(&path, &json!([{ "op": "Replace", "path": "active", "value": "False" }]));
    assert_eq!((disabled.status, &disabled.body["active"]), (200, &json!(false)));
    assert_eq!(scene.state_of("ada@example.test"), "suspended");
    assert_eq!(scene.signs_on("ada"), "user-suspended");
    let enabled = directory.patch(&path, &json!([{ "op": "Add", "path": "active", "value": "True" }]));
    assert_eq!((enabled.status, &enabled.body["active"]), (200, &json!(true)));
    assert_eq!(scene.signs_on("ada"), "success");
    assert_eq!(directory.delete(&path).status, 204);
    assert_eq!((directory.get(&path).status, scene.state_of("ada@example.test").as_str()), (404, "unknown"));
    let actions: Vec<_> = scene.audit().iter().map(|row| row["action"].as_str().expect("text").to_owned()).collect();
    for action in ["user.add", "user.set", "user.suspend", "user.resume", "user.delete", "device.remove"] {
        assert!(actions.iter().any(|one| one == action), "{action} in {actions:?}");
    }
}

fn entra_group() {
    let Scene { portal, directory, .. } = &scene();
    let (ada, bob) = (directory.user("ada@example.test"), directory.user("bob@example.test"));
    let added = directory.post(
        "/Groups",
        &json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group", "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "externalId": "8aa1a0c0", "displayName": "Engineers", "meta": { "resourceType": "Group" },
        }),
    );
    assert_eq!(added.status, 201, "{added:?}");
    let path = format!("/Groups/{}", added.id());
    let add = json!([{ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": ada }, { "value": bob }] }]);
    assert_eq!(directory.patch(&path, &add).status, 204);
    let found = directory.get("/Groups?excludedAttributes=members&filter=displayName+eq+%22ENGINEERS%22");
    assert_eq!((found.listed("id"), found.body["Resources"][0].get("members")), (vec![added.id()], None));
    let members = |path: &str| {
        let group = directory.get(path);
        let members = group.body["members"].as_array().cloned().unwrap_or_default();
        members.iter().map(|one| one["value"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    let mut both = vec![ada.clone(), bob.clone()];
    both.sort();
    assert_eq!(members(&path), both);
    assert_eq!(directory.find("/Groups", &format!("members[value eq \"{ada}\"]")).listed("id"), [added.id()]);
    assert_eq!(directory.find("/Users", &format!("groups.value eq \"{}\"", added.id())).listed("id"), both);
    let seen = directory.get(&format!("/Users/{ada}"));
    assert_eq!(
        (&seen.body["groups"][0]["display"], &seen.body["groups"][0]["value"]),
        (&json!("Engineers"), &json!(added.id()))
    );

    let gone = json!([{ "op": "Remove", "path": "members", "value": [{ "$ref": null, "value": ada }] }]);
    assert_eq!(directory.patch(&path, &gone).status, 204);
    assert_eq!(members(&path), std::slice::from_ref(&bob));
    let named = json!([{ "op": "Replace", "value": [{ "displayName": "x" }] }]);
    is_fault(&directory.patch(&path, &named), 400, json!("invalidValue"));
    let named = json!([{ "op": "Replace", "path": "displayName", "value": "Builders" }]);
    assert_eq!(directory.patch(&path, &named).status, 204);
    assert_eq!(directory.delete(&format!("/Users/{bob}")).status, 204);
    assert_eq!(members(&path), Vec::<String>::new(), "who is deleted is in no group");
    assert!(portal.ok(&["group", "list", "--tenant", "acme"]).contains("Builders"));
    assert_eq!((directory.delete(&path).status, directory.get(&path).status), (204, 404));
}

fn okta_user() {
    let scene = scene();
    let directory = &scene.directory;
    let first = directory.get("/Users?startIndex=1&count=2");
    assert_eq!((first.status, &first.body["totalResults"]), (200, &json!(0)));
    let user = json!({
        "schemas": [USER], "userName": "cy@example.test", "name": { "givenName": "Cy", "familyName": "Young" },
        "emails": [{ "primary": true, "value": "cy@example.test", "type": "work" }], "displayName": "Cy Young",
        "locale": "en-US", "externalId": "00ujl29u0le5T6Aj10h7", "groups": [], "password": "1mz050nq", "active": true,
    });
    let added = directory.post("/Users", &user);
    assert_eq!(added.status, 201, "{added:?}");
    assert_eq!(added.body.get("password"), None);
    let path = format!("/Users/{}", added.id());
    let mut whole = added.body.clone();
    whole["name"]["familyName"] = json!("Older");
    let put = directory.put(&path, &whole);
    assert_eq!((put.status, &put.body["name"]["familyName"]), (200, &json!("Older")));
    let off = directory.patch(&path, &json!([{ "op": "replace", "value": { "active": false } }]));
    assert_eq!(
        (off.status, &off.body["active"], scene.state_of("cy@example.test").as_str()),
        (200, &json!(false), "suspended")
    );
    whole["active"] = json!(true);
    assert_eq!(directory.put(&path, &whole).body["active"], true);
    assert_eq!(scene.state_of("cy@example.test"), "active");
    // Whoever is renamed stays the same person.
    whole["userName"] = json!("cyrus@example.test");
    let renamed = directory.put(&path, &whole);
    assert_eq!((renamed.status, renamed.id()), (200, added.id()));
    assert_eq!(
        (scene.state_of("cy@example.test").as_str(), scene.state_of("cyrus@example.test").as_str()),
        ("unknown", "active")
    );
}

fn okta_group() {
    let Scene { directory, .. } = &scene();
    let (ada, bob) = (directory.user("ada@example.test"), directory.user("bob@example.test"));
    let group = json!({ "displayName": "Okta pushed", "members": [{ "value": ada, "display": "ada@example.test" }] });
    let added = directory.post("/Groups", &group);
    assert_eq!((added.status, &added.body["members"][0]["value"]), (201, &json!(ada)));
    let path = format!("/Groups/{}", added.id());
    let change = json!([
        { "op": "remove", "path": format!("members[value eq \"{ada}\"]") },
        { "op": "add", "path": "members", "value": [{ "value": bob, "display": "bob@example.test" }] },
        { "op": "replace", "value": { "id": added.id(), "displayName": "Okta renamed" } },
    ]);
    assert_eq!(directory.patch(&path, &change).status, 204);
    let seen = directory.get(&path);
    assert_eq!(
        (&seen.body["displayName"], seen.body["members"].as_array().map(Vec::len)),
        (&json!("Okta renamed"), Some(1))
    );
    let put =
        directory.put(&path, &json!({ "displayName": "Okta put", "members": [{ "value": ada }, { "value": bob }] }));
    assert_eq!((put.status, put.body["members"].as_array().map(Vec::len)), (200, Some(2)));
}

fn filters() {
    let Scene { portal, directory, .. } = &scene();
    let add = |user: Value| assert_eq!(directory.post("/Users", &user).status, 201, "{user}");
    add(json!({ "userName": "ann@example.test", "title": "Pilot", "externalId": "Ext-1", "active": true,
        "name": { "familyName": "O'Malley" }, ENTERPRISE: { "department": "Sky" },
        "emails": [{ "type": "work", "value": "ann@work.test" }, { "type": "home", "value": "x@home.test", "primary": true }] }));
    add(json!({ "userName": "ben@example.test", "title": "co-pilot", "externalId": "ext-1", "active": false,
        "emails": [{ "type": "home", "value": "ben@work.test" }] }));
    portal.ok(&["user", "add", "zoe@example.test", "--tenant", "acme"]);
    let all = ["ann", "ben", "zoe"];
    for (filter, wanted) in [
        ("userName eq \"ANN@example.TEST\"", "ann"),
        ("userName ne \"ann@example.test\"", "ben zoe"),
        ("userName sw \"b\" or userName sw \"z\"", "ben zoe"),
        ("userName co \"e\" and not (userName ew \"nothing\")", "ann ben zoe"),
        ("userName gt \"b\" and userName le \"ben@example.test\"", "ben"),
        ("title pr", "ann ben"),
        ("not (title pr)", "zoe"),
        ("title co \"PILOT\"", "ann ben"),
        ("title ew \"pilot\" and title sw \"co\"", "ben"),
        ("title eq null", "zoe"),
        ("active eq true", "ann zoe"),
        ("active eq \"False\"", "ben"),
        ("active ne true", "ben"),
        ("externalId eq \"ext-1\"", "ben"),
        ("name.familyName eq \"o'malley\"", "ann"),
        ("emails eq \"ben@work.test\"", "ben"),
        ("emails.type eq \"home\"", "ann ben"),
        ("emails[type eq \"work\" and value co \"@work\"]", "ann"),
        ("emails[type eq \"home\" and (value sw \"ben\" or primary eq true)]", "ann ben"),
        ("emails[not (type eq \"work\")]", "ann ben"),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"sky\"", "ann"),
        ("urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"zoe\"", "zoe"),
        ("(title eq \"pilot\" or userName sw \"zoe\") and active eq true", "ann zoe"),
        ("meta.created gt \"2020-01-01T00:00:00Z\"", "ann ben zoe"),
        ("meta.lastModified lt \"2020-01-01T00:00:00Z\"", ""),
        ("title co \"%\" or title sw \"_\"", ""),
        ("userName sw \"\"", "ann ben zoe"),
    ] {
        let found = directory.find("/Users", filter);
        let names: Vec<_> =
            all.into_iter().filter(|name| found.listed("userName").iter().any(|one| one.starts_with(name))).collect();
        assert_eq!(names.join(" "), wanted, "{filter}: {:?}", found.body);
        assert_eq!(found.body["totalResults"], json!(names.len()), "{filter}");
    }
}

fn portions() {
    let Scene { directory, .. } = &scene();
    let mut ids: Vec<_> = (0..7).map(|n| directory.user(&format!("u{n}@example.test"))).collect();
    ids.sort();
    let mut seen = Vec::new();
    for start in [1, 4, 7] {
        let portion = directory.get(&format!("/Users?startIndex={start}&count=3"));
        assert_eq!((&portion.body["totalResults"], &portion.body["startIndex"]), (&json!(7), &json!(start)));
        assert_eq!(portion.body["itemsPerPage"], json!(portion.listed("id").len()));
        seen.extend(portion.listed("id"));
    }
    assert_eq!(seen, ids, "each once, in an order that stays");
    let beyond = directory.get("/Users?startIndex=50");
    assert_eq!((&beyond.body["totalResults"], beyond.listed("id").len()), (&json!(7), 0));
    let counted = directory.get("/Users?count=0");
    assert_eq!((&counted.body["totalResults"], counted.listed("id").len()), (&json!(7), 0));
    let some = directory.get("/Users?attributes=userName&count=1");
    let mut keys: Vec<_> = some.body["Resources"][0].as_object().expect("an object").keys().cloned().collect();
    keys.sort();
    assert_eq!(keys, ["id", "schemas", "userName"]);
    let search = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "userName sw \"u3\"", "excludedAttributes": ["meta", "active"] });
    let found = directory.post("/Users/.search", &search);
    assert_eq!((found.status, found.listed("userName")), (200, vec!["u3@example.test".to_owned()]));
    assert_eq!(found.body["Resources"][0].get("meta"), None);
}

fn versions() {
    let Scene { portal, directory, .. } = &scene();
    let path = format!("/Users/{}", directory.user("ada@example.test"));
    let version = directory.get(&path).header("etag").to_owned();
    assert_eq!(json!(version), directory.get(&path).body["meta"]["version"]);
    assert_eq!(directory.send("GET", &path, &[("if-none-match", &version)], None).status, 304);
    // By hand, beside the directory.
    portal.ok(&["user", "suspend", "ada@example.test"]);
    let body = json!({ "userName": "ada@example.test", "title": "t" }).to_string();
    is_fault(&directory.send("PUT", &path, &[("if-match", &version)], Some(body.clone())), 412, Value::Null);
    is_fault(&directory.send("DELETE", &path, &[("if-match", &version)], None), 412, Value::Null);
    let version = directory.get(&path).header("etag").to_owned();
    let put = directory.send("PUT", &path, &[("if-match", &version)], Some(body));
    assert_eq!((put.status, &put.body["title"]), (200, &json!("t")));
    assert_eq!(put.body["active"], false, "what is not said of it stays");
    let group = directory.post("/Groups", &json!({ "displayName": "g" }));
    let path = format!("/Groups/{}", group.id());
    assert_eq!(directory.patch(&path, &json!([{ "op": "add", "path": "externalId", "value": "x" }])).status, 204);
    is_fault(&directory.send("DELETE", &path, &[("if-match", group.header("etag"))], None), 412, Value::Null);
    assert_eq!(directory.send("DELETE", &path, &[("if-match", "*")], None).status, 204);
}

fn authorisation() {
    let scene = scene();
    let Scene { portal, directory, .. } = &scene;
    portal.ok(&["tenant", "create", "other"]);
    portal.ok(&["domain", "add", "other.test", "--tenant", "other"]);
    let key = |arguments: &[&str]| {
        let text = portal.ok(&[&["api-key", "create"], arguments].concat());
        Directory::with_key(portal, text.trim())
    };
    let id = directory.user("ada@example.test");
    let group = directory.post("/Groups", &json!({ "displayName": "g" })).id();

    let other = key(&["--scopes", "scim", "--tenant", "other"]);
    assert_eq!(other.get("/Users").body["totalResults"], 0);
    assert_eq!(other.find("/Users", "userName eq \"ada@example.test\"").body["totalResults"], 0);
    let off = json!([{ "op": "replace", "path": "active", "value": false }]);
    for path in [format!("/Users/{id}"), format!("/Groups/{group}")] {
        is_fault(&other.get(&path), 404, Value::Null);
        is_fault(
            &other.patch(&path, &off),
            if path.starts_with("/Users") { 404 } else { 400 },
            if path.starts_with("/Users") { Value::Null } else { json!("invalidPath") },
        );
        is_fault(&other.delete(&path), 404, Value::Null);
    }
    is_fault(
        &other.post("/Groups", &json!({ "displayName": "h", "members": [{ "value": id }] })),
        400,
        json!("invalidValue"),
    );
    // A person of another tenant's domain, or of nobody's.
    for name in ["eve@example.test", "eve@nowhere.test"] {
        is_fault(&other.post("/Users", &json!({ "userName": name })), 400, json!("invalidValue"));
    }
    assert_eq!(scene.state_of("ada@example.test"), "active");

    is_fault(&key(&["--scopes", "users,read", "--tenant", "acme"]).get("/Users"), 403, Value::Null);
    is_fault(&key(&["--scopes", "scim"]).get("/Users"), 403, Value::Null);
    let expiring = key(&["--scopes", "scim", "--tenant", "acme", "--expires", "1s"]);
    while expiring.get("/ServiceProviderConfig").status != 401 {}
    is_fault(&expiring.post("/Users", &json!({ "userName": "eve@example.test" })), 401, Value::Null);
    let text = portal.ok(&["api-key", "create", "--scopes", "scim", "--tenant", "acme"]);
    portal.ok(&["api-key", "revoke", text.trim().split('_').nth(2).expect("an id")]);
    is_fault(&Directory::with_key(portal, text.trim()).delete(&format!("/Users/{id}")), 401, Value::Null);
    for wrong in ["", "nothing", "cs_api_000000000000_AAAA"] {
        let answer = Directory::with_key(portal, wrong).get("/ServiceProviderConfig");
        is_fault(&answer, 401, Value::Null);
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    let refusals: Vec<_> = scene.audit().into_iter().filter(|row| row["action"] == "scim").collect();
    for (subject, result) in [
        ("GET /Users", "forbidden"),
        ("POST /Users", "unauthorized"),
        (&format!("DELETE /Users/{id}"), "unauthorized"),
        ("POST /Users", "invalidValue"),
    ] {
        assert!(
            refusals.iter().any(|row| row["subject"] == subject && row["result"] == result),
            "{subject} {refusals:?}"
        );
    }
}

fn too_often() {
    let Scene { directory, .. } = &scene();
    let mut answers = std::iter::repeat_with(|| directory.get("/ServiceProviderConfig")).take(20_000);
    let refused = answers.find(|answer| answer.status != 200).expect("there is a limit");
    is_fault(&refused, 429, Value::Null);
    assert_eq!(refused.header("retry-after"), "1");
}

fn refusals() {
    let scene = scene();
    let directory = &scene.directory;
    let id = directory.user("ada@example.test");
    let path = format!("/Users/{id}");
    is_fault(&directory.post("/Users", &json!({ "userName": "ADA@example.test" })), 409, json!("uniqueness"));
    is_fault(&directory.post("/Users", &json!({ "active": true })), 400, json!("invalidValue"));
    is_fault(&directory.post("/Users", &json!({ "userName": "a b@example.test" })), 400, json!("invalidValue"));
    is_fault(&directory.send("POST", "/Users", &[], Some("{".to_owned())), 400, json!("invalidSyntax"));
    is_fault(&directory.send("POST", "/Users", &[], Some("[]".to_owned())), 400, json!("invalidSyntax"));
    let deep = format!("{}1{}", "[".repeat(4000), "]".repeat(4000));
    is_fault(
        &directory.send("POST", "/Users", &[], Some(format!("{{\"userName\":{deep}}}"))),
        400,
        json!("invalidSyntax"),
    );
    is_fault(&directory.send("POST", "/Users", &[], Some(" ".repeat(1024 * 1024 + 1))), 413, Value::Null);
    is_fault(&directory.get("/Users?filter=userName+is+%22a%22"), 400, json!("invalidFilter"));
    let nested = "(".repeat(9) + "title+pr" + &")".repeat(9);
    is_fault(&directory.get(&format!("/Users?filter={nested}")), 400, json!("invalidFilter"));
    is_fault(
        &directory.get(&format!("/Users?filter=title+eq+%22{}%22", "x".repeat(3000))),
        400,
        json!("invalidFilter"),
    );
    is_fault(&directory.get("/Users?count=many"), 400, json!("invalidValue"));
    is_fault(
        &directory.patch(&path, &json!([{ "op": "replace", "path": "shoeSize", "value": 1 }])),
        400,
        json!("invalidPath"),
    );
    is_fault(&directory.patch(&path, &json!([])), 400, json!("invalidSyntax"));
    is_fault(&directory.patch(&path, &json!([{ "op": "remove" }])), 400, json!("noTarget"));
    is_fault(
        &directory.patch(&path, &json!([{ "op": "add", "path": "groups", "value": [] }])),
        400,
        json!("mutability"),
    );
    // All operations of a request, or none.
    let half =
        json!([{ "op": "add", "path": "title", "value": "t" }, { "op": "add", "path": "active", "value": "maybe" }]);
    is_fault(&directory.patch(&path, &half), 400, json!("invalidValue"));
    assert_eq!(directory.get(&path).body.get("title"), None);
    is_fault(&directory.get("/Users/nobody"), 404, Value::Null);
    is_fault(&directory.get("/Nothing"), 404, Value::Null);
    is_fault(&directory.send("PUT", "/Users", &[], None), 405, Value::Null);
    is_fault(&directory.post("/Bulk", &json!({})), 501, Value::Null);
    is_fault(&directory.get("/Me"), 501, Value::Null);
    is_fault(&directory.get("/Schemas?filter=id+pr"), 403, Value::Null);
    let group = directory.post("/Groups", &json!({ "displayName": "Same" }));
    assert_eq!(group.status, 201);
    is_fault(&directory.post("/Groups", &json!({ "displayName": "same" })), 409, json!("uniqueness"));
    let many: Vec<_> = (0..10_001).map(|n| json!({ "value": n.to_string() })).collect();
    let add = json!([{ "op": "add", "path": "members", "value": many }]);
    is_fault(&directory.patch(&format!("/Groups/{}", group.id()), &add), 400, json!("invalidValue"));
    let noted =
        scene.audit().into_iter().filter(|row| row["action"] == "scim" && row["result"] == "uniqueness").count();
    assert_eq!(noted, 2);
}

fn agent() {
    let house = House::new();
    let user = house.user();
    let directory = Directory::of(&house.portal);
    let found = directory.find("/Users", &format!("userName eq \"{user}\""));
    let id = found.listed("id").pop().expect("who has signed on is there");
    let path = format!("/Users/{id}");
    let refused = |code: &str| {
        let output = house.agent.command(&["sign-in"]).output().expect("the agent can be started");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(code), "{code}: {said}");
    };
    assert_eq!(directory.patch(&path, &json!([{ "op": "replace", "value": { "active": false } }])).status, 200);
    refused("user-suspended");
    assert_eq!(directory.patch(&path, &json!([{ "op": "replace", "value": { "active": true } }])).status, 200);
    house.agent.ok(&["sign-in"]);
    assert_eq!(directory.delete(&path).status, 204);
    let devices = house.portal.json(&["device", "list", "--json"]);
    assert_eq!(devices[0]["state"], "removed", "{devices}");
    refused("device-removed");
}

fn take_over() {
    let scene = scene();
    let Scene { portal, directory, .. } = &scene;
    let (https, device) = (Https::trusting(&portal.authority.ca), Device::new());
    let token = portal.token(&["--group", "laptops"]);
    let request = device.enrolling(device.request(portal, "max", 1), &token);
    assert_eq!(code(&device.send(&https, portal, &request)), "success");
    is_fault(&directory.post("/Users", &json!({ "userName": "max@example.test" })), 409, json!("uniqueness"));
    let found = directory.find("/Users", "userName eq \"Max@example.test\"");
    assert_eq!(found.body["Resources"][0]["active"], true);
    let id = found.listed("id").pop().expect("there is one");
    let taken =
        directory.patch(&format!("/Users/{id}"), &json!([{ "op": "Add", "path": "externalId", "value": "m-1" }]));
    assert_eq!((taken.status, &taken.body["externalId"]), (200, &json!("m-1")));
    let people = portal.json(&["user", "list", "--json"]);
    assert_eq!(people[0]["origin"], "directory");
    for name in ["Pilots", "laptops", "Crew"] {
        assert_eq!(
            directory.post("/Groups", &json!({ "displayName": name, "members": [{ "value": id }] })).status,
            201
        );
    }
    let answer = device.send(&https, portal, &device.request(portal, "max", 2));
    assert_eq!(code(&answer), "success");
    let values: Vec<_> =
        ["Crew", "Pilots", "laptops"].iter().map(|name| answer.body.matches(&format!(">{name}<")).count()).collect();
    assert_eq!(values, [1, 1, 1], "{}", answer.body);
}

fn from_directory() {
    let scene = scene();
    let Scene { portal, directory, .. } = &scene;
    portal.ok(&["policy", "set", "--tenant", "acme", "--provision-from-directory"]);
    assert_eq!(scene.signs_on("new"), "user-not-provisioned");
    let _ = directory.user("new@example.test");
    assert_eq!(scene.signs_on("new"), "success");
    portal.ok(&["policy", "set", "--tenant", "acme", "--provision-anybody"]);
    assert_eq!(scene.signs_on("newer"), "success");
}

fn shown() {
    let scene = scene();
    let Scene { portal, directory, .. } = &scene;
    let id = directory.user("ada@example.test");
    assert_eq!(directory.post("/Groups", &json!({ "displayName": "Crew", "members": [{ "value": id }] })).status, 201);
    assert!(portal.ok(&["user", "list"]).contains("directory"));
    assert!(portal.ok(&["group", "list", "--tenant", "acme"]).contains("Crew"));
    let groups = portal.json(&["group", "list", "--tenant", "acme", "--json"]);
    assert_eq!((&groups[0]["display_name"], &groups[0]["members"]), (&json!("Crew"), &json!(1)));
    assert_eq!(
        portal.ok(&["user", "delete", "ada@example.test"]).trim(),
        "deleted ada@example.test and 0 of their devices"
    );
    assert_eq!(directory.get(&format!("/Users/{id}")).status, 404);
}
