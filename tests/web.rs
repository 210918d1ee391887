//! The pages and the API: by requests that no browser would send, and in a browser that clicks the main paths.
//!
//! Pictures of every page, wide and narrow, light and dark, land in `target/screenshots`.
#![expect(clippy::expect_used, clippy::panic, reason = "test code: a surprise must end it loudly")]

use std::path::PathBuf;

use base64::Engine as _;
use libtest_mimic::Arguments;
use saml::metadata::Binding;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::agent::Agent;
use tests::binaries::workspace_dir;
use tests::browser::Browser;
use tests::components::trial;
use tests::own_idp::OwnIdp;
use tests::pages::{PASSWORD, Pages};
use tests::portal::Portal;
use tests::program::Program;
use tests::scim::Directory;

const SESSION: &str = "__Host-countersign";

struct House {
    portal: Portal,
    _serving: Program,
    dir: TempDir,
}

fn house() -> House {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let serving = portal.serve_with(&["--keep-alive", "1"]);
    House { portal, _serving: serving, dir }
}

impl House {
    fn pages(&self) -> Pages {
        Pages::of(&self.portal.url(), &self.portal.authority.ca)
    }

    fn signed_in(&self, name: &str, role: &str) -> Pages {
        Pages::signed_in(&self.portal, name, role)
    }

    fn account(&self, name: &str, role: &str) {
        Pages::account(&self.portal, name, role);
    }
}

fn every_answer_is_hardened() {
    let house = house();
    let mut pages = house.signed_in("ada", "owner");
    for path in ["/", "/admin/sign-in", "/admin/t/acme", "/api/v1/openapi.json", "/nothing"] {
        let answer = pages.get(path);
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("strict-transport-security").contains("max-age="), "{path}");
        for inline in ["<script>", "<style", " style=\"", " onclick=", "javascript:"] {
            assert!(!answer.body.contains(inline), "{path} holds {inline}");
        }
    }
    let cookie = pages.sign_in("ada", PASSWORD);
    let cookie = cookie.header("set-cookie");
    for part in ["__Host-countersign=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(pages.get("/admin/t/acme").header("cache-control"), "no-store");
}

fn a_form_from_elsewhere_changes_nothing() {
    let house = house();
    let mut pages = house.signed_in("ada", "owner");
    let token = pages.get("/admin/t/acme/domains").form_token();
    let name = ("name", "evil.test");
    assert_eq!(pages.post("/admin/t/acme/domains", &[name]).status, 403);
    assert_eq!(pages.post("/admin/t/acme/domains", &[name, ("form_token", "0")]).status, 403);
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")];
    let body = format!("name=evil.test&form_token={token}");
    assert_eq!(pages.send("POST", "/admin/t/acme/domains", &headers, Some(body)).status, 403);
    let mut stranger = house.pages();
    let given = [("form_token", "x"), ("name", "ada"), ("password", PASSWORD)];
    assert_eq!(stranger.post("/admin/sign-in", &given).status, 403, "signing in takes the form's own token, too");
    assert_eq!(house.portal.json(&["domain", "list", "--json"]).as_array().expect("a list").len(), 1);
    assert_eq!(pages.post("/admin/t/acme/domains", &[name, ("form_token", &token)]).status, 303);
}

fn a_session_that_was_planted_is_worth_nothing_and_ends_when_it_should() {
    let house = house();
    let mut pages = house.signed_in("ada", "owner");
    let first = pages.cookie(SESSION).expect("a session");
    pages.sign_in("ada", PASSWORD);
    let second = pages.cookie(SESSION).expect("a session");
    assert_ne!(first, second, "each sign-in begins a session of its own");
    let mut old = house.pages();
    old.cookies.push((SESSION.to_owned(), first));
    assert_eq!(old.get("/admin/t/acme").status, 303, "the browser's earlier session has ended");
    let mut planted = house.pages();
    planted.cookies.push((SESSION.to_owned(), "planted".to_owned()));
    planted.sign_in("ada", PASSWORD);
    assert_ne!(planted.cookie(SESSION).expect("a session"), "planted");

    let token = pages.get("/admin/account").form_token();
    pages.post("/admin/sign-out", &[("form_token", &token), ("everywhere", "1")]);
    for cookie in [second, planted.cookie(SESSION).expect("a session")] {
        let mut again = house.pages();
        again.cookies.push((SESSION.to_owned(), cookie));
        let answer = again.get("/admin/t/acme");
        assert_eq!(answer.status, 303);
        assert!(answer.header("location").starts_with("/admin/sign-in"), "{}", answer.header("location"));
    }
}

