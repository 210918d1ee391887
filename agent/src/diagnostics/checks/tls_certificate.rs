//! `tls-certificate`: how long the portal's certificate still holds.

use std::sync::Arc;
use std::time::Duration;

use super::on_network;
use crate::diagnostics::network::Network;
use crate::diagnostics::{Check, Finding, Looking, NETWORK_LIMIT, Seen};
use saml::time::UtcTime;

pub(super) struct TlsCertificate;

impl Check for TlsCertificate {
    fn id(&self) -> &'static str {
        "tls-certificate"
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
    let leaf = handshake.as_ref().as_ref().and_then(|handshake| handshake.chain.first());
    let Some(leaf) = leaf else { return Finding::skip("no certificate was shown") };
    let now = platform::clock::unix_millis() / 1000;
    let until = UtcTime::from_unix_seconds(leaf.not_after);
    let days = (leaf.not_after - now) / 86_400;
    let text = format!("{} until {until}", leaf.subject);
    match (now < leaf.not_before, days) {
        (true, _) => Finding::fail(
            format!("{text}, and not valid yet"),
            "set this machine's clock; if it is right, the portal's certificate is wrong",
        ),
        (false, ..0) => Finding::fail(
            format!("{text}: it has expired"),
            "tell the administrators of the portal; if the clock here is wrong, set it",
        ),
        (false, 0..7) => Finding::warn(text, "tell the administrators of the portal: it ends within a week"),
        (false, _) => Finding::pass(text),
    }
}
