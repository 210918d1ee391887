//! `metadata`: whether what answers describes itself as a portal.

use std::sync::Arc;
use std::time::Duration;

use super::on_network;
use crate::diagnostics::network::Network;
use crate::diagnostics::{Check, Finding, Looking, NETWORK_LIMIT, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;
use saml::metadata::IdpMetadata;

pub(super) struct Metadata;

impl Check for Metadata {
    fn id(&self) -> &'static str {
        "metadata"
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
    let Some(Ok(look)) = &*http else { return Finding::skip("nothing answered") };
    match IdpMetadata::parse(&look.body) {
        Ok(metadata) => {
            Finding::pass(format!("{}, {} signing keys", metadata.entity_id, metadata.signing_certificates.len()))
        }
        Err(rejection) => Finding::coded(Code::Failure(FailureCode::AnswerNotUnderstood), rejection.to_string()),
    }
}
