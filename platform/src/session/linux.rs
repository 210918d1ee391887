use super::{EvidenceGrade, SessionChange, SessionError, SessionId, UserEvidence, UserSession, logind, utmp};
use crate::{environment, paths::Paths};
use rustix::process::geteuid;
use std::{
    future::{pending, poll_fn},
    pin::pin,
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
    Ok(found)
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
