//! Which logons of Windows are people in sessions, and how far Windows vouches for them. Pure, so that it is tested everywhere.

use super::{EvidenceGrade, SessionId, UserEvidence, UserSession};

/// A session of the Remote Desktop Services, which keep the console's too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) id: u32,
    pub(super) user: String,
    pub(super) domain: String,
    pub(super) active: bool,
    pub(super) remote: bool,
    /// The SID of the account of that name, where there is one.
    pub(super) sid: Option<String>,
}

/// A logon session of the Local Security Authority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Logon {
    pub(super) session: u32,
    pub(super) user: String,
    pub(super) domain: String,
    pub(super) dns_domain: String,
    pub(super) upn: String,
    pub(super) sid: String,
    pub(super) package: String,
}

/// The people: for each seat with a user, the logon of that user there. Other logons in a session are `runas` and the like.
///
/// Where the Local Security Authority shows no such logon, the seat's word stands alone, and vouches for no more than a local account.
pub(super) fn people(seats: &[Seat], logons: &[Logon], computer: &str) -> Vec<UserSession> {
    let of_a_person = |seat: &&Seat| seat.id != 0 && !seat.user.is_empty();
    let person = |seat: &Seat| {
        let theirs = logons.iter().filter(|logon| {
            let same = |left: &str, right: &str| left.to_lowercase() == right.to_lowercase();
            logon.session == seat.id
                && same(&logon.user, &seat.user)
                && same(&logon.domain, &seat.domain)
                && is_an_account(&logon.sid)
        });
        // An administrator has two logons, of which the elevated one may lack the UPN.
        let logon = theirs.max_by_key(|logon| !logon.upn.is_empty()).map(|logon| session(seat, logon, computer));
        logon.or_else(|| seat_alone(seat))
    };
    seats.iter().filter(of_a_person).filter_map(person).collect()
}

/// Accounts of machines and domains (S-1-5-21) and of Entra (S-1-12-1): not services, window managers and font drivers.
fn is_an_account(sid: &str) -> bool {
    sid.starts_with("S-1-5-21-") || sid.starts_with("S-1-12-1-")
}

fn seat_alone(seat: &Seat) -> Option<UserSession> {
    let sid = seat.sid.clone().filter(|sid| is_an_account(sid))?;
    let name = format!("{}\\{}", seat.domain, seat.user);
    let reason = format!("Windows has session {} of `{name}` ({sid}), and shows no logon that would say more", seat.id);
    let attributes = vec![("logon.domain", seat.domain.clone())];
    Some(UserSession {
        id: SessionId::new(seat.id.to_string()),
        local_name: name,
        stable_id: sid,
        uid: None,
        active: seat.active,
        remote: seat.remote,
        evidence: UserEvidence {
            grade: EvidenceGrade::Local,
            source: "wts",
            principal: None,
            realm: None,
            doubtful: false,
            reason,
            attributes,
        },
    })
}

