//! What a service is told by the portal itself, before any device is asked: that what its request demands can't be done.

use saml::binding::post;
use saml::key::SignError;
use saml::name::MessageId;
use saml::refusal::{RefusalCode, SecondLevelStatus, TopLevelStatus};
use saml::response::{Response, Status};
use saml::time::UtcTime;
use serde::{Deserialize, Serialize};

use crate::decision::Awaited;
use crate::post_form::PostForm;
use crate::random;
use crate::sign_on::Portal;
use crate::store::browser_sign_on::BrowserSignOn;
use crate::store::issuer::Issuer;

/// An answer to a service, which its browser takes there.
#[derive(Clone, Debug)]
pub struct ServiceAnswer {
    /// Whose service it is.
    pub tenant_id: String,
    /// The issuer that it has asked.
    pub issuer: Issuer,
    /// The service's request.
    pub request_id: MessageId,
    /// The registered address that the answer goes to.
    pub acs_url: String,
    /// What the service gets back untouched.
    pub relay_state: Option<String>,
    /// What the answer says.
    pub unable: Unable,
}

/// What can't be done for a service.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Unable {
    /// Nobody may be asked anything, and without a question it is not known who the person is: `NoPassive`.
    Passive,
    /// The person can't be named as it is demanded: `InvalidNameIDPolicy`, and why.
    Name(String),
    /// The person that it asks for is not the one who is here: `UnknownPrincipal`.
    Subject,
    /// The way of signing in that it asks for is not the one here: `NoAuthnContext`.
    Context,
    /// The binding that it wants the answer by: `UnsupportedBinding`.
    Binding(String),
    /// Another confirmation of the subject than the bearer's: `RequestUnsupported`.
    Confirmation(String),
}

impl Unable {
    /// The second-level status without its prefix, as the audit has it.
    #[must_use]
    pub fn result(&self) -> &'static str {
        match self {
            Self::Passive => "NoPassive",
            Self::Name(_) => "InvalidNameIDPolicy",
            Self::Subject => "UnknownPrincipal",
            Self::Context => "NoAuthnContext",
            Self::Binding(_) => "UnsupportedBinding",
            Self::Confirmation(_) => "RequestUnsupported",
        }
    }

    /// What the audit says besides.
    #[must_use]
    pub fn why(&self) -> String {
        self.status().message.unwrap_or_default()
    }

    /// The portal's own code that says nearly the same, for counting.
    #[must_use]
    pub fn nearest(&self) -> RefusalCode {
        match self {
            Self::Subject => RefusalCode::UserNotProvisioned,
            Self::Context => RefusalCode::EvidenceTooWeak,
            Self::Passive | Self::Name(_) | Self::Binding(_) | Self::Confirmation(_) => RefusalCode::Malformed,
        }
    }

    /// Core §3.2.2.2, §3.4.1.
    fn status(&self) -> Status {
        let (top, second, message) = match self {
            Self::Subject => (
                TopLevelStatus::Responder,
                SecondLevelStatus::UnknownPrincipal,
                "the person who is here is not the one asked for".to_owned(),
            ),
            Self::Context => (
                TopLevelStatus::Responder,
                SecondLevelStatus::NoAuthnContext,
                "the person has not signed in in the way asked for".to_owned(),
            ),
            Self::Binding(uri) => (
                TopLevelStatus::Requester,
                SecondLevelStatus::UnsupportedBinding,
                format!("Responses are not sent by the binding {uri}"),
            ),
            Self::Confirmation(method) => (
                TopLevelStatus::Requester,
                SecondLevelStatus::RequestUnsupported,
                format!("a subject is confirmed as a bearer alone, and not by {method}"),
            ),
            Self::Passive => (
                TopLevelStatus::Responder,
                SecondLevelStatus::NoPassive,
                "no device of this browser has answered before".to_owned(),
            ),
            Self::Name(what) => {
                (TopLevelStatus::Requester, SecondLevelStatus::InvalidNameIdPolicy, format!("there is not {what} here"))
            }
        };
        Status { top, second: Some(second), message: Some(message), refusal: None }
    }
}

impl BrowserSignOn {
    /// The answer to the service that has begun it.
    pub(crate) fn unable(&self, unable: Unable) -> ServiceAnswer {
        ServiceAnswer {
            tenant_id: self.tenant_id.clone(),
            issuer: self.issuer,
            request_id: self.request_id.clone(),
            acs_url: self.acs_url.clone(),
            relay_state: self.relay_state.clone(),
            unable,
        }
    }
}

impl Awaited {
    /// The answer to a service that waits for a device. What goes back untouched has come to the device with the portal's request.
    pub(crate) fn unable(&self, unable: Unable) -> Box<ServiceAnswer> {
        Box::new(ServiceAnswer {
            tenant_id: self.tenant_id.clone(),
            issuer: self.issuer,
            request_id: self.request_id.clone(),
            acs_url: self.acs_url.clone(),
            relay_state: None,
            unable,
        })
    }
}

/// The form that takes `answer` to the service, signed. Blocks for as long as the signature takes.
///
/// # Errors
/// [`SignError`].
pub fn form(portal: &Portal, answer: ServiceAnswer, now: UtcTime) -> Result<PostForm, SignError> {
    let relay_state = answer.relay_state.clone();
    let (action, response) = sign(portal, answer, now)?;
    Ok(PostForm { action, field: "SAMLResponse", value: post::encode(&response), relay_state })
}

/// Where the Response goes that says `answer`, and the Response, signed. Blocks for as long as the signature takes.
///
/// # Errors
/// [`SignError`].
pub fn sign(portal: &Portal, answer: ServiceAnswer, now: UtcTime) -> Result<(String, String), SignError> {
    let response = Response {
        id: random::bytes().map(MessageId::from_random).map_err(SignError::new)?,
        issue_instant: now,
        destination: Some(answer.acs_url.clone()),
        in_response_to: Some(answer.request_id),
        issuer: portal.cloud.issuer(answer.issuer, &answer.tenant_id).entity_id,
        status: answer.unable.status(),
        assertion: None,
    };
    let keys = portal.keys.now();
    Ok((answer.acs_url, response.sign(&keys.issuer(answer.issuer, &answer.tenant_id)?)?))
}
