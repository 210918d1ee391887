//! `proxy`: whether a proxy is in the way.

use std::sync::Arc;
use std::time::Duration;

use super::on_network;
use crate::diagnostics::network::Network;
use crate::diagnostics::network::Tunnel;
use crate::diagnostics::{Check, Finding, Looking, NETWORK_LIMIT, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;

pub(super) struct Proxy;

impl Check for Proxy {
    fn id(&self) -> &'static str {
        "proxy"
    }

    fn limit(&self) -> Duration {
        NETWORK_LIMIT
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        on_network(seen, look)
    }
}

async fn look(network: Network) -> Finding {
    let Some((host, port)) = &network.proxy else {
        return Finding::pass("none: the agent goes straight to the portal");
    };
    let name = format!("{host}:{port}");
    match &*network.tunnel.get().await {
        Some(Tunnel::Open | Tunnel::NoProxy) => Finding::pass(format!("{name} lets the agent through")),
        Some(Tunnel::WantsCredentials) => Finding::coded(
            Code::Failure(FailureCode::ProxyWantsCredentials),
            format!("{name} wants a name and a password"),
        ),
        Some(Tunnel::Refused(why)) => Finding::fail(
            format!("{name} does not let the agent through: {why}"),
            "allow the portal's address at the proxy, or set the option `proxy`",
        ),
        None => Finding::fail(
            format!("{name} can't be reached"),
            "repair the proxy, or set the option `proxy` to another, or to `direct`",
        ),
    }
}
