use super::*;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/sh\n";
const SSSD: &str = "[sssd]\ndomains = corp.example.com\nservices = nss, pam\n\n[domain/corp.example.com]\nid_provider = ad\nkrb5_realm = CORP.EXAMPLE.COM\nuse_fully_qualified_names = True\n";

fn standing(files: &[(&str, &str)], name: &str, uid: u32) -> Standing {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    Machine { root: dir.path().to_owned() }.standing(name, uid)
}

fn joined<'a>(nsswitch: &'a str, configuration: (&'a str, &'a str)) -> Vec<(&'a str, &'a str)> {
    vec![("etc/passwd", PASSWD), ("etc/nsswitch.conf", nsswitch), ("etc/krb5.keytab", "keys"), configuration]
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
}
