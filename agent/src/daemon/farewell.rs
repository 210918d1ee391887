//! Keep-alive, signing out and leaving: what the portal says to the device holds for everybody at it.

use platform::channel::{Connection, Peer};

use super::work::{Job, is_of_device};
use super::{Daemon, Mail, reply};
use crate::control::{Problem, Reply};
use crate::conversation::KeptAlive;
use crate::failure::FailureCode;
use crate::machine::{Event, State};
use crate::sign_in::{Code, SignInError};
use crate::standing::{DeviceSummary, Standing};

impl Daemon {
    /// Somebody signs out: here at once, and at the portal when the device is free.
    pub(super) fn sign_out_asked(&mut self, peer: &Peer, connection: Connection) {
        let now = self.now();
        let own = self.people.values().find(|person| peer.owns(&person.session));
        let Some(own) = own else {
            return reply(connection, Reply::Failed(Problem::failure(FailureCode::NobodyLoggedIn)));
        };
        let Some(session) = own.state.session(now).cloned() else {
            return reply(connection, Reply::Failed(Problem::failure(FailureCode::NotSignedIn)));
        };
        if matches!(own.state, State::SigningIn { .. }) {
            // A session that is just being renewed would come back with the answer.
            return reply(connection, Reply::Failed(Problem::failure(FailureCode::NotSignedIn)));
        }
        let id = own.session.id.clone();
        self.step(&id, Event::SignedOut);
        self.jobs.push_back(Job::SignOut { session: Box::new(session), connection });
    }

    /// What the portal says to a device that is alive holds for everybody at it.
    pub(super) fn kept_alive(&mut self, result: Result<Box<KeptAlive>, SignInError>) {
        let at = self.moment();
        match result {
            Ok(kept_alive) => {
                self.heartbeat.heard(kept_alive.interval_seconds, at);
                self.await_browsers(&kept_alive.sign_on_ports);
                self.break_glass_heard(&kept_alive);
                self.diagnostics_heard(&kept_alive);
                // What somebody had to correct has been corrected.
                for (id, person) in &self.people {
                    if matches!(person.state, State::Refused { code: Code::Refusal(code), .. } if is_of_device(code)) {
                        let _ = self.mailbox.send(Mail::Retry(id.clone()));
                    }
                }
            }
            Err(SignInError::Refused(refusal)) if is_of_device(refusal.code) => {
                self.heartbeat.refused(at);
                let code = Code::Refusal(refusal.code);
                self.step_everybody(&Event::failed_here(code));
            }
            Err(SignInError::NotEnrolled) => self.heartbeat.stop(),
            Err(error) => self.heartbeat.failed(error.retry_after(), at),
        }
    }

    /// The portal has heard that the device leaves, or could not be told.
    pub(super) fn left(&mut self, connection: Option<Connection>, result: Result<(), SignInError>) {
        let told = match result {
            Ok(()) => self.forget(Code::Failure(FailureCode::NotEnrolled)),
            Err(error @ SignInError::NotEnrolled) => {
                let code = Code::Failure(FailureCode::NotEnrolled);
                // Nothing was left, and so nothing is said to have been.
                Reply::Failed(self.forget_all(code).err().unwrap_or_else(|| Problem::of(error.code())))
            }
            Err(error @ (SignInError::Refused(_) | SignInError::EnrolledKeyGone)) => {
                if let Standing::Ready(device) = &mut self.standing
                    && let Err(error) = device.state.stay()
                {
                    tracing::warn!(error = &error as &dyn std::error::Error, "can't remember that the device stays");
                }
                Reply::Failed(Problem::of(error.code()))
            }
            Err(error) => self.leave_later(&error),
        };
        if let Some(connection) = connection {
            reply(connection, told);
        }
    }

    /// Forgets who this device was; `code` says why nobody is signed in any more.
    pub(super) fn forget(&mut self, code: Code) -> Reply {
        match self.forget_all(code) {
            Ok(()) => {
                tracing::info!(code = code.as_str(), "this device has left the cloud");
                Reply::Done
            }
            Err(problem) => Reply::Failed(problem),
        }
    }

    fn forget_all(&mut self, code: Code) -> Result<(), Problem> {
        self.heartbeat.stop();
        if let Standing::Ready(device) = std::mem::replace(&mut self.standing, Standing::Busy)
            && let Err(error) = device.forget()
        {
            tracing::error!(error = &error as &dyn std::error::Error, "can't forget everything");
            self.open_device();
            return Err(Problem::of(error.code()));
        }
        self.summary = DeviceSummary::default();
        self.open_device();
        self.step_everybody(&Event::failed_here(code));
        Ok(())
    }

    pub(super) fn leave_later(&mut self, error: &SignInError) -> Reply {
        let at = self.moment();
        self.heartbeat.failed(error.retry_after(), at);
        let code = Code::Failure(FailureCode::Leaving);
        if let Standing::Ready(device) = &mut self.standing
            && let Err(error) = device.state.leave()
        {
            return Reply::Failed(Problem::of(SignInError::from(error).code()));
        }
        self.step_everybody(&Event::failed_here(code));
        Reply::Failed(Problem::of(code))
    }
}
