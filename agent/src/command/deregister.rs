//! `countersign deregister`: leave the cloud. Works without the daemon too.

use std::sync::Arc;

use platform::files;
use platform::paths::Paths;

use super::{CommandError, Outcome};
use crate::config;
use crate::control::{self, Ask, ControlError, Problem, Reply};
use crate::conversation;
use crate::device::{CorrectedClock, Device, delete_former_keys};
use crate::device_state::DeviceState;
use crate::failure::FailureCode;
use crate::sign_in::{Code, SignInError};
use crate::steps::Steps;

#[derive(Debug, clap::Args)]
pub(super) struct Deregister {
    /// Tell nobody, and forget: for a device whose portal is gone. The portal shows the device until it is removed there.
    #[arg(long)]
    local: bool,
}

impl Deregister {
    pub(super) async fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        if self.local {
            return forget_here(paths).await;
        }
        match control::ask(paths, &Ask::Deregister).await {
            Ok(Reply::Done) => Ok(left()),
            Ok(Reply::Failed(problem)) if problem.code == FailureCode::NotEnrolled.code() => Ok(was_not_enrolled()),
            Ok(Reply::Failed(problem)) => Err(CommandError::Problem(problem)),
            Ok(Reply::Status(_) | Reply::ServiceResponse { .. } | Reply::Services(_) | Reply::Ecp { .. }) => {
                Err(CommandError::Problem(Problem::failure(FailureCode::NotRunning)))
            }
            Err(ControlError::Channel(_)) => without_daemon(paths).await,
            Err(error) => Err(error.into()),
        }
    }
}

fn left() -> Outcome {
    Outcome::success("this device has left the cloud; a new device token brings it back\n".to_owned())
}

fn was_not_enrolled() -> Outcome {
    Outcome::success("this device was not enrolled\n".to_owned())
}

/// Does what the daemon would do. The lock sees to it that there is none.
async fn without_daemon(paths: &Paths) -> Result<Outcome, CommandError> {
    if !paths.state_dir.exists() {
        return Ok(was_not_enrolled());
    }
    let _lock = files::lock(&paths.state_dir.join("lock"))?;
    // Options may be missing or wrong by now; a device that never was enrolled needs none.
    if DeviceState::load(&paths.state_dir).map_err(SignInError::from)?.is_new() {
        return Ok(was_not_enrolled());
    }
    let config = config::load(paths)?;
    let mut device = Device::open(Arc::new(config), paths.clone())?;
    device.clock = CorrectedClock::default();
    match conversation::deregister(&mut device, &Steps::silent()).await {
        Ok(()) => {
            // That it is over matters, and not how: it has told itself.
            let _ = device.forget()?.await;
            Ok(left())
        }
        Err(SignInError::NotEnrolled) => Ok(was_not_enrolled()),
        Err(error @ (SignInError::Refused(_) | SignInError::EnrolledKeyGone)) => Err(error.into()),
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "the portal can't be told");
            device.state.leave().map_err(SignInError::from)?;
            Err(CommandError::Problem(Problem::of(Code::Failure(FailureCode::Leaving))))
        }
    }
}

/// Forgets without asking anybody. The daemon may run: it is told to look again.
async fn forget_here(paths: &Paths) -> Result<Outcome, CommandError> {
    if !paths.state_dir.exists() {
        return Ok(was_not_enrolled());
    }
    platform::device_key::destroy(&paths.state_dir).map_err(SignInError::from)?;
    DeviceState::remove(&paths.state_dir).map_err(SignInError::from)?;
    let left_in = config::forget_token(paths)?;
    let _ = delete_former_keys(paths.state_dir.clone()).await;
    let mut text = "this device has forgotten who it was; the portal was not told\n".to_owned();
    if let Some(place) = left_in {
        text.push_str(&format!("note: a device token is left in {place}, which the agent does not change\n"));
    }
    match control::ask(paths, &Ask::Forgotten).await {
        Ok(_) | Err(ControlError::Channel(_)) => Ok(Outcome::success(text)),
        Err(error) => Err(error.into()),
    }
}
