//! The sessions of macOS, from what SystemConfiguration keeps under `State:/Users/ConsoleUser`. Pure, so that it is tested everywhere.

use super::{EvidenceGrade, SessionId, UserEvidence, UserSession};
use plist::{Dictionary, Value};
use std::io::Cursor;

/// The people in a property list of the console user; `None` when it is none. Sessions at the login window, and of users 1–500, are nobody's.
pub(super) fn people(list: &[u8], stable_id: impl Fn(u32) -> String) -> Option<Vec<UserSession>> {
    let whole = Value::from_reader(Cursor::new(list)).ok()?.into_dictionary()?;
    let sessions = whole.get("SessionInfo").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Some(sessions.iter().filter_map(Value::as_dictionary).filter_map(|session| person(session, &stable_id)).collect())
}

fn person(session: &Dictionary, stable_id: &impl Fn(u32) -> String) -> Option<UserSession> {
    let flag = |key: &str| session.get(key).and_then(Value::as_boolean).unwrap_or(false);
    let number =
        |key: &str| session.get(key).and_then(Value::as_unsigned_integer).and_then(|number| u32::try_from(number).ok());
    let local_name = session.get("kCGSSessionUserNameKey").and_then(Value::as_string)?.to_owned();
    let uid = number("kCGSSessionUserIDKey")?;
    if !flag("kCGSessionLoginDoneKey") || local_name == "loginwindow" || (1..=500).contains(&uid) {
        return None;
    }
    let id = SessionId::new(number("kSCSecuritySessionID").or_else(|| number("kCGSSessionIDKey"))?.to_string());
    let reason = format!(
        "macOS has session {id} of the account `{local_name}` ({uid}); whether a directory knows it is not asked"
    );
    let locked = ("session.locked", flag("CGSSessionScreenIsLocked").to_string());
    Some(UserSession {
        id,
        stable_id: stable_id(uid),
        uid: Some(uid),
        active: flag("kCGSSessionOnConsoleKey"),
        remote: false,
        evidence: UserEvidence {
            grade: EvidenceGrade::Local,
            source: "console-user",
            principal: None,
            reason,
            attributes: vec![locked],
        },
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

    #[test]
    fn everybody_with_a_session_is_there_and_one_is_active() {
        let found = people(SWITCHED.as_bytes(), |uid| format!("{uid}@m")).unwrap();
        let shown: Vec<_> =
            found.iter().map(|session| (session.id.as_str(), session.local_name.as_str(), session.active)).collect();
        assert_eq!(shown, [("100008", "alice", true), ("100019", "bob", false)]);
        assert_eq!(found[0].stable_id, "501@m");
        assert_eq!(found[0].evidence.attributes, [("session.locked", "true".to_owned())]);
    }

    #[test]
    fn nobody_at_the_console_is_nobody() {
        let login_window = r#"<plist version="1.0"><dict><key>Name</key><string>loginwindow</string></dict></plist>"#;
        assert_eq!(people(login_window.as_bytes(), |_| String::new()), Some(Vec::new()));
        assert_eq!(people(b"rubbish", |_| String::new()), None);
    }
}
