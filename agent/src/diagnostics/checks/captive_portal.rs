//! `captive-portal`: whether a network's log-in page stands in the way.

use std::sync::Arc;
use std::time::Duration;

use super::is_page;
use super::on_network;
use crate::diagnostics::network::Network;
use crate::diagnostics::network::Plain;
use crate::diagnostics::{Check, Finding, Looking, NETWORK_LIMIT, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;

pub(super) struct CaptivePortal;

impl Check for CaptivePortal {
    fn id(&self) -> &'static str {
        "captive-portal"
    }

    fn limit(&self) -> Duration {
        NETWORK_LIMIT
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        on_network(seen, look)
    }
}

async fn look(network: Network) -> Finding {
    let plain = network.plain.get().await;
    if let Plain::SentTo(other) = &*plain {
        return Finding::coded(Code::Failure(FailureCode::CaptivePortal), format!("this network sends us to {other}"));
    }
    let http = network.http.get().await;
    match &*http {
        Some(Ok(look)) if is_page(look) => Finding::coded(
            Code::Failure(FailureCode::CaptivePortal),
            format!("a web page answers in the portal's place (status {})", look.status),
        ),
        Some(_) | None => Finding::pass("nothing points at one"),
    }
}