fn wrong_passwords_are_told_nothing_and_slowed() {
    let house = house();
    house.account("ada", "owner");
    let mut pages = house.pages();
    let wrong = pages.sign_in("ada", "not the password");
    let nobody = pages.sign_in("nobody", "not the password");
    assert_eq!((wrong.status, nobody.status), (403, 403));
    let without = |text: &str, name: &str| text.replace(&format!("value=\"{name}\""), "");
    assert_eq!(without(&wrong.body, "ada"), without(&nobody.body, "nobody"), "who is there is not told");
    for _ in 0..4 {
        pages.sign_in("ada", "not the password");
    }
    assert_eq!(pages.sign_in("ada", PASSWORD).status, 403, "after five wrong tries the account waits");
    let audit = house.portal.ok(&["audit", "list"]);
    // One sign-in when the account was made, and five that were wrong.
    assert_eq!(audit.matches("account.sign-in").count(), 6, "a try while the account waits leaves no row: {audit}");
}

fn roles_end_where_they_end() {
    let house = house();
    house.portal.ok(&["user", "add", "alice@example.test", "--tenant", "acme"]);
    let try_all = |pages: &mut Pages| {
        let token = pages.get("/admin/account").form_token();
        let mut post = |path: &str, more: &[(&str, &str)]| {
            pages.post(path, &[&[("form_token", token.as_str())], more].concat()).status
        };
        [
            post("/admin/t/acme/users/alice%40example.test/suspend", &[]),
            post("/admin/t/acme/tokens/new", &[("expires", "1h")]),
            post("/admin/administrators", &[("name", "mallory"), ("role", "owner")]),
            post("/admin/tenants", &[("name", "mine")]),
        ]
    };
    // What is not theirs is refused whole, whatever the form holds.
    assert_eq!(try_all(&mut house.signed_in("auditor", "auditor")), [403; 4]);
    assert_eq!(try_all(&mut house.signed_in("support", "support")), [303, 403, 403, 403]);
    assert_eq!(try_all(&mut house.signed_in("admin", "administrator")), [303, 200, 403, 403]);
}

