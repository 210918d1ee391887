//! What administrators decide about services: how they become known, who may open them, and what they are told.
#![expect(clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use saml::response::{Assertion, InResponseTo};
use serde_json::json;
use tests::assertion::verified;
use tests::house::House;
use tests::pages::Pages;
use tests::scim::Directory;

const SERVICE: &str = "https://service.example.test/saml";
const ACS: &str = "https://service.example.test/acs";

fn house() -> House {
    let house = House::new();
    house.portal.ok(&["service", "add", "--tenant", "acme", "--entity-id", SERVICE, "--acs-url", ACS]);
    house
}

/// What the service is told about the person at the device.
fn told(house: &House) -> Assertion {
    let answer = house.agent.json(&["sign-in", "--service", SERVICE, "--json"]);
    let field = answer["saml_response"].as_str().expect("a Response");
    verified(&house.portal, field, (SERVICE, ACS), InResponseTo::Unsolicited)
}

fn values(assertion: &Assertion, name: &str) -> Vec<String> {
    let found = assertion.attributes.iter().find(|attribute| attribute.name == name);
    found.map(|attribute| attribute.values.clone()).unwrap_or_default()
}

#[test]
fn a_service_is_told_what_its_settings_say() {
    let house = house();
    house.portal.ok(&["policy", "group", "--tenant", "acme", "app-users", "--fact", "platform=linux"]);
    house.portal.ok(&["policy", "group", "--tenant", "acme", "secret", "--fact", "platform=linux"]);
    let before = told(&house);
    assert_eq!((before.subject.value.as_str(), before.attributes.len()), (house.user().as_str(), 1));
    let rules = ["--attribute", "roles=groups:app-*", "--attribute", "urn:oid:0.9.2342.19200300.100.1.1=local-part"];
    let names = ["--name-id-format", "persistent", "--mail", "no"];
    let shown = house.portal.ok(&[&["service", "set", SERVICE][..], &rules, &names].concat());
    assert!(shown.contains("Attribute roles: groups:app-*") && shown.contains("Attribute mail: no"), "{shown}");
    let after = told(&house);
    assert_eq!(values(&after, "roles"), ["app-users"], "no other group is this service's business");
    let user = house.user();
    let (local_part, _) = user.split_once('@').expect("an address");
    assert_eq!(values(&after, "urn:oid:0.9.2342.19200300.100.1.1"), [local_part]);
    let text = format!("{after:?}");
    assert!(!text.contains(&user) && !text.contains("secret"), "{text}");
    assert_eq!(after.subject.value, told(&house).subject.value, "a persistent name stays");
    let rehearsed =
        house.portal.ok(&["service", "test", SERVICE, "--user", &user, "--public-url", &house.portal.url()]);
    assert!(rehearsed.contains("Attribute roles: app-users\n"), "{rehearsed}");
}

#[test]
fn a_service_opens_for_those_alone_whom_its_settings_name() {
    let house = house();
    house.portal.ok(&["service", "set", SERVICE, "--only-group", "app-*", "--only-person", "somebody@example.test"]);
    let refused = house.agent.run(&["sign-in", "--service", SERVICE]);
    assert_eq!(refused.status.code(), Some(85), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("[service-not-allowed]"), "{refused:?}");
    assert_eq!(house.agent.json(&["open", "--json"])["services"], json!([]), "it is not listed");
    assert_eq!(house.audited("sign-on", "service-not-allowed"), 1);
    house.portal.ok(&["policy", "group", "--tenant", "acme", "app-users", "--fact", "platform=linux"]);
    told(&house);
    assert_eq!(house.agent.json(&["open", "--json"])["services"][0]["entity_id"], SERVICE);
    house.portal.ok(&["service", "set", SERVICE, "--only-group", "nobody"]);
    assert!(!house.agent.run(&["sign-in", "--service", SERVICE]).status.success());
    house.portal.ok(&["service", "set", SERVICE, "--anybody"]);
    told(&house);
}

#[test]
fn a_directorys_group_opens_a_service_and_is_told_to_it() {
    let house = house();
    let directory = Directory::of(&house.portal);
    house.portal.ok(&["service", "set", SERVICE, "--only-group", "Finance", "--attribute", "groups=groups"]);
    assert_eq!(house.agent.run(&["sign-in", "--service", SERVICE]).status.code(), Some(85));
    let found = directory.find("/Users", &format!("userName eq \"{}\"", house.user()));
    let id = found.listed("id").pop().expect("who has signed on is there");
    let group = json!({ "displayName": "Finance", "members": [{ "value": id }] });
    let group = directory.post("/Groups", &group).id();
    assert_eq!(values(&told(&house), "groups"), ["Finance"]);
    assert_eq!(directory.delete(&format!("/Groups/{group}")).status, 204);
    assert_eq!(house.agent.run(&["sign-in", "--service", SERVICE]).status.code(), Some(85), "at the next sign-on");
}

