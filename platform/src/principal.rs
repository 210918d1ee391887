//! How the name in `name@domain` is made from what the operating system knows. Pure: a table in, a table out.

use crate::session::{EvidenceGrade, UserSession};

/// The longest local part of a mail address (RFC 5321 section 4.5.3.1.1).
const LONGEST_LOCAL_PART: usize = 64;

/// Accounts of the system and of nobody in particular, as Windows, Linux and macOS name them.
const NOBODY: &[&str] = &[
    "_mbsetupuser",
    "anonymous",
    "defaultaccount",
    "gast",
    "guest",
    "invité",
    "local service",
    "loginwindow",
    "network service",
    "nobody",
    "system",
    "wdagutilityaccount",
];

/// Why a session gives no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// The operating system named nobody.
    #[error("the operating system gave no user name: set the option `userName`")]
    Empty,
    /// The account is none any more, or its name may be somebody else's.
    #[error("nobody is signed in as `{name}`: {reason}")]
    Doubtful {
        /// The account's name.
        name: String,
        /// Why, in one sentence.
        reason: String,
    },
    /// A guest, a service or a virtual account.
    #[error(
        "`{name}` is an account of the system or of guests, not of one person: sign in to the computer with a personal account"
    )]
    NotAPerson {
        /// The account's name.
        name: String,
    },
    /// A character that a mail address cannot hold unquoted.
    #[error(
        "the user name `{name}` holds {character:?}, which a mail address cannot hold: set the option `userName` (an MDM macro may fill it)"
    )]
    Character {
        /// The name after the domain was taken off.
        name: String,
        /// The first such character.
        character: char,
    },
    /// A dot at an end or two in a row.
    #[error(
        "the user name `{name}` begins or ends with a dot or has two in a row, which a mail address cannot: set the option `userName`"
    )]
    Dots {
        /// The name after the domain was taken off.
        name: String,
    },
    /// Too long for a mail address.
    #[error(
        "the user name `{name}` is longer than the {LONGEST_LOCAL_PART} octets of a mail address's local part: set the option `userName`"
    )]
    TooLong {
        /// The name after the domain was taken off.
        name: String,
    },
}

/// The local part of the person's name: lower case, and an unquoted local part of RFC 5321.
///
/// The directory's principal (UPN, `user@REALM`) wins over the short account name, which Windows cuts at 20 characters; it counts only with the grade
/// [`EvidenceGrade::Directory`]. The domain is never taken from here: it is the install option `userDomain`, and [`realm`] tells a caller when they differ.
///
/// # Errors
///
/// When the account is nobody's in particular, or its name would have to be changed to fit: it is never bent silently into somebody else's.
pub fn account_name(session: &UserSession) -> Result<String, NameFault> {
    if session.evidence.doubtful {
        let (name, reason) = (session.local_name.clone(), session.evidence.reason.clone());
        return Err(NameFault::Doubtful { name, reason });
    }
    let principal =
        session.evidence.principal.as_deref().filter(|_| session.evidence.grade == EvidenceGrade::Directory);
    local_part(principal.unwrap_or(&session.local_name))
}

/// The domain that the operating system has for the person: the UPN's suffix, the Kerberos realm or the NetBIOS domain; lower case.
pub fn realm(session: &UserSession) -> Option<String> {
    let name = session.evidence.principal.as_deref().unwrap_or(&session.local_name);
    let (before, after) = name
        .split_once('\\')
        .map(|(domain, _)| (domain, ""))
        .or_else(|| name.rsplit_once('@').map(|(_, realm)| ("", realm)))?;
    let realm = if after.is_empty() { before } else { after };
    (!realm.is_empty()).then(|| realm.to_lowercase())
}

/// Takes `DOMAIN\` and `@REALM` off, lowers the case and checks the rest.
fn local_part(account: &str) -> Result<String, NameFault> {
    let account = account.trim();
    let account = account.rsplit_once('\\').map_or(account, |(_, name)| name);
    let account = account.rsplit_once('@').map_or(account, |(name, _)| name);
    // Other alphabets have capitals that become letters of ASCII, such as the Kelvin sign: a name would be bent into another's.
    let name = account.to_ascii_lowercase();
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if NOBODY.contains(&account.to_lowercase().as_str())
        || name.ends_with('$')
        || name.starts_with("umfd-")
        || name.starts_with("dwm-")
    {
        return Err(NameFault::NotAPerson { name });
    }
    if let Some(character) = name.chars().find(|character| !is_allowed(*character)) {
        return Err(NameFault::Character { name, character });
    }
    if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return Err(NameFault::Dots { name });
    }
    if name.len() > LONGEST_LOCAL_PART {
        return Err(NameFault::TooLong { name });
    }
    Ok(name)
}

