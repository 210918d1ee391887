//! Browsers at the sign-on address: whose they are, and what they are told.

use super::work::Job;
use super::{Daemon, Mail};
use crate::browser::BrowserAsk;
use crate::failure::FailureCode;
use crate::machine::State;
use crate::session::Session;
use crate::sign_in::Code;

impl Daemon {
    /// Opens the address where the portal sends browsers, or closes it where it sends none.
    pub(super) fn await_browsers(&mut self, session: &Session) {
        let mailbox = self.mailbox.clone();
        self.browsers.follow(&session.sign_on_ports, move |ask| mailbox.send(Mail::Browser(ask)).is_ok());
    }

    /// A browser is here: the person whose it is gets their own identity, and nobody else's.
    pub(super) fn browser_asked(&mut self, ask: BrowserAsk) {
        let own = self.people.values().filter(|person| ask.owner.owns(&person.session));
        let own = own.max_by_key(|person| person.session.active);
        let refusal = match own.map(|person| &person.state) {
            None => Some(Code::Failure(FailureCode::NobodyLoggedIn)),
            Some(State::SignedOut) => Some(Code::Failure(FailureCode::SignedOut)),
            Some(State::Refused { code, .. }) => Some(*code),
            Some(State::Splayed { .. } | State::SigningIn { .. } | State::SignedIn { .. } | State::Waiting { .. }) => {
                None
            }
        };
        match (own, refusal) {
            (Some(person), None) => {
                self.jobs.push_back(Job::Browser { session: Box::new(person.session.clone()), ask });
            }
            (_, refusal) => {
                let code = refusal.unwrap_or(Code::Failure(FailureCode::NobodyLoggedIn));
                tracing::info!(code = code.as_str(), "a browser was refused");
                // It may have gone away.
                let _ = ask.answer.send(Err(code));
            }
        }
    }
}
