//! `portal-keys`: whether a key that this device pinned vouches for the keys that the portal signs with now.

use std::sync::Arc;
use std::time::Duration;

use crate::diagnostics::{Check, Finding, Looking, NETWORK_LIMIT, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;
use saml::metadata::IdpMetadata;
use saml::rejection::RejectionReason;
use saml::time::UtcTime;

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
    let body = match &*http {
        Some(Ok(look)) if IdpMetadata::parse(&look.body).is_ok() => &look.body,
        Some(_) | None => return Finding::skip("the portal's metadata could not be read"),
    };
    // As the agent follows a change of keys: a key that is pinned has to have signed the list. That some key is in both lists proves nothing.
    let now = UtcTime::from_unix_millis(platform::clock::unix_millis());
    match IdpMetadata::parse_signed(body, &pinned.keys(), now) {
        Ok(_) => Finding::pass("a key that this device pinned has signed the list of the portal's keys"),
        // The signature is looked at first; what a wrong clock does is said by `clock`.
        Err(rejection) if rejection.reason() == RejectionReason::MetadataExpired => Finding::pass(
            "a key that this device pinned has signed the list of the portal's keys, whose time is over by this clock",
        ),
        Err(rejection) => Finding::coded(
            Code::Failure(FailureCode::PortalKeysUnknown),
            format!("no key that this device pinned has signed the list of the portal's keys: {rejection}"),
        ),
    }
}