/// What RFC 5322 allows in an atom, without `/`, `%`, `!`, `|`, `` ` ``, `{`, `}`, `?` and `*`, which mean something to mail routers, shells and templates.
fn is_allowed(character: char) -> bool {
    character.is_ascii_lowercase() || character.is_ascii_digit() || "._-+'#$&=^~".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{SessionId, UserEvidence};

    fn session(local_name: &str, grade: EvidenceGrade, principal: Option<&str>) -> UserSession {
        UserSession {
            id: SessionId::new("1"),
            local_name: local_name.to_owned(),
            stable_id: "1000@0".to_owned(),
            uid: Some(1000),
            active: true,
            remote: false,
            evidence: UserEvidence {
                grade,
                source: "test",
                principal: principal.map(str::to_owned),
                realm: None,
                doubtful: false,
                reason: String::new(),
                attributes: Vec::new(),
            },
        }
    }

    /// The rows of the table in the documentation: account, grade, principal, outcome.
    fn documented_cases() -> Vec<[String; 4]> {
        let page = include_str!("../../docs/identity.md");
        let rows = page
            .lines()
            .skip_while(|line| !line.starts_with("| account | grade |"))
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        let cells = |row: &str| {
            row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>()
        };
        rows.map(|row| cells(row).try_into().unwrap()).collect()
    }

    #[test]
    fn names_become_what_the_documentation_says() {
        let cases = documented_cases();
        assert!(cases.len() >= 25, "the table is there");
        for [account, grade, principal, wanted] in cases {
            let grade = if grade == "directory" { EvidenceGrade::Directory } else { EvidenceGrade::Local };
            let principal = Some(principal.as_str()).filter(|principal| !principal.is_empty());
            let outcome = match account_name(&session(&account, grade, principal)) {
                Ok(name) => name,
                Err(NameFault::Doubtful { .. }) => "none: doubtful".to_owned(),
                Err(NameFault::NotAPerson { .. }) => "none: not a person".to_owned(),
                Err(NameFault::Character { .. }) => "none: a character".to_owned(),
                Err(NameFault::Dots { .. }) => "none: dots".to_owned(),
                Err(NameFault::Empty) => "none: empty".to_owned(),
                Err(NameFault::TooLong { .. }) => "none: too long".to_owned(),
            };
            assert_eq!(outcome, wanted, "{account}");
        }
    }

    #[test]
    fn what_gives_no_name_says_why() {
        let name = |name: &str| account_name(&session(name, EvidenceGrade::Local, None)).unwrap_err();
        assert_eq!(name(""), NameFault::Empty);
        assert_eq!(name(r"CORP\"), NameFault::Empty);
        for nobody in [
            "Guest",
            "nobody",
            "NT AUTHORITY\\SYSTEM",
            "WORKSTATION7$",
            "Window Manager\\DWM-2",
            "DefaultAccount",
            "Invité",
        ] {
            assert!(matches!(name(nobody), NameFault::NotAPerson { .. }), "{nobody}");
        }
        assert!(matches!(name("alice smith"), NameFault::Character { character: ' ', .. }));
        assert!(matches!(name("jürgen"), NameFault::Character { character: 'ü', .. }));
        assert!(matches!(name("\u{212a}im"), NameFault::Character { character: '\u{212a}', .. }));
        assert!(matches!(name("a/b"), NameFault::Character { character: '/', .. }));
        assert!(matches!(name(".alice"), NameFault::Dots { .. }));
        assert!(matches!(name("a..b"), NameFault::Dots { .. }));
        assert!(matches!(name(&"a".repeat(65)), NameFault::TooLong { .. }));
        assert!(name("alice smith").to_string().contains("`userName`"));
    }

    #[test]
    fn the_realm_is_what_the_system_has() {
        let realm_of =
            |local: &str, principal: Option<&str>| realm(&session(local, EvidenceGrade::Directory, principal));
        assert_eq!(realm_of("a", Some("a@CORP.LOCAL")).as_deref(), Some("corp.local"));
        assert_eq!(realm_of(r"CORP\a", None).as_deref(), Some("corp"));
        assert_eq!(realm_of("a", None), None);
    }
}
