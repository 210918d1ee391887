//! What the checks look at. Each part is found out once, on its own, and none holds up another.

use std::sync::Arc;
use std::time::Duration;

use installer_options::InstallOptions;
use platform::device_key::{self, DeviceKey, KeyError};
use platform::paths::Paths;
use platform::session::{self, SessionError, UserSession};

use super::chain;
use super::network::{self, Network, Target};
use super::stage::Stage;
use crate::config::{self, Config, ConfigError};
use crate::control::{self, Ask, Reply, Status};
use crate::device_state::{DeviceState, DeviceStateError};

/// How long the daemon may take to answer.
const DAEMON_PATIENCE: Duration = Duration::from_secs(3);

/// What is on this machine's disk.
pub(super) struct Local {
    pub(super) options: Result<InstallOptions, ConfigError>,
    pub(super) config: Result<Config, ConfigError>,
    pub(super) state: Result<DeviceState, DeviceStateError>,
    pub(super) key: Result<Option<DeviceKey>, KeyError>,
}

/// Why the daemon told nothing.
#[derive(Clone, Debug)]
pub(super) enum Silence {
    /// Nobody listens, or not somebody who may be trusted.
    NotThere(String),
    /// Somebody listens and does not answer in time.
    Hung,
    /// It answers something else.
    Strange(String),
}

/// Everything that the checks share.
pub struct Seen {
    /// The agent's places.
    pub(super) paths: Paths,
    pub(super) local: Stage<Local>,
    pub(super) daemon: Stage<Result<Status, Silence>>,
    pub(super) sessions: Stage<Result<Vec<UserSession>, SessionError>>,
    pub(super) network: Stage<Option<Network>>,
}

impl Seen {
    /// Begins to look. Must be called inside a tokio runtime.
    #[must_use]
    pub fn begin(paths: Paths) -> Self {
        let of_local = paths.clone();
        let local = Stage::blocking(move || look_at_disk(&of_local));
        let of_daemon = paths.clone();
        let daemon = Stage::of(async move { ask_daemon(&of_daemon).await });
        let for_network = local.clone();
        let network = Stage::of(async move {
            let local = for_network.get().await;
            Some(network::probe(Target::of(local.config.as_ref().ok()?).await))
        });
        Self { paths, local, daemon, sessions: Stage::of(session::sessions()), network }
    }

    /// The network's stages; none where there is no configuration that names a cloud.
    pub(super) async fn network(&self) -> Option<Network> {
        let network: Arc<Option<Network>> = self.network.get().await;
        (*network).clone()
    }
}

fn look_at_disk(paths: &Paths) -> Local {
    Local {
        options: config::effective(paths),
        config: config::load(paths),
        state: DeviceState::load(&paths.state_dir),
        key: device_key::load(&paths.state_dir),
    }
}

async fn ask_daemon(paths: &Paths) -> Result<Status, Silence> {
    match tokio::time::timeout(DAEMON_PATIENCE, control::ask(paths, &Ask::Status)).await {
        Err(_) => Err(Silence::Hung),
        Ok(Ok(Reply::Status(status))) => Ok(*status),
        Ok(Ok(_)) => Err(Silence::Strange("it answers another question".to_owned())),
        Ok(Err(error @ control::ControlError::Channel(_))) => Err(Silence::NotThere(chain(&error))),
        Ok(Err(error)) => Err(Silence::Strange(chain(&error))),
    }
}
