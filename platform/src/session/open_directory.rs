//! Whether a directory knows an account of a Mac, told from the account's record in Open Directory. Pure, so that it is tested everywhere.
//!
//! A record is what root and `opendirectoryd` write: people change their picture and their password in it, not these attributes.

use super::standing::Standing;

/// Where a record is kept: `/Local/Default` for accounts of the Mac and for mobile accounts, which a directory's are while they are on the road.
pub(super) const NODE: &str = "dsAttrTypeStandard:AppleMetaNodeLocation";
/// Where a mobile account comes from.
pub(super) const ORIGINAL_NODE: &str = "dsAttrTypeStandard:OriginalNodeName";
/// By what the account is authenticated, one authority a value: `version;tag;data…`.
pub(super) const AUTHORITY: &str = "dsAttrTypeStandard:AuthenticationAuthority";
/// By which other names the account is known; Platform SSO writes the person that it has registered, as `PlatformSSO:name`.
pub(super) const OTHER_IDENTITIES: &str = "dsAttrTypeStandard:AltSecurityIdentities";
/// The user id.
pub(super) const USER_ID: &str = "dsAttrTypeStandard:UniqueID";

const PLATFORM_SSO: &str = "PlatformSSO:";
/// What macOS calls the realm of the key distribution centre that each Mac has for itself.
const OWN_REALM: &str = "LKDC:";

/// What an account's record says; `values` gives the values of an attribute, none where it has none.
pub(super) fn standing(name: &str, uid: u32, values: impl Fn(&str) -> Vec<String>) -> Standing {
    if !values(USER_ID).iter().any(|id| id.trim() == uid.to_string()) {
        return Standing::local("has a record of another user id in Open Directory");
    }
    let others = values(OTHER_IDENTITIES);
    let registered = others.iter().find_map(|value| value.trim().strip_prefix(PLATFORM_SSO)).map(str::trim);
    if let Some(person) = registered.filter(|person| !person.is_empty()) {
        let principal = person.contains('@').then(|| person.to_owned());
        return Standing::directory(principal, format!("is registered with Platform SSO as `{person}`"));
    }
    let nodes = [values(ORIGINAL_NODE), values(NODE)].concat();
    let node = nodes.iter().find(|node| !node.starts_with("/Local/"));
    let Some(node) = node else { return Standing::local("is one of this Mac's own") };
    let principal = values(AUTHORITY).iter().find_map(|authority| kerberos_principal(authority, name));
    // An LDAP directory that authenticates nobody says who people are, and not that they are.
    if node.starts_with("/Active Directory/") || principal.is_some() {
        return Standing::directory(principal, format!("comes from `{node}`"));
    }
    Standing::local(format!("comes from `{node}`, which names no Kerberos realm"))
}

/// The principal in an authority of the kind `version;Kerberosv5;data;principal;realm;…`, unless the realm is the Mac's own.
fn kerberos_principal(authority: &str, name: &str) -> Option<String> {
    let mut parts = authority.trim().split(';').skip(1);
    if parts.next()? != "Kerberosv5" {
        return None;
    }
    let (principal, realm) = (parts.nth(1)?.trim(), parts.next().unwrap_or_default().trim());
    let principal = match (principal.rsplit_once('@'), realm) {
        (Some(_), _) => principal.to_owned(),
        (None, "") => return None,
        (None, realm) => format!("{name}@{realm}"),
    };
    let (_, realm) = principal.rsplit_once('@')?;
    (!realm.is_empty() && !realm.starts_with(OWN_REALM)).then_some(principal)
}

#[cfg(test)]
mod tests {
    use super::super::EvidenceGrade;
    use super::*;

    /// A record as `dscl . -read` shows it: a line for each value.
    fn read(name: &str, uid: u32, record: &[(&str, &str)]) -> Standing {
        standing(name, uid, |attribute| {
            let of_it = record.iter().filter(|(known, _)| *known == attribute);
            of_it.map(|(_, value)| (*value).to_owned()).collect()
        })
    }