fn the_document_is_the_api_and_the_api_is_the_document() {
    let house = house();
    let key = house.portal.ok(&[
        "api-key",
        "create",
        "--scopes",
        "read,audit,devices,users,tokens,services,domains,policy,tenants",
    ]);
    let mut pages = house.pages();
    let document: Value = serde_json::from_str(&pages.get("/api/v1/openapi.json").body).expect("JSON");
    let bearer = format!("Bearer {}", key.trim());
    let mut seen = Vec::new();
    let mut call = |id: &str, path: &str, body: Option<Value>| -> Value {
        let (method, operation) = operation(&document, id);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let answer =
            pages.send(&method.to_uppercase(), &format!("/api/v1{path}"), &headers, body.map(|body| body.to_string()));
        let responses = operation["responses"].as_object().expect("responses");
        let described = responses.get(&answer.status.to_string());
        let described =
            described.unwrap_or_else(|| panic!("{id}: {} is not described: {}", answer.status, answer.body));
        seen.push(id.to_owned());
        let reference = &described["content"]["application/json"]["schema"]["$ref"];
        let Some(reference) = reference.as_str() else {
            assert!(answer.body.is_empty(), "{id}: {}", answer.body);
            return Value::Null;
        };
        let value: Value = serde_json::from_str(&answer.body).expect("JSON");
        let schema = json!({ "$ref": format!("#{}", &reference[1..]), "components": document["components"] });
        let validator = jsonschema::validator_for(&schema).expect("the schema is one");
        let faults: Vec<_> = validator.iter_errors(&value).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{id}: {faults:?} in {value}");
        value
    };
    call("createTenant", "/tenants", Some(json!({ "name": "other" })));
    assert_eq!(call("listTenants", "/tenants", None)["items"].as_array().expect("a list").len(), 2);
    call("getTenant", "/tenants/acme", None);
    let set = call("setTenant", "/tenants/acme", Some(json!({ "devices_per_user": 3 })));
    assert_eq!((&set["devices_per_user"], &set["idp_enabled"]), (&json!(3), &json!(true)));
    call("putDomain", "/tenants/acme/domains/second.test", None);
    call("putDomain", "/tenants/acme/domains/second.test", None);
    call("listDomains", "/tenants/acme/domains", None);
    call("deleteDomain", "/tenants/acme/domains/second.test", None);

    let created = call(
        "createToken",
        "/tenants/acme/tokens",
        Some(json!({ "description": "api", "people": "any", "use_limit": 2, "expires": "1h" })),
    );
    let token = created["secret"].as_str().expect("a token").to_owned();
    let token_id = created["token"]["id"].as_str().expect("an id").to_owned();
    let agent = Agent::in_dir(&house.dir.path().join("agent"));
    let always = ["--diagnosticsRequests", "always"];
    assert!(agent.configure_with(&house.portal, &token, &always).status.success());
    let mut running = agent.start_signed_in();
    running.wait_for(|line| line.contains("a break-glass key was agreed on"));
    assert_eq!(call("getToken", &format!("/tokens/{token_id}"), None)["uses"], 1);
    call("createRotation", &format!("/tokens/{token_id}/rotation"), Some(json!({ "overlap": "1h" })));
    call("revokeToken", &format!("/tokens/{token_id}/revocation"), Some(json!({})));
    call("revokeToken", &format!("/tokens/{token_id}/revocation"), Some(json!({})));
    let page = call("listTokens", "/tenants/acme/tokens?limit=1", None);
    let next = page["next"].as_str().expect("there is another").to_owned();
    let last = call("listTokens", &format!("/tenants/acme/tokens?limit=1&after={next}"), None);
    assert!(last["next"].is_null() && last["items"][0]["id"] != page["items"][0]["id"], "{last}");

    let devices = call("listDevices", "/tenants/acme/devices?state=registered", None);
    let device = devices["items"][0]["id"].as_str().expect("a device").to_owned();
    let detail = call("getDevice", &format!("/devices/{device}"), None);
    let user = detail["people"][0]["name_id"].as_str().expect("a person").to_owned();
    let asked = call("createDiagnosticsRequest", &format!("/devices/{device}/diagnostics-requests"), None);
    let requests = call("listDiagnosticsRequests", &format!("/devices/{device}/diagnostics-requests"), None);
    assert_eq!(requests["items"][0]["id"], asked["id"]);
    running.wait_for(|line| line.contains(SENT));
    drop(running);
    let request = format!("/diagnostics-requests/{}", asked["id"].as_str().expect("an id"));
    let bundle = call("getDiagnosticsBundle", &format!("{request}/bundle"), None)["bundle"].clone();
    let bundle = base64::engine::general_purpose::STANDARD.decode(bundle.as_str().expect("text")).expect("base64");
    assert!(bundle.starts_with(b"PK"), "it is a zip");
    call("deleteDiagnosticsRequest", &request, None);
    let code =
        call("createBreakGlassCode", &format!("/devices/{device}/break-glass-codes"), Some(json!({ "for": "1h" })));
    assert_eq!(code["code"].as_str().map(str::len), Some(19), "{code}");
    for (step, state) in [("wipe", "removal-pending"), ("quarantine", "quarantined")] {
        let moved = call("moveDevice", &format!("/devices/{device}/moves"), Some(json!({ "step": step })));
        assert_eq!(moved["state"], state);
    }
    let directory = Directory::of(&house.portal);
    let member = directory.find("/Users", &format!("userName eq \"{user}\"")).listed("id");
    let group = json!({ "displayName": "Pilots", "externalId": "p-1", "members": [{ "value": member[0] }] });
    assert_eq!(directory.post("/Groups", &group).status, 201);
    call("putUser", "/tenants/acme/users/bob@example.test", None);
    call("putUser", "/tenants/acme/users/bob@example.test", None);
    assert_eq!(call("listUsers", "/tenants/acme/users?q=bob", None)["items"][0]["name_id"], "bob@example.test");
    assert_eq!(call("getUser", &format!("/users/{user}"), None)["groups"], json!(["Pilots"]));
    assert_eq!(call("setUser", &format!("/users/{user}"), Some(json!({ "state": "suspended" })))["state"], "suspended");
    let code = call("createUserCode", "/users/bob@example.test/codes", Some(json!({ "for": "1h" })));
    assert_eq!(code["code"].as_str().map(str::len), Some(14), "{code}");
    call("deleteUserProofs", "/users/bob@example.test/proofs", None);
    call("deleteUser", "/users/bob@example.test", None);
    assert_eq!(call("listUsers", "/tenants/acme/users?q=bob", None)["items"], json!([]));
    assert_eq!(call("listGroups", "/tenants/acme/groups", None)["items"][0]["display_name"], "Pilots");
    let metadata = sp_metadata("https://service.example.test/saml");
    call("createService", "/tenants/acme/services", Some(json!({ "metadata": metadata })));
    call("listServices", "/tenants/acme/services", None);
    let service = "entity_id=https%3A%2F%2Fservice.example.test%2Fsaml";
    let settings = json!({ "attributes": [{ "name": "role", "value": "groups" }], "only_people": ["*@example.test"] });
    let set = call("setService", &format!("/services?{service}"), Some(settings));
    assert_eq!(
        (&set["settings"]["attributes"][0]["value"], &set["settings"]["mail"]),
        (&json!("groups"), &json!(true))
    );
    let moved = metadata.replace("/acs", "/acs2");
    let updated = call("updateService", &format!("/services/metadata?{service}"), Some(json!({ "metadata": moved })));
    assert_eq!(updated["service"]["acs_url"], "https://service.example.test/saml/acs2");
    assert_eq!(call("getService", &format!("/services?{service}"), None)["metadata"], moved.as_str());
    let test = call("testService", &format!("/services/test?{service}&user={user}"), None);
    assert_eq!(test["refusal"], "device-quarantined", "{test}");
    call("deleteService", &format!("/services?{service}"), None);
    settle(&mut call);
    let audit = call("listAudit", "/tenants/acme/audit?kind=changes", None);
    assert!(audit["items"][0]["actor"].as_str().expect("who").starts_with("API key "), "{audit}");

    let described: Vec<_> = operations(&document)
        .map(|(_, _, operation)| operation["operationId"].as_str().expect("an id").to_owned())
        .collect();
    for id in described {
        assert!(seen.contains(&id), "{id} was not called");
    }
}

