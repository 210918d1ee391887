//! Browsers at the sign-on address, and programs that ask services themselves: whose they are, and what they are told.

use platform::channel::{Connection, Peer};
use platform::session::UserSession;
use saml::refusal::RefusalCode;

use super::work::{Job, is_enough};
use super::{Daemon, Mail, reply};
use crate::browser::BrowserAsk;
use crate::control::{Problem, Reply};
use crate::failure::FailureCode;
use crate::local_account::LocalAccount;
use crate::machine::{Event, State};
use crate::sign_in::{Code, ProofCode, Wanted};

/// Commands that may wait for one person's sign-in.
const MOST_WAITING: usize = 16;

impl Daemon {
    /// Opens the address where the portal sends browsers, or closes it where it sends none.
    pub(super) fn await_browsers(&mut self, ports: &[u16]) {
        let mailbox = self.mailbox.clone();
        self.browsers.follow(ports, move |ask| mailbox.send(Mail::Browser(ask)).is_ok());
    }

    /// Somebody asks to be signed in. The asker gets their own identity, administrators too.
    pub(super) fn sign_in_asked(&mut self, service: Option<String>, peer: &Peer, connection: Connection) {
        let own = self.people.values().find(|person| peer.owns(&person.session));
        let Some(own) = own else {
            return reply(connection, Reply::Failed(Problem::failure(FailureCode::NobodyLoggedIn)));
        };
        let id = own.session.id.clone();
        let account = LocalAccount::of_peer(peer);
        if is_enough(&self.jobs, &account) || own.waiting.len() >= MOST_WAITING {
            return reply(connection, Reply::Failed(Problem::of(Code::Refusal(RefusalCode::Busy))));
        }
        let Some(service) = service else {
            if let Some(person) = self.people.get_mut(&id) {
                person.waiting.push(connection);
            }
            return self.step(&id, Event::Wanted);
        };
        match service.parse() {
            Ok(service) => {
                let wanted = Wanted::Service(service);
                self.jobs.push_back(Job::Asked { session: Box::new(own.session.clone()), wanted, connection });
            }
            Err(_) => {
                let problem = Problem {
                    meaning: "that is no entity ID".to_owned(),
                    ..Problem::of(Code::Refusal(RefusalCode::ServiceUnknown))
                };
                reply(connection, Reply::Failed(problem));
            }
        }
    }

    /// A browser is here: the person whose it is gets their own identity, and nobody else's.
    pub(super) fn browser_asked(&mut self, ask: BrowserAsk) {
        match self.session_of(&ask.owner) {
            Ok(session) => self.jobs.push_back(Job::Browser { session, ask }),
            Err(code) => {
                tracing::info!(code = code.as_str(), "a browser was refused");
                // It may have gone away.
                let _ = ask.answer.send(Err(code));
            }
        }
    }

    /// Somebody asks what they may open.
    pub(super) fn services_asked(&mut self, peer: &Peer, connection: Connection) {
        match self.session_of(peer) {
            Ok(session) => self.jobs.push_back(Job::Asked { session, wanted: Wanted::Services, connection }),
            Err(code) => reply(connection, Reply::Failed(Problem::of(code))),
        }
    }

    /// Somebody has typed a one-time code.
    pub(super) fn proof_asked(&mut self, code: String, peer: &Peer, connection: Connection) {
        match self.session_of(peer) {
            Ok(session) => {
                let wanted = Wanted::Proof(ProofCode::new(code));
                self.jobs.push_back(Job::Asked { session, wanted, connection });
            }
            Err(code) => reply(connection, Reply::Failed(Problem::of(code))),
        }
    }

    /// A program has asked a service that speaks ECP.
    pub(super) fn ecp_asked(&mut self, envelope: String, peer: &Peer, connection: Connection) {
        match self.session_of(peer) {
            Ok(session) => self.jobs.push_back(Job::Ecp { session, envelope, connection }),
            Err(code) => reply(connection, Reply::Failed(Problem::of(code))),
        }
    }

    /// The session of the person whose program that is, if they are to be signed in at services without a word.
    pub(super) fn session_of(&self, owner: &Peer) -> Result<Box<UserSession>, Code> {
        if is_enough(&self.jobs, &LocalAccount::of_peer(owner)) {
            return Err(Code::Refusal(RefusalCode::Busy));
        }
        let own = self.people.values().filter(|person| owner.owns(&person.session));
        let own = own.max_by_key(|person| person.session.active);
        let person = own.ok_or(Code::Failure(FailureCode::NobodyLoggedIn))?;
        match &person.state {
            State::SignedOut => Err(Code::Failure(FailureCode::SignedOut)),
            // Somebody else may answer for them, which is for the portal to say.
            State::Refused { code: Code::Refusal(RefusalCode::DomainNotMapped), .. } => {
                Ok(Box::new(person.session.clone()))
            }
            State::Refused { code, .. } => Err(*code),
            State::Splayed { .. } | State::SigningIn { .. } | State::SignedIn { .. } | State::Waiting { .. } => {
                Ok(Box::new(person.session.clone()))
            }
        }
    }
}
