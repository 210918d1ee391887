//! `configuration`: whether the options make a configuration.

use std::sync::Arc;

use super::on_disk;
use crate::config::ConfigError;
use crate::diagnostics::seen::Local;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;

pub(super) struct Configuration;

impl Check for Configuration {
    fn id(&self) -> &'static str {
        "configuration"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        on_disk(seen, look)
    }
}

fn look(seen: &Seen, local: &Local) -> Finding {
    let _ = seen;
    match &local.config {
        Ok(config) => Finding::pass(format!("{} at {}", config.user_domain, config.cloud_host)),
        Err(
            error @ (ConfigError::File(_)
            | ConfigError::Managed(_)
            | ConfigError::Token(_)
            | ConfigError::Locked { .. }),
        ) => Finding::failed_or_unseen(Code::Failure(FailureCode::StateUnusable), error),
        Err(error @ ConfigError::Faults(_)) => {
            Finding::coded(Code::Failure(FailureCode::OptionsInvalid), error.to_string())
        }
    }
}
