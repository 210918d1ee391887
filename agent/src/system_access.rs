//! What the agent needs the operating system to tell it while it runs, and whether it does: a sandbox that is too strict takes it away, and
//! only the process in that sandbox can find out.

use std::io;
use std::sync::{Mutex, PoisonError};

use platform::loopback;
use serde::{Deserialize, Serialize};

use crate::control::Problem;
use crate::diagnostics::chain;
use crate::failure::FailureCode;

/// One thing that the system tells, or does not.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Told {
    /// Whether it does.
    pub works: bool,
    /// Why not.
    pub reason: Option<String>,
}

impl Told {
    fn of(result: io::Result<()>) -> Self {
        Self { works: result.is_ok(), reason: result.err().map(|error| chain(&error)) }
    }
}

/// How the running agent found it when it last tried; `None`: this system has no such way, or it was not tried yet.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct SystemAccess {
    /// Whose connection to this machine's own address it is: without that no service opens in a browser.
    pub connection_owners: Option<Told>,
    /// That the network has changed: without that what failed is only tried again when its time has come.
    pub network_changes: Option<Told>,
}

impl SystemAccess {
    /// What is in the way of the sign-on itself.
    #[must_use]
    pub fn problem(&self) -> Option<Problem> {
        let hidden = self.connection_owners.as_ref().is_some_and(|told| !told.works);
        hidden.then(|| Problem::failure(FailureCode::ConnectionOwnersHidden))
    }

    /// What is in nobody's way, and somebody should look at.
    #[must_use]
    pub fn notice(&self) -> Option<Problem> {
        let hidden = self.network_changes.as_ref().is_some_and(|told| !told.works);
        hidden.then(|| Problem::failure(FailureCode::NetworkChangesHidden))
    }
}

/// The agent's own view of it, which several tasks have part in.
#[derive(Debug, Default)]
pub struct SystemAccessSeen(Mutex<SystemAccess>);

impl SystemAccessSeen {
    /// How it was when it was last tried.
    #[must_use]
    pub fn now(&self) -> SystemAccess {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tries whether owners of connections are told, off this task's thread; takes up to a second.
    pub async fn try_connection_owners(&self) {
        if !loopback::TELLS_OWNERS {
            return;
        }
        let tried = tokio::task::spawn_blocking(loopback::check).await;
        let told = Told::of(tried.unwrap_or_else(|error| Err(io::Error::other(error))));
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.works && seen.connection_owners.as_ref() != Some(&told) {
            tracing::warn!(
                code = FailureCode::ConnectionOwnersHidden.code(),
                reason = told.reason,
                "no service can be opened in a browser: the system does not tell whose connection it is"
            );
        }
        seen.connection_owners = Some(told);
    }

    /// Notes whether changes of the network are heard.
    pub fn network_changes(&self, result: io::Result<()>) {
        let told = Told::of(result);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.works && seen.network_changes.as_ref() != Some(&told) {
            tracing::warn!(
                code = FailureCode::NetworkChangesHidden.code(),
                reason = told.reason,
                "changes of the network are not heard"
            );
        }
        seen.network_changes = Some(told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> io::Result<()> {
        Err(io::Error::other("the sandbox"))
    }

    #[test]
    fn what_is_not_told_has_a_code_of_its_own_and_what_was_not_tried_has_none() {
        let seen = SystemAccessSeen::default();
        assert!(seen.now().problem().is_none() && seen.now().notice().is_none());
        seen.network_changes(refused());
        assert_eq!(seen.now().notice().unwrap().code, "network-changes-hidden");
        assert_eq!(seen.now().network_changes.unwrap().reason.unwrap(), "the sandbox");
        assert!(seen.now().problem().is_none(), "people are signed in all the same");
        seen.network_changes(Ok(()));
        assert!(seen.now().notice().is_none());
        let hidden = SystemAccess { connection_owners: Some(Told::of(refused())), network_changes: None };
        assert_eq!(hidden.problem().unwrap().code, "connection-owners-hidden");
    }

    #[tokio::test]
    async fn it_is_tried_and_not_believed() {
        let seen = SystemAccessSeen::default();
        seen.try_connection_owners().await;
        let tried = seen.now().connection_owners;
        assert_eq!(tried.is_some(), loopback::TELLS_OWNERS);
        assert!(tried.is_none_or(|told| told.works), "a test runs in no sandbox");
    }
}