#[test]
fn metadata_is_fetched_over_tls_alone_and_again_when_asked() {
    let house = House::new();
    let (portal, ca) = (&house.portal, house.portal.authority.ca.to_str().expect("text").to_owned());
    // The portal's own, as a service provider: a document behind TLS that only the tests' CA vouches for.
    let url = format!("{}/saml/sp", portal.url());
    let add = |url: &str, more: &[&str]| {
        portal.run(&[&["service", "add", "--tenant", "acme", "--metadata-url", url], more].concat())
    };
    let with_ca = ["--service-ca-file", ca.as_str()];
    for (wrong, more, why) in [
        (url.replace("https:", "http:"), &with_ca[..], "has to begin with `https://`"),
        (url.clone(), &[], "nothing that is trusted answers there"),
        (format!("{}/nothing", portal.url()), &with_ca, "HTTP status 404"),
        (format!("{}/admin", portal.url()), &with_ca, "redirects are not followed"),
        (format!("{}/readyz", portal.url()), &with_ca, "can't take this metadata"),
    ] {
        let output = add(&wrong, more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{wrong}: {said}");
    }
    assert!(add(&url, &with_ca).status.success());
    let updated = portal.ok(&["service", "update", &url, with_ca[0], with_ca[1]]);
    assert!(updated.contains("/saml/acs"), "{updated}");
    let rows = portal.ok(&["audit", "list", "--json"]);
    assert!(rows.contains("service.metadata") && rows.contains("\"changed\":false"), "{rows}");
    portal.ok(&["service", "add", "--tenant", "acme", "--entity-id", SERVICE, "--acs-url", ACS]);
    let another = portal.run(&["service", "update", SERVICE, "--metadata-url", &url, with_ca[0], with_ca[1]]);
    assert!(String::from_utf8_lossy(&another.stderr).contains("it is of another service"), "{another:?}");
    let given = portal.run(&["service", "update", SERVICE]);
    assert!(String::from_utf8_lossy(&given.stderr).contains("give an address or a file"), "{given:?}");
}

#[test]
fn pages_set_services_and_policy_and_let_nobody_else_make_the_portal_fetch() {
    let house = house();
    let portal = &house.portal;
    let mut pages = Pages::signed_in(portal, "ada", "owner");
    let one = format!("/admin/t/acme/services/one?id={SERVICE}");
    let token = pages.get(&one).form_token();
    let form = ("form_token", token.as_str());
    let settings = [
        form,
        ("name_id_format", "transient"),
        ("attributes", "role=groups\r\n\r\nstaff=text:yes"),
        ("only_people", "*@example.test"),
    ];
    let set = format!("/admin/t/acme/services/settings?id={SERVICE}");
    assert_eq!(pages.post(&set, &settings).status, 303);
    let kept = portal.json(&["service", "show", SERVICE, "--json"])["settings"].clone();
    let attributes = json!([{ "name": "role", "value": "groups" }, { "name": "staff", "value": "text:yes" }]);
    assert_eq!((&kept["attributes"], &kept["mail"]), (&attributes, &json!(false)));
    let wrong = pages.post(&set, &[form, ("name_id_format", "email"), ("attributes", "role=serial")]);
    assert!(wrong.status == 422 && wrong.body.contains("role=serial"), "{}", wrong.body);
    let fetch = [form, ("metadata_url", "https://127.0.0.1:1/metadata")];
    let update = format!("/admin/t/acme/services/metadata?id={SERVICE}");
    let unreachable = pages.post(&update, &fetch);
    assert!(unreachable.status == 422 && unreachable.body.contains("nothing that is trusted"), "{}", unreachable.body);
    for role in ["auditor", "support"] {
        let mut other = Pages::signed_in(portal, role, role);
        let token = other.get(&one).form_token();
        let tried = [("form_token", token.as_str()), ("metadata_url", "https://127.0.0.1:1/metadata")];
        assert_eq!(other.post(&update, &tried).status, 403, "{role}");
        assert_eq!(other.post("/admin/t/acme/services/new", &tried).status, 403, "{role}");
    }

    let policy = "/admin/t/acme/policy";
    let rule = [form, ("platform", "linux"), ("facts", "disk-encryption=on"), ("minimum_evidence", "claimed")];
    assert_eq!(pages.post(&format!("{policy}/add-rule"), &rule).status, 303);
    let nothing = pages.post(&format!("{policy}/add-rule"), &[form, ("platform", "linux")]);
    assert!(nothing.status == 422 && nothing.body.contains("it demands nothing"), "{}", nothing.body);
    let limits = [
        form,
        ("at_limit", "remove-oldest"),
        ("other_person", "queue"),
        ("first_visit", "automatic"),
        ("inactive_days", "90"),
        ("provision_only", "a*@example.test\r\n"),
    ];
    assert_eq!(pages.post(&format!("{policy}/set"), &limits).status, 303);
    let group = [form, ("group", "laptops"), ("fact", "hostname"), ("value", "lap-*")];
    assert_eq!(pages.post(&format!("{policy}/add-group"), &group).status, 303);
    let kept = portal.json(&["policy", "show", "--tenant", "acme"]);
    assert_eq!((&kept["at_limit"], &kept["inactive_days"]), (&json!("remove-oldest"), &json!(90)));
    assert_eq!(kept["rules"][0]["facts"][0]["name"], "disk-encryption", "{kept}");
    let id = kept["rules"][0]["id"].as_str().expect("an id");
    assert_eq!(pages.post(&format!("{policy}/remove-rule"), &[form, ("id", id)]).status, 303);
    assert_eq!(pages.post(&format!("{policy}/remove-group"), &group).status, 303);
    let kept = portal.json(&["policy", "show", "--tenant", "acme"]);
    assert_eq!((kept["rules"].as_array().map(Vec::len), kept["groups"].as_array().map(Vec::len)), (Some(0), Some(0)));
    assert_eq!(kept["provision_only"], json!(["a*@example.test"]), "the rest stays");
}
