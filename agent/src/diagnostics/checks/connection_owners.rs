//! `connection-owners`: whether the running agent is told whose connection to this machine's own address it is, which a sign-on in a browser takes.

use std::sync::Arc;

use super::system_access;
use crate::diagnostics::{Check, Looking, Seen};
use crate::failure::FailureCode;

pub(super) struct ConnectionOwners;

impl Check for ConnectionOwners {
    fn id(&self) -> &'static str {
        "connection-owners"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        Box::pin(system_access(
            seen,
            |access| access.connection_owners.as_ref(),
            FailureCode::ConnectionOwnersHidden,
            "the running agent is told whose they are",
        ))
    }
}
