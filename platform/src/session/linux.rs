use super::{
    EvidenceGrade, SessionChange, SessionError, SessionId, UserEvidence, UserSession,
    directory::{Machine, PATIENCE},
    logind,
    name_service::Deadline,
    standing::Standing,
    utmp,
};
use crate::{environment, paths::Paths};
use rustix::process::geteuid;
use std::{
    collections::BTreeMap,
    future::{pending, poll_fn},
    pin::pin,
    sync::{Mutex, PoisonError},
    task::Poll,
    time::Duration,
};
use utmp::Utmp;

pub(super) async fn sessions() -> Result<Vec<UserSession>, SessionError> {
    let own = geteuid().as_raw();
    let (found, why) = match logind::sessions().await? {
        logind::Answer::Sessions(list) => (visible(list, Paths::is_privileged(), own), "logind has no session to show"),
        logind::Answer::Absent(why) => {
            (visible(Utmp::here().sessions().unwrap_or_default(), Paths::is_privileged(), own), why)
        }
    };
    // A service belongs to nobody, so its owner says nothing about who is at the keyboard. Who starts the agent by hand (over `su`, in a container, in
    // a job of a build machine) is there in person, with or without a session.
    if found.is_empty() && !environment::under_service_manager() {
        return owner_of_this_process(own, why).map(|session| vec![session]);
    }
    Ok(judged(found).await)
}

/// A session whose evidence is still to be found.
pub(super) fn unjudged(source: &'static str, attributes: Vec<(&'static str, String)>) -> UserEvidence {
    UserEvidence {
        grade: EvidenceGrade::Local,
        source,
        principal: None,
        realm: None,
        doubtful: false,
        reason: "nothing is known about the account yet".to_owned(),
        attributes,
    }
}

pub(super) async fn refreshed(session: UserSession) -> UserSession {
    judged(vec![session.clone()]).await.pop().unwrap_or(session)
}

/// The sessions with what is known about their accounts. Name services are waited for on a thread of their own.
async fn judged(sessions: Vec<UserSession>) -> Vec<UserSession> {
    let undecided = sessions.clone();
    let work = tokio::task::spawn_blocking(move || {
        let (machine, deadline) = (Machine::here(), Deadline::within(PATIENCE));
        sessions.into_iter().map(|session| judge(session, &machine, deadline)).collect()
    });
    work.await.unwrap_or(undecided)
}

/// What name services have said of accounts, by the name in the session and the user id.
type Said = BTreeMap<(String, u32), Standing>;
static SAID: Mutex<Said> = Mutex::new(BTreeMap::new());
/// As many accounts are remembered at the most.
const MOST_SAID: usize = 1000;

/// `standing`, unless the name service is silent and has spoken before: a directory that is out of reach removes no account.
fn as_said_before(said: &Mutex<Said>, standing: Standing, name: &str, uid: u32) -> Standing {
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    let account = (name.to_owned(), uid);
    if standing.silent {
        return said.get(&account).cloned().unwrap_or(standing);
    }
    if said.len() >= MOST_SAID {
        said.clear();
    }
    said.insert(account, standing.clone());
    standing
}

fn judge(mut session: UserSession, machine: &Machine, deadline: Deadline) -> UserSession {
    // The owner of a process that was started by hand is what they are.
    let (Some(uid), "logind" | "utmp") = (session.uid, session.evidence.source) else { return session };
    let standing =
        as_said_before(&SAID, machine.standing(&session.local_name, uid, deadline), &session.local_name, uid);
    let Standing { grade, principal, realm, name, because, doubtful, attributes, silent: _ } = standing;
    let has = match session.evidence.source {
        "utmp" => format!("utmp has a login on `{}`, which belongs to", session.id),
        _ => format!("logind has session {} of", session.id),
    };
    let by_now = name.as_ref().map_or_else(String::new, |name| format!(", by now `{name}`"));
    let reason = format!("{has} the account `{}` ({uid}){by_now}, which {because}", session.local_name);
    let mut observed = session.evidence.attributes;
    observed.retain(|(known, _)| attributes.iter().all(|(name, _)| name != known));
    observed.extend(attributes);
    session.local_name = name.unwrap_or(session.local_name);
    session.evidence =
        UserEvidence { grade, principal, realm, doubtful, reason, attributes: observed, ..session.evidence };
    session
}

/// What a process may act on: everybody's sessions if it is privileged, else its own user's.
fn visible(mut sessions: Vec<UserSession>, privileged: bool, own: u32) -> Vec<UserSession> {
    sessions.retain(|session| privileged || session.uid == Some(own));
    sessions
}

fn owner_of_this_process(uid: u32, why: &'static str) -> Result<UserSession, SessionError> {
    let local_name = whoami::account().map_err(|_| SessionError::NoAccount { uid })?;
    let reason = format!(
        "{why} and the agent was started by hand, so the owner of its process, `{local_name}` ({uid}), is taken to be the person"
    );
    Ok(UserSession {
        id: SessionId::new("process"),
        local_name,
        stable_id: stable_id(uid),
        uid: Some(uid),
        active: true,
        remote: environment::var("SSH_CONNECTION").is_some(),
        evidence: UserEvidence {
            grade: EvidenceGrade::Local,
            source: "process-owner",
            principal: None,
            realm: None,
            doubtful: false,
            reason,
            attributes: Vec::new(),
        },
    })
}

