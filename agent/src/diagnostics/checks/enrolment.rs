//! `enrolment`: whether the key is registered with the configured cloud.

use std::sync::Arc;

use super::enrolled_by;
use super::on_disk;
use crate::diagnostics::seen::Local;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;

pub(super) struct Enrolment;

impl Check for Enrolment {
    fn id(&self) -> &'static str {
        "enrolment"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        on_disk(seen, look)
    }
}

fn look(seen: &Seen, local: &Local) -> Finding {
    let _ = seen;
    let Ok(config) = &local.config else { return Finding::skip("there is no configuration that names a cloud") };
    let (Ok(_), Ok(key)) = (&local.state, &local.key) else {
        return Finding::skip("the state or the key can't be read");
    };
    match (enrolled_by(local), key) {
        (Some(token), Some(key)) => {
            let device = saml::device::entity_id_of_key(key.public_key_spki());
            Finding::pass(format!("{device}, registered at {} by the token {token}", config.cloud_host))
        }
        (Some(_), None) => {
            Finding::coded(Code::Failure(FailureCode::KeyUnusable), "the device was enrolled, and its key is gone")
        }
        (None, _) if config.token.is_some() => Finding::warn(
            format!("not registered at {} yet; a device token waits", config.cloud_host),
            "start the agent; if it runs, see `last-problem`",
        ),
        (None, _) => {
            Finding::coded(Code::Failure(FailureCode::NotEnrolled), format!("not registered at {}", config.cloud_host))
        }
    }
}
