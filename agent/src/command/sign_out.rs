//! `countersign sign-out`: end one's own session.

use platform::paths::Paths;

use super::{CommandError, Outcome};
use crate::control::{self, Ask, Problem, Reply};
use crate::failure::FailureCode;

pub(super) async fn run(paths: &Paths) -> Result<Outcome, CommandError> {
    match control::ask(paths, &Ask::SignOut).await? {
        Reply::Done => Ok(Outcome::success("signed out; `countersign sign-in` signs in again\n".to_owned())),
        Reply::Failed(problem) => Err(CommandError::Problem(problem)),
        Reply::Status(_) | Reply::ServiceResponse { .. } | Reply::Services(_) | Reply::Ecp { .. } => {
            Err(CommandError::Problem(Problem::failure(FailureCode::NotRunning)))
        }
    }
}
