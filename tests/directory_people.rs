//! People of a directory, for real: a machine that boots, SSSD, a Kerberos realm and logins with its passwords through PAM.
#![expect(clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use libtest_mimic::Arguments;
use serde_json::{Value, json};
use tests::binaries::{binaries, workspace_dir};
use tests::components::trial;
use tests::container;
use tests::portal::Portal;
use tests::realm::{NAME, PERSON, Realm};

fn main() {
    let trials = vec![trial("a_directory_vouches_for_its_people_and_for_nobody_else", &container::NEEDS, vouches)];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn vouches() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let portal = Portal::create(dir.path());
    let _serving = portal.serve();
    let realm = Realm::boot();
    realm.add_local("alice");
    assert!(!realm.lets_in(PERSON, "wrong"), "it is the realm that checks the password");
    realm.log_in(PERSON);
    realm.log_in("alice");

    install(&realm, &portal);
    signed_in(&realm, PERSON);
    signed_in(&realm, "alice");
    is_named_by_the_directory(&realm);

    // The portal believes the grade: who is not the directory's is refused where a directory is asked for.
    portal.ok(&["policy", "require", "--minimum-claim", "directory", "--domain", "example.test", "--tenant", "acme"]);
    realm.machine.ok("systemctl restart countersign");
    signed_in(&realm, PERSON);
    refused(&realm, "alice");

    realm.leave();
    realm.machine.ok("systemctl restart countersign");
    refused(&realm, PERSON);
    let erin = person(&realm, PERSON);
    assert_eq!((&erin["grade"], &erin["principal"]), (&json!("local"), &Value::Null), "{erin}");
    assert!(erin["reason"].as_str().expect("text").contains("no keytab"), "{erin}");

    realm.rejoin();
    realm.machine.ok("systemctl restart countersign");
    signed_in(&realm, PERSON);
    is_the_same_by_a_qualified_name(&realm);
}

/// Most joined machines call an account by its domain too. The agent hears of the other session by itself.
fn is_the_same_by_a_qualified_name(realm: &Realm) {
    realm.log_out(PERSON);
    let qualified = realm.qualify_names();
    realm.log_in(&qualified);
    let erin = person(realm, &qualified);
    assert_eq!(
        (&erin["grade"], &erin["user"]),
        (&json!("directory"), &json!(format!("{PERSON}@example.test"))),
        "{erin}"
    );
    assert_eq!(erin["principal"], format!("{PERSON}@{NAME}"));
    container::eventually("they are signed in", || {
        let person = status(realm, &qualified);
        person["state"] == "signed-in" && person["user"] == format!("{PERSON}@example.test")
    });
}

fn install(realm: &Realm, portal: &Portal) {
    realm.install_agent(&binaries().agent, &workspace_dir().join("packaging/linux/countersign.service"));
    realm.machine.put(&portal.authority.ca, "/etc/ssl/countersign-ca.pem");
    let configure = format!(
        "countersign configure -c {} -d example.test --caFile /etc/ssl/countersign-ca.pem --deviceTokenFile -",
        portal.cloud_name()
    );
    realm.machine.ok_with(&configure, portal.token(&[]).as_bytes());
    realm.machine.ok("systemctl start countersign");
}

fn status(realm: &Realm, account: &str) -> Value {
    let output = realm.machine.shell_with("countersign status --json", b"").stdout;
    let status: Value = serde_json::from_slice(&output).unwrap_or_default();
    let people = status["people"].as_array().into_iter().flatten();
    people.into_iter().find(|person| person["account"] == account).cloned().unwrap_or_default()
}

fn signed_in(realm: &Realm, account: &str) {
    container::eventually(&format!("{account} is signed in"), || {
        let person = status(realm, account);
        person["state"] == "signed-in" && person["user"] == format!("{account}@example.test")
    });
}

fn refused(realm: &Realm, account: &str) {
    container::eventually(&format!("{account} is refused"), || {
        status(realm, account)["problem"]["code"] == "evidence-too-weak"
    });
}

fn person(realm: &Realm, account: &str) -> Value {
    let people: Value = serde_json::from_str(&realm.machine.ok("countersign whoami --json")).expect("JSON");
    let found = people.as_array().expect("a list").iter().find(|person| person["account"] == account);
    found.expect("they are logged in").clone()
}

fn is_named_by_the_directory(realm: &Realm) {
    let accounts = realm.machine.ok("cat /etc/passwd");
    assert!(!accounts.contains(PERSON) && accounts.contains("alice"), "{accounts}");
    let erin = person(realm, PERSON);
    assert_eq!(erin["user"], format!("{PERSON}@example.test"));
    assert_eq!((&erin["grade"], &erin["evidence"]), (&json!("directory"), &json!("logind")), "{erin}");
    assert_eq!(erin["principal"], format!("{PERSON}@{NAME}"));
    assert_eq!(erin["remote"], true, "{erin}");
    let reason = erin["reason"].as_str().expect("text");
    assert!(reason.contains("SSSD's domain `corp.example`") && reason.contains("joined"), "{reason}");

    // What the login left: the user's own file, which proves nothing.
    assert_eq!(erin["observed"]["kerberos.ticket"], format!("{PERSON}@{NAME}"), "{erin}");
    assert_eq!(erin["observed"]["session.service"], "sshd", "{erin}");

    let alice = person(realm, "alice");
    assert_eq!((&alice["grade"], &alice["principal"]), (&json!("local"), &Value::Null), "{alice}");
    assert!(alice["reason"].as_str().expect("text").contains("/etc/passwd"), "{alice}");
}
