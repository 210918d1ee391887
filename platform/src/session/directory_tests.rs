use super::super::{
    EvidenceGrade,
    directory_fakes::{self as fakes, InSssd, InWinbind, Version},
};
use super::*;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/sh\n";
const SSSD: &str = "[sssd]\ndomains = corp.example.com\nservices = nss, pam\n\n[domain/corp.example.com]\nid_provider = ad\nkrb5_realm = CORP.EXAMPLE.COM\n";
const DN: &str = "CN=Bob Jones,OU=Staff,DC=corp,DC=example,DC=com";

/// A keytab with the realms that these tests join.
fn keytab() -> Vec<u8> {
    let entry = |realm: &str| {
        let length = u8::try_from(realm.len()).unwrap();
        [&[0, 0, 0, length + 6, 0, 1, 0, length][..], realm.as_bytes(), &[0, 0]].concat()
    };
    let realms = ["CORP.EXAMPLE.COM", "X.EXAMPLE", "A.EXAMPLE"];
    [vec![5, 2], realms.iter().flat_map(|realm| entry(realm)).collect()].concat()
}

/// A machine of files, and of name services where they are added.
struct Built(tempfile::TempDir);

impl Built {
    fn of(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let content = if *content == "KEYTAB" { keytab() } else { content.as_bytes().to_vec() };
            std::fs::write(path, content).unwrap();
        }
        Self(dir)
    }

    /// Joined by SSSD, with these accounts in its domain.
    fn with_sssd(configuration: &str, accounts: Vec<InSssd>) -> Self {
        let built = Self::of(&[
            ("etc/passwd", PASSWD),
            ("etc/nsswitch.conf", "passwd:\tfiles systemd sss [!UNAVAIL=return] # all\n"),
            ("etc/krb5.keytab", "KEYTAB"),
            ("etc/sssd/sssd.conf", configuration),
        ]);
        fakes::sssd(&built.0.path().join(SSSD_SOCKET), accounts);
        built
    }

    /// Joined by winbind in the version of Samba 4.17.
    fn with_winbind(files: &[(&str, &str)], accounts: Vec<InWinbind>) -> Self {
        let built = Self::of(files);
        std::fs::write(built.0.path().join("etc/passwd"), PASSWD).unwrap();
        std::fs::write(built.0.path().join("etc/nsswitch.conf"), "passwd: files winbind\n").unwrap();
        let version = Version { number: 32, length: 2136, data: 320 };
        let domains = &[("CORP", "corp.example.com"), ("PARTNER", "partner.example")];
        fakes::winbind(&built.0.path().join(WINBIND_PIPE), version, accounts, domains);
        built
    }

    fn standing(&self, name: &str, uid: u32) -> Standing {
        Machine::below(self.0.path().to_owned()).standing(name, uid, Deadline::within(Duration::from_secs(20)))
    }
}

fn bob(name: &'static str, original: &[(&'static str, &'static str)]) -> Vec<InSssd> {
    vec![InSssd { name, uid: 5000, original: [&[("originalDN", DN)], original].concat() }]
}

fn in_sssd(accounts: Vec<InSssd>) -> Standing {
    let name = accounts[0].name;
    Built::with_sssd(SSSD, accounts).standing(name, 5000)
}

fn principal(standing: &Standing) -> (EvidenceGrade, Option<&str>, bool) {
    (standing.grade, standing.principal.as_deref(), standing.doubtful)
}

const NOBODY: (EvidenceGrade, Option<&str>, bool) = (EvidenceGrade::Local, None, true);
const LOCAL: (EvidenceGrade, Option<&str>, bool) = (EvidenceGrade::Local, None, false);

fn directory(principal: &str) -> (EvidenceGrade, Option<&str>, bool) {
    (EvidenceGrade::Directory, Some(principal), false)
}

#[test]
fn an_account_of_the_machine_is_local_even_on_a_joined_machine() {
    let machine = Built::with_sssd(SSSD, bob("alice", &[]));
    for (name, uid) in [("alice", 1000), ("root", 0)] {
        assert_eq!(principal(&machine.standing(name, uid)), LOCAL, "{name} {uid}");
    }
    assert_eq!(principal(&machine.standing("alice", 70_000)), NOBODY, "the name is another account's");
}

#[test]
fn an_account_goes_by_its_present_name_whatever_the_session_calls_it() {
    let machine = Built::with_sssd(SSSD, bob("david", &[]));
    let renamed = machine.standing("former", 1000);
    assert_eq!((renamed.name.as_deref(), renamed.grade), (Some("alice"), EvidenceGrade::Local));
    let renamed = machine.standing("dave", 5000);
    assert_eq!(renamed.name.as_deref(), Some("david"));
    assert_eq!(principal(&renamed), directory("david@CORP.EXAMPLE.COM"));
    assert_eq!(machine.standing("david", 5000).name, None);
}

