//! Who is at the keyboard.

use platform::{
    paths::Paths,
    process,
    session::{self, EvidenceGrade, SessionChanges, UserSession},
};
use std::{collections::BTreeSet, time::Duration};

const SOURCES: [&str; 5] = ["logind", "utmp", "process-owner", "wts", "console-user"];

/// Whoever is logged in, and also when nobody is.
pub(crate) async fn hold() {
    let found = session::sessions().await.expect("an answer: nobody is one too");
    let ids: BTreeSet<_> = found.iter().map(|session| session.id.as_str()).collect();
    assert_eq!(ids.len(), found.len(), "each session has an id of its own: {found:?}");
    found.iter().for_each(is_whole);
    if !Paths::is_privileged() {
        assert!(
            found.iter().all(|session| session.uid == process::user_id()),
            "others' sessions are not ours: {found:?}"
        );
    }
    let key = |session: &UserSession| (session.id.clone(), session.local_name.clone(), session.stable_id.clone());
    let again = session::sessions().await.unwrap();
    assert_eq!(found.iter().map(key).collect::<Vec<_>>(), again.iter().map(key).collect::<Vec<_>>());

    let mut changes = SessionChanges::subscribe().await.expect("a subscription");
    // What asking does is no change.
    session::sessions().await.unwrap();
    let heard = tokio::time::timeout(Duration::from_millis(100), changes.next()).await;
    assert!(heard.is_err(), "nothing has changed: {heard:?}");
}

fn is_whole(session: &UserSession) {
    let evidence = &session.evidence;
    assert!(!session.id.as_str().is_empty() && !session.local_name.is_empty(), "{session:?}");
    assert!(!session.stable_id.is_empty(), "{session:?}");
    assert_ne!(session.stable_id, session.local_name, "a renamed account is the same: {session:?}");
    assert_eq!(session.uid.is_some(), cfg!(unix), "{session:?}");
    assert!(SOURCES.contains(&evidence.source), "{session:?}");
    // Which name gets this far is the management's business alone.
    assert_ne!(evidence.grade, EvidenceGrade::Managed, "{session:?}");
    if evidence.grade == EvidenceGrade::Local {
        assert_eq!(evidence.principal, None, "nobody vouches for it: {session:?}");
    }
    assert!(evidence.reason.contains(&session.local_name), "the reason says whose session it is: {session:?}");
    assert!(!evidence.reason.ends_with('.'), "{session:?}");
    assert!(evidence.attributes.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()), "{session:?}");
}
