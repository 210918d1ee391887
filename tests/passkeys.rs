//! Passkeys of administrators, as no browser would send them. With a browser and its own authenticator: `browser_admin`.
#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "test code: it writes files, and a surprise must end it loudly"
)]

use serde_json::Value;
use tempfile::TempDir;
use tests::authenticator::{Authenticator, PRESENT};
use tests::pages::{PageAnswer, Pages};
use tests::portal::Portal;
use tests::program::Program;

const PASSWORD: &str = "correct horse battery";
const SESSION: &str = "__Host-countersign";

struct House {
    dir: TempDir,
    portal: Portal,
    _serving: Program,
}

fn house() -> House {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let serving = portal.serve();
    House { dir, portal, _serving: serving }
}

impl House {
    fn pages(&self) -> Pages {
        Pages::of(&self.portal.url(), &self.portal.authority.ca)
    }

    /// An account with a password, signed in with it.
    fn account(&self, name: &str) -> Pages {
        let path = self.dir.path().join("password");
        std::fs::write(&path, PASSWORD).expect("the file can be written");
        self.portal.ok(&["admin", "create", name, "--password-file", path.to_str().expect("text")]);
        let mut pages = self.pages();
        assert_eq!(pages.sign_in(name, PASSWORD).status, 303);
        pages
    }

    /// An account with a passkey.
    fn with_passkey(&self, name: &str) -> (Pages, Authenticator) {
        let mut pages = self.account(name);
        let mut authenticator = Authenticator::of(&self.portal.url());
        assert_eq!(register(&mut pages, &mut authenticator, PASSWORD).status, 303);
        (pages, authenticator)
    }

    /// Why the last sign-in by a passkey was refused.
    fn why(&self) -> String {
        let lines = self.portal.ok(&["audit", "list", "--json"]);
        let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let mut rows: Vec<_> = rows.filter(|row| row["detail"]["passkey"].is_string()).collect();
        rows.sort_by_key(|row| row["seq"].as_i64());
        let row = rows.last().expect("a row");
        row["detail"]["why"].as_str().unwrap_or("in").to_owned()
    }
}

/// What the page hands to the browser.
fn options(page: &PageAnswer) -> Value {
    let (_, rest) = page.body.split_once("data-passkey=\"").expect("the page asks");
    let text = rest.split('"').next().expect("a value").replace("&#34;", "\"");
    serde_json::from_str(&text).expect("JSON")
}

