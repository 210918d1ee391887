//! `name-resolution`: whether the portal's name has an address.

use std::sync::Arc;
use std::time::Duration;

use super::on_network;
use crate::diagnostics::network::Network;
use crate::diagnostics::{Check, Finding, Looking, NETWORK_LIMIT, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;

pub(super) struct NameResolution;

impl Check for NameResolution {
    fn id(&self) -> &'static str {
        "name-resolution"
    }

    fn limit(&self) -> Duration {
        NETWORK_LIMIT
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        on_network(seen, look)
    }
}

async fn look(network: Network) -> Finding {
    let resolved = network.resolved.get().await;
    match &resolved.addresses {
        Ok(addresses) => {
            let v6 = addresses.iter().filter(|address| address.is_ipv6()).count();
            let v4 = addresses.len() - v6;
            let text = format!("{} has {v4} IPv4 and {v6} IPv6 addresses, found in {} ms", resolved.name, resolved.ms);
            match resolved.ms {
                0..1500 => Finding::pass(text),
                _ => Finding::warn(text, "the name servers are slow: see which ones the system asks"),
            }
        }
        Err(why) => Finding::coded(Code::Failure(FailureCode::NameNotResolved), format!("{}: {why}", resolved.name)),
    }
}
