//! Where the agent keeps its files.

use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
#[path = "paths/linux.rs"]
mod imp;
#[cfg(target_os = "macos")]
#[path = "paths/macos.rs"]
mod imp;
#[cfg(windows)]
#[path = "paths/windows.rs"]
mod imp;

/// The places of one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The configuration file that an administrator writes.
    pub config_file: PathBuf,
    /// Where the device's management speaks, on systems where that is a file (see [`crate::managed`]); it is the machine's, also for an agent
    /// that a person runs.
    pub policy_file: Option<PathBuf>,
    /// What must outlive a restart: device key, state. Private to the agent.
    pub state_dir: PathBuf,
    /// What must not outlive a boot: the local channel's socket.
    pub runtime_dir: PathBuf,
}

impl Paths {
    /// The places of the machine's one agent, which runs as root or SYSTEM.
    pub fn system() -> Self {
        imp::system()
    }

    /// The places of an agent that a person runs for themselves.
    ///
    /// # Errors
    ///
    /// [`PathsError::NoHome`] when the environment does not say where the person's files are.
    pub fn of_user() -> Result<Self, PathsError> {
        imp::of_user(&|name| crate::environment::var(name).map(PathBuf::from).filter(|path| path.is_absolute()))
    }

    /// The places that suit this process: the system's for a privileged one, else the person's.
    ///
    /// # Errors
    ///
    /// As [`Paths::of_user`].
    pub fn suitable() -> Result<Self, PathsError> {
        if Self::is_privileged() { Ok(Self::system()) } else { Self::of_user() }
    }

    /// The places of the agent that serves this process: its own where it has any, else the machine's where an agent has them.
    ///
    /// # Errors
    ///
    /// As [`Paths::of_user`].
    pub fn of_the_agent_here() -> Result<Self, PathsError> {
        let (own, system) = (Self::suitable()?, Self::system());
        let has_own = own.state_dir.exists() || own.config_file.exists();
        let has_system = system.runtime_dir.exists() || system.state_dir.exists();
        Ok(if !has_own && has_system { system } else { own })
    }

    /// The same places below one directory, as for a trial or a test.
    pub fn below(dir: &Path) -> Self {
        Self {
            config_file: dir.join("countersign.toml"),
            policy_file: Some(dir.join("policy.toml")),
            state_dir: dir.join("state"),
            runtime_dir: dir.join("run"),
        }
    }

    /// Whether this process may act for the whole machine (root; SYSTEM or an elevated administrator).
    pub fn is_privileged() -> bool {
        imp::is_privileged()
    }
}

/// Why no place was found.
#[derive(Debug, thiserror::Error)]
pub enum PathsError {
    /// The environment names no home.
    #[error("no home directory is known: set `{variable}` to an absolute path, or run as the service's user")]
    NoHome {
        /// The variable that would have told it.
        variable: &'static str,
    },
}