fn session(seat: &Seat, logon: &Logon, computer: &str) -> UserSession {
    let own = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let entra = logon.sid.starts_with("S-1-12-1-");
    let of_this_machine =
        logon.domain.eq_ignore_ascii_case(computer) || logon.domain.eq_ignore_ascii_case("MicrosoftAccount");
    let (grade, because) = match (entra, of_this_machine) {
        (true, _) => (EvidenceGrade::Directory, "which is an account of Entra ID".to_owned()),
        (false, true) => {
            (EvidenceGrade::Local, "which is an account of this machine or of a private person".to_owned())
        }
        (false, false) => (EvidenceGrade::Directory, format!("which is an account of the domain `{}`", logon.domain)),
    };
    let by_domain = own(&logon.dns_domain).map(|domain| format!("{}@{}", logon.user, domain.to_uppercase()));
    let principal = own(&logon.upn).or(by_domain).filter(|_| grade == EvidenceGrade::Directory);
    // Where Windows tells no DNS domain, as for Entra ID, the UPN's suffix is all there is.
    let suffix = || principal.as_ref().and_then(|name| name.rsplit_once('@')).map(|(_, suffix)| suffix.to_owned());
    let realm = own(&logon.dns_domain).filter(|_| principal.is_some()).or_else(suffix);
    // The portal believes a directory only where it names the person.
    let grade = if principal.is_some() { grade } else { EvidenceGrade::Local };
    let mut attributes = vec![("logon.package", logon.package.clone()), ("logon.domain", logon.domain.clone())];
    attributes.retain(|(_, value)| !value.is_empty());
    let reason =
        format!("Windows has session {} of `{}\\{}` ({}), {because}", seat.id, logon.domain, logon.user, logon.sid);
    UserSession {
        id: SessionId::new(seat.id.to_string()),
        local_name: format!("{}\\{}", logon.domain, logon.user),
        stable_id: logon.sid.clone(),
        uid: None,
        active: seat.active,
        remote: seat.remote,
        evidence: UserEvidence { grade, source: "wts", principal, realm, doubtful: false, reason, attributes },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(id: u32, domain: &str, user: &str) -> Seat {
        Seat { id, user: user.to_owned(), domain: domain.to_owned(), active: true, remote: false, sid: None }
    }

    fn logon(session: u32, domain: &str, user: &str, sid: &str) -> Logon {
        Logon {
            session,
            user: user.to_owned(),
            domain: domain.to_owned(),
            sid: sid.to_owned(),
            package: "Kerberos".to_owned(),
            ..Logon::default()
        }
    }

    #[test]
    fn a_domain_account_has_its_upn_or_its_domain() {
        let mut alice = logon(2, "CORP", "asmith", "S-1-5-21-1-2-3-1105");
        alice.dns_domain = "corp.example.com".to_owned();
        let elevated = alice.clone();
        alice.upn = "Alice.Smith@example.com".to_owned();
        let found = people(&[seat(2, "CORP", "ASmith")], &[elevated.clone(), alice], "PC7");
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].evidence.grade, found[0].stable_id.as_str()),
            (EvidenceGrade::Directory, "S-1-5-21-1-2-3-1105")
        );
        assert_eq!(found[0].evidence.principal.as_deref(), Some("Alice.Smith@example.com"));
        assert_eq!(crate::principal::account_name(&found[0]).as_deref(), Ok("alice.smith"));
        let found = people(&[seat(2, "CORP", "asmith")], &[elevated], "PC7");
        assert_eq!(found[0].evidence.principal.as_deref(), Some("asmith@CORP.EXAMPLE.COM"));
    }

    #[test]
    fn accounts_of_the_machine_and_of_microsoft_are_local() {
        for domain in ["PC7", "pc7", "MicrosoftAccount"] {
            let mut bob = logon(1, domain, "bob", "S-1-5-21-9-9-9-1001");
            bob.upn = "ceo@example.com".to_owned();
            let found = people(&[seat(1, domain, "bob")], &[bob], "PC7");
            assert_eq!(
                (found[0].evidence.grade, &found[0].evidence.principal),
                (EvidenceGrade::Local, &None),
                "{domain}"
            );
        }
    }

    #[test]
    fn an_account_of_entra_is_directory() {
        let mut carol = logon(1, "AzureAD", "CarolJones", "S-1-12-1-1-2-3-4");
        carol.upn = "carol@example.com".to_owned();
        let found = people(&[seat(1, "AzureAD", "CarolJones")], &[carol], "PC7");
        assert_eq!(found[0].evidence.principal.as_deref(), Some("carol@example.com"));
    }

    #[test]
    fn services_run_as_and_empty_seats_are_nobody() {
        let logons = [
            logon(0, "PC7", "svc", "S-1-5-21-9-9-9-1002"),
            logon(1, "Window Manager", "DWM-1", "S-1-5-90-0-1"),
            logon(1, "PC7", "runas", "S-1-5-21-9-9-9-1003"),
            logon(1, "PC7", "bob", "S-1-5-21-9-9-9-1001"),
        ];
        let seats = [seat(0, "PC7", "svc"), seat(1, "PC7", "bob"), seat(2, "", ""), seat(1, "Window Manager", "DWM-1")];
        let found = people(&seats, &logons, "PC7");
        assert_eq!(found.iter().map(|session| session.local_name.as_str()).collect::<Vec<_>>(), [r"PC7\bob"]);
    }

    #[test]
    fn a_seat_without_a_logon_vouches_for_a_local_account_only() {
        let alone = |domain: &str, sid: &str| {
            people(&[Seat { sid: Some(sid.to_owned()), ..seat(1, domain, "bob") }], &[], "PC7")
        };
        let found = alone("CORP", "S-1-5-21-1-2-3-1107");
        assert_eq!((found[0].evidence.grade, &found[0].evidence.principal), (EvidenceGrade::Local, &None));
        assert_eq!((found[0].local_name.as_str(), found[0].stable_id.as_str()), (r"CORP\bob", "S-1-5-21-1-2-3-1107"));
        assert!(alone("Window Manager", "S-1-5-90-0-1").is_empty(), "no account of a person");
    }

    #[test]
    fn several_people_are_several_sessions() {
        let logons = [logon(1, "PC7", "bob", "S-1-5-21-9-9-9-1001"), logon(3, "CORP", "eve", "S-1-5-21-1-2-3-1106")];
        let mut remote = seat(3, "CORP", "eve");
        remote.remote = true;
        let found = people(&[seat(1, "PC7", "bob"), remote], &logons, "PC7");
        assert_eq!(found.iter().map(|session| session.remote).collect::<Vec<_>>(), [false, true]);
    }
}
