//! Faults as SCIM tells them (RFC 7644 §3.12).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::filter::Unreadable;
use crate::admin::AdminError;

/// A kind of fault, in the words of table 9.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ScimType {
    /// The filter can't be read, or asks for what can't be filtered by.
    InvalidFilter,
    /// The path of a PATCH operation means nothing that is kept.
    InvalidPath,
    /// The body is no SCIM request.
    InvalidSyntax,
    /// A value is missing or of the wrong kind.
    InvalidValue,
    /// Somebody tries to set what only the portal sets.
    Mutability,
    /// The path of a PATCH operation fits no value.
    NoTarget,
    /// More than the portal gives in one answer.
    TooMany,
    /// Another has the same name.
    Uniqueness,
}

impl ScimType {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::InvalidPath => "invalidPath",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidValue => "invalidValue",
            Self::Mutability => "mutability",
            Self::NoTarget => "noTarget",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
        }
    }
}

/// An answer that is none.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Fault {
    /// The status of HTTP.
    pub status: StatusCode,
    /// What kind it is, where the table has one.
    pub scim_type: Option<ScimType>,
    /// What is wrong and what to do next.
    pub detail: String,
    /// Seconds after which it is worth another try.
    pub retry_after: Option<u32>,
}

impl Fault {
    pub(super) fn bad(scim_type: ScimType, detail: impl Into<String>) -> Self {
        Self { scim_type: Some(scim_type), ..Self::new(StatusCode::BAD_REQUEST, detail) }
    }

    pub(super) fn value(detail: impl Into<String>) -> Self {
        Self::bad(ScimType::InvalidValue, detail)
    }

    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into(), retry_after: None }
    }

    pub(super) fn filter(why: &Unreadable) -> Self {
        Self::bad(ScimType::InvalidFilter, format!("the filter can't be read: {}", why.0))
    }

    /// How the audit calls it.
    pub(super) fn code(&self) -> String {
        match (self.scim_type, self.status) {
            (Some(kind), _) => kind.name().to_owned(),
            (None, status) => status.canonical_reason().unwrap_or("refused").to_lowercase().replace(' ', "-"),
        }
    }
}

impl From<AdminError> for Fault {
    fn from(error: AdminError) -> Self {
        let detail = error.to_string();
        match error {
            AdminError::Scim(fault) => *fault,
            AdminError::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, detail),
            AdminError::Forbidden(_) => Self::new(StatusCode::FORBIDDEN, detail),
            AdminError::Duplicate { .. } => {
                Self { scim_type: Some(ScimType::Uniqueness), ..Self::new(StatusCode::CONFLICT, detail) }
            }
            AdminError::Invalid { field, .. } => Self::value(format!("`{field}`: {detail}")),
            error @ (AdminError::Busy
            | AdminError::LastOwner(_)
            | AdminError::Unproven { .. }
            | AdminError::Hashing(_)
            | AdminError::Metadata(_)
            | AdminError::Rule(_)
            | AdminError::Passkey(_)
            | AdminError::Store(_)
            | AdminError::File(_)
            | AdminError::Signing(_)
            | AdminError::Random(_)
            | AdminError::Thread { .. }) => {
                tracing::error!(error = &error as &dyn std::error::Error, "could not answer a directory");
                let detail = "the portal can't do it now: try again later";
                Self { retry_after: Some(5), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
            }
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.as_u16().to_string(),
            "detail": self.detail,
        });
        if let Some(scim_type) = self.scim_type {
            body["scimType"] = json!(scim_type.name());
        }
        let mut response = super::answer(self.status, &body);
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