/// User ids are given out anew on every machine, so the machine is part of what stays the same.
pub(super) fn stable_id(uid: u32) -> String {
    let machine = crate::device::machine_hash().unwrap_or_else(|| "unknown-machine".to_owned());
    format!("{uid}@{machine}")
}

/// How long a bus that has gone is left alone before it is asked again.
const BUS_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Both are heard: a bus can be there without a logind on it, and a logind can come later.
#[derive(Debug)]
pub(super) struct SessionChanges {
    logind: Option<logind::Signals>,
    /// There was a bus, and it may come back.
    bus_lost: bool,
    utmp: Option<utmp::Changes>,
}

impl SessionChanges {
    pub(super) async fn subscribe() -> Result<Self, SessionError> {
        let logind = logind::Signals::subscribe().await?;
        let utmp = match utmp::Changes::subscribe(&Utmp::here()) {
            Ok(utmp) => utmp,
            // Where logind tells, nothing is missed. All of root's programs share one limit of what may be watched, and others use it up.
            Err(_) if logind.is_some() => None,
            Err(error) => {
                return Err(SessionError::Service { doing: "watch the logins in utmp", source: Box::new(error) });
            }
        };
        Ok(Self { logind, bus_lost: false, utmp })
    }

    pub(super) async fn next(&mut self) -> SessionChange {
        let Self { logind, bus_lost, utmp } = self;
        let mut from_logind = pin!(change_of_logind(logind, bus_lost));
        let mut from_utmp = pin!(async {
            if let Some(changes) = utmp
                && let Some(change) = changes.next().await
            {
                return change;
            }
            pending().await
        });
        poll_fn(|context| match from_logind.as_mut().poll(context) {
            Poll::Pending => from_utmp.as_mut().poll(context),
            ready => ready,
        })
        .await
    }
}

/// The next change that logind tells. A bus that was lost is asked again from time to time; nothing is where there never was one.
async fn change_of_logind(logind: &mut Option<logind::Signals>, bus_lost: &mut bool) -> SessionChange {
    loop {
        if let Some(signals) = logind {
            if let Some(change) = signals.next().await {
                return change;
            }
            (*logind, *bus_lost) = (None, true);
        }
        if !*bus_lost {
            return pending().await;
        }
        tokio::time::sleep(BUS_AGAIN_AFTER).await;
        *logind = logind::Signals::subscribe().await.ok().flatten();
        if logind.is_some() {
            return SessionChange::ServiceRestarted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_process_sees_its_own_user_only() {
        let own = geteuid().as_raw();
        let mine = owner_of_this_process(own, "").unwrap();
        let other = UserSession { uid: Some(own + 1), ..mine.clone() };
        let both = vec![mine.clone(), other];
        assert_eq!(visible(both.clone(), false, own), [mine]);
        assert_eq!(visible(both.clone(), true, own), both);
    }

    #[test]
    fn a_name_service_that_falls_silent_unmakes_no_account() {
        let said = Mutex::new(Said::new());
        let silent = Standing { silent: true, ..Standing::nobody("did not answer") };
        let known = Standing::directory(Some("bob@CORP.EXAMPLE".to_owned()), "is known".to_owned());
        assert_eq!(as_said_before(&said, silent.clone(), "bob", 5000), silent, "nothing was said before");
        assert_eq!(as_said_before(&said, known.clone(), "bob", 5000), known);
        assert_eq!(as_said_before(&said, silent.clone(), "bob", 5000), known);
        assert_eq!(as_said_before(&said, silent.clone(), "carol", 5000), silent, "another name of that user id");
        let gone = Standing::nobody("is deleted");
        assert_eq!(as_said_before(&said, gone.clone(), "bob", 5000), gone);
        assert_eq!(as_said_before(&said, silent, "bob", 5000), gone);
    }

    #[test]
    fn a_session_is_judged_by_its_account_and_says_so_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/passwd"), "david:x:5000:1::/:/bin/sh\n").unwrap();
        let machine = Machine::below(dir.path().to_owned());
        let session = UserSession {
            id: SessionId::new("7"),
            local_name: "dave".to_owned(),
            stable_id: stable_id(5000),
            uid: Some(5000),
            active: true,
            remote: false,
            evidence: unjudged("logind", vec![("session.type", "tty".to_owned())]),
        };
        let judged = judge(session, &machine, Deadline::within(PATIENCE));
        assert_eq!(judged.local_name, "david");
        let reason =
            "logind has session 7 of the account `dave` (5000), by now `david`, which is in this machine's /etc/passwd";
        assert_eq!(judged.evidence.reason, reason);
        let again = judge(judged, &machine, Deadline::within(PATIENCE));
        assert_eq!(again.evidence.attributes, [("session.type", "tty".to_owned())]);
    }

    #[test]
    fn the_owner_of_a_process_started_by_hand_is_local_evidence_that_says_so() {
        let uid = geteuid().as_raw();
        let session = owner_of_this_process(uid, "there is no logind here").unwrap();
        assert_eq!(session.local_name, whoami::account().unwrap());
        assert_eq!(session.evidence.grade, EvidenceGrade::Local);
        assert_eq!(session.evidence.source, "process-owner");
        assert!(session.evidence.reason.contains("there is no logind here"), "{}", session.evidence.reason);
        assert!(session.stable_id.starts_with(&format!("{uid}@")), "{}", session.stable_id);
    }
}
