use super::{SessionChange, SessionError, UserSession};

const REASON: &str = "Windows sessions are not in this build";

pub(super) async fn sessions() -> Result<Vec<UserSession>, SessionError> {
    Err(SessionError::Unsupported { reason: REASON })
}

#[derive(Debug)]
pub(super) enum SessionChanges {}

impl SessionChanges {
    pub(super) async fn subscribe() -> Result<Self, SessionError> {
        Err(SessionError::Unsupported { reason: REASON })
    }

    pub(super) async fn next(&mut self) -> SessionChange {
        match *self {}
    }
}
