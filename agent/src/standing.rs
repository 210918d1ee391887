//! How the device stands, and how that is told.

use platform::process;
use platform::session::UserSession;
use saml::time::UtcTime;

use crate::control::{PersonStatus, Problem, STATUS_VERSION, Status};
use crate::device::Device;
use crate::failure::FailureCode;
use crate::machine::State;
use crate::sign_in::Code;

/// Whether there is a device that can be worked with.
#[derive(Debug)]
pub enum Standing {
    /// The options are missing or wrong.
    Unconfigured {
        /// Each says what to write instead.
        faults: Vec<String>,
    },
    /// The state or the key can't be used.
    Broken {
        /// The kind.
        code: Code,
        /// What exactly.
        text: String,
    },
    /// Ready to sign somebody in.
    Ready(Box<Device>),
    /// A sign-in is on its way and has the device.
    Busy,
}

/// What is told about the device while a sign-in has it.
#[derive(Clone, Debug, Default)]
pub struct DeviceSummary {
    cloud: Option<String>,
    device: Option<String>,
    enrolled: bool,
    key_protection: Option<String>,
    key_since: Option<String>,
    token_waiting: bool,
    disk_full: bool,
}

impl DeviceSummary {
    /// The summary of `device` as it is now.
    #[must_use]
    pub fn of(device: &Device) -> Self {
        let (known_as, key_since) = device.as_listed();
        Self {
            cloud: Some(device.config.cloud_host.clone()),
            device: known_as.or_else(|| device.entity_id().map(|id| id.to_string())),
            key_since,
            enrolled: device.is_enrolled(),
            key_protection: device.key_protection(),
            token_waiting: device.config.token.is_some(),
            disk_full: device.state.is_disk_full(),
        }
    }
}

impl DeviceSummary {
    /// Whether the key is registered with the configured cloud.
    #[must_use]
    pub fn is_enrolled(&self) -> bool {
        self.enrolled
    }

    /// No token waits any more.
    pub fn token_is_gone(&mut self) {
        self.token_waiting = false;
    }
}

impl Standing {
    /// Why nothing can be done, for the states in which nothing can.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Broken { code, .. } => *code,
            Self::Unconfigured { .. } | Self::Ready(_) | Self::Busy => Code::Failure(FailureCode::OptionsInvalid),
        }
    }

    /// The status, with the people that may be seen.
    pub fn status<'a>(
        &self,
        summary: &DeviceSummary,
        people: impl Iterator<Item = (&'a UserSession, &'a State)>,
        now: UtcTime,
    ) -> Status {
        let (faults, problem) = match self {
            Self::Unconfigured { faults } => (faults.clone(), Some(Problem::failure(FailureCode::OptionsInvalid))),
            Self::Broken { code, text } => (vec![text.clone()], Some(Problem::of(*code))),
            Self::Ready(_) | Self::Busy => (Vec::new(), None),
        };
        let people: Vec<_> =
            people.map(|(session, state)| person_status(session, state, summary.enrolled, now)).collect();
        let nobody = problem.is_none() && people.is_empty();
        Status {
            version: STATUS_VERSION,
            agent: "running".to_owned(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            agent_rss_kib: process::resident_kib(),
            cloud: summary.cloud.clone(),
            device: summary.device.clone(),
            enrolled: summary.enrolled,
            break_glass_until: None,
            diagnostics_request: None,
            key_protection: summary.key_protection.clone(),
            key_since: summary.key_since.clone(),
            token_waiting: summary.token_waiting,
            faults,
            set_aside: Vec::new(),
            notices: summary.disk_full.then(|| Problem::failure(FailureCode::DiskFull)).into_iter().collect(),
            people,
            problem: if nobody { Some(Problem::failure(FailureCode::NobodyLoggedIn)) } else { problem },
        }
    }
}

fn person_status(session: &UserSession, state: &State, enrolled: bool, now: UtcTime) -> PersonStatus {
    let (word, problem) = match state {
        State::Splayed { .. } | State::SigningIn { .. } if enrolled => ("signing-in", None),
        State::Splayed { .. } | State::SigningIn { .. } => ("enrolling", None),
        State::SignedIn { .. } => ("signed-in", None),
        State::Waiting { cause, .. } => ("waiting", Some(Problem::of(*cause))),
        State::Refused { code, .. } => ("refused", Some(Problem::of(*code))),
        State::SignedOut => ("signed-out", Some(Problem::failure(FailureCode::SignedOut))),
    };
    let held = state.session(now);
    PersonStatus {
        session: session.id.to_string(),
        account: session.local_name.clone(),
        state: word.to_owned(),
        user: held.map(|session| session.user.clone()),
        evidence: session.evidence.source.to_owned(),
        grade: held.and_then(|session| session.grade.clone()),
        origin: held.and_then(|session| session.origin.clone()),
        since: held.map(|session| session.since.to_string()),
        until: held.map(|session| session.until.to_string()),
        next_at: state.wake_at().map(|at| at.to_string()),
        problem,
    }
}

impl Problem {
    /// The asking account may not do that.
    #[must_use]
    pub fn not_allowed() -> Self {
        Self {
            code: "not-allowed".to_owned(),
            meaning: "only an administrator of this device may do that".to_owned(),
            next_action: "run the command as root, or as the account that runs the agent".to_owned(),
            exit_code: 1,
        }
    }
}
