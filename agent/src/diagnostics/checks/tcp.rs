//! `tcp`: whether the portal accepts a connection.

use std::sync::Arc;
use std::time::Duration;

use super::on_network;
use crate::diagnostics::network::Connected;
use crate::diagnostics::network::Network;
use crate::diagnostics::{Check, Finding, Looking, NETWORK_LIMIT, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;

pub(super) struct Tcp;

impl Check for Tcp {
    fn id(&self) -> &'static str {
        "tcp"
    }

    fn limit(&self) -> Duration {
        NETWORK_LIMIT
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        on_network(seen, look)
    }
}

async fn look(network: Network) -> Finding {
    match &*network.connected.get().await {
        None => Finding::skip("there is no address to connect to"),
        Some(Connected { to: Ok(address), ms }) => Finding::pass(format!("{address} in {ms} ms")),
        Some(Connected { to: Err(why), .. }) => {
            Finding::coded(Code::Failure(FailureCode::PortalUnreachable), format!("{}: {why}", network.shown))
        }
    }
}
