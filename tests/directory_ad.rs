//! People of an Active Directory, for real: a domain controller of Samba's, a member by winbind, and one by SSSD.
#![expect(clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use libtest_mimic::Arguments;
use serde_json::Value;
use tests::active_directory::{ActiveDirectory, STRANGER, install_agent, open_session, until, whoami};
use tests::binaries::{binaries, workspace_dir};
use tests::components::trial;
use tests::container::{self, Container};

fn main() {
    let needs = [&container::NEEDS[..], &["ip"]].concat();
    let trials = vec![trial("people_are_who_the_directory_says_they_are_and_nobody_else", &needs, people)];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// `asmith` and `alice.smith` have each other's names, once as account and once as UPN, which a directory with a second suffix allows.
const PEOPLE: &str = r#"set -e
for name in alice bob carol asmith alice.smith frank gina leaver dave erin_jones; do samba-tool user create $name Corr3ct-horse; done
samba-tool user create "erin jones" Corr3ct-horse
ldbmodify -H /var/lib/samba/private/sam.ldb <<L
dn: CN=Partitions,CN=Configuration,DC=dom,DC=test
changetype: modify
add: uPNSuffixes
uPNSuffixes: example.com

dn: CN=bob,CN=Users,DC=dom,DC=test
changetype: modify
replace: userPrincipalName
userPrincipalName: bob@example.com

dn: CN=carol,CN=Users,DC=dom,DC=test
changetype: modify
replace: userPrincipalName
userPrincipalName: carol.smith@dom.test

dn: CN=asmith,CN=Users,DC=dom,DC=test
changetype: modify
replace: userPrincipalName
userPrincipalName: adam.smith@example.com

dn: CN=alice.smith,CN=Users,DC=dom,DC=test
changetype: modify
replace: userPrincipalName
userPrincipalName: asmith@example.com

dn: CN=frank,CN=Users,DC=dom,DC=test
changetype: modify
delete: userPrincipalName

dn: CN=erin jones,CN=Users,DC=dom,DC=test
changetype: modify
delete: userPrincipalName
L
"#;

/// An account with the person that it is, or none, and the principal.
type Row = (&'static str, Option<&'static str>, Option<&'static str>);

const BY_SSSD: [Row; 9] = [
    ("alice", Some("alice"), Some("alice@DOM.TEST")),
    ("bob", Some("bob"), Some("bob@EXAMPLE.COM")),
    ("carol", Some("carol.smith"), Some("carol.smith@DOM.TEST")),
    ("asmith", Some("adam.smith"), Some("adam.smith@EXAMPLE.COM")),
    ("alice.smith", Some("asmith"), Some("asmith@EXAMPLE.COM")),
    ("frank", Some("frank"), Some("frank@DOM.TEST")),
    ("gina", Some("gina"), Some("gina@DOM.TEST")),
    ("erin jones", None, Some("erin jones@DOM.TEST")),
    ("eve", Some("eve"), None),
];

/// winbind tells the directory's account names, and no UPN.
const BY_WINBIND: [Row; 5] = [
    (r"DOM\alice", Some("alice"), Some("alice@DOM.TEST")),
    (r"DOM\frank", Some("frank"), Some("frank@DOM.TEST")),
    (r"DOM\gina", Some("gina"), Some("gina@DOM.TEST")),
    (r"DOM\erin jones", None, Some("erin jones@DOM.TEST")),
    ("eve", Some("eve"), None),
];

fn people() {
    let directory = ActiveDirectory::boot(PEOPLE);
    let members = [(&directory.by_sssd, &BY_SSSD[..]), (&directory.by_winbind, &BY_WINBIND[..])];
    for (machine, rows) in members {
        install_agent(machine, &binaries().agent, &workspace_dir().join("packaging/linux/countersign.service"));
        rows.iter().for_each(|(account, ..)| open_session(machine, account));
        are(machine, rows);
    }
    open_session(&directory.by_sssd, "leaver");
    open_session(&directory.by_sssd, "dave");
    open_session(&directory.by_winbind, r"DOM\leaver");
    open_session(&directory.by_winbind, r"DOM\dave");
    change_while_they_are_logged_in(&directory);
    rewritten_names_are_nobodys(&directory);
    a_directory_out_of_reach_unmakes_nobody(&directory);
}

fn are(machine: &Container, rows: &[Row]) {
    let people = whoami(machine);
    for (account, user, principal) in rows {
        let person = people.iter().find(|person| person["account"] == *account).expect("they are logged in");
        let user = user.map_or(Value::Null, |user| format!("{user}@example.com").into());
        assert_eq!(person["user"], user, "{person}");
        assert_eq!(person["principal"], principal.map_or(Value::Null, Value::from), "{person}");
        assert_eq!(person["grade"], if principal.is_some() { "directory" } else { "local" }, "{person}");
    }
    let stranger = people.iter().find(|person| person["account"] == "eve").expect("they are logged in");
    assert!(stranger["account_id"].as_str().expect("text").starts_with(STRANGER), "{stranger}");
    assert!(stranger["reason"].as_str().expect("text").contains("`extrausers`"), "{stranger}");
}

/// Nothing of it is an event on the machine: sessions stay open, and logind keeps their names.
fn change_while_they_are_logged_in(directory: &ActiveDirectory) {
    let id = |machine: &Container, account: &str| machine.ok(&format!("id -u '{account}'"));
    let of_sssd = ["gina", "leaver", "dave"].map(|account| id(&directory.by_sssd, account));
    let of_winbind = [r"DOM\leaver", r"DOM\dave"].map(|account| id(&directory.by_winbind, account));
    directory.controller.ok("samba-tool user disable gina; samba-tool user delete leaver
         samba-tool user rename dave --samaccountname=david --upn=david@dom.test --force-new-cn=david");
    let nobody = |word: &'static str| {
        move |person: &Value| {
            person["user"].is_null() && person["reason"].as_str().is_some_and(|reason| reason.contains(word))
        }
    };
    let david = |person: &Value| person["user"] == "david@example.com" && person["grade"] == "directory";
    directory.by_sssd.ok("sss_cache --everything; for id in gina leaver david; do getent passwd $id; done; true");
    until(&directory.by_sssd, &of_sssd[0], "gina is disabled", nobody("disabled"));
    until(&directory.by_sssd, &of_sssd[1], "leaver is deleted", nobody("deleted"));
    until(&directory.by_sssd, &of_sssd[2], "dave is david", david);
    // winbind keeps what it has read for as long as it is told; what it keeps is deleted here.
    directory
        .by_winbind
        .ok("systemctl stop winbind; rm -f /var/cache/samba/*.tdb; net cache flush; systemctl start winbind");
    directory.by_winbind.until("wbinfo --ping-dc");
    until(&directory.by_winbind, &of_winbind[0], "leaver is deleted", nobody("any more"));
    until(&directory.by_winbind, &of_winbind[1], "dave is david", david);
}

/// `erin_jones` is somebody else in the directory.
fn rewritten_names_are_nobodys(directory: &ActiveDirectory) {
    let erin = directory.by_sssd.ok("id -u 'erin jones'");
    let is_nobody = |person: &Value| person["user"].is_null() && person["account"] == "erin_jones";
    directory.by_sssd.ok(
        "sed -i 's/^services/override_space = _\\n&/' /etc/sssd/sssd.conf; systemctl stop sssd; rm -f /var/lib/sss/db/* /var/lib/sss/mc/*; systemctl start sssd",
    );
    directory.by_sssd.until(&format!("getent passwd {erin} | grep -q ^erin_jones:"));
    until(&directory.by_sssd, &erin, "erin jones is not erin_jones", is_nobody);
    let erin = directory.by_winbind.ok("id -u 'DOM\\erin jones'");
    directory.by_winbind.ok(
        "printf 'winbind normalize names = yes\\nwinbind use default domain = yes\\n' >> /etc/samba/smb.conf; systemctl restart winbind",
    );
    directory.by_winbind.until(&format!("getent passwd {erin} | grep -q ^erin_jones:"));
    until(&directory.by_winbind, &erin, "erin jones is not erin_jones", |person| person["user"].is_null());

    let bob = directory.by_sssd.ok("id -u bob");
    directory.by_sssd.ok("sss_override user-add bob --name=alice2; systemctl restart sssd");
    directory.by_sssd.until(&format!("getent passwd {bob} | grep -q ^alice2:"));
    until(&directory.by_sssd, &bob, "bob is not alice2", |person| {
        person["user"].is_null() || person["user"] == "bob@example.com"
    });
}

/// As on the road: what the name services have read before still holds.
fn a_directory_out_of_reach_unmakes_nobody(directory: &ActiveDirectory) {
    let alice = directory.by_sssd.ok("id -u alice");
    directory.controller.ok("systemctl stop samba-ad-dc");
    until(&directory.by_sssd, &alice, "alice is who she was", |person| {
        person["user"] == "alice@example.com" && person["grade"] == "directory"
    });
}
