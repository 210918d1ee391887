//! `network-changes`: whether the running agent hears that the network has changed.

use std::sync::Arc;

use super::system_access;
use crate::diagnostics::{Check, Looking, Seen};
use crate::failure::FailureCode;

pub(super) struct NetworkChanges;

impl Check for NetworkChanges {
    fn id(&self) -> &'static str {
        "network-changes"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        Box::pin(system_access(
            seen,
            |access| access.network_changes.as_ref(),
            FailureCode::NetworkChangesHidden,
            "the running agent hears them",
        ))
    }
}