#[test]
fn the_upn_counts_before_the_account_s_name() {
    let asmith = in_sssd(bob("asmith", &[("userPrincipalName", "adam.smith@EXAMPLE.COM")]));
    assert_eq!(principal(&asmith), directory("adam.smith@EXAMPLE.COM"));
    assert_eq!(asmith.realm.as_deref(), Some("CORP.EXAMPLE.COM"), "the directory, whatever the suffix");
    assert!(asmith.because.contains("SSSD's domain `corp.example.com`"), "{}", asmith.because);
    for name in ["bob", "bob@corp.example.com", "bob@CORP.EXAMPLE.COM", r"CORP\bob", r"corp.example.com\bob"] {
        assert_eq!(principal(&in_sssd(bob(name, &[]))), directory("bob@CORP.EXAMPLE.COM"), "{name}");
    }
}

#[test]
fn a_trusted_domain_is_told_by_the_accounts_place_in_the_directory() {
    let place = ("originalDN", "CN=Bob,CN=Users,DC=partner,DC=example");
    let accounts = vec![InSssd { name: "bob@partner.example", uid: 5000, original: vec![place] }];
    let bob = in_sssd(accounts);
    assert_eq!(principal(&bob), directory("bob@PARTNER.EXAMPLE"));
    assert_eq!(bob.realm.as_deref(), Some("PARTNER.EXAMPLE"));
}