/// The operations on what a tenant has settled.
fn settle(call: &mut impl FnMut(&str, &str, Option<Value>) -> Value) {
    let mut policy = call("getPolicy", "/tenants/acme/policy", None);
    policy["inactive_days"] = json!(90);
    policy["rules"] = json!([{ "platform": "linux", "key_protection": ["tpm"] }]);
    let put = call("putPolicy", "/tenants/acme/policy", Some(policy));
    assert!(put["inactive_days"] == 90 && put["rules"][0]["id"].as_str().is_some_and(|id| !id.is_empty()), "{put}");
    let (idps, versions) = ("/tenants/acme/identity-providers", "/tenants/acme/identity-provider-versions");
    let (draft, idp) = ("/tenants/acme/identity-provider-draft", OwnIdp::new("idp.partner.test"));
    let new =
        json!({ "name": "Partner", "metadata": idp.metadata(Binding::Redirect), "domains": ["any"], "enabled": true });
    let prepared = call("createIdentityProvider", idps, Some(new));
    assert_eq!(prepared["draft"][1]["entity_id"], "https://idp.partner.test/metadata", "{prepared}");
    assert_eq!(call("createIdentityProviderVersion", versions, None)["version"], 1);
    let newer = OwnIdp::new("idp.partner.test").metadata(Binding::Redirect);
    let changed = call("setIdentityProvider", &format!("{idps}/Partner"), Some(json!({ "metadata": newer })));
    assert_eq!(changed["difference"], json!(["~ Partner: its metadata"]), "{changed}");
    call("createIdentityProviderVersion", versions, None);
    assert_eq!(call("listIdentityProviderVersions", versions, None)["items"].as_array().map(Vec::len), Some(2));
    let back = call("draftIdentityProviderVersion", draft, Some(json!({ "version": 1 })));
    assert_eq!(back["difference"], json!(["~ Partner: its metadata"]), "{back}");
    call("deleteIdentityProviderDraft", draft, None);
    call("deleteIdentityProvider", &format!("{idps}/Partner"), None);
    assert_eq!(call("getIdentityProviders", idps, None)["draft"].as_array().map(Vec::len), Some(1));
    assert_eq!(call("listCopiedKeys", "/tenants/acme/copied-keys", None)["items"], json!([]));
    let keys = call("listSigningKeys", "/signing-keys", None);
    let of_cloud = keys["items"].as_array().expect("a list").iter().filter(|key| key["tenant_id"].is_null());
    assert_eq!(of_cloud.count(), 2, "{keys}");
}

