//! `device-token`: whether a token waits. Never the token.

use std::sync::Arc;

use super::enrolled_by;
use super::on_disk;
use crate::diagnostics::seen::Local;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;

pub(super) struct DeviceToken;

impl Check for DeviceToken {
    fn id(&self) -> &'static str {
        "device-token"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        on_disk(seen, look)
    }
}

fn look(seen: &Seen, local: &Local) -> Finding {
    let _ = seen;
    let Ok(config) = &local.config else { return Finding::skip("there is no configuration that could hold one") };
    let enrolled = enrolled_by(local).is_some();
    match (&config.token, enrolled) {
        (Some(token), false) => Finding::pass(format!("the token {} waits to be used", token.id())),
        (Some(token), true) if config.keep_token => {
            Finding::pass(format!("the token {} is kept, as `keepToken` says", token.id()))
        }
        (Some(token), true) => Finding::warn(
            format!("the token {} is still here after the enrolment", token.id()),
            "remove `deviceToken` from the configuration file, which the agent does not change",
        ),
        (None, true) => Finding::pass("used and forgotten"),
        (None, false) => {
            Finding::coded(Code::Failure(FailureCode::NotEnrolled), "not enrolled, and there is no device token")
        }
    }
}