#[test]
fn who_only_another_name_service_knows_is_local() {
    let machine = Built::with_sssd(SSSD, bob("bob", &[]));
    let getent = "#!/bin/sh\n[ $2 = systemd ] && [ $4 = 6000 ] && echo eve:x:6000:6000::/:/bin/sh\n";
    let path = machine.0.path().join("usr/bin/getent");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Written by another process: this one forks elsewhere, and a program that is open for writing can't be started.
    let script = format!("cat > '{0}' && chmod 755 '{0}'", path.display());
    let mut shell =
        std::process::Command::new("sh").args(["-c", &script]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    io::Write::write_all(&mut shell.stdin.take().unwrap(), getent.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
    let eve = machine.standing("eve", 6000);
    assert_eq!(principal(&eve), LOCAL);
    assert!(eve.because.contains("`systemd`"), "{}", eve.because);
    let gone = machine.standing("leaver", 7000);
    assert_eq!(principal(&gone), NOBODY);
    assert!(gone.because.contains("deleted"), "{}", gone.because);
}

#[test]
fn a_disabled_or_expired_account_signs_nobody_in() {
    assert_eq!(principal(&in_sssd(bob("bob", &[("adUserAccountControl", "512")]))).0, EvidenceGrade::Directory);
    let disabled =
        in_sssd(bob("bob", &[("adUserAccountControl", "514"), ("userPrincipalName", "bob@corp.example.com")]));
    assert_eq!(principal(&disabled), NOBODY);
    assert!(disabled.because.contains("disabled"), "{}", disabled.because);
    for (expires, wanted) in [("0", false), ("9223372036854775807", false), ("132223104000000000", true)] {
        assert_eq!(in_sssd(bob("bob", &[("adAccountExpires", expires)])).doubtful, wanted, "{expires}");
    }
}

#[test]
fn a_name_that_the_machine_has_made_up_names_nobody() {
    // sss_override: SSSD tells nothing of the directory's then.
    let overridden = in_sssd(vec![InSssd { name: "alice2", uid: 5000, original: Vec::new() }]);
    assert_eq!(principal(&overridden), NOBODY);
    let spaces = SSSD.replace("services", "override_space = _\nservices");
    let standing = |configuration: &str, accounts: Vec<InSssd>| {
        let name = accounts[0].name;
        Built::with_sssd(configuration, accounts).standing(name, 5000)
    };
    assert_eq!(principal(&standing(&spaces, bob("erin_jones", &[]))), NOBODY, "erin_jones is somebody else");
    assert_eq!(principal(&standing(&spaces, bob("erin", &[]))), directory("erin@CORP.EXAMPLE.COM"));
    let with_upn = bob("erin_jones", &[("userPrincipalName", "erin@corp.example.com")]);
    assert_eq!(principal(&standing(&spaces, with_upn)), directory("erin@corp.example.com"));
    let by_mail = SSSD.replace("id_provider", "ldap_user_name = mail\nid_provider");
    assert_eq!(principal(&standing(&by_mail, bob("ceo", &[]))), NOBODY);
}

#[test]
fn sssd_without_kerberos_or_with_an_unknown_domain_is_local() {
    let standing = |configuration: &str, name: &'static str| {
        let accounts = vec![InSssd { name, uid: 5000, original: vec![("originalDN", "uid=bob,dc=x,dc=example")] }];
        Built::with_sssd(configuration, accounts).standing(name, 5000)
    };
    let ldap = "[sssd]\ndomains=x.example\n[domain/x.example]\nid_provider = ldap\n";
    assert_eq!(principal(&standing(ldap, "bob")), LOCAL);
    assert_eq!(principal(&standing(ldap, "ceo@elsewhere.example")), LOCAL);
    let enabled = "[domain/LDAP]\nenabled = true\nid_provider = ldap\n";
    let zoe = standing(enabled, "zoe@LDAP");
    assert_eq!(principal(&zoe), LOCAL);
    assert!(zoe.because.contains("`LDAP`, which is no"), "{}", zoe.because);
    let krb5 = "[sssd]\ndomains=x.example\n[domain/x.example]\nid_provider = ldap\nauth_provider = krb5\nkrb5_realm = X.EXAMPLE\n";
    assert_eq!(principal(&standing(krb5, "bob")), directory("bob@X.EXAMPLE"));
    let two = "[sssd]\ndomains = a.example, b.example\n[domain/a.example]\nid_provider=ad\n[domain/b.example]\nid_provider=ad\n";
    assert_eq!(principal(&standing(two, "bob")), LOCAL);
}

#[test]
fn the_realm_and_the_keytab_are_those_of_the_domains_section() {
    let standing = |more: &str| {
        let configuration = format!("[sssd]\ndomains = corp\n[domain/corp]\nid_provider = ad\n{more}\n");
        Built::with_sssd(&configuration, bob("bob", &[])).standing("bob", 5000)
    };
    assert_eq!(principal(&standing("ad_domain = corp.example.com")), directory("bob@CORP.EXAMPLE.COM"));
    let elsewhere = standing("ad_domain = corp.example.com\nkrb5_keytab = /etc/other.keytab");
    assert_eq!(principal(&elsewhere), LOCAL);
    assert!(elsewhere.because.contains("no keytab `/etc/other.keytab`"), "{}", elsewhere.because);
    let another = standing("krb5_realm = ELSEWHERE.EXAMPLE\nad_domain = corp.example.com");
    assert!(another.because.contains("no key of the realm `ELSEWHERE.EXAMPLE`"), "{}", another.because);
    assert!(!another.because.contains("not joined"), "{}", another.because);
}

#[test]
fn without_the_machines_key_the_account_is_local_and_keeps_no_name_that_the_directory_has_otherwise() {
    let lowered = |original: &[(&'static str, &'static str)]| {
        let machine = Built::with_sssd(SSSD, bob("bob", original));
        for (content, because) in [(&b""[..], "holds no key"), (b"\x05\x02", "holds no key")] {
            std::fs::write(machine.0.path().join("etc/krb5.keytab"), content).unwrap();
            let standing = machine.standing("bob", 5000);
            assert!(standing.because.contains(because), "{}", standing.because);
        }
        std::fs::remove_file(machine.0.path().join("etc/krb5.keytab")).unwrap();
        machine.standing("bob", 5000)
    };
    assert_eq!(principal(&lowered(&[])), LOCAL);
    assert_eq!(principal(&lowered(&[("userPrincipalName", "robert@corp.example.com")])), NOBODY);
}

#[test]
fn snippets_of_sssd_overrule_its_file() {
    let machine = Built::with_sssd(SSSD, bob("bob", &[]));
    let snippets = machine.0.path().join("etc/sssd/conf.d");
    std::fs::create_dir(&snippets).unwrap();
    let write = |name: &str, text: &str| std::fs::write(snippets.join(name), text).unwrap();
    write("10-realm.conf", "[domain/corp.example.com]\nkrb5_realm = ELSEWHERE.EXAMPLE\n");
    write(".hidden.conf", "[sssd]\ndomains = other.example\n");
    assert_eq!(machine.standing("bob", 5000).grade, EvidenceGrade::Local);
    write("20-realm.conf", "[domain/corp.example.com]\nkrb5_realm = X.EXAMPLE\n");
    assert_eq!(machine.standing("bob", 5000).principal.as_deref(), Some("bob@X.EXAMPLE"));
}

const SECRETS: (&str, &str) = ("var/lib/samba/private/secrets.tdb", "secrets");
const SMB: (&str, &str) = ("etc/samba/smb.conf", "[global]\n workgroup = CORP\n");

fn in_winbind(name: &'static str, owner: Option<(&'static str, &'static str)>) -> Standing {
    let accounts = vec![InWinbind { name, uid: 10_000, owner }];
    Built::with_winbind(&[SECRETS, SMB], accounts).standing(name, 10_000)
}

#[test]
fn winbind_is_asked_whose_the_sid_is() {
    for name in [r"CORP\bob", "bob", "CORP+bob"] {
        let bob = in_winbind(name, Some(("CORP", "bob")));
        assert_eq!(principal(&bob), directory("bob@CORP.EXAMPLE.COM"), "{name}");
    }
    let rewritten = in_winbind("erin_jones", Some(("CORP", "erin jones")));
    assert_eq!(principal(&rewritten), directory("erin jones@CORP.EXAMPLE.COM"));
    assert_eq!(principal(&in_winbind(r"PARTNER\bob", Some(("PARTNER", "bob")))), directory("bob@PARTNER.EXAMPLE"));
    assert_eq!(principal(&in_winbind(r"OLD\bob", Some(("OLD", "bob")))), LOCAL, "no Active Directory");
    assert_eq!(principal(&in_winbind(r"CORP\bob", None)), NOBODY, "deleted");
    assert_eq!(principal(&Built::with_winbind(&[SECRETS, SMB], Vec::new()).standing("bob", 10_000)), NOBODY);
}

#[test]
fn a_name_that_samba_may_have_made_up_names_nobody() {
    let standing = |more: &str, owner: &'static str| {
        let settings = format!("[global]\nworkgroup = CORP\n{more}\n");
        let accounts = vec![InWinbind { name: "bob", uid: 10_000, owner: Some(("CORP", owner)) }];
        Built::with_winbind(&[SECRETS, ("etc/samba/smb.conf", &settings)], accounts).standing("bob", 10_000)
    };
    // winbind tells `erin jones` as `erin_jones` even by the SID then.
    assert_eq!(principal(&standing("Winbind Normalize Names = Yes", "erin_jones")), NOBODY);
    assert_eq!(principal(&standing("winbind normalize names = yes", "bob")), directory("bob@CORP.EXAMPLE.COM"));
    assert_eq!(principal(&standing("winbind normalize names = no", "a_b")), directory("a_b@CORP.EXAMPLE.COM"));
    let aliases = "winbind normalize names = yes\nwinbind nss info = rfc2307";
    assert_eq!(principal(&standing(aliases, "bob")), NOBODY);
}

