//! Diagnostics that the portal asks for: the device's policy decides whether somebody at it has to allow them.

use platform::channel::{Connection, Peer};

use super::work::Job;
use super::{Daemon, Mail, reply};
use crate::config::DiagnosticsRequests;
use crate::control::{Problem, Reply};
use crate::conversation::KeptAlive;
use crate::diagnostics::{self, Bundle, BundleError};
use crate::sign_in::SignInError;
use crate::standing::Standing;

/// What the portal has asked for, and how that stands.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Support {
    asked: Option<(String, Answer)>,
}

/// How a request stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    /// Somebody at the device has to say.
    Waits,
    /// It is allowed; where sending fails the next keep-alive begins again.
    Allowed,
    /// The bundle is being made or sent.
    OnItsWay,
    /// It is refused, and the portal is told so.
    Refused,
}

impl Support {
    /// The word in the status.
    pub(super) fn word(&self) -> Option<&'static str> {
        self.asked.as_ref().map(|(_, answer)| match answer {
            Answer::Waits => "waits",
            Answer::Allowed | Answer::OnItsWay => "allowed",
            Answer::Refused => "refused",
        })
    }

    /// The request whose refusal the portal is to be told of.
    pub(super) fn refused(&self) -> Option<String> {
        self.asked.as_ref().filter(|(_, answer)| *answer == Answer::Refused).map(|(id, _)| id.clone())
    }
}

impl Daemon {
    /// A keep-alive says what the portal asks for, again and again until it has an answer.
    pub(super) fn diagnostics_heard(&mut self, kept_alive: &KeptAlive) {
        let Some(id) = &kept_alive.diagnostics else {
            if self.support.refused().is_some() {
                tracing::info!("the portal has heard that it gets no diagnostics");
            }
            self.support.asked = None;
            return;
        };
        let known = self.support.asked.as_ref().filter(|(known, _)| known == id).map(|(_, answer)| *answer);
        let answer = known.unwrap_or_else(|| {
            tracing::warn!(request = id, "the portal asks for diagnostics");
            let policy = match &self.standing {
                Standing::Ready(device) => device.config.diagnostics_requests,
                Standing::Unconfigured { .. } | Standing::Broken { .. } | Standing::Busy => DiagnosticsRequests::Ask,
            };
            match policy {
                DiagnosticsRequests::Always => Answer::Allowed,
                DiagnosticsRequests::Ask => Answer::Waits,
                DiagnosticsRequests::Never => Answer::Refused,
            }
        });
        self.support.asked = Some((id.clone(), answer));
        self.collect_if_allowed();
    }

    /// Somebody at the device decides.
    pub(super) fn diagnostics_asked(&mut self, allow: bool, peer: &Peer, connection: Connection) {
        let at_it = self.people.values().any(|person| peer.owns(&person.session));
        if !(peer.privileged || peer.same_user || at_it) {
            return reply(connection, Reply::Failed(Problem::not_allowed()));
        }
        match &mut self.support.asked {
            Some((_, answer @ (Answer::Waits | Answer::Refused | Answer::Allowed))) => {
                *answer = if allow { Answer::Allowed } else { Answer::Refused };
            }
            Some((_, Answer::OnItsWay)) => {}
            None => return reply(connection, Reply::Failed(Problem::nobody_asks())),
        }
        self.collect_if_allowed();
        reply(connection, Reply::Done);
    }

    /// Makes the bundle beside everything else: it takes up to ten seconds.
    fn collect_if_allowed(&mut self) {
        let Some((id, answer @ Answer::Allowed)) = &mut self.support.asked else { return };
        *answer = Answer::OnItsWay;
        let recipient = match &self.standing {
            Standing::Ready(device) => device.config.support_key.clone(),
            Standing::Unconfigured { .. } | Standing::Broken { .. } | Standing::Busy => {
                *answer = Answer::Allowed;
                return;
            }
        };
        let (id, paths, mailbox) = (id.clone(), self.paths.clone(), self.mailbox.clone());
        tokio::spawn(async move {
            let (report, seen) = diagnostics::examine(paths).await;
            let bundle = Bundle::collect(&report, &seen, false).await.octets(recipient.as_ref());
            // The daemon is ending if its mailbox is gone.
            let _ = mailbox.send(Mail::Collected { id, bundle });
        });
    }

    /// The bundle is there.
    pub(super) fn collected(&mut self, id: String, bundle: Result<Vec<u8>, BundleError>) {
        match bundle {
            Ok(bundle) => self.jobs.push_back(Job::Bundle { id, bundle }),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no diagnostics could be made");
                self.begin_again(&id);
            }
        }
    }

    /// The bundle was sent, or could not be.
    pub(super) fn bundle_sent(&mut self, id: &str, result: Result<(), SignInError>) {
        match result {
            Ok(()) => {
                tracing::warn!(request = id, "the portal has the diagnostics that it asked for");
                self.support.asked = None;
            }
            Err(_) => self.begin_again(id),
        }
    }

    /// With the next keep-alive that says so again.
    pub(super) fn begin_again(&mut self, id: &str) {
        if let Some((known, answer @ Answer::OnItsWay)) = &mut self.support.asked
            && known == id
        {
            *answer = Answer::Allowed;
        }
    }
}

impl Problem {
    /// There is nothing to allow.
    fn nobody_asks() -> Self {
        Self {
            code: "no-diagnostics-request".to_owned(),
            meaning: "the portal does not ask this device for diagnostics".to_owned(),
            next_action: "write a bundle yourself with `countersign diagnostics --bundle FILE`".to_owned(),
            exit_code: 1,
        }
    }
}