fn operations(document: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    paths.flat_map(|(path, methods)| {
        methods.as_object().expect("methods").iter().map(move |(method, operation)| (path, method, operation))
    })
}

fn operation<'d>(document: &'d Value, id: &str) -> (&'d str, &'d Value) {
    let found = operations(document).find(|(_, _, operation)| operation["operationId"] == id);
    let (_, method, operation) = found.unwrap_or_else(|| panic!("{id} is not described"));
    (method, operation)
}

fn sp_metadata(entity_id: &str) -> String {
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{entity_id}\">\
         <md:SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">\
         <md:AssertionConsumerService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"{entity_id}/acs\" index=\"0\" isDefault=\"true\"/>\
         </md:SPSSODescriptor></md:EntityDescriptor>"
    )
}

fn what_the_api_refuses_it_tells_as_a_problem() {
    let house = house();
    let key = house.portal.ok(&["api-key", "create", "--scopes", "read", "--tenant", "acme"]);
    house.portal.ok(&["tenant", "create", "other"]);
    let bearer = format!("Bearer {}", key.trim());
    let mut pages = house.pages();
    let mut refused = |method: &str, path: &str, key: Option<&str>, body: Option<&str>| {
        let headers: Vec<_> = key.map(|key| ("authorization", key)).into_iter().collect();
        let answer = pages.send(method, path, &headers, body.map(str::to_owned));
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}: {}", answer.body);
        let problem: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(problem["status"], answer.status, "{problem}");
        (answer.status, problem["type"].as_str().expect("a type").rsplit(':').next().expect("a name").to_owned())
    };
    let is = |status: u16, kind: &str| (status, kind.to_owned());
    assert_eq!(refused("GET", "/api/v1/tenants", None, None), is(401, "not-authenticated"));
    assert_eq!(refused("GET", "/api/v1/tenants", Some("Bearer cs_api_x_y"), None), is(401, "not-authenticated"));
    let key = Some(bearer.as_str());
    assert_eq!(refused("GET", "/api/v1/tenants/other", key, None), is(404, "not-found"));
    assert_eq!(refused("POST", "/api/v1/tenants/acme/tokens", key, Some("{}")), is(403, "scope-missing"));
    assert_eq!(refused("GET", "/api/v1/tenants/acme/devices?limit=0", key, None), is(422, "invalid"));
    assert_eq!(refused("GET", "/api/v1/tenants/acme/devices?after=x", key, None), is(422, "invalid"));
    assert_eq!(refused("POST", "/api/v1/tenants/acme/tokens", key, Some("{")), is(400, "not-json"));
    assert_eq!(refused("DELETE", "/api/v1/tenants", key, None), is(405, "method-not-allowed"));
    assert_eq!(refused("GET", "/api/v1/none", key, None), is(404, "not-found"));
}

/// What the agent says when the portal has got its diagnostics.
const SENT: &str = "the portal has the diagnostics that it asked for";

fn support_helps() {
    let house = house();
    let agent = Agent::in_dir(&house.dir.path().join("agent"));
    let always = ["--diagnosticsRequests", "always"];
    assert!(agent.configure_with(&house.portal, &house.portal.token(&[]), &always).status.success());
    let mut running = agent.start_signed_in();
    running.wait_for(|line| line.contains("a break-glass key was agreed on"));
    let devices = house.portal.json(&["device", "list", "--json"]);
    let here = format!("/admin/t/acme/devices/{}", devices[0]["id"].as_str().expect("a device"));
    let mut pages = house.signed_in("sam", "support");
    let form_token = pages.get(&here).form_token();
    let form = [("form_token", form_token.as_str()), ("for", "1h")];
    assert_eq!(pages.post(&format!("{here}/support/diagnostics"), &form).status, 303);
    running.wait_for(|line| line.contains(SENT));
    let page = pages.get(&here).body;
    let (before, _) = page.split_once("\" download>").expect("a link to the bundle");
    let bundle = before.rsplit_once("href=\"").expect("its address").1.to_owned();
    let answer = pages.get(&bundle);
    assert!(answer.body.starts_with("PK") && answer.header("content-disposition").contains("attachment"));
    assert_eq!(answer.header("cache-control"), "no-store");
    // Auditors see that it is there, and do not read what people's computers say.
    let mut auditor = house.signed_in("ann", "auditor");
    assert!(!auditor.get(&here).body.contains("download>"));
    assert_eq!(auditor.get(&bundle).status, 403);
    let page = pages.post(&format!("{here}/support/code"), &form);
    assert_eq!(page.status, 200, "{}", page.body);
    let (_, code) = page.body.split_once("countersign break-glass ").expect("what to type");
    agent.ok(&["break-glass", code.split('<').next().expect("it ends")]);
    assert_eq!(pages.post(&format!("{here}/support/code"), &[form[0], ("for", "9h")]).status, 422, "no such choice");
    assert_eq!(pages.post(&format!("{bundle}/delete"), &form).status, 303);
    assert_eq!(pages.get(&bundle).status, 404);
}