#[test]
fn samba_is_joined_by_its_secrets_or_by_the_keytab_that_it_names() {
    let standing = |files: &[(&str, &str)]| {
        let accounts = vec![InWinbind { name: "bob", uid: 10_000, owner: Some(("CORP", "bob")) }];
        Built::with_winbind(files, accounts).standing("bob", 10_000)
    };
    let neither = standing(&[SMB]);
    assert_eq!(principal(&neither), LOCAL);
    assert!(neither.because.contains("neither the secrets"), "{}", neither.because);
    assert_eq!(standing(&[SMB, ("etc/krb5.keytab", "KEYTAB")]).grade, EvidenceGrade::Directory);
    let includes = ("etc/samba/smb.conf", "[global]\ninclude = /etc/samba/more.conf\n[share]\nprivate dir = /wrong\n");
    let private = ("etc/samba/more.conf", "include = /etc/samba/more.conf\nPrivate Dir = /srv/private\n");
    let secrets = ("srv/private/secrets.tdb", "secrets");
    assert_eq!(standing(&[includes, private, secrets]).grade, EvidenceGrade::Directory);
    let keytab = ("etc/samba/more.conf", "dedicated keytab file = FILE:/etc/samba/keytab\n");
    assert_eq!(standing(&[includes, keytab, ("etc/samba/keytab", "KEYTAB")]).grade, EvidenceGrade::Directory);
}