fn post(pages: &mut Pages, path: &str, fields: &[(&'static str, String)]) -> PageAnswer {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    pages.post(path, &fields)
}

/// Registers the authenticator's credential on the account page.
fn register(pages: &mut Pages, authenticator: &mut Authenticator, password: &str) -> PageAnswer {
    let token = pages.get("/admin/account").form_token();
    let asked =
        pages.post("/admin/account/passkeys", &[("form_token", &token), ("name", "laptop"), ("password", password)]);
    if asked.status != 200 {
        return asked;
    }
    let options = options(&asked);
    assert_eq!(options["rp"]["id"], "localhost");
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    authenticator.user_handle = octets(options["user"]["id"].as_str().expect("text"));
    finish(pages, &token, &authenticator.created(options["challenge"].as_str().expect("text")))
}

fn finish(pages: &mut Pages, token: &str, fields: &[(&'static str, String)]) -> PageAnswer {
    let own = [("form_token", token.to_owned()), ("name", "laptop".to_owned())];
    post(pages, "/admin/account/passkeys/new", &[&own[..], fields].concat())
}

fn octets(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

/// The form's token and the challenge of somebody who is about to sign in.
fn challenge(pages: &mut Pages) -> (String, String) {
    let token = pages.get("/admin/sign-in").form_token();
    let asked = pages.post("/admin/sign-in/passkey", &[("form_token", &token), ("next", "/admin/account")]);
    assert_eq!(asked.status, 200, "{}", asked.body);
    assert!(asked.body.contains("Passkeys take JavaScript"), "without a script it says what to do: {}", asked.body);
    let options = options(&asked);
    assert_eq!((&options["rpId"], &options["userVerification"]), (&"localhost".into(), &"required".into()));
    (token, options["challenge"].as_str().expect("text").to_owned())
}

fn use_it(pages: &mut Pages, token: &str, fields: &[(&'static str, String)]) -> PageAnswer {
    let own = [("form_token", token.to_owned()), ("next", "/admin/account".to_owned())];
    post(pages, "/admin/sign-in/passkey/answer", &[&own[..], fields].concat())
}

/// Somebody signs in with the authenticator in a browser of their own.
fn comes(house: &House, authenticator: &Authenticator) -> (PageAnswer, Pages) {
    let mut pages = house.pages();
    let (token, challenge) = challenge(&mut pages);
    let answer = use_it(&mut pages, &token, &authenticator.used(&challenge));
    (answer, pages)
}

#[test]
fn a_passkey_signs_its_owner_in_and_goes_when_it_is_removed() {
    let house = house();
    let (mut pages, mut ada) = house.with_passkey("ada");
    assert!(pages.get("/admin/account").body.contains("laptop"));
    ada.count += 1;
    let (answer, mut in_new) = comes(&house, &ada);
    assert_eq!((answer.status, answer.header("location")), (303, "/admin/account"), "{}", answer.body);
    assert!(in_new.get("/admin/account").body.contains("<dd>ada</dd>"));
    assert_ne!(in_new.cookie(SESSION), pages.cookie(SESSION));
    assert_eq!(house.why(), "in");
    // With an authenticator app, too: it is two factors already.
    let page = in_new.get("/admin/account").body;
    let (_, id) = page.split_once("/admin/account/passkeys/").expect("it can be removed");
    let remove = format!("/admin/account/passkeys/{}/remove", id.split('/').next().expect("an id"));
    assert!(in_new.get(&remove).body.contains("Remove laptop?"));
    // Not by somebody else, who is an owner, too.
    let mut bea = house.account("bea");
    let token = bea.get("/admin/account").form_token();
    assert_eq!(bea.post(&remove, &[("form_token", &token), ("password", PASSWORD)]).status, 404);
    let token = in_new.get("/admin/account").form_token();
    let without = in_new.post(&remove, &[("form_token", &token), ("password", "not the password")]);
    assert!(without.body.contains("That is not your password."), "{}", without.body);
    assert_eq!(in_new.post(&remove, &[("form_token", &token), ("password", PASSWORD)]).status, 303);
    ada.count += 1;
    assert_eq!(comes(&house, &ada).0.status, 403);
    // A new link takes them away as well.
    let (_, mut cleo) = house.with_passkey("cleo");
    house.portal.ok(&["admin", "reset", "cleo"]);
    cleo.count += 1;
    assert_eq!(comes(&house, &cleo).0.status, 403);
    let (_, mut dora) = house.with_passkey("dora");
    house.portal.ok(&["admin", "disable", "dora"]);
    dora.count += 1;
    assert_eq!(comes(&house, &dora).0.status, 403);
    assert_eq!(house.why(), "the account is disabled");
}

#[test]
fn what_is_no_sign_in_with_the_own_passkey_is_refused() {
    let house = house();
    let (_, mut ada) = house.with_passkey("ada");
    let (_, mallory) = house.with_passkey("mallory");
    let refused = |authenticator: &Authenticator, why: &str| {
        let (answer, mut pages) = comes(&house, authenticator);
        assert_eq!(answer.status, 403, "{why}: {}", answer.body);
        assert!(answer.body.contains("opens no account here"), "{}", answer.body);
        assert_eq!(house.why(), why);
        assert_eq!(pages.get("/admin/account").status, 303, "nobody is in");
    };
    let change = |authenticator: &mut Authenticator| authenticator.count += 1;
    change(&mut ada);
    let origin = std::mem::replace(&mut ada.origin, "https://evil.test".to_owned());
    refused(&ada, "it was made for another site's page");
    ada.origin = origin.replace("https://localhost", "https://localhost.evil.test");
    refused(&ada, "it was made for another site's page");
    ada.origin = origin;
    ada.host = "evil.test".to_owned();
    refused(&ada, "it was made for another host");
    ada.host = "localhost".to_owned();
    let flags = std::mem::replace(&mut ada.flags, PRESENT);
    refused(&ada, "the authenticator did not verify who it was");
    ada.flags = flags;
    let count = std::mem::replace(&mut ada.count, 1);
    refused(&ada, "its counter went back: there may be a copy of it");
    ada.count = count;
    // Mallory's passkey as ada's: her name on it, or her credential's ID.
    let handle = std::mem::replace(&mut ada.user_handle, mallory.user_handle.clone());
    refused(&ada, "it is another account's");
    ada.user_handle = handle;
    let mut posing = mallory;
    (posing.id, posing.user_handle, posing.count) = (ada.id.clone(), ada.user_handle.clone(), 9);
    refused(&posing, "its signature does not fit");

    // A challenge of another browser, one that was used, one that nobody gave out.
    let (mut first, mut second) = (house.pages(), house.pages());
    let (_, of_first) = challenge(&mut first);
    let (token, of_second) = challenge(&mut second);
    assert_eq!(use_it(&mut second, &token, &ada.used(&of_first)).status, 403);
    assert_eq!(house.why(), "it answers another challenge");
    let good = ada.used(&of_second);
    let cookies = second.cookies.clone();
    assert_eq!(use_it(&mut second, &token, &good).status, 303, "the other browser's did not use up its own");
    let mut again = house.pages();
    again.cookies = cookies;
    assert_eq!(use_it(&mut again, &token, &good).status, 403);
    assert_eq!(house.why(), "it answers another challenge");
    ada.count += 1;
    let mut pages = house.pages();
    let (token, _) = challenge(&mut pages);
    assert_eq!(use_it(&mut pages, &token, &ada.used("bm9ib2R5IGdhdmUgdGhpcyBvdXQ")).status, 403);
    assert_eq!(use_it(&mut pages, &token, &[]).status, 403);
    // Nor does a form that is not the page's own.
    assert_eq!(use_it(&mut pages, "x", &ada.used("AA")).status, 403);
    assert_eq!(house.pages().post("/admin/sign-in/passkey", &[("form_token", "x")]).status, 403);
}

#[test]
fn a_passkey_is_registered_by_whoever_knows_the_password_for_the_own_account() {
    let house = house();
    let mut pages = house.account("ada");
    let mut authenticator = Authenticator::of(&house.portal.url());
    let wrong = register(&mut pages, &mut authenticator, "not the password");
    assert!(wrong.status == 422 && wrong.body.contains("not your password"), "{}", wrong.body);
    authenticator.flags = PRESENT;
    let told = register(&mut pages, &mut authenticator, PASSWORD);
    assert!(told.status == 422 && told.body.contains("did not verify who it was"), "{}", told.body);
    let mut authenticator = Authenticator::of("https://evil.test");
    let told = register(&mut pages, &mut authenticator, PASSWORD);
    assert!(told.status == 422 && told.body.contains("another site"), "{}", told.body);
    // A challenge of another account's session, and of the sign-in page.
    let mut bea = house.account("bea");
    let beas = bea.get("/admin/account").form_token();
    let asked = bea.post("/admin/account/passkeys", &[("form_token", &beas), ("name", ""), ("password", PASSWORD)]);
    let authenticator = Authenticator::of(&house.portal.url());
    let token = pages.get("/admin/account").form_token();
    for challenge in [options(&asked)["challenge"].as_str().expect("text").to_owned(), challenge(&mut house.pages()).1]
    {
        let told = finish(&mut pages, &token, &authenticator.created(&challenge));
        assert!(told.status == 422 && told.body.contains("another challenge"), "{}", told.body);
    }
    // One credential is one account's.
    let mut authenticator = Authenticator::of(&house.portal.url());
    assert_eq!(register(&mut pages, &mut authenticator, PASSWORD).status, 303);
    assert_eq!(register(&mut bea, &mut authenticator, PASSWORD).status, 422);
    assert_eq!(comes(&house, &Authenticator::of(&house.portal.url())).0.status, 403, "nobody knows this one");
}
