use super::super::EvidenceGrade;
use super::*;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/sh\n";
const SSSD: &str = "[sssd]\ndomains = corp.example.com\nservices = nss, pam\n\n[domain/corp.example.com]\nid_provider = ad\nkrb5_realm = CORP.EXAMPLE.COM\nuse_fully_qualified_names = True\n";

/// A keytab with the realms that these tests join.
fn keytab() -> Vec<u8> {
    let entry = |realm: &str| {
        let length = u8::try_from(realm.len()).unwrap();
        [&[0, 0, 0, length + 6, 0, 1, 0, length][..], realm.as_bytes(), &[0, 0]].concat()
    };
    let realms = ["CORP.EXAMPLE.COM", "X.EXAMPLE", "A.EXAMPLE"];
    [vec![5, 2], realms.iter().flat_map(|realm| entry(realm)).collect()].concat()
}

fn standing(files: &[(&str, &str)], name: &str, uid: u32) -> Standing {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let content = if *content == "KEYTAB" { keytab() } else { content.as_bytes().to_vec() };
        std::fs::write(path, content).unwrap();
    }
    Machine { root: dir.path().to_owned() }.standing(name, uid)
}

fn joined<'a>(nsswitch: &'a str, configuration: (&'a str, &'a str)) -> Vec<(&'a str, &'a str)> {
    vec![("etc/passwd", PASSWD), ("etc/nsswitch.conf", nsswitch), ("etc/krb5.keytab", "KEYTAB"), configuration]
}

#[test]
fn an_account_of_the_machine_is_local_even_on_a_joined_machine() {
    let files = joined("passwd: files sss\n", ("etc/sssd/sssd.conf", SSSD));
    for (name, uid) in [("alice", 1000), ("renamed", 1000), ("alice", 70_000), ("root", 0)] {
        let standing = standing(&files, name, uid);
        assert_eq!((standing.grade, standing.principal), (EvidenceGrade::Local, None), "{name} {uid}");
    }
}

#[test]
fn accounts_of_sssd_are_directory_with_a_principal() {
    let files = joined("passwd:\tfiles systemd sss\n", ("etc/sssd/sssd.conf", SSSD));
    for name in ["bob@corp.example.com", "bob@CORP.EXAMPLE.COM", "bob"] {
        let standing = standing(&files, name, 1_812_401_105);
        assert_eq!(standing.grade, EvidenceGrade::Directory);
        assert_eq!(standing.principal.as_deref(), Some("bob@CORP.EXAMPLE.COM"), "{name}");
    }
    let trusted = standing(&files, "carol@other.example.com", 1_912_401_105);
    assert_eq!((trusted.grade, trusted.principal), (EvidenceGrade::Directory, None));
}

#[test]
fn sssd_over_ldap_alone_or_with_several_domains_names_no_principal() {
    let ldap = "[sssd]\ndomains=x.example\n[domain/x.example]\nid_provider = ldap\n";
    assert_eq!(
        standing(&joined("passwd: files sss", ("etc/sssd/sssd.conf", ldap)), "bob", 5000).grade,
        EvidenceGrade::Local
    );
    let krb5 = "[sssd]\ndomains=x.example\n[domain/x.example]\nid_provider = ldap\nauth_provider = krb5\nkrb5_realm = X.EXAMPLE\n";
    assert_eq!(
        standing(&joined("passwd: files sss", ("etc/sssd/sssd.conf", krb5)), "bob", 5000).principal.as_deref(),
        Some("bob@X.EXAMPLE")
    );
    let two = "[sssd]\ndomains = a.example, b.example\n[domain/a.example]\nid_provider=ad\n[domain/b.example]\nid_provider=ad\n";
    let unclear = standing(&joined("passwd: files sss", ("etc/sssd/sssd.conf", two)), "bob", 5000);
    assert_eq!((unclear.grade, unclear.principal), (EvidenceGrade::Directory, None));
}

#[test]
fn without_a_keytab_nothing_is_a_directory() {
    let files = [("etc/passwd", PASSWD), ("etc/nsswitch.conf", "passwd: files sss"), ("etc/sssd/sssd.conf", SSSD)];
    let standing = standing(&files, "bob", 5000);
    assert_eq!(standing.grade, EvidenceGrade::Local);
    assert!(standing.because.contains("keytab"), "{}", standing.because);
}

#[test]
fn a_keytab_of_another_realm_or_without_a_key_joins_nothing() {
    let elsewhere = SSSD.replace("CORP.EXAMPLE.COM", "ELSEWHERE.EXAMPLE");
    let files = joined("passwd: files sss\n", ("etc/sssd/sssd.conf", &elsewhere));
    let of_another = standing(&files, "bob", 5000);
    assert_eq!((of_another.grade, of_another.principal), (EvidenceGrade::Local, None));
    assert!(of_another.because.contains("no key of the realm `ELSEWHERE.EXAMPLE`"), "{}", of_another.because);
    for keytab in ["", "\u{5}\u{2}", "no keytab"] {
        let mut files = joined("passwd: files sss\n", ("etc/sssd/sssd.conf", SSSD));
        files.push(("etc/krb5.keytab", keytab));
        let without = standing(&files, "bob", 5000);
        assert_eq!(without.grade, EvidenceGrade::Local, "{keytab:?}");
        assert!(without.because.contains("holds no key"), "{}", without.because);
    }
    let smb = "[global]\nrealm = elsewhere.example\n";
    let files = joined("passwd: files winbind", ("etc/samba/smb.conf", smb));
    assert_eq!(standing(&files, "bob", 10_000).grade, EvidenceGrade::Local);
}

