//! `portal`: whether the portal answers over HTTPS.

use std::sync::Arc;
use std::time::Duration;

use super::on_network;
use crate::diagnostics::chain;
use crate::diagnostics::network::Network;
use crate::diagnostics::{Check, Finding, Looking, NETWORK_LIMIT, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;

pub(super) struct Portal;

impl Check for Portal {
    fn id(&self) -> &'static str {
        "portal"
    }

    fn limit(&self) -> Duration {
        NETWORK_LIMIT
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        on_network(seen, look)
    }
}

async fn look(network: Network) -> Finding {
    match &*network.http.get().await {
        None => Finding::skip("there is no TLS connection"),
        Some(Ok(look)) if look.status == 200 => Finding::pass(format!("{} octets of metadata", look.body.len())),
        Some(Ok(look)) if look.status >= 500 => {
            Finding::coded(Code::Failure(FailureCode::PortalFailing), format!("status {}", look.status))
        }
        Some(Ok(look)) => {
            let to = look.location.as_ref().map_or_else(String::new, |to| format!(", and sends us to {to}"));
            Finding::coded(Code::Failure(FailureCode::AnswerNotUnderstood), format!("status {}{to}", look.status))
        }
        Some(Err(error)) => Finding::coded(Code::Failure(error.code()), chain(error)),
    }
}
