//! `tls-interception`: whether somebody opens TLS on the way, and who.

use std::sync::Arc;
use std::time::Duration;

use super::on_network;
use crate::certificate::is_interceptor;
use crate::diagnostics::network::Network;
use crate::diagnostics::{Check, Finding, Looking, NETWORK_LIMIT, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;

pub(super) struct TlsInterception;

impl Check for TlsInterception {
    fn id(&self) -> &'static str {
        "tls-interception"
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
    let Some(leaf) = handshake.chain.first() else { return Finding::skip("no certificate was shown") };
    let known = handshake.chain.iter().any(|certificate| is_interceptor(&certificate.issuer));
    match (known, handshake.not_trusted) {
        (true, _) => Finding::coded(
            Code::Failure(FailureCode::TlsIntercepted),
            format!("{} opens the connection on its way", leaf.issuer),
        ),
        (false, true) => Finding::warn(
            format!("perhaps: nobody here trusts {}, which issued the certificate", leaf.issuer),
            "compare the issuer with the one that the portal's administrator names",
        ),
        (false, false) => Finding::pass("nothing points at it"),
    }
}