#[test]
fn every_known_version_of_winbind_is_asked_and_no_other() {
    let standing = |version: Version| {
        let files = [SECRETS, SMB, ("etc/passwd", PASSWD), ("etc/nsswitch.conf", "passwd: files winbind")];
        let machine = Built::of(&files);
        let accounts = vec![InWinbind { name: "bob", uid: 10_000, owner: Some(("CORP", "bob")) }];
        fakes::winbind(&machine.0.path().join(WINBIND_PIPE), version, accounts, &[("CORP", "corp.example.com")]);
        machine.standing("bob", 10_000)
    };
    for (number, length, data) in [(33, 2136, 320), (32, 2136, 320), (31, 2128, 312), (30, 2096, 280), (28, 2096, 280)]
    {
        assert_eq!(standing(Version { number, length, data }).grade, EvidenceGrade::Directory, "{number}");
    }
    for (number, length, data) in [(34, 2136, 320), (27, 2096, 280), (40, 4000, 320)] {
        let unknown = standing(Version { number, length, data });
        assert_eq!(principal(&unknown), NOBODY);
        assert!(unknown.because.contains("version"), "{}", unknown.because);
    }
}

#[test]
fn a_name_service_that_is_set_up_and_says_nothing_lets_nobody_in() {
    let files =
        [("etc/passwd", PASSWD), ("etc/nsswitch.conf", "passwd: files sss winbind"), ("etc/sssd/sssd.conf", SSSD)];
    let stopped = Built::of(&files).standing("bob", 5000);
    assert_eq!(principal(&stopped), NOBODY);
    assert!(stopped.because.contains("SSSD is set up and not running"), "{}", stopped.because);
    let hanging = Built::of(&files);
    let _socket = fakes::silent(&hanging.0.path().join(SSSD_SOCKET));
    let machine = Machine::below(hanging.0.path().to_owned());
    let silent = machine.standing("bob", 5000, Deadline::within(Duration::from_millis(1)));
    assert_eq!(principal(&silent), NOBODY);
    assert!(silent.because.contains("SSSD did not answer"), "{}", silent.because);
}

#[test]
fn answers_that_are_cut_short_are_no_answers() {
    for octets in [&b""[..], b"\x10", &[0xff; 16], &[20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0]] {
        let machine = Built::of(&[
            ("etc/passwd", PASSWD),
            ("etc/nsswitch.conf", "passwd: files sss"),
            ("etc/sssd/sssd.conf", SSSD),
        ]);
        let listener = fakes::silent(&machine.0.path().join(SSSD_SOCKET));
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            io::Read::read_exact(&mut stream, &mut [0; 20]).unwrap();
            io::Write::write_all(&mut stream, octets).unwrap();
        });
        assert_eq!(principal(&machine.standing("bob", 5000)), NOBODY, "{octets:?}");
        answering.join().unwrap();
    }
}

#[test]
fn homed_and_unknown_sources_are_local() {
    let machine = Built::of(&[("etc/passwd", PASSWD), ("etc/nsswitch.conf", "passwd: files systemd sss winbind")]);
    for (name, uid) in [("dora", 60_005), ("eve", 5000)] {
        assert_eq!(principal(&machine.standing(name, uid)), LOCAL, "{name}");
    }
    assert_eq!(principal(&Built::of(&[]).standing("eve", 5000)), LOCAL, "nothing can be read");
}

#[test]
fn a_ticket_is_an_observation_and_lifts_nothing() {
    let mut cache = vec![5, 4, 0, 12];
    cache.extend([0, 1, 0, 8, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    for field in [&[0, 0, 0, 1][..], &[0, 0, 0, 1], &[0, 0, 0, 12], b"CORP.EXAMPLE", &[0, 0, 0, 3], b"ceo"] {
        cache.extend(field);
    }
    assert_eq!(ticket::ccache_principal(&cache).as_deref(), Some("ceo@CORP.EXAMPLE"));
    for cut in 0..cache.len() {
        assert_eq!(ticket::ccache_principal(&cache[..cut]), None);
    }
    let own = rustix::process::geteuid().as_raw();
    let machine = Built::of(&[("etc/passwd", &format!("mallory:x:{own}:0::/:\n"))]);
    let tmp = machine.0.path().join("tmp");
    std::fs::create_dir(&tmp).unwrap();
    std::fs::write(tmp.join(format!("krb5cc_{own}")), &cache).unwrap();
    let standing = machine.standing("mallory", own);
    assert_eq!(principal(&standing), LOCAL);
    assert_eq!(standing.attributes, [("kerberos.ticket", "ceo@CORP.EXAMPLE".to_owned())]);
    assert_eq!(machine.standing("mallory", own + 1).attributes, []);
    std::fs::rename(tmp.join(format!("krb5cc_{own}")), tmp.join(format!("krb5cc_{own}_VjsiFa"))).unwrap();
    std::fs::write(tmp.join(format!("krb5cc_{own}0")), "another's").unwrap();
    assert_eq!(machine.standing("mallory", own).attributes, standing.attributes, "as SSSD and sshd name it");
}
