//! `clock`: this machine's clock against the portal's.

use std::sync::Arc;
use std::time::Duration;

use super::on_network;
use crate::diagnostics::network::Network;
use crate::diagnostics::{Check, Finding, Looking, NETWORK_LIMIT, Seen};

pub(super) struct Clock;

impl Check for Clock {
    fn id(&self) -> &'static str {
        "clock"
    }

    fn limit(&self) -> Duration {
        NETWORK_LIMIT
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        on_network(seen, look)
    }
}

async fn look(network: Network) -> Finding {
    let http = network.http.get().await;
    let Some(Ok(look)) = &*http else { return Finding::skip("nothing answered that could tell the time") };
    let portal = look.date.as_deref().and_then(|date| httpdate::parse_http_date(date).ok());
    let Some(portal) = portal.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok()) else {
        return Finding::skip("what answered did not tell the time");
    };
    let own = platform::clock::unix_millis() / 1000;
    let off = own - i64::try_from(portal.as_secs()).unwrap_or(own);
    match off.abs() {
        0..=5 => Finding::pass("agrees with the portal's within 5 s"),
        6..=60 => Finding::warn(format!("{off} s off the portal's"), "see whether the machine's time service runs"),
        _ => Finding::warn(
            format!("{off} s off the portal's; the agent corrects for it"),
            "set this machine's clock: TLS and everything else need it",
        ),
    }
}
