//! The sessions of macOS, from what SystemConfiguration keeps under `State:/Users/ConsoleUser`. Pure, so that it is tested everywhere.

use super::{SessionId, UserEvidence, UserSession, standing::Standing};
use plist::{Dictionary, Value};
use std::io::Cursor;

/// The people in a property list of the console user; `None` when it is none. Sessions at the login window, and of users 1–500, are nobody's.
/// `standing` says what the machine knows of an account's name and user id.
pub(super) fn people(
    list: &[u8],
    stable_id: impl Fn(u32) -> String,
    standing: impl Fn(&str, u32) -> Standing,
) -> Option<Vec<UserSession>> {
    let whole = Value::from_reader(Cursor::new(list)).ok()?.into_dictionary()?;
    let sessions = whole.get("SessionInfo").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let people = sessions.iter().filter_map(Value::as_dictionary);
    Some(people.filter_map(|session| person(session, &stable_id, &standing)).collect())
}

fn person(
    session: &Dictionary,
    stable_id: &impl Fn(u32) -> String,
    standing: &impl Fn(&str, u32) -> Standing,
) -> Option<UserSession> {
    let flag = |key: &str| session.get(key).and_then(Value::as_boolean).unwrap_or(false);
    let number =
        |key: &str| session.get(key).and_then(Value::as_unsigned_integer).and_then(|number| u32::try_from(number).ok());
    let local_name = session.get("kCGSSessionUserNameKey").and_then(Value::as_string)?.to_owned();
    let uid = number("kCGSSessionUserIDKey")?;
    if !flag("kCGSessionLoginDoneKey") || local_name == "loginwindow" || (1..=500).contains(&uid) {
        return None;
    }
    let id = SessionId::new(number("kSCSecuritySessionID").or_else(|| number("kCGSSessionIDKey"))?.to_string());
    let Standing { grade, principal, realm, because, doubtful, mut attributes, .. } = standing(&local_name, uid);
    let reason = format!("macOS has session {id} of the account `{local_name}` ({uid}), which {because}");
    attributes.push(("session.locked", flag("CGSSessionScreenIsLocked").to_string()));
    Some(UserSession {
        id,
        stable_id: stable_id(uid),
        uid: Some(uid),
        active: flag("kCGSSessionOnConsoleKey"),
        remote: false,
        evidence: UserEvidence { grade, source: "console-user", principal, realm, doubtful, reason, attributes },
        local_name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two people by fast user switching, one at the console, and the login window.
    const SWITCHED: &str = r#"<plist version="1.0"><dict>
        <key>Name</key><string>alice</string><key>UID</key><integer>501</integer><key>GID</key><integer>20</integer>
        <key>SessionInfo</key><array>
          <dict>
            <key>kCGSSessionIDKey</key><integer>257</integer><key>kSCSecuritySessionID</key><integer>100008</integer>
            <key>kCGSSessionUserIDKey</key><integer>501</integer><key>kCGSSessionUserNameKey</key><string>alice</string>
            <key>kCGSessionLongUserNameKey</key><string>Alice Smith</string>
            <key>kCGSSessionOnConsoleKey</key><true/><key>kCGSessionLoginDoneKey</key><true/>
            <key>CGSSessionScreenIsLocked</key><true/>
          </dict>
          <dict>
            <key>kCGSSessionIDKey</key><integer>258</integer><key>kSCSecuritySessionID</key><integer>100019</integer>
            <key>kCGSSessionUserIDKey</key><integer>502</integer><key>kCGSSessionUserNameKey</key><string>bob</string>
            <key>kCGSSessionOnConsoleKey</key><false/><key>kCGSessionLoginDoneKey</key><true/>
          </dict>
          <dict>
            <key>kCGSSessionIDKey</key><integer>259</integer>
            <key>kCGSSessionUserIDKey</key><integer>0</integer><key>kCGSSessionUserNameKey</key><string>loginwindow</string>
            <key>kCGSSessionOnConsoleKey</key><false/><key>kCGSessionLoginDoneKey</key><true/>
          </dict>
          <dict>
            <key>kCGSSessionIDKey</key><integer>260</integer>
            <key>kCGSSessionUserIDKey</key><integer>503</integer><key>kCGSSessionUserNameKey</key><string>carol</string>
            <key>kCGSSessionOnConsoleKey</key><false/><key>kCGSessionLoginDoneKey</key><false/>
          </dict>
        </array></dict></plist>"#;

    fn known(name: &str, uid: u32) -> Standing {
        match uid {
            501 => Standing::local("is one of this Mac's own"),
            _ => Standing::directory(
                Some(format!("{name}@EXAMPLE.COM")),
                "comes from `/Active Directory/EXAMPLE`".to_owned(),
            ),
        }
    }

    #[test]
    fn everybody_with_a_session_is_there_and_one_is_active() {
        let found = people(SWITCHED.as_bytes(), |uid| format!("{uid}@m"), known).unwrap();
        let shown: Vec<_> =
            found.iter().map(|session| (session.id.as_str(), session.local_name.as_str(), session.active)).collect();
        assert_eq!(shown, [("100008", "alice", true), ("100019", "bob", false)]);
        assert_eq!(found[0].stable_id, "501@m");
        assert_eq!(found[0].evidence.attributes, [("session.locked", "true".to_owned())]);
        let graded: Vec<_> = found.iter().map(|session| session.evidence.grade.as_str()).collect();
        assert_eq!(graded, ["local", "directory"]);
        assert_eq!(found[1].evidence.principal.as_deref(), Some("bob@EXAMPLE.COM"));
        assert!(found[0].evidence.reason.ends_with("`alice` (501), which is one of this Mac's own"));
    }

    #[test]
    fn nobody_at_the_console_is_nobody() {
        let login_window = r#"<plist version="1.0"><dict><key>Name</key><string>loginwindow</string></dict></plist>"#;
        assert_eq!(people(login_window.as_bytes(), |_| String::new(), known), Some(Vec::new()));
        assert_eq!(people(b"rubbish", |_| String::new(), known), None);
    }
}