#[expect(clippy::disallowed_methods, reason = "it writes a service's metadata")]
fn a_test_says_what_a_service_would_be_told_and_leaves_nothing() {
    let house = house();
    let (portal, base) = (&house.portal, house.portal.url());
    let agent = Agent::in_dir(&house.dir.path().join("agent"));
    assert!(agent.configure(portal, &portal.token(&[])).status.success());
    let mut running = agent.start_signed_in();
    let user = agent.json(&["status", "--json"])["people"][0]["user"].as_str().expect("a user").to_owned();
    let (service, file) = ("https://service.example.test/saml", house.dir.path().join("service.xml"));
    std::fs::write(&file, sp_metadata(service)).expect("the file can be written");
    portal.add_service(&file);
    portal.ok(&["policy", "require", "--tenant", "acme", "--service", service, "--minimum-claim", "local"]);
    let answer = agent.json(&["sign-in", "--service", service, "--json"]);
    let encoded = answer["saml_response"].as_str().expect("a Response");
    let issued = base64::engine::general_purpose::STANDARD.decode(encoded).expect("base64");
    let issued = String::from_utf8(issued).expect("text");
    running.kill();

    let mut auditor = house.signed_in("otto", "auditor");
    let rows = || portal.ok(&["audit", "list", "--json"]);
    let before = rows();
    let path = format!("/admin/t/acme/services/test?id={service}&user={user}");
    let page = auditor.get(&path);
    assert!(page.status == 200 && page.body.contains("They would be signed in"), "{}", page.body);
    assert!(page.body.contains("a device that says the account is local: is met"), "{}", page.body);
    let test = |more: &[&str]| {
        let asked = ["service", "test", service, "--user", &user, "--public-url", &base];
        portal.ok(&[&asked[..], more].concat())
    };
    let told = test(&[]);
    for line in told.lines() {
        let (name, value) = line.split_once(": ").expect("a name and a value");
        let said_by_both =
            ["Subject", "Format", "Audience", "Goes to", "Issuer", "Authentication context"].contains(&name);
        if said_by_both || name.starts_with("Attribute ") {
            assert!(issued.contains(value) && page.body.contains(value), "{line} is not in {issued} and {}", page.body);
        }
    }
    assert!(told.contains(&format!("Subject: {user}")) && told.contains("(mail): "), "{told}");
    assert!(!page.body.contains("SignatureValue") && !page.body.contains("SAMLResponse"));
    assert_eq!(rows(), before, "nothing is kept");
    assert_eq!(
        auditor.get(&format!("{path}&device=urn:countersign:device:none")).status,
        200,
        "the last one they used"
    );
    let nobody = auditor.get(&format!("/admin/t/acme/services/test?id={service}&user=nobody@example.test"));
    assert_eq!(nobody.status, 422, "{}", nobody.body);

    portal.ok(&["user", "suspend", &user]);
    let told = test(&[]);
    assert!(told.contains("Refused: user-suspended") && !told.contains("Subject: "), "{told}");
    assert!(auditor.get(&path).body.contains("They would be refused"));
}