#[test]
fn snippets_of_sssd_overrule_its_file() {
    let mut files = joined("passwd: files sss\n", ("etc/sssd/sssd.conf", SSSD));
    files.push(("etc/sssd/conf.d/10-realm.conf", "[domain/corp.example.com]\nkrb5_realm = ELSEWHERE.EXAMPLE\n"));
    files.push(("etc/sssd/conf.d/.hidden.conf", "[sssd]\ndomains = other.example\n"));
    assert_eq!(standing(&files, "bob", 5000).grade, EvidenceGrade::Local);
    files.push(("etc/sssd/conf.d/20-realm.conf", "[domain/corp.example.com]\nkrb5_realm = X.EXAMPLE\n"));
    assert_eq!(standing(&files, "bob", 5000).principal.as_deref(), Some("bob@X.EXAMPLE"));
}

#[test]
fn a_short_domain_name_of_sssd_names_no_principal() {
    let files = joined("passwd: files sss\n", ("etc/sssd/sssd.conf", SSSD));
    let short = standing(&files, r"CORP\bob", 5000);
    assert_eq!((short.grade, short.principal), (EvidenceGrade::Directory, None));
    let whole = standing(&files, r"corp.example.com\bob", 5000);
    assert_eq!(whole.principal.as_deref(), Some("bob@CORP.EXAMPLE.COM"));
}

#[test]
fn accounts_of_winbind_are_directory() {
    let smb = "# comment\n[global]\n  workgroup = CORP\n  realm = corp.example.com\n[share]\n  realm = wrong\n";
    let files = joined("passwd: files winbind", ("etc/samba/smb.conf", smb));
    assert_eq!(standing(&files, r"CORP\bob", 10_000).principal.as_deref(), Some("bob@CORP.EXAMPLE.COM"));
    assert_eq!(standing(&files, "bob", 10_000).principal.as_deref(), Some("bob@CORP.EXAMPLE.COM"));
    let trusted = standing(&files, r"PARTNER\bob", 10_000);
    assert_eq!((trusted.grade, trusted.principal), (EvidenceGrade::Directory, None));
}

#[test]
fn homed_and_unknown_sources_are_local() {
    let files = [("etc/passwd", PASSWD), ("etc/nsswitch.conf", "passwd: files systemd")];
    assert_eq!(standing(&files, "dora", 60_005).grade, EvidenceGrade::Local);
    assert_eq!(standing(&files, "eve", 5000).grade, EvidenceGrade::Local);
    assert_eq!(standing(&[], "eve", 5000).grade, EvidenceGrade::Local, "nothing can be read");
}

#[test]
fn a_ticket_is_an_observation_and_lifts_nothing() {
    let mut cache = vec![5, 4, 0, 12];
    cache.extend([0, 1, 0, 8, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    for field in [&[0, 0, 0, 1][..], &[0, 0, 0, 1], &[0, 0, 0, 12], b"CORP.EXAMPLE", &[0, 0, 0, 3], b"ceo"] {
        cache.extend(field);
    }
    assert_eq!(ccache_principal(&cache).as_deref(), Some("ceo@CORP.EXAMPLE"));
    for cut in 0..cache.len() {
        assert_eq!(ccache_principal(&cache[..cut]), None);
    }
    let dir = tempfile::tempdir().unwrap();
    let own = rustix::process::geteuid().as_raw();
    for directory in ["etc", "tmp"] {
        std::fs::create_dir(dir.path().join(directory)).unwrap();
    }
    std::fs::write(dir.path().join("etc/passwd"), format!("mallory:x:{own}:0::/:\n")).unwrap();
    std::fs::write(dir.path().join(format!("tmp/krb5cc_{own}")), &cache).unwrap();
    let machine = Machine { root: dir.path().to_owned() };
    let standing = machine.standing("mallory", own);
    assert_eq!((standing.grade, standing.principal), (EvidenceGrade::Local, None));
    assert_eq!(standing.attributes, [("kerberos.ticket", "ceo@CORP.EXAMPLE".to_owned())]);
    assert_eq!(machine.standing("mallory", own + 1).attributes, []);
    let tmp = dir.path().join("tmp");
    std::fs::rename(tmp.join(format!("krb5cc_{own}")), tmp.join(format!("krb5cc_{own}_VjsiFa"))).unwrap();
    std::fs::write(tmp.join(format!("krb5cc_{own}0")), "another's").unwrap();
    assert_eq!(machine.standing("mallory", own).attributes, standing.attributes, "as SSSD and sshd name it");
}
