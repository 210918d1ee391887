//! `countersign break-glass`: type in the code that support has read out. Works without the daemon too, for accounts that may read the state.

use platform::files;
use platform::paths::Paths;

use super::{CommandError, Outcome};
use crate::break_glass::BreakGlass as Kept;
use crate::control::{self, Ask, ControlError, Problem, Reply};
use crate::device::CorrectedClock;
use crate::failure::FailureCode;

#[derive(Debug, clap::Args)]
pub(super) struct BreakGlass {
    /// The code, such as `7k2m-9xqa-04cw-hh3e`; spaces and hyphens don't matter.
    #[arg(required = true, num_args = 1..=4)]
    code: Vec<String>,
}

impl BreakGlass {
    pub(super) async fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        let code = self.code.concat();
        let until = match control::ask(paths, &Ask::BreakGlass { code: code.clone() }).await {
            Ok(Reply::Status(status)) => status.break_glass_until.unwrap_or_default(),
            Ok(Reply::Failed(problem)) => return Err(CommandError::Problem(problem)),
            Ok(Reply::Done | Reply::ServiceResponse { .. } | Reply::Services(_) | Reply::Ecp { .. }) => {
                return Err(CommandError::Problem(Problem::failure(FailureCode::NotRunning)));
            }
            Err(ControlError::Channel(_)) => without_daemon(paths, &code)?,
            Err(error) => return Err(error.into()),
        };
        Ok(Outcome::success(format!(
            "the code was taken: software that asks `countersign status --check enrolled` is told to let this device through until {until}\n"
        )))
    }
}

/// Does what the daemon would do. The lock sees to it that there is none.
fn without_daemon(paths: &Paths, code: &str) -> Result<String, CommandError> {
    let failed = |error: crate::break_glass::BreakGlassError| CommandError::Problem(Problem::failure(error.code()));
    if !paths.state_dir.exists() {
        return Err(CommandError::Problem(Problem::failure(FailureCode::BreakGlassNoKey)));
    }
    let _lock = files::lock(&paths.state_dir.join("lock"))?;
    let mut kept = Kept::load(&paths.state_dir).map_err(failed)?;
    Ok(kept.take(code, CorrectedClock::default().now()).map_err(failed)?.to_string())
}