/// What can be checked of a page by a program: no text runs out of the window, every field has a label, one heading.
const FAULTS: &str = r#"(() => {
  const faults = [];
  const wide = document.scrollingElement.scrollWidth - innerWidth;
  if (wide > 0) faults.push("the page is " + wide + " px too wide");
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  if (!document.documentElement.lang || !document.title) faults.push("no language or title");
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!field.labels.length && !field.getAttribute("aria-label")) faults.push("no label: " + field.outerHTML);
  }
  for (const element of document.querySelectorAll("button, a[href]")) {
    if (!element.hidden && !element.innerText.trim() && !element.getAttribute("aria-label") && !element.querySelector("img[alt]")) faults.push("no name: " + element.outerHTML);
  }
  const light = text => { const [r, g, b, a] = text.match(/[\d.]+/g).map(Number); const part = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; return [0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b), a ?? 1]; };
  const back = element => { for (let at = element; at; at = at.parentElement) { const [value, alpha] = light(getComputedStyle(at).backgroundColor); if (alpha === 1) return value; } return 1; };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !element.checkVisibility() || element.closest("svg, :disabled")) continue;
    const [text] = light(getComputedStyle(element).color), ground = back(element);
    const contrast = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    if (contrast < 4.5) faults.push("contrast " + contrast.toFixed(2) + ": " + walk.currentNode.textContent.trim().slice(0, 40));
  }
  return faults;
})()"#;

/// Looks at the page that is open in both widths and both colours; keeps pictures.
fn look_at(browser: &mut Browser, name: &str) {
    let pictures: PathBuf = workspace_dir().join("target/screenshots");
    // What is folded away has to be as good.
    browser.value("document.querySelectorAll('details').forEach(one => { one.open = true }); null");
    for (width, dark) in [(1280, false), (1280, true), (380, false), (380, true)] {
        browser.look(width, dark);
        let faults = browser.value(FAULTS);
        assert_eq!(faults, json!([]), "{name} at {width} px, dark: {dark}");
        let colours = if dark { "dark" } else { "light" };
        browser.picture(&pictures.join(format!("{name}-{width}-{colours}.png")));
    }
    browser.look(1280, false);
}

fn the_main_paths_in_a_browser() {
    let house = house();
    let (portal, base) = (&house.portal, house.portal.url());
    let mut browser = Browser::start();
    browser.look(1280, false);
    browser.open(&base);
    look_at(&mut browser, "front-page");
    browser.click("Sign in");
    look_at(&mut browser, "sign-in");
    let link = portal.ok(&["admin", "create", "ada", "--public-url", &base]);
    browser.open(link.trim());
    look_at(&mut browser, "invitation");
    browser.fill("#password", PASSWORD);
    browser.fill("#again", PASSWORD);
    browser.click("Save and sign in");
    assert!(browser.text().contains("First steps"), "{}", browser.text());
    look_at(&mut browser, "overview-empty");

    browser.click("Device tokens");
    look_at(&mut browser, "tokens-empty");
    browser.click("New token");
    browser.fill("#description", "Intune, sales laptops");
    browser.fill("#expires", "soon");
    browser.click("Make the token");
    assert!(browser.text().contains("30d"), "what is wrong is told: {}", browser.text());
    look_at(&mut browser, "token-new-wrong");
    browser.fill("#expires", "7d");
    browser.fill("#uses", "5");
    browser.tick("[name=people][value=any]");
    browser.click("Make the token");
    let token = browser.value("document.getElementById('token').innerText").as_str().expect("a token").to_owned();
    look_at(&mut browser, "token-created");

    let agent = Agent::in_dir(&house.dir.path().join("agent"));
    assert!(agent.configure(portal, &token).status.success());
    let running = agent.start_signed_in();
    let user = agent.json(&["status", "--json"])["people"][0]["user"].as_str().expect("a user").to_owned();
    browser.click("Watch devices appear");
    assert!(browser.text().contains("registered"), "{}", browser.text());
    look_at(&mut browser, "devices");
    let name =
        browser.value("document.querySelector('table.list tbody a').innerText").as_str().expect("a name").to_owned();
    browser.click(&name);
    assert!(browser.text().contains(&user), "{}", browser.text());
    look_at(&mut browser, "device");
    browser.click("Quarantine…");
    look_at(&mut browser, "confirm");
    browser.click("Quarantine");
    assert!(browser.text().contains("quarantined"), "{}", browser.text());

    drop(running);
    let refused = agent.run(&["sign-in"]);
    assert!(!refused.status.success(), "{refused:?}");
    let mut again = agent.start();
    again.wait_for(|line| line.contains("device-quarantined"));
    browser.click("Devices");
    browser.click("Copied keys");
    look_at(&mut browser, "copied-keys");
    browser.click("Audit");
    assert!(browser.text().contains("device.quarantine") && browser.text().contains("administrator ada"));
    assert!(browser.text().contains("device-quarantined"), "{}", browser.text());
    look_at(&mut browser, "audit");
    see_the_rest(&mut browser, &house, &user);
}

