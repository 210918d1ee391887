//! The agent as a service of the machine: of systemd, of launchd, of the Windows service control manager (SCM).

use std::{io, path::PathBuf, process::ExitStatus};

#[cfg(target_os = "linux")]
#[path = "service/linux.rs"]
mod imp;
#[cfg(target_os = "macos")]
#[path = "service/macos.rs"]
mod imp;
#[cfg(windows)]
#[path = "service/windows.rs"]
mod imp;
#[cfg(windows)]
#[path = "service/scm.rs"]
pub(crate) mod scm;

/// What the service is called: the unit's name, the job's label, the SCM's key.
pub const NAME: &str = imp::NAME;

/// How the service stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceState {
    /// The service manager knows no such service.
    NotInstalled,
    /// Installed, and not running.
    Stopped,
    /// On its way up.
    Starting,
    /// Running.
    Running,
    /// On its way down.
    Stopping,
    /// It ended with an error.
    Failed,
}

impl ServiceState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotInstalled => "not installed",
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
        }
    }
}

/// What the service manager says about the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// How it stands.
    pub state: ServiceState,
    /// The service's process, while there is one.
    pub process_id: Option<u32>,
    /// Whether it starts with the machine.
    pub starts_with_machine: bool,
}

impl ServiceStatus {
    pub(crate) const NOT_INSTALLED: Self =
        Self { state: ServiceState::NotInstalled, process_id: None, starts_with_machine: false };
}

/// Why the service manager did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// It refused, or could not be reached.
    #[error("could not {doing} the service `{NAME}`: run the command as {ADMINISTRATOR}, and see {HINT}")]
    Manager {
        /// What was asked, as a verb.
        doing: &'static str,
        /// What it answered.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its command line tool ended with an error.
    #[error("could not {doing} the service `{NAME}`: `{command}` ended with {status}: {answer}")]
    Tool {
        /// What was asked, as a verb.
        doing: &'static str,
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        answer: String,
    },
    /// There is no such service yet.
    #[error("the service `{NAME}` is not installed: {HOW_TO_INSTALL}")]
    NotInstalled,
    /// A file of the package is missing, without which nothing can be installed.
    #[error("`{path}` is missing, which describes the service: install the package, which brings it")]
    NoDescription {
        /// The unit or the property list.
        path: PathBuf,
    },
    /// It did not get there in time.
    #[error("the service `{NAME}` is still {} after {seconds} s: see {HINT}", .state.as_str())]
    TimedOut {
        /// Where it stands.
        state: ServiceState,
        /// How long it was waited for.
        seconds: u64,
    },
    /// This process was not started by the SCM.
    #[error("`--service` is for the Windows service manager only: start the agent with `countersign run`")]
    NotAService(#[source] io::Error),
}

#[cfg(target_os = "linux")]
const HINT: &str = "`journalctl -u countersign`";
#[cfg(target_os = "macos")]
const HINT: &str = "`log show --predicate 'process == \"countersign\"'`";
#[cfg(windows)]
const HINT: &str = "the event log (`eventvwr`, Windows Logs, System)";
#[cfg(unix)]
const ADMINISTRATOR: &str = "root";
#[cfg(windows)]
const ADMINISTRATOR: &str = "an administrator";
#[cfg(windows)]
const HOW_TO_INSTALL: &str = "run `countersign service install`";
#[cfg(unix)]
const HOW_TO_INSTALL: &str = "install the package, then run `countersign service install`";

/// Registers the service so that it starts with the machine; one that is there already is brought up to date. Starts nothing.
///
/// On Windows the program that is running now becomes the service; systemd's unit and launchd's property list come with the package.
///
/// # Errors
///
/// [`ServiceError`].
pub fn install() -> Result<(), ServiceError> {
    imp::install()
}

/// Stops the service and removes it; `false` when there was none.
///
/// # Errors
///
/// [`ServiceError`].
pub fn uninstall() -> Result<bool, ServiceError> {
    imp::uninstall()
}

/// Starts the service, and returns when it runs; one that runs already is left alone.
///
/// # Errors
///
/// [`ServiceError::NotInstalled`], and whatever the service manager says.
pub fn start() -> Result<(), ServiceError> {
    imp::start()
}

/// Stops the service, and returns when it has stopped; one that does not run is left alone.
///
/// # Errors
///
/// As [`start`].
pub fn stop() -> Result<(), ServiceError> {
    imp::stop()
}

/// How the service stands.
///
/// # Errors
///
/// When the service manager cannot be asked.
pub fn status() -> Result<ServiceStatus, ServiceError> {
    imp::status()
}

/// Whether the service manager, as it stands now, starts the service as soon as its options have come.
pub fn starts_when_configured() -> bool {
    imp::starts_when_configured()
}

/// The tie between this process and the SCM that started it. Dropped without [`Attached::stopped`] the SCM sees a crash, and starts it anew.
#[derive(Debug)]
pub struct Attached {
    #[cfg(windows)]
    scm: scm::Attached,
}

/// Ties this process to the SCM, which must have started it: from here on [`crate::termination::Termination`] hears the SCM's wish to stop, and
/// [`crate::session::SessionChanges`] its news of sessions and of waking up. To be called within the first seconds of the process.
///
/// # Errors
///
/// [`ServiceError::NotAService`] where the SCM did not start this process, and on every other system.
pub fn attach() -> Result<Attached, ServiceError> {
    #[cfg(windows)]
    return scm::attach().map(|scm| Attached { scm });
    #[cfg(not(windows))]
    Err(ServiceError::NotAService(io::ErrorKind::Unsupported.into()))
}

impl Attached {
    /// Tells the SCM that the service has ended, with 0 or the exit code of its failure, after which the SCM's failure actions apply.
    #[cfg_attr(
        not(windows),
        expect(unused_variables, reason = "only Windows has the SCM, and only there this type has a value")
    )]
    pub fn stopped(self, exit_code: u8) {
        #[cfg(windows)]
        self.scm.stopped(exit_code);
    }
}
