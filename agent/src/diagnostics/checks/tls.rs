//! `tls`: whether the portal proves its name.

use std::sync::Arc;
use std::time::Duration;

use super::on_network;
use crate::diagnostics::network::Network;
use crate::diagnostics::{Check, Finding, Looking, NETWORK_LIMIT, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;

pub(super) struct Tls;

impl Check for Tls {
    fn id(&self) -> &'static str {
        "tls"
    }

    fn limit(&self) -> Duration {
        NETWORK_LIMIT
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        on_network(seen, look)
    }
}

async fn look(network: Network) -> Finding {
    let handshake = network.handshake.get().await;
    let Some(handshake) = &*handshake else { return Finding::skip("there is no connection") };
    let issuer = handshake.chain.first().map_or_else(String::new, |leaf| format!(", issued by {}", leaf.issuer));
    match &handshake.result {
        Ok(version) => Finding::pass(format!("{version}{issuer}")),
        Err(why) if handshake.not_trusted => {
            Finding::coded(Code::Failure(FailureCode::TlsNotTrusted), format!("{why}{issuer}"))
        }
        Err(why) => Finding::coded(Code::Failure(FailureCode::PortalUnreachable), format!("no TLS: {why}")),
    }
}
