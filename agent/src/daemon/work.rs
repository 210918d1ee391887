//! What the daemon does with the device, one thing at a time, and what comes of it.

use std::collections::VecDeque;

use base64::Engine as _;
use platform::channel::Connection;
use platform::session::{SessionId, UserSession};
use saml::refusal::RefusalCode;

use crate::browser::{BrowserAnswer, BrowserAsk, BrowserEnd, Transaction};
use crate::control::{Problem, Reply};
use crate::conversation::{self, KeptAlive, Report};
use crate::device::Device;
use crate::ecp::{self, Relayed};
use crate::failure::FailureCode;
use crate::local_account::LocalAccount;
use crate::machine::Event;
use crate::session::Session;
use crate::sign_in::{Code, Granted, SignInError, Wanted, sign_in};
use crate::steps::Steps;

/// Something that needs the device, one at a time.
pub(super) enum Job {
    /// A person's own session.
    Session(SessionId),
    /// A Response for a service or the list of services, asked for by the person whose session it is.
    Asked { session: Box<UserSession>, wanted: Wanted, connection: Connection },
    /// The same for a service that speaks ECP, whose envelope somebody's program has got.
    Ecp { session: Box<UserSession>, envelope: String, connection: Connection },
    /// The end of a sign-on that a service has begun, in the browser of the person whose session it is.
    Browser { session: Box<UserSession>, ask: BrowserAsk },
    /// Tells the portal that the device is alive.
    KeepAlive,
    /// Sends the diagnostics that the portal asked for.
    Bundle { id: String, bundle: Vec<u8> },
    /// Tells the portal that somebody has signed out; the session has ended here already.
    SignOut { session: Box<Session>, connection: Connection },
    /// Tells the portal that the device leaves.
    Deregister { connection: Option<Connection> },
}

impl Job {
    /// The account whose program has asked for it; none where it is the agent's own.
    fn asked_by(&self) -> Option<LocalAccount> {
        match self {
            Self::Asked { session, .. } | Self::Ecp { session, .. } => Some(LocalAccount::of_session(session)),
            Self::Browser { ask, .. } => Some(LocalAccount::of_peer(&ask.owner)),
            Self::Session(_)
            | Self::KeepAlive
            | Self::Bundle { .. }
            | Self::SignOut { .. }
            | Self::Deregister { .. } => None,
        }
    }
}

/// Jobs of one account that may wait for the device.
const MOST_OF_ACCOUNT: usize = 8;

/// Whether `account` has asked for as much as it may at a time.
pub(super) fn is_enough(jobs: &VecDeque<Job>, account: &LocalAccount) -> bool {
    jobs.iter().filter(|job| job.asked_by().as_ref() == Some(account)).count() >= MOST_OF_ACCOUNT
}

/// What a job needs apart from the device.
pub(super) enum Work {
    SignIn { session: Box<UserSession>, wanted: Wanted },
    Browser { session: Box<UserSession>, query: String, port: u16 },
    Ecp { session: Box<UserSession>, envelope: String },
    KeepAlive(Report),
    Bundle { id: String, bundle: Vec<u8> },
    SignOut { session: Box<Session> },
    Deregister,
}

/// How a job ended.
pub(super) enum Outcome {
    SignIn(Result<Granted, SignInError>),
    Ecp(Result<Relayed, SignInError>),
    Browser(Result<BrowserEnd, SignInError>),
    KeepAlive(Result<Box<KeptAlive>, SignInError>),
    Farewell(Result<(), SignInError>),
    Bundle(Result<(), SignInError>),
}

impl Outcome {
    /// Whether the portal's signed answer was to delete key and state.
    pub(super) fn is_wipe(&self) -> bool {
        matches!(self.error(), Some(SignInError::Refused(refusal)) if refusal.code == RefusalCode::DeviceWiped)
    }

    /// Whether the portal has registered the device, and the person has to prove who they are.
    pub(super) fn asks_for_proof(&self) -> bool {
        matches!(self.error(), Some(SignInError::Refused(refusal)) if refusal.code == RefusalCode::ProofNeeded)
    }

    /// Why it failed, if it did.
    pub(super) fn error(&self) -> Option<&SignInError> {
        match self {
            Self::SignIn(result) => result.as_ref().err(),
            Self::Browser(result) => result.as_ref().err(),
            Self::Ecp(result) => result.as_ref().err(),
            Self::KeepAlive(result) => result.as_ref().err(),
            Self::Farewell(result) | Self::Bundle(result) => result.as_ref().err(),
        }
    }
}

