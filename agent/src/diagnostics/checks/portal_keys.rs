//! `portal-keys`: whether the portal still has a key that this device pinned.

use std::sync::Arc;
use std::time::Duration;

use crate::diagnostics::{Check, Finding, Looking, NETWORK_LIMIT, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;
use saml::key::VerifyingKey;
use saml::metadata::IdpMetadata;

pub(super) struct PortalKeys;

impl Check for PortalKeys {
    fn id(&self) -> &'static str {
        "portal-keys"
    }

    fn limit(&self) -> Duration {
        NETWORK_LIMIT
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        Box::pin(look(seen))
    }
}

async fn look(seen: Arc<Seen>) -> Finding {
    let local = seen.local.get().await;
    let (Ok(config), Ok(state)) = (&local.config, &local.state) else {
        return Finding::skip("there is no configuration, or no state");
    };
    let Some(pinned) = state.portal(&config.cloud_url) else {
        return Finding::skip("no portal is pinned before the enrolment");
    };
    let Some(network) = seen.network().await else { return Finding::skip("there is no cloud to ask") };
    let http = network.http.get().await;
    let metadata = match &*http {
        Some(Ok(look)) => IdpMetadata::parse(&look.body).ok(),
        Some(Err(_)) | None => None,
    };
    let Some(metadata) = metadata else { return Finding::skip("the portal's metadata could not be read") };
    let pinned = pinned.keys();
    let shown: Vec<_> =
        metadata.signing_certificates.iter().filter_map(|der| VerifyingKey::from_certificate_der(der).ok()).collect();
    let common = pinned.iter().filter(|key| shown.contains(key)).count();
    match common {
        0 => Finding::coded(
            Code::Failure(FailureCode::PortalKeysUnknown),
            "none of the portal's keys is one that this device pinned",
        ),
        _ => Finding::pass(format!("{common} of {} pinned keys are in force", pinned.len())),
    }
}