fn see_the_rest(browser: &mut Browser, house: &House, user: &str) {
    let base = house.portal.url();
    browser.open(&format!("{base}/admin"));
    look_at(browser, "overview");
    browser.open(&format!("{base}/admin/t/acme/users"));
    look_at(browser, "users");
    let directory = Directory::of(&house.portal);
    let known = directory.find("/Users", &format!("userName eq \"{user}\"")).listed("id");
    let gone = directory.user("gone@example.test");
    let group =
        json!({ "displayName": "Pilots", "externalId": "p-1", "members": [{ "value": known[0] }, { "value": gone }] });
    assert_eq!(directory.post("/Groups", &group).status, 201);
    browser.click("Groups");
    assert!(browser.text().contains("Pilots"), "{}", browser.text());
    look_at(browser, "groups");
    browser.click("Users");
    browser.click("gone@example.test");
    assert!(browser.text().contains("a directory, by SCIM"), "{}", browser.text());
    browser.click("Delete…");
    look_at(browser, "user-delete");
    browser.click("Delete");
    assert!(browser.text().contains("They are forgotten"), "{}", browser.text());
    assert_eq!(directory.get(&format!("/Users/{gone}")).status, 404);
    browser.click(user);
    assert!(browser.text().contains("Pilots"), "{}", browser.text());
    look_at(browser, "user");
    browser.click("Services");
    browser.click("Add a service");
    browser.fill("#metadata", &sp_metadata("https://service.example.test/saml"));
    look_at(browser, "service-new");
    browser.click("Add");
    assert!(browser.text().contains("https://service.example.test/saml/acs"), "{}", browser.text());
    look_at(browser, "service");
    browser.click("Test…");
    browser.fill("#user", user);
    // With the keyboard alone: what a return in the field does.
    browser.value("document.querySelector('#user').form.requestSubmit(); null");
    browser.wait_for_text("They would be refused");
    assert!(browser.text().contains("device-quarantined"), "{}", browser.text());
    look_at(browser, "service-test-refused");
    for (section, name) in [
        ("Domains", "domains"),
        ("Sign-on", "sign-on"),
        ("Identity providers", "identity-providers"),
        ("Device tokens", "tokens"),
        ("Tenants", "tenants"),
        ("Administrators", "administrators"),
        ("API keys", "api-keys"),
        ("Signing keys", "signing-keys"),
        ("Your account", "account"),
    ] {
        browser.open(&format!("{base}/admin/t/acme"));
        browser.click(section);
        look_at(browser, name);
    }
    browser.click("Sign out");
    assert!(browser.text().contains("Administration"), "{}", browser.text());
}

fn main() {
    let tests = vec![
        trial("every_answer_is_hardened", &[], every_answer_is_hardened),
        trial("a_form_from_elsewhere_changes_nothing", &[], a_form_from_elsewhere_changes_nothing),
        trial(
            "a_session_that_was_planted_is_worth_nothing_and_ends_when_it_should",
            &[],
            a_session_that_was_planted_is_worth_nothing_and_ends_when_it_should,
        ),
        trial("wrong_passwords_are_told_nothing_and_slowed", &[], wrong_passwords_are_told_nothing_and_slowed),
        trial("roles_end_where_they_end", &[], roles_end_where_they_end),
        trial(
            "the_document_is_the_api_and_the_api_is_the_document",
            &[],
            the_document_is_the_api_and_the_api_is_the_document,
        ),
        trial("support_reads_diagnostics_and_makes_codes_on_a_devices_page", &[], support_helps),
        trial("what_the_api_refuses_it_tells_as_a_problem", &[], what_the_api_refuses_it_tells_as_a_problem),
        trial(
            "a_test_says_what_a_service_would_be_told_and_leaves_nothing",
            &[],
            a_test_says_what_a_service_would_be_told_and_leaves_nothing,
        ),
        trial("the_main_paths_in_a_browser", &["chromium"], the_main_paths_in_a_browser),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}