impl Work {
    /// What the log says where it fails.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::SignIn { .. } => "nobody was signed in",
            Self::Browser { .. } => "nobody was signed in at the service that a browser has opened",
            Self::Ecp { .. } => "nobody was signed in at the service that a program has asked",
            Self::Bundle { .. } => "the portal could not be given diagnostics",
            Self::KeepAlive(_) => "the portal could not be told that the device is alive",
            Self::SignOut { .. } => "the portal could not be told that somebody has signed out",
            Self::Deregister => "the portal could not be told that the device leaves",
        }
    }

    /// Does it.
    pub(super) async fn carry_out(self, device: &mut Device, steps: &Steps) -> Outcome {
        match self {
            Self::SignIn { session, wanted } => Outcome::SignIn(sign_in(device, &session, &wanted, steps).await),
            Self::Browser { session, query, port } => {
                Outcome::Browser(end_sign_on(device, &session, (&query, port), steps).await)
            }
            Self::Ecp { session, envelope } => Outcome::Ecp(ecp::relay(device, &session, &envelope, steps).await),
            Self::KeepAlive(report) => {
                Outcome::KeepAlive(conversation::keep_alive(device, &report, steps).await.map(Box::new))
            }
            Self::Bundle { id, bundle } => Outcome::Bundle(conversation::send_bundle(device, &id, bundle, steps).await),
            Self::SignOut { session } => Outcome::Farewell(conversation::sign_out(device, &session, steps).await),
            Self::Deregister => Outcome::Farewell(conversation::deregister(device, steps).await),
        }
    }
}

/// Ends the sign-on that a browser brought along; nothing is signed or sent before that is proven to be the portal's.
async fn end_sign_on(
    device: &mut Device,
    session: &UserSession,
    (query, port): (&str, u16),
    steps: &Steps,
) -> Result<BrowserEnd, SignInError> {
    // A device that is not enrolled has pinned no key, and trusts no portal.
    let pinned = device.state.portal(&device.config.cloud_url).filter(|portal| portal.enrolled_by.is_some());
    let portal = pinned.ok_or(SignInError::NotEnrolled)?;
    let transaction = Transaction::verify(query, port, portal, device.clock.now());
    let transaction = transaction.map_err(SignInError::SignOnNotTrusted)?;
    let relay_state = transaction.relay_state.clone();
    let back = format!("{}/saml/sso/continue?transaction={}", device.config.cloud_url, transaction.id);
    match sign_in(device, session, &Wanted::Begun(transaction), steps).await {
        Ok(Granted::ForService(response)) => Ok(BrowserEnd::Posts(BrowserAnswer { response, relay_state })),
        Ok(Granted::Session(_) | Granted::Services(_)) => Err(SignInError::RefusedWithoutCode),
        // The portal knows who answers for that domain, if anybody does, and sends the browser there; or it asks the person who they are.
        Err(SignInError::Refused(refusal))
            if matches!(refusal.code, RefusalCode::DomainNotMapped | RefusalCode::ProofNeeded) =>
        {
            Ok(BrowserEnd::GoesBack(back))
        }
        Err(error) => Err(error),
    }
}

/// What a sign-in's end is to the state machine.
pub(super) fn outcome_of(result: Result<Granted, SignInError>) -> Event {
    match result {
        Ok(Granted::Session(session)) => Event::Granted(session),
        // A Response for a service, or the list of services, is never asked for a person's own session.
        Ok(Granted::ForService(_) | Granted::Services(_)) => {
            Event::failed_here(Code::Failure(FailureCode::AnswerNotTrusted))
        }
        Err(error) => Event::Failed { code: error.code(), on: error.way(), retry_after: error.retry_after() },
    }
}

pub(super) fn for_farewell(result: Result<(), SignInError>) -> Reply {
    match result {
        Ok(()) => Reply::Done,
        Err(error) => Reply::Failed(Problem::of(error.code())),
    }
}

/// Whether the portal said it of the device, and so of everybody at it.
pub(super) fn is_of_device(code: RefusalCode) -> bool {
    use RefusalCode as R;
    matches!(
        code,
        R::DeviceRemoved
            | R::DeviceWiped
            | R::DeviceUnknown
            | R::DeviceQuarantined
            | R::DevicePending
            | R::DeviceCloned
    )
}

pub(super) fn for_ecp(result: Result<Relayed, SignInError>) -> Reply {
    match result {
        Ok(Relayed { url, envelope, differs }) => {
            if let Some(rejection) = &differs {
                tracing::warn!(error = rejection as &dyn std::error::Error, "a service wants its answer elsewhere");
            }
            let problem = differs.map(|_| Problem::failure(FailureCode::ServiceAddressDiffers));
            Reply::Ecp { url, envelope, problem }
        }
        Err(error) => Reply::Failed(Problem::of(error.code())),
    }
}

pub(super) fn for_asked(result: Result<Granted, SignInError>) -> Reply {
    match result {
        Ok(Granted::ForService(response)) => Reply::ServiceResponse {
            acs_url: response.acs_url,
            saml_response: base64::engine::general_purpose::STANDARD.encode(response.xml),
        },
        Ok(Granted::Services(list)) => Reply::Services(list),
        // A session is the person's own, and no answer to what was asked.
        Ok(Granted::Session(_)) => Reply::Failed(Problem::failure(FailureCode::AnswerNotTrusted)),
        Err(error) => Reply::Failed(Problem::of(error.code())),
    }
}