    #[test]
    fn an_account_of_the_mac_is_local_whatever_its_own_kerberos_says() {
        let own = ";Kerberosv5;;alice@LKDC:SHA1.4383E152D9D394AA32D13AE98F6F6E1FE8D00F81;LKDC:SHA1.4383E152D9D394AA32D13AE98F6F6E1FE8D00F81;";
        let found = read(
            "alice",
            501,
            &[
                (USER_ID, "501"),
                (NODE, "/Local/Default"),
                (AUTHORITY, ";ShadowHash;HASHLIST:<SALTED-SHA512-PBKDF2>"),
                (AUTHORITY, own),
                (AUTHORITY, ";SecureToken;"),
            ],
        );
        assert_eq!((found.grade, found.principal), (EvidenceGrade::Local, None));
        assert_eq!(found.because, "is one of this Mac's own");
    }

    #[test]
    fn a_mobile_account_is_its_directorys_and_a_network_account_too() {
        let mobile = [
            (USER_ID, "1347821"),
            (NODE, "/Local/Default"),
            (ORIGINAL_NODE, "/Active Directory/CORP/corp.example.com"),
            (
                AUTHORITY,
                ";LocalCachedUser;/Active Directory/CORP/corp.example.com:asmith:9A1F2D0C-B782-488A-80BA-CAC95AB6CAE9",
            ),
            (AUTHORITY, ";Kerberosv5;;asmith@CORP.EXAMPLE.COM;CORP.EXAMPLE.COM; "),
            (AUTHORITY, ";NetLogon;asmith;CORP"),
        ];
        let found = read("asmith", 1_347_821, &mobile);
        assert_eq!(found.grade, EvidenceGrade::Directory);
        assert_eq!(found.principal.as_deref(), Some("asmith@CORP.EXAMPLE.COM"));
        assert_eq!(found.because, "comes from `/Active Directory/CORP/corp.example.com`");
        let network = read(
            "asmith",
            1_347_821,
            &[
                (USER_ID, "1347821"),
                (NODE, "/Active Directory/CORP/corp.example.com"),
                (AUTHORITY, "1.0;Kerberosv5;9A1F2D0C;;CORP.EXAMPLE.COM;1024 35 root@dc"),
            ],
        );
        assert_eq!(network.principal.as_deref(), Some("asmith@CORP.EXAMPLE.COM"));
    }

    #[test]
    fn platform_sso_says_whom_it_has_registered() {
        let local = [(USER_ID, "501"), (NODE, "/Local/Default")];
        let with = |other| read("alice", 501, &[local.as_slice(), &[(OTHER_IDENTITIES, other)]].concat());
        let found = with("PlatformSSO:Alice.Smith@example.com");
        assert_eq!(found.grade, EvidenceGrade::Directory);
        assert_eq!(found.principal.as_deref(), Some("Alice.Smith@example.com"));
        for other in ["PlatformSSO:", "Kerberos:alice@EXAMPLE.COM", "X509:<I>CN=ca<S>CN=alice"] {
            assert_eq!(with(other).grade, EvidenceGrade::Local, "{other}");
        }
    }

    #[test]
    fn a_directory_without_kerberos_vouches_for_nobody() {
        let ldap = [(USER_ID, "5001"), (NODE, "/LDAPv3/ldap.example.com"), (AUTHORITY, ";basic;")];
        assert_eq!(read("bob", 5001, &ldap).grade, EvidenceGrade::Local);
        let with_realm = [ldap.as_slice(), &[(AUTHORITY, ";Kerberosv5;;bob@EXAMPLE.COM;EXAMPLE.COM;")]].concat();
        assert_eq!(read("bob", 5001, &with_realm).grade, EvidenceGrade::Directory);
    }

    #[test]
    fn a_record_of_somebody_else_of_that_name_says_nothing() {
        let record = [(USER_ID, "1347821"), (NODE, "/Active Directory/CORP/corp.example.com")];
        assert_eq!(read("asmith", 501, &record).grade, EvidenceGrade::Local);
        assert_eq!(read("asmith", 501, &[]).grade, EvidenceGrade::Local);
    }
}
